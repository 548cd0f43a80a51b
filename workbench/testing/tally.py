"""Tally: every request that arrived, noted in a file before anything is replied.

A line is one call of the operating system at the end of a file, so it stands whatever becomes of
the client, and of this process.
"""

import os
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

CALL_HEADER: Final = "x-client-request-id"
"""Of a request: the ledger's id of its call."""


class Counted(Struct, frozen=True):
    """One request that arrived."""

    number: int
    """From 1, in the order of arrival."""
    call: str
    """The ledger's id of the call; empty where the client named none."""
    digest: str
    """Of the body, byte by byte."""
    place: str = ""
    """What stands before `/v1` in the address: tells clients of one provider apart."""
    fault: str = ""
    """Kind of the fault that was played; empty for none."""
    model: str = ""
    wall_us: int = 0


class Tally:
    """Writes lines to the file of counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._to = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._encode = msgspec.json.Encoder().encode
        self._last = len(read(path))

    def count(
        self, call: str, digest: str, place: str = "", fault: str = "", model: str = ""
    ) -> Counted:
        """Note a request; it is in the file when this returns."""
        self._last += 1
        wall_us = time.time_ns() // 1000
        line = Counted(self._last, call, digest, place, fault, model, wall_us)
        os.write(self._to, self._encode(line) + b"\n")
        return line

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._to)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def read(path: Path, place: str | None = None) -> list[Counted]:
    """The requests in a file of counts, in the order of their arrival.

    Args:
        place: Only those that came here; None for all.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    counted = [_decode(line) for line in lines if line.endswith(b"\n")]
    return [each for each in counted if place is None or each.place == place]


_decode: Final = msgspec.json.Decoder(Counted).decode


def bodies(counted: list[Counted]) -> Counter[str]:
    """How often each body was asked."""
    return Counter(each.digest for each in counted)
