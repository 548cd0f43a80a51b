"""Solutions of the Game of 24 by splitting numbers in two: the truth, for evaluation only.

The search is another one than the overseer's, so that each can be held against the other.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from decomposition.tasks.game24_states import STATES_KEPT, TARGET, Numbers, ascending, made_of


def solvable(numbers: Iterable[int | Fraction]) -> bool:
    """Whether 24 can be made from the numbers."""
    return solution(ascending(numbers).numbers) is not None


@lru_cache(maxsize=STATES_KEPT)
def solution(numbers: Numbers) -> str | None:
    """An expression that makes 24, None if there is none. Splits the numbers in two parts."""
    if len(numbers) == 1:
        return str(TARGET) if numbers[0] == TARGET else None
    for left, right in _splits(numbers):
        ways = _values(right)
        for value, way in _values(left).items():
            for needed, form in _needed(value):
                if needed in ways:
                    return form.format(way, ways[needed])
    return None


@lru_cache(maxsize=STATES_KEPT)
def _values(numbers: Numbers) -> Mapping[Fraction, str]:
    """Everything that can be made from the numbers, each with one way to make it."""
    if len(numbers) == 1:
        return {numbers[0]: str(numbers[0])}
    made: dict[Fraction, str] = {}
    for left, right in _splits(numbers):
        for low, way in _values(left).items():
            for high, other in _values(right).items():
                for value, form in made_of(low, high):
                    made.setdefault(value, f"({form.format(way, other)})")
    return made


def _splits(numbers: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """Every way to part the numbers in two, the first number on the left."""
    places = range(1, len(numbers))
    for size in range(len(numbers) - 1):
        for chosen in combinations(places, size):
            left = tuple(numbers[place] for place in (0, *chosen))
            yield left, tuple(numbers[place] for place in places if place not in chosen)


def _needed(value: Fraction) -> Iterator[tuple[Fraction, str]]:
    """What a value must be joined with to make 24, and how."""
    yield TARGET - value, "{0} + {1}"
    yield value - TARGET, "{0} - {1}"
    yield TARGET + value, "{1} - {0}"
    if value:
        yield TARGET / value, "{0} * {1}"
        yield value / TARGET, "{0} / {1}"
        yield TARGET * value, "{1} / {0}"
