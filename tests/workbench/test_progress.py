"""What is said while a batch runs, and when it is stopped."""

import pytest

from traces.ledger import Totals
from workbench.batch_progress import BatchProgress, Moment, told
from workbench.limits import NO_LIMITS, Limits
from workbench.spend_text import capped, dollars, duration, paid


def test_a_moment_says_how_far_how_fast_what_was_spent_and_what_is_left() -> None:
    """In one line; what is not known yet is left out."""
    assert told(Moment(300, 0, 0, 0.0)) == "0/300 questions"
    assert told(Moment(300, 2, 2, 1.0)) == "2/300 questions · 2 questions/s"
    whole = Moment(300, 110, 100, 50.0, calls=1000, tokens=12345, usd=0.5)
    assert told(whole) == (
        "110/300 questions · 2 questions/s · 20 calls/s · 12,345 tokens · $0.5000 · about 95 s left"
    )
    assert "left" not in told(Moment(3, 3, 3, 1.0))


def test_progress_without_a_terminal_is_a_line_every_few_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """However often something is committed."""
    clock = iter([0.0, *(each * 0.5 for each in range(1, 25))])
    progress = BatchProgress(10, 1, lambda: next(clock))
    for _ in range(24):
        progress.tick(())
    progress.close()
    assert capsys.readouterr().err == "1/10 questions\n1/10 questions\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (150, "2 min"), (3700, "1 h 01 min"), (100_000, "1 d 03 h")],
)
def test_a_duration_is_short(seconds: float, words: str) -> None:
    """Two units at most."""
    assert duration(seconds) == words


def test_money_is_exact_where_it_is_little() -> None:
    """To the hundredth of a cent; large sums to the cent."""
    assert dollars(0.00125) == "$0.0013"
    assert dollars(1234.5) == "$1,234.50"


def test_what_is_paid_says_what_is_not_known() -> None:
    """Calls that no report came of count as their reserve, and are said apart."""
    assert not paid(Totals())
    assert paid(Totals(calls=1, tokens_in=900, tokens_out=100, cost_usd=0.01)) == (
        "paid: 1 call, 1,000 tokens, $0.0100"
    )
    assert paid(Totals(calls=2, tokens_in=10, unknown=2)) == (
        "paid: 2 calls, 10 tokens; what 2 calls cost is not known, for want of a price"
    )
    said = paid(Totals(calls=3, tokens_in=10, unknown=2, reserved_tokens=500, reserved_usd=0.2))
    assert said.endswith("of 2 calls not all is known: at most 500 tokens and $0.2000 more")


def test_a_stop_names_its_cap_and_the_command_that_goes_on() -> None:
    """One cap by its name; of several, each that was set."""
    one = capped("amplify --resume r", Limits(calls=20), NO_LIMITS, " --store a.db")
    assert one.startswith("stopped at the cap of 20 calls; what is there is kept\n")
    assert "amplify --resume r --max-calls N --store a.db   (N more than 20)" in one
    assert "--max-usd N   (N more than 0.5)" in capped("x", Limits(usd=0.5), NO_LIMITS, "")
    both = capped("x", Limits(calls=20, tokens=9000), Limits(usd=0.1), "")
    assert both.startswith("stopped at a cap (20 calls; 9000 tokens; $0.1000 a question)")
    assert "x --max-calls N --max-tokens N --per-question usd=N" in both
