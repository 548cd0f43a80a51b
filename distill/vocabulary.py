"""The vocabulary: how a task's arrays become what a student reads, and its symbols answers.

Behind the task's own symbols stand two: blank, and "don't know".
"""

from typing import Final

import torch
from msgspec import Struct
from torch import Tensor

from decomposition.tasks.table import DONT_KNOW, AnyTableTask, TableForm, TokenRows
from distill.questions import Questions
from distill.recipe import Recipe
from distill.student import Architecture, Reading

IGNORE: Final = -100
"""A target where no loss is taken."""


class Answers(Struct, frozen=True):
    """What a student, or whatever takes its part, said."""

    values: Tensor
    """(B,) int64, `DONT_KNOW` for "don't know"."""
    confidence: Tensor
    """(B,) float in [0, 1]: of all slots together."""


class _Told(Struct, frozen=True):
    """Questions as tokens."""

    questions: Tensor
    """(B, F) int64, the very rows that they were made from."""
    levels: Tensor
    """(B,) int64."""
    level: int
    """The highest of them."""
    tokens: TokenRows


class Vocabulary:
    """The symbols of one task at one size."""

    def __init__(self, task: AnyTableTask, size: int) -> None:
        self.task = task
        self.form: TableForm = task.table_form(size)
        self.size = size
        self.symbols: tuple[str, ...] = (*self.form.symbols, "blank", "don't know")
        self.blank = len(self.form.symbols)
        self.dont_know = self.blank + 1
        self._last: _Told | None = None

    def architecture(self, sizes: Recipe) -> Architecture:
        """The sizes of the student that a recipe asks for."""
        form = self.form
        return Architecture(
            symbols=len(self.symbols),
            roles=len(form.roles),
            places=form.places + (sizes.spare_places if sizes.offsets else 0),
            facts=sizes.size if form.fact_symbols else 0,
            fact_symbols=form.fact_symbols,
            copied=form.copied,
            width=sizes.width,
            heads=sizes.heads,
            blocks=sizes.blocks,
            fact_blocks=sizes.fact_blocks,
            widening=sizes.widening,
            joined=form.tokens if sizes.joined else 0,
        )

    def read(
        self, questions: Questions, places: int, offsets: torch.Generator | None = None
    ) -> Reading:
        """The questions as a student with so many places takes them.

        Args:
            questions: Any number of the task's.
            places: Those of the student's architecture.
            offsets: Where the offsets of the places are drawn from; None for no offset.
        """
        rows = self._told(questions).tokens
        offset = self._offsets(questions, places, offsets)  # (B, 1) or (1, 1)
        symbols = rows.symbols
        standing = None
        if rows.filled is not None:
            standing = torch.cat((symbols >= 0, rows.filled), 1)  # (B, T + A)
            symbols = torch.where(symbols < 0, self.blank, symbols)
        symbols = symbols.clamp(max=self.blank)
        return Reading(
            symbols=symbols,
            roles=torch.tensor(rows.roles),
            places=(torch.tensor(rows.places) + offset).clamp(max=places - 1),
            slot_roles=torch.tensor(rows.slot_roles),
            slot_places=(torch.tensor(rows.slot_places) + offset).clamp(max=places - 1),
            facts=questions.facts,
            contexts=questions.contexts,
            per_context=questions.per_context,
            standing=standing,
        )

    def readable(self, questions: Questions) -> Tensor:
        """(B,) bool: what can be told in this vocabulary; nothing else gets an answer."""
        told = self._told(questions)
        return (told.levels <= self.form.levels[1]) & (told.tokens.symbols < self.blank).all(1)

    def targets(self, questions: Questions, answers: Tensor, taken: Tensor) -> Tensor:
        """What the slots are to say, (B, A) int64.

        Args:
            questions: B of them.
            answers: (B,) int64, `DONT_KNOW` in the first slot alone.
            taken: (B,) bool; the others take no loss, nor do answers that no slots can spell.
        """
        told = self._told(questions)
        filled = told.tokens.filled  # (B, A)
        spelled = self.task.table_spelled(torch, answers, told.level)  # (B, A)
        if filled is not None:
            spelled = torch.where(filled, spelled, -1)
        known = answers != DONT_KNOW
        fits = (self.task.table_read(torch, spelled) == answers) & (spelled < self.blank).all(1)
        spelled = torch.where(spelled < 0, IGNORE, spelled)
        silent = torch.full_like(spelled, IGNORE)
        silent[:, 0] = self.dont_know
        targets = torch.where(known[:, None], spelled, silent)
        return torch.where((taken & (fits | ~known))[:, None], targets, IGNORE)

    def answers(self, questions: Questions, log_probabilities: Tensor) -> Answers:
        """What the most probable symbols (B, A, V) say.

        "Don't know" in any slot says so for all.
        """
        best, symbols = log_probabilities.max(-1)  # (B, A)
        filled = self._told(questions).tokens.filled
        if filled is not None:
            best = best * filled
            symbols = torch.where(filled, symbols, -1)
        values = self.task.table_read(torch, symbols)
        silent = (symbols >= self.blank).any(1) | ~self.readable(questions)
        return Answers(torch.where(silent, DONT_KNOW, values), best.sum(1).exp())

    def _told(self, questions: Questions) -> _Told:
        """The questions as tokens. Waits for a device.

        The last ones are kept: a step reads, spells and understands the same questions.
        """
        last, rows = self._last, questions.rows
        if last is None or last.questions is not rows:
            levels = self.task.table_levels(torch, rows)
            level = int(levels.max())
            tokens = self.task.table_tokens(torch, rows, level)
            self._last = last = _Told(rows, levels, level, tokens)
        return last

    def _offsets(self, questions: Questions, places: int, drawn: torch.Generator | None) -> Tensor:
        if drawn is None or not self.form.shifts:
            return torch.zeros((1, 1), dtype=torch.int64)
        room = places - self.task.table_spans(torch, questions.rows) + 1  # (B,)
        offsets = torch.randint(0, 1 << 30, (len(questions),), generator=drawn) % room
        return offsets[:, None]
