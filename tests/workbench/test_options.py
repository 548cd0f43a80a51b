"""Options of deliberating: one list, one value, ranges with what is allowed."""

from typing import get_type_hints

import msgspec
import pytest

from decomposition.answerers.chat_settings import Price
from tests.workbench.conftest import Run
from workbench.cli_deliberation import Deliberating
from workbench.config import NO_CONFIG, Config, Provider, Rate
from workbench.exits import Complaint
from workbench.limits import Limits, count, decimal, parsed
from workbench.options import Accepted, Options, rates_of, recapped


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


def test_records_of_earlier_versions_are_read() -> None:
    """What a record does not say is as it was before there was anything to say."""
    kept = msgspec.json.decode(b'{"by": "expert", "max_calls": 3}', type=Accepted)
    assert kept == Accepted(by="expert", max_calls=3)
    assert kept.limits == Limits(calls=3)
    assert kept.configured == NO_CONFIG


def test_what_is_accepted_is_read_as_it_was_written() -> None:
    """A configuration too, with its tables."""
    config = Config(
        provider={"own": Provider(kind="openai", key_env="KEY")},
        rate={"own": Rate(calls_per_minute=60)},
        prices={"own:m": Price(1.0, 2.0)},
    )
    kept = Accepted(per_question=Limits(usd=0.5), configured=config, rates=("own=60",))
    assert msgspec.json.decode(msgspec.json.encode(kept), type=Accepted) == kept


def test_caps_given_anew_go_before_those_of_the_record() -> None:
    """Each for itself; what is not given stays."""
    kept = Accepted(max_calls=3, max_usd=1.0, per_question=Limits(calls=2))
    again = recapped(kept, Options(max_calls=9, per_question=Limits(usd=0.1)))
    assert again.limits == Limits(calls=9, usd=1.0)
    assert again.per_question == Limits(calls=2, usd=0.1)


@pytest.mark.parametrize("text", ["", "openai", "openai=", "openai=0", "=5", "openai=1.5"])
def test_a_rate_that_cannot_be_read_is_told(text: str) -> None:
    """With how to write it."""
    with pytest.raises(Complaint, match="PROVIDER=CALLS_A_MINUTE"):
        rates_of((text,))
