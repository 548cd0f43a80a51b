"""Limits: the most that a run or a question may spend, and how they are written."""

from math import isfinite
from typing import Final

from msgspec import Struct
from msgspec.structs import astuple

from workbench.exits import stop

MAX_COUNT: Final = 10**12
MAX_USD: Final = 1_000_000
MAX_SECONDS: Final = 10**9
_DIGITS: Final = 24
"""Characters of a number, at most."""


class Limits(Struct, frozen=True):
    """What may be spent at most; None is no limit."""

    calls: int | None = None
    """Calls of answerers; look-ups in a task's environment are none."""
    tokens: int | None = None
    """In and out, together."""
    usd: float | None = None
    seconds: float | None = None
    """On the clock."""


NO_LIMITS: Final = Limits()


def over(limits: Limits, below: Limits) -> Limits:
    """Limits, and where they say nothing those of others."""
    pairs = zip(astuple(limits), astuple(below), strict=True)
    return Limits(*(mine if mine is not None else other for mine, other in pairs))


def count(text: str) -> int | None:
    """A whole number from 0 on; None where the text is none that may stand here."""
    plain = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
    return int(text) if plain and int(text) <= MAX_COUNT else None


def decimal(text: str, most: float) -> float | None:
    """A number from 0 to `most` in digits, such as 0.25; None where the text is none."""
    whole, _, part = text.partition(".")
    plain = text.isascii() and len(text) <= _DIGITS and whole.isdecimal()
    if not plain or (part or "0").isdecimal() is False:
        return None
    value = float(text)
    return value if value <= most else None


def parsed(text: str, flag: str) -> Limits:
    """Limits such as `calls=5,tokens=20000,usd=0.10,seconds=60`, each at most once.

    Args:
        text: As it was given; empty for no limits.
        flag: For the message.

    Raises:
        Complaint: It is not that.
    """
    found: dict[str, int | float] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, number = part.partition("=")
        value = _value(name, number)
        if value is None or name in found:
            stop(
                f"{flag}: cannot read {part[:60]!r}\n"
                "write it as calls=5,tokens=20000,usd=0.10,seconds=60, each at most once; calls "
                f"and tokens are whole numbers ≥ 0, at most {MAX_COUNT}; usd at most {MAX_USD}, "
                f"seconds at most {MAX_SECONDS}, both without exponent"
            )
        found[name] = value
    return Limits(**found)  # type: ignore[arg-type]


def _value(name: str, number: str) -> int | float | None:
    if name in ("calls", "tokens"):
        return count(number)
    if name in ("usd", "seconds"):
        return decimal(number, MAX_USD if name == "usd" else MAX_SECONDS)
    return None


def check_limits(limits: Limits, flag: str = "--max-") -> None:
    """Nothing, if every limit is in its range.

    Args:
        limits: From wherever they come.
        flag: How the flags begin.

    Raises:
        Complaint: One is not; the message says what it may be.
    """
    for name, whole in (("calls", limits.calls), ("tokens", limits.tokens)):
        if whole is not None and not 0 <= whole <= MAX_COUNT:
            stop(f"{flag}{name} must be a whole number ≥ 0, at most {MAX_COUNT}")
    for name, number, most in (
        ("usd", limits.usd, MAX_USD),
        ("seconds", limits.seconds, MAX_SECONDS),
    ):
        if number is not None and not (isfinite(number) and 0 <= number <= most):
            stop(f"{flag}{name} must be a number from 0 to {most}, without exponent")
