"""A window: index rows that are not in the database yet.

Keys are hashes, so rows arrive in no order, and a tree on disk wants them in order. The
window keeps them in buckets by their first bits, and gives up the bucket that waited longest
when it is full: its rows, sorted, touch few pages.
"""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Final, Generic, TypeVar

WINDOW_ROWS: Final = 32_768
_BUCKETS: Final = 64
_SHIFT: Final = 2
"""From the first byte of a key to its bucket."""

_KEY: Final = itemgetter(0)

Row = TypeVar("Row")


class Window(Generic[Row]):
    """Rows by key, in memory.

    Args:
        limit: Rows that it holds before it gives some up.
    """

    def __init__(self, limit: int = WINDOW_ROWS) -> None:
        self._limit = limit
        self._buckets: list[dict[bytes, tuple[Row, ...]]] = [{} for _ in range(_BUCKETS)]
        self._sizes = [0] * _BUCKETS
        self._next = 0
        self.size = 0

    def add(self, rows: Iterable[tuple[bytes, Row]]) -> None:
        """Take in more rows."""
        buckets, sizes = self._buckets, self._sizes
        for key, row in rows:
            place = key[0] >> _SHIFT
            bucket = buckets[place]
            bucket[key] = (*bucket[key], row) if key in bucket else (row,)
            sizes[place] += 1
        self.size = sum(sizes)

    def get(self, key: bytes) -> tuple[Row, ...]:
        """The rows of a key, in the order in which they came."""
        return self._buckets[key[0] >> _SHIFT].get(key, ())

    @property
    def full(self) -> bool:
        """Whether rows should be written now."""
        return self.size > self._limit

    @property
    def ends_round(self) -> bool:
        """Whether with the rows of `due` every bucket was given up since the round began."""
        return self._next + len(self._oldest()) >= _BUCKETS

    def due(self) -> list[tuple[bytes, Row]]:
        """Rows that should be written now; none while there is room.

        They stay here until `written` says that they are safe.
        """
        return self._sorted(self._oldest())

    def written(self) -> None:
        """Forget what `due` gave."""
        for place in self._oldest():
            self._buckets[place] = {}
            self._sizes[place] = 0
            self._next = (place + 1) % _BUCKETS
        self.size = sum(self._sizes)

    def _oldest(self) -> list[int]:
        """The buckets that must go to make room, the one that waited longest first."""
        over = self.size - self._limit
        places: list[int] = []
        while over > 0:
            places.append((self._next + len(places)) % _BUCKETS)
            over -= self._sizes[places[-1]]
        return places

    def all(self) -> list[tuple[bytes, Row]]:
        """Every row, sorted."""
        return self._sorted(range(_BUCKETS))

    def clear(self) -> None:
        """Forget every row."""
        self._buckets = [{} for _ in range(_BUCKETS)]
        self._sizes = [0] * _BUCKETS
        self.size = 0

    def keep(self, wanted: Callable[[Row], bool]) -> None:
        """Forget the rows that are not wanted."""
        for place, bucket in enumerate(self._buckets):
            left = {key: tuple(filter(wanted, rows)) for key, rows in bucket.items()}
            self._buckets[place] = {key: rows for key, rows in left.items() if rows}
            self._sizes[place] = sum(map(len, left.values()))
        self.size = sum(self._sizes)

    def _sorted(self, places: Iterable[int]) -> list[tuple[bytes, Row]]:
        """The rows of buckets, sorted within each by key; equal keys in the order they came."""
        return [
            (key, row)
            for place in places
            for key, rows in sorted(self._buckets[place].items(), key=_KEY)
            for row in rows
        ]
