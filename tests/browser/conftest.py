"""Fixtures of the browser's tests."""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser, absent, running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    if why := absent():
        pytest.exit(why, returncode=1)
    with running() as started:
        yield started
