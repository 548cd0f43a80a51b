"""Intervals: how far a share can be trusted, with questions that share a context counted as one."""

from collections.abc import Sequence
from math import sqrt
from typing import Final, TypeAlias

from traces.rounds_record import Measure

Z: Final = 1.959964
"""Of an interval that covers 95 of 100 samples."""
Bounds: TypeAlias = tuple[float, float, float]
"""A share with the ends of its interval."""


def measured(right: Sequence[bool], units: Sequence[int]) -> Measure:
    """The share of what is right, with an interval clustered by independent units.

    Wilson's interval at the size that the sample would have with independent questions; the
    variance between units tells it. Where all answers are alike, the units themselves count.

    Args:
        right: Each answer.
        units: Which independent unit each belongs to.
    """
    count = len(right)
    if not count:
        return Measure(0.0, 0, 0, 0.0, 1.0)
    share = sum(right) / count
    distinct = len(set(units))
    low, high = wilson(share, _effective(share, right, units, distinct))
    return Measure(share, count, distinct, low, high)


def wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson's interval of a share among so many independent trials."""
    if count <= 0:
        return 0.0, 1.0
    middle = share + Z * Z / (2 * count)
    spread = Z * sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    whole = 1 + Z * Z / count
    # Rounding must not put the share itself outside, at 0 and at 1.
    low, high = (middle - spread) / whole, (middle + spread) / whole
    return max(0.0, min(low, share)) if share else 0.0, min(1.0, max(high, share))


def difference(more: Bounds, less: Bounds) -> tuple[float, float]:
    """The interval of the first share less the second, from the intervals of both.

    They are taken as independent; two answers to one question hang together, so that the interval
    is rather too wide. Source: Newcombe 1998, method 10.
    """
    (share, low, high), (other, other_low, other_high) = more, less
    between = share - other
    below = sqrt((share - low) ** 2 + (other_high - other) ** 2)
    above = sqrt((high - share) ** 2 + (other - other_low) ** 2)
    return max(-1.0, between - below), min(1.0, between + above)


def _effective(share: float, right: Sequence[bool], units: Sequence[int], distinct: int) -> float:
    """As many independent questions would tell as much."""
    count = len(right)
    if distinct == count:
        return count
    if share in {0.0, 1.0} or distinct < 2:
        return distinct
    beyond: dict[int, float] = {}
    for hit, unit in zip(right, units, strict=True):
        beyond[unit] = beyond.get(unit, 0.0) + hit - share
    variance = sum(each * each for each in beyond.values()) / count**2 * distinct / (distinct - 1)
    return min(float(count), share * (1 - share) / variance) if variance else float(count)
