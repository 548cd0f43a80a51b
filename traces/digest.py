"""The chain: one hash for each session, carried on over its events as they are stored.

Each event has a commitment, the hash of a salt and its payload, and a link, the hash of the
link before it, its number, everything that is known of it, and the commitment. A payload can
thus be taken away later while the chain still holds, and nobody can guess it back: its salt
goes with it. The chain shows accident and truncation; whoever can rewrite the whole store can
rewrite the chain too, and only a head that was kept elsewhere shows that.

Salts are not stored: they are drawn from the session's seed, until a redaction does.
"""

import struct
from hashlib import blake2b
from secrets import token_bytes
from typing import Final
from zlib import crc32

from decomposition.ports import Authorship

HASH_BYTES: Final = 32
META_BYTES: Final = 16
SALT_BYTES: Final = 16
SEED_BYTES: Final = 32

_SALTS = 4
"""Salts that one hash gives."""
_GENESIS = b"workbench chain 1\0"
_blank = blake2b(digest_size=HASH_BYTES).copy
_place = struct.Struct(">IHI").pack
_times = struct.Struct(">qqqB").pack
_pointer = struct.Struct(">qq").pack
_count = struct.Struct(">q").pack
_real = struct.Struct(">d").pack
_size = struct.Struct(">I").pack
_block = struct.Struct(">Q").pack
_four = struct.Struct(f"{SALT_BYTES}s" * _SALTS).unpack
_mark = struct.Struct(">i").unpack_from


def new_seed() -> bytes:
    """A fresh seed for the salts of a session."""
    return token_bytes(SEED_BYTES)


def genesis(trace: str) -> bytes:
    """What stands before a session's first link."""
    return blake2b(_GENESIS + trace.encode(), digest_size=HASH_BYTES).digest()


def salt(seed: bytes, number: int) -> bytes:
    """The salt of one event, from its session's seed."""
    return _salts(seed, number // _SALTS)[number % _SALTS]


def _salts(seed: bytes, block: int) -> tuple[bytes, ...]:
    return _four(blake2b(seed + _block(block)).digest())


def commitment(salt: bytes, payload: bytes) -> bytes:
    """What stands for a payload in the chain."""
    return blake2b(salt + payload, digest_size=HASH_BYTES).digest()


def mark(head: bytes) -> int:
    """The first four bytes of a link, which stand beside its event so that a break is located."""
    return _mark(head)[0]


def meta(authorship: Authorship) -> bytes:
    """The hash of who gave a turn, when, and at what cost: it enters the links of its events.

    Raises:
        ValueError: A number is too large, or not a number.
    """
    try:
        return blake2b(_meta(authorship), digest_size=META_BYTES).digest()
    except struct.error as error:
        raise ValueError(str(error)) from error


def _meta(authorship: Authorship) -> bytes:
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

    __slots__ = ("_salts", "count", "head", "seed")

    def __init__(self, head: bytes, count: int, seed: bytes) -> None:
        self.head = head
        self.count = count
        self.seed = seed
        self._salts: tuple[bytes, ...] = ()
        """Of the block of four in which the next event stands; empty until it is drawn."""

    def copy(self) -> "Chain":
        """The same end, to try what may yet fail."""
        return Chain(self.head, self.count, self.seed)

    def go_on(self, path: str, kind: int, payload: bytes, meta: bytes) -> int:
        """Go on by an event whose salt comes from the seed; returns its mark."""
        number = self.count
        at = number % _SALTS
        if not at or not self._salts:
            self._salts = _salts(self.seed, number // _SALTS)
        state = _blank()
        state.update(self._salts[at] + payload)
        return self.link(path, kind, state.digest(), meta)

    def link(self, path: str, kind: int, commitment: bytes, meta: bytes) -> int:
        """Go on by one event that is known by its commitment; returns its mark."""
        raw = path.encode()
        before = self.head + _place(self.count, kind, len(raw)) + raw + meta
        state = _blank()
        state.update(before + commitment)
        self.head = state.digest()
        self.count += 1
        return mark(self.head)


def pointer_seal(key: bytes, session: int, number: int, digest: bytes = b"") -> int:
    """`seal` for a row that leads from a key to an event, of which there are many."""
    return crc32(key + _pointer(session, number) + digest)


def seal(*fields: str | float | bytes | None) -> int:
    """A check over a row that no chain covers: it shows accidents, one flipped bit for certain."""
    state = 0
    for field in fields:
        raw = field if isinstance(field, bytes) else str(field).encode(errors="surrogatepass")
        state = crc32(raw, crc32(f"{type(field).__name__} {len(raw)} ".encode(), state))
    return state
