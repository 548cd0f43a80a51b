"""What a run of rounds came to, as text for a terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.rounds.foretold import in_words
from workbench.rounds.level_names import level_name
from workbench.rounds.rounds_summary import ArmScore, Cost, Summary
from workbench.safe_output import many


def described(folder: Path, summary: Summary) -> str:
    """Scores, costs and where everything lies."""
    begun = f"{summary.task}, size {summary.size}, seed {summary.seed}"
    spent = ", ".join(
        [
            f"task labels {summary.labels_used}",
            f"look-ups {summary.lookups:,}",
            f"overseer steps {summary.overseer_steps:,}",
            f"student forwards {summary.student_forwards:,}",
            f"{summary.cpu_s:.1f} CPU s",
        ]
    )
    lines = [
        f"{begun}: {many(summary.rounds, 'round')} ({summary.regime})",
        f"overseer: {summary.overseer_kind}, not a human",
        *score_table(summary.accuracy, summary.seen),
        _levels(summary),
        *([] if summary.foretold is None else in_words(summary.foretold)),
        f"questions to 95 %: {_cost(summary, summary.questions_to_95, ',.0f')}",
        f"CPU seconds to 95 %: {_cost(summary, summary.cpu_to_95, '.1f')}",
        f"amplified arm: {spent}",
        f"all arms with their measurements: {summary.wall_s:.1f} s",
        *([f"student: {folder / 'students' / 'final'}"] if summary.student != "table" else []),
        f"report: {folder / 'report.html'}",
    ]
    return "\n".join(lines)


def _levels(summary: Summary) -> str:
    """Such as "levels: 0 = 1 step, 1 = 2 steps"."""
    named = (
        f"{each} = {level_name(summary.task, each, summary.reach)}"
        for each in summary.accuracy["student"].by_depth
    )
    return f"levels: {', '.join(named)}"


def score_table(scores: Mapping[str, ArmScore], seen: Sequence[str] = ()) -> list[str]:
    """A row for each arm: accuracy with its interval by level, and n."""
    depths = list(next(iter(scores.values())).by_depth)
    width = max(len(name) for name in scores)
    marked = [f"{name}{'*' if name in seen else ''}" for name in depths]
    lines = [" ".join([" " * width, *(f"{name:>8}" for name in marked), f"{'all':>8}"])]
    for name, score in scores.items():
        cells = [_cell(score.by_depth[depth], score.intervals[depth]) for depth in depths]
        whole = _cell(score.overall, score.intervals["overall"])
        lines.append(" ".join([f"{name:{width}}", *cells, whole]))
    first = next(iter(scores.values()))
    asked = [f"{first.by_depth_n[depth]:>8}" for depth in depths]
    lines.append(" ".join([f"{'n':{width}}", *asked, f"{first.n:>8}"]))
    lines.append(f"95 % intervals over {first.units} independent units")
    if seen:
        lines[-1] += "; * asked in training too: there are too few to hold any out"
    return lines


def _cell(accuracy: float, interval: tuple[float, float]) -> str:
    """Such as ".926±.03": the wider side of the interval; 1.00 only where all is right."""
    low, high = interval
    wider = max(high - accuracy, accuracy - low)
    number = "1.00" if accuracy >= 1 else f"{min(accuracy, 0.999):.3f}"[1:]
    return f"{number}±{wider:.2f}".replace("±0", "±").rjust(8)


def goals(summary: Summary, cost: Cost, form: str) -> tuple[str, str, str]:
    """What it took the amplified arm and the uniform twin, and the ratio, in words."""
    run = "supervised_uniform" in summary.arms
    return (
        "not reached" if cost.amplified is None else format(cost.amplified, form),
        ("not reached" if run else "not run")
        if cost.supervised is None
        else format(cost.supervised, form),
        "none" if cost.ratio is None else f"{cost.ratio:.2f}",
    )


def _cost(summary: Summary, cost: Cost, form: str) -> str:
    """Such as "amplified 62,400, uniform twin 57,600, ratio 1.08"."""
    amplified, uniform, ratio = goals(summary, cost, form)
    return f"amplified {amplified}, uniform twin {uniform}, ratio {ratio}"
