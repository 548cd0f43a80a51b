"""Ports: what the engine needs from the world, and nothing of how the world does it."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

from decomposition.events import Entry, Event
from decomposition.hypertext import Failure, Message
from decomposition.spend import NO_DUES, Dues, Estimate, Usage


class Authorship(Struct, frozen=True):
    """Who gave a turn, and what it took; shared by all events of the turn."""

    answerer: str
    """Identity; empty for events that the engine itself decided."""
    author: str
    """Author class; `engine` for events that the engine itself decided."""
    wall_us: int
    """Microseconds since 1970, UTC."""
    monotonic_us: int
    duration_us: int = 0
    tokens_in: int | None = None
    """None where nothing counts tokens."""
    tokens_out: int | None = None
    cost_usd: float | None = None
    origin: str = ""
    """`TRACE#EVENT` of the turn that a memo used again; empty for a first-hand one."""


class Written(Struct, frozen=True):
    """What one turn of the loop appends to one session."""

    session: int
    """The store's number of the session."""
    first: int
    """Number of the first event here: how many events the session had before."""
    entries: Sequence[tuple[str, Event, Authorship]]
    """Path, event and authorship, in the order of their numbers."""


class MemoTurn(Struct, frozen=True):
    """A turn that was observed for a view key."""

    origin: str
    """`TRACE#EVENT` of its first event."""
    author: str
    entries: tuple[Entry, ...]
    """Its events; the actions are read off them."""


class Closed(Struct, frozen=True):
    """A closed and clean workspace whose answer can be joined."""

    origin: str
    """`TRACE/PATH`."""
    digest: str
    message: Message | None
    failure: Failure | None


class Reusable(Struct, frozen=True):
    """What one turn of the loop makes reusable, committed together with its events."""

    memo: Sequence[tuple[bytes, int, int]] = ()
    """View key, session, number of the turn's first event."""
    joins: Sequence[tuple[bytes, int, int, bytes]] = ()
    """Question key, session, number of the event that closed the workspace, its digest."""


Ungranted = Mapping[str, Literal["run", "session"]]
"""Calls that may not leave, each with whose cap has no room for it."""
ALL_GRANTED: Final[Ungranted] = {}


class EventSink(Protocol):
    """Where events become durable."""

    async def commit(
        self, written: Sequence[Written], reusable: Reusable, dues: Dues = NO_DUES
    ) -> Ungranted:
        """Append in one transaction; when this returns, all of it survives a power cut.

        Returns:
            Those of the intents for which a cap has no room: nothing of them was written, and
            their calls must not leave. All other calls may leave now.

        Raises:
            Fenced: Others have taken over some of the sessions; nothing was appended, and without
                those sessions it can be tried again.
            RunStopped: The store did not take them (locked too long, full, gone).
        """
        ...


class MemoStore(Protocol):
    """Turns observed for view keys, of this run and of earlier ones."""

    def turns(self, keys: Sequence[bytes]) -> Sequence[Sequence[MemoTurn]]:
        """For each key all turns observed, in the order of their recording."""
        ...


class JoinStore(Protocol):
    """Closed and clean workspaces by question key, of all sessions."""

    def closed(self, key: bytes) -> Closed | None:
        """The first workspace that closed under this key."""
        ...


class Permit(Struct, frozen=True):
    """Whether a paid call may leave."""

    kind: Literal["go", "wait", "later", "session", "run"]
    """It may; the provider's rate is reached; the reserves of calls under way leave no room for
    it; its session may spend no more; nobody may."""
    wait_s: float = 0.0
    """Seconds until it is worth asking again; for `wait` alone."""


GO: Final = Permit("go")


class Account(Protocol):
    """What may still be spent."""

    def allow(self, calls: int) -> int:
        """Reserve this many calls of unpaid answerers; returns how many of them may be made.

        The others are left undone, and the loop ends with their sessions unfinished.
        """
        ...

    def reserve(self, session: int, provider: str, estimate: Estimate) -> Permit:
        """Reserve the most that one paid call can use, if it may leave."""
        ...

    def settle(self, session: int, estimate: Estimate, usage: Usage | None) -> None:
        """Put what a call used in place of its reserve; None for a call that did not leave."""
        ...


Halt = Literal["paused", "cancelled"]
"""Nothing new is begun; of what is cancelled, calls under way are given up too."""


class Reins(Protocol):
    """What somebody else has halted while the loop runs. Asked often: it answers from memory."""

    def halted(self, session: int, path: str) -> Halt | None:
        """Whether the workspace there, or one that it stands below, is halted."""
        ...

    def stopping(self) -> Halt | None:
        """Whether all that the loop works is halted: it ends as if no more could be spent."""
        ...


class Clock(Protocol):
    """Time, for records and for waiting; never for a decision of the core."""

    def wall_us(self) -> int:
        """Microseconds since 1970, UTC."""
        ...

    def monotonic_us(self) -> int:
        """Microseconds since an arbitrary moment of this process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after this many seconds."""
        ...


class TraceReader(Protocol):
    """Recorded sessions, event by event."""

    def entries(self, session: int, until: int | None = None) -> Sequence[Entry]:
        """The events of a session in order; `until` is the number of events to read, None all."""
        ...
