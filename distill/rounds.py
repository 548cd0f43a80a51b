"""Rounds: a training run told in stretches, with its measurements beside it.

A round is the stretch between two promotions, or one with a frozen teacher. The measurements read
the truth; they are taken between steps and nothing of them flows back.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from distill.counts import Counts
from distill.curriculum import Schedule
from distill.evaluate import Exam, Score, score, score_level
from distill.recipe import Arm, Recipe
from distill.training import StepReport, Trainer

GOAL: Final = 0.95
"""Accuracy at the highest level whose cost is told."""
MEASURE_EVERY: Final = 50
"""Steps between two measurements of the highest level."""


class Round(Struct, frozen=True):
    """One round of a run."""

    number: int
    """From 1."""
    step: int
    """Steps taken at its end."""
    frontier: int
    """The highest level that was asked in it."""
    promoted_to: int | None
    """The frontier of the next round; None where it stays."""
    before_first_label: float | None
    """Accuracy at the new frontier before its first label; None where it stays."""
    agreement: float
    """Of the last probe."""
    kept: float
    """Share of labels that were trusted, over the round."""
    loss_nats: float
    """Mean over the round."""
    score: Score
    """Of the averaged student at its end."""
    counts: Counts
    """Of the run, at its end."""


class Reached(Struct, frozen=True):
    """What it took to be right at the highest level."""

    questions: int
    cpu_s: float
    step: int


class Course(Struct):
    """A run with its measurements; filled while `rounds` is iterated."""

    trainer: Trainer
    exam: Exam
    steps: int | None = None
    """Steps to take; None until the run is finished by itself."""
    measure_every: int = MEASURE_EVERY
    goal: Reached | None = None
    """None where `GOAL` was not reached."""
    curve: list[tuple[int, int, float, float]] = field(
        default_factory=list[tuple[int, int, float, float]]
    )
    """Step, questions, CPU seconds and accuracy at the highest level."""
    told: list[Round] = field(default_factory=list[Round])

    def rounds(self) -> Iterator[Round]:
        """Runs; a round at a time."""
        trainer = self.trainer
        since: list[StepReport] = []
        while not self._over():
            report = trainer.run_step()
            since.append(report)
            self._measure()
            frozen = trainer.recipe.regime == "frozen"
            ended = frozen and trainer.step % trainer.recipe.round_steps == 0
            if report.promoted or ended or self._over():
                yield self._round(since)
                since = []

    @property
    def schedule(self) -> Schedule:
        """What another arm follows."""
        return self.trainer.curriculum.schedule

    def _over(self) -> bool:
        if self.steps is None:
            return self.trainer.finished
        return self.trainer.step >= self.steps

    def _measure(self) -> None:
        trainer = self.trainer
        if trainer.step % self.measure_every:
            return
        accuracy = score_level(self.exam, trainer.averaged, trainer.curriculum.highest)
        counts = trainer.counts
        self.curve.append((trainer.step, counts.questions, counts.cpu_s, accuracy))
        if self.goal is None and accuracy >= GOAL:
            self.goal = Reached(counts.questions, counts.cpu_s, trainer.step)

    def _round(self, since: list[StepReport]) -> Round:
        trainer = self.trainer
        promoted = since[-1].promoted
        level = trainer.curriculum.frontier
        spoken = [report.loss_nats for report in since]
        told = Round(
            number=len(self.told) + 1,
            step=trainer.step,
            frontier=level - promoted,
            promoted_to=level if promoted else None,
            before_first_label=(
                score_level(self.exam, trainer.averaged, level) if promoted else None
            ),
            agreement=trainer.curriculum.probed,
            kept=sum(report.kept for report in since) / len(since),
            loss_nats=sum(spoken) / len(spoken),
            score=score(self.exam, trainer.averaged),
            counts=trainer.counts.copy(),
        )
        self.told.append(told)
        return told


def run_arm(
    recipe: Recipe, seed: int, arm: Arm, examined: Exam, like: Course | None = None
) -> Course:
    """An arm from its first step to its last.

    Args:
        recipe: That of all arms.
        seed: That of all arms; the uniform twin's stream differs by its levels.
        arm: Which labels and questions.
        examined: What it is measured on.
        like: The amplified run, whose levels and number of steps it follows.
    """
    follows = None if like is None else like.schedule
    trainer = Trainer(recipe, seed, arm, follows=follows)
    course = Course(trainer, examined, None if like is None else like.trainer.step)
    for _ in course.rounds():
        pass
    return course
