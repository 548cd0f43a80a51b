"""One arm of a run: trained step by step, measured at the end of each round, never lost.

What is measured is written before the checkpoint that it belongs to; what a checkpoint does not
reach is forgotten when the arm goes on. So a stop at any moment changes neither the weights nor
what is told of them, but for the seconds.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import asdict

from distill.calibration import CASCADE_BOUND, calibrate
from distill.checkpoint import load_checkpoint, save_checkpoint
from distill.curriculum import Schedule
from distill.errors import BadCheckpoint
from distill.evaluate import score_level
from distill.folder import described, save_student
from distill.recipe import Arm
from distill.rounds import GOAL, MEASURE_EVERY, Reached
from distill.training import StepReport, Trainer
from traces.rounds_record import Round, Spent
from workbench.rounds.rounds_summary import Finished
from workbench.rounds.run_folder import Plan, RunFolder, read_as, write_json
from workbench.rounds.scoring import Examiner

if TYPE_CHECKING:
    from workbench.rounds.row_keeping import RowKeeper

SAVE_EVERY_S: Final = 5.0
"""Seconds of work that a kill may cost, at most, one step and its measurement apart."""


class Point(Struct, frozen=True):
    """The accuracy at the highest level at one moment."""

    step: int
    questions: int
    cpu_s: float
    accuracy: float


class Progress(Struct, forbid_unknown_fields=True):
    """What was measured of an arm, beside its rounds."""

    losses: list[float] = field(default_factory=list[float])
    """Of each step, in nats per answer symbol."""
    kept: list[float] = field(default_factory=list[float])
    """Of each step."""
    points: list[Point] = field(default_factory=list[Point])
    wall_s: float = 0.0
    """Of all attempts together, up to the last checkpoint."""

    def until(self, step: int) -> None:
        """Forgets what came after a step."""
        del self.losses[step:], self.kept[step:]
        self.points = [point for point in self.points if point.step <= step]

    @property
    def goal(self) -> Reached | None:
        """What it took to be right at the highest level; None where that was not reached."""
        for point in self.points:
            if point.accuracy >= GOAL:
                return Reached(point.questions, point.cpu_s, point.step)
        return None


class ArmRun:
    """An arm between two steps, with its measurements."""

    def __init__(
        self,
        folder: RunFolder,
        plan: Plan,
        arm: Arm,
        examiner: Examiner,
        like: "ArmRun | None" = None,
        keeper: "RowKeeper | None" = None,
    ) -> None:
        """An arm at its beginning, or where its last checkpoint stands.

        Args:
            folder: Of the run.
            plan: Of the run.
            arm: Which one.
            examiner: What it is measured with; its overseer is the one that amplifies.
            like: The amplified arm, whose levels, steps and rounds it follows.
            keeper: Keeps its training rows; None for an arm whose students are not kept.
        """
        self.folder, self.plan, self.examiner = folder, plan, examiner
        self.arm: Arm = arm
        self._like = like
        kept = folder.rounds.exists() and folder.checkpoint(arm).exists()
        self.trainer = self._kept() if kept else self._begun()
        self.progress = read_as(folder.progress(arm), Progress) if kept else Progress()
        self.progress.until(self.trainer.step)
        told = folder.read_rounds() if kept else []
        self.rounds = [each for each in told if each.arm == arm and each.step <= self.trainer.step]
        self.latest: StepReport | None = None
        self.keeper = keeper
        if keeper is not None:
            keeper.begin(self.trainer)

    def _begun(self) -> Trainer:
        return Trainer(
            self.plan.recipe,
            self.plan.seed,
            self.arm,
            task=self.examiner.task,
            overseer=self.examiner.overseer,
            follows=self._follows,
        )

    @property
    def _follows(self) -> Schedule | None:
        return None if self._like is None else self._like.trainer.curriculum.schedule

    def _kept(self) -> Trainer:
        """The run of the checkpoint.

        Raises:
            BadCheckpoint: It does not hold together, or is another run's.
        """
        path, plan = self.folder.checkpoint(self.arm), self.plan
        trainer = load_checkpoint(path, task=self.examiner.task, overseer=self.examiner.overseer)
        if (trainer.recipe, trainer.seed, trainer.arm) != (plan.recipe, plan.seed, self.arm):
            raise BadCheckpoint(path, f"belongs to another run than {self.folder.plan}")
        # An arm that was stopped in a process of its own may not know the whole schedule.
        trainer.follows = self._follows
        return trainer

    # -- the loop ----------------------------------------------------------------------------

    def work(
        self,
        before: Sequence[Round],
        tell: Callable[["ArmRun"], None],
        save_every_s: float = SAVE_EVERY_S,
    ) -> None:
        """Trains to the end.

        Args:
            before: Rounds of the arms that are finished.
            tell: Called after each step.
            save_every_s: Seconds between two checkpoints, those at the end of rounds apart.
        """
        if not self.rounds:
            self._close_round(before, promoted=False)
        saved = time.monotonic()
        while not self.over:
            ended = self._step(before)
            tell(self)
            if ended or time.monotonic() - saved >= save_every_s:
                self._save(saved)
                saved = time.monotonic()
        self._save(saved)

    @property
    def over(self) -> bool:
        """Whether no step is left to take."""
        if self._like is not None:
            return self.trainer.step >= self._like.trainer.step
        limit = self.plan.rounds
        told = self.rounds[-1].round if self.rounds else 0
        return self.trainer.finished or (limit is not None and told >= limit)

    def _step(self, before: Sequence[Round]) -> bool:
        """One step with its measurements; whether a round ended."""
        report = self.latest = self._stepped()
        self.progress.losses.append(report.loss_nats)
        self.progress.kept.append(report.kept)
        self._measure()
        ended = self._ends_round(report)
        if ended:
            self._close_round(before, promoted=report.promoted)
        return ended

    def _stepped(self) -> StepReport:
        """One step of training, with its rows."""
        keeper, trainer = self.keeper, self.trainer
        if keeper is None:
            return trainer.run_step()
        keeper.before(trainer, first=trainer.step == self.rounds[-1].step)
        report = trainer.run_step()
        keeper.after(trainer)
        return report

    def _ends_round(self, report: StepReport) -> bool:
        if self._like is not None:
            return any(each.step == report.step for each in self._like.rounds)
        recipe = self.trainer.recipe
        frozen = recipe.regime == "frozen" and report.step % recipe.round_steps == 0
        return report.promoted or frozen or self.trainer.finished

    def _save(self, since: float) -> None:
        """Writes the run as it stands; rows and measurements before the checkpoint."""
        if self.keeper is not None:
            self.keeper.flush()
        self.progress.wall_s += time.monotonic() - since
        write_json(self.folder.progress(self.arm), self.progress)
        save_checkpoint(self.trainer, self.folder.checkpoint(self.arm))

    # -- measurements ------------------------------------------------------------------------

    def _measure(self) -> None:
        trainer = self.trainer
        if trainer.step % MEASURE_EVERY == 0:
            counts = trainer.counts
            accuracy = self._at(trainer.curriculum.highest)
            self.progress.points.append(
                Point(trainer.step, counts.questions, counts.cpu_s, accuracy)
            )

    def _close_round(self, before: Sequence[Round], *, promoted: bool) -> None:
        """Tells a round and keeps its student."""
        self.rounds.append(self._told(promoted=promoted))
        if self.arm == "amplified" and self.trainer.step:
            self._keep_student(f"round-{self.rounds[-1].round}")
        self.folder.write_rounds([*before, *self.rounds])

    def _told(self, *, promoted: bool) -> Round:
        trainer = self.trainer
        level = trainer.curriculum.frontier
        both = self.examiner.amplified(trainer.averaged) if self.arm == "amplified" else None
        since = self.rounds[-1].step if self.rounds else 0
        return Round(
            arm=self.arm,
            round=len(self.rounds),
            step=trainer.step,
            frontier=level - promoted,
            promoted_to=level if promoted else None,
            before_first_label=self._at(level) if promoted else None,
            agreement=trainer.curriculum.probed if trainer.curriculum.probed_at else None,
            kept=_mean(self.progress.kept[since:]),
            loss_nats=_mean(self.progress.losses[since:]),
            student=self.examiner.student(trainer.averaged),
            amplified=None if both is None else both.scored,
            calls_per_answer=None if both is None else both.calls_per_answer,
            spent=Spent(**asdict(trainer.counts)),
        )

    def _at(self, level: int) -> float:
        """Accuracy at a level."""
        return score_level(self.examiner.exam, self.trainer.averaged, level)

    def _keep_student(self, name: str, metrics: dict[str, float] | None = None) -> None:
        last = self.rounds[-1]
        scores = {
            f"accuracy at {depth}": each.accuracy for depth, each in last.student.by_depth.items()
        }
        record = described(self.trainer, last.round, scores | (metrics or {}))
        save_student(self.folder.student(name), self.trainer.average, record)

    @property
    def finished(self) -> Finished:
        """What the arm came to, at its end."""
        progress = self.progress
        return Finished(self.arm, tuple(self.rounds), progress.goal, progress.wall_s)

    def keep_final(self) -> None:
        """Keeps the last student, with the bound from which a cascade may take its answers."""
        found = calibrate(self.trainer)
        self._keep_student("final", {CASCADE_BOUND: found.bound})


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
