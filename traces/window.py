"""A window: index rows that are not in the database yet.

Keys are hashes, so rows arrive in no order, and a tree on disk wants them in order. The
window keeps them in buckets by their first bits, and gives up the bucket that waited longest
when it is full: its rows, sorted, touch few pages. The rows of one key stand in one string of
bytes, each after its length: a million of them are a million objects less to look after.
"""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Final

WINDOW_ROWS: Final = 32_768
_BUCKETS: Final = 64
_SHIFT: Final = 2
"""From the first byte of a key to its bucket."""

_KEY: Final = itemgetter(0)
_LENGTHS: Final = tuple(bytes((length,)) for length in range(256))

Packed = bytes
"""The rows of one key, each after a byte with its length."""


def pack(row: bytes) -> Packed:
    """One row, of at most 255 bytes."""
    return _LENGTHS[len(row)] + row


def rows_in(packed: Packed) -> list[bytes]:
    """The rows of a key, in the order in which they came."""
    if packed and len(packed) == packed[0] + 1:
        return [packed[1:]]
    rows: list[bytes] = []
    start = 0
    while start < len(packed):
        end = start + 1 + packed[start]
        rows.append(packed[start + 1 : end])
        start = end
    return rows


class Window:
    """Rows by key, in memory.

    Args:
        limit: Rows that it holds before it gives some up.
    """

    def __init__(self, limit: int = WINDOW_ROWS) -> None:
        self._limit = limit
        self._buckets: list[dict[bytes, Packed]] = [{} for _ in range(_BUCKETS)]
        self._sizes = [0] * _BUCKETS
        self._next = 0
        self._due: list[tuple[bytes, Packed]] | None = None
        """What `due` gave, until rows come or go."""
        self.size = 0

    def add(self, rows: Iterable[tuple[bytes, Packed]]) -> None:
        """Take in more rows, one packed row with its key at a time."""
        self._due = None
        buckets, sizes = self._buckets, self._sizes
        for key, row in rows:
            place = key[0] >> _SHIFT
            bucket = buckets[place]
            known = bucket.get(key)
            bucket[key] = row if known is None else known + row
            sizes[place] += 1
        self.size = sum(sizes)

    def get(self, key: bytes) -> Packed:
        """The rows of a key; empty for none."""
        return self._buckets[key[0] >> _SHIFT].get(key, b"")

    @property
    def full(self) -> bool:
        """Whether rows should be written now."""
        return self.size > self._limit

    @property
    def ends_round(self) -> bool:
        """Whether with the rows of `due` every bucket was given up since the round began."""
        return self._next + len(self._oldest()) >= _BUCKETS

    def due(self) -> list[tuple[bytes, Packed]]:
        """Keys with the rows that should be written now; none while there is room.

        They stay here until `written` says that they are safe.
        """
        if self._due is None:
            self._due = self._sorted(self._oldest())
        return self._due

    def written(self) -> None:
        """Forget what `due` gave."""
        for place in self._oldest():
            self._buckets[place] = {}
            self._sizes[place] = 0
            self._next = (place + 1) % _BUCKETS
        self._due = None
        self.size = sum(self._sizes)

    def _oldest(self) -> list[int]:
        """The buckets that must go to make room, the one that waited longest first."""
        over = self.size - self._limit
        places: list[int] = []
        while over > 0:
            places.append((self._next + len(places)) % _BUCKETS)
            over -= self._sizes[places[-1]]
        return places

    def all(self) -> list[tuple[bytes, Packed]]:
        """Every key with its rows, sorted."""
        return self._sorted(range(_BUCKETS))

    def clear(self) -> None:
        """Forget every row."""
        self._buckets = [{} for _ in range(_BUCKETS)]
        self._sizes = [0] * _BUCKETS
        self._due = None
        self.size = 0

    def keep(self, wanted: Callable[[bytes], bool]) -> None:
        """Forget the rows that are not wanted."""
        self._due = None
        for place, bucket in enumerate(self._buckets):
            left = {key: list(filter(wanted, rows_in(packed))) for key, packed in bucket.items()}
            self._buckets[place] = {
                key: b"".join(map(pack, rows)) for key, rows in left.items() if rows
            }
            self._sizes[place] = sum(map(len, left.values()))
        self.size = sum(self._sizes)

    def _sorted(self, places: Iterable[int]) -> list[tuple[bytes, Packed]]:
        """Keys with their rows, bucket by bucket, sorted within each by key."""
        found: list[tuple[bytes, Packed]] = []
        for place in places:
            found += sorted(self._buckets[place].items(), key=_KEY)
        return found
