"""Draws: states of the Game of 24 for training and exams, made from random numbers alone.

Some are dealt: four cards, combined at random until as many numbers are left. Others are made as a
maker of puzzles makes them: 24 is taken apart, and in half of them one number is then changed.
Neither looks at what can be made from the result. Dealt states alone would teach little about
states of two numbers: 24 comes from 2.4 % of them.
"""

from typing import Final

from decomposition.tasks.game24_rows import candidate, candidate_counts, in_order, reduced
from decomposition.tasks.game24_states import CARDS, MOST_NUMBERS, TARGET
from decomposition.tasks.table import Array, Namespace

_OF_TEN_DEALT: Final = 3
_WIDEST: Final = 60
_DENOMINATORS: Final = 12
_CHANGES: Final = 4
_LARGEST: Final = 1 << 12
_LARGEST_OF_FOUR: Final = 1 << 6
"""The greatest numerator and denominator of a state that was taken apart."""

Numbers = tuple[Array, Array]
"""Numerators and denominators, each (B,) int64."""


class _Digits:
    """Small random numbers from large ones, one after another."""

    def __init__(self, draws: Array) -> None:
        self._draws = draws

    def next(self, below: int) -> Array:
        """(B,) int64: from 0, below a number."""
        found = self._draws % below
        self._draws = self._draws // below
        return found


def drawn(xp: Namespace, draws: Array, levels: Array) -> Array:
    """States (B, 8) of so many numbers (B,).

    Args:
        xp: The array namespace.
        draws: (B, 8) int64, random, from 0 to 2**62.
        levels: (B,) int64.
    """
    rows = dealt(xp, draws[:, :MOST_NUMBERS], levels)
    apart = taken_apart(xp, draws[:, MOST_NUMBERS:], levels)
    largest = xp.where(levels == MOST_NUMBERS, _LARGEST_OF_FOUR, _LARGEST)
    small = (xp.abs(apart) <= largest[:, None]).all(1) & (levels > 1)
    rest = draws[:, 0] // CARDS**MOST_NUMBERS % 10
    return xp.where((small & (rest >= _OF_TEN_DEALT))[:, None], apart, rows)


def dealt(xp: Namespace, draws: Array, levels: Array) -> Array:
    """States that come up under hands: cards, combined at random until so many numbers are left."""
    cards = 1 + draws[:, :1] // CARDS ** xp.arange(MOST_NUMBERS) % CARDS  # (B, 4)
    rows = in_order(xp, list(cards.T), [cards[:, 0] * 0 + 1] * MOST_NUMBERS)
    for gone in range(MOST_NUMBERS - 1):
        which = draws[:, 1 + gone] % candidate_counts(xp, rows).clip(1)
        smaller = candidate(xp, rows, which)
        rows = xp.where((levels < MOST_NUMBERS - gone)[:, None], smaller, rows)
    return rows


def taken_apart(xp: Namespace, draws: Array, levels: Array) -> Array:
    """States that 24 was taken apart to; in half of them one number is changed."""
    nothing = levels * 0
    over = [nothing + int(TARGET), *[nothing] * (MOST_NUMBERS - 1)]
    under = [nothing + 1, *[nothing] * (MOST_NUMBERS - 1)]
    for standing in range(1, MOST_NUMBERS):
        digits = _Digits(draws[:, standing - 1])
        place, way = digits.next(standing), digits.next(6)
        whole = _at(xp, (over, under), place)
        part = _part(xp, digits, levels)
        rest = _rest(xp, whole, part, way)
        split = levels > standing
        _put(xp, (over, under), place, part, split)
        over[standing] = xp.where(split, rest[0], 0)
        under[standing] = xp.where(split, rest[1], 0)
    digits = _Digits(draws[:, -1])
    changed, place = digits.next(2) == 1, digits.next(12) % levels
    number = _changed(xp, digits, _at(xp, (over, under), place), levels)
    _put(xp, (over, under), place, number, changed)
    return in_order(xp, over, under)


def _part(xp: Namespace, digits: _Digits, levels: Array) -> Numbers:
    """A card, what two cards come to, or a fraction; of two numbers mostly a fraction."""
    kind = digits.next(12)
    first, second = 1 + digits.next(CARDS), 1 + digits.next(CARDS)
    one = first * 0 + 1
    row = in_order(xp, [first, second], [one, one])
    two = candidate(xp, row, digits.next(6))
    over = digits.next(2 * _WIDEST + 1) - _WIDEST
    fraction = reduced(xp, over, 1 + digits.next(_DENOMINATORS))
    fractions = xp.where(levels == 2, 8, 1)
    over = xp.where(kind % 2 == 0, first, two[:, 0])
    under = xp.where(kind % 2 == 0, 1, two[:, 1])
    told = kind < fractions
    return xp.where(told, fraction[0], over), xp.where(told, fraction[1], under)


def _rest(xp: Namespace, whole: Numbers, part: Numbers, way: Array) -> Numbers:
    """What comes to the whole together with a part; the whole itself where nothing does."""
    over, under = whole[0] * part[1], part[0] * whole[1]
    both = whole[1] * part[1]
    ways = (
        (over - under, both),
        (over, under),
        (under - over, both),
        (under + over, both),
        (under, over),
        (whole[0] * part[0], both),
    )
    told = xp.stack([each[0] for each in ways], 1), xp.stack([each[1] for each in ways], 1)
    rows = xp.arange(len(way))
    found = reduced(xp, told[0][rows, way], told[1][rows, way])
    none = found[1] == 0
    return xp.where(none, whole[0], found[0]), xp.where(none, whole[1], found[1])


def _changed(xp: Namespace, digits: _Digits, number: Numbers, levels: Array) -> Numbers:
    """Another number: a little more or less, or any that a part could be."""
    other = _part(xp, digits, levels)
    steps = 1 + digits.next(_CHANGES)
    steps = xp.where(digits.next(2) == 0, steps, -steps)
    near = digits.next(2) == 0
    over = xp.where(near, number[0] + steps * number[1], other[0])
    return over, xp.where(near, number[1], other[1])


def _at(xp: Namespace, numbers: tuple[list[Array], list[Array]], place: Array) -> Numbers:
    rows = xp.arange(len(place))
    return xp.stack(numbers[0], 1)[rows, place], xp.stack(numbers[1], 1)[rows, place]


def _put(
    xp: Namespace,
    numbers: tuple[list[Array], list[Array]],
    place: Array,
    number: Numbers,
    where: Array,
) -> None:
    """Puts a number (B,) in its place in each row where it belongs."""
    for column in range(len(numbers[0])):
        here = where & (place == column)
        for part in range(2):
            numbers[part][column] = xp.where(here, number[part], numbers[part][column])
