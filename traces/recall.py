"""Recall: recorded turns and answers, read back for the keys under which they were kept.

The index says where something begins; what it is, and whether it is still there, the events say.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from decomposition.advance import advance
from decomposition.errors import IllegalAction
from decomposition.events import (
    Abstained,
    Deferred,
    Entry,
    Event,
    Failed,
    Joined,
    Refused,
    Replied,
    Unlocked,
)
from decomposition.message import Failure, Message, Outcome
from decomposition.ports import Closed, MemoTurn
from decomposition.workspace import Workspace
from traces.batch import author_of
from traces.codec import decode
from traces.database import Database, Row, in_groups, marks
from traces.reuse import Place, ReuseIndex
from traces.tables import EVENT_BITS

_KEPT: Final = 8_192
"""Turns and traces that are kept in memory."""
_USUAL: Final = 4
"""Events that are read of every turn; few have more."""
_AT_ONCE: Final = 32
_COLUMNS: Final = "id, path, kind, payload, author, answerer, wall_us, monotonic_us, duration_us"
_BEGINNINGS: Final = f"SELECT {_COLUMNS} FROM event WHERE id IN ({marks(_AT_ONCE * _USUAL)})"  # noqa: S608 - marks
_GOING_ON: Final = f"SELECT {_COLUMNS} FROM event WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"  # noqa: S608
_PAGE: Final = 64
LAST_OF_TURN: Final = frozenset({Unlocked, Replied, Abstained, Refused, Failed, Deferred})


class Recall:
    """Reads turns by view key and answers by question key."""

    def __init__(self, database: Database, index: ReuseIndex) -> None:
        self._database = database
        self._index = index
        self._turns: dict[Place, MemoTurn | None] = {}
        self._traces: dict[int, str] = {}

    def turns(self, keys: Sequence[bytes]) -> list[list[MemoTurn]]:
        """For each key all turns observed, in the order of sessions and events."""
        found = self._index.turns(keys)
        if any(found):
            if len(self._turns) > _KEPT:
                self._turns.clear()
            self._read({place for places in found for place in places} - self._turns.keys())
        return [[turn for each in places if (turn := self._turns[each])] for places in found]

    def closed(self, key: bytes) -> Closed | None:
        """The first workspace that closed under a key."""
        found = self._index.answer(key)
        if found is None:
            return None
        session, number, digest = found
        row = next(self._going_on(session, number), None)
        if row is None or row[0] != _id(session, number) or row[3] is None:
            return None
        path: str = row[1]
        outcome = _outcome(path, decode(row[2], row[3], number))
        if outcome is None:
            return None
        return Closed(
            f"{self._trace(session)}/{path}",
            digest.hex(),
            outcome if isinstance(outcome, Message) else None,
            outcome if isinstance(outcome, Failure) else None,
        )

    def forget(self) -> None:
        """Keep nothing in memory: something was changed or removed."""
        self._turns.clear()
        self._traces.clear()

    def _read(self, places: Iterable[Place]) -> None:
        """Read the turns that begin at these events."""
        for some in in_groups(sorted(places), _AT_ONCE):
            ids = [_id(*place) + offset for place in some for offset in range(_USUAL)]
            rows: dict[int, Row] = {row[0]: row for row in self._database.rows(_BEGINNINGS, ids)}
            for place in set(some):
                self._turns[place] = self._turn(*place, self._rows(*place, rows))

    def _rows(self, session: int, number: int, rows: dict[int, Row]) -> Iterator[Row]:
        """The rows from an event on: those that were read, then the others."""
        for each in range(_USUAL):
            row = rows.get(_id(session, number + each))
            if row is None:
                return
            yield row
        yield from self._going_on(session, number + _USUAL)

    def _going_on(self, session: int, number: int) -> Iterator[Row]:
        """The rows of a session from a number on."""
        start, end = _id(session, number), _id(session + 1, 0)
        while rows := self._database.rows(_GOING_ON, (start, end, _PAGE)):
            yield from rows
            start += len(rows)

    def _turn(self, session: int, number: int, rows: Iterator[Row]) -> MemoTurn | None:
        """The turn whose events these rows begin with; None where it was redacted or removed."""
        entries: list[Entry] = []
        stamp: Row = ()
        for _, path, kind, payload, *rest in rows:
            if not stamp:
                stamp = (path, *rest)
            elif (path, *rest) != stamp:
                break
            if payload is None or not rest[0]:
                return None
            event = decode(kind, payload, number + len(entries))
            entries.append((path, event))
            if type(event) in LAST_OF_TURN:
                break
        if not entries:
            return None
        return MemoTurn(f"{self._trace(session)}#{number}", author_of(stamp[1]), tuple(entries))

    def _trace(self, session: int) -> str:
        trace = self._traces.get(session)
        if trace is None:
            if len(self._traces) > _KEPT:
                self._traces.clear()
            rows = self._database.rows("SELECT trace FROM session WHERE id = ?", (session,))
            trace = self._traces[session] = str(rows[0][0]) if rows else ""
        return trace


def _id(session: int, number: int) -> int:
    return (session << EVENT_BITS) + number


def _outcome(path: str, event: Event) -> Outcome | None:
    """What a closing event answers; None where that does not stand by itself."""
    if not isinstance(event, Replied | Abstained | Failed | Joined):
        return None
    try:
        return advance(Workspace(path, Message(()), (), 1), event).outcome
    except IllegalAction:
        return None
