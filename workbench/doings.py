"""Doings: what happened in each workspace of a recorded session, beside its state."""

from collections.abc import Container, Iterable, Iterator

from msgspec import Struct

from decomposition.events import KINDS, Failed, Joined, Withdrawn
from decomposition.setting import Counts
from traces.record import MEMO_OF, Record, withdrawn

ENVIRONMENT = "environment:"
"""How the identity of whoever answers primitive questions begins."""


class Doings(Struct):
    """What happened in one workspace."""

    answerer: str = ""
    turns: int = 0
    duration_us: int = 0
    cost_usd: float = 0.0
    reused: bool = False
    joined: str = ""
    """Where the answer was taken from; empty for none."""
    marks: tuple[str, ...] = ()
    """`redacted` where content was taken away, `stale` where something depends on what was,
    `withdrawn` where a person took a turn back."""
    details: tuple[str, ...] = ()
    """What an answerer's own error said, for the reader of the trace alone."""


class Turn(Struct, frozen=True):
    """Consecutive events of one workspace that one answerer gave at once."""

    path: str
    records: tuple[Record, ...]

    @property
    def first(self) -> Record:
        """Its first event."""
        return self.records[0]


def turns(records: Iterable[Record]) -> Iterator[Turn]:
    """The turns of a session in order, without what the engine decided and without withdrawals."""
    current: list[Record] = []
    for record in records:
        if current and not _same(current[-1], record):
            yield Turn(current[0].path, tuple(current))
            current = []
        if record.authorship.author != "engine" and KINDS[record.kind] is not Withdrawn:
            current.append(record)
    if current:
        yield Turn(current[0].path, tuple(current))


def _same(one: Record, other: Record) -> bool:
    return (one.path, one.authorship) == (other.path, other.authorship)


def doings(records: Iterable[Record], stale: Container[int] = ()) -> dict[str, Doings]:
    """What happened, by path.

    Args:
        records: The events of a session.
        stale: Numbers of those that depend on something redacted or retracted.
    """
    found: dict[str, Doings] = {}
    kept = list(records)
    gone = withdrawn(kept)
    for turn in turns(kept):
        did = found.setdefault(turn.path, Doings())
        authorship = turn.first.authorship
        did.answerer = authorship.answerer
        did.turns += 1
        did.duration_us += authorship.duration_us
        did.cost_usd += authorship.cost_usd or 0.0
        did.reused = did.reused or authorship.author.startswith(MEMO_OF)
    for record in kept:
        if record.authorship.author == "engine" and isinstance(event := record.event, Joined):
            found.setdefault(record.path, Doings()).joined = event.origin
        marks = {
            "redacted": record.redacted,
            "stale": record.number in stale,
            "withdrawn": record.number in gone,
        }
        _mark(found, record, [name for name, true in marks.items() if true])
    return found


def _mark(found: dict[str, Doings], record: Record, marks: Iterable[str]) -> None:
    for mark in marks:
        did = found.setdefault(record.path, Doings())
        did.marks = tuple(dict.fromkeys((*did.marks, mark)))
    if KINDS[record.kind] is Failed and isinstance(event := record.event, Failed) and event.detail:
        did = found.setdefault(record.path, Doings())
        did.details += (event.detail,)


def counted(records: Iterable[Record]) -> Counts:
    """What a session has used, read off its events: what a resumed one starts from."""
    counts = Counts()
    for turn in turns(records):
        authorship = turn.first.authorship
        if authorship.author.startswith(MEMO_OF):
            counts.memo_hits += 1
        elif authorship.answerer.startswith(ENVIRONMENT):
            counts.lookups += 1
        else:
            counts.calls += 1
        counts.tokens += (authorship.tokens_in or 0) + (authorship.tokens_out or 0)
        counts.cost_usd += authorship.cost_usd or 0.0
    return counts
