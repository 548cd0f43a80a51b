"""Scoring: answers to an exam as accuracies with units and intervals.

The truth is read here and in `distill.evaluate`; nothing of it flows back into training.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from distill.batch_amplifier import Amplifier, Answering
from distill.counts import Counts
from distill.evaluate import Exam, untrained
from traces.rounds_record import Measure, Scored
from workbench.rounds.intervals import measured

if TYPE_CHECKING:
    from decomposition.tasks.table import AnyTableTask
    from distill.batch_amplifier import Step
    from distill.recipe import Recipe


class Amplification(Struct, frozen=True):
    """What one step of the overseer over somebody's answers is worth, and what it took."""

    scored: Scored
    calls_per_answer: float
    """Turns of overseer and student for one question."""


class Examiner:
    """An exam, asked of anybody; the task's own overseer amplifies unless another is given."""

    def __init__(
        self, exam: Exam, task: "AnyTableTask", size: int, overseer: "Step | None" = None
    ) -> None:
        self.exam, self.task, self.size, self.overseer = exam, task, size, overseer
        contexts = [int(each) for each in exam.questions.contexts]
        self._units = contexts if task.has_facts else list(range(len(contexts)))
        self._truth = [int(each) for each in exam.truth]
        self._classes = _in_order(exam)

    def student(self, answering: Answering) -> Scored:
        """How right somebody's answers are."""
        return self._scored([int(each) for each in answering(self.exam.questions).values])

    def trivial(self) -> Scored:
        """How right the trivial baseline is."""
        return self._scored([int(each) for each in self.exam.trivial])

    def amplified(self, answering: Answering) -> Amplification:
        """How right one step of the overseer over somebody's answers is."""
        counts = Counts()
        amplifier = Amplifier(self.task, self.size, answering, counts, self.overseer)
        labels = amplifier.amplify(self.exam.questions).labels
        calls = counts.overseer_steps + counts.student_forwards
        scored = self._scored([int(each) for each in labels])
        return Amplification(scored, calls / max(1, len(self._truth)))

    def alone(self, recipe: "Recipe", seed: int) -> Scored:
        """How right the overseer is over a student that has learnt nothing."""
        return self.amplified(untrained(recipe, self.task, seed)).scored

    def _scored(self, answers: list[int]) -> Scored:
        # An answer of "don't know" is negative; no truth is.
        right = [own == truth and own >= 0 for own, truth in zip(answers, self._truth, strict=True)]
        return Scored(
            overall=measured(right, self._units),
            answered=sum(own >= 0 for own in answers) / max(1, len(answers)),
            by_depth={name: self._of(right, places) for name, places in self._classes.items()},
        )

    def _of(self, right: list[bool], places: list[int]) -> Measure:
        return measured(
            [right[place] for place in places], [self._units[place] for place in places]
        )


def _in_order(exam: Exam) -> dict[str, list[int]]:
    """The places of each `depth_class`, lowest level first."""
    lowest: dict[str, int] = {}
    places: dict[str, list[int]] = {}
    for place, (name, level) in enumerate(zip(exam.classes, exam.levels, strict=True)):
        lowest[name] = min(int(level), lowest.get(name, int(level)))
        places.setdefault(name, []).append(place)
    return {name: places[name] for name in sorted(places, key=lambda each: (lowest[each], each))}
