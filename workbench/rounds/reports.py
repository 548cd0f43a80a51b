"""Reports: a run as one page that needs no network, made from its rounds and summary alone."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from traces.rounds_record import Round
from workbench.exits import Exit, stop
from workbench.files import write_whole
from workbench.rounds.intervals import Bounds, difference
from workbench.rounds.level_names import level_name
from workbench.rounds.rounds_summary import ArmScore, Summary
from workbench.rounds.rounds_text import goals
from workbench.rounds.run_folder import RunFolder, read_as
from workbench.safe_output import many

if TYPE_CHECKING:
    from workbench.rounds.figures import Drawn

POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The page may load nothing, from nowhere."""
STYLE: Final = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #4a4a4a; --line: #d5d5d5;
  --page: #ffffff; --panel: #f4f6f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --soft: #b8b8b8; --line: #444;
  --page: #16181b; --panel: #22262b; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--page); overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2.4rem; }
.headline { font-size: 1.15rem; padding: .8rem 1rem; background: var(--panel);
  border-left: 4px solid #0072b2; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; vertical-align: top; }
th { vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
tr.own td { font-weight: 600; } tr.own small { font-weight: 400; }
small { color: var(--soft); display: block; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; background: #fff; }
figcaption, .note { color: var(--soft); font-size: .9rem; }
"""
MOST_LEVELS: Final = 64
WITHOUT: Final = ("frozen_frontier", "self_training")
"""Arms without amplification that credit is measured against."""
NAMES: Final = {
    "student": "student of amplification",
    "amplified": "amplified system",
    "h_alone": "H alone (untrained student)",
    "trivial": "trivial baseline",
    "supervised": "supervised, same stream",
    "supervised_uniform": "supervised, uniform stream",
    "frozen_frontier": "frozen frontier",
    "self_training": "self-training",
}


def write_report(folder: Path) -> Path:
    """Writes `report.html` and the figures of a run; where the page is.

    Raises:
        Complaint: The folder holds no finished run, or matplotlib is not installed.
    """
    run = RunFolder(folder)
    rounds, summary = run.read_rounds(), read_as(run.summary, Summary)
    _check(run, rounds, summary)
    if find_spec("matplotlib") is None:
        stop("figures need matplotlib, which the extra `distill` installs")
    from workbench.rounds.figures import draw_figures

    drawn = draw_figures(run.figures, rounds, summary)
    write_whole(run.report, [page(rounds, summary, drawn).encode()])
    return run.report


def _check(run: RunFolder, rounds: Sequence[Round], summary: Summary) -> None:
    """Nothing, if rounds and summary belong together.

    Raises:
        Complaint: They do not, or there is nothing to report.
    """
    missing = {"student", "h_alone", "trivial"} - set(summary.accuracy)
    if missing or not any(told.arm == "amplified" for told in rounds):
        stop(f"{run.path} holds no whole run: there is nothing to report", Exit.BAD_DATA)
    depths = list(summary.accuracy["student"].by_depth)
    if not 1 <= len(depths) <= MOST_LEVELS:
        stop(f"{run.summary}: {len(depths)} levels, where 1 to {MOST_LEVELS} can be", Exit.BAD_DATA)
    scores = [told.student.by_depth for told in rounds]
    scores += [told.amplified.by_depth for told in rounds if told.amplified is not None]
    alike = [list(each) == depths for each in scores]
    for score in summary.accuracy.values():
        alike += [list(score.by_depth) == depths, list(score.by_depth_n) == depths]
        alike.append(set(score.intervals) == {*depths, "overall"})
    if not all(alike):
        stop(f"{run.path}: rounds and summary tell of other levels", Exit.BAD_DATA)


def page(rounds: Sequence[Round], summary: Summary, figures: Sequence["Drawn"]) -> str:
    """The whole page."""
    title = f"{summary.task}: {many(summary.rounds, 'round')} of amplification and distillation"
    body = "\n".join(
        [
            f"<h1>{escape(title)}</h1>",
            *_opening(summary),
            *_scores(summary),
            *_credit(summary),
            *_to_goal(summary),
            *map(_figure, figures),
            *_costs(summary),
            *_rounds(rounds, summary),
            *_origin(summary),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


# -- parts -------------------------------------------------------------------------------------


def _opening(summary: Summary) -> list[str]:
    student, trivial = summary.accuracy["student"], summary.accuracy["trivial"]
    top = list(student.by_depth)[-1]
    low, high = student.intervals[top]
    kind = (
        "questions that its table was taught"
        if summary.student == "table"
        else "held-out questions"
    )
    return [
        _paragraph(
            f"On questions of {escape(level_name(summary.task, top, summary.reach))} the student",
            "is right on",
            f"<b>{student.by_depth[top]:.3f}</b> of {student.by_depth_n[top]:,} {kind} (95 %",
            f"interval {low:.3f} to {high:.3f}; trivial baseline {trivial.by_depth[top]:.3f}).",
            f"It was trained with <b>{summary.labels_used:,}</b> right answers from the task.",
            style="headline",
        ),
        _paragraph(
            f"The overseer was a <b>{escape(summary.overseer_kind)}</b>, not a human: it",
            "decomposes one question into subquestions by a fixed rule. Nothing here says how",
            "people would do it. One run with one seed: the intervals are over questions, not",
            "over training runs.",
        ),
    ]


def _paragraph(*lines: str, style: str = "") -> str:
    opening = f'<p class="{style}">' if style else "<p>"
    return f"{opening}{' '.join(lines)}</p>"


def _scores(summary: Summary) -> list[str]:
    first = summary.accuracy["student"]
    depths = list(first.by_depth)
    head = ["arm", *_levels(summary, depths, marked=True), "all"]
    rows = [
        [escape(NAMES.get(name, name)), *_cells(score, depths)]
        for name, score in summary.accuracy.items()
    ]
    rows.append(["n", *(f"{first.by_depth_n[depth]:,}" for depth in depths), f"{first.n:,}"])
    note = (
        "Exact match with 95 % intervals, clustered by independent unit "
        f"({first.units:,} in all). What got no answer counts as wrong."
    )
    if summary.seen:
        note += " * Asked in training too: there are too few questions to hold any out."
    return ["<h2>Scores</h2>", _table(head, rows), f'<p class="note">{note}</p>']


def _cells(score: ArmScore, depths: Sequence[str]) -> list[str]:
    numbers = [*(score.by_depth[depth] for depth in depths), score.overall]
    intervals = [score.intervals[name] for name in (*depths, "overall")]
    return [
        f"{number:.3f}<small>{low:.3f} to {high:.3f}</small>"
        for number, (low, high) in zip(numbers, intervals, strict=True)
    ]


def _levels(summary: Summary, depths: Sequence[str], *, marked: bool = False) -> list[str]:
    """Levels as headings; with a mark, those whose questions were also asked in training."""
    return [
        escape(level_name(summary.task, depth, summary.reach))
        + (" *" if marked and depth in summary.seen else "")
        for depth in depths
    ]


def _figure(drawn: "Drawn") -> str:
    picture = b64encode(drawn.svg.encode()).decode()
    name, title = escape(drawn.name), escape(drawn.title)
    links = f"figures/{name}.png, figures/{name}.svg, figures/{name}.csv"
    return (
        f'<h2>{title}</h2>\n<figure><img alt="{title}" src="data:image/svg+xml;base64,{picture}">'
        f"<figcaption>{escape(drawn.caption)} Files: {links}.</figcaption></figure>"
    )


def _credit(summary: Summary) -> list[str]:
    depths = list(summary.accuracy["student"].by_depth)
    rows = [["before the first label on it", *_of(summary.before_first_label, depths)]]
    rows.append(["at the end", *_of(summary.accuracy["student"].by_depth, depths)])
    credit = summary.credit
    rows.append(
        ["credit of amplification", *(["not run"] * len(depths))]
        if credit is None
        else ["credit of amplification", *(_credited(summary, depth) for depth in depths)]
    )
    note = (
        "The first two rows are the student's accuracy. Credit is its accuracy at the end less "
        "that of the better of frozen frontier and self-training, with a 95 % interval that is "
        "rather too wide, as both answered the same questions. What a student knows of a level "
        "before its first label it has by generalising from lower levels."
    )
    return [
        "<h2>What amplification adds</h2>",
        _table(["", *_levels(summary, depths)], rows),
        f'<p class="note">{note}</p>',
    ]


def _credited(summary: Summary, depth: str) -> str:
    """Credit at a level, with its interval."""
    others = [summary.accuracy[arm] for arm in WITHOUT if arm in summary.accuracy]
    credit = (summary.credit or {}).get(depth)
    if credit is None or not others:
        return "not known"
    best = max(others, key=lambda other: other.by_depth[depth])
    low, high = difference(_bounds(summary.accuracy["student"], depth), _bounds(best, depth))
    return f"{credit:+.3f}<small>{low:+.3f} to {high:+.3f}</small>"


def _bounds(score: ArmScore, depth: str) -> Bounds:
    return (score.by_depth[depth], *score.intervals[depth])


def _of(numbers: dict[str, float], depths: Sequence[str]) -> list[str]:
    return [f"{numbers[depth]:.3f}" if depth in numbers else "never asked" for depth in depths]


def _costs(summary: Summary) -> list[str]:
    names = ("task_labels", "questions", "probes", "lookups", "overseer_steps", "student_forwards")
    head = ["arm", *(name.replace("_", " ") for name in names), "CPU seconds"]
    rows = [
        [
            escape(NAMES["student"] if arm == "amplified" else NAMES.get(arm, arm)),
            *(f"{getattr(spent, name):,}" for name in names),
            f"{spent.cpu_s:.1f}",
        ]
        for arm, spent in summary.spent.items()
    ]
    note = (
        "Student forwards are answers that the student gave as X; overseer steps are turns of the "
        "overseer. Measurements and the keeping of rows are not in it."
    )
    return ["<h2>What it took</h2>", _table(head, rows), f'<p class="note">{note}</p>']


def _to_goal(summary: Summary) -> list[str]:
    ends = [
        ["questions", *goals(summary, summary.questions_to_95, ",.0f")],
        ["CPU seconds", *goals(summary, summary.cpu_to_95, ".1f")],
    ]
    # Of a level with several classes it is the mean of theirs, so the level is named alone.
    top = list(summary.accuracy["student"].by_depth)[-1].partition(" ")[0]
    return [
        f"<h2>To 95 % on {escape(level_name(summary.task, top, summary.reach))}</h2>",
        _table(["", "amplified", "supervised, uniform stream", "ratio"], ends),
    ]


def _rounds(rounds: Sequence[Round], summary: Summary) -> list[str]:
    own = [told for told in rounds if told.arm == "amplified"]
    depths = list(own[0].student.by_depth)
    head = ["round", "step", "asked up to", "agreement", "kept", "calls"]
    head += _levels(summary, depths)
    rows = [
        [
            str(told.round),
            str(told.step),
            escape(level_name(summary.task, str(told.frontier), summary.reach)),
            _number(told.agreement),
            _number(told.kept),
            _number(told.calls_per_answer),
            *(f"{told.student.by_depth[depth].accuracy:.3f}" for depth in depths),
        ]
        for told in own
    ]
    note = (
        "The student's accuracy by difficulty at the end of each round of the amplified arm; "
        "round 0 is before the first step. Intervals and the other arms are in rounds.jsonl."
    )
    return ["<h2>Rounds</h2>", _table(head, rows), f'<p class="note">{note}</p>']


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _origin(summary: Summary) -> list[str]:
    places = ", ".join(f"{name} {value}" for name, value in summary.environment.items())
    return [
        "<h2>Where it comes from</h2>",
        (
            f"<p>Preset {escape(summary.preset)}, regime {escape(summary.regime)}, seed "
            f"{summary.seed}, recipe <code>{escape(summary.recipe_hash)}</code>, "
            f"{summary.wall_s:.0f} s in all; {escape(places)}.</p>"
        ),
    ]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already."""
    heading = "".join(f"<th>{each}</th>" for each in head)
    lines = "\n".join(_line(row) for row in map(list, rows))
    return (
        f'<div class="wide"><table>\n<thead><tr>{heading}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody></table></div>"
    )


def _line(cells: Sequence[str]) -> str:
    own = ' class="own"' if cells[0] == NAMES["student"] else ""
    return f"<tr{own}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
