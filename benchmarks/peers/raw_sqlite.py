"""Raw SQLite as a peer: event rows and nothing else, the floor under any recorder that uses SQLite.

It is also where the peers' common result line, `Timing`, is defined, so that this module can be
imported alone. Nothing here knows what a question is.
"""

import argparse
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

BATCH: Final = 100
"""Workspaces in one commit."""

KINDS: Final = ("opened", "asked", "unlocked", "replied")
"""Events of one workspace, in order; a row holds the index."""

SCHEMA: Final = """
CREATE TABLE event (
    key INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    kind INTEGER NOT NULL,
    payload TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    ended_ns INTEGER NOT NULL
)
"""

INSERT: Final = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)"

FULL: Final = 2
"""What `PRAGMA synchronous` reads when every commit is synced to the disk."""

Row = tuple[int, str, int, str, int, int]


class RecordIncomplete(Exception):
    """A peer finished but its record does not hold the whole tree; the timing is void."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What one peer took to record one tree: one JSON line."""

    peer: str
    version: str
    workspaces: int
    wall_s: float
    """The tree work with its recording; no import, no set-up, no closing."""
    cpu_s: float
    """User and system time of all threads over the same stretch."""
    durable: bool
    """Each step was synced to the disk before the work went on, or with its batch."""
    bytes_on_disk: int
    """Length of all files, after closing."""

    def line(self) -> str:
        """The timing as one line of JSON."""
        return json.dumps(asdict(self))


class Stopwatch:
    """Wall and CPU time of a `with` block; both are zero until the block ends."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    def __enter__(self) -> Self:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = time.perf_counter() - self._wall_s
        self.cpu_s = time.process_time() - self._cpu_s


def arguments(summary: str | None) -> tuple[int, Path]:
    """The number of workspaces and the output folder, from the command line."""
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("workspaces", type=int, help="an odd number; 2047 is a tree of height 10")
    parser.add_argument("folder", type=Path, help="an empty or new folder for the record")
    given = parser.parse_args()
    if given.workspaces < 1 or given.workspaces % 2 == 0:
        parser.error("a tree in which every workspace asks two or none has an odd number of them")
    return given.workspaces, given.folder


def empty_folder(folder: Path) -> Path:
    """The folder, made if absent, as an absolute path.

    Raises:
        FileExistsError: It holds something, which would count as recorded bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    return folder.resolve()


def bytes_under(folder: Path) -> int:
    """Length of all files under a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def is_durable(connection: sqlite3.Connection) -> bool:
    """Whether a commit on this connection is on the disk when it returns."""
    ((level,),) = connection.execute("PRAGMA synchronous")
    return level >= FULL


def opened(file: Path) -> sqlite3.Connection:
    """A new database with the event table: write-ahead log, every commit synced."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(SCHEMA)
    return connection


def rows(workspaces: range) -> Iterator[Row]:
    """Event rows of the workspaces, numbered as a heap: n asks 2n and 2n + 1.

    The payload is JSON put together as text, about 60 bytes: an encoder would be the caller's
    cost, and this is the floor.
    """
    for number in workspaces:
        path = "/".join(f"{number:b}")
        for kind, name in enumerate(KINDS):
            payload = f'{{"kind":"{name}","text":"Sum the leaves below workspace {number}."}}'
            started_ns = time.time_ns()
            yield 4 * number + kind, path, kind, payload, started_ns, time.time_ns()


def write(connection: sqlite3.Connection, n_workspaces: int) -> None:
    """Commit the rows of workspaces 1 to n, one batch at a time."""
    for first in range(1, n_workspaces + 1, BATCH):
        with connection:
            connection.executemany(INSERT, rows(range(first, min(first + BATCH, n_workspaces + 1))))


def check(connection: sqlite3.Connection, n_workspaces: int) -> None:
    """Count the rows.

    Raises:
        RecordIncomplete: A workspace lacks an event.
    """
    ((count,),) = connection.execute("SELECT count(*) FROM event")
    if count != len(KINDS) * n_workspaces:
        raise RecordIncomplete(f"{count} rows for {n_workspaces} workspaces")


def raw_sqlite(n_workspaces: int, folder: Path) -> Timing:
    """Record n workspaces as plain rows in a new database in the folder.

    Raises:
        FileExistsError: The folder is not empty.
        RecordIncomplete: The database does not hold all rows.
    """
    folder = empty_folder(folder)
    with closing(opened(folder / "events.db")) as connection:
        with Stopwatch() as took:
            write(connection, n_workspaces)
        durable = is_durable(connection)
        check(connection, n_workspaces)
    return Timing(
        peer="raw_sqlite",
        version=sqlite3.sqlite_version,
        workspaces=n_workspaces,
        wall_s=took.wall_s,
        cpu_s=took.cpu_s,
        durable=durable,
        bytes_on_disk=bytes_under(folder),
    )


if __name__ == "__main__":
    print(raw_sqlite(*arguments(__doc__)).line())
