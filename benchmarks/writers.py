"""Four processes that write to one store at once: nothing lost, nobody told "locked".

    python -m benchmarks.writers [--writers 4] [--events 10000] [--only sqlite] [--json]

An event is a read-modify-write: read where a session stands and the number in its last event, and
append the next number if nobody appended meanwhile; else read again. Beside each store its driver
alone does the same work in the same run, the read inside of its transaction: that is the limit.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import psycopg
from msgspec import Struct, to_builtins

from decomposition.events import Noted, Opened
from decomposition.message import Message
from decomposition.ports import Authorship
from tests.postgres import plain, running
from traces.errors import Conflict, StoreBusy
from traces.store import Store, now_us
from traces.verify import verify

AUTHOR: Final = "benchmark:writer@1"
FUEL: Final = 10**9
PATIENCE_S: Final = 30.0
SCHEMA: Final = (
    "CREATE TABLE counter (id INTEGER PRIMARY KEY, value BIGINT NOT NULL)",
    (
        "CREATE TABLE event (id BIGINT PRIMARY KEY, path TEXT, kind INTEGER, payload TEXT, "
        "answerer INTEGER, author INTEGER, wall_us BIGINT, monotonic_us BIGINT, "
        "duration_us BIGINT, mark INTEGER)"
    ),
)
"""What the drivers write to: as many columns as the store's events."""
INSERT: Final = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Wrote(Struct):
    """What one process did."""

    events: int = 0
    conflicts: int = 0
    busy: int = 0
    """How often it was told that the store is locked."""
    waits_s: list[float] = []
    """Each commit, from when it was asked for to when it was durable or refused."""
    whole_s: list[float] = []
    """Each event, with reading and all that it was tried again."""


class Measured(Struct):
    """What all processes did."""

    arm: str
    events: int
    conflicts: int
    busy: int
    lost: int
    """Events that do not stand where they must."""
    wall_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    whole_p99_ms: float
    whole_max_ms: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.wall_s


Writer = Callable[[str, int, int, int], Wrote]


# -- the store -------------------------------------------------------------------------------


def store_writer(place: str, seat: int, events: int, sessions: int) -> Wrote:
    """Append events by compare-and-set."""
    done = Wrote(waits_s=[], whole_s=[])
    with Store.open(place, patience_s=PATIENCE_S) as store:
        numbers = [row.number for row in store.register.sessions()]
        for step in range(events):
            session = numbers[(seat + step * 7) % sessions]
            began = time.perf_counter()
            while not _appended(store, session, done):
                pass
            done.whole_s.append(time.perf_counter() - began)
            done.events += 1
    return done


def _appended(store: Store, session: int, done: Wrote) -> bool:
    """Read, and append the next number; whether nobody came between."""
    row = store.register.session(session)
    (last,) = store.records(session, row.count - 1, row.count)
    event = last.event
    number = int(event.text) + 1 if isinstance(event, Noted) else 1
    by = Authorship(AUTHOR, "human", now_us(), time.monotonic_ns() // 1000, 150)
    began = time.perf_counter()
    try:
        store.append(row, [("0", Noted(str(number)), by)])
    except Conflict:
        done.conflicts += 1
        return False
    except StoreBusy:
        done.busy += 1
        return False
    finally:
        done.waits_s.append(time.perf_counter() - began)
    return True


def store_made(place: str, sessions: int) -> None:
    """Sessions with their first events."""
    with Store.open(place) as store:
        for _ in range(sessions):
            row = store.register.open_session(now_us=now_us())
            opened = Opened(Message.of("How far do we count?"), (FUEL,))
            store.append(row, [("0", opened, Authorship("", "engine", now_us(), 0))])


def store_lost(place: str, writers: int, events: int) -> int:
    """Events that are missing, or hold another number than their place says."""
    lost = writers * events
    with Store.open(place, readonly=True) as store:
        found = [str(each) for each in verify(store, refold=True).findings]
        for row in store.register.sessions():
            for record in store.records(row.number, 1):
                event = record.event
                lost -= isinstance(event, Noted) and event.text == str(record.number)
    return lost + len(found)


# -- the drivers alone -----------------------------------------------------------------------


def _values(key: int, number: int, seat: int) -> tuple[object, ...]:
    payload = f'{{"text":"{number}"}}'
    return (key, "0", 4, payload, seat, 1, time.time_ns() // 1000, time.monotonic_ns(), 150, 7)


def sqlite_writer(place: str, seat: int, events: int, sessions: int) -> Wrote:
    """The same with `sqlite3`, whose own waiting lets it in."""
    done = Wrote(waits_s=[], whole_s=[])
    connection = sqlite3.connect(place, timeout=PATIENCE_S, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    with closing(connection):
        for step in range(events):
            counter = (seat + step * 7) % sessions
            began = time.perf_counter()
            try:
                _counted_on(connection.execute, "?", "BEGIN IMMEDIATE", counter, seat)
            except sqlite3.OperationalError:
                done.busy += 1
                with suppress(sqlite3.OperationalError):
                    connection.execute("ROLLBACK")
                continue
            _note(done, began)
    return done


def server_writer(place: str, seat: int, events: int, sessions: int) -> Wrote:
    """The same with `psycopg`, the row of the counter locked."""
    done = Wrote(waits_s=[], whole_s=[])
    with psycopg.connect(place, autocommit=True) as connection:

        def run(sql: str, values: tuple[object, ...] = ()) -> Any:  # noqa: ANN401 - a cursor
            return connection.execute(sql.encode(), values)

        for step in range(events):
            began = time.perf_counter()
            _counted_on(run, "%s", "BEGIN", (seat + step * 7) % sessions, seat, " FOR UPDATE")
            _note(done, began)
    return done


def _counted_on(
    run: Callable[..., Any], mark: str, begin: str, counter: int, seat: int, lock: str = ""
) -> None:
    """One event: the counter's next number, read inside of the transaction."""
    run(begin)
    found = run(f"SELECT value FROM counter WHERE id = {mark}{lock}", (counter,))  # noqa: S608
    number = found.fetchone()[0] + 1
    run(INSERT.replace("?", mark), _values((counter << 32) + number, number, seat))
    run(f"UPDATE counter SET value = {mark} WHERE id = {mark}", (number, counter))  # noqa: S608
    run("COMMIT")


def _note(done: Wrote, began: float) -> None:
    done.waits_s.append(time.perf_counter() - began)
    done.whole_s.append(done.waits_s[-1])
    done.events += 1


# -- measuring -------------------------------------------------------------------------------


def measured(arm: str, writer: Writer, place: str, wanted: argparse.Namespace) -> Measured:
    """All processes at once, and what they did."""
    context = get_context("spawn")
    with context.Pool(wanted.writers) as pool:
        # Every process is up before the clock runs.
        pool.map(time.sleep, [0.5] * wanted.writers, chunksize=1)
        jobs = [(place, seat, wanted.events, wanted.sessions) for seat in range(wanted.writers)]
        began = time.perf_counter()
        done = pool.starmap(writer, jobs, chunksize=1)
        wall_s = time.perf_counter() - began
    waits = sorted(wait for each in done for wait in each.waits_s)
    whole = sorted(wait for each in done for wait in each.whole_s)
    return Measured(
        arm,
        sum(each.events for each in done),
        sum(each.conflicts for each in done),
        sum(each.busy for each in done),
        0,
        wall_s,
        _at(waits, 0.5),
        _at(waits, 0.99),
        waits[-1] * 1e3,
        _at(whole, 0.99),
        whole[-1] * 1e3,
    )


def _at(waits: list[float], share: float) -> float:
    return waits[min(len(waits) - 1, int(share * len(waits)))] * 1e3


def on_sqlite(wanted: argparse.Namespace) -> Iterator[Measured]:
    """One file, written by the store and by the driver alone."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        place = str(Path(folder) / "writers.db")
        store_made(place, wanted.sessions)
        found = measured("store on SQLite", store_writer, place, wanted)
        found.lost = store_lost(place, wanted.writers, wanted.events)
        yield found
        bare = str(Path(folder) / "bare.db")
        with closing(sqlite3.connect(bare, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            for sql in SCHEMA:
                connection.execute(sql)
            rows = [(number, 0) for number in range(wanted.sessions)]
            connection.executemany("INSERT INTO counter VALUES (?, ?)", rows)
            found = measured("sqlite3 alone", sqlite_writer, bare, wanted)
            ((counted,),) = connection.execute("SELECT SUM(value) FROM counter")
        found.lost = found.events - counted
        yield found


def on_server(wanted: argparse.Namespace) -> Iterator[Measured]:
    """One server, written by the store and by the driver alone."""
    with running(durable=True) as address:
        store_made(address, wanted.sessions)
        found = measured("store on PostgreSQL", store_writer, address, wanted)
        found.lost = store_lost(address, wanted.writers, wanted.events)
        yield found
        with _bare_server(plain(address), wanted.sessions) as bare:
            found = measured("psycopg alone", server_writer, bare, wanted)
            with psycopg.connect(bare) as connection:
                row = connection.execute("SELECT SUM(value) FROM counter").fetchone()
            found.lost = found.events - int(row[0] if row else 0)
            yield found


@contextmanager
def _bare_server(address: str, sessions: int) -> Generator[str]:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare")
    bare = address.replace("/postgres?", "/bare?")
    with psycopg.connect(bare, autocommit=True) as connection:
        for sql in SCHEMA:
            connection.execute(sql.encode())
        for number in range(sessions):
            connection.execute("INSERT INTO counter VALUES (%s, 0)", (number,))
    yield bare


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--only", choices=("sqlite", "server"))
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    found: list[Measured] = []
    for name, arm in (("sqlite", on_sqlite), ("server", on_server)):
        if wanted.only in (None, name):
            found += arm(wanted)
    if wanted.json:
        print(json.dumps([to_builtins(each) for each in found]))
        return
    print(f"{wanted.writers} processes, {wanted.events} events each, {wanted.sessions} sessions")
    for pair in zip(found[::2], found[1::2], strict=True):
        for each in pair:
            print(
                f"{each.arm:<20} {each.rate:>7,.0f} events/s, lost {each.lost}, told locked "
                f"{each.busy}, conflicts {each.conflicts}; commit p50 {each.p50_ms:.1f} ms, "
                f"p99 {each.p99_ms:.1f} ms, max {each.max_ms:.0f} ms; with reading and retries "
                f"p99 {each.whole_p99_ms:.1f} ms, max {each.whole_max_ms:.0f} ms"
            )
        ratio = pair[0].wall_s / pair[1].wall_s
        print(f"{'':<20} {ratio:.2f} x the time of {pair[1].arm}")


if __name__ == "__main__":
    main()
