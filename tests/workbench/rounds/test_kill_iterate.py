"""A run of rounds that is killed at any moment and resumed ends as one that was not."""

from pathlib import Path
from random import Random

from benchmarks.kills_iterate import (
    OPTIONS,
    differences,
    kill_at_random,
    left,
    place,
    reference,
)
from workbench.rounds.iterate import Wanted, iterate
from workbench.rounds.run_folder import RunFolder

KILLS = 4


def test_kills_at_random_times_change_nothing(tmp_path: Path) -> None:
    """Weights of every student, rounds, scores and training rows are equal; the store verifies."""
    expected, span_s = reference(tmp_path / "reference")
    assert place(tmp_path / "reference") == "after the end"
    assert {"round-1", "final"} <= set(expected.students)
    kills, run = 0, 0
    while kills < KILLS:
        run += 1
        random = Random(run)  # noqa: S311 - kills, not secrets
        tally = kill_at_random(tmp_path / str(run), expected, span_s, random, KILLS - kills)
        assert tally.differing == []
        kills += tally.kills


def test_a_harness_that_sees_no_difference_is_no_proof(tmp_path: Path) -> None:
    """Another seed's run differs in every part."""
    expected, _ = reference(tmp_path / "one")
    assert OPTIONS[-2:] == ("--seed", "3")
    (tmp_path / "two").mkdir()
    wanted = Wanted("arithmetic", size=3, most_steps=30, per_level=5, seed=4, arms="amplified")
    iterate(wanted, tmp_path / "two" / "run", resume=False, tell=lambda _: None)
    found = differences(expected, left(tmp_path / "two"))
    assert [each.partition(":")[0] for each in found] == ["students", "rounds", "summary"]


def test_a_folder_that_was_only_made_is_begun_again(tmp_path: Path) -> None:
    """What a kill leaves before the plan is written stands in nobody's way."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    (run.path / ".workbench-17.new").write_bytes(b"{")
    wanted = Wanted("arithmetic", size=2, per_level=4, most_steps=1, arms="amplified")
    iterate(wanted, run.path, resume=False, tell=lambda _: None)
    assert run.summary.exists()
