"""What the tests of the record share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from traces.store import Store


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "workbench.db"


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    """A new store."""
    with Store.open(place) as opened:
        yield opened
