"""The truth stays out: poisoned, it changes not one bit of training."""

from pathlib import Path
from typing import NoReturn

import pytest

from decomposition.tasks.arithmetic import Arithmetic
from decomposition.tasks.game24 import Game24
from decomposition.tasks.permutation import Permutation
from decomposition.tasks.table import AnyTableTask
from distill.checkpoint import load_checkpoint, save_checkpoint
from distill.recipe import Arm, Recipe
from distill.training import Trainer
from tests.distill.kit import JUDGE, TINY, same_weights
from tests.distill.test_checkpoint import PERMUTATION

FORBIDDEN = ("truth", "correct", "depth_class", "trivial", "broken_invariants", "table_truth")


def poisoned(task: AnyTableTask) -> AnyTableTask:
    """The task with everything that belongs to evaluation made to fail loudly."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("training read what belongs to evaluation")

    parts: dict[str, object] = dict.fromkeys(FORBIDDEN, refuse)
    made = type("Poisoned", (type(task),), parts)(
        *((task.max_steps,) if isinstance(task, Permutation) else ())
    )
    assert isinstance(made, type(task))
    return made


@pytest.mark.parametrize("arm", ["amplified", "frozen_frontier", "self_training"])
@pytest.mark.parametrize(
    ("recipe", "task"),
    [(TINY, Arithmetic()), (PERMUTATION, Permutation(4)), (JUDGE, Game24())],
    ids=["arithmetic", "permutation", "game24"],
)
def test_poisoned_truth_changes_nothing(
    recipe: Recipe, task: AnyTableTask, arm: Arm, tmp_path: Path
) -> None:
    """Training, curriculum, stopping and checkpoint are the same bit for bit."""
    sound = Trainer(recipe, 5, arm, task=task)
    spoilt = Trainer(recipe, 5, arm, task=poisoned(task))
    for step in range(40):
        sound.run_step()
        spoilt.run_step()
        if step == 20:
            save_checkpoint(spoilt, tmp_path / "run")
            spoilt = load_checkpoint(tmp_path / "run", task=poisoned(task))
        assert sound.finished == spoilt.finished
    assert same_weights(sound.average, spoilt.average)
    assert sound.curriculum == spoilt.curriculum
    assert spoilt.counts.task_labels == 0


@pytest.mark.parametrize("arm", ["supervised", "supervised_uniform"])
def test_the_supervised_twins_read_it_and_are_counted(arm: Arm) -> None:
    """Every label that a twin takes from the task is counted."""
    trainer = Trainer(TINY, 0, arm)
    trainer.run_step()
    assert trainer.counts.task_labels == TINY.batch
    with pytest.raises(AssertionError, match="belongs to evaluation"):
        Trainer(TINY, 0, arm, task=poisoned(Arithmetic())).run_step()
