"""Rows: states of the Game of 24 as arrays, and what the overseer makes of them.

A row holds the numbers of a state in ascending order, each as numerator and denominator without a
common factor; behind them stand blanks, 0/0. Everything mirrors `candidates` exactly.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from typing import Final

from msgspec import Struct

from decomposition.tasks.game24_states import Numbers
from decomposition.tasks.table import Array, Namespace

MOST_MADE: Final = 6
"""Numbers that two numbers can be combined to."""
_LARGEST: Final = {1: 1 << 60, 2: 1 << 29, 3: 1 << 14, 4: 1 << 6}
"""The greatest numerator and denominator of so many numbers: what all of them come to fits."""


class Parts(Struct, frozen=True, gc=False):
    """Numerators and denominators of rows."""

    over: Array
    """(B, N) int64."""
    under: Array
    """(B, N) int64, 0 where nothing stands."""


def row_of(numbers: Numbers, room: int) -> tuple[int, ...] | None:
    """The row of a state with room for so many numbers; None if it has more, or too large ones."""
    if len(numbers) > room:
        return None
    largest = _LARGEST[len(numbers)]
    if any(max(abs(each.numerator), each.denominator) > largest for each in numbers):
        return None
    told = [part for each in numbers for part in (each.numerator, each.denominator)]
    return (*told, *(0,) * (2 * room - len(told)))


def numbers_of(row: Sequence[int]) -> Numbers:
    """The numbers of a row."""
    pairs = zip(row[::2], row[1::2], strict=True)
    return tuple(Fraction(over, under) for over, under in pairs if under)


def parts(questions: Array) -> Parts:
    """The rows (B, 2 N) by numerators and denominators."""
    return Parts(questions[:, ::2], questions[:, 1::2])


def counted(questions: Array) -> Array:
    """(B,) int64: how many numbers stand in each row."""
    return (questions[:, 1::2] > 0).sum(1)


def candidate_counts(xp: Namespace, questions: Array) -> Array:
    """(B,) int64: how many ways there are to combine two numbers."""
    return _ends(xp, parts(questions))[:, -1]


def candidate(xp: Namespace, questions: Array, which: Array) -> Array:
    """The smaller states (B, 2 N) that these ways (B,), counted from 0, lead to."""
    if not len(which):
        return questions
    used = max(2, int(counted(questions).max()))
    told = parts(questions[:, : 2 * used])
    ends = _ends(xp, told)  # (B, P)
    pairs = list(combinations(range(used), 2))
    chosen = (which[:, None] >= ends).sum(1).clip(0, len(pairs) - 1)  # (B,)
    rows = xp.arange(len(which))
    before = xp.where(chosen > 0, ends[rows, (chosen - 1).clip(0)], 0)
    low, high = (xp.asarray([pair[end] for pair in pairs])[chosen] for end in (0, 1))
    made = _made(xp, told, low, high, which - before)
    rest = questions[:, 2 * used :] * 0
    return xp.concatenate((_without(xp, told, low, high, made), rest), 1)


def _ends(xp: Namespace, told: Parts) -> Array:
    """(B, P) int64: how many candidates there are up to each pair of places."""
    counts: list[Array] = []
    for low, high in combinations(range(told.over.shape[1]), 2):
        quotients = (told.over[:, high] != 0) * 1 + (told.over[:, low] != 0) * 1
        counts.append(xp.where(told.under[:, high] > 0, MOST_MADE - 2 + quotients, 0))
    return xp.stack(counts, 1).cumsum(1)


def _made(xp: Namespace, told: Parts, low: Array, high: Array, way: Array) -> tuple[Array, Array]:
    """What two numbers come to in one of the ways from 0: + * - - / /; the lesser one first."""
    rows = xp.arange(len(way))
    over_low, under_low = told.over[rows, low], told.under[rows, low]
    over_high, under_high = told.over[rows, high], told.under[rows, high]
    left, right = over_low * under_high, over_high * under_low
    both = under_low * under_high
    inverse = (way == 5) | (over_high == 0)  # the greater over the lesser
    over = xp.where(way == 0, left + right, over_low * over_high)
    over = xp.where(way == 2, left - right, xp.where(way == 3, right - left, over))
    divided = way >= MOST_MADE - 2
    over = xp.where(divided, xp.where(inverse, right, left), over)
    under = xp.where(divided, xp.where(inverse, left, right), both)
    return reduced(xp, over, under)


def reduced(xp: Namespace, over: Array, under: Array) -> tuple[Array, Array]:
    """Fractions without a common factor, the denominator above 0 where it is not 0."""
    over = xp.where(under < 0, -over, over)
    common = xp.gcd(xp.abs(over), xp.abs(under)).clip(1)
    return over // common, xp.abs(under) // common


def _without(
    xp: Namespace, told: Parts, low: Array, high: Array, made: tuple[Array, Array]
) -> Array:
    """The rows with two numbers replaced by one."""
    over: list[Array] = []
    under: list[Array] = []
    for place in range(told.over.shape[1]):
        gone = high == place
        over.append(xp.where(low == place, made[0], xp.where(gone, 0, told.over[:, place])))
        under.append(xp.where(low == place, made[1], xp.where(gone, 0, told.under[:, place])))
    return in_order(xp, over, under)


def in_order(xp: Namespace, over: list[Array], under: list[Array]) -> Array:
    """Rows of numbers by their columns, in ascending order, blanks last."""
    for end in range(len(over) - 1, 0, -1):
        for place in range(end):
            after = place + 1
            swap = over[place] * under[after] > over[after] * under[place]
            swap = (swap & (under[place] > 0)) | ((under[place] == 0) & (under[after] > 0))
            for column in (over, under):
                first, second = column[place], column[after]
                column[place] = xp.where(swap, second, first)
                column[after] = xp.where(swap, first, second)
    return xp.stack([part for pair in zip(over, under, strict=True) for part in pair], 1)
