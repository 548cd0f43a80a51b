"""Several runs side by side: ranges over seeds, and what may not be put side by side."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.workbench.conftest import Run
from workbench.rounds.rounds_summary import ArmScore, Calls, Cost, Summary
from workbench.rounds.run_folder import write_json


def summary(seed: int, accuracy: float, questions: float | None, recipe: str = "b2:1") -> Summary:
    """A run's summary with one level."""
    score = ArmScore(
        accuracy, 9, 9, 1.0, {"1": accuracy}, {"1": 9}, {"1": (0.0, 1.0), "overall": (0.0, 1.0)}
    )
    ratio = None if questions is None else questions / 100
    return Summary(
        task="arithmetic", preset="small", size=3, seed=seed, rounds=1, regime="online",
        student="transformer", arms=("amplified", "supervised_uniform"), wall_s=1.0, cpu_s=1.0,
        overseer_kind="scripted expert", overseer_steps=1, overseer_transcripts=0, labels_used=0,
        lookups=1, student_forwards=1, accuracy={"student": score}, before_first_label={},
        credit=None, frontier_by_round=[1], questions_to_95=Cost(questions, 100.0, ratio),
        cpu_to_95=Cost(None, None, None), calls_per_answer=Calls(3.0, 1.0), recipe_hash=recipe,
        environment={}, spent={}, seen=(),
    )  # fmt: skip


def written(*summaries: Summary) -> list[str]:
    """A folder for each summary."""
    names = [f"run-{number}" for number in range(len(summaries))]
    for name, each in zip(names, summaries, strict=True):
        write_json(Path(name) / "summary.json", each)
    return names


def test_ranges_are_told_over_seeds(run: Run) -> None:
    """Median and range of every number; what one run did not reach is the highest."""
    runs = written(summary(1, 0.9, 90.0), summary(2, 0.98, 120.0), summary(3, 0.96, None))
    told = json.loads(run("report", *runs, "--json").out)
    assert told["seeds"] == [1, 2, 3]
    assert told["accuracy"]["student"]["1"] == {"low": 0.9, "median": 0.96, "high": 0.98}
    assert told["questions_to_95"]["amplified"] == {"low": 90.0, "median": 120.0, "high": None}
    shown = run("report", *runs).out
    assert "0.960 (0.900 to 0.980)" in shown
    assert "amplified 120 (90 to not reached)" in shown
    assert "CPU seconds to 95 %: amplified not reached;" in shown


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (summary(1, 0.9, None), "same seed"),
        (summary(2, 0.9, None, "b2:2"), "another recipe"),
        (replace(summary(2, 0.9, None), overseer_kind="another"), "another overseer"),
        (replace(summary(2, 0.9, None), student="table"), "another overseer or learner"),
    ],
)
def test_only_seeds_may_differ(other: Summary, why: str, run: Run) -> None:
    """A run is not counted twice, and other recipes make no range."""
    ran = run("report", *written(summary(1, 0.9, 90.0), other))
    assert (ran.code, ran.out) == (3, "")
    assert why in ran.err
