"""The table student: a lookup table as the learner, which fits its targets perfectly.

It shows what amplification does when learning is no limit: with an exact overseer it is right on
everything that rests on what it knows, level by level; with a biased one it reaches the bias.
"""

from typing import Final

import torch
from torch import Tensor

from decomposition.tasks.table import DONT_KNOW, AnyTableTask
from distill.batch_amplifier import Amplifier, Step
from distill.counts import Counts
from distill.questions import Questions
from distill.vocabulary import Answers

MOST_ENTRIES: Final = 1 << 22

Key = tuple[tuple[int, ...], tuple[int, ...]]


class TableStudent:
    """Answers what it was taught, and nothing else."""

    def __init__(self) -> None:
        self._known: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __call__(self, questions: Questions) -> Answers:
        """What was taught, else "don't know"."""
        values = torch.tensor(
            [self._known.get(key, DONT_KNOW) for key in _keys(questions)], dtype=torch.int64
        )
        return Answers(values, (values != DONT_KNOW).float())

    def learn(self, questions: Questions, labels: Tensor, taken: Tensor) -> int:
        """Takes over labels (B,) where taken (B,) bool; how many of them are new or changed."""
        changed = 0
        for key, label, wanted in zip(_keys(questions), labels, taken, strict=True):
            if bool(wanted) and self._known.get(key) != int(label):
                if len(self._known) >= MOST_ENTRIES:
                    raise MemoryError(f"a table student holds at most {MOST_ENTRIES} answers")
                self._known[key] = int(label)
                changed += 1
        return changed


class TableRounds:
    """Rounds of amplification with a table as the learner, over all of a set of questions."""

    def __init__(
        self, task: AnyTableTask, size: int, questions: Questions, overseer: Step | None = None
    ) -> None:
        self.student = TableStudent()
        self.counts = Counts()
        self._questions = questions
        self._amplifier = Amplifier(task, size, self.student, self.counts, overseer)

    def run_round(self) -> int:
        """Amplifies everything with the table as it stands, then learns it; what changed."""
        amplified = self._amplifier.amplify(self._questions)
        self.counts.questions += len(self._questions)
        self.counts.kept += int(amplified.kept.sum())
        return self.student.learn(self._questions, amplified.labels, amplified.kept)


def _keys(questions: Questions) -> list[Key]:
    facts = [tuple(int(symbol) for symbol in each.flatten()) for each in questions.facts]
    return [
        (facts[int(context)], tuple(int(number) for number in row))
        for context, row in zip(questions.contexts, questions.rows, strict=True)
    ]
