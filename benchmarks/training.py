"""Training and answering: what our loop costs over the same model without it, and who is faster.

    python -m benchmarks.training [--tasks arithmetic,permutation] [--runs 5] [--json]

Three comparisons, medians over interleaved runs, CPU seconds of one thread:

- the training step against a bare loop over the very same batches, drawn and labelled before it
  begins: forward, backward, clip, AdamW, moving average; both end with the same weights bit for
  bit, or the benchmark fails. The supervised arm shows what the loop costs, the amplified arm what
  its labels cost on top;
- questions a second that the student answers in batch, and that are amplified in batch;
- questions a second that the engine amplifies, with the same student below, every event recorded.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import process_time

import torch
from msgspec import Struct
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from decomposition.loop import Loop
from decomposition.ports import Authorship
from decomposition.session import Session
from decomposition.tasks.table import DONT_KNOW
from distill.curriculum import Promotion
from distill.folder import described, save_student
from distill.questions import Questions, Stream
from distill.recipe import Arm, Recipe, preset
from distill.student import Reading, Student
from distill.threads import set_threads, threads
from distill.training import Trainer, answer_loss
from traces.store import Store
from workbench.clock import SystemClock
from workbench.options import Options
from workbench.wiring import setting_of

WARM = 10
"""Steps before the clock starts."""
STEPS = 60
BATCH = 4096
"""Questions that are answered in batch."""
WORKED = 256
"""Questions that the engine works."""
TRAINED = 100
"""Steps of the student that answers."""
AGREE = 0.99
"""Share of answers in which engine and batch must agree; a student's numbers depend on what else is
in its batch by a rounding, so that a close call may fall the other way."""


class Batch(Struct, frozen=True):
    """All that a step needs."""

    reading: Reading
    targets: Tensor
    """(B, A) int64."""
    learning_rate: float

    @property
    def tokens(self) -> int:
        """Tokens and answer slots."""
        return self.reading.symbols.numel() + self.targets.numel()


class Row(Struct, frozen=True):
    """Medians of one task."""

    task: str
    runs: int
    ours: float
    """Tokens a second of the supervised arm."""
    bare: float
    """Of the bare loop on its batches."""
    over_bare: float
    """Median ratio, run by run; so are the others."""
    amplified: float
    """Tokens a second of the amplified arm."""
    amplified_over_bare: float
    answers: float
    """Of the student in batch, a second."""
    batch: float
    """Questions amplified in batch, a second."""
    answers_over_batch: float
    engine: float
    """Questions amplified by the engine, a second."""
    batch_over_engine: float


# -- training ----------------------------------------------------------------------------------


def at_the_top(recipe: Recipe, arm: Arm) -> Trainer:
    """A run whose frontier is at the highest level from the first step."""
    trainer = Trainer(recipe, 0, arm)
    levels = trainer.curriculum
    levels.promote(Promotion(0, levels.highest, 0.0))
    return trainer


def recorded(recipe: Recipe, arm: Arm) -> tuple[list[Batch], Trainer]:
    """What a run trains on, and the run at its end."""
    trainer = at_the_top(recipe, arm)
    offsets = torch.Generator()
    offsets.set_state(trainer.generators["offsets"].get_state())
    batches: list[Batch] = []
    for _ in range(WARM + STEPS):
        trainer.run_step()
        places = trainer.student.architecture.places
        questions, labels, taken = labelled(trainer)
        reading = trainer.vocabulary.read(questions, places, offsets if recipe.offsets else None)
        targets = trainer.vocabulary.targets(questions, labels, taken)
        batches.append(Batch(reading, targets, trainer.optimiser.param_groups[0]["lr"]))
    return batches, trainer


def labelled(trainer: Trainer) -> tuple[Questions, Tensor, Tensor]:
    """The questions of the last step, their labels, and which were trusted."""
    if trainer.latest is not None:
        questions, amplified = trainer.latest
        return questions, amplified.labels, amplified.kept
    questions = trainer.asked
    if questions is None:
        raise ValueError("no step was taken")
    truth = trainer.task.table_truth(torch, questions.rows, questions.facts, questions.contexts)
    return questions, truth, torch.ones(len(questions), dtype=torch.bool)


def ours(recipe: Recipe, arm: Arm) -> float:
    """CPU seconds of our loop."""
    trainer = at_the_top(recipe, arm)
    for _ in range(WARM):
        trainer.run_step()
    began = process_time()
    for _ in range(STEPS):
        trainer.run_step()
    return process_time() - began


def bare(recipe: Recipe, batches: Sequence[Batch], ended: Trainer) -> float:
    """CPU seconds of a bare loop over the same batches.

    Raises:
        ValueError: It ends with other weights than the run.
    """
    begun = at_the_top(recipe, ended.arm)
    student, average, optimiser = begun.student, begun.average, begun.optimiser
    began = process_time()
    for step, batch in enumerate(batches):
        if step == WARM:
            began = process_time()
        loss = answer_loss(student(batch.reading), batch.targets)
        for group in optimiser.param_groups:
            group["lr"] = batch.learning_rate
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        torch.nn.utils.clip_grad_norm_(student.parameters(), recipe.clip, foreach=True)
        optimiser.step()  # pyright: ignore[reportUnknownMemberType]
        move(average, student, min(recipe.ema, (1 + step) / (10 + step)), step)
    took = process_time() - began
    for own, other in ((student, ended.student), (average, ended.average)):
        if any(not torch.equal(a, b) for a, b in zip(own.parameters(), other.parameters())):  # noqa: B905
            raise ValueError("the bare loop came to other weights")
    return took


@torch.no_grad()
def move(average: Student, student: Student, kept: float, step: int) -> None:
    """One step of the moving average."""
    get_ema_multi_avg_fn(kept)(list(average.parameters()), list(student.parameters()), step)


# -- answering ---------------------------------------------------------------------------------


class Answering:
    """A student that can be asked in batch and in the engine, in all three ways the same."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self._trainer = trainer = Trainer(recipe, 0, "supervised_uniform")
        for _ in range(TRAINED):
            trainer.run_step()
        save_student(folder / "student", trainer.average, described(trainer))
        self._folder = folder
        self._runs = 0
        generator = torch.Generator().manual_seed(1)
        stream = Stream(trainer.task, recipe.size, generator, per_context=recipe.per_context)
        low, high = trainer.vocabulary.form.levels
        self._asked = stream.draw(stream.levels([0.0, *[1.0] * (high - low)], BATCH))

    def answers(self) -> float:
        """CPU seconds of a student's answer, in batch."""
        began = process_time()
        self._trainer.averaged(self._asked)
        return (process_time() - began) / BATCH

    def batch(self) -> float:
        """CPU seconds of an amplified answer, in batch."""
        began = process_time()
        self._trainer.amplifier.amplify(self._asked)
        return (process_time() - began) / BATCH

    def engine(self) -> float:
        """CPU seconds of an amplified answer of the engine, recorded.

        Raises:
            ValueError: The answers are not those of the batch.
        """
        task, asked = self._trainer.task, self._asked
        options = Options(policy="amplify", student=str(self._folder / "student"))
        setting, _ = setting_of(options, task)
        clock = SystemClock()
        engine = Authorship("", "engine", clock.wall_us(), clock.monotonic_us())
        facts = [task.make(self._trainer.recipe.size, seed) for seed in asked.seeds]
        sessions: list[Session] = []
        self._runs += 1
        with Store.open(self._folder / f"{self._runs}.db") as store:
            began = process_time()
            for place in range(WORKED):
                question = task.table_question([int(each) for each in asked.rows[place]])
                row = store.register.open_session(now_us=clock.wall_us())
                session = Session(row.number, setting, engine)
                root = task.root(question, facts[int(asked.contexts[place])])
                session.begin(root, task.fuel(question))
                sessions.append(session)
            asyncio.run(Loop(store, clock).run(iter(sessions), WORKED))
            took = process_time() - began
        self._compare([session.outlook().answer for session in sessions])
        return took / WORKED

    def _compare(self, told: Sequence[str]) -> None:
        labels = self._trainer.amplifier.amplify(self._asked).labels[:WORKED]
        task = self._trainer.task
        wanted = ["" if each == DONT_KNOW else task.table_written(int(each)) for each in labels]
        same = sum(own == other for own, other in zip(told, wanted, strict=True)) / WORKED
        if same < AGREE:
            raise ValueError(f"engine and batch agree in {same:.3f} of the answers")


# -- all ---------------------------------------------------------------------------------------


def measured(task: str, runs: int) -> Row:
    """Every comparison of a task, interleaved run by run."""
    recipe = preset(task, "small")
    uniform, ended = recorded(recipe, "supervised_uniform")
    own, ended_own = recorded(recipe, "amplified")
    tokens, own_tokens = (sum(each.tokens for each in part[WARM:]) for part in (uniform, own))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        answering = Answering(recipe, Path(folder))
        told = [
            [
                tokens / ours(recipe, "supervised_uniform"),
                tokens / bare(recipe, uniform, ended),
                own_tokens / ours(recipe, "amplified"),
                own_tokens / bare(recipe, own, ended_own),
                1 / answering.answers(),
                1 / answering.batch(),
                1 / answering.engine(),
            ]
            for _ in range(runs)
        ]
    middle = [median(column) for column in zip(*told, strict=True)]
    return Row(
        task=task,
        runs=runs,
        ours=middle[0],
        bare=middle[1],
        over_bare=median(row[0] / row[1] for row in told),
        amplified=middle[2],
        amplified_over_bare=median(row[2] / row[3] for row in told),
        answers=middle[4],
        batch=middle[5],
        answers_over_batch=median(row[4] / row[5] for row in told),
        engine=middle[6],
        batch_over_engine=median(row[5] / row[6] for row in told),
    )


def report(rows: Sequence[Row]) -> None:
    """One table."""
    print(f"medians of {rows[0].runs} interleaved runs, CPU seconds, {threads()} thread")
    print(f"{'':<38}" + "".join(f"{row.task:>14}" for row in rows))
    for name, field, form in (
        ("bare loop, tokens/s", "bare", ",.0f"),
        ("supervised arm, tokens/s", "ours", ",.0f"),
        ("  over the bare loop", "over_bare", ".2f"),
        ("amplified arm, tokens/s", "amplified", ",.0f"),
        ("  over its bare loop", "amplified_over_bare", ".2f"),
        ("student in batch, answers/s", "answers", ",.0f"),
        ("amplified in batch, questions/s", "batch", ",.0f"),
        ("  student over amplified", "answers_over_batch", ".2f"),
        ("amplified by the engine, questions/s", "engine", ",.0f"),
        ("  batch over engine", "batch_over_engine", ",.0f"),
    ):
        print(f"{name:<38}" + "".join(f"{format(getattr(row, field), form):>14}" for row in rows))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="arithmetic,permutation")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    set_threads()
    rows = [measured(task, options.runs) for task in options.tasks.split(",")]
    if options.json:
        told = [{name: getattr(row, name) for name in Row.__struct_fields__} for row in rows]
        print(json.dumps(told))
    else:
        report(rows)


if __name__ == "__main__":
    main()
