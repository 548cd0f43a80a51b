"""Errors of the record.

TraceError
├── StoreRefused           the file or the database is left alone, unchanged
│   ├── NotAStore          no database at all: a folder, an empty file, something else
│   ├── ForeignStore       another program's database, or one with objects that are not ours
│   ├── NewerStore         written by a newer version of this program
│   └── MigrationFailed    an older store could not be brought up to date; it is as it was
├── StoreStopped           the store takes nothing now; also a RunStopped, so a run can resume
│   ├── StoreBusy          another process holds the write lock for too long
│   ├── StoreReadonly      opened for reading only
│   ├── StoreFailed        disk full, input or output error, connection lost
│   │   └── StoreDamaged   the database's own pages do not hold together
│   └── Conflict           somebody else appended to the session first; read it again
├── CorruptEvent           a stored event cannot be read
├── Unstorable             an event or a row cannot be written as it is
├── UnknownId              no session or run has this id
├── AmbiguousId            several have it
├── NameTaken              a run with this name exists
├── Held                   another process holds the lease
├── StillNeeded            other sessions took answers from what should be removed
├── NotRedactable          the event does not exist, or is redacted already
└── NotRetractable         the event does not exist
"""

from collections.abc import Sequence

from decomposition.errors import RunStopped


class TraceError(Exception):
    """Base of every error that the record raises on purpose."""


class StoreRefused(TraceError):
    """A place that is not opened as a store; nothing there was changed.

    Attributes:
        place: The path or the address without its password.
    """

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place


class NotAStore(StoreRefused):
    """A place that holds no database."""


class ForeignStore(StoreRefused):
    """A database that this program did not make, or not alone."""


class NewerStore(StoreRefused):
    """A store written by a newer version of this program.

    Attributes:
        revision: The schema revision that was found.
    """

    def __init__(self, place: str, revision: str) -> None:
        super().__init__(
            place,
            f"the store has schema {revision}, which this version does not know; "
            "it was left untouched. Update the program to open it",
        )
        self.revision = revision


class MigrationFailed(StoreRefused):
    """An older store that could not be brought up to date.

    Attributes:
        backup: A complete copy from before; empty where the database has its own way back.
    """

    def __init__(self, place: str, message: str, backup: str = "") -> None:
        kept = f"; the copy from before is {backup}" if backup else ""
        super().__init__(place, f"{message}{kept}")
        self.backup = backup


class StoreStopped(TraceError, RunStopped):
    """The store takes nothing now; what was committed stays, and a run can be resumed."""


class StoreBusy(StoreStopped):
    """The write lock did not come free in time.

    Attributes:
        waited_s: How long this process waited.
    """

    def __init__(self, message: str, waited_s: float) -> None:
        super().__init__(message)
        self.waited_s = waited_s


class StoreReadonly(StoreStopped):
    """Something should be written to a store that is open for reading only."""


class StoreFailed(StoreStopped):
    """The disk or the connection failed."""


class StoreDamaged(StoreFailed):
    """The database's own structure is broken; `workbench trace salvage` saves what can be read."""


class Conflict(StoreStopped):
    """The session has moved on: its events must be read again before more are appended.

    Attributes:
        session: The store's number of the session.
        expected: How many events the writer thought it had.
        found: How many it has; None if only its head differs.
    """

    def __init__(self, session: int, expected: int, found: int | None) -> None:
        held = "another head" if found is None else f"{found} events"
        super().__init__(
            f"session {session} was expected to have {expected} events and has {held}: "
            "another process appended to it"
        )
        self.session = session
        self.expected = expected
        self.found = found


class CorruptEvent(TraceError):
    """A stored event that cannot be read.

    Attributes:
        number: Its number in the session, from 0.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(f"event {number} cannot be read: {message}")
        self.number = number


class Unstorable(TraceError):
    """Something that the store cannot hold as it is: text that is not Unicode, a NaN."""


class UnknownId(TraceError):
    """No session or run has this id.

    Attributes:
        nearest: Ids that look like it, the most similar first.
    """

    def __init__(self, noun: str, wanted: str, nearest: Sequence[str]) -> None:
        hint = f"; near to it: {', '.join(nearest)}" if nearest else ""
        super().__init__(f"no {noun} {wanted[:80]!r}{hint}")
        self.nearest = tuple(nearest)


class AmbiguousId(TraceError):
    """A prefix that fits several ids.

    Attributes:
        fitting: Some of them.
    """

    def __init__(self, noun: str, wanted: str, fitting: Sequence[str]) -> None:
        super().__init__(f"{wanted[:80]!r} fits more than one {noun}: {', '.join(fitting)}")
        self.fitting = tuple(fitting)


class NameTaken(TraceError):
    """A run with this name exists."""


class Held(TraceError):
    """Another process holds the lease.

    Attributes:
        resource: What is leased.
        holder: `HOST:PID:START` of the process.
        expires_us: Until when, in microseconds since 1970, UTC.
    """

    def __init__(self, resource: str, holder: str, expires_us: int, until: str) -> None:
        super().__init__(f"{resource} is held by process {holder} until {until}")
        self.resource = resource
        self.holder = holder
        self.expires_us = expires_us


class StillNeeded(TraceError):
    """Other sessions took answers or turns from what should be removed.

    Attributes:
        needed_by: Traces of some of them.
    """

    def __init__(self, message: str, needed_by: Sequence[str]) -> None:
        super().__init__(message)
        self.needed_by = tuple(needed_by)


class NotRedactable(TraceError):
    """An event that does not exist, or whose content is gone already."""


class NotRetractable(TraceError):
    """An event that does not exist."""
