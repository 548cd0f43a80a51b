"""Calibration: from which confidence on a student's answer may stand without being worked out.

Nothing here knows the truth. The student is asked what it was trained on and held against its own
audited amplification: where both agree often enough, its confidence is enough for a cascade. What
the overseer gets wrong, and what student and amplified system get wrong alike, it cannot see.
"""

from math import sqrt
from pathlib import Path
from typing import Final

import torch
from msgspec import Struct
from torch import Tensor

from decomposition.tasks.table import DONT_KNOW
from distill.batch_amplifier import Amplifier
from distill.counts import Counts
from distill.errors import BadStudent
from distill.folder import StudentRecord
from distill.questions import Stream
from distill.training import Trainer

CASCADE_BOUND: Final = "cascade_bound"
"""Name of the bound among a student's metrics."""
WANTED: Final = 0.98
"""Agreement that is wanted of the answers over the bound, at the lower end of its interval."""
NEVER: Final = 1.0
"""The bound of a student that is nowhere sure enough."""
UNTOLD: Final = 0.9
"""The bound of a student that was never calibrated."""
_QUESTIONS: Final = 2048
_SEED: Final = 104_729
"""Added to a run's seed, so that the draws are those of nothing else."""
_Z: Final = 1.645
"""Of a lower end that holds in 95 of 100 samples."""


class Calibration(Struct, frozen=True):
    """A bound and what it rests on."""

    bound: float
    """Least confidence, in [0, 1]."""
    agreement: float
    """Of the answers over the bound with their audited amplification; 0 where there are none."""
    coverage: float
    """Share of the questions whose answer is over the bound."""
    questions: int


def calibrate(trainer: Trainer, count: int = _QUESTIONS, wanted: float = WANTED) -> Calibration:
    """The bound of a run's averaged student, on questions of every level that it was trained on.

    They are drawn from the part that is not held out. The run's own generators and counts stay
    as they are.

    Args:
        trainer: The run.
        count: Questions.
        wanted: Agreement that the lower end of the interval must reach.
    """
    recipe, levels = trainer.recipe, trainer.curriculum
    generator = torch.Generator().manual_seed(trainer.seed + _SEED)
    stream = Stream(trainer.task, recipe.size, generator, per_context=recipe.per_context)
    known = [1.0] * (levels.frontier - levels.lowest + 1)
    above = [0.0] * (levels.highest - levels.frontier)
    questions = stream.draw(stream.levels([*known, *above], count))
    amplifier = Amplifier(trainer.task, recipe.size, trainer.averaged, Counts(), trainer.overseer)
    amplified = amplifier.amplify(questions, torch.ones(count, dtype=torch.bool))
    own = trainer.averaged(questions)
    spoke = own.values != DONT_KNOW
    agreed = spoke & amplified.kept & (own.values == amplified.labels)
    return bound_of(torch.where(spoke, own.confidence, -1.0), agreed, wanted)


def told_bound(folder: Path, record: StudentRecord) -> float:
    """The bound that a student's record tells; `UNTOLD` where it was never calibrated.

    Raises:
        BadStudent: It is no share.
    """
    bound = record.metrics.get(CASCADE_BOUND, UNTOLD)
    if not 0 <= bound <= 1:
        raise BadStudent(folder, f"its {CASCADE_BOUND} is no share: {bound}")
    return bound


def bound_of(confidence: Tensor, agreed: Tensor, wanted: float = WANTED) -> Calibration:
    """The lowest bound over which answers agree often enough.

    Args:
        confidence: (B,) float, below 0 for what has no answer.
        agreed: (B,) bool: equal to the audited amplification.
        wanted: As in `calibrate`.
    """
    sure, order = confidence.sort(descending=True, stable=True)  # (B,)
    hits = agreed[order].cumsum(0)  # (B,)
    best = Calibration(NEVER, 0.0, 0.0, len(sure))
    bounds, rights = [float(each) for each in sure], [int(each) for each in hits]
    for place, (bound, right) in enumerate(zip(bounds, rights, strict=True), 1):
        last_of_equals = place == len(bounds) or bounds[place] < bound
        if bound >= 0 and last_of_equals and _lower_end(right, place) >= wanted:
            best = Calibration(min(bound, 1.0), right / place, place / len(sure), len(sure))
    return best


def _lower_end(right: int, count: int) -> float:
    """The lower end of Wilson's interval of a share."""
    share, square = right / count, _Z * _Z
    spread = _Z * sqrt(share * (1 - share) / count + square / (4 * count * count))
    return (share + square / (2 * count) - spread) / (1 + square / count)
