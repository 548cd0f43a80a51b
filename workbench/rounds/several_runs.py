"""Several runs of one recipe side by side: ranges over seeds, the independent unit of training."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median_low

from msgspec import Struct

from workbench.exits import Exit, stop
from workbench.rounds.rounds_summary import Cost, Summary
from workbench.rounds.run_folder import RunFolder, read_as

_NEVER = float("inf")
"""Sorts what was not reached behind everything that was."""


class Range(Struct, frozen=True):
    """Numbers of several runs; None stands for "not reached" and is more than any number."""

    low: float | None
    median: float | None
    """The lower of the two in the middle where there is an even number of runs."""
    high: float | None


class Ranges(Struct, frozen=True):
    """What runs that differ in the seed alone came to."""

    task: str
    recipe_hash: str
    seeds: tuple[int, ...]
    accuracy: dict[str, dict[str, Range]]
    """By arm and level; arms that all runs have."""
    questions_to_95: dict[str, Range]
    """`amplified`, `supervised` (the uniform twin) and `ratio`."""
    cpu_to_95: dict[str, Range]


def over_seeds(folders: Sequence[Path]) -> Ranges:
    """The ranges of several finished runs.

    Raises:
        Complaint: A folder holds no finished run, or the runs differ in more than the seed.
    """
    summaries = [read_as(RunFolder(folder).summary, Summary) for folder in folders]
    first = summaries[0]
    for folder, summary in zip(folders, summaries, strict=True):
        if (summary.task, summary.recipe_hash) != (first.task, first.recipe_hash):
            stop(f"{folder} has another recipe than {folders[0]}", Exit.BAD_DATA)
        if _beside_recipe(summary) != _beside_recipe(first):
            stop(f"{folder} has another overseer or learner than {folders[0]}", Exit.BAD_DATA)
    seeds = tuple(summary.seed for summary in summaries)
    if len(set(seeds)) < len(seeds):
        stop("two of the runs have the same seed: that would count one run twice", Exit.BAD_DATA)
    return Ranges(
        task=first.task,
        recipe_hash=first.recipe_hash,
        seeds=seeds,
        accuracy=_accuracy(summaries),
        questions_to_95=_costs([summary.questions_to_95 for summary in summaries]),
        cpu_to_95=_costs([summary.cpu_to_95 for summary in summaries]),
    )


def _beside_recipe(summary: Summary) -> tuple[str, str]:
    """What a run depends on beside recipe and seed."""
    return summary.overseer_kind, summary.student


def as_text(ranges: Ranges) -> str:
    """The ranges as a table for people."""
    levels = list(next(iter(ranges.accuracy.values())))
    width = max(map(len, ranges.accuracy))
    seeds = ", ".join(map(str, ranges.seeds))
    lines = [
        f"{ranges.task}, {len(ranges.seeds)} seeds ({seeds}), recipe {ranges.recipe_hash}",
        "accuracy by level: median (lowest to highest over seeds)",
        " ".join([" " * width, *(f"{level:>18}" for level in levels)]),
    ]
    for arm, by_level in ranges.accuracy.items():
        cells = [f"{_told(by_level[level], '.3f'):>18}" for level in levels]
        lines.append(" ".join([f"{arm:{width}}", *cells]))
    for name, costs, form in (
        ("questions", ranges.questions_to_95, ",.0f"),
        ("CPU seconds", ranges.cpu_to_95, ".1f"),
    ):
        parts = [f"{who} {_told(costs[who], '.2f' if who == 'ratio' else form)}" for who in costs]
        lines.append(f"{name} to 95 %: {'; '.join(parts)}")
    return "\n".join(lines)


def _accuracy(summaries: Sequence[Summary]) -> dict[str, dict[str, Range]]:
    first = summaries[0].accuracy
    arms = [arm for arm in first if all(arm in summary.accuracy for summary in summaries)]
    return {
        arm: {
            level: _range([summary.accuracy[arm].by_depth.get(level) for summary in summaries])
            for level in first[arm].by_depth
        }
        for arm in arms
    }


def _costs(costs: Sequence[Cost]) -> dict[str, Range]:
    return {
        "amplified": _range([cost.amplified for cost in costs]),
        "supervised": _range([cost.supervised for cost in costs]),
        "ratio": _range([cost.ratio for cost in costs]),
    }


def _range(numbers: Sequence[float | None]) -> Range:
    ordered = sorted(_NEVER if number is None else number for number in numbers)
    low, middle, high = (
        None if number == _NEVER else number
        for number in (ordered[0], median_low(ordered), ordered[-1])
    )
    return Range(low, middle, high)


def _told(found: Range, form: str) -> str:
    """Such as ".992 (.990 to .999)"."""
    low, middle, high = (
        "not reached" if number is None else format(number, form)
        for number in (found.low, found.median, found.high)
    )
    return middle if low == high else f"{middle} ({low} to {high})"
