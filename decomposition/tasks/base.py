"""The task interface: a family of questions with a generator and a ground truth.

A context (facts) is made from a seed; questions about it are rendered as text and as symbols;
an overseer decomposes them; the environment answers the primitive ones from the context.
Ground truth and `depth_class` are for evaluation only and never reach an answerer.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from msgspec import Struct

from decomposition.answerers.base import Answerer
from decomposition.answerers.expert import Decomposition, Expert
from decomposition.actions import Given, Reply
from decomposition.hypertext import Failure, Message, Pointer, escape
from decomposition.view import Symbols, View


class Facts(Struct, frozen=True):
    """A context: what the questions are about. Tasks without facts use the empty one."""

    seed: int
    size: int
    rows: tuple[tuple[int, ...], ...] = ()


NO_FACTS = Facts(0, 0)

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

    # -- making ------------------------------------------------------------------------------

    @abstractmethod
    def make(self, size: int, seed: int) -> Facts:
        """A context of a size from a seed; equal arguments give an equal context."""

    @abstractmethod
    def questions(self, facts: Facts, count: int, seed: int) -> Iterator[Q]:
        """Questions about a context, drawn from a seed; fewer where no more exist."""

    # -- text --------------------------------------------------------------------------------

    @abstractmethod
    def render_facts(self, facts: Facts) -> str:
        """The context as English; empty where the task has none."""

    @abstractmethod
    def read_facts(self, text: str) -> Facts:
        """The context that `render_facts` wrote.

        Raises:
            BadTask: The text is not of this form.
        """

    @abstractmethod
    def render(self, question: Q, facts_name: str = "$q.1") -> str:
        """The question in written form; `facts_name` is what its writer calls the facts."""

    @abstractmethod
    def recognise(self, written: str) -> Q | None:
        """The question that a written text asks, None if it is not of this task. Pointer names
        may stand where arguments do."""

    @abstractmethod
    def normalise(self, answer: str) -> str:
        """The form in which two answers are compared."""

    def root(self, question: Q, facts: Facts = NO_FACTS) -> Message:
        """The root question with its facts behind a pointer."""
        written = self.render(question, "\0")
        before, found, after = written.partition("\0")
        if not found:
            return Message((written,))
        context = Pointer(message=Message.of(self.render_facts(facts)), title="facts")
        return Message((before, context, after) if before else (context, after))

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
    def fuel(self, question: Q) -> int:
        """f*: the fuel with which the overseer's tree is sure to finish."""

    # -- symbols -----------------------------------------------------------------------------

    @abstractmethod
    def tokens(self, question: Q, contents: Mapping[str, str]) -> tuple[int, ...] | None:
        """The question as symbols, None while an argument is still behind a pointer."""

    # -- evaluation only ---------------------------------------------------------------------

    @abstractmethod
    def truth(self, question: Q, facts: Facts) -> str:
        """The right answer, exactly. For evaluation only."""

    def correct(self, question: Q, facts: Facts, answer: str) -> bool:
        """Whether an answer is right. For evaluation only."""
        return self.normalise(answer) == self.normalise(self.truth(question, facts))

    @abstractmethod
    def difficulty(self, question: Q, size: int) -> int:
        """The level, from the visible question and the context's size."""

    @abstractmethod
    def depth_class(self, question: Q, facts: Facts) -> str:
        """What the evaluator groups by; may depend on the truth."""

    @abstractmethod
    def trivial(self, question: Q, facts: Facts) -> str:
        """The trivial baseline's answer: the best guess without any work."""

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
            return _stranger(self.name)
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
        """The hash of the facts behind a question's pointers; empty for a task without."""
        del contents
        return ""

    def facts_among(self, contents: Mapping[str, str]) -> Facts:
        """The facts behind one of a question's pointers; the empty ones for a task without.

        Raises:
            BadTask: What stands where the facts belong is not of their form.
        """
        del contents
        return NO_FACTS


def _stranger(name: str) -> Decomposition:
    yield from ()
    raise LookupError(f"this is not a question of the task {name}")


class Environment(Answerer):
    """Answers a task's primitive questions from the context; no step of H or X."""

    reads_through = True

    def __init__(self, task: Task[Q]) -> None:
        self.identity = f"environment:{task.name}@{task.version}"
        self._task = task
        self.lookups = 0
        """Primitive questions answered so far."""

    def covers(self, written: str) -> bool:
        """Whether a question in written form is primitive."""
        question = self._task.recognise(written)
        return question is not None and self._task.is_primitive(question)

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """A reply for each view; an argument that came to a failure passes it on."""
        self.lookups += len(views)
        return [self._turn(view) for view in views]

    def _turn(self, view: View) -> Given:
        contents: dict[str, str] = {}
        for name, content in view.shown.items():
            if isinstance(content, Failure):
                return Failure("abstained", "an argument came to nothing")
            contents[name] = content
        question = self._task.recognise(view.question)
        if question is None:
            raise LookupError("not a question of this task")
        facts = self._task.facts_among(contents)
        return (Reply(escape(self._task.environment(question, contents, facts))),)
