"""Right answers, depth classes and graders stay out of a run: lying, they change no bit of it."""

from pathlib import Path
from typing import NoReturn

import pytest
import torch
from msgspec.structs import replace

from decomposition.tasks.arithmetic import Arithmetic
from decomposition.tasks.permutation import Permutation
from decomposition.tasks.table import AnyTableTask
from distill.checkpoint import load_checkpoint
from distill.recipe import Recipe
from tests.distill.kit import TINY
from tests.distill.test_checkpoint import PERMUTATION
from tests.workbench.rounds.test_rounds import nothing, weights
from traces.rounds_record import Round
from workbench.rounds.iterate import Ended, Wanted, iterate
from workbench.rounds.run_folder import Plan, RunFolder, write_json

STEPS = 60


def lying(task: AnyTableTask) -> AnyTableTask:
    """The task, whose truth and classes are wrong and whose graders fail loudly."""

    def one(*_: object) -> str:
        return "1"

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("training read what belongs to evaluation")

    parts: dict[str, object] = dict.fromkeys(("truth", "trivial", "depth_class"), one)
    parts |= dict.fromkeys(("table_truth", "correct", "broken_invariants"), refuse)
    made = type("Lying", (type(task),), parts)(
        *((task.max_steps,) if isinstance(task, Permutation) else ())
    )
    assert isinstance(made, type(task))
    return made


def worked(recipe: Recipe, task: AnyTableTask, path: Path) -> Ended:
    """A run of a recipe that is no preset, of all arms that take no right answers."""
    run = RunFolder(path)
    run.path.mkdir()
    arms = ("amplified", "frozen_frontier", "self_training")
    plan = Plan(
        recipe.task, "tiny", 5, replace(recipe, most_steps=STEPS), arms, per_level=20,
        rows_run="rows", record_share=0.01,
    )  # fmt: skip
    write_json(run.plan, plan)
    return iterate(Wanted(recipe.task), run.path, resume=True, tell=nothing, task=task)


def steered(told: Round) -> tuple[object, ...]:
    """What a round tells of training, curriculum and stopping."""
    return (
        told.arm, told.round, told.step, told.frontier, told.promoted_to, told.agreement,
        told.kept, told.loss_nats, told.spent.questions, told.spent.kept, told.spent.probes,
    )  # fmt: skip


def checkpoint(path: Path) -> tuple[object, ...]:
    """A checkpoint without seconds."""
    trainer = load_checkpoint(path)
    states = [trainer.student.state_dict(), trainer.average.state_dict()]
    states.append({name: each.get_state() for name, each in trainer.generators.items()})
    held = [{name: each.numpy().tobytes() for name, each in state.items()} for state in states]
    moments = [
        {name: each.numpy().tobytes() for name, each in state.items()}
        for state in trainer.optimiser.state_dict()["state"].values()
    ]
    trainer.counts.cpu_s = 0
    return trainer.step, trainer.curriculum, trainer.counts, trainer.follows, held, moments


@pytest.mark.parametrize(
    ("recipe", "task"),
    [(TINY, Arithmetic()), (replace(PERMUTATION, size=5), Permutation(PERMUTATION.reach))],
    ids=["arithmetic", "permutation"],
)
def test_lies_change_no_bit_of_a_run(recipe: Recipe, task: AnyTableTask, tmp_path: Path) -> None:
    """Students, checkpoints, training rows, promotions and the end are equal; only scores lie."""
    torch.set_num_threads(1)
    sound = worked(recipe, task, tmp_path / "sound")
    spoilt = worked(recipe, lying(task), tmp_path / "spoilt")
    folders = [RunFolder(tmp_path / name) for name in ("sound", "spoilt")]
    first, second = ([steered(told) for told in each.read_rounds()] for each in folders)
    assert first == second
    assert weights(sound.folder) == weights(spoilt.folder) != {}
    for arm in ("amplified", "frozen_frontier", "self_training"):
        kept = [checkpoint(each.checkpoint(arm)) for each in folders]
        assert kept[0] == kept[1]
    assert sound.summary.rows_digest == spoilt.summary.rows_digest != ""
    assert sound.summary.foretold == spoilt.summary.foretold
    assert sound.summary.frontier_by_round == spoilt.summary.frontier_by_round
    assert list(spoilt.summary.accuracy["student"].by_depth) == ["1"]
    assert sound.summary.accuracy != spoilt.summary.accuracy
