"""Opening: hostile and foreign files are refused with their reason, and stay as they are."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Final

import pytest

from tests.traces.kit import append, deliberation, recorded
from traces.errors import (
    ForeignStore,
    NewerStore,
    NotAStore,
    StoreBusy,
    StoreDamaged,
    StoreRefused,
)
from traces.opening import leftovers, open_database
from traces.store import Store
from traces.verify import verify


def seen(folder: Path) -> dict[str, str]:
    """The files of a folder with the hashes of their content."""
    return {
        file.name: sha256(file.read_bytes()).hexdigest()
        for file in folder.iterdir()
        if file.is_file()
    }


def test_a_new_store_is_made_where_nothing_is(place: Path) -> None:
    """One file, and nothing left beside it once it is closed."""
    Store.open(place).close()
    assert [file.name for file in place.parent.iterdir()] == [place.name]
    with Store.open(place) as store:
        assert store.register.runs() == []
        assert not store.readonly
        assert verify(store).ok


def test_a_store_has_the_settings_that_the_promises_need(place: Path) -> None:
    """Write-ahead log, every commit synced, foreign keys on, no functions from the schema."""
    names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "busy_timeout")
    with Store.open(place) as store:
        found = [store.database.execute(f"PRAGMA {name}")[0][0] for name in names]
        assert found == ["wal", 2, 1, 0, 30_000]
        assert store.database.execute("PRAGMA application_id") == [(0x57424E43,)]


def test_an_address_names_a_file_too(place: Path) -> None:
    """As SQLAlchemy writes it."""
    with Store.open(f"sqlite:///{place}") as store:
        recorded(store, 3)
    with Store.open(place) as store:
        assert len(store.register.sessions()) == 1


# -- what is refused ---------------------------------------------------------------------------


def empty(place: Path) -> None:
    """An empty file."""
    place.touch()


def text(place: Path) -> None:
    """A file of something else."""
    place.write_text("Dear diary, " * 50)


def short(place: Path) -> None:
    """A file that ends in the header."""
    place.write_bytes(b"SQLite format 3\0" + bytes(10))


def folder(place: Path) -> None:
    """A folder."""
    place.mkdir()


def foreign(place: Path) -> None:
    """Another program's database, with a table of the same name as ours."""
    with closing(sqlite3.connect(place)) as other:
        other.execute("CREATE TABLE session (id)")
        other.execute("INSERT INTO session VALUES (1)")
        other.commit()


def unversioned(place: Path) -> None:
    """A database that claims to be ours and does not say which schema it has."""
    with closing(sqlite3.connect(place)) as other:
        other.execute("PRAGMA application_id = 0x57424E43")
        other.execute("CREATE TABLE session (id)")


def changed(sql: str) -> Callable[[Path], None]:
    """A store whose schema somebody changed."""

    def make(place: Path) -> None:
        with Store.open(place) as store:
            recorded(store, 5)
        with closing(sqlite3.connect(place)) as other:
            other.executescript("PRAGMA journal_mode = DELETE;" + sql)

    make.__name__ = sql
    return make


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (empty, NotAStore, "empty"),
        (text, NotAStore, "not an SQLite database"),
        (short, NotAStore, "not an SQLite database"),
        (folder, NotAStore, "folder"),
        (foreign, ForeignStore, "belongs to another program"),
        (unversioned, ForeignStore, "which schema"),
        (changed("UPDATE alembic_version SET version_num = '9999'"), NewerStore, "9999"),
        (changed("DELETE FROM alembic_version"), ForeignStore, "which schema"),
        (
            changed("CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM session; END"),
            ForeignStore,
            "trigger t is foreign",
        ),
        (
            changed(
                "CREATE TRIGGER alembic_version AFTER INSERT ON event BEGIN DELETE FROM run; END"
            ),
            ForeignStore,
            "trigger alembic_version is foreign",
        ),
        (changed("CREATE VIEW v AS SELECT 1"), ForeignStore, "view v is foreign"),
        (changed("CREATE TABLE loot (x)"), ForeignStore, "table loot is foreign"),
        (changed("CREATE INDEX i ON event (path)"), ForeignStore, "index i is foreign"),
        (changed("DROP TABLE memo"), ForeignStore, "table memo is missing"),
        (
            changed("ALTER TABLE event ADD COLUMN loot TEXT DEFAULT 'x'"),
            ForeignStore,
            "a rule in table event",
        ),
        (changed("ALTER TABLE event ADD COLUMN loot TEXT"), ForeignStore, "other columns"),
        (
            changed(
                "DROP TABLE lease; CREATE TABLE lease (resource TEXT NOT NULL PRIMARY KEY, "
                "holder TEXT NOT NULL CHECK (length(holder) > 0), fence BIGINT NOT NULL, "
                "expires_us BIGINT NOT NULL) WITHOUT ROWID"
            ),
            ForeignStore,
            "a rule in table lease",
        ),
    ],
)
@pytest.mark.parametrize("readonly", [False, True])
def test_what_is_no_store_of_ours_is_refused_and_unchanged(
    place: Path,
    make: Callable[[Path], None],
    error: type[StoreRefused],
    words: str,
    *,
    readonly: bool,
) -> None:
    """Each with its own words; no file changes, none appears."""
    make(place)
    before = seen(place.parent)
    with pytest.raises(error, match=words) as caught:
        Store.open(place, readonly=readonly)
    assert str(place) in str(caught.value)
    assert seen(place.parent) == before


def test_a_newer_store_with_a_log_is_untouched(place: Path) -> None:
    """Also where the newer program died and left its log."""
    crashed = Store.open(place)
    recorded(crashed, 5)
    with crashed.database.writing() as writer:
        writer.run("UPDATE alembic_version SET version_num = '9999'")
    copy = place.with_name("copy.db")
    for suffix in ("", "-wal"):
        Path(f"{copy}{suffix}").write_bytes(Path(f"{place}{suffix}").read_bytes())
    crashed.close()
    before = sha256(copy.read_bytes()).hexdigest()
    for readonly in (False, True):
        with pytest.raises(NewerStore, match="9999"):
            Store.open(copy, readonly=readonly)
        assert sha256(copy.read_bytes()).hexdigest() == before


def test_the_log_of_a_store_that_is_gone_is_not_taken_over(place: Path) -> None:
    """A new store under the old name would come up with the old one's pages."""
    crashed = Store.open(place)
    recorded(crashed, 5)
    place.unlink()
    with pytest.raises(NotAStore, match="-wal of a store that is gone"):
        Store.open(place)
    crashed.database.close()


@pytest.mark.parametrize("readonly", [False, True])
def test_a_place_that_is_not_there(tmp_path: Path, *, readonly: bool) -> None:
    """No folder: refused. No file: refused for reading only."""
    with pytest.raises(NotAStore):
        Store.open(tmp_path / "none" / "workbench.db", readonly=readonly)
    with pytest.raises(NotAStore):
        Store.open(tmp_path / "workbench.db", readonly=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address", ["oracle://user:secret@host/db", "nonsense://x", "postgresql+none://u:secret@h/d"]
)
def test_an_address_of_something_else_is_refused(address: str) -> None:
    """Without a word of its password."""
    with pytest.raises(NotAStore) as caught:
        Store.open(address)
    assert "secret" not in str(caught.value)


def test_a_damaged_store_is_named(place: Path) -> None:
    """Pages that do not hold together."""
    with Store.open(place) as store:
        recorded(store, 500)
    raw = bytearray(place.read_bytes())
    raw[4096 : 4096 * 3] = b"\xaa" * 8192
    place.write_bytes(raw)
    with pytest.raises(StoreDamaged, match="salvage"), Store.open(place) as store:
        store.entries(1)


# -- other processes and rights ----------------------------------------------------------------


def test_opening_waits_for_the_lock_and_gives_up(place: Path) -> None:
    """Another process that locks everything is waited for."""
    Store.open(place).close()
    with closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreBusy):
            Store.open(place, patience_s=0.1)


def test_a_reader_sees_what_a_writer_commits(site: str) -> None:
    """A store that is open for reading only follows what happens."""
    with Store.open(site) as store:
        session = recorded(store, 3)
        with Store.open(site, readonly=True) as reader:
            append(store, session, deliberation(9, 3))
            assert len(reader.entries(session.number)) == 9


READ = """
import ctypes, os, sys
sys.path.insert(0, {root!r})
from traces.store import Store
if os.geteuid() == 0:
    # Without its capabilities root is bound by the rights of its own files, like anybody.
    nothing = (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), nothing) == 0
with Store.open({place!r}) as store:
    print(store.readonly, "|", len(store.entries(1)))
"""


def test_in_a_read_only_folder_a_store_is_read_only(place: Path) -> None:
    """And says so; nothing appears beside it."""
    with Store.open(place) as store:
        recorded(store, 7)
    place.parent.chmod(0o555)
    place.chmod(0o444)
    before = seen(place.parent)
    try:
        root = str(Path(__file__).parents[2])
        code = READ.format(root=root, place=str(place))
        done = subprocess.run(
            [sys.executable, "-c", code], check=False, capture_output=True, text=True
        )
    finally:
        place.parent.chmod(0o755)
    assert done.stdout == "the file cannot be written | 7\n", done.stderr
    assert seen(place.parent) == before


def test_two_that_make_a_store_at_once_get_the_same_one(place: Path) -> None:
    """Whoever comes second opens what the first made."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from traces.store import Store, now_us\n"
        f"Store.open({str(place)!r}).register.open_session(now_us=now_us())"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0] * 3
    with Store.open(place) as store:
        assert len(store.register.sessions()) == 3
        assert verify(store).ok
    assert [file.name for file in place.parent.iterdir()] == [place.name]


KILLED: Final = """
import os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from traces import opening
making = opening.migrate_file

def killed(connection, scripts):
    {moment}
    os.kill(os.getpid(), signal.SIGKILL)

opening.migrate_file = killed
opening.open_database(Path({place!r}))
"""


@pytest.mark.parametrize(
    "moment",
    [
        "connection.execute('BEGIN IMMEDIATE'); connection.execute('CREATE TABLE a (b)')",
        "making(connection, scripts)",
    ],
    ids=["inside", "after"],
)
def test_what_a_killed_process_left_while_it_made_a_store_goes(place: Path, moment: str) -> None:
    """The next opening makes the store and removes what is left; other files stay."""
    other = place.with_name(f".{place.name}.mine.new")
    other.write_text("not ours")
    code = KILLED.format(root=str(Path(__file__).parents[2]), place=str(place), moment=moment)
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], check=False)
        assert done.returncode == -signal.SIGKILL
    assert not place.exists()
    assert len(leftovers(place)) >= 2
    with Store.open(place) as store:
        recorded(store, 3)
        assert verify(store).ok
    assert leftovers(place) == []
    assert other.exists()


def test_a_store_is_whole_from_the_moment_at_which_it_has_its_name(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mode is not changed afterwards: a kill would leave a journal that no reader may undo."""
    link = os.link

    def killed(new: Path, path: Path) -> None:
        link(new, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", killed)
    with pytest.raises(KeyboardInterrupt):
        Store.open(place)
    assert place.read_bytes()[18:20] == b"\2\2"
    with Store.open(place, readonly=True) as store:
        assert store.register.runs() == []


def test_who_is_overtaken_while_making_a_store_opens_the_other(place: Path) -> None:
    """The faster one removed what the slower one was writing; that is no error."""
    slow = place.with_name(f".{place.name}.0123abcd.new")
    slow.write_bytes(b"half")
    Store.open(place).close()
    assert not slow.exists()
    other = place.with_name("other.db")
    faster = (
        "opening.migrate_file = making; "
        f"opening.open_database(Path({str(other)!r})).close(); return"
    )
    code = KILLED.format(root=str(Path(__file__).parents[2]), place=str(other), moment=faster)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Store.open(other) as store:
        assert verify(store).ok
    assert leftovers(other) == []


def test_a_database_is_opened_in_a_thread_and_used_in_another(place: Path) -> None:
    """One connection serves all threads."""
    database = open_database(place)
    rows: list[object] = []
    thread = Thread(target=lambda: rows.extend(database.rows("SELECT 1")))
    thread.start()
    thread.join()
    assert rows == [(1,)]
    database.close()
