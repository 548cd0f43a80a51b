"""Comparison: when two answers are the same, as named rules. A rule gives a text's compared form.

Two answers are equal where their compared forms are. Rules are pure, and a compared form is its
own compared form.
"""

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final
from unicodedata import normalize

from decomposition.consensus import comparable

MOST_DIGITS: Final = 1_000
"""Digits of a number, those that an exponent stands for among them; a longer one is text."""

_NUMBER: Final = re.compile(
    r"[$ ]{0,4}(?P<sign>[+-]?)[$ ]{0,4}"
    r"(?P<digits>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,4}))?(?: ?/ ?(?P<below>[0-9]+))?[ %$]{0,4}\.?"
)
_MINUS: Final = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u202f": " "})


def casefold(text: str) -> str:
    """Without regard to upper and lower case: "Paris" is "PARIS"."""
    return normalize("NFC", normalize("NFD", text).casefold()).strip()


def number(text: str) -> str:
    """The exact number that a text is, else the text: "$1,500.00" is "1500", and "50 %" is "50".

    Dollar and percent signs, spaces, commas between groups of three digits and one dot at the end
    do not count; decimals and fractions are compared exactly. A text with words in it is no
    number and equals none.
    """
    plain = comparable(text)
    found = _NUMBER.fullmatch(plain.translate(_MINUS))
    value = None if found is None else _value(found)
    return plain if value is None else str(value)


def _value(found: re.Match[str]) -> Fraction | None:
    """The number that was read; None where it has more digits than anybody writes, or none is."""
    whole, _, part = found["digits"].replace(",", "").partition(".")
    exponent = int(found["exponent"] or 0)
    below = found["below"] or "1"
    if len(whole) + len(part) + len(below) + abs(exponent) > MOST_DIGITS or not int(below):
        return None
    value = Fraction(int(whole + part or "0"), 10 ** len(part)) * Fraction(10) ** exponent
    return (-value if found["sign"] == "-" else value) / int(below)


COMPARISONS: Final[Mapping[str, Callable[[str], str]]] = {
    "exact": comparable,
    "casefold": casefold,
    "number": number,
}
"""By the names that the command line has for them; `exact` is the rule where none is named."""
