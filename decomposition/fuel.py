"""Fuel: the steps that a workspace may still take, one less with every action."""

from typing import Final

RESERVE: Final = 2
"""Steps that an asker keeps back: one unlock and one reply."""

LOW: Final = 8
"""Below this the band is `low`."""


def allot(fuel: int, parts: int) -> tuple[int, ...]:
    """Equal whole parts of what an asker does not keep, the remainder by order.

    Args:
        fuel: What the asker has left once the ask itself is paid.
        parts: How many samples are asked, at least 1. A part of 0 fails at once.
    """
    each, rest = divmod(max(fuel - RESERVE, 0), parts)
    if not rest:
        return (each,) * parts
    return (each + 1,) * rest + (each,) * (parts - rest)


def band(fuel: int) -> str:
    """How an answerer that sees its fuel reads it: `plenty`, `low` or `last`."""
    if fuel <= 1:
        return "last"
    return "low" if fuel < LOW else "plenty"
