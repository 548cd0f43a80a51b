"""What is held out: some hands, and with each every state of two numbers and more under it.

A state is held out with its whole closure, so nothing that it could be worked out from was asked
in training. Single numbers are few and all asked.
"""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from decomposition.tasks.game24_rows import counted, row_of
from decomposition.tasks.game24_states import MOST_NUMBERS, State, ascending, candidates, hands
from decomposition.tasks.table import Array, Namespace

ONE_IN: Final = 32
"""One hand of so many is held out."""
_MIXERS: Final = (-7046029254386353131, -4658895280553007687)


def hand_held_out(hand: tuple[int, ...]) -> bool:
    """Whether a hand is kept for evaluation, with all that it can be combined to."""
    digest = blake2b(" ".join(map(str, hand)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % ONE_IN == 0


@lru_cache(maxsize=1)
def closure_held_out() -> frozenset[State]:
    """The hands that are held out, and all states of two numbers and more under them."""
    wide = {ascending(hand) for hand in hands() if hand_held_out(hand)}
    every = set(wide)
    for _ in range(MOST_NUMBERS - 2):
        wide = {below for state in wide for below in _below(state)}
        every |= wide
    return frozenset(every)


def held_out(xp: Namespace, questions: Array) -> Array:
    """(B,) bool: whether each row is in the closure.

    Rows are told apart by their hashes; one that shares a hash with the closure is held out, too.
    """
    return xp.isin(_mixed(questions), _keys(xp)) & (counted(questions) > 1)


def _below(state: State) -> Iterator[State]:
    return (State(each.left) for each in candidates(state))


@lru_cache(maxsize=4)
def _keys(xp: Namespace) -> Array:
    rows = [row_of(state.numbers, MOST_NUMBERS) for state in closure_held_out()]
    return _mixed(xp.asarray(sorted(row for row in rows if row is not None)))


def _mixed(questions: Array) -> Array:
    """(B,) int64: a hash of each row."""
    mixed = questions[:, 0] * 0
    for column in questions.T:
        mixed = (mixed ^ column) * _MIXERS[0]
        mixed = (mixed ^ (mixed >> 29)) * _MIXERS[1]
    return mixed ^ (mixed >> 32)
