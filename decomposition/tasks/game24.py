"""Game of 24: reach 24 from up to four numbers with + - * /, each number used once.

The overseer combines two numbers and asks the smaller state, one candidate after another in a
fixed order, to the first that can be solved. Over the 1,362 solvable hands of 1 to 13 that is 717
workspaces a hand, 233 with joins inside a hand and 32 with joins over all, leaves included.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, combinations_with_replacement
from math import comb
from typing import Final, cast

from msgspec import Struct

from decomposition.answerers.expert import Decomposition
from decomposition.errors import BadTask
from decomposition.tasks.base import (
    FACTS_NAME,
    Facts,
    Task,
    chance,
    fuel_in_turn,
    only,
    spelled,
)

TARGET: Final = Fraction(24)
IMPOSSIBLE: Final = "impossible"
MOST_NUMBERS: Final = 4
CARDS: Final = 13
"""Numbers of a drawn hand are 1 to this."""
ALPHABET: Final = "0123456789/- "

_STATES_KEPT: Final = 1 << 16
_LONGEST: Final = 400
"""Characters over which a text is no question and no expression of this task."""
_QUESTION = re.compile(r"make 24 (?:from|with|using):? (.*?)[.?]?", re.IGNORECASE)
_GIVEN = re.compile(r"-?[0-9]{1,9}(?:/[0-9]{1,9})?")
"""A number of a puzzle; what four of them come to has four times as many digits."""
_RATIONAL = re.compile(r"-?[0-9]{1,40}(?:/[0-9]{1,40})?")
_INTEGER = re.compile(r"-?[0-9]{1,40}")
_SPELLINGS = str.maketrans(
    {"\N{MULTIPLICATION SIGN}": "*", "\N{DIVISION SIGN}": "/", "\N{MINUS SIGN}": "-"}
)
_AROUND = re.compile(r"\A(?:answer ?: ?)*(.*?)(?: ?(?:= ?24|\.))*\Z", re.IGNORECASE)
_PIECE = re.compile(r"[0-9]+|[^\W\d_]+|\S")

Numbers = tuple[Fraction, ...]
"""What is left on the table, in ascending order."""


class State(Struct, frozen=True, gc=False):
    """Can 24 be made from these numbers, and how?"""

    numbers: Numbers


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


class Used(Struct, frozen=True, gc=False):
    """A number as it stands in an expression."""

    number: Fraction
    start: int
    end: int


class Expression(Struct, frozen=True, gc=False):
    """What an expression comes to, and the numbers in it."""

    value: Fraction
    used: tuple[Used, ...]


class Game24(Task[State]):
    """Questions "make 24 from 4 5 6 10"; the answer is an expression or "impossible"."""

    name = "game24"
    summary = "make 24 from four numbers, by combining two of them at a time"
    sizes = (1, MOST_NUMBERS)

    # -- making ------------------------------------------------------------------------------

    def questions(self, facts: Facts, count: int, seed: int) -> Iterator[State]:
        """Hands of as many cards as the size says, solvable or not."""
        every = list(hands(facts.size))
        drawn = chance(self.name, facts.size, facts.seed, seed).sample(
            every, min(count, len(every))
        )
        return (State(_ascending(hand)) for hand in drawn)

    # -- text --------------------------------------------------------------------------------

    def render(self, question: State, facts_name: str = FACTS_NAME) -> str:
        """Such as "make 24 from -2 8/3 6"."""
        del facts_name
        return _written(question.numbers)

    def recognise(self, written: str) -> State | None:
        """The state; numbers may stand in any order, with commas between them."""
        return _recognised(written) if len(written) <= _LONGEST else None

    def parse_root(self, text: str) -> tuple[State, Facts] | None:
        """Such as "Make 24 with 4, 5, 6, 10".

        Raises:
            BadTask: There are too many numbers, or something is no number.
        """
        found = _question(text)
        if found is None:
            return None
        return _checked(found), Facts(0, len(found))

    def of_fields(self, record: Mapping[str, object]) -> str | None:
        """The question of a puzzle's `numbers`, a list or a text.

        Raises:
            BadTask: They are not 1 to 4 numbers.
        """
        if "numbers" not in record:
            return None
        numbers = record["numbers"]
        if isinstance(numbers, str):
            return self.render(_checked(numbers.replace(",", " ").split()))
        if not isinstance(numbers, list | tuple):
            raise BadTask("`numbers` is a list of numbers")
        return self.render(_checked(list(map(str, cast("Sequence[object]", numbers)))))

    def normalise(self, answer: str) -> str:
        """The expression with one space between its pieces, or "impossible".

        "Answer:" before it and "= 24" behind it are left out.
        """
        text = " ".join(answer.translate(_SPELLINGS).split())
        bare = _bare(text)
        return bare.casefold() if bare.casefold() == IMPOSSIBLE else " ".join(_PIECE.findall(bare))

    # -- deliberation ------------------------------------------------------------------------

    def is_primitive(self, question: State) -> bool:
        """Whether one number is left."""
        return len(question.numbers) == 1

    def environment(self, question: State, contents: Mapping[str, str], facts: Facts) -> str:
        """The number, if it is 24."""
        del contents, facts
        return str(TARGET) if question.numbers == (TARGET,) else IMPOSSIBLE

    def decompose(self, question: State, written: str) -> Decomposition:
        """One smaller state after another; the first that is solved, with its number spelled out.

        A solution that does not use the combined number cannot be spelled out: it is passed over.
        """
        del written
        if self.is_primitive(question):
            raise BadTask("whether one number is 24 is for the environment")
        for candidate in candidates(question.numbers):
            solution = _spelled_out(only((yield candidate.question)), candidate)
            if solution is not None:
                return solution
        return IMPOSSIBLE

    def fuel(self, question: State, samples: int = 1) -> int:
        """What it takes to ask every candidate: 1, 19, 379 or 13,717 with one sample."""
        return _fuel(len(question.numbers), samples)

    # -- symbols -----------------------------------------------------------------------------

    def tokens(self, question: State, contents: Mapping[str, str]) -> tuple[int, ...] | None:
        """The numbers with spaces between them, as places in `ALPHABET`."""
        del contents
        return spelled(" ".join(map(str, question.numbers)), ALPHABET)

    # -- evaluation only ---------------------------------------------------------------------

    def truth(self, question: State, facts: Facts) -> str:
        """One expression of those that are right, or "impossible"."""
        del facts
        return _solution(question.numbers) or IMPOSSIBLE

    def correct(self, question: State, facts: Facts, answer: str) -> bool:
        """Whether the expression comes to 24 and uses every number once, in exact arithmetic."""
        del facts
        if self.normalise(answer) == IMPOSSIBLE:
            return _solution(question.numbers) is None
        return _makes_24(answer, question.numbers)

    def broken_invariants(self, question: State, facts: Facts, answer: str) -> tuple[str, ...]:
        """An answer that is not "impossible" proves itself."""
        del facts
        if self.normalise(answer) == IMPOSSIBLE or _makes_24(answer, question.numbers):
            return ()
        return ("it makes 24 and uses every number once",)

    def difficulty(self, question: State, size: int) -> int:
        """How many numbers are left."""
        del size
        return len(question.numbers)

    def depth_class(self, question: State, facts: Facts) -> str:
        """How many numbers are left, and whether they can be solved."""
        del facts
        solved = "solvable" if _solution(question.numbers) is not None else IMPOSSIBLE
        return f"{len(question.numbers)} {solved}"

    def trivial(self, question: State, facts: Facts) -> str:
        """Always "impossible": right for 458 of the 1,820 hands, for no solvable one."""
        del question, facts
        return IMPOSSIBLE


# -- hands and states --------------------------------------------------------------------------


def hands(cards: int = MOST_NUMBERS) -> Iterator[tuple[int, ...]]:
    """Every hand of so many cards, each in ascending order: 1,820 of four."""
    return combinations_with_replacement(range(1, CARDS + 1), cards)


def solvable(numbers: Iterable[int | Fraction]) -> bool:
    """Whether 24 can be made from the numbers."""
    return _solution(_ascending(numbers)) is not None


@lru_cache(maxsize=_STATES_KEPT)
def candidates(numbers: Numbers) -> tuple[Candidate, ...]:
    """The ways to combine two numbers, at most 36: pairs from the left, for each + * - and /.

    Differences and quotients are taken both ways, the lesser number first. Ways that lead to one
    state stand there each: that order gives the published averages.
    """
    found: list[Candidate] = []
    for first, second in combinations(range(len(numbers)), 2):
        rest = [each for place, each in enumerate(numbers) if place not in (first, second)]
        low, high = str(numbers[first]), str(numbers[second])
        for result, form in _made(numbers[first], numbers[second]):
            left = tuple(sorted((*rest, result)))
            found.append(Candidate(_written(left), left, result, form.format(low, high)))
    return tuple(found)


def _ascending(numbers: Iterable[int | Fraction]) -> Numbers:
    return tuple(sorted(map(Fraction, numbers)))


def _written(numbers: Numbers) -> str:
    return "make 24 from " + " ".join(map(str, numbers))


def _question(text: str) -> list[str] | None:
    """The words behind "make 24 from"; None where it does not say that."""
    if len(text) > _LONGEST:
        return None
    found = _QUESTION.fullmatch(" ".join(text.replace(",", " ").split()))
    return found[1].split() if found else None


@lru_cache(maxsize=_STATES_KEPT)
def _recognised(text: str) -> State | None:
    words = _question(text)
    return _state(words) if words is not None and len(words) <= MOST_NUMBERS else None


def _state(words: Sequence[str]) -> State | None:
    """The state of numbers in written form; None if one is no number, or there is none."""
    numbers = [_rational(word) for word in words]
    known = [number for number in numbers if number is not None]
    return State(tuple(sorted(known))) if known and len(known) == len(numbers) else None


@lru_cache(maxsize=_STATES_KEPT)
def _rational(word: str) -> Fraction | None:
    if not _RATIONAL.fullmatch(word):
        return None
    over, _, under = word.partition("/")
    return Fraction(int(over), int(under or 1)) if int(under or 1) else None


def _checked(words: Sequence[str]) -> State:
    state = _state(words) if all(map(_GIVEN.fullmatch, words)) else None
    if state is None or len(words) > MOST_NUMBERS:
        given = " ".join(words)[:60]
        raise BadTask(
            f"24 is made from 1 to {MOST_NUMBERS} numbers such as 8 or 8/3, not {given!r}"
        )
    return state


@lru_cache(maxsize=256)
def _fuel(numbers: int, samples: int) -> int:
    if numbers == 1:
        return 1
    return fuel_in_turn([_fuel(numbers - 1, samples)] * (6 * comb(numbers, 2)), samples)


# -- expressions -------------------------------------------------------------------------------


def _bare(text: str) -> str:
    """An answer without "Answer:" before it and "= 24" behind it."""
    found = _AROUND.match(text) if len(text) <= _LONGEST else None
    return found[1] if found else text


def evaluate(text: str, numbers: Numbers) -> Expression | None:
    """What an expression comes to, exactly; None if it is none or divides by zero.

    Args:
        text: With + - * / and parentheses. "8/3" without spaces is one number where that is
            one of the numbers, else a quotient.
        numbers: The numbers that it may use.
    """
    if len(text) > _LONGEST:
        return None
    reader = _Reader(text, frozenset(map(str, numbers)))
    try:
        value = reader.sum()
    except (ValueError, ZeroDivisionError):
        return None
    return Expression(value, tuple(reader.used)) if reader.at_end() else None


def _makes_24(answer: str, numbers: Numbers) -> bool:
    text = _bare(" ".join(answer.translate(_SPELLINGS).split()))
    found = evaluate(text, numbers)
    if found is None or found.value != TARGET:
        return False
    return tuple(sorted(used.number for used in found.used)) == numbers


def _spelled_out(answer: str, candidate: Candidate) -> str | None:
    """A smaller state's solution with its combined number written as what it was made from.

    None if the answer is no solution, or does without the combined number.
    """
    found = None if answer == IMPOSSIBLE else evaluate(answer, candidate.left)
    if found is None:
        return None
    for used in found.used:
        if used.number == candidate.result:
            before, after = answer[: used.start], answer[used.end :]
            alone = not before.strip() and not after.strip()
            return candidate.combined if alone else f"{before}({candidate.combined}){after}"
    return None


class _Reader:
    """Reads an expression from left to right; `used` fills with the numbers met."""

    def __init__(self, text: str, numbers: frozenset[str]) -> None:
        self.used: list[Used] = []
        self._text = text
        self._numbers = numbers
        self._at = 0

    def sum(self) -> Fraction:
        """The value of terms joined by + and -.

        Raises:
            ValueError: This is no expression.
            ZeroDivisionError: It divides by zero.
        """
        value = self._product()
        while (sign := self._next("+-")) is not None:
            term = self._product()
            value = value + term if sign == "+" else value - term
        return value

    def at_end(self) -> bool:
        """Whether nothing but white space is left."""
        return not self._text[self._at :].strip()

    def _product(self) -> Fraction:
        value = self._operand()
        while (sign := self._next("*/")) is not None:
            factor = self._operand()
            value = value * factor if sign == "*" else value / factor
        return value

    def _operand(self) -> Fraction:
        if self._next("(") is None:
            return self._number()
        value = self.sum()
        if self._next(")") is None:
            raise ValueError("a parenthesis is not closed")
        return value

    def _number(self) -> Fraction:
        found = _RATIONAL.match(self._text, self._at)
        if found is None or found.group() not in self._numbers:
            found = _INTEGER.match(self._text, self._at)
        if found is None:
            raise ValueError("this is no number")
        self._at = found.end()
        number = Fraction(found.group())
        self.used.append(Used(number, found.start(), found.end()))
        return number

    def _next(self, characters: str) -> str | None:
        """The next character, if it is one of these; white space before it is passed over."""
        text = self._text
        while self._at < len(text) and text[self._at].isspace():
            self._at += 1
        if self._at == len(text) or text[self._at] not in characters:
            return None
        self._at += 1
        return text[self._at - 1]


# -- truth -------------------------------------------------------------------------------------


@lru_cache(maxsize=_STATES_KEPT)
def _solution(numbers: Numbers) -> str | None:
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


@lru_cache(maxsize=_STATES_KEPT)
def _values(numbers: Numbers) -> Mapping[Fraction, str]:
    """Everything that can be made from the numbers, each with one way to make it."""
    if len(numbers) == 1:
        return {numbers[0]: str(numbers[0])}
    made: dict[Fraction, str] = {}
    for left, right in _splits(numbers):
        for low, way in _values(left).items():
            for high, other in _values(right).items():
                for value, form in _made(low, high):
                    made.setdefault(value, f"({form.format(way, other)})")
    return made


def _splits(numbers: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """Every way to part the numbers in two, the first number on the left."""
    places = range(1, len(numbers))
    for size in range(len(numbers) - 1):
        for chosen in combinations(places, size):
            left = tuple(numbers[place] for place in (0, *chosen))
            yield left, tuple(numbers[place] for place in places if place not in chosen)


def _made(low: Fraction, high: Fraction) -> Iterator[tuple[Fraction, str]]:
    """What two numbers can be combined to, and how; the order is that of the candidates."""
    yield low + high, "{0} + {1}"
    yield low * high, "{0} * {1}"
    yield low - high, "{0} - {1}"
    yield high - low, "{1} - {0}"
    if high:
        yield low / high, "{0} / {1}"
    if low:
        yield high / low, "{1} / {0}"


def _needed(value: Fraction) -> Iterator[tuple[Fraction, str]]:
    """What a value must be joined with to make 24, and how."""
    yield TARGET - value, "{0} + {1}"
    yield value - TARGET, "{0} - {1}"
    yield TARGET + value, "{1} - {0}"
    if value:
        yield TARGET / value, "{0} * {1}"
        yield value / TARGET, "{0} / {1}"
        yield TARGET * value, "{1} / {0}"
