"""The database: rows in, rows out, one transaction at a time.

Statements are written once, with `?` for a value, and run on the driver of SQLite or
PostgreSQL directly. What a driver reports becomes an error of this package. One connection
serves all threads of a process, one after the other.
"""

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import RLock
from time import monotonic, sleep, time_ns
from typing import Any, Final, Protocol, TypeVar

from traces.errors import (
    StoreBusy,
    StoreDamaged,
    StoreFailed,
    StoreReadonly,
    TraceError,
    Unstorable,
)

PATIENCE_S: Final = 30.0
"""How long a writer waits for another process."""
_FIRST_PAUSE_S: Final = 0.0002
_LONGEST_PAUSE_S: Final = 0.003
"""Pauses of a writer until it tries again. SQLite's own grow to 0.1 s, in which those that came
later pass by again and again: of four writers, one then waits up to a second."""

Row = tuple[Any, ...]
Values = Sequence[object]
Value = TypeVar("Value")

WRITERS: Final = 0x57424E44
"""The number of the lock that writers take on a server."""
_PASSING: Final = ("55P03", "40001", "40P01")
"""States of a server that pass: no lock in time, or transactions that were in each other's way."""

_CHUNKS: Final = (64, 16, 4, 1)
"""Rows that one INSERT takes; one statement for many rows costs half of one for each."""


class Cursor(Protocol):
    """What is used of a driver's cursor."""

    @property
    def rowcount(self) -> int:
        """Rows that the last statement changed."""
        ...

    def execute(self, sql: str, values: Any = ..., /) -> object:  # noqa: ANN401 - drivers differ
        """Run a statement."""
        ...

    def executemany(self, sql: str, rows: Any, /) -> object:  # noqa: ANN401 - as above
        """Run a statement for each row."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...


class Connection(Protocol):
    """What is used of a driver's connection. It must leave transactions to us."""

    def cursor(self) -> Cursor:
        """A new cursor."""
        ...

    def close(self) -> None:
        """Give the connection up."""
        ...


class Dialect(Protocol):
    """How one kind of database differs from the other."""

    error: type[Exception]
    """Base of what its driver raises."""
    begin: str
    """Opens a transaction that no other writer shares."""
    begin_beside: str
    """Opens one that others of its kind may run beside."""
    clock: str
    """Asks for the microseconds since 1970, UTC; empty where this machine's clock is the one."""

    def sql(self, text: str) -> str:
        """A statement in the form that the driver takes."""
        ...

    def insert(self, cursor: Cursor, into: str, width: int, flat: list[object]) -> None:
        """Insert rows, given one after the other in one list."""
        ...

    def hurry(self, cursor: Cursor, *, on: bool) -> None:
        """Do not wait for a lock; `on=False` for waiting again."""
        ...

    def busy_s(self, error: Exception) -> float:
        """How long to try again after an error in opening a transaction; 0 for not at all."""
        ...

    def translated(self, error: Exception) -> TraceError:
        """Our error for one of the driver's."""
        ...


_LOCKED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NO_TEXT: Final = "Could not decode to UTF-8"
"""How SQLite's driver begins when a stored text is none."""


class Sqlite:
    """SQLite through the standard library."""

    error: type[Exception] = sqlite3.Error
    begin = "BEGIN IMMEDIATE"
    begin_beside = begin
    clock = ""

    def __init__(self, place: str, patience_s: float) -> None:
        self._place = place
        self._patience_s = patience_s

    def sql(self, text: str) -> str:
        """The statement as it is."""
        return text

    def insert(self, cursor: Cursor, into: str, width: int, flat: list[object]) -> None:
        """Insert with many rows in one statement. Bytes are quick as `bytearray` only."""
        start = 0
        for rows in _CHUNKS:
            step = rows * width
            last = len(flat) - step
            while start <= last:
                cursor.execute(_insert(into, width, rows), flat[start : start + step])
                start += step

    def hurry(self, cursor: Cursor, *, on: bool) -> None:
        """Set how long SQLite waits for a lock."""
        waits_ms = 0 if on else int(self._patience_s * 1000)
        cursor.execute(f"PRAGMA busy_timeout = {waits_ms}")

    def busy_s(self, error: Exception) -> float:
        """The patience, where the file is locked."""
        return self._patience_s if _code(error) in _LOCKED else 0.0

    def translated(self, error: Exception) -> TraceError:
        """Our error for one of SQLite's, by its code."""
        code = _code(error)
        if code in _LOCKED:
            message = (
                f"{self._place} is locked by another process (waited {self._patience_s:g} s); "
                "everything committed is safe, try again when that process is done"
            )
            return StoreBusy(message, self._patience_s)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or _NO_TEXT in str(error):
            return damaged(self._place, error)
        if code == sqlite3.SQLITE_TOOBIG or isinstance(error, sqlite3.InterfaceError):
            return Unstorable(f"a value cannot be stored: {error}")
        return StoreFailed(f"{self._place} cannot be used now: {error}")


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def damaged(place: str, error: Exception) -> StoreDamaged:
    """The error for a file that does not hold together."""
    said = str(error).encode(errors="backslashreplace").decode()
    return StoreDamaged(
        f"{place} is damaged ({said}); `workbench trace salvage` saves what can be read"
    )


class Server:
    """A database server, through a driver that takes `%s` for a value.

    Rows are locked there, not the database. Whoever decides by what it read inside of its
    transaction must be alone all the same, as on SQLite, so every writer takes one lock: for
    itself, or, where the end of a chain guards it, together with others of its kind.
    """

    begin = f"BEGIN; SELECT pg_advisory_xact_lock({WRITERS})"
    begin_beside = f"BEGIN; SELECT pg_advisory_xact_lock_shared({WRITERS})"
    # The time of now, not of the transaction's beginning: it may have waited for its lock.
    clock = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint"

    def __init__(self, place: str, error: type[Exception], patience_s: float) -> None:
        self.error = error
        self._place = place
        self._patience_s = patience_s

    def sql(self, text: str) -> str:
        """The statement with the driver's sign for a value."""
        return _with_percent(text)

    def insert(self, cursor: Cursor, into: str, width: int, flat: list[object]) -> None:
        """Insert row by row; the driver sends them together."""
        rows = list(zip(*[iter(flat)] * width, strict=True))
        cursor.executemany(_with_percent(_insert(into, width, 1)), rows)

    def settle(self, cursor: Cursor, *, readonly: bool) -> None:
        """Ask of a new connection what the promises need, whatever the server's defaults are."""
        cursor.execute("SET synchronous_commit = on")
        cursor.execute("SET default_transaction_isolation = 'read committed'")
        cursor.execute(f"SET default_transaction_read_only = {'on' if readonly else 'off'}")
        self.hurry(cursor, on=False)

    def hurry(self, cursor: Cursor, *, on: bool) -> None:
        """Set how long the server waits for a lock."""
        # 0 would mean for ever.
        waits_ms = 1 if on else max(1, int(self._patience_s * 1000))
        cursor.execute(f"SET lock_timeout = {waits_ms}")

    def busy_s(self, error: Exception) -> float:  # noqa: ARG002 - as on SQLite
        """Nothing: the server waits itself, and lets in who came first."""
        return 0.0

    def translated(self, error: Exception) -> TraceError:
        """Our error for one of the driver's."""
        if getattr(error, "sqlstate", None) in _PASSING:
            message = (
                f"{self._place} is locked by another process (waited {self._patience_s:g} s); "
                "everything committed is safe, try again when that process is done"
            )
            return StoreBusy(message, self._patience_s)
        if _is_of_values(error):
            return Unstorable(f"a value cannot be stored: {error}")
        return StoreFailed(f"{self._place} cannot be used now: {error}")


def _is_of_values(error: Exception) -> bool:
    """Whether a driver says that a value does not fit, by the classes that PEP 249 names."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    return kinds[0] == "ProgrammingError" or "DataError" in kinds


@cache
def _insert(into: str, width: int, rows: int) -> str:
    row = f"({marks(width)})"
    values = ", ".join([row] * rows)
    names, _, clause = into.partition(" ON CONFLICT")
    clause = " ON CONFLICT" + clause if clause else ""
    return f"INSERT INTO {names} VALUES {values}{clause}"  # noqa: S608 - names from our code


@cache
def _with_percent(text: str) -> str:
    return text.replace("%", "%%").replace("?", "%s")


def marks(count: int) -> str:
    """Places for so many values in a statement."""
    return ", ".join("?" * count)


def in_groups(values: Sequence[Value], size: int) -> Iterator[list[Value]]:
    """The values in lists of exactly this size, for one statement; the last one repeats."""
    for start in range(0, len(values), size):
        some = list(values[start : start + size])
        yield some + some[-1:] * (size - len(some))


class Writer:
    """A transaction that is open for writing."""

    def __init__(self, cursor: Cursor, dialect: Dialect) -> None:
        self._cursor = cursor
        self._dialect = dialect

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """What a query gives inside of the transaction."""
        self._cursor.execute(self._dialect.sql(sql), values)
        return self._cursor.fetchall()

    def run(self, sql: str, values: Values = ()) -> int:
        """Run a statement; returns the number of rows that it changed."""
        self._cursor.execute(self._dialect.sql(sql), values)
        return self._cursor.rowcount

    def many(self, sql: str, rows: Sequence[Values]) -> int:
        """Run a statement for each row; returns the number of rows that it changed."""
        if not rows:
            return 0
        self._cursor.executemany(self._dialect.sql(sql), rows)
        return self._cursor.rowcount

    def now_us(self) -> int:
        """Microseconds since 1970, UTC, by the one clock that all who share the store read."""
        clock = self._dialect.clock
        return int(self.rows(clock)[0][0]) if clock else time_ns() // 1000

    def insert(self, into: str, width: int, flat: list[object]) -> None:
        """Insert rows, given one after the other in one list.

        Args:
            into: The table, with its columns in brackets; `ON CONFLICT …` may follow.
            width: The number of columns.
        """
        if flat:
            self._dialect.insert(self._cursor, into, width, flat)


class Database:
    """One open connection to a store.

    Args:
        place: Where it is, for messages; without a password.
        readonly: Why nothing can be written; empty if it can.
    """

    def __init__(
        self, connection: Connection, dialect: Dialect, *, place: str, readonly: str = ""
    ) -> None:
        self.connection = connection
        self.dialect = dialect
        self.place = place
        self.readonly = readonly
        self._lock = RLock()

    @property
    def on_sqlite(self) -> bool:
        """Whether the store is a file."""
        return isinstance(self.dialect, Sqlite)

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """What a query gives.

        Raises:
            StoreStopped: The store cannot be read now.
        """
        with self._lock, self._translating():
            cursor = self.connection.cursor()
            cursor.execute(self.dialect.sql(sql), values)
            return cursor.fetchall()

    def now_us(self) -> int:
        """Microseconds since 1970, UTC, by the one clock that all who share the store read.

        Raises:
            StoreStopped: The store cannot be read now.
        """
        clock = self.dialect.clock
        return int(self.rows(clock)[0][0]) if clock else time_ns() // 1000

    def execute(self, sql: str) -> list[Row]:
        """Run a statement outside of transactions, such as VACUUM or a PRAGMA.

        Raises:
            StoreStopped: The store does not take it now.
        """
        with self._lock, self._translating():
            cursor = self.connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall() if getattr(cursor, "description", None) else []

    @contextmanager
    def writing(self, *, wait: bool = True, beside: bool = False) -> Generator[Writer]:
        """A transaction: committed at the end of the block, undone if it raises.

        Args:
            wait: Wait for a writer in another process; otherwise it is an error at once.
            beside: Others that say so may write at the same time, where the database can that.

        Raises:
            StoreStopped: The store does not take anything now; nothing has changed.
            Unstorable: A value does not fit.
        """
        if self.readonly:
            raise StoreReadonly(f"{self.place} is open for reading only: {self.readonly}")
        with self._lock, self._translating():
            cursor = self.connection.cursor()
            self._begin(cursor, wait=wait, beside=beside)
            try:
                yield Writer(cursor, self.dialect)
                cursor.execute("COMMIT")
            except BaseException:
                self._undo(cursor)
                raise

    def _begin(self, cursor: Cursor, *, wait: bool, beside: bool) -> None:
        begin = self.dialect.begin_beside if beside else self.dialect.begin
        if wait and not self.on_sqlite:
            self._opened(cursor, begin)
            return
        self.dialect.hurry(cursor, on=True)
        try:
            if wait:
                self._queued(cursor, begin)
            else:
                self._opened(cursor, begin)
        finally:
            self.dialect.hurry(cursor, on=False)

    def _queued(self, cursor: Cursor, begin: str) -> None:
        """Open a transaction as soon as nobody else writes, with short pauses in between."""
        began, pause_s = monotonic(), _FIRST_PAUSE_S
        while True:
            try:
                return self._opened(cursor, begin)
            except self.dialect.error as error:
                if monotonic() - began >= self.dialect.busy_s(error):
                    raise
            sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _opened(self, cursor: Cursor, begin: str) -> None:
        try:
            cursor.execute(begin)
        except self.dialect.error:
            # A server has opened the transaction in which it did not get the lock.
            self._undo(cursor)
            raise

    def _undo(self, cursor: Cursor) -> None:
        """Roll back, unless the driver did so already or cannot any more."""
        if getattr(self.connection, "in_transaction", True):
            try:
                cursor.execute("ROLLBACK")
            except self.dialect.error:
                return

    @contextmanager
    def _translating(self) -> Generator[None]:
        try:
            yield
        except self.dialect.error as error:
            raise self.dialect.translated(error) from error
        except UnicodeDecodeError as error:
            raise damaged(self.place, error) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise Unstorable(f"a value cannot be stored: {error}") from error

    @contextmanager
    def lenient(self) -> Generator[None]:
        """Read text that is not Unicode as it stands, for looking at a damaged store."""
        if not isinstance(self.connection, sqlite3.Connection):
            yield
            return
        self.connection.text_factory = _undecided
        try:
            yield
        finally:
            self.connection.text_factory = str

    def close(self) -> None:
        """Give the connection up."""
        with self._lock:
            self.connection.close()


def _undecided(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")
