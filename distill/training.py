"""Training: the loop that makes a student from an amplified system, step by step.

Draw questions up to the frontier, amplify them with the averaged student, train on the labels
that are trusted, move the average. Right answers are read by the supervised twins alone.
"""

from time import process_time
from typing import Final

import torch
from msgspec import Struct
from msgspec.structs import replace
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that everybody reads
from torch.optim.swa_utils import get_ema_multi_avg_fn

from decomposition.tasks import task_named
from decomposition.tasks.table import DONT_KNOW, AnyTableTask, TableTask
from distill.batch_amplifier import Amplified, Amplifier, Step
from distill.counts import Counts
from distill.curriculum import Curriculum, Schedule, curriculum
from distill.errors import BadRecipe
from distill.questions import Questions, Stream
from distill.recipe import Arm, Recipe
from distill.student import Student
from distill.vocabulary import IGNORE, Answers, Vocabulary

CHUNK: Final = 4096
"""Questions in one forward pass of an answering student, at most."""
MOST_FILLED: Final = 2
"""How many times as many questions a filled batch may hold: one read alone costs about twice."""
_GENERATORS: Final = ("weights", "stream", "offsets", "probes", "replay", "audits")
"""One for each purpose, so that arms which differ in one draw alike in all others."""


class Learned(Struct, frozen=True):
    """A batch with the labels that were trusted."""

    questions: Questions
    labels: Tensor
    """(B,) int64."""
    taken: Tensor
    """(B,) bool."""


class StepReport(Struct, frozen=True):
    """What one step did."""

    step: int
    loss_nats: float
    """Per answer symbol; 0 where no label was trusted."""
    kept: float
    """Share of the labels that were trusted."""
    agreement: float
    """Of the student in training with the labels, over the batch."""
    frontier: int
    promoted: bool


def table_task(name: str, reach: int = 0) -> AnyTableTask:
    """The task of this name.

    Raises:
        BadTask: There is none, or the reach is not one of its.
        BadRecipe: It does not work over arrays.
    """
    task = task_named(name)
    if not isinstance(task, TableTask):
        raise BadRecipe(f"{name} has no table step, so no student can be trained on it")
    return task.reaching(reach)


class Trainer:
    """A training run between two steps."""

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        arm: Arm = "amplified",
        *,
        task: AnyTableTask | None = None,
        overseer: Step | None = None,
        follows: Schedule | None = None,
    ) -> None:
        """A run at its first step.

        Args:
            recipe: What it depends on, seed apart.
            seed: Of weights, questions, offsets, probes and replay.
            arm: Which labels and questions.
            task: The recipe's task unless given.
            overseer: The task's table step unless given.
            follows: What another run asked; frontier and levels are then those of it.
        """
        self.recipe, self.seed = recipe, seed
        self.arm: Arm = arm
        self.follows, self.overseer = follows, overseer
        self.task: AnyTableTask = task or table_task(recipe.task, recipe.reach)
        self.vocabulary = Vocabulary(self.task, recipe.size)
        self.generators = {
            name: torch.Generator().manual_seed(seed * len(_GENERATORS) + place)
            for place, name in enumerate(_GENERATORS)
        }
        self.student = self._student()
        self.average = self._student()
        self.average.load_state_dict(self.student.state_dict())
        self.teacher = self.average if recipe.regime == "online" else self._frozen()
        self.optimiser = torch.optim.AdamW(
            self.student.parameters(),
            lr=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.counts = Counts()
        self.curriculum: Curriculum = curriculum(*self.vocabulary.form.levels, recipe.begin_above)
        self.step = 0
        self.buffer: list[Learned] = []
        self.asked: Questions | None = None
        """The questions of the last step."""
        self.latest: tuple[Questions, Amplified] | None = None
        """What the last step amplified, for who records rows; None for the supervised twins."""
        self.rows_digest = ""
        """Of all training rows so far; empty where nobody keeps them."""
        self._encoded: tuple[Tensor, Tensor | None] | None = None
        self.amplifier = Amplifier(self.task, recipe.size, self.taught, self.counts, overseer)
        self._stream = self._streaming("stream")
        self._probes = self._streaming("probes")

    # -- answering ---------------------------------------------------------------------------

    def taught(self, questions: Questions) -> Answers:
        """What the teacher answers: the average, or the student of the round before."""
        if self._encoded is None or self._encoded[0] is not questions.facts:
            with torch.no_grad():
                self._encoded = (questions.facts, self.teacher.encode(questions.facts))
        return answered(self.teacher, self.vocabulary, questions, self._encoded[1])

    def averaged(self, questions: Questions) -> Answers:
        """What the averaged student answers, the one that is evaluated."""
        return answered(self.average, self.vocabulary, questions)

    # -- the loop ----------------------------------------------------------------------------

    def run_step(self) -> StepReport:
        """Draws, amplifies, trains and, where the frontier is ready, promotes."""
        began = process_time()
        recipe = self.recipe
        self._encoded = None
        questions = self._stream.draw(self._stream.levels(self._mixture(), recipe.batch))
        self.asked = questions
        self.counts.questions += len(questions)
        learned = self._labelled(questions)
        loss, said = self._fit(learned)
        agreed = learned.taken & (said == learned.labels)
        self.curriculum.observe(self.task.table_levels(torch, questions.rows), agreed)
        self._replay(learned)
        self.step += 1
        self._encoded = None
        self._renew_teacher()
        promoted = self._promoted()
        self.counts.cpu_s += process_time() - began
        return StepReport(
            step=self.step,
            loss_nats=loss,
            kept=float(learned.taken.float().mean()),
            agreement=float(agreed.float().mean()),
            frontier=self.curriculum.frontier,
            promoted=promoted,
        )

    def learn(self, learned: Learned) -> float:
        """One step on labels that were made elsewhere; the loss, in nats per answer symbol."""
        began = process_time()
        self.counts.questions += len(learned.questions)
        loss, _ = self._fit(learned)
        self.step += 1
        self.counts.cpu_s += process_time() - began
        return loss

    def _mixture(self) -> list[float]:
        """How likely each level is now; the same as in the run that an arm follows."""
        told = None if self.follows is None else self.follows.mixture(self.step)
        if told is None or self.arm in {"supervised_uniform", "frozen_frontier"}:
            return self.curriculum.mixed(self.step, self.recipe, self.arm)
        return told

    @property
    def finished(self) -> bool:
        """Whether the student has settled at the highest level, or the steps are used up."""
        return self.step >= self.recipe.most_steps or self._settled() >= 1

    def _settled(self) -> float:
        """How far the student has settled, from 0 before the highest level to 1."""
        reached = self._top_reached_at()
        if reached is None:
            return 0.0
        return max(0.0, min(1.0, (self.step - reached) / max(1, self.recipe.settle_steps)))

    def _top_reached_at(self) -> int | None:
        """The step at which this run, or the one that it follows, reached the highest level."""
        if self.follows is None or not self.follows.promotions:
            return self.curriculum.reached_top_at
        return self.follows.top_reached_at(self.curriculum.highest)

    def _learning_rate(self) -> float:
        recipe = self.recipe
        warm = min(1.0, (self.step + 1) / max(1, recipe.warm_up_steps))
        return recipe.learning_rate * warm * (1 - self._settled() * (1 - recipe.settled_rate))

    def _labelled(self, questions: Questions) -> Learned:
        if self.arm in {"supervised", "supervised_uniform"}:
            self.counts.task_labels += len(questions)
            truth = self.task.table_truth(
                torch, questions.rows, questions.facts, questions.contexts
            )
            return Learned(questions, truth, torch.ones(len(questions), dtype=torch.bool))
        amplified = self.amplifier.amplify(questions, self._audits(len(questions)))
        self.counts.kept += int(amplified.kept.sum())
        self.latest = (questions, amplified)
        if self.arm == "self_training":
            return self._own(questions, amplified)
        return Learned(questions, amplified.labels, amplified.kept)

    def _own(self, questions: Questions, amplified: Amplified) -> Learned:
        """Labels of H alone where it needs no X, else the teacher's own answers."""
        alone = ~amplified.by_student.any(1)
        own = self.taught(questions).values
        self.counts.student_forwards += len(questions)
        labels = torch.where(alone, amplified.labels, own)
        return Learned(questions, labels, labels != DONT_KNOW)

    def _audits(self, count: int) -> Tensor:
        drawn = torch.rand(count, generator=self.generators["audits"])
        return drawn < self.recipe.audit_share

    def _fit(self, learned: Learned) -> tuple[float, Tensor]:
        """One step of the optimiser; the loss and what the student said before it."""
        places = self.student.architecture.places
        offsets = self.generators["offsets"] if self.recipe.offsets else None
        reading = self.vocabulary.read(learned.questions, places, offsets)
        log_probabilities = self.student(reading)  # (B, A, V)
        targets = self.vocabulary.targets(learned.questions, learned.labels, learned.taken)
        loss = answer_loss(log_probabilities, targets)
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.recipe.clip, foreach=True)
        self.optimiser.step()  # pyright: ignore[reportUnknownMemberType]
        self._move_average()
        said = self.vocabulary.answers(learned.questions, log_probabilities.detach()).values
        return float(loss.detach()), said

    @torch.no_grad()
    def _move_average(self) -> None:
        kept = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        get_ema_multi_avg_fn(kept)(
            list(self.average.parameters()), list(self.student.parameters()), self.step
        )

    def _replay(self, learned: Learned) -> None:
        """Now and then one more step on an earlier batch, with the labels that it had."""
        recipe = self.recipe
        if not recipe.replay:
            return
        chance = torch.rand(2, generator=self.generators["replay"])
        if self.buffer and float(chance[0]) < recipe.replay:
            self._fit(self.buffer[int(chance[1] * len(self.buffer))])
        self.buffer = [*self.buffer[-recipe.replayed_batches + 1 :], learned]

    # -- rounds ------------------------------------------------------------------------------

    def probe(self) -> float:
        """How often the averaged student and the amplified system agree on the frontier."""
        level = torch.full((self.recipe.probe_questions,), self.curriculum.frontier)
        questions = self._probes.draw(level)
        self.counts.probes += len(questions)
        self.counts.student_forwards += len(questions)
        everything = torch.ones(len(questions), dtype=torch.bool)
        amplified = self.amplifier.amplify(questions, everything)
        own = self.averaged(questions).values
        return float((amplified.kept & (own == amplified.labels)).float().mean())

    def _promoted(self) -> bool:
        if self.follows is not None:
            return self._followed(self.follows)
        if self.arm == "supervised_uniform" or self._stands():
            return False
        between = self.recipe.regime == "frozen" and not self._frozen_now()
        if between or not self.curriculum.probe_due(self.step, self.recipe):
            return False
        return self.curriculum.judge(self.step, self.probe(), self.recipe)

    def _followed(self, follows: Schedule) -> bool:
        due = follows.promotion(self.step)
        if due is None or self._stands():
            return False
        self.curriculum.promote(due)
        return True

    def _stands(self) -> bool:
        """Whether the frontier is frozen: at the highest level that H labels without X."""
        frozen = self.arm == "frozen_frontier"
        return frozen and self.curriculum.frontier > self.curriculum.lowest

    def _renew_teacher(self) -> None:
        """A frozen teacher gives way to the average at the end of its round."""
        if self._frozen_now():
            self.teacher.load_state_dict(self.average.state_dict())

    def _frozen_now(self) -> bool:
        return self.recipe.regime == "frozen" and self.step % self.recipe.round_steps == 0

    # -- making ------------------------------------------------------------------------------

    def _student(self) -> Student:
        return Student(self.vocabulary.architecture(self.recipe), self.generators["weights"])

    def _frozen(self) -> Student:
        teacher = self._student()
        teacher.load_state_dict(self.average.state_dict())
        return teacher

    def _streaming(self, name: str) -> Stream:
        return Stream(
            self.task,
            self.recipe.size,
            self.generators[name],
            per_context=self.recipe.per_context,
        )


def answered(
    student: Student, vocabulary: Vocabulary, questions: Questions, encoded: Tensor | None = None
) -> Answers:
    """A student's answers, in chunks, without an offset.

    Args:
        student: Who answers.
        vocabulary: The student's.
        questions: Any number.
        encoded: Their facts (C, N, D) as the same student encoded them; None to do it here.
    """
    if len(questions) <= CHUNK:
        return _answered(student, vocabulary, questions, encoded)
    places = torch.arange(len(questions))
    parts = [
        _answered(student, vocabulary, questions.at(places[first : first + CHUNK]), encoded)
        for first in range(0, len(questions), CHUNK)
    ]
    return Answers(
        torch.cat([part.values for part in parts]), torch.cat([part.confidence for part in parts])
    )


@torch.no_grad()
def _answered(
    student: Student, vocabulary: Vocabulary, questions: Questions, encoded: Tensor | None
) -> Answers:
    together = _together(questions)
    if together is None:
        return _read(student, vocabulary, questions, encoded)
    found = _read(student, vocabulary, together[0], encoded)
    return Answers(found.values[together[1]], found.confidence[together[1]])


def _read(
    student: Student, vocabulary: Vocabulary, questions: Questions, encoded: Tensor | None
) -> Answers:
    reading = vocabulary.read(questions, student.architecture.places)
    reading = replace(reading, encoded=encoded)
    return vocabulary.answers(questions, student(reading))


def _together(questions: Questions) -> tuple[Questions, Tensor] | None:
    """The questions of each context side by side, and where each of them stands (B,) int64.

    Facts are then read once for a context instead of once for a question. Contexts with fewer
    questions are filled up; None where that, or what there is to gain, is not worth it.
    """
    count, contexts = len(questions), questions.facts.shape[0]
    if questions.per_context or not questions.facts.numel() or count < 2 * contexts:
        return None
    asked = torch.bincount(questions.contexts, minlength=contexts)  # (C,)
    most = int(asked.max())
    if contexts * most > MOST_FILLED * count:
        return None
    order = questions.contexts.argsort(stable=True)  # (B,)
    first = asked.cumsum(0) - asked  # (C,)
    column = torch.arange(count) - first.repeat_interleave(asked)  # (B,)
    places = torch.empty_like(order)
    places[order] = questions.contexts[order] * most + column
    rows = questions.rows[:1].repeat(contexts * most, 1)  # (C * Q, F)
    rows[places] = questions.rows
    every = torch.arange(contexts).repeat_interleave(most)  # (C * Q,)
    return Questions(rows, every, questions.facts, questions.seeds, most), places


def answer_loss(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of the answer symbols, in nats per symbol.

    Args:
        log_probabilities: (B, A, V) float.
        targets: (B, A) int64, `IGNORE` where no loss is taken.

    Returns:
        () float. Zero if no symbol takes a loss.
    """
    total = F.nll_loss(
        log_probabilities.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum"
    )
    return total / (targets != IGNORE).sum().clamp(min=1)
