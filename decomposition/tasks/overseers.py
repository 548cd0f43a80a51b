"""Overseers over arrays, beside a task's own: with known faults, gaps and biases, or a user's.

Each is a step like `table_step`, made around another one, so they can be nested. Nothing here
reads a clock or keeps a position in a batch: a step gives equal rows equal answers.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from types import MappingProxyType
from typing import Final, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import replace

from decomposition.answerers.faulty import Mode
from decomposition.answerers.foreign import told as what_it_says
from decomposition.errors import BadAnswerer
from decomposition.tasks.table import DONT_KNOW, AnyTableTask, Array, Namespace, TableStep

ArrayStep: TypeAlias = Callable[[Namespace, Array, Array], TableStep]
"""What an overseer does next: from namespace, questions (B, F) and answers so far (B, S)."""

Missing = Callable[[Namespace, int, Array], Array]
"""Whether subquestions are of a type: from namespace, how many came before, and rows; (B,) bool."""


class Bias(Struct, frozen=True):
    """A way of being wrong that is the same every time."""

    told: str
    """What the overseer does, in words that follow its name."""
    around: Callable[[AnyTableTask, ArrayStep], ArrayStep]


# -- faults ------------------------------------------------------------------------------------

_DRAW_BITS: Final = 52
_MIXERS: Final = (-7046029254386353131, -4658895280553007687)
_SEED_BITS: Final = (1 << 63) - 1


def faulty(
    task: AnyTableTask, size: int, inner: ArrayStep, p: float, seed: int, mode: Mode = "random"
) -> ArrayStep:
    """An overseer each of whose closing answers is wrong with probability p.

    The mirror of the engine's `Faulty`: draws are a hash of the seed, the question and the answers
    so far, so equal rows err alike and what is wrong for p is wrong for every larger p. A wrong
    answer is another one that the question's answer slots can spell.

    Raises:
        BadAnswerer: p is no probability, or there is no such mode.
    """
    if not 0 <= p <= 1:
        raise BadAnswerer(f"p must be from 0 to 1, not {p}")
    if mode not in get_args(Mode):
        raise BadAnswerer(f"no mode of faults is called {str(mode)[:40]!r}")
    below = int(p * 2**_DRAW_BITS)

    def step(xp: Namespace, rows: Array, told: Array) -> TableStep:
        given = inner(xp, rows, told)
        drawn = _mixed(xp, seed, xp.concatenate((rows, told), 1))
        wrong = ~given.asks & (drawn % 2**_DRAW_BITS < below)
        right = xp.where(given.replies, given.reply, DONT_KNOW)
        other = _another(_possible(task, xp, rows, size), right, _number(xp, rows, drawn, mode))
        return replace(
            given, replies=given.replies | wrong, reply=xp.where(wrong, other, given.reply)
        )

    return step


def _number(xp: Namespace, rows: Array, drawn: Array, mode: Mode) -> Array:
    """(B,) int64, from 0: which wrong answer is given."""
    if mode == "fixed":
        return xp.zeros_like(drawn)
    if mode == "colluding":
        return _mixed(xp, 0, rows) & _SEED_BITS
    return _mixed(xp, 0, drawn[:, None]) & _SEED_BITS


def _another(possible: Array, right: Array, number: Array) -> Array:
    """(B,) int64: any answer but the right one, which is `DONT_KNOW` where there is none."""
    return (right + 1 + number % (possible - 1 + (right < 0))) % possible


def _possible(task: AnyTableTask, xp: Namespace, rows: Array, size: int) -> Array:
    """(B,) int64: how many answers the slots of each question can spell."""
    form = task.table_form(size)
    read = task.table_tokens(xp, rows, form.levels[1])
    each = form.answers or len(form.symbols)
    if read.filled is None:
        return xp.zeros_like(rows[:, 0]) + each ** len(read.slot_roles)
    return each ** read.filled.sum(1)


def _mixed(xp: Namespace, seed: int, rows: Array) -> Array:
    """(B,) int64: a hash of the seed and each row."""
    mixed = xp.zeros_like(rows[:, 0]) + (seed & _SEED_BITS)
    for place in range(rows.shape[1]):
        mixed = (mixed ^ rows[:, place]) * _MIXERS[0]
        mixed = (mixed ^ (mixed >> 29)) * _MIXERS[1]
    return mixed ^ (mixed >> 32)


# -- gaps --------------------------------------------------------------------------------------


def _at(place: int) -> Missing:
    """Subquestions that come at this place, from 0."""

    def missing(xp: Namespace, asked_before: int, asked: Array) -> Array:
        return xp.zeros_like(asked[:, 0]) == (0 if asked_before == place else 1)

    return missing


def _with_carry(xp: Namespace, asked_before: int, asked: Array) -> Array:
    """Leading digits to which the last digits hand on a carry."""
    return _at(1)(xp, asked_before, asked) & (asked[:, 2] == 1)


TYPES: Final[Mapping[str, Mapping[str, Missing]]] = MappingProxyType(
    {
        "arithmetic": {"last": _at(0), "leading": _at(1), "carry": _with_carry},
        "permutation": {"first": _at(0), "second": _at(1), "odd": _at(2)},
    }
)
"""Types of subquestions by task: last digits, leading digits, leading digits with a carry; the
first half of a walk, the second, the single step of an odd one. Beside them every task has
`level-N`: all subquestions of that level."""


def without(task: AnyTableTask, inner: ArrayStep, kind: str) -> ArrayStep:
    """An overseer that lacks a type of subquestion: it abstains where it would ask one.

    Raises:
        BadAnswerer: The task has no such type.
    """
    missing = _missing(task, kind)

    def step(xp: Namespace, rows: Array, told: Array) -> TableStep:
        given = inner(xp, rows, told)
        return replace(given, asks=given.asks & ~missing(xp, told.shape[1], given.question))

    return step


def _missing(task: AnyTableTask, kind: str) -> Missing:
    level = kind.removeprefix("level-")
    if level != kind and level.isdecimal() and len(level) <= 3:
        return lambda xp, _, asked: task.table_levels(xp, asked) == int(level)
    known = TYPES.get(task.name, {})
    if kind not in known:
        raise BadAnswerer(
            f"{task.name} has no type of subquestion called {kind[:40]!r}; "
            f"there are {', '.join([*known, 'level-N'])}"
        )
    return known[kind]


# -- biases ------------------------------------------------------------------------------------


def _no_carry(task: AnyTableTask, inner: ArrayStep) -> ArrayStep:
    def step(xp: Namespace, rows: Array, told: Array) -> TableStep:
        given = inner(xp, rows, told)
        if told.shape[1] != 1:
            return given
        left, right = given.question[:, 0], given.question[:, 1]
        return _asking(task, xp, given, xp.stack((left, right, xp.zeros_like(left)), 1))

    return step


def _one_too_far(task: AnyTableTask, inner: ArrayStep) -> ArrayStep:
    def step(xp: Namespace, rows: Array, told: Array) -> TableStep:
        given = inner(xp, rows, told)
        if told.shape[1] != 2:
            return given
        reached, steps = given.question[:, 0], given.question[:, 1]
        return _asking(task, xp, given, xp.stack((reached, steps + 1), 1))

    return step


def _one_too_few(task: AnyTableTask, inner: ArrayStep) -> ArrayStep:
    del task

    def step(xp: Namespace, rows: Array, told: Array) -> TableStep:
        return inner(xp, xp.stack((rows[:, 0], rows[:, 1] // 2 * 2), 1), told)

    return step


def _asking(task: AnyTableTask, xp: Namespace, given: TableStep, asked: Array) -> TableStep:
    return replace(given, question=asked, primitive=task.table_primitive(xp, asked))


BIASES: Final[Mapping[str, Mapping[str, Bias]]] = MappingProxyType(
    {
        "arithmetic": {"no-carry": Bias("who never hands on a carry", _no_carry)},
        "permutation": {
            "one-too-far": Bias("who takes two single steps where one is left", _one_too_far),
            "one-too-few": Bias("who leaves out the single step of odd walks", _one_too_few),
        },
    }
)
"""What an overseer of a task may be biased to."""


def biased(task: AnyTableTask, inner: ArrayStep, name: str) -> ArrayStep:
    """An overseer that is wrong in the same way every time.

    Raises:
        BadAnswerer: The task has no such bias.
    """
    return bias_of(task, name).around(task, inner)


def bias_of(task: AnyTableTask, name: str) -> Bias:
    """The bias of this name.

    Raises:
        BadAnswerer: The task has no such bias.
    """
    known = BIASES.get(task.name, {})
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "it has none"
        raise BadAnswerer(f"{task.name} has no bias called {name[:40]!r}; {there}")
    return known[name]


# -- a user's own ------------------------------------------------------------------------------


def foreign(task: AnyTableTask, size: int, function: Callable[..., object], file: str) -> ArrayStep:
    """A step that somebody else wrote, held to the form of one.

    What it prints goes to stderr. Which subquestions are primitive is the task's word, not its.

    Args:
        task: Whose questions it decomposes.
        size: Of the context, or of the largest question.
        function: The step; it may do anything.
        file: Where it stands.

    Returns:
        A step that raises BadAnswerer where the function fails or gives what is no step.
    """

    def step(xp: Namespace, rows: Array, told: Array) -> TableStep:
        with redirect_stdout(sys.stderr):
            try:
                given = function(xp, rows, told)
                wrong = _wrong_form(task, size, xp, rows, told, given)
            # Whatever foreign code raises is what is wrong with it.
            except Exception as error:
                text = f"{type(error).__name__}: {what_it_says(error, file)}"
                raise BadAnswerer(f"the overseer failed, {text}", file) from error
        if wrong or not isinstance(given, TableStep):
            raise BadAnswerer(f"the overseer's step {wrong}", file)
        return _asking(task, xp, given, xp.where(given.asks[:, None], given.question, rows))

    return step


def _wrong_form(
    task: AnyTableTask, size: int, xp: Namespace, rows: Array, told: Array, given: object
) -> str:
    """What is wrong with a step, empty if nothing is."""
    if not isinstance(given, TableStep):
        return f"is a {type(given).__name__}, not a TableStep"
    flags, count = (given.asks, given.replies), (rows.shape[0],)
    shapes = [each.shape for each in (*flags, given.reply)]
    if any(tuple(shape) != count for shape in shapes) or given.question.shape != rows.shape:
        return f"needs asks, replies and reply for {count[0]} rows, and a question like each row"
    if any(each.dtype != xp.bool for each in flags):
        return "needs asks and replies that are true or false"
    if any(each.dtype != rows.dtype for each in (given.question, given.reply)):
        return "needs questions and replies that are whole numbers of 64 bits"
    return _wrong_choice(task, size, xp, told, given)


def _wrong_choice(
    task: AnyTableTask, size: int, xp: Namespace, told: Array, given: TableStep
) -> str:
    form = task.table_form(size)
    asked, replied = given.question[given.asks], given.reply[given.replies]
    if bool((given.asks & given.replies).any()):
        return "asks and replies in one row"
    if told.shape[1] >= form.subquestions and bool(given.asks.any()):
        return f"asks more than {form.subquestions} subquestions"
    if bool((replied < 0).any()):
        return "replies with a number below 0; who does not know neither asks nor replies"
    if bool((asked < 0).any()) or bool((task.table_levels(xp, asked) > form.levels[1]).any()):
        return f"asks what is no question of {task.name} up to level {form.levels[1]}"
    return ""
