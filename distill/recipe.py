"""The recipe: everything that a training run depends on, seed apart. Frozen, named, hashed."""

from collections.abc import Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from distill.errors import BadRecipe

Arm = Literal["amplified", "supervised", "supervised_uniform", "frozen_frontier", "self_training"]
"""What the labels are and which questions are asked; all else is equal."""

Regime = Literal["online", "frozen"]
"""Whether the teacher is the moving average at every step, or stands still for a round."""


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """How one student is trained."""

    task: str
    size: int
    """Of a context, or of the largest question."""
    reach: int = 0
    """The furthest question, where a task has a reach beside its size; 0 for its own."""
    width: int = 64
    heads: int = 4
    blocks: int = 3
    fact_blocks: int = 0
    widening: int = 2
    joined: bool = False
    """Whether a question's tokens are joined into the vector that its answer slots begin with."""
    spare_places: int = 0
    offsets: bool = True
    """Whether places are moved by a random offset in training."""
    batch: int = 96
    per_context: int = 1
    """Questions about one context."""
    learning_rate: float = 3e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0
    """Greatest norm of a gradient."""
    warm_up_steps: int = 100
    ema: float = 0.975
    """Share of the moving average that a step keeps."""
    frontier_share: float = 0.4
    """Share of a batch on the frontier, at least; the rest is below, where agreement is least."""
    floor: float = 0.1
    """Weight of a level on which all agrees, beside one more where nothing does."""
    begin_above: int = 0
    """How far above the lowest level the frontier begins; what H labels without X needs no
    student: 1 spares a student the habit of looking up, which it would have to unlearn."""
    promote_at: float = 0.85
    """Agreement of the averaged student with the amplified system that moves the frontier."""
    probe_questions: int = 256
    probe_every: int = 10
    """Steps between two probes, at least."""
    settle_steps: int = 400
    """Steps after the frontier reached the highest level, in which the learning rate falls."""
    settled_rate: float = 0.05
    """What is left of the learning rate at their end."""
    most_steps: int = 2000
    """Steps at which training ends if the frontier never gets there."""
    audit_share: float = 1.0
    """Share of questions whose sub-answers are audited."""
    replay: float = 0.0
    """Chance of one more step on an earlier batch, after each step."""
    replayed_batches: int = 32
    """Batches that are kept for it."""
    regime: Regime = "online"
    round_steps: int = 100
    """Steps of a round with a frozen teacher."""

    def __post_init__(self) -> None:
        """Holds the values together.

        Raises:
            BadRecipe: They do not.
        """
        shares = (self.frontier_share, self.audit_share, self.replay, self.ema, self.promote_at)
        if not all(0 <= share <= 1 for share in shares):
            raise BadRecipe("shares, chances and agreements are from 0 to 1")
        if min(self.batch, self.per_context, self.probe_questions, self.round_steps) < 1:
            raise BadRecipe("batches, contexts, probes and rounds hold at least one question")
        if self.width % self.heads:
            raise BadRecipe(f"a width of {self.width} is not shared by {self.heads} heads")

    def hash(self) -> str:
        """Stable text; equal recipes have equal hashes, whatever the seed."""
        return f"b2:{blake2b(msgspec.json.encode(self), digest_size=16).hexdigest()}"


_WALKS: Final = Recipe(
    "permutation",
    size=8,
    reach=16,
    batch=384,
    learning_rate=2e-3,
    per_context=16,
    blocks=4,
    fact_blocks=3,
    joined=True,
    begin_above=1,
    audit_share=0.5,
    promote_at=0.6,
    settle_steps=4000,
    most_steps=7000,
)
PRESETS: Final[Mapping[tuple[str, str], Recipe]] = MappingProxyType(
    {
        ("arithmetic", "small"): Recipe(
            "arithmetic", size=6, begin_above=1, promote_at=0.7, settle_steps=800
        ),
        ("arithmetic", "demo"): Recipe("arithmetic", size=8),
        ("arithmetic", "medium"): Recipe(
            "arithmetic",
            size=10,
            width=96,
            blocks=4,
            batch=128,
            learning_rate=2e-3,
            begin_above=1,
            settle_steps=1500,
            most_steps=6000,
        ),
        ("arithmetic", "paper"): Recipe(
            "arithmetic",
            size=16,
            width=512,
            heads=8,
            blocks=6,
            widening=4,
            batch=800,
            learning_rate=1e-4,
            weight_decay=0.0,
            warm_up_steps=1000,
            ema=0.999,
            begin_above=1,
            settle_steps=20_000,
            most_steps=200_000,
        ),
        ("permutation", "small"): _WALKS,
        ("permutation", "medium"): replace(
            _WALKS, size=12, reach=32, width=96, blocks=5, most_steps=10_000
        ),
        # Christiano et al. 2018: 64 elements, fewer than 64 steps, 50 contexts a batch, encoder of
        # 6 layers, d = 512, 8 heads, Adam at 1e-5, clip 1, average over 1,000 steps, .85.
        ("permutation", "paper"): Recipe(
            "permutation",
            size=64,
            reach=63,
            batch=800,
            learning_rate=1e-5,
            weight_decay=0.0,
            warm_up_steps=1000,
            per_context=16,
            width=512,
            heads=8,
            blocks=3,
            fact_blocks=6,
            widening=4,
            joined=True,
            ema=0.999,
            begin_above=1,
            audit_share=0.0,
            settle_steps=50_000,
            most_steps=400_000,
        ),
        ("game24", "small"): Recipe(
            "game24",
            size=3,
            batch=256,
            learning_rate=2e-3,
            width=96,
            joined=True,
            audit_share=0.5,
            promote_at=0.97,
            settle_steps=1000,
            most_steps=3000,
        ),
    }
)
"""Recipes by task and preset. `small` and `demo` take a minute or a few for an arm on one core,
`medium` up to ten, `paper` weeks: it is the published size, for a machine of one's own."""


def preset(task: str, name: str) -> Recipe:
    """The recipe of a preset.

    Raises:
        BadRecipe: There is none.
    """
    found = PRESETS.get((task, name))
    if found is None:
        known = ", ".join(f"{task} {name}" for task, name in PRESETS)
        raise BadRecipe(f"no preset {name!r} for {task}; there are {known}")
    return found
