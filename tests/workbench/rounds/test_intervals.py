"""Intervals: what is known of a share, with what hangs together counted once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.rounds.intervals import difference, measured, wilson


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=60))
def test_an_interval_holds_its_share(answers: list[tuple[bool, int]]) -> None:
    """The share lies in its interval, and the interval in [0, 1], whatever hangs together."""
    right, units = [hit for hit, _ in answers], [unit for _, unit in answers]
    found = measured(right, units)
    assert found.accuracy == sum(right) / len(right)
    assert 0 <= found.low <= found.accuracy <= found.high <= 1
    assert (found.n, found.units) == (len(right), len(set(units)))


def test_independent_questions_have_wilsons_interval() -> None:
    """With a unit for each question it is Wilson's: 8 of 10 are .49 to .94."""
    found = measured([True] * 8 + [False] * 2, range(10))
    assert (found.low, found.high) == pytest.approx((0.490, 0.943), abs=1e-3)
    assert (found.low, found.high) == wilson(0.8, 10)


def test_repeated_answers_tell_nothing_new() -> None:
    """Ten equal questions about each context know about as much as one about each."""
    right = [True] * 60 + [False] * 40
    alone = measured(right[::10], range(10))
    repeated = measured(right, [place // 10 for place in range(100)])
    assert repeated.high - repeated.low > 0.9 * (alone.high - alone.low)
    assert repeated.high - repeated.low > 2 * (wilson(0.6, 100)[1] - wilson(0.6, 100)[0])


def test_what_is_always_right_is_as_sure_as_its_units() -> None:
    """Without any variance the units count, not the questions."""
    assert measured([True] * 100, [place % 4 for place in range(100)]).low == wilson(1.0, 4)[0]


def test_nothing_asked_is_nothing_known() -> None:
    """Without questions the interval is everything."""
    found = measured([], [])
    assert (found.n, found.low, found.high) == (0, 0.0, 1.0)


def test_a_difference_has_newcombes_interval() -> None:
    """Newcombe's own example: 56 of 70 less 48 of 80 is .2, with .052 to .334."""
    more, less = ((share, *wilson(share, count)) for share, count in ((56 / 70, 70), (48 / 80, 80)))
    assert difference(more, less) == pytest.approx((0.0524, 0.3339), abs=1e-4)
