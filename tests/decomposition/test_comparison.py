"""Comparison: which answers are the same under which rule."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decomposition.comparison import COMPARISONS, MOST_DIGITS, casefold, number
from decomposition.consensus import comparable

MINUS = "\u2212"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("195000.0", "195000"),
        ("$60,000", "60000"),
        ("-$10,000", "-10000"),
        ("$-10,000", "-10000"),
        (f"{MINUS}5", "-5"),
        (" 18. ", "18"),
        ("18.", "18"),
        ("18.00", "18"),
        (".5", "0.5"),
        ("1/2", "0.5"),
        ("3 / 6", "1/2"),
        ("50 %", "50"),
        ("50%.", "50"),
        ("-0", "0"),
        ("+7", "7"),
        ("007", "7"),
        ("1e3", "1000"),
        ("1.5E-1", "0.15"),
        ("$1,234,567.80", "1234567.8"),
        ("12 $", "12"),
    ],
)
def test_a_number_is_the_same_however_it_is_written(text: str, same: str) -> None:
    """Signs of money and shares, separators, zeros, exponents and a dot at the end do not count."""
    assert number(text) == number(same)


def test_numbers_are_compared_exactly() -> None:
    """No rounding: a difference in the fortieth digit is a difference, and 0.1 + 0.2 is 0.3."""
    long = "0." + "3" * 40
    assert number(long) != number(long[:-1] + "4")
    assert number("0.30000000000000004") != number("0.3")
    assert number("9007199254740993") != number("9007199254740992")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "five",
        "5 apples",
        "The answer is 5",
        "1,2",
        "1,2345",
        "1 2",
        "1-2",
        "1/0",
        "--5",
        "5..",
        "$",
        "%",
        ".",
        "nan",
        "inf",
        "Infinity",
        "0x10",
        "1_000",
        "\u0665",
        "1e99999",
        "9" * (MOST_DIGITS + 1),
        "1e1000",
        "$" * 100_000 + "5",
    ],
)
def test_what_is_no_number_is_a_text(text: str) -> None:
    """It compares as itself, so that it equals no number and no other text."""
    assert number(text) == comparable(text)
    assert number(text) != number("5")


def test_case_does_not_count_where_it_need_not() -> None:
    """Every alphabet's own cases, and forms of one letter, are the same."""
    assert casefold("Stra\u00dfe ") == casefold("STRASSE")
    assert casefold("e\u0301") == casefold("\u00c9")
    assert casefold("a") != casefold("b")


@given(st.one_of(st.text(max_size=12), st.from_regex(r"[$ ]?-?[0-9,]{1,8}\.?[0-9]{0,3} ?%?\.?")))
def test_a_compared_form_is_its_own(text: str) -> None:
    """Comparing what was compared changes nothing, under every rule."""
    for rule in COMPARISONS.values():
        assert rule(rule(text)) == rule(text)


@given(st.integers(-(10**30), 10**30), st.integers(0, 6))
def test_separators_change_no_number(whole: int, zeros: int) -> None:
    """Commas between thousands and zeros behind the point stand for nothing."""
    written = f"{whole:,}" + ("." + "0" * zeros if zeros else "")
    assert number(written) == str(whole)


@given(st.text(max_size=20))
def test_a_text_without_digits_is_never_a_number(text: str) -> None:
    """Only digits make a number."""
    if not re.search("[0-9]", text):
        assert number(text) == comparable(text)


def test_rules_have_names() -> None:
    """Those of the command line; each is a function that every process finds by its name."""
    assert set(COMPARISONS) == {"exact", "casefold", "number"}
    assert COMPARISONS["exact"] is comparable
