"""Records: what the store gives back. Values only.

An event comes as a `Record`: the event itself and who gave it, when, and at what cost.
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from decomposition.events import KINDS, Event, Withdrawn
from decomposition.ports import Authorship
from decomposition.standing import taken_back
from traces.codec import decode

AUTHORS: Final = (
    "engine",
    "scripted",
    "human",
    "human-after-draft",
    "human-approved",
    "model",
    "student",
    "imported",
)
"""Author classes; the place here is the number in the store, so new ones go last."""
MEMO_OF: Final = "memo-of-"
"""Stands before the class of whoever gave a turn first, when a memo used it again."""

Status = Literal["waiting", "running", "answered", "abstained", "failed", "stopped"]
"""`waiting` is a line of a run that was accepted and not begun."""

FINISHED: Final = ("answered", "abstained", "failed")


class Record(Struct, frozen=True):
    """An event as it is stored."""

    number: int
    """Its place in the session, from 0."""
    path: str
    kind: int
    """Index in `decomposition.events.KINDS`."""
    payload: bytes
    """The event as JSON; of a redacted one what is left of it: its form without its texts."""
    authorship: Authorship
    redacted: bool = False

    @property
    def event(self) -> Event:
        """The event.

        Raises:
            CorruptEvent: The payload is none of this kind.
        """
        return decode(self.kind, self.payload, self.number)


def withdrawn(records: Sequence[Record]) -> frozenset[int]:
    """Numbers of the events of turns that were taken back.

    Args:
        records: Those of one session from its first on.
    """
    if not any(KINDS[record.kind] is Withdrawn for record in records):
        return frozenset()
    return taken_back([(record.path, record.event) for record in records])


class SessionRecord(Struct, frozen=True):
    """A session's row: what is known of it without reading its events."""

    number: int
    trace: str
    run: int | None
    """The run that it belongs to; None for a question asked alone."""
    idx: int
    """Line of the run, from 0."""
    opened_us: int
    """When it began; 0 while it waits."""
    status: Status
    seed: int = 0
    config: str = ""
    """Policy and configuration as JSON; empty where the run's holds."""
    answer: str = ""
    """The root's reply with all that it points to, or why there is none."""
    digest: str = ""
    """`b2:` first; empty until it is finished, and after a redaction."""
    workspaces: int = 0
    calls: int = 0
    lookups: int = 0
    memo_hits: int = 0
    joins: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0
    count: int = 0
    """Events so far."""
    head: bytes = b""
    """The chain's last hash."""


class Ending(Struct, frozen=True):
    """How a session ended, or where it stopped: what its row takes over."""

    status: Status
    answer: str = ""
    digest: str = ""
    workspaces: int = 0
    calls: int = 0
    lookups: int = 0
    memo_hits: int = 0
    joins: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0


class NewLine(Struct, frozen=True):
    """A line of input as it is accepted."""

    external: str
    """The user's id of it; unique in the run."""
    input: str
    """JSON without the label."""
    expected: str | None = None
    """The label, kept apart: nothing that answers or trains may read it."""
    seed: int = 0


class LineRecord(Struct, frozen=True):
    """A line of a run as it is stored, without its label."""

    idx: int
    external: str
    input: str


class RunRecord(Struct, frozen=True):
    """A run's row."""

    number: int
    name: str
    created_us: int
    kind: str
    """The command that made it: `amplify`, `iterate`, …"""
    config: str
    """JSON; holds everything that its sessions depend on but their own seeds."""
    status: str
    """`running`, `stopped` or `finished`."""
    total: int
    """Lines."""
    finished_us: int | None = None
