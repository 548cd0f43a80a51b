"""A batch that is killed at any moment and resumed comes to what it comes to without kills."""

from pathlib import Path
from random import Random

import pytest

from benchmarks.kills import BATCH, NOTHING, SMALL, as_lines, struck
from workbench.testing.kill import Kept, Line, Victim, Where, lost, unkept

RANDOM_KILLS = 6


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Line], float]:
    """The batch without kills, and how long its command takes."""
    victim = Victim(tmp_path_factory.mktemp("reference"), as_lines(SMALL), BATCH)
    ended = victim.attempt()
    assert ended.code == 0, ended.err
    assert victim.findings() == []
    return victim.lines(), ended.ready_s


def still_there(victim: Victim, seen: Kept) -> Kept:
    """What the store holds after a kill; nothing seen or acknowledged is missing from it."""
    kept = victim.kept()
    assert lost(seen, kept) == []
    assert unkept(victim.acknowledged(), kept) == []
    return kept


def ends_as(victim: Victim, expected: list[Line]) -> None:
    """Resume a run; it keeps what it had and comes to what is expected."""
    kept = still_there(victim, NOTHING)
    ended = victim.attempt()
    assert ended.code == 0, ended.err
    still_there(victim, kept)
    assert victim.lines() == expected
    assert victim.findings() == []


def test_kills_at_random_times_lose_nothing(
    tmp_path: Path, reference: tuple[list[Line], float]
) -> None:
    """Killed again and again, a run keeps what it acknowledged, and ends with equal digests."""
    expected, span_s = reference
    random = Random(5)  # noqa: S311 - kills, not secrets
    kills = 0
    run = 0
    while kills < RANDOM_KILLS:
        run += 1
        victim = Victim(tmp_path / str(run), as_lines(SMALL), BATCH)
        killed = True
        while killed and kills < RANDOM_KILLS:
            seen, killed = struck(victim, span_s * random.random() ** 2, look=bool(kills % 2))
            kills += killed
            still_there(victim, seen)
        ends_as(victim, expected)


@pytest.mark.parametrize(("where", "at"), [("before", 2), ("inside", 3), ("after", 4)])
def test_a_kill_at_a_commit_loses_nothing(
    where: Where, at: int, tmp_path: Path, reference: tuple[list[Line], float]
) -> None:
    """Before a commit has returned it may be undone, but only as a whole; then it stands."""
    victim = Victim(tmp_path, as_lines(SMALL), BATCH)
    ended = victim.attempt(at=(where, at))
    assert ended.killed, ended.err
    told = sum(victim.acknowledged().values())
    assert told == sum(count for count, _ in still_there(victim, NOTHING).ends.values())
    ends_as(victim, reference[0])


@pytest.mark.parametrize(("where", "at"), [("before", 2), ("inside", 2), ("after", 3)])
def test_kills_and_caps_mixed_leave_no_trace(
    where: Where, at: int, tmp_path: Path, reference: tuple[list[Line], float]
) -> None:
    """Capped, killed, capped again: each stretch goes on from what stands, to the same end."""
    victim = Victim(tmp_path, as_lines(SMALL), BATCH)
    for cap, raised in ((20, 45), (50, 10_000)):
        stopped = victim.attempt(cap=cap)
        assert stopped.code == 4, stopped.err
        assert sum(line.calls for line in victim.lines()) == cap
        kept = still_there(victim, NOTHING)
        killed = victim.attempt(at=(where, at), cap=raised)
        assert killed.killed, killed.err
        still_there(victim, kept)
    ends_as(victim, reference[0])


def test_a_harness_that_sees_no_loss_is_no_proof(tmp_path: Path) -> None:
    """What is missing, changed or acknowledged and not kept is reported."""
    victim = Victim(tmp_path, as_lines(SMALL), BATCH)
    assert victim.attempt(at=("after", 3)).killed
    kept = victim.kept()
    number, session = max(kept.events), min(kept.ends)
    less = {key: row for key, row in kept.events.items() if key != number}
    assert lost(kept, Kept(kept.ends, less, {})) == [f"event {number}"]
    other = {**kept.events, number: (number, "other")}
    assert lost(kept, Kept(kept.ends, other, {})) == [f"event {number} changed"]
    assert lost(kept, Kept({}, kept.events, {}))
    assert lost(Kept({}, {}, {session: "b2:00"}), NOTHING) == [f"the end of session {session}"]
    assert unkept({session: kept.ends[session][0] + 1}, kept)
    assert not unkept(victim.acknowledged(), kept)
