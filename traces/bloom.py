"""A Bloom filter: says of most keys that were never added that they were not.

Memory does not grow with the number of keys; the share of keys that it is wrong about does.
"""

from collections.abc import Iterable
from struct import Struct
from typing import Final

BLOOM_BYTES: Final = 4 << 20
"""One key in a hundred is looked up in vain at a million keys."""

_halves = Struct(">IB").unpack_from
_PAIRS: Final = tuple(1 << high | 1 << low for high in range(8) for low in range(high))
"""The bytes that have two bits set."""
_CHOICES: Final = tuple(_PAIRS[number % len(_PAIRS)] for number in range(256))


class Bloom:
    """A set of keys that may claim to hold more.

    Keys are hashes, of five bytes or more: they choose a byte and two of its bits themselves.
    """

    def __init__(self, size: int = BLOOM_BYTES) -> None:
        self._bytes = bytearray(size)
        self.any = False
        """Whether a key was ever added."""

    def add(self, keys: Iterable[bytes]) -> None:
        """Take keys in."""
        held, size = self._bytes, len(self._bytes)
        place: int
        choice: int
        for key in keys:
            self.any = True
            place, choice = _halves(key)
            held[place % size] |= _CHOICES[choice]

    def __contains__(self, key: bytes) -> bool:
        """Whether the key may have been added; False is certain."""
        place: int
        choice: int
        place, choice = _halves(key)
        bits = _CHOICES[choice]
        return self._bytes[place % len(self._bytes)] & bits == bits
