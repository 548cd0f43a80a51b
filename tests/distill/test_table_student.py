"""The table student: a learner without limits shows what the overseer is worth."""

import torch
from torch import Tensor

from decomposition.tasks.arithmetic import Arithmetic
from decomposition.tasks.permutation import Permutation
from decomposition.tasks.table import AnyTableTask, TableStep
from distill.questions import Questions, about, bare
from distill.table_student import TableRounds


def all_sums() -> Questions:
    """All sums of up to two digits on either side, with and without carry."""
    numbers = torch.arange(100)
    left, right, carry = torch.cartesian_prod(numbers, numbers, torch.arange(2)).unbind(1)
    return bare(torch.stack((left, right, carry), 1))


def all_walks(task: AnyTableTask) -> Questions:
    """All walks of up to 16 steps under five permutations of six elements."""
    contexts, element, steps = torch.cartesian_prod(
        torch.arange(5), torch.arange(6), torch.arange(1, 17)
    ).unbind(1)
    made = [task.make(6, seed) for seed in range(5)]
    return about(task, torch.stack((element, steps), 1), contexts, made)


def heights_of(questions: Questions) -> Tensor:
    """(B,) int64: of the overseer's tree over walks: how often the steps are halved to be one."""
    return (questions.rows[:, 1:] >= 2 ** torch.arange(1, 5)).sum(1)


def solved(rounds: TableRounds, questions: Questions, task: AnyTableTask) -> Tensor:
    """(B,) bool: which of the questions the table answers rightly."""
    truth = task.table_truth(torch, questions.rows, questions.facts, questions.contexts)
    return rounds.student(questions).values == truth


def test_an_exact_overseer_reaches_all_height_by_height() -> None:
    """After round t all trees up to height t are right, and nothing above is answered."""
    task = Permutation(16)
    questions = all_walks(task)
    heights = heights_of(questions)
    rounds = TableRounds(task, 6, questions)
    for reached in range(1, 5):
        rounds.run_round()
        right = solved(rounds, questions, task)
        assert bool((right == (heights <= reached)).all())
    assert rounds.run_round() == 0


def test_sums_of_two_digits_take_one_round() -> None:
    """All their subquestions are primitive: H alone is right on them."""
    task, questions = Arithmetic(), all_sums()
    rounds = TableRounds(task, 2, questions)
    rounds.run_round()
    assert bool(solved(rounds, questions, task).all())
    assert rounds.run_round() == 0


def biased(rows: Tensor, told: Tensor) -> TableStep:
    """An overseer of walks that takes one step too few where their number is odd."""
    even = torch.stack((rows[:, 0], rows[:, 1] // 2 * 2), 1)
    return Permutation(16).table_step(torch, even, told)


def test_a_biased_overseer_reaches_its_fixed_point() -> None:
    """It drops every odd bit on the way down, so it walks 2**height steps instead of k."""
    task = Permutation(16)
    questions = all_walks(task)
    rounds = TableRounds(task, 6, questions, biased)
    while rounds.run_round():
        pass
    walked = questions.rows.clone()
    walked[:, 1] = 2 ** heights_of(questions)
    predicted = task.table_truth(torch, walked, questions.facts, questions.contexts)
    assert bool((rounds.student(questions).values == predicted).all())
