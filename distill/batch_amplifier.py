"""The batch amplifier: Amp^H(X) for thousands of questions in one pass.

The overseer decomposes once; primitive subquestions go to the environment, the others to X. Its
semantics are the engine's: for given sub-answers both give the same label. A label is trusted if
it survives its audit: each of its sub-answers equals the one-step amplification of itself.
"""

from collections.abc import Callable
from typing import Final

import torch
from msgspec import Struct
from torch import Tensor

from decomposition.errors import EngineBug
from decomposition.tasks.overseers import ArrayStep
from decomposition.tasks.table import DONT_KNOW, AnyTableTask, TableStep
from distill.counts import Counts
from distill.questions import Questions
from distill.vocabulary import Answers

NOT_ASKED: Final = -2
"""Stands where a question has fewer subquestions than its row has room for."""


Answering = Callable[[Questions], Answers]
"""X: a student, a table, or any callable; it gives an answer for each question."""

Step = Callable[[Tensor, Tensor], TableStep]
"""An overseer: what it does next with questions (B, F) and the answers so far (B, S)."""


class Amplified(Struct, frozen=True):
    """Labels of B questions, and everything that they rest on."""

    labels: Tensor
    """(B,) int64, `DONT_KNOW` where the overseer abstained."""
    kept: Tensor
    """(B,) bool: answered, and equal in every audit that was made."""
    audited: Tensor
    """(B,) bool: an audit was made, or nothing needed one."""
    confidence: Tensor
    """(B,) float: the product of X's confidence in its sub-answers."""
    subquestions: Tensor
    """(B, S, F) int64, in the order in which they were asked."""
    subanswers: Tensor
    """(B, S) int64: what the label used; `NOT_ASKED` where nothing was asked."""
    by_student: Tensor
    """(B, S) bool: which of them X answered."""


class Amplifier:
    """Amplifies questions with an overseer, an environment and X; counts what that takes."""

    def __init__(
        self,
        task: AnyTableTask,
        size: int,
        answering: Answering,
        counts: Counts,
        step: Step | None = None,
    ) -> None:
        self.task = task
        self.answering = answering
        self.counts = counts
        self._room = task.table_form(size).subquestions
        self.step: Step = step or over_tensors(task.table_step)

    def amplify(self, questions: Questions, audit: Tensor | None = None) -> Amplified:
        """The overseer's answers, one step deep.

        Args:
            questions: B of them; primitive ones are answered by the environment.
            audit: (B,) bool: whose sub-answers are audited; None for nobody's.
        """
        pad = _Pad(len(questions), self._room, questions.rows.shape[1])
        open_ = self._primitives(questions, pad)
        for told in range(self._room + 1):
            if not len(open_):
                break
            step = self.step(questions.rows[open_], pad.answers[open_, :told])
            self.counts.overseer_steps += len(open_)
            pad.labels[open_] = torch.where(step.replies, step.reply, DONT_KNOW)
            open_, asked, primitive = _asking(step, open_)
            if told == self._room and len(open_):
                raise EngineBug(f"an overseer asks more than {self._room} subquestions")
            self._ask(questions.asking(asked, open_), primitive, open_, told, pad)
        return self._trusted(questions, pad, audit)

    def _primitives(self, questions: Questions, pad: "_Pad") -> Tensor:
        """Answers what is primitive; the places of the rest."""
        primitive = self.task.table_primitive(torch, questions.rows)
        found = primitive.nonzero()[:, 0]
        if len(found):
            pad.labels[found] = self._looked_up(questions.at(found))
        return (~primitive).nonzero()[:, 0]

    def _ask(
        self, asked: Questions, primitive: Tensor, open_: Tensor, told: int, pad: "_Pad"
    ) -> None:
        """Has one subquestion of each open row answered."""
        if not len(open_):
            return
        pad.questions[open_, told] = asked.rows
        pad.by_student[open_, told] = ~primitive
        simple, hard = primitive.nonzero()[:, 0], (~primitive).nonzero()[:, 0]
        if len(simple):
            pad.answers[open_[simple], told] = self._looked_up(asked.at(simple))
        if len(hard):
            self.counts.student_forwards += len(hard)
            answers = self.answering(asked.at(hard))
            pad.answers[open_[hard], told] = answers.values
            pad.confidence[open_[hard]] *= answers.confidence

    def _looked_up(self, questions: Questions) -> Tensor:
        self.counts.lookups += len(questions)
        return self.task.table_environment(
            torch, questions.rows, questions.facts, questions.contexts
        )

    def _trusted(self, questions: Questions, pad: "_Pad", audit: Tensor | None) -> Amplified:
        needs = pad.by_student if audit is None else pad.by_student & audit[:, None]  # (B, S)
        agreed = torch.ones_like(pad.by_student)
        if audit is not None and bool(needs.any()):
            row, place = needs.nonzero().unbind(1)
            again = self.amplify(questions.asking(pad.questions[row, place], row))
            agreed[row, place] = again.labels == pad.answers[row, place]
        audited = ~pad.by_student.any(1) if audit is None else audit | ~pad.by_student.any(1)
        return Amplified(
            labels=pad.labels,
            kept=(pad.labels != DONT_KNOW) & agreed.all(1),
            audited=audited,
            confidence=pad.confidence,
            subquestions=pad.questions,
            subanswers=pad.answers,
            by_student=pad.by_student,
        )


def over_tensors(overseer: ArrayStep) -> Step:
    """An overseer over any arrays as one over tensors."""

    def step(rows: Tensor, told: Tensor) -> TableStep:
        return overseer(torch, rows, told)

    return step


class _Pad:
    """What an amplification under way has so far."""

    def __init__(self, count: int, room: int, fields: int) -> None:
        self.labels = torch.full((count,), DONT_KNOW)
        self.confidence = torch.ones(count)
        self.questions = torch.zeros((count, room, fields), dtype=torch.int64)
        self.answers = torch.full((count, room), NOT_ASKED)
        self.by_student = torch.zeros((count, room), dtype=torch.bool)


def _asking(step: TableStep, open_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The rows that ask: their places, subquestions and whether these are primitive."""
    asking = step.asks.nonzero()[:, 0]
    return open_[asking], step.question[asking], step.primitive[asking]
