"""Fits: examples are learnt at a rate that falls at the end, and at no other time."""

import pytest
from msgspec.structs import replace

from decomposition.tasks.arithmetic import Arithmetic
from decomposition.tasks.base import NO_FACTS
from distill.fit import SETTLING, Example, fit, recipe_of, sort
from distill.training import Trainer

SUMS = [Example(NO_FACTS, (left, 12, 0), left + 12, 1.0) for left in range(10, 99)]


@pytest.mark.parametrize("size", [2, 4])
def test_the_rate_falls_in_the_last_steps_alone(size: int) -> None:
    """Also where the small recipe's frontier begins at the highest level there is."""
    steps = 30
    recipe = replace(recipe_of(Arithmetic(), size, steps), width=16, warm_up_steps=0)
    rates: list[float] = []

    def tell(trainer: Trainer, _: float) -> None:
        rates.append(trainer.optimiser.param_groups[0]["lr"])

    fit(Trainer(recipe, 0), SUMS, tell)
    falling = steps // SETTLING
    assert rates[: steps - falling] == [recipe.learning_rate] * (steps - falling)
    assert rates[-falling:] == sorted(rates[-falling:], reverse=True)
    assert rates[-1] < recipe.learning_rate / 4


def test_examples_without_weight_or_of_a_level_out_of_reach_do_not_fit() -> None:
    """What is trained on and what is held out are apart, and together all that fits."""
    silent = [Example(NO_FACTS, (50, 50, 0), 100, 0.0)]
    found = sort(Arithmetic(), [*SUMS, *silent])
    assert (found.size, found.unfit) == (2, 1)
    assert len(found.train) + len(found.held_out) == len(SUMS)
    assert found.held_out
    assert not {each.row for each in found.train} & {each.row for each in found.held_out}
