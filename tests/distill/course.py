"""A training run told in rounds, without a folder: for tests of training alone."""

from collections.abc import Iterator

from msgspec import Struct, field

from distill.counts import Counts
from distill.evaluate import Exam, Score, score, score_level
from distill.training import StepReport, Trainer


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


class Course(Struct):
    """A run with its measurements; filled while `rounds` is iterated."""

    trainer: Trainer
    exam: Exam
    told: list[Round] = field(default_factory=list[Round])

    def rounds(self) -> Iterator[Round]:
        """Runs; a round at a time."""
        trainer = self.trainer
        since: list[StepReport] = []
        while not trainer.finished:
            report = trainer.run_step()
            since.append(report)
            frozen = trainer.recipe.regime == "frozen"
            ended = frozen and trainer.step % trainer.recipe.round_steps == 0
            if report.promoted or ended or trainer.finished:
                yield self._round(since)
                since = []

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
