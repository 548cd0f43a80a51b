"""Options of deliberating: one list, one value, ranges with what is allowed."""

from typing import get_type_hints

import pytest

from tests.workbench.conftest import Run
from workbench.cli_deliberation import Deliberating
from workbench.exits import Complaint
from workbench.limits import Limits, count, decimal, parsed
from workbench.options import Options


def test_the_command_line_has_every_option_with_its_default() -> None:
    """`ask` and `amplify` take what `Options` holds, no more and no less, with its defaults."""
    fields = [name for name in Options.__struct_fields__ if name != "configured"]
    assert set(get_type_hints(Deliberating)) == set(fields)
    defaults = {name: vars(Deliberating)[name] for name in fields}
    assert defaults | {"per_question": Limits(), "rates": ()} == {
        name: getattr(Options(), name) for name in fields
    }


@pytest.mark.parametrize("command", ["ask", "amplify"])
def test_help_stands_under_headings(command: str, run: Run) -> None:
    """Many options are found under the headings that say what they are about."""
    ran = run(command, "--help")
    assert ran.code == 0
    for heading in ("Who answers:", "Chat models:", "Consensus:", "Reuse:", "Caps:"):
        assert heading in ran.out


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1e3", "1.5", "1" * 30, "\u0661", " 1"])
def test_a_count_is_a_plain_whole_number(text: str) -> None:
    """Signs, exponents, fractions, other digits and absurd lengths are no counts."""
    assert count(text) is None


@pytest.mark.parametrize(
    "text", ["", ".5", "-1", "nan", "inf", "1e400", "1.2.3", "9" * 9, "\u0661"]
)
def test_an_amount_is_a_plain_decimal(text: str) -> None:
    """Signs, exponents, other digits and what is over the most are no amounts."""
    assert decimal(text, 1_000_000) is None


def test_limits_are_read_by_name() -> None:
    """Each at most once, in any order."""
    limits = parsed("usd=0.10, calls=5,seconds=60", "--per-question")
    assert limits == Limits(calls=5, usd=0.1, seconds=60.0)
    assert parsed("", "--per-question") == Limits()


@pytest.mark.parametrize(
    "text", ["5", "calls", "calls=", "calls=1,calls=2", "cals=1", "usd=1e9", "tokens=-1"]
)
def test_limits_that_cannot_be_read_are_told(text: str) -> None:
    """With how to write them."""
    with pytest.raises(Complaint, match="write it as calls=5,tokens=20000"):
        parsed(text, "--per-question")
