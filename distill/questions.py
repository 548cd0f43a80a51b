"""Questions: rows of one task about shared contexts, and the streams that draw them.

Part of everything that can be asked is held out for evaluation: by context where there are
contexts, else by question. No stream for training ever draws what is held out.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import torch
from msgspec import Struct
from torch import Tensor

from decomposition.tasks.base import Facts
from decomposition.tasks.table import AnyTableTask
from distill.errors import BadRecipe

HELD_OUT: Final = 16
"""One context (or question) of so many is held out."""
DRAWS: Final = 1 << 62
_TRIES: Final = 64
"""Draws of contexts without one of the wanted part, after which there is taken to be none."""
_MIXERS: Final = (-7046029254386353131, -4658895280553007687)


class Questions(Struct, frozen=True):
    """B questions about C contexts."""

    rows: Tensor
    """(B, F) int64."""
    contexts: Tensor
    """(B,) int64: which context each question is about."""
    facts: Tensor
    """(C, N, K) int64; (1, 0, 0) for a task without facts."""
    seeds: tuple[int, ...] = (0,)
    """Of the C contexts."""
    per_context: int = 0
    """Questions of each context, which follow each other in order; 0 for any other order."""

    def __len__(self) -> int:
        return self.rows.shape[0]

    def at(self, chosen: Tensor) -> "Questions":
        """The questions at these places (B',) int64, or where this mask (B,) bool holds."""
        return Questions(self.rows[chosen], self.contexts[chosen], self.facts, self.seeds)

    def asking(self, rows: Tensor, chosen: Tensor) -> "Questions":
        """Other rows (B', F) about the contexts of the questions at these places (B',)."""
        return Questions(rows, self.contexts[chosen], self.facts, self.seeds)


class Stream:
    """Draws questions of wanted levels; its generator is all the state it has."""

    def __init__(
        self,
        task: AnyTableTask,
        size: int,
        generator: torch.Generator,
        *,
        per_context: int = 1,
        held_out: bool = False,
    ) -> None:
        self.task = task
        self.size = size
        self.generator = generator
        self._per_context = per_context
        self._held_out = held_out

    def draw(self, levels: Tensor) -> Questions:
        """One question for each level (B,): all held out, or none. The lowest level is all seen."""
        if self.task.has_facts:
            return self._about_contexts(levels)
        rows = self._rows(levels)
        fixed = levels == self.task.table_form(self.size).levels[0]
        while len(wrong := self._wrong(rows, fixed)):
            rows[wrong] = self._rows(levels[wrong])
        return bare(rows)

    def levels(self, weights: Sequence[float], count: int) -> Tensor:
        """(count,) int64: levels from the lowest upward, drawn with these weights."""
        drawn = torch.multinomial(
            torch.tensor(weights, dtype=torch.float64),
            count,
            replacement=True,
            generator=self.generator,
        )
        return drawn + self.task.table_form(self.size).levels[0]

    def _wrong(self, rows: Tensor, fixed: Tensor) -> Tensor:
        """(B',) int64: which rows belong to the other part."""
        return ((rows_held_out(self.task, rows) != self._held_out) & ~fixed).nonzero()[:, 0]

    def _rows(self, levels: Tensor) -> Tensor:
        fields = self.task.table_form(self.size).fields
        draws = torch.randint(0, DRAWS, (levels.shape[0], fields), generator=self.generator)
        return self.task.table_draw(torch, draws, levels, self.size)  # (B, F)

    def _about_contexts(self, levels: Tensor) -> Questions:
        """Questions in groups, each group about a context of its own.

        Raises:
            BadRecipe: There are too few contexts of this size for any to be held out.
        """
        count = -(-levels.shape[0] // self._per_context)
        made: list[Facts] = []
        tries = 0
        while len(made) < count:
            made += self._contexts(HELD_OUT * count if self._held_out else count)
            tries += 1
            if not made and tries >= _TRIES:
                raise BadRecipe(
                    f"contexts of size {self.size} of {self.task.name} are so few that none is "
                    "held out for evaluation; take a larger size"
                )
        contexts = torch.arange(levels.shape[0]) // self._per_context
        asked = about(self.task, self._rows(levels), contexts, made[:count])
        whole = levels.shape[0] == count * self._per_context
        return msgspec.structs.replace(asked, per_context=self._per_context if whole else 0)

    def _contexts(self, count: int) -> list[Facts]:
        """As many contexts, less those of the other part."""
        seeds = torch.randint(0, DRAWS, (count,), generator=self.generator)
        made = [self.task.make(self.size, int(seed)) for seed in seeds]
        held = contexts_held_out(self.task, made)
        return [facts for facts, out in zip(made, held, strict=True) if out == self._held_out]


def bare(rows: Tensor) -> Questions:
    """Questions (B, F) of a task without facts."""
    contexts = torch.zeros(rows.shape[0], dtype=torch.int64)
    return Questions(rows, contexts, torch.zeros((1, 0, 0), dtype=torch.int64))


def about(task: AnyTableTask, rows: Tensor, contexts: Tensor, facts: Sequence[Facts]) -> Questions:
    """Questions (B, F) about contexts (B,) of one size."""
    if not task.has_facts:
        return bare(rows)
    table = torch.tensor([task.table_facts(each) for each in facts])  # (C, N, K)
    return Questions(rows, contexts, table, tuple(each.seed for each in facts))


def rows_held_out(task: AnyTableTask, rows: Tensor) -> Tensor:
    """(B,) bool: which questions of a task without facts are kept for evaluation."""
    own = task.table_held_out(torch, rows)
    return question_held_out(rows) if own is None else own


def question_held_out(rows: Tensor) -> Tensor:
    """(B,) bool: whether a question is kept by the hash of its row."""
    return _mixed(rows) % HELD_OUT == 0


def contexts_held_out(task: AnyTableTask, facts: Sequence[Facts]) -> list[bool]:
    """Which contexts are kept for evaluation; equal contexts from other seeds are, too."""
    rows = torch.tensor([task.table_facts(each) for each in facts]).flatten(1)  # (C, N * K)
    return [bool(held) for held in question_held_out(rows)]


def _mixed(rows: Tensor) -> Tensor:
    """(B,) int64: a hash of each row (B, F)."""
    mixed = torch.zeros(rows.shape[0], dtype=torch.int64)
    for column in rows.unbind(1):
        mixed = (mixed ^ column) * _MIXERS[0]
        mixed = (mixed ^ (mixed >> 29)) * _MIXERS[1]
    return mixed ^ (mixed >> 32)
