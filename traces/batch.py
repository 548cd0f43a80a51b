"""A batch: the rows of one commit, chained, before anything is written.

Nothing here reads or writes the database, so all of this happens before the write lock.
"""

from collections.abc import Callable, Sequence
from typing import Final

from decomposition.events import Event
from decomposition.ports import Authorship, Written
from traces.codec import KIND_OF, SHARE_IN, UNENCODABLE, check_number, to_json
from traces.digest import Chain, meta
from traces.errors import Conflict, Unstorable
from traces.record import AUTHORS, MEMO_OF
from traces.tables import EVENT_BITS

PLAIN: Final = (
    "id",
    "path",
    "kind",
    "payload",
    "answerer",
    "author",
    "wall_us",
    "monotonic_us",
    "duration_us",
    "mark",
)
"""Columns of an event that took no tokens and no money and is nobody else's."""
RICH: Final = (*PLAIN, "tokens_in", "tokens_out", "cost_usd", "origin")

AUTHOR_NUMBERS: Final = {name: number for number, name in enumerate(AUTHORS)}
MEMO_AUTHOR: Final = 64
"""Added to the number of an author whose turn a memo used again."""

Appended = tuple[str, Event, Authorship]


def author_number(author: str) -> int:
    """The number of an author class.

    Raises:
        Unstorable: There is no such class.
    """
    plain = author.removeprefix(MEMO_OF)
    number = AUTHOR_NUMBERS.get(plain)
    if number is None:
        raise Unstorable(f"no author class is called {author[:80]!r}")
    return number if plain == author else number + MEMO_AUTHOR


def author_of(number: int) -> str:
    """The author class that a number stands for.

    Raises:
        KeyError: There is none.
    """
    plain = number % MEMO_AUTHOR
    if not 0 <= number < 2 * MEMO_AUTHOR or plain >= len(AUTHORS):
        raise KeyError(number)
    return AUTHORS[plain] if number < MEMO_AUTHOR else MEMO_OF + AUTHORS[plain]


class Batch:
    """The rows of one commit.

    Args:
        answerer: Number of an identity in the store.
    """

    def __init__(self, answerer: Callable[[str], int]) -> None:
        self.before: dict[int, Chain] = {}
        """Where the chains ended, by session."""
        self.after: dict[int, Chain] = {}
        """Where they end now."""
        self.stretches: list[tuple[bool, list[object]]] = []
        """Event rows in their order, one value after the other; True for `RICH` ones."""
        self.events = 0
        self._answerer = answerer
        self._stamps: dict[int, _Stamp] = {}

    def add(self, written: Written, chain: Chain) -> None:
        """Chain the events of one session.

        Args:
            chain: Where the session ends now; it is left as it is.

        Raises:
            Conflict: The events were made for another state of the session.
            Unstorable: One of them cannot be stored.
        """
        session = written.session
        chain = self.after.get(session) or chain
        if chain.count != written.first:
            raise Conflict(session, written.first, chain.count)
        self.before.setdefault(session, chain)
        self.after[session] = end = chain.copy()
        try:
            self._rows(session << EVENT_BITS, written.entries, end)
        except UNENCODABLE as error:
            raise Unstorable(f"an event of session {session} cannot be stored: {error}") from error
        self.events += len(written.entries)

    def _rows(self, base: int, entries: Sequence[Appended], chain: Chain) -> None:
        """Encode, chain and lay out the events in one pass: this is the hot path of recording."""
        flat: list[object] = []
        last: Authorship | None = None
        stamp: _Stamp | None = None
        who = b""
        columns: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
        extra: tuple[object, ...] = ()
        number = base + chain.count
        for path, event, authorship in entries:
            if authorship is not last:
                last = authorship
                stamp = self._stamps.get(id(authorship)) or self._stamp(authorship)
                who, columns, extra = stamp.meta, stamp.columns, stamp.extra
                flat = self._stretch(rich=stamp.rich)
            kind = type(event)
            share = SHARE_IN.get(kind)
            if share is not None and getattr(event, share) is not None:
                check_number(event)
            payload = to_json(event)
            number_of_kind = KIND_OF[kind]
            mark = chain.go_on(path, number_of_kind, payload, who)
            flat += (number, path, number_of_kind, bytearray(payload), *columns, mark, *extra)
            number += 1

    def _stamp(self, authorship: Authorship) -> "_Stamp":
        stamp = self._stamps[id(authorship)] = _Stamp(authorship, self._answerer)
        return stamp

    def _stretch(self, *, rich: bool) -> list[object]:
        if not self.stretches or self.stretches[-1][0] != rich:
            self.stretches.append((rich, []))
        return self.stretches[-1][1]


class _Stamp:
    """An authorship as its events hold it: worked out once, used for all of them."""

    __slots__ = ("_kept", "columns", "extra", "meta", "rich")

    def __init__(self, authorship: Authorship, answerer: Callable[[str], int]) -> None:
        self._kept = authorship
        """Held, so that no other object gets its identity."""
        try:
            self.meta = meta(authorship)
        except ValueError as error:
            raise Unstorable(f"an authorship cannot be stored: {error}") from error
        self.columns = (
            answerer(authorship.answerer) if authorship.answerer else 0,
            author_number(authorship.author),
            authorship.wall_us,
            authorship.monotonic_us,
            authorship.duration_us,
        )
        origin = authorship.origin or None
        extra = (authorship.tokens_in, authorship.tokens_out, authorship.cost_usd, origin)
        self.rich = extra != (None, None, None, None)
        self.extra: tuple[object, ...] = extra if self.rich else ()
