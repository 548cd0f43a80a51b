"""Stores that are none, that somebody broke or holds, or that cannot be written."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Final

from tests.workbench.conftest import Ran, Run
from tests.workbench.hostile.case import BEYOND, STORE, Case, holds, put
from tests.workbench.hostile.command_line import unprivileged
from tests.workbench.test_output import shell
from traces.migrations import SCRIPTS, revisions
from traces.opening import open_database
from traces.store import Store, now_us
from workbench.exits import guarded

NO_STORE: Final = "not SQLite, empty, another program's database"
PAGE: Final = "malformed page"
READ_ONLY: Final = "read-only folder"
LOCKED: Final = "locked 60 s by another process"
NEWER: Final = "newer schema"
HALF: Final = "half-migrated"
TRIGGERS: Final = "hostile triggers or views in a received file"
FULL: Final = "disk full at any write"
FLOOR: Final = (NO_STORE, PAGE, READ_ONLY, LOCKED, NEWER, HALF, TRIGGERS, FULL)

QUESTIONS: Final = '{"question": "487 + 1956"}\n'
TRIGGER: Final = "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM session; END"
RULED: Final = "ALTER TABLE event ADD COLUMN loot GENERATED ALWAYS AS (hex(payload)) VIRTUAL"
COPY: Final = f"workbench.db.before-{revisions()[-1]}"
LOG: Final = "workbench.db-wal"


def foreign() -> None:
    """Another program's database."""
    with closing(sqlite3.connect("mine.db")) as other:
        other.execute("CREATE TABLE session (id)")
        other.commit()


def no_store(name: str, before: Callable[[], object], says: str) -> Case:
    """A file that is none of ours: refused, and as it was."""

    def played(run: Run) -> Ran:
        was = Path("mine.db").read_bytes()
        ran = run("ask", "1 + 2", "--store", "mine.db")
        assert Path("mine.db").read_bytes() == was
        return ran

    return Case(NO_STORE, name, 5, (says,), before=before, play=played)


def edited(floor: str, name: str, sql: str, code: int, *says: str) -> Case:
    """A store of ours whose schema somebody changed: refused, and as it was."""

    def played(run: Run) -> Ran:
        assert run("ask", "1 + 2").code == 0
        with closing(sqlite3.connect("workbench.db")) as other:
            other.executescript(f"PRAGMA journal_mode = DELETE; {sql}")
        before = sha256(Path("workbench.db").read_bytes()).hexdigest()
        for arguments in (("trace", "show", "last"), ("ask", "1 + 2")):
            ran = run(*arguments)
            assert ran.code == code, ran.err
        assert sha256(Path("workbench.db").read_bytes()).hexdigest() == before
        return ran

    return Case(floor, name, code, says, play=played, leaves=STORE)


def broken(run: Run) -> Ran:
    """Pages that hold nothing that SQLite knows."""
    assert run("ask", "make 24 from 4 5 6 10").code == 0
    with Path("workbench.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xaa" * 8192)
    return run("trace", "show", "last")


def half_migrated(run: Run) -> Ran:
    """A store of the first schema whose migration died in the middle, with its copy beside it."""
    shutil.copytree(SCRIPTS, "scripts")
    for later in revisions()[1:]:
        for file in Path("scripts/versions").glob(f"{later}_*.py"):
            file.unlink()
    open_database("workbench.db", scripts=Path("scripts")).close()
    shutil.rmtree("scripts")
    shutil.copy("workbench.db", "workbench.db.migrating")
    with closing(sqlite3.connect("workbench.db")) as half:
        half.executescript("DROP TABLE run; CREATE TABLE ledger (half)")
    assert run("ask", "1 + 2").code == 0
    return run("trace", "verify")


def locked(run: Run) -> Ran:
    """Another process writes all the while; this one has less patience than the command line."""
    assert run("ask", "1 + 2").code == 0

    def write() -> None:
        with Store.open("workbench.db", patience_s=0.2) as store:
            store.register.open_session(now_us=now_us(), seed=0, config="{}")

    with closing(sqlite3.connect("workbench.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        code = guarded(write, debug=False)
        other.execute("ROLLBACK")
    # What was said before is part of what the next command leaves on the stream.
    said = run("trace", "verify")
    assert said.code == 0
    return Ran(code, "", said.err)


def full(run: Run) -> Ran:
    """The disk is full at one write after the other, until everything fits."""
    whole = answers(run("amplify", "q.jsonl", "--run", "whole"))
    last = Ran(0, "", "")
    for most_kib in (8, 152, 260):
        place = Path(f"{most_kib}.db")
        command = f"ulimit -f {most_kib}; workbench amplify q.jsonl --run r --store {place}"
        ran = Ran(*shell(Path.cwd(), command))
        if ran.code == 0:
            break
        assert ran.code == 5, ran.err
        assert "internal error" not in ran.err
        assert answers(_after_a_full_disk(run, place)) == whole
        last = ran
    for made in Path.cwd().glob("[0-9]*.db*"):
        made.unlink()
    return last


def _after_a_full_disk(run: Run, place: Path) -> Ran:
    """The run again, where there is room; what there is of it holds together."""
    kept = 0
    if place.exists():
        with closing(sqlite3.connect(place)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            kept = raw.execute("SELECT COUNT(*) FROM run").fetchone()[0]
    again = ("--resume", "r") if kept else ("q.jsonl", "--run", "r")
    return run("amplify", *again, "--store", str(place))


def answers(ran: Ran) -> list[str]:
    """The results without what differs from run to run."""
    assert ran.code == 0, ran.err
    return [line.partition('"trace"')[0] for line in ran.out.splitlines()]


def in_a_closed_folder(*arguments: str) -> Callable[[Run], Ran]:
    """A command in a folder that takes no file, for a user who is not root."""

    def played(run: Run) -> Ran:
        assert run("ask", "1 + 2").code == 0
        before = Path("workbench.db").read_bytes()
        Path("workbench.db").chmod(0o444)
        Path.cwd().chmod(0o555)
        try:
            return unprivileged(*arguments)
        finally:
            Path.cwd().chmod(0o755)
            assert Path("workbench.db").read_bytes() == before

    return played


CASES: Final = (
    no_store("text", put("mine.db", b"hello, this is a text\n" * 40), "not an SQLite database"),
    no_store("random bytes", put("mine.db", bytes(range(256)) * 16), "not an SQLite database"),
    no_store("empty", put("mine.db", b""), "the file is empty"),
    no_store("header alone", put("mine.db", b"SQLite format 3\0" + bytes(10)), "not an SQLite"),
    no_store("another program's", foreign, "belongs to another program"),
    Case(PAGE, "read", 5, ("is damaged", "trace salvage"), play=broken, leaves=STORE),
    Case(
        READ_ONLY, "read", 0, ("1 + 2 → 3",), play=in_a_closed_folder("trace", "show", "last"),
        leaves=STORE,
    ),
    Case(
        READ_ONLY, "write", 5, ("open for reading only", "cannot be written"),
        play=in_a_closed_folder("ask", "3 + 4"), leaves=STORE,
    ),
    Case(LOCKED, "write", 5, ("another process", "0.2"), play=locked, leaves=STORE),
    edited(NEWER, "schema", "UPDATE alembic_version SET version_num = '9999'", 3, "9999"),
    Case(HALF, "copy", 0, ("1 session",), play=half_migrated, leaves=(*STORE, COPY)),
    edited(TRIGGERS, "trigger", TRIGGER, 5, "trigger t is foreign"),
    edited(TRIGGERS, "view", "CREATE VIEW v AS SELECT 1", 5, "view v is foreign"),
    edited(TRIGGERS, "function", RULED, 5, "a rule in table event"),
    edited(BEYOND, "table", "CREATE TABLE loot (x)", 5, "table loot is foreign"),
    edited(BEYOND, "no version", "DELETE FROM alembic_version", 5, "which schema"),
    Case(FULL, "every write", 5, (), before=put("q.jsonl", QUESTIONS), play=full, leaves=STORE),
    Case(
        BEYOND, "a folder", 5, ("folder",), ("ask", "1 + 2", "--store", "mine"),
        before=Path("mine").mkdir,
    ),
    Case(
        BEYOND, "log of a store that is gone", 5, ("is gone is still here; remove it",),
        ("ask", "1 + 2"), before=put(LOG, b"x"), after=holds(LOG, b"x"), leaves=(LOG,),
    ),
)  # fmt: skip
