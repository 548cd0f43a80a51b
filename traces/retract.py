"""Retraction: an event is no longer stood by, and whatever depends on it is marked.

Nothing is taken away: the record says what happened. What depends on the event, in any session,
is stale from now on and is not used again, so that whoever works it again asks only for that.
"""

from msgspec import Struct

from traces.database import Database
from traces.dependants import reach
from traces.digest import seal
from traces.errors import NotRetractable
from traces.store import MARK, Store
from traces.tables import EVENT_BITS


class Retraction(Struct, frozen=True):
    """What was, or would be, marked."""

    trace: str
    number: int
    """Of the event that was retracted; it is marked too."""
    stale: dict[str, tuple[int, ...]]
    """By trace the events that depend on it."""

    def __str__(self) -> str:
        events = sum(map(len, self.stale.values()))
        return f"{events} events of {len(self.stale)} sessions depend on it and are marked"


def retract(
    store: Store, trace: str, number: int, *, reason: str = "", rehearse: bool = False
) -> Retraction:
    """Mark an event as retracted, and what depends on it as stale.

    Args:
        trace: Id of the session.
        number: Of the event.
        reason: Stands in the mark of the event.
        rehearse: Change nothing; say what would be marked.

    Raises:
        UnknownId: There is no such session.
        NotRetractable: There is no such event.
        StoreStopped: The store does not take it; nothing has changed.
    """
    session = store.register.find_session(trace)
    database = store.database
    if rehearse:
        return _retraction(store, session.trace, number, _stale(database, session.number, number))
    with database.writing() as writer:
        stale = _stale(database, session.number, number)
        because = f"depends on retracted event {number} of {session.trace}"
        rows = [(session.number, number, f"retracted: {reason}" if reason else "retracted")]
        rows += [(*place, because) for place in stale]
        writer.many(MARK, [(*row, seal(*row)) for row in rows])
        store.reuse.drop(writer, [(session.number, number), *stale])
    store.forget(sorted({each for each, _ in stale} | {session.number}))
    return _retraction(store, session.trace, number, stale)


def _stale(database: Database, session: int, number: int) -> list[tuple[int, int]]:
    """What depends on an event.

    Raises:
        NotRetractable: There is no such event.
    """
    if not database.rows("SELECT id FROM event WHERE id = ?", ((session << EVENT_BITS) + number,)):
        raise NotRetractable(f"session {session} has no event {number}")
    found = reach(database, {session: [number]}).stale
    return sorted((each, some) for each, numbers in found.items() for some in numbers)


def _retraction(store: Store, trace: str, number: int, stale: list[tuple[int, int]]) -> Retraction:
    by_session: dict[int, list[int]] = {}
    for session, each in stale:
        by_session.setdefault(session, []).append(each)
    named = {store.register.session(each).trace: some for each, some in by_session.items()}
    return Retraction(trace, number, {each: tuple(some) for each, some in named.items()})
