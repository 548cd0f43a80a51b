"""Evaluation: what a student is worth, measured against the truth.

This is the only module, the supervised twins apart, that reads right answers and `depth_class`.
Nothing in training, curriculum, stopping or checkpoints imports it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from msgspec import Struct
from torch import Tensor

from decomposition.tasks.base import NO_FACTS, Facts
from decomposition.tasks.table import DONT_KNOW, AnyTableTask
from distill.batch_amplifier import Answering
from distill.questions import Questions, Stream, bare
from distill.recipe import Recipe
from distill.student import Student
from distill.vocabulary import Answers, Vocabulary

PER_LEVEL: Final = 500
"""Held-out questions of a level, unless told otherwise."""
_SEED: Final = 7_919
"""Added to a run's seed, so that an exam's draws are its own."""
_LOWEST_DRAWS: Final = 16_384
"""Enough to meet every question of a lowest level that has a few hundred."""
_POOL: Final = 32
"""Questions drawn for one that is asked, where classes are unequally frequent."""


class Exam(Struct, frozen=True):
    """Held-out questions with their truth."""

    questions: Questions
    truth: Tensor
    """(B,) int64."""
    levels: Tensor
    """(B,) int64."""
    classes: tuple[str, ...]
    """The `depth_class` of each question."""
    seen: frozenset[str]
    """Classes whose questions also occur in training: there are too few to hold any out."""
    trivial: Tensor
    """(B,) int64: the trivial baseline's answers."""


class Score(Struct, frozen=True):
    """Accuracy. Abstentions count as wrong; `answered` tells how many there were none of."""

    overall: float
    n: int
    answered: float
    """Share of questions that got an answer."""
    by_depth: dict[str, float]
    """Accuracy by `depth_class`."""
    by_depth_n: dict[str, int]
    """Questions of each class."""


def exam(
    task: AnyTableTask, size: int, seed: int, per_level: int = PER_LEVEL, per_context: int = 16
) -> Exam:
    """Held-out questions of every level; without contexts, all of the lowest level's."""
    generator = torch.Generator().manual_seed(seed + _SEED)
    stream = Stream(task, size, generator, per_context=per_context, held_out=True)
    low, high = task.table_form(size).levels
    drawn = torch.arange(low, high + 1).repeat_interleave(per_level)
    if task.has_facts:
        drawn = drawn[torch.randperm(len(drawn), generator=generator)]
        return _with_truth(task, size, stream.draw(drawn), frozenset())
    if task.classes_differ:
        rows, seen = _each_class(task, stream, range(low, high + 1), per_level)
        return _with_truth(task, size, bare(rows), seen)
    questions = stream.draw(drawn[per_level:])
    lowest = stream.draw(torch.full((_LOWEST_DRAWS,), low)).rows
    distinct = sorted({tuple(int(number) for number in row) for row in lowest})
    rows = torch.cat((torch.tensor(distinct), questions.rows))
    every = Questions(rows, rows.new_zeros(len(rows)), questions.facts)
    return _with_truth(task, size, every, frozenset({str(low)}))


def _each_class(
    task: AnyTableTask, stream: Stream, levels: range, per_level: int
) -> tuple[Tensor, frozenset[str]]:
    """Different questions (B, F) of each level, its classes alike as far as there are enough.

    Also the classes of the lowest level.
    """
    rows: list[tuple[int, ...]] = []
    seen: set[str] = set()
    for level in levels:
        drawn = stream.draw(torch.full((per_level * _POOL,), level)).rows
        classes: dict[str, list[tuple[int, ...]]] = {}
        for row in dict.fromkeys(tuple(int(number) for number in each) for each in drawn):
            name = task.depth_class(task.table_question(row), NO_FACTS)
            classes.setdefault(name, []).append(row)
        seen |= set(classes) if level == levels[0] else set()
        for name in sorted(classes):
            rows += classes[name][: -(-per_level // len(classes))]
    return torch.tensor(rows), frozenset(seen)


def score(examined: Exam, answering: Answering) -> Score:
    """How right somebody's answers are."""
    return graded(examined, answering(examined.questions).values)


def graded(examined: Exam, answers: Tensor) -> Score:
    """How right answers (B,) int64 are."""
    right = [bool(each) for each in (answers == examined.truth) & (answers != DONT_KNOW)]
    hits: dict[str, int] = {}
    asked: dict[str, int] = {}
    for name, hit in zip(examined.classes, right, strict=True):
        asked[name] = asked.get(name, 0) + 1
        hits[name] = hits.get(name, 0) + hit
    return Score(
        overall=sum(right) / max(1, len(right)),
        n=len(right),
        answered=float((answers != DONT_KNOW).float().mean()),
        by_depth={name: hits[name] / count for name, count in asked.items()},
        by_depth_n=asked,
    )


def score_level(examined: Exam, answering: Answering, level: int) -> float:
    """Accuracy at one level; where it has several classes, the mean of theirs."""
    chosen = examined.levels == level
    right = answering(examined.questions.at(chosen)).values == examined.truth[chosen]
    names = [examined.classes[int(place)] for place in chosen.nonzero()[:, 0]]
    of = [torch.tensor([each == name for each in names]) for name in sorted(set(names))]
    return sum(float(right[each].float().mean()) for each in of) / max(1, len(of))


def untrained(recipe: Recipe, task: AnyTableTask, seed: int) -> Answering:
    """A student that has learnt nothing: below an overseer, it shows what H can do alone."""
    vocabulary = Vocabulary(task, recipe.size)
    student = Student(vocabulary.architecture(recipe), torch.Generator().manual_seed(seed))
    return Ignorance(student, vocabulary)


class Ignorance:
    """An untrained student's answers."""

    def __init__(self, student: Student, vocabulary: Vocabulary) -> None:
        self._student, self._vocabulary = student, vocabulary

    @torch.no_grad()
    def __call__(self, questions: Questions) -> Answers:
        """Whatever its first weights say."""
        reading = self._vocabulary.read(questions, self._student.architecture.places)
        return self._vocabulary.answers(questions, self._student(reading))


def _with_truth(task: AnyTableTask, size: int, questions: Questions, seen: frozenset[str]) -> Exam:
    contexts = _contexts(task, size, questions.seeds)
    truth: list[int] = []
    trivial: list[int] = []
    classes: list[str] = []
    for place, row in enumerate(questions.rows):
        question = task.table_question([int(number) for number in row])
        facts = contexts[int(questions.contexts[place])]
        truth.append(task.table_answer(task.truth(question, facts)))
        trivial.append(task.table_answer(task.trivial(question, facts)))
        classes.append(task.depth_class(question, facts))
    return Exam(
        questions=questions,
        truth=torch.tensor(truth),
        levels=task.table_levels(torch, questions.rows),
        classes=tuple(classes),
        seen=seen,
        trivial=torch.tensor(trivial),
    )


def _contexts(task: AnyTableTask, size: int, seeds: Sequence[int]) -> Mapping[int, Facts]:
    if not task.has_facts:
        return {0: NO_FACTS}
    return {place: task.make(size, seed) for place, seed in enumerate(seeds)}
