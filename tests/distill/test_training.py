"""Training: a small student learns what an amplified system knows, and where it must stop."""

import math
from typing import Final

import pytest
import torch
from msgspec.structs import replace
from torch import Tensor

from decomposition.tasks.arithmetic import Arithmetic
from decomposition.tasks.table import TableStep
from distill.curriculum import Promotion, Schedule, curriculum
from distill.errors import BadRecipe
from distill.evaluate import exam
from distill.recipe import Arm, Recipe, preset
from distill.training import Trainer, answer_loss
from distill.vocabulary import IGNORE
from tests.distill.course import Course
from tests.distill.kit import TINY, same_weights

EASY: Final = Recipe(
    "arithmetic",
    size=4,
    width=32,
    batch=64,
    learning_rate=4e-3,
    warm_up_steps=20,
    promote_at=0.6,
    settle_steps=50,
    most_steps=1100,
)
"""Sums of up to four digits, in a few seconds."""


def test_a_student_learns_without_a_label() -> None:
    """From look-ups and single steps of the overseer it climbs to sums of four digits."""
    examined = exam(Arithmetic(), 4, 0, per_level=200)
    course = Course(Trainer(EASY, 0), examined)
    rounds = list(course.rounds())
    trainer = course.trainer
    assert [each.promoted_to for each in rounds] == [2, 3, 4, None]
    assert trainer.finished
    assert rounds[-1].score.by_depth["3"] > 0.5
    assert all((each.before_first_label or 0) < 0.5 for each in rounds)
    assert trainer.counts.task_labels == 0
    assert trainer.counts.questions == trainer.step * EASY.batch
    assert examined.seen == {"1"}
    assert rounds[-1].score.by_depth_n == {"1": 200, "2": 200, "3": 200, "4": 200}


def test_twins_follow_the_same_stream() -> None:
    """A supervised twin whose overseer would have been right is the amplified run itself."""
    recipe = replace(EASY, size=2)
    follows = Schedule([Promotion(20, 2, 1.0)])
    amplified = Trainer(recipe, 1, follows=follows)
    for _ in range(60):
        amplified.run_step()
    twin = Trainer(recipe, 1, "supervised", follows=follows)
    for _ in range(60):
        twin.run_step()
    assert same_weights(amplified.student, twin.student)
    assert twin.counts.task_labels == 60 * EASY.batch


@pytest.mark.parametrize("arm", ["supervised", "self_training", "frozen_frontier"])
def test_arms_are_one_before_the_first_promotion(arm: Arm) -> None:
    """Where H needs no student all arms get the same labels at the same rate: equal weights."""
    recipe = replace(EASY, size=2)
    follows = Schedule([Promotion(40, 2, 1.0)])
    leading, other = Trainer(recipe, 1, follows=follows), Trainer(recipe, 1, arm, follows=follows)
    alone = Trainer(recipe, 1)
    for trainer in (leading, other, alone):
        for _ in range(15):
            trainer.run_step()
    assert same_weights(leading.student, other.student)
    assert same_weights(alone.student, other.student)


@pytest.mark.parametrize("arm", ["supervised", "self_training", "frozen_frontier"])
def test_arms_learn_at_the_rate_of_a_run_that_begins_at_the_highest_level(arm: Arm) -> None:
    """Without a promotion to follow the rate falls from the first step in all arms alike."""
    recipe = replace(EASY, size=2, begin_above=1, settle_steps=20)
    leading = Trainer(recipe, 1)
    other = Trainer(recipe, 1, arm, follows=leading.curriculum.schedule)
    for trainer in (leading, other):
        for _ in range(20):
            trainer.run_step()
    rates = [each.optimiser.param_groups[0]["lr"] for each in (leading, other)]
    assert rates[0] == rates[1] < recipe.learning_rate / 4


@pytest.mark.parametrize("arm", ["supervised", "self_training"])
def test_twins_are_asked_the_same_however_they_do(arm: Arm) -> None:
    """Their own agreement changes nothing: every batch is that of the run that they follow."""
    leading = Trainer(replace(TINY, promote_at=0.0, probe_every=1), 2)
    asked: list[Tensor] = []
    for _ in range(40):
        leading.run_step()
        assert leading.asked is not None
        asked.append(leading.asked.rows)
    assert leading.curriculum.frontier == 3
    other = Trainer(TINY, 2, arm, follows=leading.curriculum.schedule)
    for rows in asked:
        other.run_step()
        assert other.asked is not None
        assert torch.equal(other.asked.rows, rows)


def test_a_frozen_frontier_stays_where_h_needs_no_student() -> None:
    """It is asked the two lowest levels, whatever the run that it follows asked."""
    follows = Schedule([Promotion(2, 2, 1.0), Promotion(4, 3, 1.0)])
    frozen = Trainer(TINY, 0, "frozen_frontier", follows=follows)
    other = Trainer(TINY, 0, "self_training", follows=follows)
    for _ in range(6):
        frozen.run_step()
        other.run_step()
    assert frozen.curriculum.frontier == 2
    assert other.curriculum.frontier == 3
    assert other.counts.student_forwards > 0


def stalled(rows: Tensor, told: Tensor) -> TableStep:
    """The overseer of sums without one type of subquestion: it never asks two leading digits."""
    task = Arithmetic()
    step = task.table_step(torch, rows, told)
    missing = task.table_levels(torch, step.question) == 2
    return TableStep(step.asks & ~missing, step.question, step.primitive, step.replies, step.reply)


def test_a_missing_type_of_subquestion_stalls_the_frontier() -> None:
    """Without it no question of three digits gets an answer, so the frontier stops there."""
    trainer = Trainer(EASY, 0, overseer=stalled)
    while trainer.curriculum.frontier < 3 or trainer.step % 100:
        trainer.run_step()
    for _ in range(60):
        trainer.run_step()
    assert trainer.curriculum.frontier == 3
    assert trainer.curriculum.agreement[2] == 0


def test_levels_are_asked_by_what_is_unsolved() -> None:
    """The frontier has its share, the rest goes where agreement is least; above is nothing."""
    state = curriculum(1, 5)
    assert state.weights(TINY, "amplified") == [1, 0, 0, 0, 0]
    state.promote(Promotion(1, 3, 0.9))
    state.agreement[:3] = [1.0, 0.5, 0.9]
    easy, hard, frontier, *above = state.weights(TINY, "amplified")
    assert frontier == pytest.approx(TINY.frontier_share)
    assert hard / easy == pytest.approx(0.6 / 0.1)
    assert above == [0, 0]
    assert state.weights(TINY, "supervised_uniform") == [1] * 5


def test_uniform_logits_cost_log_v() -> None:
    """A student that knows nothing pays ln(V) nats per symbol; ignored slots pay nothing."""
    logits = torch.zeros(2, 3, 12).log_softmax(-1)
    targets = torch.tensor([[1, 2, IGNORE], [4, IGNORE, IGNORE]])
    assert float(answer_loss(logits, targets)) == pytest.approx(math.log(12))
    assert float(answer_loss(logits, torch.full((2, 3), IGNORE))) == 0


def test_recipes_hold_together() -> None:
    """A recipe that cannot be meant is refused, and equal recipes have equal hashes."""
    assert preset("arithmetic", "demo").hash() == preset("arithmetic", "demo").hash()
    assert preset("arithmetic", "demo").hash() != preset("arithmetic", "small").hash()
    for wrong in ({"ema": 1.5}, {"batch": 0}, {"heads": 5}):
        with pytest.raises(BadRecipe):
            Recipe(task="arithmetic", size=3, **wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadRecipe, match="no preset"):
        preset("arithmetic", "huge")
