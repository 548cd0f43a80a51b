"""Migrating a file: with a complete copy beside it, and one process at a time.

The copy is called `NAME.migrating` until the migration is complete, and `NAME.before-REVISION`
after. Whoever finds one under the first name and holds the write lock knows that a migration
died.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import StaticPool

from traces.errors import ForeignStore, MigrationFailed
from traces.migrations import FAILURES, REVISION, migrate, revisions

Connect = Callable[[], sqlite3.Connection]


def revision_of(connection: sqlite3.Connection, place: str) -> str:
    """The revision of a store's schema.

    Raises:
        ForeignStore: It does not say.
    """
    try:
        rows = connection.execute(REVISION).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        rows = []
    if len(rows) != 1:
        raise ForeignStore(place, "the database does not say which schema it has")
    return str(rows[0][0])


def bring_up(path: Path, scripts: Path, connect: Connect) -> None:
    """Bring an older store up to date.

    Raises:
        MigrationFailed: It could not be done; the store is as it was.
    """
    head = revisions(scripts)[-1]
    pending = _pending(path)
    with closing(connect()) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if revision_of(connection, str(path)) == head:
            connection.execute("ROLLBACK")
            return
        if pending.exists():
            # SQLite undid the last transaction of whoever died here; the copy undoes all.
            connection.execute("ROLLBACK")
            _restore(pending, connection)
            connection.execute("BEGIN IMMEDIATE")
        else:
            _copy(pending, connect)
        try:
            migrate_file(connection, scripts)
        except (sqlite3.Error, *FAILURES) as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            _restore(pending, connection)
            kept = _keep(pending, path, head)
            message = f"the store could not be brought to schema {head} and is as before: {error}"
            raise MigrationFailed(str(path), message, kept) from error
    tidy(path, head)


def tidy(path: Path, head: str) -> None:
    """Give the copy from before a migration its last name, once the migration is complete."""
    pending = _pending(path)
    if pending.exists():
        with suppress(OSError):
            _keep(pending, path, head)


def _pending(path: Path) -> Path:
    return path.with_name(f"{path.name}.migrating")


def _keep(pending: Path, path: Path, head: str) -> str:
    number = 0
    kept = path.with_name(f"{path.name}.before-{head}")
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.before-{head}-{number}")
    pending.rename(kept)
    return str(kept)


def _copy(pending: Path, connect: Connect) -> None:
    """Copy a store; under its name the copy is always complete."""
    part = pending.with_name(f"{pending.name}.part")
    part.unlink(missing_ok=True)
    with closing(connect()) as source, closing(sqlite3.connect(part)) as copy:
        source.backup(copy)
    synced(part)
    part.rename(pending)


def _restore(copy: Path, connection: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(copy)) as source:
        source.backup(connection)


def migrate_file(connection: sqlite3.Connection, scripts: Path) -> None:
    """Run what is missing in one transaction: the one that is open, or a new one."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)

    def begin(opened: Connection) -> None:
        if not connection.in_transaction:
            opened.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "begin", begin)
    with engine.begin() as opened:
        migrate(opened, scripts)


def synced(path: Path) -> None:
    """Make a file or a folder durable, where the system can."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
