"""Reading: recorded events as they come back, one after the other.

What is read is checked as far as it shows by itself: no number is missing, every payload is an
event. Whether the chain holds is the business of `verify`.
"""

from collections.abc import Iterator
from typing import Final

from decomposition.events import Entry
from decomposition.ports import Authorship
from traces.batch import author_of
from traces.codec import decode
from traces.database import Database, Row
from traces.errors import CorruptEvent, UnknownId
from traces.record import Record
from traces.tables import EVENT_BITS

PAGE: Final = 5_000
"""Events that one query brings."""

_ENTRIES: Final = (
    "SELECT id, path, kind, payload FROM event WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
)
_RECORDS: Final = (
    "SELECT id, path, kind, payload, answerer, author, wall_us, monotonic_us, duration_us, "
    "tokens_in, tokens_out, cost_usd, origin FROM event WHERE id >= ? AND id < ? "
    "ORDER BY id LIMIT ?"
)
_NUMBER: Final = (1 << EVENT_BITS) - 1


class Reader:
    """Reads the events of sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._answerers: dict[int, str] = {}

    def entries(self, session: int, until: int | None = None) -> list[Entry]:
        """The events of a session in order, `until` of them or all.

        Of a redacted event comes what is left: its form without its texts.

        Raises:
            UnknownId: There is no such session.
            CorruptEvent: One is missing or cannot be read.
        """
        husks: dict[int, bytes] | None = None
        found: list[Entry] = []
        for row in self._rows(_ENTRIES, session, 0, until):
            _, path, kind, payload = row
            number = len(found)
            if payload is None:
                husks = self.husks(session) if husks is None else husks
                payload = _husk(husks, number)
            found.append((path, decode(kind, payload, number)))
        return found

    def records(self, session: int, first: int = 0, until: int | None = None) -> Iterator[Record]:
        """The events of a session with their authorship, from number `first` to before `until`.

        Raises:
            UnknownId: There is no such session.
            CorruptEvent: One is missing or cannot be read.
        """
        husks = self.husks(session)
        last: Row = ()
        authorship = Authorship("", "engine", 0, 0)
        for row in self._rows(_RECORDS, session, first, until):
            number = row[0] & _NUMBER
            if row[4:] != last:
                last = row[4:]
                authorship = self.authorship(last, number)
            path, kind, payload = row[1:4]
            gone = payload is None
            content = _husk(husks, number) if gone else payload
            yield Record(number, path, kind, content, authorship, gone)

    def _rows(self, sql: str, session: int, first: int, until: int | None) -> Iterator[Row]:
        """Rows of a session in pages; a number that is missing is an error."""
        known = self._database.rows("SELECT count FROM session WHERE id = ?", (session,))
        if not known:
            raise UnknownId("session", str(session), ())
        count: int = known[0][0]
        base = session << EVENT_BITS
        wanted = base + max(first, 0)
        end = base + (count if until is None else min(count, until))
        while wanted < end:
            rows = self._database.rows(sql, (wanted, end, PAGE))
            for row in rows:
                if row[0] != wanted:
                    break
                wanted += 1
                yield row
            else:
                if rows:
                    continue
            raise CorruptEvent(wanted - base, "it is missing")

    def husks(self, session: int) -> dict[int, bytes]:
        """What is left of the redacted events of a session."""
        sql = "SELECT number, husk FROM redacted WHERE session = ?"
        return dict(self._database.rows(sql, (session,)))

    def authorship(self, stamp: Row, number: int) -> Authorship:
        """The authorship that an event's columns from `answerer` to `origin` stand for.

        Raises:
            CorruptEvent: They name an answerer or a class of authors that does not exist.
        """
        answerer, author, wall_us, monotonic_us, duration_us, inward, outward, cost, origin = stamp
        try:
            name = author_of(author)
            identity = self._identity(answerer)
        except KeyError as error:
            raise CorruptEvent(number, f"nobody has the number {error}") from None
        return Authorship(
            identity,
            name,
            wall_us,
            monotonic_us,
            duration_us,
            inward,
            outward,
            cost,
            origin or "",
        )

    def _identity(self, number: int) -> str:
        if not number:
            return ""
        if number not in self._answerers:
            self._answerers = dict(self._database.rows("SELECT id, identity FROM answerer"))
        return self._answerers[number]


def _husk(husks: dict[int, bytes], number: int) -> bytes:
    husk = husks.get(number)
    if husk is None:
        raise CorruptEvent(number, "it has no payload and was not redacted")
    return husk
