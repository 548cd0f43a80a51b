"""Verification: no single flipped bit of what is stored goes unseen."""

import random
import sqlite3
import struct
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from decomposition.events import Replied
from decomposition.ports import Reusable
from decomposition.spend import Dues, Estimate, Intent, Receipt, Usage
from tests.traces.kit import ENGINE, MODEL, append, deliberation, recorded
from tests.traces.rows_kit import step_rows
from traces.digest import seal
from traces.errors import StoreFailed, StoreRefused
from traces.halts import Halted, put_halt
from traces.leases import acquire
from traces.record import Ending, NewLine
from traces.redact import redact
from traces.spending import Ceiling
from traces.store import Store
from traces.tables import Table
from traces.training_rows import TrainingRows, packed
from traces.verify import Report, verify

FLIPS = 500
COLUMNS = {
    "event": (
        "id path kind payload answerer author wall_us monotonic_us duration_us mark "
        "tokens_in tokens_out cost_usd origin salt commitment"
    ),
    "session": (
        "trace run idx opened_us status seed config answer digest workspaces calls lookups "
        "memo_hits joins tokens cost_usd seconds seal head count salt_seed"
    ),
    "answerer": "id identity seal",
    "lease": "resource holder fence expires_us seal",
    "run": "id name created_us kind config status total finished_us seal",
    "line": "run idx external input seal",
    "expected": "run idx text seal",
    "memo": "key session number seal",
    "joinable": "key session number digest seal",
    "unindexed": "packed seal",
    "redacted": "session number wall_us reason husk seal",
    "stale": "session number reason seal",
    "trained": "run arm step teacher_step total packed leaf digest seal",
    "ledger": (
        "call run session path answerer attempt standing wall_us duration_us reserved_in "
        "reserved_out reserved_usd tokens_in tokens_out cost_usd human_s event fault finish model "
        "request reply holder fence seal"
    ),
    "spend": (
        "scope number calls tokens nano_usd unknown worked_us until_us max_calls max_tokens "
        "max_nano_usd max_us seal"
    ),
    "halt": "run session path kind asker wall_us seal",
}
"""Every column but numbers that only tell rows apart."""


def filled(place: Path) -> None:
    """A store in which every table has rows and every column that may be empty is not."""
    with Store.open(place) as store:
        lines = [
            NewLine(f"line {each}", f'{{"question": "q{each}"}}', str(each)) for each in range(5)
        ]
        run = store.register.create_run("first", "amplify", '{"samples": 3}', lines, now_us=5)
        for session in store.register.sessions(run.number)[:4]:
            store.register.begin(session.number, 6)
            append(store, session, deliberation(12))
            append(store, session, deliberation(16, 12), MODEL)
            append(store, session, deliberation(18, 16), ENGINE)
            append(store, session, deliberation(20, 18), replace(MODEL, origin="t-0123456789ab#3"))
            reusable = Reusable(
                [(bytes([session.number]) * 20, session.number, 3)],
                [(bytes([90 + session.number]) * 20, session.number, 20, b"d" * 32)],
            )
            append(store, session, [("0", Replied(f"answer {session.number}"))], reusable=reusable)
            ending = Ending("answered", "the answer", "b2:12", 1, 2, 3, 4, 5, 6, 0.5, 1.5)
            store.register.finish(session.number, ending)
        store.register.change_run(run.number, "finished", 7)
        alone = recorded(store, 20)
        redact(store, alone.trace, 7, reason="this was asked for", everywhere=False)
        with store.database.writing() as writer:
            row = (alone.number, 3, "because")
            writer.run("INSERT INTO stale VALUES (?, ?, ?, ?)", (*row, seal(*row)))
        acquire(store.database, "run:first")
        steps = [packed(step_rows(1))]
        steps.append(packed(step_rows(2), steps[0].digest))
        TrainingRows(store.database).append(run.number, "amplified", steps)
        pay(store, run.number, store.register.sessions(run.number)[3].number)
    crashed = Store.open(place)
    reusable = Reusable([(b"m" * 20, alone.number, 20)], [(b"j" * 20, alone.number, 20, b"d" * 32)])
    append(crashed, alone, [("0", Replied("done"))], reusable=reusable)
    crashed.database.close()


def pay(store: Store, run: int, session: int) -> None:
    """Lines of the ledger of all kinds, with caps, time and a halt."""
    store.ledger.limit(Ceiling(100, 10_000, 5.0, 60.0), run=run)
    store.ledger.limit(Ceiling(50, 5_000, 2.0, 30.0), session=session)
    store.ledger.worked(7, 1_000_007, run=run)
    most = Estimate(100, 50, 0.25)
    calls = [Intent(f"c-{n}", session, "0", "chat:m@1", n, most, 5 + n) for n in range(1, 4)]
    used = Usage(80, 20, 0.125, "what went", "what came", "stop", "m-1")
    store.commit_now([], dues=Dues(calls))
    receipts = [Receipt(calls[0].call, "answered", used, 9, 8, 20, "nothing")]
    store.commit_now([], dues=Dues((), receipts))
    store.ledger.add_human_seconds(session, "0", "human:ann", 12.5, wall_us=11)
    put_halt(store.database, Halted(run, session, "0.1", "pause", "ann", 12))


def looked_at(place: Path) -> Report | None:
    """What a verification says; None where the store is not even opened."""
    try:
        with Store.open(place, readonly=True) as store:
            return verify(store)
    except (StoreFailed, StoreRefused):
        return None


def test_a_store_that_nothing_happened_to_is_sound(place: Path) -> None:
    """No finding where there is nothing to find."""
    filled(place)
    report = looked_at(place)
    assert report is not None
    assert report.findings == ()
    assert report.ok
    assert (report.sessions, report.events, report.redacted) == (6, 4 * 21 + 21, 1)
    assert "anchor" in report.guarantee


# -- flipped values ----------------------------------------------------------------------------


def flipped(value: object, draw: random.Random) -> object:
    """A value with one bit changed, of the same type."""
    match value:
        case int():
            return value ^ (1 << draw.randrange(value.bit_length() + 1))
        case float():
            raw = bytearray(struct.pack(">d", value))
        case str():
            raw = bytearray(value.encode() or b"\0")
        case bytes():
            raw = bytearray(value)
        case _:
            raise TypeError(value)
    raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    match value:
        case float():
            return float(struct.unpack(">d", raw)[0])
        case str():
            return raw.decode(errors="surrogateescape")
        case _:
            return bytes(raw)


def as_it_stands(text: bytes) -> str:
    """Text that need not be Unicode."""
    return text.decode(errors="surrogateescape")


def flip(place: Path, table: str, column: str, draw: random.Random) -> str:
    """Flip one bit of one value; says which, or nothing where the database refuses it."""
    with closing(sqlite3.connect(place)) as raw:
        raw.execute("PRAGMA synchronous = OFF")
        raw.text_factory = as_it_stands
        keys = [row[1] for row in raw.execute(f"PRAGMA table_info({table})") if row[5]]
        sql = f"SELECT {column}, {', '.join(keys)} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608
        if column == "salt_seed":
            # A seed says something only if an event draws its salt from it.
            sql += " AND id IN (SELECT id >> 32 FROM event WHERE salt IS NULL AND payload <> '')"
        old, *key = draw.choice(raw.execute(sql).fetchall())
        new = flipped(old, draw)
        if isinstance(new, str):
            # Text goes in as bytes, so that it need not be Unicode.
            sql = f"UPDATE {table} SET {column} = CAST(? AS TEXT)"  # noqa: S608
            values: tuple[object, ...] = (new.encode(errors="surrogateescape"), *key)
        else:
            sql = f"UPDATE {table} SET {column} = ?"  # noqa: S608
            values = (new, *key)
        try:
            raw.execute(f"{sql} WHERE {' AND '.join(f'{name} = ?' for name in keys)}", values)
        except (sqlite3.IntegrityError, OverflowError):
            return ""
        raw.commit()
    return f"{table}.{column}: {old!r} became {new!r}"


def test_every_flipped_bit_of_every_column_is_found(place: Path) -> None:
    """500 single bits, in every column of every table: all are found."""
    filled(place)
    sound = place.read_bytes()
    draw = random.Random(11)  # noqa: S311 - the same flips in every run
    columns = [(table, column) for table, names in COLUMNS.items() for column in names.split()]
    unseen: list[str] = []
    done = 0
    for table, column in cycle(columns):
        place.write_bytes(sound)
        what = flip(place, table, column, draw)
        if what:
            done += 1
            report = looked_at(place)
            unseen += [what] if report is not None and report.ok else []
        if done == FLIPS:
            break
    assert unseen == []


# -- flipped bytes -----------------------------------------------------------------------------


def event_rows(file: bytes) -> list[range]:
    """Where in the file the rows of events are: the cells of leaf pages that hold payloads."""
    size = int.from_bytes(file[16:18], "big")
    rows: list[range] = []
    for start in range(size, len(file), size):
        page = file[start : start + size]
        if page[0] != LEAF or b'"questions"' not in page:
            continue
        cells = int.from_bytes(page[3:5], "big")
        begins = sorted(int.from_bytes(page[8 + 2 * n : 10 + 2 * n], "big") for n in range(cells))
        ends = [*begins[1:], size]
        rows += [range(start + a, start + b) for a, b in zip(begins, ends, strict=True)]
    return rows


LEAF = 13
"""First byte of a page that holds rows of a table with row ids."""


def test_every_flipped_bit_of_an_event_in_the_file_is_found(place: Path) -> None:
    """500 single bits in the bytes of event rows, their headers included: all are found.

    But for the few that SQLite reads as what was there before: its headers can say "nothing"
    in more than one way.
    """
    filled(place)
    sound = place.read_bytes()
    before = events_of(place)
    rows = event_rows(sound)
    assert len(rows) == 4 * 21 + 21
    draw = random.Random(12)  # noqa: S311 - the same flips in every run
    unseen: list[tuple[int, int]] = []
    for _ in range(FLIPS):
        at, bit = draw.choice(draw.choice(rows)), draw.randrange(8)
        file = bytearray(sound)
        file[at] ^= 1 << bit
        place.write_bytes(file)
        report = looked_at(place)
        if report is not None and report.ok:
            assert events_of(place) == before
            unseen.append((at, bit))
    assert len(unseen) < FLIPS // 20


def events_of(place: Path) -> list[tuple[object, ...]]:
    """All rows of events."""
    with closing(sqlite3.connect(place)) as raw:
        return raw.execute("SELECT * FROM event ORDER BY id").fetchall()


# -- flipped anywhere --------------------------------------------------------------------------

NO_CONTENT = {"unindexed": ("id",)}
"""Columns that only tell rows apart."""


def content(place: Path) -> dict[str, list[tuple[object, ...]]] | None:
    """All that a store's tables hold; None where they cannot be read."""
    try:
        with closing(sqlite3.connect(place)) as raw:
            raw.text_factory = as_it_stands
            return {table: rows_of(raw, table) for table in sorted(Table.metadata.tables)}
    except (sqlite3.Error, OverflowError, UnicodeError):
        return None


def rows_of(raw: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    """All rows of a table; of a session's seed only what events draw from it."""
    names = [str(row[1]) for row in raw.execute(f"PRAGMA table_info({table})")]
    names = [name for name in names if name not in NO_CONTENT.get(table, ())]
    if table == "session":
        drawn = "id IN (SELECT id >> 32 FROM event)"
        salted = "id IN (SELECT id >> 32 FROM event WHERE salt IS NULL AND payload IS NOT NULL)"
        said = {"id": f"CASE WHEN {drawn} THEN id END"}
        said["salt_seed"] = f"CASE WHEN {salted} THEN salt_seed END"
        names = [said.get(name) or name for name in names]
    rows = raw.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()  # noqa: S608
    return sorted(rows, key=repr)


def test_every_flipped_bit_of_the_file_that_changes_content_is_found(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """500 single bits anywhere in the file: whatever changes what it holds is found.

    The others hit free space, or what SQLite keeps for itself, and change nothing that is read.
    """
    filled(place)
    with Store.open(place) as store:
        recorded(store, 1_500)
    sound, before = place.read_bytes(), content(place)
    assert before is not None
    draw = random.Random(13)  # noqa: S311 - the same flips in every run
    hit = found = elsewhere = 0
    unseen: list[tuple[int, int]] = []
    for _ in range(FLIPS):
        at, bit = draw.randrange(len(sound)), draw.randrange(8)
        file = bytearray(sound)
        file[at] ^= 1 << bit
        place.write_bytes(file)
        report = looked_at(place)
        seen = report is None or not report.ok
        if content(place) == before:
            elsewhere += seen
            continue
        hit += 1
        found += seen
        unseen += [] if seen else [(at, bit)]
    with capsys.disabled():
        said = f"{FLIPS} flipped bits: {hit} in content, {found} of them found"
        print(f"\n{said}; {elsewhere} found beside content")  # noqa: T201 - the test's result
    assert unseen == []
    assert hit > FLIPS // 2


# -- what is named -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 5, 19])
def test_the_first_event_that_does_not_fit_is_named(store: Store, number: int) -> None:
    """With its trace, its number, and nothing said of the events after it."""
    recorded(store, 5)
    session = recorded(store, 20)
    with store.database.writing() as writer:
        key = (session.number << 32) + number
        writer.run("UPDATE event SET wall_us = wall_us + 1 WHERE id >= ?", (key,))
    (finding,) = verify(store).findings
    assert (finding.kind, finding.trace, finding.number) == ("chain", session.trace, number)
    assert str(finding).startswith(f"{session.trace} event {number}: ")
    assert verify(store, [session.trace]).findings == (finding,)


@pytest.mark.parametrize(
    "case",
    [
        ("DELETE FROM event WHERE id & 4294967295 = 7", 7, "missing"),
        ("DELETE FROM event WHERE id & 4294967295 >= 7", 7, "7 events and should have 20"),
        ("UPDATE event SET id = id + 100 WHERE id & 4294967295 = 19", 19, "missing"),
        ("UPDATE event SET payload = NULL WHERE id & 4294967295 = 7", 7, "payload is gone"),
        ("UPDATE event SET payload = ? WHERE id & 4294967295 = 7", 7, "cannot be read", b"{}"),
        ("UPDATE event SET answerer = 99 WHERE id & 4294967295 = 7", 7, "99"),
        ("UPDATE event SET author = 99 WHERE id & 4294967295 = 7", 7, "99"),
        ("UPDATE event SET kind = 99 WHERE id & 4294967295 = 7", 7, "99"),
        ("UPDATE event SET salt = ? WHERE id & 4294967295 = 7", 7, "salt", b"\0"),
        ("UPDATE session SET count = 19", 19, "20 events and should have 19"),
        ("UPDATE session SET head = ?", None, "another hash", bytes(32)),
        ("UPDATE session SET head = ?", None, "is none", b"short"),
        ("UPDATE session SET answer = 'x'", None, "row was changed"),
    ],
)
def test_what_is_wrong_is_said(store: Store, case: tuple[Any, ...]) -> None:
    """Gaps, a cut-off end, payloads and people that are not there, ends that do not fit."""
    sql, number, words, *values = case
    session = recorded(store, 20)
    with store.database.writing() as writer:
        writer.run(sql, values)
    finding = verify(store).findings[0]
    assert (finding.trace, finding.number) == (session.trace, number)
    assert words in finding.message


@pytest.mark.parametrize(
    ("sql", "number", "words"),
    [
        ("UPDATE event SET payload = '{}' WHERE id & 4294967295 = 7", 7, "payload"),
        ("UPDATE event SET wall_us = 'now' WHERE id & 4294967295 = 7", 7, "authorship"),
        ("UPDATE session SET head = 5", None, "is none"),
    ],
)
def test_a_value_of_a_wrong_type_in_a_file_is_said(
    place: Path, sql: str, number: int | None, words: str
) -> None:
    """SQLite keeps a value of any type in any column; a server does not take it."""
    with Store.open(place) as store:
        session = recorded(store, 20)
        with store.database.writing() as writer:
            writer.run(sql)
        finding = verify(store).findings[0]
    assert (finding.trace, finding.number) == (session.trace, number)
    assert words in finding.message


def test_two_events_that_changed_places_are_found(store: Store) -> None:
    """The chain is over the order too."""
    session = recorded(store, 20)
    base = session.number << 32
    with store.database.writing() as writer:
        for old, new in ((base + 4, base + 99), (base + 5, base + 4), (base + 99, base + 5)):
            writer.run("UPDATE event SET id = ? WHERE id = ?", (new, old))
    assert [finding.number for finding in verify(store).findings] == [4]


def test_events_without_a_session_are_found(store: Store) -> None:
    """Whether other sessions follow or not."""
    gone, _, last = (recorded(store, 5) for _ in range(3))
    with store.database.writing() as writer:
        writer.many("DELETE FROM session WHERE id = ?", [(gone.number,), (last.number,)])
    assert [str(finding) for finding in verify(store).findings] == [
        f"5 events of session {gone.number}, which is not",
        f"5 events of session {last.number}, which is not",
    ]


def test_an_anchor_is_found_where_it_was_kept(store: Store) -> None:
    """A head that was kept elsewhere says up to where nothing was rewritten."""
    session = recorded(store, 8)
    anchor = session.head.hex()
    append(store, session, deliberation(20, 8))
    report = verify(store, anchor=anchor)
    assert report.ok
    assert report.anchored == f"{session.trace} after 8 events"


def test_a_rewritten_history_misses_its_anchor(site: str) -> None:
    """Who rewrites everything can make a sound store, but not the head that was kept."""
    with Store.open(site) as store:
        anchor = recorded(store, 8).head.hex()
        with store.database.writing() as writer:
            writer.run("DELETE FROM event")
            writer.run("DELETE FROM session")
    with Store.open(site) as store:
        recorded(store, 8)
        assert verify(store).ok
        report = verify(store, anchor=anchor)
        assert [finding.kind for finding in report.findings] == ["anchor"]


def test_many_findings_are_counted(store: Store) -> None:
    """The first hundred are listed."""
    for _ in range(120):
        recorded(store, 2)
    with store.database.writing() as writer:
        writer.run("UPDATE event SET kind = 9")
    report = verify(store)
    assert (len(report.findings), report.total) == (100, 120)
