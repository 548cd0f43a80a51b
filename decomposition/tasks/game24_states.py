"""States of the Game of 24: what is left on the table, and what it can be combined to."""

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, combinations_with_replacement
from typing import Final

from msgspec import Struct

from decomposition.errors import BadTask

TARGET: Final = Fraction(24)
MOST_NUMBERS: Final = 4
CARDS: Final = 13
"""Numbers of a drawn hand are 1 to this."""
STATES_KEPT: Final = 1 << 16
LONGEST: Final = 400
"""Characters over which a text is no question and no expression of this task."""

_QUESTION = re.compile(
    r"(?:(make 24)|can (?:24 be made|you make 24)) (?:from|with|using):? (.*?)[.?]?", re.IGNORECASE
)
_GIVEN = re.compile(r"-?[0-9]{1,9}(?:/[0-9]{1,9})?")
"""A number of a puzzle; what four of them come to has four times as many digits."""
_RATIONAL = re.compile(r"-?[0-9]{1,40}(?:/[0-9]{1,40})?")

Numbers = tuple[Fraction, ...]
"""What is left on the table, in ascending order."""


class State(Struct, frozen=True, gc=False):
    """How can 24 be made from these numbers, or: can it be made at all?"""

    numbers: Numbers
    judged: bool = False
    """Whether "yes" or "no" is wanted, not an expression."""


class Candidate(Struct, frozen=True, gc=False):
    """Two numbers combined into one."""

    question: str
    """The smaller state, in written form."""
    left: Numbers
    """The numbers of the smaller state."""
    result: Fraction
    """The combined number."""
    combined: str
    """How it was combined, such as "10 - 4"."""


def hands(cards: int = MOST_NUMBERS) -> Iterator[tuple[int, ...]]:
    """Every hand of so many cards, each in ascending order: 1,820 of four."""
    return combinations_with_replacement(range(1, CARDS + 1), cards)


@lru_cache(maxsize=STATES_KEPT)
def candidates(state: State) -> tuple[Candidate, ...]:
    """The ways to combine two numbers, at most 36: pairs from the left, for each + * - and /.

    Differences and quotients are taken both ways, the lesser number first. Ways that lead to one
    state stand there each: that order gives the published averages.
    """
    numbers = state.numbers
    found: list[Candidate] = []
    for first, second in combinations(range(len(numbers)), 2):
        rest = [each for place, each in enumerate(numbers) if place not in (first, second)]
        low, high = str(numbers[first]), str(numbers[second])
        for result, form in made_of(numbers[first], numbers[second]):
            left = tuple(sorted((*rest, result)))
            question = written(State(left, state.judged))
            found.append(Candidate(question, left, result, form.format(low, high)))
    return tuple(found)


def ascending(numbers: Iterable[int | Fraction], *, judged: bool = False) -> State:
    """The state of numbers in any order."""
    return State(tuple(sorted(map(Fraction, numbers))), judged)


def written(state: State) -> str:
    """Such as "make 24 from -2 8/3 6", or "can 24 be made from -2 8/3 6?"."""
    numbers = " ".join(map(str, state.numbers))
    return f"can 24 be made from {numbers}?" if state.judged else f"make 24 from {numbers}"


@lru_cache(maxsize=STATES_KEPT)
def recognised(text: str) -> State | None:
    """The state that a text asks about; None if it is no question of this task."""
    asked = _asked(text)
    if asked is None or len(asked[0]) > MOST_NUMBERS:
        return None
    return _state(*asked)


def checked(text: str) -> State | None:
    """The state that a person's text asks about; None where it does not ask for 24.

    Raises:
        BadTask: There are too many numbers, or something is no number.
    """
    asked = _asked(text)
    return None if asked is None else checked_words(*asked)


def checked_words(words: Sequence[str], judged: bool = False) -> State:  # noqa: FBT001, FBT002
    """The state of numbers that a person gave.

    Raises:
        BadTask: There are too many numbers, or something is no number.
    """
    state = _state(words, judged) if all(map(_GIVEN.fullmatch, words)) else None
    if state is None or len(words) > MOST_NUMBERS:
        given = " ".join(words)[:60]
        raise BadTask(
            f"24 is made from 1 to {MOST_NUMBERS} numbers such as 8 or 8/3, not {given!r}"
        )
    return state


def _asked(text: str) -> tuple[list[str], bool] | None:
    """The words behind "make 24 from", and whether it asks "can"; None where it says neither."""
    if len(text) > LONGEST:
        return None
    found = _QUESTION.fullmatch(" ".join(text.replace(",", " ").split()))
    return None if found is None else (found[2].split(), found[1] is None)


def _state(words: Sequence[str], judged: bool) -> State | None:  # noqa: FBT001
    """The state of numbers in written form; None if one is no number, or there is none."""
    numbers = [_rational(word) for word in words]
    known = [number for number in numbers if number is not None]
    whole = bool(known) and len(known) == len(numbers)
    return State(tuple(sorted(known)), judged) if whole else None


@lru_cache(maxsize=STATES_KEPT)
def _rational(word: str) -> Fraction | None:
    if not _RATIONAL.fullmatch(word):
        return None
    over, _, under = word.partition("/")
    return Fraction(int(over), int(under or 1)) if int(under or 1) else None


def made_of(low: Fraction, high: Fraction) -> Iterator[tuple[Fraction, str]]:
    """What two numbers can be combined to, and how; the order is that of the candidates."""
    yield low + high, "{0} + {1}"
    yield low * high, "{0} * {1}"
    yield low - high, "{0} - {1}"
    yield high - low, "{1} - {0}"
    if high:
        yield low / high, "{0} / {1}"
    if low:
        yield high / low, "{1} / {0}"
