"""Expressions of the Game of 24: read exactly, checked, and put together from smaller ones."""

import re
from fractions import Fraction
from typing import Final

from msgspec import Struct

from decomposition.tasks.game24_states import LONGEST, TARGET, Candidate, Numbers

IMPOSSIBLE: Final = "impossible"
YES: Final = "yes"
NO: Final = "no"

_RATIONAL = re.compile(r"-?[0-9]{1,40}(?:/[0-9]{1,40})?")
_INTEGER = re.compile(r"-?[0-9]{1,40}")
_SPELLINGS = str.maketrans(
    {"\N{MULTIPLICATION SIGN}": "*", "\N{DIVISION SIGN}": "/", "\N{MINUS SIGN}": "-"}
)
_AROUND = re.compile(r"\A(?:answer ?: ?)*(.*?)(?: ?(?:= ?24|\.))*\Z", re.IGNORECASE)
_PIECE = re.compile(r"[0-9]+|[^\W\d_]+|\S")


class Used(Struct, frozen=True, gc=False):
    """A number as it stands in an expression."""

    number: Fraction
    start: int
    end: int


class Expression(Struct, frozen=True, gc=False):
    """What an expression comes to, and the numbers in it."""

    value: Fraction
    used: tuple[Used, ...]


def normalised(answer: str) -> str:
    """The expression with one space between its pieces, or the word that was answered.

    "Answer:" before it and "= 24" behind it are left out.
    """
    text = _bare(" ".join(answer.translate(_SPELLINGS).split()))
    word = text.casefold()
    return word if word in {IMPOSSIBLE, YES, NO} else " ".join(_PIECE.findall(text))


def _bare(text: str) -> str:
    """An answer without "Answer:" before it and "= 24" behind it."""
    found = _AROUND.match(text) if len(text) <= LONGEST else None
    return found[1] if found else text


def evaluate(text: str, numbers: Numbers) -> Expression | None:
    """What an expression comes to, exactly; None if it is none or divides by zero.

    Args:
        text: With + - * / and parentheses. "8/3" without spaces is one number where that is
            one of the numbers, else a quotient.
        numbers: The numbers that it may use.
    """
    if len(text) > LONGEST:
        return None
    reader = _Reader(text, frozenset(map(str, numbers)))
    try:
        value = reader.sum()
    except (ValueError, ZeroDivisionError):
        return None
    return Expression(value, tuple(reader.used)) if reader.at_end() else None


def makes_24(answer: str, numbers: Numbers) -> bool:
    """Whether an answer comes to 24 and uses every number once."""
    text = _bare(" ".join(answer.translate(_SPELLINGS).split()))
    found = evaluate(text, numbers)
    if found is None or found.value != TARGET:
        return False
    return tuple(sorted(used.number for used in found.used)) == numbers


def spelled_out(answer: str, candidate: Candidate) -> str | None:
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
