"""The batch amplifier: its semantics are the engine's."""

from random import Random

import pytest
import torch
from torch import Tensor

from decomposition.tasks.base import Facts, chance
from decomposition.tasks.table import DONT_KNOW, AnyTableTask
from distill.batch_amplifier import NOT_ASKED, Amplifier
from distill.counts import Counts
from distill.questions import Questions
from distill.vocabulary import Answers
from tests.distill.kit import (
    TABLE_TASKS,
    Row,
    contexts_of,
    deliberated,
    drawn,
    integers,
    rows_of,
)

MANY = 10_000


def noisy(task: AnyTableTask, size: int, row: Row) -> int:
    """An answer that is often right in form, now and then wrong or none; a function of the row."""
    random = chance(task.name, *row)
    if random.random() < 0.05:
        return DONT_KNOW
    if task.name == "permutation":
        return random.randrange(size)
    if task.name == "game24":
        return int(random.random() < 0.1)
    return sum(row) if random.random() < 0.7 else random.randrange(10 ** random.randint(1, 9))


class Noise:
    """X whose answers are a function of the row alone, whatever the context."""

    def __init__(self, task: AnyTableTask, size: int) -> None:
        self._task, self._size = task, size

    def __call__(self, questions: Questions) -> Answers:
        """One noisy answer for each question."""
        values = [noisy(self._task, self._size, row) for row in rows_of(questions.rows)]
        return Answers(torch.tensor(values), torch.full((len(values),), 0.5))


@pytest.mark.parametrize(("task", "size"), TABLE_TASKS)
def test_labels_are_those_of_the_generator(task: AnyTableTask, size: int) -> None:
    """Over 10,000 random questions, labels and subquestions equal the scripted overseer's."""
    questions = drawn(task, size, MANY)
    counts = Counts()
    amplified = Amplifier(task, size, Noise(task, size), counts).amplify(questions)
    contexts = contexts_of(task, size, questions)
    asked = [rows_of(rows) for rows in amplified.subquestions]
    told = [integers(row) for row in amplified.subanswers]
    for place, row in enumerate(rows_of(questions.rows)):
        question = task.table_question(row)
        facts = contexts[int(questions.contexts[place])]
        label = int(amplified.labels[place])
        if task.is_primitive(question):
            assert label == task.table_answer(task.environment(question, {}, facts))
            continue

        def answer(_: int, sub: Row, facts: Facts = facts) -> int:
            asked_now = task.table_question(sub)
            if task.is_primitive(asked_now):
                return task.table_answer(task.environment(asked_now, {}, facts))
            return noisy(task, size, sub)

        done = deliberated(task, question, answer)
        used = len(done.asked)
        assert (tuple(asked[place][:used]), label) == (done.asked, done.label)
        assert told[place][used:] == [NOT_ASKED] * (len(told[place]) - used)
    assert counts.student_forwards == int(amplified.by_student.sum())


@pytest.mark.parametrize(("task", "size"), TABLE_TASKS)
def test_a_step_is_that_of_the_generator_for_any_sub_answers(task: AnyTableTask, size: int) -> None:
    """Right, wrong, impossible or missing sub-answers: both do the same in 10,000 questions."""
    questions = drawn(task, size, MANY, seed=1)
    rows = questions.rows[~task.table_primitive(torch, questions.rows)]
    random = chance(task.name, 3)
    room = task.table_form(size).subquestions
    given = torch.tensor([[_any(random, task, size) for _ in range(room)] for _ in rows])
    done = _by_steps(task, size, rows, given)
    for place, row in enumerate(rows_of(rows)):
        answers = integers(given[place])
        expected = deliberated(
            task, task.table_question(row), lambda number, _, told=answers: told[number]
        )
        assert done[place] == (expected.asked, expected.label)


def _any(random: Random, task: AnyTableTask, size: int) -> int:
    if task.name == "game24":
        return random.choices((0, 1, DONT_KNOW), (0.94, 0.04, 0.02))[0]
    if random.random() < 0.1:
        return DONT_KNOW
    if task.name == "permutation":
        return random.randrange(size)
    return random.randrange(25) if random.random() < 0.6 else random.randrange(10**9)


def _by_steps(
    task: AnyTableTask, size: int, rows: Tensor, given: Tensor
) -> list[tuple[tuple[Row, ...], int]]:
    """What table steps make of the rows, driven one row set at a time."""
    asked: list[list[Row]] = [[] for _ in range(len(rows))]
    labels = [DONT_KNOW] * len(rows)
    open_ = torch.arange(len(rows))
    for told in range(task.table_form(size).subquestions + 1):
        step = task.table_step(torch, rows[open_], given[open_, :told])
        for place, row, asks, replies, reply in zip(
            integers(open_),
            rows_of(step.question),
            integers(step.asks),
            integers(step.replies),
            integers(step.reply),
            strict=True,
        ):
            if asks:
                asked[place].append(row)
            elif replies:
                labels[place] = reply
        open_ = open_[step.asks]
        if not len(open_):
            break
    return [(tuple(rows), label) for rows, label in zip(asked, labels, strict=True)]


@pytest.mark.parametrize(("task", "size"), TABLE_TASKS)
def test_a_label_is_trusted_if_its_audit_agrees(task: AnyTableTask, size: int) -> None:
    """With X exact all is kept; with one kind of sub-answer wrong, what rests on it is not."""
    questions = drawn(task, size, 1000)

    def exact(asked: Questions) -> Answers:
        truth = task.table_truth(torch, asked.rows, asked.facts, asked.contexts)
        return Answers(truth, torch.ones(len(asked)))

    def wrong_at_3(asked: Questions) -> Answers:
        answers = exact(asked).values
        levels = task.table_levels(torch, asked.rows)
        spoilt = torch.where(answers == 0, 1, answers - 1)
        return Answers(torch.where(levels == 3, spoilt, answers), torch.ones(len(asked)))

    everything = torch.ones(len(questions), dtype=torch.bool)
    truth = task.table_truth(torch, questions.rows, questions.facts, questions.contexts)
    sound = Amplifier(task, size, exact, Counts()).amplify(questions, everything)
    assert bool(sound.kept.all())
    assert bool((sound.labels == truth).all())
    spoilt = Amplifier(task, size, wrong_at_3, Counts()).amplify(questions, everything)
    below = task.table_levels(torch, spoilt.subquestions.flatten(0, 1))  # (B * S,)
    rests = ((below.view_as(spoilt.by_student) == 3) & spoilt.by_student).any(1)
    assert bool(rests.any())
    assert not bool(spoilt.kept[rests].any())
    easy = task.table_levels(torch, questions.rows) <= 3
    assert bool(spoilt.kept[easy].all())


def test_rows_and_questions_are_two_forms_of_one_thing() -> None:
    """A row read back from its question is the row; levels and primitives agree, too."""
    for task, size in TABLE_TASKS:
        rows = drawn(task, size, 500).rows
        levels = integers(task.table_levels(torch, rows))
        primitive = integers(task.table_primitive(torch, rows))
        for row, level, simple in zip(rows_of(rows), levels, primitive, strict=True):
            question = task.table_question(row)
            assert task.table_row(question, {}) == row
            assert task.difficulty(question, size) == level
            assert task.is_primitive(question) == bool(simple)


def test_table_truth_is_the_truth() -> None:
    """What the twins learn from is what the evaluator knows."""
    for task, size in TABLE_TASKS:
        questions = drawn(task, size, 1000)
        contexts = contexts_of(task, size, questions)
        truth = task.table_truth(torch, questions.rows, questions.facts, questions.contexts)
        for place, row in enumerate(rows_of(questions.rows)):
            facts = contexts[int(questions.contexts[place])]
            expected = task.truth(task.table_question(row), facts)
            assert task.table_written(int(truth[place])) == expected
