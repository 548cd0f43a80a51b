"""The student as an answerer: a leaf that answers whole batches of views by their symbols.

It reads through: everything that the question points to is there when it looks. What it cannot tell
in its vocabulary, and what it does not know, it abstains from.
"""

from collections.abc import Sequence

import torch
from msgspec import Struct

from decomposition.actions import Abstain, Given, Reply, Turn
from decomposition.answerers.base import Answerer
from decomposition.errors import BadTask
from decomposition.hypertext import escape
from decomposition.tasks.base import Facts
from decomposition.tasks.table import DONT_KNOW
from decomposition.tasks.tabled import SILENT
from decomposition.view import View
from distill.folder import Loaded
from distill.questions import about
from distill.training import answered


class _Asked(Struct, frozen=True):
    """A view's question as the student takes it."""

    question: Struct
    row: tuple[int, ...]
    facts: Facts


class StudentAnswerer(Answerer):
    """Answers what its student was trained on; never asks."""

    author = "student"
    reads_through = True

    def __init__(self, loaded: Loaded) -> None:
        self.identity = loaded.identity
        self._loaded = loaded
        self.forwards = 0
        """Questions answered so far."""

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """A reply with its confidence for each view, or an abstention; one pass for all."""
        asked = [self._asked(view) for view in views]
        turns: list[Given] = [(Abstain(SILENT),) for _ in views]
        told = [place for place, each in enumerate(asked) if each is not None]
        known = [each for each in asked if each is not None]
        for place, turn in zip(told, self._turns(known), strict=True):
            turns[place] = turn
        return turns

    def _asked(self, view: View) -> _Asked | None:
        """What a view asks; None where its row or its facts cannot be told."""
        task = self._loaded.task
        question = task.recognise(view.question)
        contents = {name: text for name, text in view.shown.items() if isinstance(text, str)}
        if question is None or len(contents) < len(view.shown):
            return None
        try:
            facts = task.facts_among(contents)
        except BadTask:
            return None
        if task.has_facts and facts.size != self._loaded.record.size:
            return None
        row = task.table_row(question, contents)
        return None if row is None else _Asked(question, row, facts)

    def _turns(self, asked: Sequence[_Asked]) -> list[Turn]:
        if not asked:
            return []
        places: dict[Facts, int] = {}
        contexts = [places.setdefault(each.facts, len(places)) for each in asked]
        rows = torch.tensor([each.row for each in asked])
        loaded = self._loaded
        questions = about(loaded.task, rows, torch.tensor(contexts), list(places))
        answers = answered(loaded.student, loaded.vocabulary, questions)
        self.forwards += len(asked)
        return [
            self._turn(each.question, int(value), float(sure))
            for each, value, sure in zip(asked, answers.values, answers.confidence, strict=True)
        ]

    def _turn(self, question: Struct, value: int, confidence: float) -> Turn:
        """The reply that an answer is to a question; an abstention where it is none."""
        known = value != DONT_KNOW
        written = self._loaded.task.table_reply(question, value) if known else None
        if written is None:
            return (Abstain(SILENT),)
        return (Reply(escape(written), confidence=min(1.0, max(0.0, confidence))),)
