"""Permutation: where an element goes when one permutation is taken many times.

The steps are halved, so that level L (2**L steps and more) needs level L - 1 and single steps,
which are primitive. An answer travels on as a pointer; only the last one is looked at.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import Final, Self

from msgspec import Struct

from decomposition.actions import Ask
from decomposition.answerers.expert import Decomposition, Plan
from decomposition.errors import BadTask
from decomposition.hypertext import folded
from decomposition.tasks.base import FACTS_NAME, Facts, chance, distinct
from decomposition.tasks.table import (
    DONT_KNOW,
    Array,
    Namespace,
    TableForm,
    TableStep,
    TableTask,
    TokenRows,
)

MAX_STEPS: Final = 63

_POINTER = r"\$(?:q|a[1-9][0-9]*|n)(?:\.[1-9][0-9]*)*"
_TITLE = r"(?: \(.*?\))?"
_NUMBER = r"0|[1-9][0-9]{0,8}"
_QUESTION = re.compile(
    rf"Under {_POINTER}{_TITLE}, where does ({_POINTER}|{_NUMBER}){_TITLE} go"
    rf" in ({_NUMBER}) steps?\??"
)
_ROOT = re.compile(
    rf"permutation of ({_NUMBER}) from seed ([0-9]{{1,20}}): "
    rf"where does ({_NUMBER}) go in ({_NUMBER}) steps?\??",
    re.IGNORECASE,
)
_LONGEST: Final = 1000
"""Characters over which a text is no question of this task."""
_FACT = re.compile(rf"({_NUMBER}) goes to ({_NUMBER})")
_QUESTIONS_KEPT: Final = 4096
_CONTEXTS_KEPT: Final = 1024


class Walk(Struct, frozen=True, gc=False):
    """Where does an element go in so many steps?"""

    element: str
    """A number, or the pointer name behind which one stands."""
    steps: int


class Permutation(TableTask[Walk]):
    """Questions sigma^k(x) about a permutation sigma of the numbers from 0.

    Source: Christiano et al. 2018, "permutation powering".
    """

    name = "permutation"
    summary = "where an element goes in k steps of a permutation, by halving k"
    sizes = (2, 256)
    table_sizes = (2, 256)
    has_facts = True

    def __init__(self, max_steps: int = MAX_STEPS) -> None:
        if max_steps < 2:
            raise BadTask(f"a permutation is asked about 2 steps or more, not {max_steps}")
        self.max_steps = max_steps

    # -- making ------------------------------------------------------------------------------

    def rows(self, size: int, seed: int) -> tuple[tuple[int, ...], ...]:
        """The pairs of an element and where it goes in one step."""
        images = list(range(size))
        chance(self.name, size, seed).shuffle(images)
        return tuple(enumerate(images))

    def questions(self, facts: Facts, count: int, seed: int) -> Iterator[Walk]:
        """Any element, and a number of steps that is nearly log-uniform.

        Levels are equally likely, and so are the numbers of steps of one level.
        """
        random = chance(self.name, facts.size, facts.seed, seed)
        existing = facts.size * (self.max_steps - 1)
        return distinct(lambda: self._drawn(facts, random), count, existing)

    def _drawn(self, facts: Facts, random: Random) -> Walk:
        level = random.randint(1, _level(self.max_steps))
        steps = random.randint((1 << level) // 2 + 1, min(1 << level, self.max_steps))
        return Walk(str(random.randrange(facts.size)), steps)

    # -- text --------------------------------------------------------------------------------

    def render_facts(self, facts: Facts) -> str:
        """A line for each element: where it goes."""
        return "\n".join(f"{element} goes to {image}" for element, image in facts.rows)

    def read_facts(self, text: str) -> Facts:
        """The permutation that the lines tell; a file may end its last line.

        Raises:
            BadTask: A line is not of this form, out of order, or they tell no permutation.
        """
        return _read_facts(text)

    def render(self, question: Walk, facts_name: str = FACTS_NAME) -> str:
        """Such as "Under $q.1, where does 5 go in 31 steps?"."""
        return f"Under {facts_name}, where does {_walk(question)}"

    def recognise(self, written: str) -> Walk | None:
        """The walk; a pointer name may stand for the facts, as it must, and for the element."""
        walk = _recognised(written) if len(written) <= _LONGEST else None
        return walk if walk is not None and walk.steps <= self.max_steps else None

    def normalise(self, answer: str) -> str:
        """A number without leading zeros; other text with its white space folded."""
        text = folded(answer)
        return text.lstrip("0") or "0" if _is_number(text) else text

    def write_root(self, question: Walk, facts: Facts) -> str:
        """The question of a context that was made from its seed."""
        return f"permutation of {facts.size} from seed {facts.seed}: where does {_walk(question)}"

    def parse_root(self, text: str) -> tuple[Walk, Facts] | None:
        """Such as "permutation of 16 from seed 7: where does 5 go in 31 steps?".

        Raises:
            BadTask: The size, the element or the number of steps is out of range.
        """
        found = _ROOT.fullmatch(folded(text)) if len(text) <= _LONGEST else None
        if found is None:
            return None
        size, seed, element, steps = map(int, found.groups())
        facts = self.make(size, seed)
        if element >= size:
            raise BadTask(f"a permutation of {size} has elements 0 to {size - 1}, not {element}")
        if not 1 <= steps <= self.max_steps:
            raise BadTask(f"steps are from 1 to {self.max_steps}, not {steps}")
        return Walk(str(element), steps), facts

    # -- deliberation ------------------------------------------------------------------------

    def is_primitive(self, question: Walk) -> bool:
        """Whether it is a single step."""
        return question.steps == 1

    def environment(self, question: Walk, contents: Mapping[str, str], facts: Facts) -> str:
        """Where the facts say that the element goes.

        Raises:
            BadTask: There is no such element.
        """
        return str(facts.rows[self._element(question, contents, facts)][1])

    def decompose(self, question: Walk, written: str) -> Decomposition:
        """Half of the steps, half again from there, and one more if their number is odd."""
        del written
        half, odd = divmod(question.steps, 2)
        if not half:
            raise BadTask("a single step is for the environment")
        walks = [Walk(question.element, half), Walk("$a1", half)]
        if odd:
            walks.append(Walk("$a2", 1))
        asked = tuple(self.render(walk) for walk in walks)
        (last,) = yield Plan(Ask(asked), show=(len(asked) - 1,))
        return last

    def fuel(self, question: Walk, samples: int = 1) -> int:
        """An ask, its reserve of two, and as much for each part as the hungriest needs."""
        return _fuel(question.steps, samples)

    # -- symbols -----------------------------------------------------------------------------

    def tokens(self, question: Walk, contents: Mapping[str, str]) -> tuple[int, ...] | None:
        """The element, then the bits of the number of steps, the highest first."""
        element = self.normalise(contents.get(question.element, question.element))
        if not _is_number(element):
            return None
        bits = f"{question.steps:0{self.max_steps.bit_length()}b}"
        return (int(element), *map(int, bits))

    # -- evaluation only ---------------------------------------------------------------------

    def truth(self, question: Walk, facts: Facts) -> str:
        """The walk, step by step."""
        element = self._element(question, {}, facts)
        for _ in range(question.steps):
            element = facts.rows[element][1]
        return str(element)

    def broken_invariants(self, question: Walk, facts: Facts, answer: str) -> tuple[str, ...]:
        """An answer is one of the elements."""
        del question
        element = self.normalise(answer)
        known = {str(each) for each, _ in facts.rows}
        return () if element in known else ("it is an element of the permutation",)

    def difficulty(self, question: Walk, size: int) -> int:
        """How often the steps are halved, rounding up, to be one: 4 for 9 to 16."""
        del size
        return _level(question.steps)

    def depth_class(self, question: Walk, facts: Facts) -> str:
        """The level: the height of the overseer's tree or, but for powers of two, one more."""
        del facts
        return str(_level(question.steps))

    def trivial(self, question: Walk, facts: Facts) -> str:
        """The lowest element: over all elements right for exactly one in N, whatever the steps.

        Naming the element itself is right for d(k) in N on average over permutations, d(k) being
        the number of divisors of k up to N.
        """
        del question, facts
        return "0"

    def _element(self, question: Walk, contents: Mapping[str, str], facts: Facts) -> int:
        text = self.normalise(contents.get(question.element, question.element))
        if not _is_number(text):
            raise BadTask("what stands where an element belongs is no number")
        if len(text) > len(str(facts.size)) or int(text) >= facts.size:
            raise BadTask(f"a permutation of {facts.size} has no element {text[:20]}")
        return int(text)

    # -- tables ------------------------------------------------------------------------------

    def reaching(self, reach: int) -> Self:
        """The task with walks of at most so many steps."""
        return type(self)(reach) if reach else self

    def table_form(self, size: int) -> TableForm:
        """A row is element, steps; a symbol is a number, as an element or as a bit."""
        return TableForm(
            fields=2,
            levels=(0, _level(self.max_steps)),
            subquestions=3,
            symbols=tuple(str(number) for number in range(self.checked_size(size))),
            tokens=1 + self.max_steps.bit_length(),
            roles=("element", "steps", "answer"),
            places=self.max_steps.bit_length(),
            fact_symbols=2,
            copied=1,
        )

    def table_row(self, question: Walk, contents: Mapping[str, str]) -> tuple[int, ...] | None:
        """The element and the number of steps."""
        element = self.normalise(contents.get(question.element, question.element))
        if not _is_number(element) or len(element) > 3 or question.steps > self.max_steps:
            return None
        return int(element), question.steps

    def table_question(self, row: Sequence[int]) -> Walk:
        """The walk of a row."""
        element, steps = row
        return Walk(str(element), steps)

    def table_answer(self, answer: str) -> int:
        """The element, if it is a number that could be one."""
        text = self.normalise(answer)
        return int(text) if _is_number(text) and len(text) <= 3 else DONT_KNOW

    def table_written(self, answer: int) -> str:
        """The element."""
        return str(answer)

    def table_draw(self, xp: Namespace, draws: Array, levels: Array, size: int) -> Array:
        """Any element, and any number of steps of the level."""
        most = 2**levels
        least = most // 2 + 1
        most = xp.where(most > self.max_steps, self.max_steps, most)
        steps = least + draws[:, 1] % (most - least + 1)
        return xp.stack((draws[:, 0] % size, steps), 1)

    def table_levels(self, xp: Namespace, questions: Array) -> Array:
        """How often the steps are halved, rounding up, to be one."""
        powers = 2 ** xp.arange(_level(self.max_steps))
        return (questions[:, 1:] > powers).sum(1)

    def table_primitive(self, xp: Namespace, questions: Array) -> Array:
        """Whether it is a single step."""
        del xp
        return questions[:, 1] == 1

    def table_environment(
        self, xp: Namespace, questions: Array, facts: Array, contexts: Array
    ) -> Array:
        """Where the facts say that the elements go."""
        elements = questions[:, 0]
        known = (elements >= 0) & (elements < facts.shape[1])
        images = facts[contexts, xp.where(known, elements, 0), 1]
        return xp.where(known, images, DONT_KNOW)

    def table_step(self, xp: Namespace, questions: Array, answers: Array) -> TableStep:
        """Half of the steps, half again from there, and one more if their number is odd."""
        half, odd = questions[:, 1] // 2, questions[:, 1] % 2
        told = answers.shape[1]
        reached = answers[:, told - 1] if told else questions[:, 0]
        known, more = reached >= 0, 2 + odd > told
        asked = xp.stack((reached, half if told < 2 else odd), 1)
        return TableStep(
            asks=known & more,
            question=asked,
            primitive=self.table_primitive(xp, asked),
            replies=known & ~more,
            reply=reached,
        )

    def table_tokens(self, xp: Namespace, questions: Array, level: int) -> TokenRows:
        """The element, then the bits of the number of steps, the lowest first."""
        del level
        places = tuple(range(self.max_steps.bit_length()))
        element, steps, answer = range(3)
        bits = questions[:, 1:] // 2 ** xp.arange(len(places)) % 2
        return TokenRows(
            symbols=xp.concatenate((questions[:, :1], bits), 1),
            roles=(element, *(steps,) * len(places)),
            places=(0, *places),
            slot_roles=(answer,),
            slot_places=(0,),
        )

    def table_spans(self, xp: Namespace, questions: Array) -> Array:
        """All places: bits stand where they stand."""
        return xp.zeros_like(questions[:, 0]) + self.max_steps.bit_length()

    def table_spelled(self, xp: Namespace, answers: Array, level: int) -> Array:
        """The element alone."""
        del xp, level
        return answers[:, None]

    def table_read(self, xp: Namespace, symbols: Array) -> Array:
        """The element alone."""
        del xp
        return symbols[:, 0]

    def table_truth(self, xp: Namespace, questions: Array, facts: Array, contexts: Array) -> Array:
        """The walks, step by step."""
        reached = questions[:, 0]
        for step in range(self.max_steps):
            image = facts[contexts, reached, 1]
            reached = xp.where(questions[:, 1] > step, image, reached)
        return reached


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _walk(question: Walk) -> str:
    steps = "1 step" if question.steps == 1 else f"{question.steps} steps"
    return f"{question.element} go in {steps}?"


@lru_cache(maxsize=_QUESTIONS_KEPT)
def _recognised(text: str) -> Walk | None:
    found = _QUESTION.fullmatch(folded(text))
    return Walk(found[1], int(found[2])) if found and found[2] != "0" else None


def _level(steps: int) -> int:
    return (steps - 1).bit_length()


@lru_cache(maxsize=1024)
def _fuel(steps: int, samples: int) -> int:
    half, odd = divmod(steps, 2)
    return 3 + (2 + odd) * samples * _fuel(half, samples) if half else 1


@lru_cache(maxsize=_CONTEXTS_KEPT)
def _read_facts(text: str) -> Facts:
    lines = [_FACT.fullmatch(line) for line in text.removesuffix("\n").split("\n")]
    least, most = Permutation.sizes
    if not least <= len(lines) <= most:
        raise BadTask(f"a permutation has {least} to {most} lines, not {len(lines)}")
    rows: list[tuple[int, int]] = []
    for element, line in enumerate(lines):
        if line is None or int(line[1]) != element:
            raise BadTask(f"line {element + 1} of a permutation is '{element} goes to …'")
        rows.append((element, int(line[2])))
    if {image for _, image in rows} != set(range(len(rows))):
        raise BadTask("the lines are no permutation: an element is reached twice or never")
    return Facts(0, len(rows), tuple(rows))
