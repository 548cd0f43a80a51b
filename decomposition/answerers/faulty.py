"""Faulty answerers: another answerer whose closing answers go wrong with a known probability.

Every draw is a hash of the seed and the view's key, which holds the sample path: samples fail
independently, equal views equally, and the order of a batch changes nothing.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final, Literal, get_args

from msgspec.structs import replace

from decomposition.actions import Given, Reply
from decomposition.answerers.base import Answerer
from decomposition.consensus import closing
from decomposition.errors import BadAnswerer
from decomposition.spend import Attempt, Estimate
from decomposition.view import View

Mode = Literal["random", "colluding", "fixed"]
"""How wrong answers relate: all different, equal for equal questions, or all the same."""

Wrong = str | Callable[[str, int], str]
"""The stem of wrong answers (the whole of it in mode `fixed`), or a function that makes one in
a task's own form from the right answer (written form, empty for an abstention) and a number of
up to 63 bits. A function is a module's own, since its name enters the identity."""

_DRAW_BYTES: Final = 8


class Faulty(Answerer):
    """Wrong with probability p in every workspace, whatever the inner answerer knows.

    A wrong answer keeps the confidence of the right one. Turns that close nothing, and inner
    failures, pass unchanged. Views with one key have nested draws: what is wrong for p is wrong
    for every larger p. In a session p is in the key by way of the identity, so two probabilities
    draw apart there.

    Raises:
        BadAnswerer: p is no probability, there is no such mode, or a function has no name.
    """

    def __init__(
        self, inner: Answerer, p: float, seed: int, mode: Mode = "random", wrong: Wrong = "wrong"
    ) -> None:
        if not 0 <= p <= 1:
            raise BadAnswerer(f"p must be from 0 to 1, not {p}")
        if mode not in get_args(Mode):
            raise BadAnswerer(f"no mode of faults is called {str(mode)[:40]!r}")
        kind = f"p={float(p)!r},seed={seed},{mode},{_named(wrong)}"
        self.identity = f"faulty({kind})[{inner.identity}]"
        # Declared for a class, but who writes these turns is a matter of the inner answerer.
        self.author = inner.author  # pyright: ignore[reportAttributeAccessIssue]
        self.instructions = inner.instructions
        self.sees_fuel = inner.sees_fuel
        self.reads_through = inner.reads_through
        self.reads_symbols = inner.reads_symbols
        self.instant = inner.instant
        self.file = inner.file
        self.paid = inner.paid
        self.provider = inner.provider
        self._inner = inner
        self._mode: Mode = mode
        self._wrong = wrong
        self._below = _threshold(p)
        self._seeded = blake2b(f"{seed}\0".encode(), digest_size=2 * _DRAW_BYTES)

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """The inner turns, some of their closing answers replaced by wrong ones."""
        turns = await self._inner.act(views)
        return [self._drawn(view, turn) for view, turn in zip(views, turns, strict=True)]

    def estimate(self, view: View) -> Estimate:
        """What the inner answerer can use."""
        return self._inner.estimate(view)

    async def attempt(self, view: View, call: str) -> Attempt:
        """The inner attempt, its closing answer perhaps replaced by a wrong one."""
        made = await self._inner.attempt(view, call)
        return Attempt(self._drawn(view, made.given), made.usage)

    async def close(self) -> None:
        """Give up the inner answerer's connections."""
        await self._inner.close()

    def _drawn(self, view: View, turn: Given) -> Given:
        state = self._seeded.copy()
        state.update(view.key)
        draw = state.digest()
        return turn if draw >= self._below else self._spoilt(view, turn, draw)

    def _spoilt(self, view: View, turn: Given, draw: bytes) -> Given:
        place = closing(turn)
        if place is None or not isinstance(turn, tuple):
            return turn
        action = turn[place]
        right = action.message if isinstance(action, Reply) else ""
        text = self._wrong_text(view, right if isinstance(right, str) else "", draw)
        spoilt = replace(action, message=text) if isinstance(action, Reply) else Reply(text)
        return (*turn[:place], spoilt, *turn[place + 1 :])

    def _wrong_text(self, view: View, right: str, draw: bytes) -> str:
        if self._mode == "fixed":
            number = 0
        elif self._mode == "colluding":
            question = blake2b(view.question.encode(), digest_size=_DRAW_BYTES)
            number = int.from_bytes(question.digest()) >> 1
        else:
            number = int.from_bytes(draw[_DRAW_BYTES:]) >> 1
        if not isinstance(self._wrong, str):
            return self._wrong(right, number)
        return self._wrong if self._mode == "fixed" else f"{self._wrong} {number:016x}"


def other_number(right: str, draw: int) -> str:
    """A wrong answer among whole numbers: another one than the right one."""
    try:
        return str(int(right) + 1 + draw)
    except ValueError:
        return str(draw)


def _threshold(p: float) -> bytes:
    """The bytes that a longer draw sorts before with probability p, to 64 bits."""
    if p >= 1:
        return b"\xff" * (2 * _DRAW_BYTES + 1)
    return int(p * 2 ** (8 * _DRAW_BYTES)).to_bytes(_DRAW_BYTES)


def _named(wrong: Wrong) -> str:
    if isinstance(wrong, str):
        return repr(wrong)
    name = f"{wrong.__module__}.{getattr(wrong, '__qualname__', '<unnamed>')}"
    if "<" in name:
        raise BadAnswerer(f"{name} has no name of its own, which the identity needs")
    return name
