"""The chain: one hash for each session, carried on over its events as they are stored.

Each event has a commitment, the hash of a salt and its payload, and a link, the hash of the
link before it, its number, everything that is known of it, and the commitment. A payload can
thus be taken away later while the chain still holds, and nobody can guess it back: its salt
goes with it. The chain shows accident and truncation; whoever can rewrite the whole store can
rewrite the chain too, and only a head that was kept elsewhere shows that.

Salts are not stored: they are drawn from the session's seed, until a redaction does.
"""

from hashlib import blake2b
from secrets import token_bytes
from struct import Struct
from typing import Final
from zlib import crc32

from decomposition.ports import Authorship

HASH_BYTES: Final = 32
SALT_BYTES: Final = 16
SEED_BYTES: Final = 32

_SALTS = 64 // SALT_BYTES
"""Salts that one hash gives."""
_GENESIS = b"workbench chain 1\0"
_blank = blake2b(digest_size=HASH_BYTES)
_place = Struct(">IHI").pack
_times = Struct(">qqqB").pack
_count = Struct(">q").pack
_real = Struct(">d").pack
_size = Struct(">I").pack
_block = Struct(">Q").pack
_mark = Struct(">i").unpack_from


def new_seed() -> bytes:
    """A fresh seed for the salts of a session."""
    return token_bytes(SEED_BYTES)


def genesis(trace: str) -> bytes:
    """What stands before a session's first link."""
    return blake2b(_GENESIS + trace.encode(), digest_size=HASH_BYTES).digest()


def salt(seed: bytes, number: int) -> bytes:
    """The salt of one event, from its session's seed."""
    at = number % _SALTS * SALT_BYTES
    return _salts(seed, number // _SALTS)[at : at + SALT_BYTES]


def _salts(seed: bytes, block: int) -> bytes:
    return blake2b(_block(block), key=seed).digest()


def commitment(salt: bytes, payload: bytes) -> bytes:
    """What stands for a payload in the chain."""
    return blake2b(salt + payload, digest_size=HASH_BYTES).digest()


def mark(head: bytes) -> int:
    """The first four bytes of a link, which stand beside its event so that a break is located."""
    return int(_mark(head)[0])


def meta(authorship: Authorship) -> bytes:
    """Who gave a turn, when, and at what cost, as it enters the links of all its events."""
    counts = (authorship.tokens_in, authorship.tokens_out)
    present = sum(1 << place for place, value in enumerate(counts) if value is not None)
    pieces = [
        _framed(authorship.answerer),
        _framed(authorship.author),
        _framed(authorship.origin),
        _times(
            authorship.wall_us,
            authorship.monotonic_us,
            authorship.duration_us,
            present | (4 if authorship.cost_usd is not None else 0),
        ),
        *(_count(value) for value in counts if value is not None),
    ]
    if authorship.cost_usd is not None:
        pieces.append(_real(authorship.cost_usd))
    return b"".join(pieces)


def _framed(text: str) -> bytes:
    raw = text.encode()
    return _size(len(raw)) + raw


class Chain:
    """The end of one session's chain: its head, its number of events, its seed."""

    __slots__ = ("_block", "_drawn", "count", "head", "seed")

    def __init__(self, head: bytes, count: int, seed: bytes) -> None:
        self.head = head
        self.count = count
        self.seed = seed
        self._block = -1
        self._drawn = b""

    def copy(self) -> "Chain":
        """The same end, to try what may yet fail."""
        return Chain(self.head, self.count, self.seed)

    def salt(self) -> bytes:
        """The salt of the next event, where none is stored."""
        number = self.count
        block = number // _SALTS
        if block != self._block:
            self._block = block
            self._drawn = _salts(self.seed, block)
        at = number % _SALTS * SALT_BYTES
        return self._drawn[at : at + SALT_BYTES]

    def append(self, path: str, kind: int, payload: bytes, meta: bytes) -> int:
        """Go on by one event whose salt comes from the seed; returns its mark."""
        state = _blank.copy()
        state.update(self.salt() + payload)
        return self.link(path, kind, state.digest(), meta)

    def link(self, path: str, kind: int, commitment: bytes, meta: bytes) -> int:
        """Go on by one event that is known by its commitment; returns its mark."""
        raw = path.encode()
        number = self.count
        state = _blank.copy()
        state.update(b"".join((self.head, _place(number, kind, len(raw)), raw, meta, commitment)))
        self.head = head = state.digest()
        self.count = number + 1
        return int(_mark(head)[0])


def seal(*fields: str | float | bytes | None) -> int:
    """A check over a row that no chain covers: it shows accidents, one flipped bit for certain."""
    state = 0
    for field in fields:
        raw = field if isinstance(field, bytes) else str(field).encode()
        state = crc32(raw, crc32(f"{type(field).__name__} {len(raw)} ".encode(), state))
    return state
