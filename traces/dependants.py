"""Dependants: what may rest on an event, in its own session and in every other.

Followed are the ways that content takes: to the askers above, to what they asked afterwards,
to whoever waits for a pointer that leads to an answer, and to the turns and answers that other
workspaces took from those. What may rest on it counts as if it did. Nothing here is changed,
and nothing is folded, so that it works on husks too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from msgspec import Struct

from decomposition.events import (
    KINDS,
    Abstained,
    Asked,
    Audited,
    Demanded,
    Event,
    Failed,
    Joined,
    Replied,
    Sampled,
    Unlocked,
    Withdrawn,
)
from decomposition.hypertext import POINTER_NAME
from traces.codec import decode
from traces.recall import LAST_OF_TURN
from traces.tables import EVENT_BITS

CLOSING: Final = (Replied, Abstained, Failed, Joined)

_PAGE: Final = 5_000
_NUMBER: Final = (1 << EVENT_BITS) - 1
_OWN_ANSWER: Final = re.compile(r"\$a[0-9]+")
_CLOSINGS: Final = frozenset(map(KINDS.index, CLOSING))
_LAST_OF_TURN: Final = frozenset(map(KINDS.index, LAST_OF_TURN))
_TAKING: Final = (KINDS.index(Joined), KINDS.index(Audited))
_READ: Final = frozenset(map(KINDS.index, (Asked, Sampled, Unlocked, Withdrawn)))
"""Kinds whose content says where other content goes."""
_LOOKING: Final = frozenset(map(KINDS.index, (Unlocked, Demanded)))
_EVENTS: Final = (
    "SELECT id, path, kind, payload, answerer, author, wall_us, monotonic_us, duration_us, origin "
    "FROM event WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
)
_HUSKS: Final = "SELECT number, husk FROM redacted WHERE session = ?"
_SCAN: Final = (
    "SELECT id, path, kind, payload, origin FROM event WHERE id > ? "
    "AND (origin IS NOT NULL OR kind IN (?, ?)) ORDER BY id LIMIT ?"
)


class Rows(Protocol):
    """Whatever can be queried: a database, or a transaction."""

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """What a query gives."""
        ...


class Taken(Struct, frozen=True):
    """A join whose origin rests on what was followed."""

    session: int
    number: int
    path: str
    event: Joined


class Reach(Struct):
    """How far content went."""

    stale: dict[int, set[int]]
    """By session the events that may rest on it; where it began is not among them."""
    joins: list[Taken]
    """Answers that were taken from what rests on it, in any session."""


def reach(rows: Rows, begins: Mapping[int, Iterable[int]]) -> Reach:
    """Follow the content of events.

    Args:
        begins: By session the numbers of the events to begin with.
    """
    origins = {session: set(numbers) for session, numbers in begins.items()}
    taken: dict[tuple[int, int], Taken] = {}
    flows: dict[int, Flow] = {}
    fresh = set(origins)
    while fresh:
        for each in fresh:
            flows[each] = _followed(rows, each, origins[each])
        fresh.clear()
        for session, number, join in _takers(rows, flows):
            if number not in origins.setdefault(session, set()):
                origins[session].add(number)
                fresh.add(session)
            if join is not None:
                taken[session, number] = join
    stale = {session: _resting(flow, begins.get(session, ())) for session, flow in flows.items()}
    return Reach({session: some for session, some in stale.items() if some}, list(taken.values()))


def _resting(flow: "Flow", begun: Iterable[int]) -> set[int]:
    return flow.hits.difference(begun)


def _followed(rows: Rows, session: int, origins: set[int]) -> "Flow":
    """How far the content of some events of a session went in it."""
    trace = rows.rows("SELECT trace FROM session WHERE id = ?", (session,))
    flow = Flow(str(trace[0][0]) if trace else "", origins)
    husks = dict(rows.rows(_HUSKS, (session,)))
    after, end = session << EVENT_BITS, (session + 1) << EVENT_BITS
    while page := rows.rows(_EVENTS, (after, end, _PAGE)):
        after = page[-1][0] + 1
        for key, path, kind, payload, *stamp in page:
            number = key & _NUMBER
            content: bytes = husks[number] if payload is None else payload
            event = decode(kind, content, number) if kind in _READ else None
            flow.take(number, path, kind, event, (path, *stamp))
    return flow


def users(rows: Rows, session: int, trace: str, turn: int, path: str) -> list[tuple[int, int]]:
    """Session and number of every event that took a turn, or an answer that it is part of.

    Args:
        turn: Number of its first event.
        path: Where it was given.
    """
    flow = Flow(trace, set())
    flow.begin(turn, path)
    return [(each, number) for each, number, _ in _takers(rows, {session: flow})]


class Flow:
    """What the content of some events reached in one session; takes its events in order.

    Args:
        origins: Numbers of the events that the content is in.
    """

    def __init__(self, trace: str, origins: set[int]) -> None:
        self.trace = trace
        self.hits: set[int] = set()
        """Events that hold the content or may rest on it."""
        self.turns: set[int] = set()
        """First events of the turns that those belong to."""
        self._origins = origins
        self._touched: set[str] = set()
        """Places at and below which everything from now on may rest on it."""
        self._above: set[str] = set()
        """Places above those."""
        self._answered: set[str] = set()
        """Workspaces whose closing event was hit."""
        self._asked: dict[str, list[tuple[int, int]]] = {}
        """By asker its asks: the number of each, and how many subquestions there were with it."""
        self._passing: set[str] = set()
        """Subquestions that were given a pointer which may lead to an answer."""
        self._looking: set[str] = set()
        """Workspaces that wait for what such a pointer leads to."""
        self._stamp: tuple[object, ...] = ()
        self._turn = 0

    def begin(self, turn: int, path: str) -> None:
        """Count a turn, and the answers at its place and above it, as reached."""
        self.turns.add(turn)
        self._touch(path)

    def answers(self, path: str) -> bool:
        """Whether a workspace's answer, or the digest of it, may rest on the content."""
        return path in self._above or path in self._answered or path in self._touched

    def take(
        self, number: int, path: str, kind: int, event: Event | None, stamp: tuple[object, ...]
    ) -> None:
        """Take the next event.

        Args:
            event: Where its kind says where content goes.
            stamp: Who gave it and when: equal for the events of one turn.
        """
        if stamp != self._stamp:
            self._stamp, self._turn = stamp, number
        self._looking.discard(path)
        began = number in self._origins
        hit = began or self._is_reached(path)
        children = self._children(number, path, event) if isinstance(event, Asked) else ()
        if isinstance(event, Withdrawn):
            self._take_back(path, event)
        if hit:
            self.hits.add(number)
            self.turns.add(self._turn)
            if began:
                self._touch(path)
            self._spread(path, kind, event, children)
        if kind in _LOOKING and self._address(path) in self._passing:
            self._look(path, event)
        if kind in _LAST_OF_TURN:
            self._stamp = ()

    def _spread(self, path: str, kind: int, event: Event | None, children: Iterable[str]) -> None:
        for child in children:
            self._touch(child)
        if isinstance(event, Sampled):
            self._touch(path)
        if kind in _CLOSINGS:
            self._answered.add(path)
            for each in tuple(self._looking):
                self._touch(each)

    def _take_back(self, path: str, withdrawn: Withdrawn) -> None:
        """Count on from before the turn; what its content reached stays reached."""
        asks = self._asked.get(path, [])
        self._asked[path] = [each for each in asks if each[0] < withdrawn.event]

    def _children(self, number: int, path: str, asked: Asked) -> list[str]:
        """Addresses of the subquestions that an ask opens."""
        asks = self._asked.setdefault(path, [])
        first = asks[-1][1] + 1 if asks else 1
        asks.append((number, first + len(asked.questions) - 1))
        inherits = self._address(path) in self._passing
        children: list[str] = []
        for child, question in enumerate(asked.questions, first):
            address = f"{path}.{child}"
            children.append(address)
            names = POINTER_NAME.findall(question)
            if any(name[1] == "a" or (inherits and name[1] in "qn") for name in names):
                self._passing.add(address)
        return children

    def _look(self, path: str, event: Event | None) -> None:
        """Note who looks through a pointer that came from above; its own answers are below it."""
        if isinstance(event, Unlocked) and all(map(_OWN_ANSWER.fullmatch, event.pointers)):
            return
        if self._answered:
            self._touch(path)
        else:
            self._looking.add(path)

    def _touch(self, path: str) -> None:
        if path not in self._touched:
            self._touched.add(path)
            self._above.update(_upwards(path))

    def _is_reached(self, path: str) -> bool:
        if path in self._above or path in self._touched:
            return True
        return any(each in self._touched for each in _upwards(path))

    @staticmethod
    def _address(path: str) -> str:
        """The address of the subquestion that a workspace works, without its sample."""
        head, dot, last = path.rpartition(".")
        return head + dot + last.partition(":")[0]


def _upwards(path: str) -> Iterator[str]:
    """Every place above a place."""
    cut = len(path)
    while (cut := max(path.rfind(".", 0, cut), path.rfind(":", 0, cut))) > 0:
        yield path[:cut]


def _takers(rows: Rows, flows: Mapping[int, Flow]) -> Iterator[tuple[int, int, Taken | None]]:
    """Events that took a turn or an answer from what was reached."""
    by_trace = {flow.trace: flow for flow in flows.values()}
    after = -1
    while page := rows.rows(_SCAN, (after, *_TAKING, _PAGE)):
        after = page[-1][0]
        for key, path, kind, payload, origin in page:
            session, number = key >> EVENT_BITS, key & _NUMBER
            join: Taken | None = None
            named = [origin] if origin else []
            if kind in _TAKING:
                event = decode(kind, payload or _husk(rows, session, number), number)
                if isinstance(event, Joined) and payload is not None:
                    join = Taken(session, number, path, event)
                if isinstance(event, Joined | Audited):
                    named.append(event.origin)
            own = flows.get(session)
            if any(_is_from(name, by_trace, own) for name in named):
                yield session, number, join


def _husk(rows: Rows, session: int, number: int) -> bytes:
    sql = "SELECT husk FROM redacted WHERE session = ? AND number = ?"
    return bytes(rows.rows(sql, (session, number))[0][0])


def _is_from(origin: str, by_trace: Mapping[str, Flow], own: Flow | None) -> bool:
    """Whether an origin names a turn or an answer that was reached."""
    trace, sign, turn = origin.partition("#")
    if sign:
        flow = by_trace.get(trace)
        return flow is not None and turn.isdigit() and int(turn) in flow.turns
    trace, sign, path = origin.rpartition("/")
    flow = by_trace.get(trace) if sign else own
    return flow is not None and flow.answers(path)
