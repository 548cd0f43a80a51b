"""Overseers over arrays: what they do wrong, they do where and as often as they say."""

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from torch import Tensor

from decomposition.errors import BadAnswerer
from decomposition.tasks.arithmetic import Arithmetic
from decomposition.tasks.overseers import ArrayStep, biased, faulty, foreign, without
from decomposition.tasks.permutation import Permutation
from decomposition.tasks.table import DONT_KNOW, AnyTableTask, Array, Namespace, TableStep
from distill.batch_amplifier import Amplified, Amplifier, over_tensors
from distill.counts import Counts
from distill.questions import Questions
from distill.table_student import TableStudent
from distill.vocabulary import Answers
from tests.distill.kit import TABLE_TASKS, drawn, rows_of

SUMS, WALKS = Arithmetic(), Permutation(16)


def amplified(
    task: AnyTableTask, size: int, questions: Questions, overseer: ArrayStep
) -> Amplified:
    """One step of an overseer over right answers."""

    def right(asked: Questions) -> Answers:
        truth = task.table_truth(torch, asked.rows, asked.facts, asked.contexts)
        return Answers(truth, torch.ones(len(truth)))

    return Amplifier(task, size, right, Counts(), over_tensors(overseer)).amplify(questions)


@pytest.mark.parametrize(("task", "size"), TABLE_TASKS)
@pytest.mark.parametrize("mode", ["random", "colluding", "fixed"])
def test_faults_are_as_frequent_as_they_say(task: AnyTableTask, size: int, mode: str) -> None:
    """Of the labels a share p is wrong, within four standard errors; the rest is untouched."""
    questions = drawn(task, size, 4000)
    step = faulty(task, size, task.table_step, 0.2, 7, mode)  # type: ignore[arg-type]
    own = amplified(task, size, questions, task.table_step)
    labels = amplified(task, size, questions, step).labels
    asked = ~task.table_primitive(torch, questions.rows)
    drawn_apart = len(set(rows_of(torch.cat((questions.rows, own.subanswers), 1)[asked])))
    wrong = float((labels != own.labels)[asked].float().mean())
    assert abs(wrong - 0.2) < 4 * (0.16 / drawn_apart) ** 0.5 + 0.02
    assert torch.equal(labels[~asked], own.labels[~asked])


@pytest.mark.parametrize(("task", "size"), TABLE_TASKS)
def test_faults_are_nested_and_spelled(task: AnyTableTask, size: int) -> None:
    """What is wrong for p is wrong alike for every larger p; wrong answers fit the answer slots."""
    questions = drawn(task, size, 2000)
    own = amplified(task, size, questions, task.table_step).labels
    few, many, every = (
        amplified(task, size, questions, faulty(task, size, task.table_step, p, 1)).labels
        for p in (0.1, 0.4, 1.0)
    )
    assert bool((many == few)[few != own].all())
    asked = ~task.table_primitive(torch, questions.rows)
    assert bool((every != own)[asked].all())
    assert int(every.min()) >= 0
    form = task.table_form(size)
    spelled = task.table_spelled(torch, every, form.levels[1])
    assert torch.equal(task.table_read(torch, spelled), every)
    assert int(spelled.max()) < len(form.symbols)


def test_equal_rows_err_alike_in_any_batch_and_namespace() -> None:
    """A draw depends on the seed, the question and its answers, not on torch, place or company."""
    questions = drawn(SUMS, 6, 300).rows
    told = torch.stack((questions[:, 0] % 20, questions[:, 1]), 1)
    step = faulty(SUMS, 6, SUMS.table_step, 0.5, 3)
    whole = step(torch, questions, told).reply
    assert torch.equal(step(torch, questions.flip(0), told.flip(0)).reply.flip(0), whole)
    alike = step(np, questions.numpy(), told.numpy()).reply
    assert alike.tolist() == whole.tolist()
    other = faulty(SUMS, 6, SUMS.table_step, 0.5, 4)(torch, questions, told).reply
    assert not torch.equal(other, whole)


def test_fixed_faults_answer_one_more() -> None:
    """Mode `fixed` is the same wrong number every time, as in the engine."""
    questions = drawn(SUMS, 6, 200)
    step = faulty(SUMS, 6, SUMS.table_step, 1.0, 3, "fixed")
    right = amplified(SUMS, 6, questions, SUMS.table_step).labels
    wrong = amplified(SUMS, 6, questions, step).labels
    asked = ~SUMS.table_primitive(torch, questions.rows)
    assert torch.equal(wrong[asked], right[asked] + 1)


def spared(kind: str, rows: Tensor) -> Tensor:
    """(B,) bool: questions that are decomposed without a type of subquestion."""
    half = rows[:, 1] // 2
    return {
        "leading": half < 0,
        "carry": (rows[:, :2] % 10).sum(1) + rows[:, -1] < 10,
        "odd": rows[:, 1] % 2 == 0,
        "second": half < 0,
        "level-3": (half <= 4) | (half > 8),
    }[kind]


@pytest.mark.parametrize(
    ("task", "kind"),
    [(SUMS, "leading"), (SUMS, "carry"), (WALKS, "odd"), (WALKS, "second"), (WALKS, "level-3")],
)
def test_what_is_missing_is_not_asked(task: AnyTableTask, kind: str) -> None:
    """Without a type of subquestion exactly the questions that need it come to nothing."""
    questions = drawn(task, 8, 1000)
    own = amplified(task, 8, questions, task.table_step).labels
    labels = amplified(task, 8, questions, without(task, task.table_step, kind)).labels
    needless = spared(kind, questions.rows) | task.table_primitive(torch, questions.rows)
    assert torch.equal(labels, torch.where(needless, own, DONT_KNOW))


def test_biases_are_what_they_say() -> None:
    """One step over right answers: no carry, one step too far, one too few."""
    sums, walks = drawn(SUMS, 6, 500), drawn(WALKS, 8, 500)
    labels = amplified(SUMS, 6, sums, biased(SUMS, SUMS.table_step, "no-carry")).labels
    left, right, carry = sums.rows.unbind(1)
    asked = ~SUMS.table_primitive(torch, sums.rows)
    expected = (left // 10 + right // 10) * 10 + (left + right + carry) % 10
    assert torch.equal(labels[asked], expected[asked])
    for name, more in (("one-too-far", 1), ("one-too-few", -1)):
        labels = amplified(WALKS, 8, walks, biased(WALKS, WALKS.table_step, name)).labels
        rows = walks.rows.clone()
        rows[:, 1] += more * (rows[:, 1] % 2) * (rows[:, 1] > 1)
        task = Permutation(17)
        assert torch.equal(labels, task.table_truth(torch, rows, walks.facts, walks.contexts))


def test_unknown_faults_types_and_biases_are_refused() -> None:
    """The message names what the task has."""
    with pytest.raises(BadAnswerer, match="from 0 to 1"):
        faulty(SUMS, 6, SUMS.table_step, 1.5, 0)
    with pytest.raises(BadAnswerer, match="no mode"):
        faulty(SUMS, 6, SUMS.table_step, 0.5, 0, "odd")  # type: ignore[arg-type]
    with pytest.raises(BadAnswerer, match="there are first, second, odd, level-N"):
        without(WALKS, WALKS.table_step, "carry")
    with pytest.raises(BadAnswerer, match="there are no-carry"):
        biased(SUMS, SUMS.table_step, "one-too-far")


def misshapen(rows: Array, told: Array) -> dict[str, object]:
    """What is no step, by what is wrong with it."""
    every, number = rows[:, 0] >= 0, rows[:, 0]
    asking = TableStep(every, rows * 0 + 1, every, ~every, number)
    replying = TableStep(~every, rows, every, every, number)
    return {
        "is a NoneType": None,
        "a question like each row": replace(asking, question=rows[:, 1:]),
        "needs asks, replies and": replace(asking, asks=every[1:]),
        "true or false": replace(asking, asks=number),
        "whole numbers": replace(replying, reply=number / 2),
        "asks and replies in one row": replace(asking, replies=every),
        "more than 2 subquestions": asking,
        "below 0": replace(replying, reply=told.sum(1) - 3),
        "up to level 6": replace(asking, question=rows * 10**6),
        "AttributeError": replace(asking, asks=True),
    }


@pytest.mark.parametrize("wrong", list(misshapen(np.ones((2, 3)), np.ones((2, 0)))))
def test_a_foreign_step_is_held_to_its_form(wrong: str) -> None:
    """Whatever a user's step does wrong is named, with its file."""

    def function(_: Namespace, rows: Array, told: Array) -> object:
        return misshapen(rows, told)[wrong]

    step = foreign(SUMS, 6, function, "mine.py")
    with pytest.raises(BadAnswerer, match=rf"mine\.py.*{wrong}"):
        amplified(SUMS, 6, drawn(SUMS, 6, 50), step)


def halves(rows: Array, told: Array) -> TableStep:
    """A step that asks the environment, so it says, about half of each number."""
    every, asking = rows[:, 0] >= 0, not told.shape[1]
    reply = rows[:, 0] if asking else told[:, 0]
    return TableStep(every & asking, rows // 2, every, ~every | (not asking), reply.clip(0))


def test_what_is_primitive_is_the_tasks_word(capsys: pytest.CaptureFixture[str]) -> None:
    """An overseer cannot have the environment do its work, and does not write on stdout."""
    questions = drawn(SUMS, 6, 50)

    def loud(_: Namespace, rows: Array, told: Array) -> TableStep:
        print("thinking")  # noqa: T201 - what a user's file may do
        return halves(rows, told)

    step = over_tensors(foreign(SUMS, 6, loud, "mine.py"))
    found = Amplifier(SUMS, 6, TableStudent(), Counts(), step).amplify(questions)
    large = ~SUMS.table_primitive(torch, questions.rows // 2)
    assert bool((found.subanswers[large, 0] == DONT_KNOW).all())
    captured = capsys.readouterr()
    assert (captured.out, captured.err[:8]) == ("", "thinking")
