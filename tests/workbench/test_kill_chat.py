"""A paid run that is killed at any moment loses nothing and pays for nothing twice.

200 kills: 180 of runs over the paid double, which counts in a file as the provider does, and 20
over HTTP to a provider, beside one at every named point. `benchmarks.kills_chat` does a thousand.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.kills_chat import (
    FAULTS,
    LATENCY,
    Reference,
    Stage,
    Tally,
    attack,
    judge_kill,
    judge_run,
    over_double,
    over_http,
    reference,
)
from workbench.testing.audit import audit
from workbench.testing.kill import Kept, unpaid
from workbench.testing.points import PAID, Where
from workbench.testing.provider import Provider
from workbench.testing.tally import Counted

OVER_DOUBLE = 60
"""Kills at each concurrency."""
OVER_HTTP = 20
PLACES = {"before-accept": 1, "after-accept": 1}
"""Which of the moments, where it is not the fifth."""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """A provider with which now and then something is wrong for once."""
    with Provider.start("tree", latency=LATENCY, faults=FAULTS) as started:
        yield started


@pytest.fixture(scope="module")
def http(provider: Provider) -> Stage:
    """Runs over HTTP, with four calls under way."""
    return over_http(provider, 4)


@pytest.fixture(scope="module")
def over_wire(http: Stage, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The batch over HTTP without kills."""
    return reference(tmp_path_factory.mktemp("http") / "reference", http)


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_kills_of_runs_over_a_double(concurrency: int, tmp_path: Path) -> None:
    """However many calls are under way, each run comes to what it comes to without kills."""
    tally, _ = attack(tmp_path, over_double(concurrency), OVER_DOUBLE)
    assert tally.wrong == []
    assert tally.kills >= OVER_DOUBLE
    assert tally.in_flight <= concurrency
    assert tally.extra <= tally.kills * concurrency


def test_kills_of_runs_over_http(tmp_path: Path, http: Stage) -> None:
    """The same over a wire, with the chat model that a user would take."""
    tally, _ = attack(tmp_path, http, OVER_HTTP, seed=1)
    assert tally.wrong == []
    assert tally.kills >= OVER_HTTP


@pytest.mark.parametrize("where", [where for where in PAID if where != "retrying"])
def test_a_kill_at_each_named_point(
    where: Where, tmp_path: Path, http: Stage, over_wire: Reference
) -> None:
    """Each moment is met; what it leaves is what that moment must leave."""
    victim = http.victim(tmp_path / where)
    ended = victim.attempt(at=(where, PLACES.get(where, 5)))
    assert ended.killed, ended.err
    tally, kept = Tally(kills=1, runs=1), victim.kept()
    judge_kill(victim, http, tally, Kept({}, {}, {}), kept)
    under_way = {call for call, line in kept.ledger.items() if not line[1]}
    arrived = {each.call for each in http.counted(victim)}
    if where == "before-accept":
        assert not victim.accepted
    if where == "after-intent":
        assert under_way - arrived
    if where in {"sent", "replied"}:
        assert under_way & arrived
    judge_run(victim, http, tally, over_wire)
    assert tally.wrong == []


def test_a_kill_in_a_pause_between_two_tries(tmp_path: Path, over_wire: Reference) -> None:
    """The call that failed is settled, and the next try has not begun."""
    with Provider.here("tree", faults=["429=0.01:0.5x1"]) as provider:
        stage = over_http(provider, 1)
        victim = stage.victim(tmp_path / "retrying")
        ended = victim.attempt(at=("retrying", 3))
        assert ended.killed, ended.err
        kept = victim.kept()
        tally = Tally(kills=1, runs=1)
        judge_kill(victim, stage, tally, Kept({}, {}, {}), kept)
        assert "transient" in {line[1] for line in kept.ledger.values()}
        judge_run(victim, stage, tally, over_wire)
    assert tally.wrong == []


def test_an_audit_that_finds_nothing_is_no_proof(tmp_path: Path) -> None:
    """A repeated, an unlisted and an unsent call are found, and lines that are gone or changed."""
    ledger = {
        "c-1": ("c-1", "answered", 1),
        "c-2": ("c-2", "answered", 1),
        "c-3": ("c-3", "ambiguous", 1),
        "c-4": ("c-4", "answered", 1),
    }
    counted = [
        Counted(1, "c-1", "a"),
        Counted(2, "c-2", "a"),
        Counted(3, "c-3", "b"),
        Counted(4, "c-9", "c"),
    ]
    found = audit(counted, ledger)
    assert found.repeated == ["c-2 repeats c-1"]
    assert (found.unlisted, found.unsent, found.unsettled) == (["c-9"], ["c-4"], ["c-3"])
    assert not found.exact
    assert found.unexplained == ["c-9", "c-4", "c-2 repeats c-1"]
    victim = over_double(1).victim(tmp_path / "victim")
    before = Kept({}, {}, {}, ledger)
    assert unpaid(victim, before, before) == []
    assert len(unpaid(victim, before, Kept({}, {}, {}, {}))) == 4
    changed = {**ledger, "c-1": ("c-1", "failed", 1), "c-3": ("c-3", "answered", 1)}
    assert len(unpaid(victim, before, Kept({}, {}, {}, changed))) == 2


def test_an_ambiguous_call_may_be_sent_again() -> None:
    """Nobody knows whether it was answered, so its body is none that had been completed."""
    ledger = {"c-1": ("c-1", "ambiguous", 1), "c-2": ("c-2", "answered", 1)}
    found = audit([Counted(1, "c-1", "a"), Counted(2, "c-2", "a")], ledger)
    assert found.repeated == []
    assert found.exact
