"""Fits: one student trained on recorded examples, without an amplifier at work.

Examples are drawn with their weights, those about contexts (or, without any, those questions) that
are held out everywhere else never. What is told of a fit is its agreement with held out examples:
right answers are unknown here.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Final

import msgspec
import torch
from msgspec import Struct
from msgspec.structs import replace
from torch import Tensor

from decomposition.tasks.base import Facts
from decomposition.tasks.table import AnyTableTask
from distill.curriculum import Promotion, Schedule
from distill.errors import BadRecipe
from distill.questions import Questions, about, contexts_held_out, rows_held_out
from distill.recipe import PRESETS, Recipe
from distill.training import Learned, Trainer, table_task

SETTLING: Final = 3
"""One in so many steps at the end has a falling learning rate."""


class Example(Struct, frozen=True):
    """A question about a context with an answer that was recorded."""

    facts: Facts
    row: tuple[int, ...]
    answer: int
    weight: float
    """Agreement of whoever answered, from 0 to 1."""


class Sorted(Struct, frozen=True):
    """Examples that one student can take, told apart."""

    size: int
    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    unfit: int
    """Of another size, or of a level that is out of reach."""

    @property
    def digest(self) -> str:
        """Hash of everything that is trained on, in its order."""
        state = blake2b(digest_size=32)
        for each in self.train:
            state.update(msgspec.json.encode(each))
        return f"b2:{state.hexdigest()}"


def sort(task: AnyTableTask, examples: Sequence[Example]) -> Sorted:
    """The examples of the commonest size, by whether they are held out."""
    fitting = [each for each in examples if each.weight > 0]
    size = _size(task, fitting)
    if not size:
        return Sorted(0, (), (), len(examples))
    highest = task.table_form(size).levels[1]
    rows = torch.tensor([each.row for each in fitting])
    levels = task.table_levels(torch, rows)
    fits = [
        each
        for each, level in zip(fitting, levels, strict=True)
        if int(level) <= highest and each.facts.size in {0, size}
    ]
    held = _held_out(task, fits)
    return Sorted(
        size,
        tuple(each for each, out in zip(fits, held, strict=True) if not out),
        tuple(each for each, out in zip(fits, held, strict=True) if out),
        len(examples) - len(fits),
    )


def _size(task: AnyTableTask, examples: Sequence[Example]) -> int:
    """The commonest size of a context; without contexts the smallest that holds all questions."""
    if not examples:
        return 0
    least, most = task.table_sizes
    if task.has_facts:
        sizes = [each.facts.size for each in examples if least <= each.facts.size <= most]
        return max(sorted(set(sizes)), key=sizes.count, default=0)
    levels = task.table_levels(torch, torch.tensor([each.row for each in examples]))
    sizes = list(range(least, most + 1))
    tops = [task.table_form(size).levels[1] for size in sizes]
    return next(
        (size for size, top in zip(sizes, tops, strict=True) if top >= int(levels.max())), most
    )


def _held_out(task: AnyTableTask, examples: Sequence[Example]) -> list[bool]:
    if not examples:
        return []
    if task.has_facts:
        return contexts_held_out(task, [each.facts for each in examples])
    rows = torch.tensor([each.row for each in examples])
    seen = task.table_levels(torch, rows) == task.table_form(task.table_sizes[0]).levels[0]
    return [bool(out) for out in rows_held_out(task, rows) & ~seen]


def recipe_of(task: AnyTableTask, size: int, steps: int) -> Recipe:
    """The task's small recipe at a size, for so many steps.

    Raises:
        BadRecipe: The task has none.
    """
    settling = max(1, steps // SETTLING)
    return replace(_small(task), size=size, most_steps=steps, settle_steps=settling)


def as_learnt(task: AnyTableTask) -> AnyTableTask:
    """The task with the reach that its small recipe has.

    Raises:
        BadRecipe: It has none.
    """
    return table_task(task.name, _small(task).reach)


def _small(task: AnyTableTask) -> Recipe:
    found = PRESETS.get((task.name, "small"))
    if found is None:
        raise BadRecipe(f"no recipe says how a student of {task.name} is trained")
    return found


def fit(
    trainer: Trainer, examples: Sequence[Example], tell: Callable[[Trainer, float], None]
) -> None:
    """Trains to the end of the recipe's steps.

    Args:
        trainer: At its beginning, or as a checkpoint had it.
        examples: To train on.
        tell: Called after each step, with the loss.
    """
    recipe = trainer.recipe
    # A run whose rate falls in its last steps, whichever level it began at.
    falls_from = recipe.most_steps - recipe.settle_steps
    trainer.follows = Schedule([Promotion(falls_from, trainer.curriculum.highest, 0.0)])
    weights = torch.tensor([each.weight for each in examples], dtype=torch.float64)
    while trainer.step < recipe.most_steps:
        drawn = torch.multinomial(
            weights, recipe.batch, replacement=True, generator=trainer.generators["stream"]
        )
        batch = [examples[int(place)] for place in drawn]
        tell(trainer, trainer.learn(learned(trainer.task, batch)))


def learned(task: AnyTableTask, examples: Sequence[Example]) -> Learned:
    """Examples as a batch whose labels are all trusted."""
    labels = torch.tensor([each.answer for each in examples])
    return Learned(asked(task, examples), labels, torch.ones(len(labels), dtype=torch.bool))


def asked(task: AnyTableTask, examples: Sequence[Example]) -> Questions:
    """The questions of examples, contexts side by side."""
    places: dict[Facts, int] = {}
    contexts = [places.setdefault(each.facts, len(places)) for each in examples]
    rows = torch.tensor([each.row for each in examples])
    return about(task, rows, torch.tensor(contexts), list(places))


def agreement(trainer: Trainer, examples: Sequence[Example]) -> float | None:
    """Share of examples that the averaged student answers as they were recorded."""
    if not examples:
        return None
    labels = torch.tensor([each.answer for each in examples])
    return _share(trainer.averaged(asked(trainer.task, examples)).values == labels)


def _share(hits: Tensor) -> float:
    return float(hits.float().mean())


def levels(task: AnyTableTask, examples: Iterable[Example]) -> dict[int, int]:
    """How many examples there are of each level."""
    rows = [each.row for each in examples]
    if not rows:
        return {}
    found = task.table_levels(torch, torch.tensor(rows))
    return {int(level): int((found == level).sum()) for level in found.unique()}
