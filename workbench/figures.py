"""Figures of a run: PNG and SVG, with the numbers that were drawn in a CSV beside them.

They are made from rounds and summary alone, and are the same bytes whenever they are made again
with the same versions. matplotlib is loaded here and nowhere else.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeAlias

from matplotlib.figure import Figure
from msgspec import Struct

from traces.rounds_record import Round
from workbench.files import write_whole
from workbench.rounds_summary import Summary

_mpl: Any = import_module("matplotlib")
Axes: TypeAlias = Any
"""Axes of matplotlib, whose types are known in part only."""

STYLES: Final[Mapping[str, tuple[str, str, str]]] = {
    "amplified": ("student of amplification", "#0072B2", "o"),
    "amplified system": ("amplified system", "#56B4E9", "^"),
    "supervised": ("supervised, same stream", "#D55E00", "s"),
    "supervised_uniform": ("supervised, uniform stream", "#E69F00", "D"),
    "frozen_frontier": ("frozen frontier", "#009E73", "v"),
    "self_training": ("self-training", "#CC79A7", "P"),
    "gap": ("amplified system less student", "#0072B2", "o"),
    "twin gap": ("supervised, same stream, less student", "#D55E00", "s"),
    "h_alone": ("H alone", "#666666", "x"),
    "trivial": ("trivial", "#000000", ""),
}
"""Name, colour and marker of each line; the colours differ to every eye, and without colour the
markers do."""
ASKED: Final = "training questions (thousands)"
_SETTINGS: Final[Mapping[str, object]] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "text.parse_math": False,
    "svg.hashsalt": "workbench",
    "svg.fonttype": "path",
}
_COLUMNS: Final = 3
_DPI: Final = 200


class Row(Struct, frozen=True):
    """One number that is drawn."""

    line: str
    level: str
    """Empty for all together."""
    round: int
    questions: int
    value: float
    low: float | None = None
    high: float | None = None


class Drawn(Struct, frozen=True):
    """A figure in its files."""

    name: str
    title: str
    caption: str
    svg: str


def draw_figures(folder: Path, rounds: Sequence[Round], summary: Summary) -> list[Drawn]:
    """Draws every figure of a run into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mpl.rc_context(dict(_SETTINGS)):
        return [
            _drawn(folder, name, title, rows, draw, _caption(about, summary))
            for name, title, rows, draw, about in _figures(rounds, summary)
            if rows
        ]


Draw: TypeAlias = Callable[[Figure, Sequence[Row]], None]


def _figures(
    rounds: Sequence[Round], summary: Summary
) -> Iterator[tuple[str, str, list[Row], Draw, str]]:
    """Name, title, numbers, drawing and caption of each figure."""
    yield (
        "accuracy",
        "Accuracy by level",
        _accuracy(rounds, summary),
        _panels("accuracy (share right)", (-0.03, 1.03)),
        (
            "Exact match on held-out questions by level; a mark is the end of a round, bands are "
            "95 % intervals. H alone and trivial have no rounds."
        ),
    )
    yield (
        "gap",
        "Gap to the student",
        _gap(rounds),
        _panels("gap (share right)", None),
        (
            "How much better than the student are one step of the overseer over it, and the twin "
            "with true labels on the same questions."
        ),
    )
    yield (
        "calls",
        "Calls for one answer",
        _calls(rounds),
        _single("calls (turns per answer)"),
        "Turns of overseer and student for one answer; look-ups in the environment are not calls.",
    )
    yield (
        "kept",
        "Labels that were trusted",
        _simple(rounds, lambda told: told.kept),
        _single("kept (share of labels)"),
        "Share of labels that survived their audit, mean over each round.",
    )
    yield (
        "loss",
        "Training loss",
        _simple(rounds, lambda told: told.loss_nats),
        _single("loss (nats per answer symbol)"),
        "Cross entropy on the arm's own labels, mean over each round.",
    )


def _caption(about: str, summary: Summary) -> str:
    score = summary.accuracy["student"]
    least, most = min(score.by_depth_n.values()), max(score.by_depth_n.values())
    count = f"n = {least}" if least == most else f"n = {least} to {most}"
    return (
        f"{about} {summary.task}, size {summary.size}, seed {summary.seed} (one seed), {count} "
        f"questions a level, {score.units} independent units in all; overseer: "
        f"{summary.overseer_kind}, not a human."
    )


# -- numbers -----------------------------------------------------------------------------------


def _accuracy(rounds: Sequence[Round], summary: Summary) -> list[Row]:
    rows: list[Row] = []
    for told in rounds:
        lines = [(told.arm, told.student)]
        if told.amplified is not None:
            lines.append(("amplified system", told.amplified))
        rows += [
            Row(line, level, told.round, told.spent.questions, at.accuracy, at.low, at.high)
            for line, scored in lines
            for level, at in scored.by_depth.items()
        ]
    ends = (0, max(told.spent.questions for told in rounds))
    rows += [
        Row(line, level, 0, asked, value, *summary.accuracy[line].intervals[level])
        for line in ("h_alone", "trivial")
        for level, value in summary.accuracy[line].by_depth.items()
        for asked in ends
    ]
    return rows


def _gap(rounds: Sequence[Round]) -> list[Row]:
    twins = {told.step: told.student for told in rounds if told.arm == "supervised"}
    own = [told for told in rounds if told.arm == "amplified"]
    pairs = [("gap", told, told.amplified) for told in own]
    pairs += [("twin gap", told, twins.get(told.step)) for told in own]
    return [
        Row(line, level, told.round, told.spent.questions, better.accuracy - student.accuracy)
        for line, told, other in pairs
        if other is not None
        for level, student in told.student.by_depth.items()
        for better in (other.by_depth[level],)
    ]


def _calls(rounds: Sequence[Round]) -> list[Row]:
    rows: list[Row] = []
    for told in rounds:
        if told.calls_per_answer is not None:
            asked = told.spent.questions
            rows.append(Row("amplified system", "", told.round, asked, told.calls_per_answer))
            rows.append(Row("amplified", "", told.round, asked, 1.0))
    return rows


def _simple(rounds: Sequence[Round], value: Callable[[Round], float | None]) -> list[Row]:
    return [
        Row(told.arm, "", told.round, told.spent.questions, found)
        for told in rounds
        if (found := value(told)) is not None
    ]


# -- drawing -----------------------------------------------------------------------------------


def _panels(label: str, limits: tuple[float, float] | None) -> Draw:
    """A panel for each level."""

    def draw(figure: Figure, rows: Sequence[Row]) -> None:
        levels = list(dict.fromkeys(row.level for row in rows))
        high = -(-len(levels) // _COLUMNS)
        figure.set_size_inches(3.1 * _COLUMNS, 2.3 * high + 1.1)
        panels: Any = figure.subplots(high, _COLUMNS, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(panels.flat):
            if place >= len(levels):
                axes.set_visible(False)
                continue
            _lines(axes, [row for row in rows if row.level == levels[place]])
            axes.set_title(f"level {levels[place]}", fontsize=9)
            axes.set_xlabel(ASKED)
            if place % _COLUMNS == 0:
                axes.set_ylabel(label)
            if limits is not None:
                axes.set_ylim(*limits)
        _legend(figure, panels.flat[0], 4)

    return draw


def _single(label: str) -> Draw:
    """One panel."""

    def draw(figure: Figure, rows: Sequence[Row]) -> None:
        figure.set_size_inches(6.2, 4.1)
        axes: Axes = figure.subplots()
        _lines(axes, rows)
        axes.set_xlabel(ASKED)
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        _legend(figure, axes, 2)

    return draw


def _lines(axes: Axes, rows: Sequence[Row]) -> None:
    for line, (label, colour, marker) in STYLES.items():
        own = [row for row in rows if row.line == line]
        if not own:
            continue
        asked = [row.questions / 1000 for row in own]
        flat = line in {"h_alone", "trivial"}
        axes.plot(
            asked,
            [row.value for row in own],
            color=colour,
            marker="" if flat else marker,
            markersize=4,
            linewidth=1.4,
            linestyle={"trivial": ":", "h_alone": "--"}.get(line, "-"),
            label=label,
        )
        bands = [(row.low, row.high) for row in own if row.low is not None]
        if len(bands) == len(own) and not flat:
            lows, highs = zip(*bands, strict=True)
            axes.fill_between(asked, lows, highs, color=colour, alpha=0.12, linewidth=0)


def _legend(figure: Axes, axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(labels)))


def _drawn(
    folder: Path, name: str, title: str, rows: Sequence[Row], draw: Draw, caption: str
) -> Drawn:
    figure: Any = Figure(layout="constrained")
    draw(figure, rows)
    figure.suptitle(title, fontsize=11)
    picture, vector = io.BytesIO(), io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DPI, metadata={"Software": None})
    figure.savefig(vector, format="svg", metadata={"Date": None, "Description": caption})
    write_whole(folder / f"{name}.png", [picture.getvalue()])
    write_whole(folder / f"{name}.svg", [vector.getvalue()])
    write_whole(folder / f"{name}.csv", [_table(rows)])
    return Drawn(name, title, caption, vector.getvalue().decode())


def _table(rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Row.__struct_fields__)
    for row in rows:
        told = [getattr(row, name) for name in Row.__struct_fields__]
        table.writerow(["" if each is None else each for each in told])
    return text.getvalue().encode()
