"""Tables: a task's questions, overseer and environment over arrays, thousands at a time.

Everything here is written against a passed array namespace (`xp`), of which it uses what torch
and NumPy have in common: a task knows neither. The step is the exact mirror of the generator
`decompose`: for equal sub-answers both do the same, and a test holds it.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self, TypeAlias

from msgspec import Struct

from decomposition.errors import BadTask
from decomposition.tasks.base import Facts, Q, Task

Array: TypeAlias = Any
"""An array of the passed namespace; its shape and type stand beside each use."""
Namespace: TypeAlias = Any
"""`torch`, `numpy` or what has the same functions."""

DONT_KNOW: Final = -1
"""Stands in an array of answers for one that abstained or failed."""
BLANK: Final = -1
"""Stands in an array of symbols where a question is shorter than its row."""


class TableStep(Struct, frozen=True):
    """What the overseer does next in each row: asks, replies, or (where neither) abstains."""

    asks: Array
    """(B,) bool."""
    question: Array
    """(B, F) int64: the next subquestion where it asks, else anything."""
    primitive: Array
    """(B,) bool: whether that subquestion is for the environment."""
    replies: Array
    """(B,) bool."""
    reply: Array
    """(B,) int64: the answer where it replies, else anything."""


class TableForm(Struct, frozen=True):
    """The sizes of a task's arrays and the names of its symbols."""

    fields: int
    """F: numbers in a question."""
    levels: tuple[int, int]
    """Lowest and highest difficulty that can be drawn."""
    subquestions: int
    """S: the most that one question is decomposed into."""
    symbols: tuple[str, ...]
    """Names of the symbols of questions, facts and answers, by their numbers."""
    tokens: int
    """T: tokens of a question of the highest level."""
    roles: tuple[str, ...]
    """Names of the roles that tokens and answer slots play."""
    places: int
    """Places that a token may stand at."""
    shifts: bool = False
    """Whether a question means the same with all its places moved by one offset."""
    fact_symbols: int = 0
    """K: symbols in a fact; 0 for a task without facts."""
    copied: int = 0
    """Which symbol of a fact an answer may copy, from 0."""
    answers: int = 0
    """How many symbols, from the first, an answer slot may hold; 0 for all."""


class TokenRows(Struct, frozen=True):
    """Questions as a student reads them, with the slots in which it answers."""

    symbols: Array
    """(B, T) int64, `BLANK` where nothing stands."""
    roles: tuple[int, ...]
    """Of each of the T tokens."""
    places: tuple[int, ...]
    """Of each of the T tokens."""
    slot_roles: tuple[int, ...]
    """Of each of the A answer slots."""
    slot_places: tuple[int, ...]
    """Of each of the A answer slots."""
    filled: Array | None = None
    """(B, A) bool: slots that the answer of a row may fill; None for all of them in rows that
    have no blanks either."""


class TableTask(Task[Q]):
    """A task whose overseer and environment also work over arrays."""

    table_sizes: tuple[int, int]
    """Smallest and largest size that fits into the arrays' numbers."""
    classes_differ: ClassVar[bool] = False
    """Whether the classes of a level are so unequally frequent that an exam asks each alike."""

    # -- forms -------------------------------------------------------------------------------

    @abstractmethod
    def table_form(self, size: int) -> TableForm:
        """The sizes of the arrays for contexts or questions of a size."""

    def checked_size(self, size: int) -> int:
        """The size, if its arrays exist.

        Raises:
            BadTask: It is out of range.
        """
        least, most = self.table_sizes
        if not least <= size <= most:
            raise BadTask(f"tables of {self.name} have sizes from {least} to {most}, not {size}")
        return size

    def reaching(self, reach: int) -> Self:
        """The task with questions up to a reach beside the size; only for tasks that have one.

        Raises:
            BadTask: It is no reach of this task; 0 always is, and changes nothing.
        """
        if reach:
            raise BadTask(f"questions of {self.name} reach as far as their size")
        return self

    @abstractmethod
    def table_row(self, question: Q, contents: Mapping[str, str]) -> tuple[int, ...] | None:
        """The question as a row; None where an argument is still behind a pointer or too large.

        Args:
            question: Any of this task.
            contents: Text behind the pointer names that stand for arguments.
        """

    @abstractmethod
    def table_question(self, row: Sequence[int]) -> Q:
        """The question that a row stands for."""

    @abstractmethod
    def table_answer(self, answer: str) -> int:
        """A written answer as a number, `DONT_KNOW` for what is none."""

    @abstractmethod
    def table_written(self, answer: int) -> str:
        """The answer that a number other than `DONT_KNOW` stands for."""

    def table_reply(self, question: Q, answer: int) -> str | None:
        """What a student's answer says to a question in the engine; None where it says nothing.

        Args:
            question: The one that was asked, whose row the student read.
            answer: Other than `DONT_KNOW`.
        """
        del question
        return self.table_written(answer)

    def table_facts(self, facts: Facts) -> tuple[tuple[int, ...], ...]:
        """A context as rows of K symbols."""
        return facts.rows

    # -- drawing -----------------------------------------------------------------------------

    @abstractmethod
    def table_draw(self, xp: Namespace, draws: Array, levels: Array, size: int) -> Array:
        """Questions of given levels.

        Args:
            xp: The array namespace.
            draws: (B, F) int64, random, from 0 to 2**62.
            levels: (B,) int64.
            size: Of the context, or of the question.

        Returns:
            (B, F) int64.
        """

    def table_held_out(self, xp: Namespace, questions: Array) -> Array | None:
        """(B,) bool: which rows are kept for evaluation, by a rule of the task's own.

        None where rows are told apart by their hashes alone. The lowest level is never kept.
        """
        del xp, questions
        return None

    @abstractmethod
    def table_levels(self, xp: Namespace, questions: Array) -> Array:
        """(B,) int64: the difficulty of each row."""

    # -- deliberation ------------------------------------------------------------------------

    @abstractmethod
    def table_primitive(self, xp: Namespace, questions: Array) -> Array:
        """(B,) bool: whether the environment answers the row."""

    @abstractmethod
    def table_environment(
        self, xp: Namespace, questions: Array, facts: Array, contexts: Array
    ) -> Array:
        """Answers of primitive rows; `DONT_KNOW` where an argument is out of range.

        Args:
            xp: The array namespace.
            questions: (B, F) int64.
            facts: (C, N, K) int64.
            contexts: (B,) int64: which context each row is about.

        Returns:
            (B,) int64.
        """

    @abstractmethod
    def table_step(self, xp: Namespace, questions: Array, answers: Array) -> TableStep:
        """The overseer's next step in each row, the mirror of `decompose`.

        Args:
            xp: The array namespace.
            questions: (B, F) int64, none of them primitive.
            answers: (B, S) int64: the answers so far, equally many in every row, none of which
                was replied to or abstained from before; `DONT_KNOW` where one came to nothing.
        """

    # -- symbols -----------------------------------------------------------------------------

    @abstractmethod
    def table_tokens(self, xp: Namespace, questions: Array, level: int) -> TokenRows:
        """The rows as a student reads them.

        Args:
            xp: The array namespace.
            questions: (B, F) int64.
            level: The highest among them; rows are only as long as it needs.
        """

    @abstractmethod
    def table_spans(self, xp: Namespace, questions: Array) -> Array:
        """(B,) int64: how many places each row and its answer fill."""

    @abstractmethod
    def table_spelled(self, xp: Namespace, answers: Array, level: int) -> Array:
        """(B, A) int64: answers as the symbols of their slots; `DONT_KNOW` gives anything.

        A slot that a row does not fill may hold anything.
        """

    @abstractmethod
    def table_read(self, xp: Namespace, symbols: Array) -> Array:
        """(B,) int64: the answers that slots of symbols (B, A) spell, `DONT_KNOW` for none.

        What is not filled is `BLANK`.
        """

    # -- evaluation only ---------------------------------------------------------------------

    @abstractmethod
    def table_truth(self, xp: Namespace, questions: Array, facts: Array, contexts: Array) -> Array:
        """(B,) int64: the right answers. For evaluation and for the supervised twins only."""


AnyTableTask: TypeAlias = TableTask[Any]
"""A task of whatever questions that works over arrays."""
