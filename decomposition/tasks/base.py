"""The task interface: a family of questions with a generator and a ground truth.

A context (facts) is made from a seed; questions about it are rendered as text and as symbols;
an overseer decomposes them; the environment answers the primitive ones from the context.
Ground truth and `depth_class` are for evaluation only and never reach an answerer.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import Any, ClassVar, Final, Generic, TypeVar

from msgspec import Struct

from decomposition.actions import Abstain, Given, Reply
from decomposition.answerers.base import Answerer
from decomposition.answerers.expert import Answers, Decomposition, Expert
from decomposition.errors import BadTask
from decomposition.hypertext import Failure, Message, Pointer, content_hash, escape
from decomposition.view import Symbols, View

FACTS_NAME: Final = "$q.1"
"""What the reader of a question calls its facts: they are its first pointer."""

_CONTEXTS_KEPT: Final = 1024


class Facts(Struct, frozen=True):
    """A context: what the questions are about. Tasks without facts need only its size."""

    seed: int
    """0 for a context that was read: a text does not tell its seed."""
    size: int
    rows: tuple[tuple[int, ...], ...] = ()


NO_FACTS: Final = Facts(0, 0)

Q = TypeVar("Q", bound=Struct)
"""A task's question as a value: immutable, hashable, arguments in fields."""


class Task(ABC, Generic[Q]):
    """One family of questions. All methods are functions of their arguments."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    summary: ClassVar[str]
    """One line for `workbench tasks`."""
    sizes: ClassVar[tuple[int, int]]
    """Smallest and largest context or question size that `make` and `questions` take."""
    has_facts: ClassVar[bool] = False
    """Whether the questions point to a context, which is then `FACTS_NAME` to their reader."""

    # -- making ------------------------------------------------------------------------------

    def make(self, size: int, seed: int) -> Facts:
        """A context of a size from a seed; equal arguments give an equal context.

        Raises:
            BadTask: The size is out of range.
        """
        least, most = self.sizes
        if not least <= size <= most:
            raise BadTask(f"a size of {self.name} is from {least} to {most}, not {size}")
        return Facts(seed, size, self.rows(size, seed))

    def rows(self, size: int, seed: int) -> tuple[tuple[int, ...], ...]:
        """The facts of a context; none for a task without."""
        del size, seed
        return ()

    @abstractmethod
    def questions(self, facts: Facts, count: int, seed: int) -> Iterator[Q]:
        """Distinct questions about a context, drawn from a seed; fewer where no more exist."""

    # -- text --------------------------------------------------------------------------------

    def render_facts(self, facts: Facts) -> str:
        """The context as English; empty where the task has none."""
        del facts
        return ""

    def read_facts(self, text: str) -> Facts:
        """The context that `render_facts` wrote.

        Raises:
            BadTask: The text is not of this form.
        """
        if text.strip():
            raise BadTask(f"questions of {self.name} have no context")
        return NO_FACTS

    @abstractmethod
    def render(self, question: Q, facts_name: str = FACTS_NAME) -> str:
        """The question in written form; `facts_name` is what its writer calls the facts."""

    @abstractmethod
    def recognise(self, written: str) -> Q | None:
        """The question that a written text asks, None if it is not of this task.

        Pointer names may stand where a task says that arguments may be pointers.
        """

    @abstractmethod
    def normalise(self, answer: str) -> str:
        """The form in which two answers are compared."""

    def root(self, question: Q, facts: Facts = NO_FACTS) -> Message:
        """The root question with its facts behind a pointer."""
        before, found, after = self.render(question, "\0").partition("\0")
        if not found:
            return Message((before,))
        context = Pointer(message=Message.of(self.render_facts(facts)), title="facts")
        return Message((before, context, after) if before else (context, after))

    def write_root(self, question: Q, facts: Facts) -> str:
        """The question in one line of text that names its context, if it has one."""
        del facts
        return self.render(question)

    def parse_root(self, text: str) -> tuple[Q, Facts] | None:
        """What `write_root` wrote, or a person typed; None if it is not of this task.

        Raises:
            BadTask: The form is this task's, but a size or an argument is out of range.
        """
        question = self.recognise(text)
        return None if question is None else (question, NO_FACTS)

    def of_fields(self, record: Mapping[str, object]) -> str | None:
        """The written question of a batch line with this task's own fields; None without them.

        Raises:
            BadTask: The fields are there, but they do not hold together.
        """
        del record
        return None

    # -- deliberation ------------------------------------------------------------------------

    @abstractmethod
    def is_primitive(self, question: Q) -> bool:
        """Whether the environment answers this question; it is then never asked of X or H."""

    @abstractmethod
    def environment(self, question: Q, contents: Mapping[str, str], facts: Facts) -> str:
        """The answer of a primitive question, from the context alone.

        Args:
            question: For which `is_primitive` holds.
            contents: Text behind the pointer names that stand for arguments.
            facts: The context.

        Raises:
            BadTask: An argument is not of the form that the question needs.
        """

    @abstractmethod
    def decompose(self, question: Q, written: str) -> Decomposition:
        """The overseer: yields subquestions, receives answers, returns the reply."""

    @abstractmethod
    def fuel(self, question: Q, samples: int = 1) -> int:
        """f*: the fuel with which the overseer's tree is sure to finish.

        Args:
            question: The root of the tree.
            samples: How often every subquestion is answered; each sample has its share.
        """

    # -- symbols -----------------------------------------------------------------------------

    @abstractmethod
    def tokens(self, question: Q, contents: Mapping[str, str]) -> tuple[int, ...] | None:
        """The question as symbols, None while an argument is still behind a pointer."""

    # -- evaluation only ---------------------------------------------------------------------

    @abstractmethod
    def truth(self, question: Q, facts: Facts) -> str:
        """A right answer, exactly. For evaluation only."""

    def correct(self, question: Q, facts: Facts, answer: str) -> bool:
        """Whether an answer is right. For evaluation only."""
        return self.normalise(answer) == self.normalise(self.truth(question, facts))

    @abstractmethod
    def broken_invariants(self, question: Q, facts: Facts, answer: str) -> tuple[str, ...]:
        """What every right answer keeps and this one does not; needs no truth."""

    @abstractmethod
    def difficulty(self, question: Q, size: int) -> int:
        """The level, from the visible question and the context's size.

        Every subquestion of the overseer is of a lower level, primitive ones apart.
        """

    @abstractmethod
    def depth_class(self, question: Q, facts: Facts) -> str:
        """What the evaluator groups by; may depend on the truth."""

    @abstractmethod
    def trivial(self, question: Q, facts: Facts) -> str:
        """The trivial baseline's answer, the same whatever the facts say."""

    # -- answerers ---------------------------------------------------------------------------

    def overseer(self) -> Answerer:
        """The task's scripted overseer H."""
        return Expert(f"expert:{self.name}@{self.version}", self._decomposed)

    def primitives(self) -> "Environment":
        """The environment as an answerer."""
        return Environment(self)

    def _decomposed(self, view: View) -> Decomposition:
        question = self.recognise(view.question)
        if question is None:
            raise BadTask(f"this is not a question of {self.name}")
        return self.decompose(question, view.question)

    def symbols(self, view: View) -> Symbols | None:
        """The symbols face of a view; None where the question is not of this task."""
        question = self.recognise(view.question)
        if question is None:
            return None
        contents = {name: text for name, text in view.shown.items() if isinstance(text, str)}
        tokens = self.tokens(question, contents)
        return None if tokens is None else Symbols(self.name, self.handle(contents), tokens)

    def handle(self, contents: Mapping[str, str]) -> str:
        """The hash of the facts behind a question's pointers; empty where there are none."""
        facts = contents.get(FACTS_NAME) if self.has_facts else None
        return "" if facts is None else _handle(facts)

    def facts_among(self, contents: Mapping[str, str]) -> Facts:
        """The facts behind one of a question's pointers; the empty ones for a task without.

        Raises:
            BadTask: What stands where the facts belong is not of their form.
        """
        if not self.has_facts:
            return NO_FACTS
        text = contents.get(FACTS_NAME)
        if text is None:
            raise BadTask("the question does not point to its facts")
        return self.read_facts(text)


AnyTask = Task[Any]
"""A task of whatever questions."""


class Environment(Answerer):
    """Answers a task's primitive questions from the context; no step of H or X."""

    reads_through = True

    def __init__(self, task: AnyTask) -> None:
        self.identity = f"environment:{task.name}@{task.version}"
        self._task = task
        self.lookups = 0
        """Primitive questions answered so far."""

    def covers(self, written: str) -> bool:
        """Whether a question in written form is primitive."""
        question = self._task.recognise(written)
        return question is not None and self._task.is_primitive(question)

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """A reply for each view; it abstains where an argument is not what it must be."""
        self.lookups += len(views)
        return [self._turn(view) for view in views]

    def _turn(self, view: View) -> Given:
        contents: dict[str, str] = {}
        for name, content in view.shown.items():
            if isinstance(content, Failure):
                return (Abstain("an argument came to nothing"),)
            contents[name] = content
        question = self._task.recognise(view.question)
        if question is None:
            return (Abstain(f"this is not a question of {self._task.name}"),)
        try:
            facts = self._task.facts_among(contents)
            return (Reply(escape(self._task.environment(question, contents, facts))),)
        except BadTask as wrong:
            return (Abstain(str(wrong)),)


@lru_cache(maxsize=_CONTEXTS_KEPT)
def _handle(facts: str) -> str:
    """The hash of a context; made of text only, its written form is its content."""
    return content_hash(Message.of(facts), str)


def chance(*key: str | int) -> Random:
    """A source of draws that depends on nothing but its key."""
    return Random(" ".join(str(part) for part in key))  # noqa: S311 - tasks, not secrets


def distinct(draw: Callable[[], Q], count: int, existing: int) -> Iterator[Q]:
    """As many different questions as asked for, or all.

    Args:
        draw: Gives one at random; every existing one has a chance.
        count: How many are asked for.
        existing: How many there are.
    """
    seen: set[Q] = set()
    while len(seen) < min(count, existing):
        question = draw()
        if question not in seen:
            seen.add(question)
            yield question


def only(answers: Answers) -> str:
    """What came back for one bare question."""
    return answers if isinstance(answers, str) else answers[0]


def fuel_in_turn(children: Iterable[int], samples: int = 1) -> int:
    """f* of a question that asks one thing after another and looks at each answer.

    An ask leaves all but two steps to the samples of its one subquestion, and what they do not
    use comes back with the answer, so only what is spent adds up: an ask, an unlock and each
    sample's f* for each, and a reply.
    """
    return 1 + sum(2 + samples * child for child in children)


def spelled(text: str, alphabet: str) -> tuple[int, ...]:
    """The text as places in an alphabet, which holds all its characters."""
    return tuple(map(alphabet.index, text))
