"""Opening: a place becomes a database that is ours and up to date, or is left alone.

Nothing is written to a place before it is known to be a store of this program. A new store is
made beside its name and moved there when it is complete; an older one is copied before it is
changed.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import create_engine, inspect
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from traces.database import PATIENCE_S, Database, Server, Sqlite, damaged
from traces.errors import (
    ForeignStore,
    MigrationFailed,
    NewerStore,
    NotAStore,
    StoreFailed,
)
from traces.migrations import FAILURES, REVISION, SCRIPTS, migrate, revisions
from traces.migrations.files import bring_up, migrate_file, revision_of, synced, tidy
from traces.tables import APPLICATION_ID, Table

MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_ID_AT: Final = 68
"""Where the header says whose database it is."""

_SETTINGS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -16384",
    # What is removed day by day is not wiped; a redaction turns this on and writes the file anew.
    "PRAGMA secure_delete = OFF",
    # A file from elsewhere must not run functions through its schema.
    "PRAGMA trusted_schema = OFF",
)
_FOREIGN = re.compile(r"\b(check|generated|default|collate)\b", re.IGNORECASE)
"""Words of a table's definition that ours do not have."""


def open_database(
    place: str | Path,
    *,
    readonly: bool = False,
    patience_s: float = PATIENCE_S,
    scripts: Path = SCRIPTS,
) -> Database:
    """The store at a path or an address such as `postgresql+psycopg://…`.

    A path at which nothing stands becomes a new store, unless `readonly`.

    Args:
        patience_s: How long to wait for another process that writes.
        scripts: Where the migrations are.

    Raises:
        StoreRefused: The place holds no store, or one that this version cannot take.
        StoreStopped: The store cannot be used now.
    """
    text = str(place)
    if "://" not in text:
        return _open_file(Path(text), readonly=readonly, patience_s=patience_s, scripts=scripts)
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise NotAStore(
            text.partition("://")[0], f"not an address of a database: {error}"
        ) from None
    if url.get_backend_name() == "sqlite":
        return _open_file(
            Path(url.database or ""), readonly=readonly, patience_s=patience_s, scripts=scripts
        )
    return _open_server(text, readonly=readonly, patience_s=patience_s, scripts=scripts)


# -- files -----------------------------------------------------------------------------------


def _open_file(path: Path, *, readonly: bool, patience_s: float, scripts: Path) -> Database:
    place = str(path)
    if not path.exists():
        if readonly:
            raise NotAStore(place, "no store is here")
        _create(path, scripts)
    else:
        _check_header(path)
    why = _why_readonly(path, readonly=readonly)
    dialect = Sqlite(place, patience_s)
    try:
        revision = _look(path, patience_s, scripts)
        if revision != revisions(scripts)[-1]:
            if why:
                message = f"the store has schema {revision} and cannot be brought up to date: {why}"
                raise MigrationFailed(place, message)
            bring_up(path, scripts, lambda: _connected(path, "rw", patience_s))
            _look(path, patience_s, scripts)
        else:
            tidy(path, revision)
        alone = bool(why) and not os.access(path.absolute().parent, os.W_OK)
        connection = _connected(path, "ro" if why else "rw", patience_s, alone=alone)
        for setting in _SETTINGS[2 if why else 0 :]:
            connection.execute(setting)
    except sqlite3.Error as error:
        raise dialect.translated(error) from error
    except UnicodeDecodeError as error:
        raise damaged(place, error) from error
    return Database(connection, dialect, place=place, readonly=why)


def _check_header(path: Path) -> None:
    """Refuse what is no database of ours, by its first bytes.

    Raises:
        StoreRefused: It is not.
    """
    place = str(path)
    if not path.is_file():
        raise NotAStore(place, "this is a folder or a device, not a store")
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise StoreFailed(f"{place} cannot be read: {error.strerror}") from error
    if not header:
        raise NotAStore(place, "the file is empty; remove it to have a new store made")
    if not header.startswith(MAGIC) or len(header) < _HEADER_BYTES:
        raise NotAStore(place, "this is not an SQLite database")
    if int.from_bytes(header[_ID_AT : _ID_AT + 4], "big") != APPLICATION_ID:
        raise ForeignStore(place, "this database belongs to another program")


def _why_readonly(path: Path, *, readonly: bool) -> str:
    if readonly:
        return "this was asked for"
    if not os.access(path, os.W_OK):
        return "the file cannot be written"
    if not os.access(path.absolute().parent, os.W_OK):
        return "the folder cannot be written"
    return ""


def _connected(
    path: Path, mode: str, patience_s: float, *, alone: bool = False
) -> sqlite3.Connection:
    """A connection that leaves transactions to us.

    Args:
        mode: `rw` or `ro`.
        alone: Put no files beside the store, unless it has some: changes are then not seen.
    """
    address = f"file:{quote(str(path.absolute()))}?mode={mode}"
    log = _log(path)
    if alone and not (log.exists() and log.stat().st_size):
        address += "&immutable=1"
    return sqlite3.connect(
        address, uri=True, timeout=patience_s, isolation_level=None, check_same_thread=False
    )


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _look(path: Path, patience_s: float, scripts: Path) -> str:
    """The revision of a store, without changing it.

    Raises:
        StoreRefused: It is newer than this version, or holds foreign objects.
    """
    with closing(_connected(path, "ro", patience_s, alone=True)) as connection:
        revision = revision_of(connection, str(path))
        known = revisions(scripts)
        if revision not in known:
            raise NewerStore(str(path), revision)
        if revision == known[-1] and scripts == SCRIPTS:
            found = list(_foreign(connection))
            if found:
                shown = ", ".join(found[:5])
                raise ForeignStore(str(path), f"the schema is not this program's: {shown}")
    return revision


def _foreign(connection: sqlite3.Connection) -> Iterator[str]:
    """What a schema has that ours has not, and the other way round."""
    tables = Table.metadata.tables
    indexes = {str(index.name) for table in tables.values() for index in table.indexes}
    expected = {("table", name) for name in tables} | {("index", name) for name in indexes}
    found: set[tuple[str, str]] = set()
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        internal = str(name).startswith("sqlite_") or name == "alembic_version"
        if internal and kind in ("table", "index"):
            continue
        found.add((kind, name))
        if kind == "table" and (_FOREIGN.search(sql) or not sql.startswith("CREATE TABLE")):
            yield f"a rule in table {name}"
    for kind, name in sorted(found - expected):
        yield f"{kind} {name} is foreign"
    for kind, name in sorted(expected - found):
        yield f"{kind} {name} is missing"
    for _, name in sorted(expected & found):
        if name in tables and _columns(connection, name) != _expected_columns(name):
            yield f"table {name} has other columns"


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    rows = connection.execute(
        'SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?)', (table,)
    )
    return rows.fetchall()


def _expected_columns(table: str) -> list[tuple[Any, ...]]:
    dialect = sqlite_dialect.dialect()
    found = Table.metadata.tables[table]
    keys = [column.name for column in found.primary_key.columns]
    return [
        (
            column.name,
            column.type.compile(dialect),
            int(not column.nullable),
            keys.index(column.name) + 1 if column.name in keys else 0,
            0,
        )
        for column in found.columns
    ]


def _create(path: Path, scripts: Path) -> None:
    """Make a store beside its name, then move it there, unless somebody was faster.

    Raises:
        NotAStore: There is no such folder.
        StoreFailed: The disk does not take it.
    """
    if not path.absolute().parent.is_dir():
        raise NotAStore(str(path), "the folder does not exist")
    log = _log(path)
    if log.exists():
        # SQLite would take it for the log of the new store.
        raise NotAStore(str(path), f"{log.name} of a store that is gone is still here; remove it")
    new = path.with_name(f".{path.name}.{token_hex(4)}.new")
    try:
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            migrate_file(connection, scripts)
            # Changed in its own place, a kill would leave what no reader may roll back.
            connection.execute(_SETTINGS[0])
        synced(new)
        _moved(new, path)
        synced(path.absolute().parent)
    except (OSError, sqlite3.Error, *FAILURES) as error:
        # Whoever was faster has cleaned up behind us too.
        if not path.exists():
            raise StoreFailed(f"{path} cannot be made: {error}") from error
    finally:
        for left in leftovers(path) if path.exists() else [new]:
            with suppress(OSError):
                left.unlink()


def leftovers(path: Path) -> list[Path]:
    """What processes left beside a store that were killed, or are at it, while they made it.

    Once the store is there, nobody needs them.
    """
    known = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.new(-journal|-wal|-shm)?")
    try:
        with os.scandir(path.absolute().parent) as found:
            return sorted(Path(each.path) for each in found if known.fullmatch(each.name))
    except OSError:
        return []


def _moved(new: Path, path: Path) -> None:
    try:
        os.link(new, path)
    except FileExistsError:
        return
    except OSError:
        # Some file systems have no second names.
        if not path.exists():
            new.rename(path)


# -- servers ---------------------------------------------------------------------------------


def _open_server(text: str, *, readonly: bool, patience_s: float, scripts: Path) -> Database:
    url = make_url(text)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        engine = create_engine(url, poolclass=NullPool)
    except (NoSuchModuleError, ImportError) as error:
        kind = text.partition("://")[0]
        message = f"no driver is installed ({error}); for PostgreSQL take the extra `postgres`"
        raise NotAStore(kind, message) from None
    place = engine.url.render_as_string(hide_password=True)
    try:
        _prepare(engine, place, readonly=readonly, scripts=scripts)
        raw = engine.raw_connection()
    except DBAPIError as error:
        raise StoreFailed(f"{place} cannot be used now: {error.orig}") from error
    driver: Any = raw.driver_connection
    raw.detach()
    driver.autocommit = True
    dialect = Server(place, engine.dialect.loaded_dbapi.Error, patience_s)
    try:
        dialect.settle(driver.cursor(), readonly=readonly)
    except dialect.error as error:
        raise dialect.translated(error) from error
    return Database(driver, dialect, place=place, readonly="this was asked for" if readonly else "")


def _prepare(engine: Engine, place: str, *, readonly: bool, scripts: Path) -> None:
    """Check a server's database, and bring it up to date in one transaction.

    Raises:
        StoreRefused: It is not ours, or newer than this version.
    """
    known = revisions(scripts)
    with engine.begin() as connection:
        # Only one process at a time looks whether there is something to do.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({APPLICATION_ID})")
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise NotAStore(place, f"its texts are in {encoding}; make it with ENCODING 'UTF8'")
        tables = set(inspect(connection).get_table_names())
        if tables and not {"alembic_version", "session", "event"} <= tables:
            raise ForeignStore(place, "this database belongs to another program")
        revision = str(connection.exec_driver_sql(REVISION).scalar()) if tables else ""
        if revision and revision not in known:
            raise NewerStore(place, revision)
        if revision == known[-1]:
            return
        if readonly:
            raise NotAStore(place, f"no store of schema {known[-1]} is here")
        try:
            migrate(connection, scripts)
        except FAILURES as error:
            raise MigrationFailed(place, f"could not be brought up to date: {error}") from error
