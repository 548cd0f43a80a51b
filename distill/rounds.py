"""Rounds: when a run is measured, and what it took to be right at the highest level.

A round is the stretch between two promotions, or one with a frozen teacher. The measurements read
the truth; they are taken between steps and nothing of them flows back.
"""

from typing import Final

from msgspec import Struct

GOAL: Final = 0.95
"""Accuracy at the highest level whose cost is told."""
MEASURE_EVERY: Final = 50
"""Steps between two measurements of the highest level."""


class Reached(Struct, frozen=True):
    """What it took to be right at the highest level."""

    questions: int
    cpu_s: float
    step: int
