"""What the tests of the record share."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.postgres import made, on
from traces.store import Store
from traces.tables import Table

TABLES = tuple(Table.metadata.tables)
ALONE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
"""Ends the connections that an earlier test left."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a store may be made: a file."""
    return tmp_path / "workbench.db"


@pytest.fixture(scope="session")
def kept(server: str) -> str:
    """A database with a store, which is emptied for each test."""
    made(server, "CREATE DATABASE kept")
    Store.open(on(server, "kept")).close()
    return on(server, "kept")


@pytest.fixture(params=["file", "server"])
def site(request: pytest.FixtureRequest, place: Path) -> str:
    """Where a store may be opened: a file, and a database of a server."""
    if request.param == "file":
        return str(place)
    kept: str = request.getfixturevalue("kept")
    made(kept, ALONE, f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY")
    return kept


@pytest.fixture
def store(site: str) -> Generator[Store]:
    """A new store, in a file and on a server."""
    with Store.open(site) as opened:
        yield opened
