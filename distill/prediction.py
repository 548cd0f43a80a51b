"""Predictions: where rounds must end, from the task and its overseer alone; nothing is trained.

The overseer answers all the way down, with the environment at the leaves. What it comes to is the
fixed point of a learner without limits, and how high its trees are is the round in which such a
learner gets there. Right answers are not read: an overseer that is wrong is predicted as it is.
"""

from collections.abc import Callable
from typing import Final, cast

import torch
from msgspec import Struct
from msgspec.structs import replace
from torch import Tensor

from decomposition.tasks.table import DONT_KNOW, AnyTableTask
from distill.batch_amplifier import Amplifier, Step
from distill.counts import Counts
from distill.curriculum import curriculum
from distill.questions import Questions, Stream
from distill.recipe import Recipe
from distill.vocabulary import Answers

PER_LEVEL: Final = 512
"""Questions of a level from which its share of labels is told."""
_SEED: Final = 104_729

Unique = Callable[..., tuple[Tensor, Tensor]]
"""What `torch.unique` is where it tells the places, too."""


class Recursed(Struct, frozen=True):
    """What an overseer that answers its own subquestions comes to."""

    answers: Tensor
    """(B,) int64, `DONT_KNOW` where it abstains."""
    rounds: Tensor
    """(B,) int64: after how many rounds a table has the answer: one more than the hardest of the
    subquestions that were asked of the student, 1 where there are none."""


class Reach(Struct, frozen=True):
    """How far the frontier of a run can move."""

    frontier: int
    """Where it stops."""
    labelled: dict[int, float]
    """Share of a level's questions that get a label."""


def recursed(task: AnyTableTask, size: int, questions: Questions, step: Step) -> Recursed:
    """The overseer's answers to its own questions, all the way down.

    One that asks itself without end does not know: no tree is higher than there are levels.
    """
    low, high = task.table_form(size).levels
    return _recursed(task, size, questions, step, high - low + 1)


def _recursed(
    task: AnyTableTask, size: int, questions: Questions, step: Step, left: int
) -> Recursed:
    below: list[Tensor] = []

    def answer(asked: Questions) -> Answers:
        if not left:
            return _nothing(asked)
        different, where = _different(asked)
        found = _recursed(task, size, different, step, left - 1)
        below.append(found.rounds[where])
        return Answers(found.answers[where], torch.ones(len(asked)))

    amplified = Amplifier(task, size, answer, Counts(), step).amplify(questions)
    rounds = torch.ones(len(questions), dtype=torch.int64)
    asked = [column for column in amplified.by_student.unbind(1) if bool(column.any())]
    # The amplifier asks column by column, and each column in the order of the questions.
    for column, parts in zip(asked, below, strict=False):
        rounds[column] = torch.maximum(rounds[column], parts + 1)
    return Recursed(amplified.labels, rounds)


def _different(asked: Questions) -> tuple[Questions, Tensor]:
    """Each question once, and where each of those that were asked stands among them."""
    whole = torch.cat((asked.contexts[:, None], asked.rows), 1)
    unique = cast("Unique", torch.unique)  # pyright: ignore[reportUnknownMemberType]
    once, where = unique(whole, dim=0, return_inverse=True)
    return replace(asked, rows=once[:, 1:], contexts=once[:, 0], per_context=0), where


def _nothing(asked: Questions) -> Answers:
    return Answers(torch.full((len(asked),), DONT_KNOW), torch.zeros(len(asked)))


def reach(recipe: Recipe, task: AnyTableTask, step: Step, seed: int = 0) -> Reach:
    """Where the frontier stops if the student learns all that is labelled, and nothing else.

    Agreement on a level is at most the share of it that gets a label, so the frontier stays at
    the first level where that is too little to be promoted.

    Args:
        recipe: Of the run.
        task: The recipe's.
        step: The overseer.
        seed: Of the questions from which shares are told.
    """
    generator = torch.Generator().manual_seed(seed + _SEED)
    stream = Stream(task, recipe.size, generator, per_context=recipe.per_context)
    low, high = task.table_form(recipe.size).levels
    labelled = {
        level: _labelled(task, recipe, stream.draw(torch.full((PER_LEVEL,), level)), step)
        for level in range(low, high + 1)
    }
    frontier = curriculum(low, high, recipe.begin_above).frontier
    while frontier < high and labelled[frontier] >= recipe.promote_at:
        frontier += 1
    return Reach(frontier, labelled)


def _labelled(task: AnyTableTask, recipe: Recipe, questions: Questions, step: Step) -> float:
    answers = recursed(task, recipe.size, questions, step).answers
    return float((answers != DONT_KNOW).float().mean())
