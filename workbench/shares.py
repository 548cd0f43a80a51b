"""Shares: parts of a whole with Wilson's 95 % interval, equal questions counted as one trial."""

from collections.abc import Sequence

from msgspec import Struct

from workbench.rounds.intervals import measured


class Share(Struct, frozen=True):
    """How many of how many, with the ends of the interval."""

    share: float
    hits: int
    n: int
    units: int
    """Independent trials among the n."""
    low: float
    high: float


def share_of(hits: Sequence[bool], units: Sequence[int]) -> Share:
    """The share of what hit.

    Args:
        hits: Trial by trial.
        units: Which independent unit each trial belongs to.
    """
    found = measured(hits, units)
    return Share(found.accuracy, sum(hits), found.n, found.units, found.low, found.high)


def told(share: Share) -> str:
    """Such as `84.6 % (82.1 to 86.8; 785 of 928)`."""
    units = "" if share.units == share.n else f", {share.units} different"
    return (
        f"{share.share * 100:.1f} % ({share.low * 100:.1f} to {share.high * 100:.1f}; "
        f"{share.hits} of {share.n}{units})"
    )
