"""Tabled answerers: a student's answers as they stand in a training row, by the rows of questions.

They stand in for the student when a recorded label's tree is built again: the same questions, the
same words, without the student.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from decomposition.actions import Abstain, Given, Reply
from decomposition.answerers.base import Answerer
from decomposition.hypertext import escape
from decomposition.tasks.table import DONT_KNOW, AnyTableTask
from decomposition.view import View

SILENT: Final = "the student does not know"
"""Why a student abstains; its words enter the digest of a tree."""


class Tabled(Answerer):
    """Answers by a table; abstains where that says "don't know", or nothing."""

    author = "student"
    reads_through = True

    def __init__(
        self, identity: str, task: AnyTableTask, answers: Mapping[tuple[int, ...], int]
    ) -> None:
        self.identity = identity
        self._task = task
        self._answers = answers

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """A reply or an abstention for each view."""
        return [self._turn(view) for view in views]

    def _turn(self, view: View) -> Given:
        question = self._task.recognise(view.question)
        contents = {name: text for name, text in view.shown.items() if isinstance(text, str)}
        if question is None or len(contents) < len(view.shown):
            return (Abstain(SILENT),)
        row = self._task.table_row(question, contents)
        value = DONT_KNOW if row is None else self._answers.get(row, DONT_KNOW)
        written = None if value == DONT_KNOW else self._task.table_reply(question, value)
        return (Abstain(SILENT),) if written is None else (Reply(escape(written)),)
