"""Checkpoints: a run that was stopped is the run that was not."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from distill.checkpoint import load_checkpoint, save_checkpoint
from distill.errors import BadCheckpoint
from distill.recipe import Recipe
from tests.distill.kit import TINY, same_weights, trained

PERMUTATION = Recipe(
    "permutation",
    size=4,
    reach=4,
    width=16,
    heads=2,
    blocks=2,
    fact_blocks=1,
    joined=True,
    batch=32,
    per_context=8,
    begin_above=1,
    replay=0.5,
)


@pytest.mark.parametrize(
    "recipe",
    [TINY, replace(TINY, replay=0.5, regime="frozen", round_steps=7), PERMUTATION],
    ids=["online", "frozen and replayed", "with facts"],
)
@pytest.mark.parametrize("stop", [0, 1, 13, 29])
def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(
    recipe: Recipe, stop: int, tmp_path: Path
) -> None:
    """Wherever it stops, it ends with the same weights bit for bit, and the same counts."""
    whole = trained(recipe, 30)
    save_checkpoint(trained(recipe, stop), tmp_path / "run")
    resumed = load_checkpoint(tmp_path / "run")
    assert resumed.step == stop
    while resumed.step < 30:
        resumed.run_step()
    assert same_weights(whole.student, resumed.student)
    assert same_weights(whole.average, resumed.average)
    assert whole.curriculum == resumed.curriculum
    assert replace(whole.counts, cpu_s=0) == replace(resumed.counts, cpu_s=0)


def test_saving_changes_nothing(tmp_path: Path) -> None:
    """A run that saves at every step is the run that never does."""
    saving = trained(steps=0)
    for _ in range(10):
        saving.run_step()
        save_checkpoint(saving, tmp_path / "run")
    assert same_weights(saving.student, trained(steps=10).student)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    """A flipped bit, a missing end and another file are told apart from a run."""
    path = tmp_path / "run"
    save_checkpoint(trained(steps=1), path)
    content = path.read_bytes()
    for damaged in (b"", content[:-1], b"x" * 1000, content[:500] + b"\0" + content[501:]):
        path.write_bytes(damaged)
        with pytest.raises(BadCheckpoint, match="damaged"):
            load_checkpoint(path)
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        load_checkpoint(tmp_path / "nothing")
