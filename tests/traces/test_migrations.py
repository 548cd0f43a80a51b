"""Migrations: an older store is brought up to date, or stays as it was."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from decomposition.spend import Dues, Estimate, Intent
from tests.postgres import made, on
from tests.traces.kit import deliberation, recorded
from traces.errors import MigrationFailed, StoreBusy
from traces.migrations import SCRIPTS, revisions
from traces.opening import open_database
from traces.record import NewLine
from traces.store import Store
from traces.tables import Table
from traces.verify import verify

NEXT = '''
"""The next schema."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column, and then perhaps fail."""
    op.add_column("run", sa.Column("comment", sa.Text()))
    {then}
'''


def scripts(tmp_path: Path, then: str = "pass") -> Path:
    """Our migrations and one more."""
    folder = tmp_path / "scripts"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SCRIPTS, folder)
    (folder / "versions" / "0003_next.py").write_text(NEXT.format(then=then))
    return folder


def columns(place: Path) -> list[str]:
    """The columns of the table of runs."""
    with closing(sqlite3.connect(place)) as raw:
        return [row[1] for row in raw.execute("PRAGMA table_info(run)")]


def files(place: Path) -> list[str]:
    """What stands beside a store."""
    return sorted(file.name for file in place.parent.iterdir() if file.is_file())


@pytest.fixture
def older(place: Path) -> Path:
    """A store with something in it."""
    with Store.open(place) as store:
        recorded(store, 50)
    return place


def test_the_migrations_make_the_tables(place: Path) -> None:
    """What `tables` says and what the migrations make is the same."""
    Store.open(place).close()
    engine = create_engine(f"sqlite:///{place}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
    engine.dispose()
    assert revisions() == ("0001", "0002")


def first_schema(tmp_path: Path) -> Path:
    """The migrations as they were before there was a ledger."""
    folder = tmp_path / "first"
    shutil.copytree(SCRIPTS, folder)
    for file in folder.glob("versions/[0-9]*_*.py"):
        if not file.name.startswith("0001"):
            file.unlink()
    return folder


@pytest.fixture(params=["file", "server"])
def empty(request: pytest.FixtureRequest, place: Path) -> str:
    """Where nothing is yet: a file, and a database of a server."""
    if request.param == "file":
        return str(place)
    server: str = request.getfixturevalue("server")
    made(server, "DROP DATABASE IF EXISTS older", "CREATE DATABASE older")
    return on(server, "older")


def test_a_store_from_before_the_ledger_gets_one(empty: str, tmp_path: Path) -> None:
    """Its runs and sessions stay as they are, and can be paid for from then on."""
    with Store(open_database(empty, scripts=first_schema(tmp_path))) as store:
        run = store.register.create_run("r", "amplify", "{}", [NewLine("x", "{}")], now_us=5)
        (waiting,) = store.register.sessions(run.number)
        session = recorded(store, 50)
    with Store.open(empty) as store:
        assert store.entries(session.number) == deliberation(50)
        assert store.register.runs() == [run]
        intent = Intent("c-1", waiting.number, "0", "chat:m@1", 1, Estimate(5, 5, 0.5), 7)
        assert store.commit_now([], dues=Dues([intent])) == {}
        assert store.ledger.spent(run=run.number).calls == 1
        assert verify(store).ok


def test_an_older_store_is_copied_and_brought_up_to_date(older: Path, tmp_path: Path) -> None:
    """The copy is complete, beside the store, and named by the new schema."""
    database = open_database(older, scripts=scripts(tmp_path))
    database.close()
    assert "comment" in columns(older)
    assert files(older) == ["workbench.db", "workbench.db.before-0003"]
    with Store.open(older.with_name("workbench.db.before-0003")) as copy:
        assert copy.entries(1) == deliberation(50)


def test_a_migration_that_fails_changes_nothing(older: Path, tmp_path: Path) -> None:
    """The store is as it was and can be used; the error names the copy."""
    with pytest.raises(MigrationFailed, match=r"before-0003") as caught:
        open_database(older, scripts=scripts(tmp_path, 'op.execute("SELECT no_such_thing")'))
    assert Path(caught.value.backup).exists()
    assert "comment" not in columns(older)
    with Store.open(older) as store:
        assert store.entries(1) == deliberation(50)


@pytest.mark.parametrize("then", ['op.execute("COMMIT"); raise SystemExit', "raise SystemExit"])
def test_a_migration_that_died_is_undone_from_the_copy(
    older: Path, tmp_path: Path, then: str
) -> None:
    """Whoever opens the store next finds the copy, restores it, and migrates."""
    with pytest.raises(SystemExit):
        open_database(older, scripts=scripts(tmp_path, then))
    assert "workbench.db.migrating" in files(older)
    with closing(sqlite3.connect(older)) as raw:
        raw.execute("DELETE FROM event")
        raw.commit()
    open_database(older, scripts=scripts(tmp_path)).close()
    assert "comment" in columns(older)
    assert files(older) == ["workbench.db", "workbench.db.before-0003"]
    with closing(sqlite3.connect(older)) as raw:
        assert raw.execute("SELECT COUNT(*) FROM event").fetchone() == (50,)


def test_a_copy_whose_migration_was_complete_only_gets_its_name(older: Path) -> None:
    """Nothing is restored where the store is up to date."""
    older.with_name("workbench.db.migrating").write_bytes(older.read_bytes())
    with Store.open(older) as store:
        recorded(store, 5)
    assert files(older) == ["workbench.db", "workbench.db.before-0002"]
    with Store.open(older) as store:
        assert len(store.register.sessions()) == 2


def test_a_second_copy_gets_another_name(older: Path, tmp_path: Path) -> None:
    """No copy is ever written over."""
    older.with_name("workbench.db.before-0003").write_text("kept")
    open_database(older, scripts=scripts(tmp_path)).close()
    assert files(older) == [
        "workbench.db",
        "workbench.db.before-0003",
        "workbench.db.before-0003-1",
    ]
    assert older.with_name("workbench.db.before-0003").read_text() == "kept"


def test_an_older_store_that_cannot_be_written_is_refused(older: Path, tmp_path: Path) -> None:
    """For reading only it is not brought up to date."""
    with pytest.raises(MigrationFailed, match="0002"):
        open_database(older, readonly=True, scripts=scripts(tmp_path))
    assert files(older) == ["workbench.db"]


def test_only_one_process_migrates(older: Path, tmp_path: Path) -> None:
    """While another one holds the write lock, nothing is copied or changed."""
    with closing(sqlite3.connect(older, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            open_database(older, patience_s=0.1, scripts=scripts(tmp_path))
    assert files(older) == ["workbench.db"]
    assert "comment" not in columns(older)
