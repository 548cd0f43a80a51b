"""Arithmetic: sums and products of non-negative integers; one-digit tables are primitive.

A question is "A + B + c" with a carry c of 0 (not written) or 1, so that one sum of L digits
needs one primitive sum of last digits, whose carry it hands on, and ONE sum of L - 1 leading
digits: level L is learnt from level L - 1, and the tree is a chain. Numbers of more than `PEELED`
digits are cut in half instead, so that every tree stays under the depth that a session allows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import Final, Literal

from msgspec import Struct

from decomposition.actions import Abstain
from decomposition.answerers.expert import Decomposition
from decomposition.errors import BadTask
from decomposition.tasks.base import (
    FACTS_NAME,
    NO_FACTS,
    Facts,
    chance,
    distinct,
    fuel_in_turn,
    only,
    spelled,
)
from decomposition.tasks.table import (
    BLANK,
    DONT_KNOW,
    Array,
    Namespace,
    TableForm,
    TableStep,
    TableTask,
    TokenRows,
)

MAX_DIGITS: Final = 100
"""Digits of an addend, or of both factors together."""
PEELED: Final = 16
"""Digits up to which a number loses its last digit; a longer one is cut in half."""
ALPHABET: Final = "0123456789+*"

_QUESTIONS_KEPT: Final = 4096
_LONGEST: Final = 1000
"""Characters over which a text is no question of this task."""
_TIMES = "[*x\N{MULTIPLICATION SIGN}]"
_QUESTION = re.compile(
    rf"(?:what is )?([0-9]+) ?(?:(\+)|{_TIMES}) ?([0-9]+)(?: ?\+ ?([01]))? ?=? ?\??",
    re.IGNORECASE,
)


class Calculation(Struct, frozen=True, gc=False):
    """How much is `left` + `right` + `carry`, or `left` * `right`?"""

    left: int
    right: int
    carry: Literal[0, 1] = 0
    """0 in a product."""
    sign: Literal["+", "*"] = "+"


class Arithmetic(TableTask[Calculation]):
    """Sums and products. Nothing stands behind a pointer: numbers are written out."""

    name = "arithmetic"
    summary = "sums (487 + 1956) and products (12 * 34), digit by digit"
    sizes = (2, MAX_DIGITS)
    table_sizes = (2, PEELED)

    # -- making ------------------------------------------------------------------------------

    def questions(self, facts: Facts, count: int, seed: int) -> Iterator[Calculation]:
        """Sums of two numbers of equally many digits, with and without a carry.

        Numbers of digits from 2 to the size are equally likely.
        """
        random = chance(self.name, facts.size, facts.seed, seed)
        existing = sum(2 * (9 * 10 ** (digits - 1)) ** 2 for digits in range(2, facts.size + 1))
        return distinct(lambda: _sum(random.randint(2, facts.size), random), count, existing)

    # -- text --------------------------------------------------------------------------------

    def render(self, question: Calculation, facts_name: str = FACTS_NAME) -> str:
        """Such as "487 + 1956", "48 + 195 + 1" or "12 * 34"."""
        del facts_name
        carry = " + 1" if question.carry else ""
        return f"{question.left} {question.sign} {question.right}{carry}"

    def recognise(self, written: str) -> Calculation | None:
        """The calculation, if its numbers are not too long."""
        found = _calculation(written) if len(written) <= _LONGEST else None
        return None if found is None or _digits_asked(found) > MAX_DIGITS else found

    def parse_root(self, text: str) -> tuple[Calculation, Facts] | None:
        """Such as "What is 487 + 1956?", "487+1956" or "12 x 34".

        Raises:
            BadTask: The numbers are too long.
        """
        found = _calculation(text) if len(text) <= _LONGEST else None
        if found is None:
            return None
        if _digits_asked(found) > MAX_DIGITS:
            what = "an addend has" if found.sign == "+" else "factors have together"
            raise BadTask(f"{what} at most {MAX_DIGITS} digits, not {_digits_asked(found)}")
        return found, NO_FACTS

    def normalise(self, answer: str) -> str:
        """A number without spaces and leading zeros; other text without white space."""
        text = "".join(answer.split())
        return text.lstrip("0") or "0" if _is_number(text) else text

    # -- deliberation ------------------------------------------------------------------------

    def is_primitive(self, question: Calculation) -> bool:
        """Whether both numbers have one digit."""
        return question.left <= 9 and question.right <= 9

    def environment(self, question: Calculation, contents: Mapping[str, str], facts: Facts) -> str:
        """The entry of the table."""
        del contents, facts
        return str(_result(question))

    def decompose(self, question: Calculation, written: str) -> Decomposition:
        """Last digits first; then the rest, with what the last digits came to."""
        del written
        if self.is_primitive(question):
            raise BadTask("a one-digit table is for the environment")
        return self._added(question) if question.sign == "+" else self._multiplied(question)

    def _added(self, question: Calculation) -> Decomposition:
        unit = 10 ** _cut(_digits(question))
        (left, last), (right, final) = divmod(question.left, unit), divmod(question.right, unit)
        below = _number(only((yield self.render(Calculation(last, final, question.carry)))))
        if below is None or below >= 2 * unit:
            return Abstain("the sum of the last digits cannot be what was answered")
        carry = 1 if below >= unit else 0
        above = _number(only((yield self.render(Calculation(left, right, carry)))))
        if above is None:
            return Abstain("the sum of the leading digits is no number")
        return str(above * unit + below % unit)

    def _multiplied(self, question: Calculation) -> Decomposition:
        left, right = question.left, question.right
        if len(str(right)) == 1:
            left, right = right, left
        unit = 10 ** _cut(len(str(right)))
        leading, last = divmod(right, unit)
        below = _number(only((yield self.render(Calculation(left, last, sign="*")))))
        above = _number(only((yield self.render(Calculation(left, leading, sign="*")))))
        if below is None or above is None:
            return Abstain("a part of the product is no number")
        both = Calculation(above * unit, below)
        if _digits_asked(both) > MAX_DIGITS:
            return Abstain("a part of the product is too long")
        return only((yield self.render(both)))

    def fuel(self, question: Calculation, samples: int = 1) -> int:
        """What numbers of these lengths need, one question after another."""
        if question.sign == "+":
            return _fuel_of_sum(_digits(question), samples)
        return _fuel_of_product(len(str(question.left)), len(str(question.right)), samples)

    # -- symbols -----------------------------------------------------------------------------

    def tokens(self, question: Calculation, contents: Mapping[str, str]) -> tuple[int, ...] | None:
        """The written form without spaces, as places in `ALPHABET`."""
        del contents
        return spelled(self.render(question).replace(" ", ""), ALPHABET)

    # -- evaluation only ---------------------------------------------------------------------

    def truth(self, question: Calculation, facts: Facts) -> str:
        """The sum or the product."""
        del facts
        return str(_result(question))

    def broken_invariants(
        self, question: Calculation, facts: Facts, answer: str
    ) -> tuple[str, ...]:
        """An answer is a number, leaves the right rest by nine, and is about as long as it must."""
        del facts
        text = self.normalise(answer)
        if not _is_number(text):
            return ("it is a number",)
        broken: list[str] = []
        if sum(map(int, text)) % 9 != _result(_by_nine(question)) % 9:
            broken.append("it leaves the same rest by nine as the digits")
        least, most = _lengths(question)
        if not least <= len(text) <= most:
            broken.append("it has as many digits as the numbers allow")
        return tuple(broken)

    def difficulty(self, question: Calculation, size: int) -> int:
        """The digits of the longer addend; of a product, more than of any sum in its tree."""
        del size
        return _level(question)

    def depth_class(self, question: Calculation, facts: Facts) -> str:
        """The level, marked for products."""
        del facts
        return f"{'*' if question.sign == '*' else ''}{_level(question)}"

    def trivial(self, question: Calculation, facts: Facts) -> str:
        """The larger number: right where the other is 0 and nothing is carried."""
        del facts
        return str(max(question.left, question.right))

    # -- tables: sums of numbers of up to `PEELED` digits --------------------------------------

    def table_form(self, size: int) -> TableForm:
        """A row is left, right, carry; a place is a power of ten."""
        return TableForm(
            fields=3,
            levels=(1, self.checked_size(size)),
            subquestions=2,
            symbols=tuple("0123456789"),
            tokens=1 + 2 * size,
            roles=("carry", "left", "right", "answer"),
            places=size + 1,
            shifts=True,
        )

    def table_row(
        self, question: Calculation, contents: Mapping[str, str]
    ) -> tuple[int, ...] | None:
        """Both addends and the carry; products have no table."""
        del contents
        if question.sign != "+" or _digits(question) > PEELED:
            return None
        return question.left, question.right, question.carry

    def table_question(self, row: Sequence[int]) -> Calculation:
        """The sum of a row."""
        left, right, carry = row
        return Calculation(left, right, 1 if carry else 0)

    def table_answer(self, answer: str) -> int:
        """The number, if it is one and fits."""
        number = _number(answer)
        return DONT_KNOW if number is None or number >= 10 ** (PEELED + 1) else number

    def table_written(self, answer: int) -> str:
        """The number in digits."""
        return str(answer)

    def table_draw(self, xp: Namespace, draws: Array, levels: Array, size: int) -> Array:
        """Two numbers of as many digits as the level, with or without a carry.

        In one of two questions one of them is shorter: of any number of digits from none, which
        is 0, so that what is left of a shorter number is asked about, too.
        """
        del size
        carry, which, short = draws[:, 2] % 2, draws[:, 2] // 2 % 4, draws[:, 2] // 8
        fewer = short % (levels + 1)
        left = _drawn_number(xp, draws[:, 0], xp.where(which == 0, fewer, levels))
        right = _drawn_number(xp, draws[:, 1], xp.where(which == 1, fewer, levels))
        return xp.stack((left, right, carry), 1)

    def table_levels(self, xp: Namespace, questions: Array) -> Array:
        """The digits of the longer addend."""
        longer = xp.maximum(questions[:, 0], questions[:, 1])
        powers = 10 ** xp.arange(1, PEELED + 1)
        return 1 + (longer[:, None] >= powers).sum(1)

    def table_primitive(self, xp: Namespace, questions: Array) -> Array:
        """Whether both numbers have one digit."""
        del xp
        return (questions[:, 0] <= 9) & (questions[:, 1] <= 9)

    def table_environment(
        self, xp: Namespace, questions: Array, facts: Array, contexts: Array
    ) -> Array:
        """The entries of the table."""
        del xp, facts, contexts
        return questions.sum(1)

    def table_step(self, xp: Namespace, questions: Array, answers: Array) -> TableStep:
        """Last digits; then the leading digits with what they hand on; then both together."""
        left, right, carry = questions[:, 0], questions[:, 1], questions[:, 2]
        told = answers.shape[1]
        if told == 0:
            asked = xp.stack((left % 10, right % 10, carry), 1)
            every = left >= 0
            return TableStep(every, asked, every, ~every, carry)
        below = answers[:, 0]
        if told == 1:
            possible = (below >= 0) & (below < 20)
            asked = xp.stack((left // 10, right // 10, xp.where(below >= 10, 1, 0)), 1)
            return TableStep(possible, asked, self.table_primitive(xp, asked), ~(left >= 0), carry)
        above = answers[:, 1]
        reply = above * 10 + below % 10
        none = ~(left >= 0)
        return TableStep(none, questions, none, above >= 0, reply)

    def table_tokens(self, xp: Namespace, questions: Array, level: int) -> TokenRows:
        """The carry, then the digits of each addend, the last digit first."""
        places = tuple(range(level))
        carry, left, right, answer = range(4)
        columns = (
            questions[:, 2:],
            _table_digits(xp, questions[:, 0], level),
            _table_digits(xp, questions[:, 1], level),
        )
        return TokenRows(
            symbols=xp.concatenate(columns, 1),
            roles=(carry, *(left,) * level, *(right,) * level),
            places=(0, *places, *places),
            slot_roles=(answer,) * (level + 1),
            slot_places=(*places, level),
            filled=xp.arange(level + 1) < self.table_spans(xp, questions)[:, None],
        )

    def table_spans(self, xp: Namespace, questions: Array) -> Array:
        """A place for each digit of a sum."""
        return self.table_levels(xp, questions) + 1

    def table_spelled(self, xp: Namespace, answers: Array, level: int) -> Array:
        """The digits, the last first, with leading zeros."""
        return answers[:, None] // 10 ** xp.arange(level + 1) % 10

    def table_read(self, xp: Namespace, symbols: Array) -> Array:
        """The number of the digits; leading zeros count for nothing."""
        digits = xp.where(symbols == BLANK, 0, symbols)
        return (digits * 10 ** xp.arange(symbols.shape[1])).sum(1)

    def table_truth(self, xp: Namespace, questions: Array, facts: Array, contexts: Array) -> Array:
        """The sums."""
        del xp, facts, contexts
        return questions.sum(1)


def _drawn_number(xp: Namespace, draws: Array, digits: Array) -> Array:
    """(B,) int64: numbers of so many digits, the first of which is 0 in one-digit numbers alone."""
    least = xp.where(digits > 1, 10 ** (digits - 1).clip(0), 0)
    return least + draws % (10**digits - least)


def _table_digits(xp: Namespace, numbers: Array, digits: int) -> Array:
    """(B, digits) int64: the last digit first, `BLANK` before the first."""
    powers = 10 ** xp.arange(digits)
    standing = (numbers[:, None] >= powers) | (powers == 1)
    return xp.where(standing, numbers[:, None] // powers % 10, BLANK)


def _sum(digits: int, random: Random) -> Calculation:
    least, end = 10 ** (digits - 1), 10**digits
    carry = 1 if random.randrange(2) else 0
    return Calculation(random.randrange(least, end), random.randrange(least, end), carry)


@lru_cache(maxsize=_QUESTIONS_KEPT)
def _calculation(text: str) -> Calculation | None:
    found = _QUESTION.fullmatch(" ".join(text.split()))
    if found is None or (found[4] and not found[2]):
        return None
    carry = 1 if found[4] == "1" else 0
    return Calculation(int(found[1]), int(found[3]), carry, "+" if found[2] else "*")


def _number(answer: str) -> int | None:
    """The number that was answered, if it is one and not far too long."""
    text = "".join(answer.split())
    return int(text) if _is_number(text) and len(text) <= 2 * MAX_DIGITS else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _result(question: Calculation) -> int:
    if question.sign == "*":
        return question.left * question.right
    return question.left + question.right + question.carry


def _by_nine(question: Calculation) -> Calculation:
    return Calculation(question.left % 9, question.right % 9, question.carry, question.sign)


def _lengths(question: Calculation) -> tuple[int, int]:
    """The fewest and the most digits that a right answer may have."""
    if question.sign == "+":
        return _digits(question), _digits(question) + 1
    if not question.left or not question.right:
        return 1, 1
    both = len(str(question.left)) + len(str(question.right))
    return both - 1, both


def _digits(question: Calculation) -> int:
    return len(str(max(question.left, question.right)))


def _digits_asked(question: Calculation) -> int:
    if question.sign == "+":
        return _digits(question)
    return len(str(question.left)) + len(str(question.right))


def _level(question: Calculation) -> int:
    """Lower for every subquestion: a product's sum has at most the digits of both factors."""
    return _digits_asked(question) + (question.sign == "*")


def _cut(digits: int) -> int:
    """How many of the last digits of a number are worked apart from the rest."""
    return 1 if digits <= PEELED else digits // 2


@lru_cache(maxsize=1024)
def _fuel_of_sum(digits: int, samples: int) -> int:
    if digits == 1:
        return 1
    last = _cut(digits)
    parts = (_fuel_of_sum(last, samples), _fuel_of_sum(digits - last, samples))
    return fuel_in_turn(parts, samples)


@lru_cache(maxsize=4096)
def _fuel_of_product(left: int, right: int, samples: int) -> int:
    if left == right == 1:
        return 1
    if right == 1:
        left, right = right, left
    last = _cut(right)
    parts = [_fuel_of_product(left, each, samples) for each in (last, right - last)]
    return fuel_in_turn((*parts, _fuel_of_sum(left + right, samples)), samples)
