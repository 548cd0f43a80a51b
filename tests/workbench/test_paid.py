"""The paid double: what its calls come to, what they cost, and that they are counted."""

import asyncio
from pathlib import Path

import pytest

from decomposition.actions import Ask, Reply
from decomposition.errors import RunStopped, TransientFault
from decomposition.spend import Attempt
from tests.decomposition.answerers.sights import seen
from workbench.testing.faults import BadFault
from workbench.testing.paid import COMING_TO, PASSING, STOPPING, PaidDouble, tree
from workbench.testing.tally import read


def tried(double: PaidDouble, question: str = "0 7", call: str = "c-1") -> Attempt:
    """One call of a double."""
    return asyncio.run(double.attempt(seen(question), call))


def test_a_call_is_counted_when_it_leaves(tmp_path: Path) -> None:
    """Also one that fails, under the ledger's id and the digest of its view."""
    counts = tmp_path / "calls.jsonl"
    double = PaidDouble(tree, counts=counts, faults=["503x1"])
    with pytest.raises(TransientFault):
        tried(double)
    assert tried(double, call="c-2").given == (Reply("7"),)
    one, two = read(counts)
    assert (one.call, one.fault, two.call, two.fault) == ("c-1", "503", "c-2", "")
    assert one.digest == two.digest
    assert double.calls == 2


def test_what_a_call_uses_is_within_its_reserve() -> None:
    """Tokens and money of a call are known, and never more than was reserved for it."""
    double = PaidDouble(lambda _: "7" * 10_000, usd_a_token=0.001)
    usage, most = tried(double).usage, double.estimate(seen("0 7"))
    assert usage.tokens_in == most.tokens_in
    assert usage.tokens_out == most.tokens_out
    assert usage.cost_usd == most.cost_usd
    assert usage.cost_usd


def test_the_tree_asks_and_replies_in_one_turn() -> None:
    """As the provider's tree does."""
    asks = Ask(("1 4", "1 5"))
    assert tried(PaidDouble(tree), "2 2").given == (asks, Reply("$a1 $a2"))


@pytest.mark.parametrize("kind", sorted(PASSING))
def test_faults_that_may_pass_are_raised(kind: str) -> None:
    """With the time that the other side asks for, where it names one."""
    with pytest.raises(TransientFault, match=kind) as raised:
        tried(PaidDouble(tree, faults=[f"{kind}=3"]))
    assert raised.value.retry_after_s == 3


@pytest.mark.parametrize("kind", sorted(STOPPING))
def test_a_refused_key_stops_the_run(kind: str) -> None:
    """No further call can succeed."""
    with pytest.raises(RunStopped, match="key"):
        tried(PaidDouble(tree, faults=[kind]))


@pytest.mark.parametrize("kind", list(COMING_TO))
def test_other_faults_come_to_something(kind: str) -> None:
    """A failure, or a reply that is no turn; either was paid for."""
    attempt = tried(PaidDouble(tree, faults=[kind]))
    assert attempt.given is COMING_TO[kind]
    assert attempt.usage.tokens_in


def test_a_stall_is_as_late_as_it_says() -> None:
    """It comes to a turn all the same, if somebody waits."""
    assert tried(PaidDouble(tree, faults=["stall=0.001"])).given == (Reply("7"),)


def test_faults_of_a_wire_need_one() -> None:
    """A bomb cannot be played in a process."""
    with pytest.raises(BadFault, match="wire"):
        PaidDouble(tree, faults=["bomb"])
