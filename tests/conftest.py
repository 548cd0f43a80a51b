"""What every test shares."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import NoServer, made, on, running

# A deadline measures the machine, not the code. Where nobody can look, the examples are fixed.
settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")

# A shell starts what runs in the background with Ctrl-C switched off, and children inherit that;
# tests press it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A server: the address of its database `postgres`."""
    try:
        with running() as address:
            yield address
    except NoServer as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def url(server: str) -> str:
    """An empty database on a server."""
    made(server, "DROP DATABASE IF EXISTS empty WITH (FORCE)", "CREATE DATABASE empty")
    return on(server, "empty")
