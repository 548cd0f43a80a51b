"""The stall: without a type of subquestion, the frontier stops where task and overseer say."""

from pathlib import Path

import pytest

from distill.recipe import Recipe
from distill.training import table_task
from tests.workbench.rounds.test_rounds import nothing
from workbench.rounds.foretold import in_words
from workbench.rounds.iterate import Wanted, iterate
from workbench.rounds.overseers import overseer
from workbench.rounds.run_folder import Plan, RunFolder, write_json

SUMS = Recipe(
    "arithmetic", size=4, width=32, heads=2, blocks=2, batch=128, learning_rate=6e-3,
    warm_up_steps=20, ema=0.95, audit_share=0.25, offsets=False, most_steps=420,
)  # fmt: skip
WALKS = Recipe(
    "permutation", size=5, reach=8, width=32, heads=2, blocks=3, fact_blocks=2, joined=True,
    batch=128, per_context=8, begin_above=1, learning_rate=4e-3, warm_up_steps=20, ema=0.95,
    audit_share=0.25, most_steps=220,
)  # fmt: skip
"""Recipes that take seconds."""


def planned(recipe: Recipe, spec: str, folder: Path) -> RunFolder:
    """A run of a recipe that is no preset, before its first step."""
    who = overseer(spec, table_task(recipe.task, recipe.reach), recipe.size, 1)
    run = RunFolder(folder)
    run.path.mkdir()
    plan = Plan(
        recipe.task, "tiny", 1, recipe, ("amplified",), per_level=20,
        overseer=who.spec, overseer_identity=who.identity, overseer_kind=who.kind,
    )  # fmt: skip
    write_json(run.plan, plan)
    return run


@pytest.mark.parametrize(
    ("recipe", "spec", "level", "labelled"),
    [
        (SUMS, "without:leading:expert", 2, 0.0),
        (SUMS, "without:carry:expert", 2, 0.55),
        (SUMS, "without:level-2:expert", 3, 0.0),
        (WALKS, "without:second:expert", 1, 0.0),
        (WALKS, "without:odd:expert", 2, 0.5),
    ],
)
def test_the_frontier_stops_where_foretold(
    recipe: Recipe, spec: str, level: int, labelled: float, tmp_path: Path
) -> None:
    """It climbs to the first level that needs the missing type, and stays there to the end."""
    run = planned(recipe, spec, tmp_path / "run")
    ended = iterate(Wanted(recipe.task), run.path, resume=True, tell=nothing)
    foretold = ended.summary.foretold
    assert foretold is not None
    assert foretold.frontier is not None
    assert foretold.labelled is not None
    print(recipe.task, spec, *in_words(foretold))  # noqa: T201 - shown beside a failure
    assert (foretold.frontier.foretold, foretold.frontier.came) == (level, level)
    assert foretold.labelled[str(level)] == pytest.approx(labelled, abs=0.06)
    last = run.read_rounds()[-1]
    assert last.step == recipe.most_steps
    assert last.frontier == level
    assert last.promoted_to is None


def test_with_all_its_types_the_same_run_goes_on(tmp_path: Path) -> None:
    """What stalls the run is the missing type: the whole overseer passes the same level."""
    run = planned(SUMS, "expert", tmp_path / "run")
    iterate(Wanted("arithmetic"), run.path, resume=True, tell=nothing)
    assert run.read_rounds()[-1].frontier > 2
