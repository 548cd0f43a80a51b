"""Links: a stored event against the chain of its session.

Columns may hold anything here, because the store may be damaged: types are looked at first.
"""

from types import NoneType
from typing import Final

from traces.codec import decode
from traces.database import Row
from traces.digest import HASH_BYTES, SALT_BYTES, Chain, commitment, meta, salt
from traces.errors import CorruptEvent
from traces.reading import Reader
from traces.tables import EVENT_BITS

COLUMNS: Final = (
    "id, path, kind, payload, answerer, author, wall_us, monotonic_us, duration_us, "
    "tokens_in, tokens_out, cost_usd, origin, mark, salt, commitment"
)
"""What `Links` takes of an event's row."""

_STAMP: Final = (int, int, int, int, int, (int, NoneType), (int, NoneType), (float, NoneType))
"""Types of the columns from `answerer` to `cost_usd`."""
_NUMBER: Final = (1 << EVENT_BITS) - 1
_KINDS: Final = 1 << 15


class Links:
    """Takes chains on by stored events, and says of the first that does not fit why."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._stamp: Row = ()
        self._meta = b""

    def follow(self, chain: Chain, row: Row, husks: dict[int, bytes]) -> str:
        """Go on by one event; returns what is wrong with it, or nothing.

        Args:
            chain: Stays where it is if something is wrong.
            husks: What is left of redacted events.
        """
        (key, path, kind, payload), stamp, (mark, salted, committed) = row[:4], row[4:13], row[13:]
        number = key & _NUMBER
        if number != chain.count:
            return f"it is missing; the next one is {number}"
        wrong = _wrong_types(path, kind, payload, stamp) or _wrong_salt(payload, salted, committed)
        if wrong:
            return wrong
        try:
            self._see(stamp, number)
            if payload is None:
                decode(kind, _left(husks, number), number)
            else:
                decode(kind, payload, number)
                committed = commitment(salted or salt(chain.seed, number), payload)
        except CorruptEvent as error:
            return str(error)
        before = chain.head
        if chain.link(path, kind, committed, self._meta) != mark:
            chain.head, chain.count = before, number
            return "it is not what the chain holds"
        return ""

    def _see(self, stamp: Row, number: int) -> None:
        """Work out the meta of an event's authorship, unless it is that of the one before.

        Raises:
            CorruptEvent: It is none.
        """
        if stamp == self._stamp:
            return
        self._stamp = ()
        try:
            self._meta = meta(self._reader.authorship(stamp, number))
        except ValueError as error:
            raise CorruptEvent(number, f"its authorship is none: {error}") from error
        self._stamp = stamp


def _wrong_types(path: object, kind: object, payload: object, stamp: Row) -> str:
    if not isinstance(path, str) or not path.isascii():
        return "its path is none"
    if not isinstance(kind, int) or not 0 <= kind < _KINDS:
        return "its kind is none"
    if not isinstance(payload, bytes | None):
        return "its payload is no payload"
    fits = all(map(isinstance, stamp[:-1], _STAMP)) and isinstance(stamp[-1], str | None)
    return "" if fits else "its authorship is none"


def _wrong_salt(payload: bytes | None, salted: object, committed: object) -> str:
    if payload is None:
        gone = is_hash(committed) and salted is None
        return "" if gone else "its payload is gone"
    if committed is not None:
        return "it has both a payload and what should stand for it"
    return "" if salted is None or is_hash(salted, SALT_BYTES) else "its salt is none"


def _left(husks: dict[int, bytes], number: int) -> bytes:
    husk = husks.get(number)
    if not isinstance(husk, bytes):
        raise CorruptEvent(number, "it has no payload and was not redacted")
    return husk


def is_hash(value: object, size: int = HASH_BYTES) -> bool:
    """Whether a column holds a hash of this size."""
    return isinstance(value, bytes) and len(value) == size
