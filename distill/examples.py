"""Examples: what training learns from, as values that a store keeps and a fit takes.

A row is made of a training step's questions and everything that their labels rest on. An example is
a question about a context with an answer and its weight, from wherever it was recorded. Right
answers are no part of either.
"""

from collections.abc import Iterable, Sequence

import torch
from msgspec import Struct
from torch import Tensor

from decomposition.errors import EngineBug
from decomposition.tasks.table import AnyTableTask
from distill.batch_amplifier import Amplified
from distill.questions import Questions
from distill.recipe import Recipe
from distill.training import Trainer
from traces.training_rows import AUDITED, KEPT, StepRows

# -- rows --------------------------------------------------------------------------------------


def step_rows(trainer: Trainer) -> StepRows:
    """The rows of the step that a run took last.

    Raises:
        EngineBug: It amplified nothing.
    """
    if trainer.latest is None:
        raise EngineBug("rows are made of what was amplified, and nothing was")
    questions, amplified = trainer.latest
    return StepRows(
        trainer.step,
        teacher_step(trainer.recipe, trainer.step),
        len(questions),
        questions.rows.shape[1],
        amplified.subanswers.shape[1],
        _numbers(questions, amplified),
        amplified.confidence.numpy().astype("<f4").tobytes(),
        (amplified.audited * AUDITED + amplified.kept * KEPT).to(torch.uint8).numpy().tobytes(),
    )


def _numbers(questions: Questions, amplified: Amplified) -> bytes:
    seeds = torch.tensor(questions.seeds)[questions.contexts]  # (B,)
    columns = (
        seeds[:, None],
        questions.rows,
        amplified.labels[:, None],
        amplified.subanswers,
        amplified.subquestions.flatten(1),
    )
    table = torch.cat(columns, 1)  # (B, 2 + F + S + S * F)
    return table.T.contiguous().numpy().astype("<i8").tobytes()


def teacher_step(recipe: Recipe, step: int) -> int:
    """Steps after which the averaged student stood as it answers in a step.

    Args:
        recipe: Of the run.
        step: Number of the step, from 1.
    """
    before = step - 1
    return before if recipe.regime == "online" else before - before % recipe.round_steps


class Alike(Struct, frozen=True):
    """The rows of a run that are like a question."""

    rows: int
    """All rows."""
    kept: int
    """All that were trained on."""
    same: int
    """Trained on, with this very question, about whatever context."""
    level: int
    """Trained on, with a question of the same level."""
    nearest: tuple[tuple[int, int], ...]
    """Step and place of the nearest that were trained on, the latest first."""


def alike(
    task: AnyTableTask, steps: Iterable[StepRows], question: Sequence[int] | None, most: int
) -> Alike:
    """What a run's student was taught about a question and others like it.

    Args:
        task: Of the rows.
        steps: In their order.
        question: As a row; None for any, the latest of the highest level being the nearest.
        most: Rows that are named.
    """
    counts = torch.zeros(4, dtype=torch.int64)
    same: list[tuple[int, int]] = []
    near: list[tuple[int, int]] = []
    highest = -1
    asked = None if question is None else torch.tensor([list(question)])  # (1, F)
    for step in steps:
        rows, kept = _questions(step)
        levels = task.table_levels(torch, rows)
        equal = kept & (rows == asked).all(1) if asked is not None else torch.zeros_like(kept)
        if asked is None and int(levels.max()) > highest:
            highest, near = int(levels.max()), []
        wanted = highest if asked is None else int(task.table_levels(torch, asked)[0])
        level = kept & (levels == wanted)
        counts += torch.stack((torch.ones_like(kept).sum(), kept.sum(), equal.sum(), level.sum()))
        same = _latest(same, step.step, equal, most)
        near = _latest(near, step.step, level & ~equal, most)
    rows_, kept_, same_, level_ = (int(each) for each in counts)
    return Alike(rows_, kept_, same_, level_, tuple([*same, *near][:most]))


def _latest(
    before: list[tuple[int, int]], step: int, chosen: Tensor, most: int
) -> list[tuple[int, int]]:
    places = [int(place) for place in chosen.nonzero()[:most, 0]]
    return [*((step, place) for place in places), *before][:most]


def _questions(step: StepRows) -> tuple[Tensor, Tensor]:
    """The questions (B, F) of a step, and which were trained on (B,)."""
    numbers = torch.frombuffer(bytearray(step.numbers), dtype=torch.int64)
    table = numbers.view(-1, step.count)  # (2 + F + S + S * F, B)
    flags = torch.frombuffer(bytearray(step.flags), dtype=torch.uint8)
    return table[1 : 1 + step.fields].T.contiguous(), (flags & KEPT) != 0
