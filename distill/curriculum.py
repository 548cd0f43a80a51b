"""The curriculum: which levels are asked, moved by self-agreement alone.

Asked is up to the frontier. It moves when the averaged student and the amplified system agree on
the frontier level; right answers, graders and `depth_class` are unknown here.
"""

from typing import Final

import torch
from msgspec import Struct, field
from torch import Tensor

from distill.recipe import Arm, Recipe

SMOOTHING: Final = 0.9
"""Share of the running agreement that a step keeps."""
MARGIN: Final = 0.1
"""How far the running agreement may stay below promotion for a probe to be worth its cost: the
averaged student is better than the one in training, of which it is the agreement."""


MIX_EVERY: Final = 10
"""Steps for which a mixture of levels stands."""


class Promotion(Struct, frozen=True):
    """The frontier moved."""

    step: int
    """The first step with the new frontier."""
    level: int
    """The new frontier."""
    agreement: float
    """Of the probe on the level before."""


class Mixture(Struct, frozen=True):
    """How likely each level is."""

    step: int
    """The first step that draws so."""
    weights: list[float]
    """From the lowest level."""


class Schedule(Struct, frozen=True):
    """What a run asked, for others to ask the same."""

    promotions: list[Promotion] = field(default_factory=list[Promotion])
    mixtures: list[Mixture] = field(default_factory=list[Mixture])
    """Empty where those who follow may mix levels by their own agreement."""

    def mixture(self, step: int) -> list[float] | None:
        """The weights of a step; None where they are not told."""
        told = [each.weights for each in self.mixtures if each.step <= step]
        return told[-1] if told else None

    def promotion(self, step: int) -> Promotion | None:
        """The promotion of a step; None where there is none."""
        return next((each for each in self.promotions if each.step == step), None)

    def top_reached_at(self, highest: int) -> int | None:
        """The step at which the frontier became the highest level; None if it never did."""
        return next((each.step for each in self.promotions if each.level == highest), None)


class Curriculum(Struct):
    """The frontier and how well student and amplified system agree below it."""

    lowest: int
    highest: int
    frontier: int
    agreement: list[float]
    """Running, of the student in training, by level from the lowest."""
    probed_at: int = 0
    """Step of the last probe."""
    probed: float = 0.0
    """What the last probe found at the frontier."""
    promotions: list[Promotion] = field(default_factory=list[Promotion])
    mixtures: list[Mixture] = field(default_factory=list[Mixture])

    @property
    def schedule(self) -> Schedule:
        """What was asked so far."""
        return Schedule(list(self.promotions), list(self.mixtures))

    def mixed(self, step: int, recipe: Recipe, arm: Arm) -> list[float]:
        """The weights of a step: made anew where the frontier moved, and every few steps."""
        last = self.mixtures[-1].step if self.mixtures else -MIX_EVERY
        moved = bool(self.promotions) and self.promotions[-1].step == step
        if moved or step >= last + MIX_EVERY:
            self.mixtures.append(Mixture(step, self.weights(recipe, arm)))
        return self.mixtures[-1].weights

    def weights(self, recipe: Recipe, arm: Arm) -> list[float]:
        """How likely each level is in the next batch, from the lowest."""
        count = self.highest - self.lowest + 1
        if arm == "supervised_uniform":
            return [1.0] * count
        below = self.frontier - self.lowest
        unsolved = [recipe.floor + 1 - agreed for agreed in self.agreement[: below + 1]]
        share = max(recipe.frontier_share, unsolved[-1] / sum(unsolved))
        rest = [(1 - share) * each / sum(unsolved[:-1]) for each in unsolved[:-1]]
        return [*rest, share, *([0.0] * (count - below - 1))]

    def observe(self, levels: Tensor, agreed: Tensor) -> None:
        """Takes in a batch: levels (B,) int64 and whether both agreed (B,) bool."""
        places = levels - self.lowest
        counted = torch.bincount(places, minlength=len(self.agreement))
        hits = torch.bincount(places[agreed], minlength=len(self.agreement))
        for place, before in enumerate(self.agreement):
            if asked := int(counted[place]):
                now = int(hits[place]) / asked
                self.agreement[place] = SMOOTHING * before + (1 - SMOOTHING) * now

    def probe_due(self, step: int, recipe: Recipe) -> bool:
        """Whether the frontier can still move, and looks ready."""
        if self.frontier == self.highest:
            return False
        ready = self.agreement[self.frontier - self.lowest] >= recipe.promote_at - MARGIN
        return ready and step >= self.probed_at + recipe.probe_every

    def judge(self, step: int, agreement: float, recipe: Recipe) -> bool:
        """Takes in a probe of the frontier; whether that moved it."""
        self.probed_at, self.probed = step, agreement
        if agreement < recipe.promote_at or self.frontier == self.highest:
            return False
        self.promote(Promotion(step, self.frontier + 1, agreement))
        return True

    def promote(self, promotion: Promotion) -> None:
        """Moves the frontier."""
        self.frontier = promotion.level
        self.promotions.append(promotion)

    @property
    def reached_top_at(self) -> int | None:
        """The step at which the frontier became the highest level; None before."""
        if self.frontier < self.highest:
            return None
        return self.promotions[-1].step if self.promotions else 0


def curriculum(lowest: int, highest: int, begin_above: int = 0) -> Curriculum:
    """One that begins so far above the lowest level."""
    return Curriculum(lowest, highest, lowest + begin_above, [0.0] * (highest - lowest + 1))
