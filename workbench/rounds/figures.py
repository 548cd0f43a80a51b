"""Figures of a run: PNG and SVG, with the numbers that were drawn in a CSV beside them.

They are made from rounds and summary alone, and are the same bytes whenever they are made again
with the same versions. matplotlib is loaded here and nowhere else.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure
from msgspec import Struct

from traces.rounds_record import Measure, Round
from workbench.files import write_whole
from workbench.rounds.curves import Draw, Row, panels, single
from workbench.rounds.intervals import difference
from workbench.rounds.level_names import level_name
from workbench.rounds.rounds_summary import Summary

_mpl: Any = import_module("matplotlib")
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
_DPI: Final = 200
_COMPUTED: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet computes."""


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


def _figures(
    rounds: Sequence[Round], summary: Summary
) -> Iterator[tuple[str, str, list[Row], Draw, str]]:
    """Name, title, numbers, drawing and caption of each figure."""
    named = partial(level_name, summary.task, reach=summary.reach)
    yield (
        "accuracy",
        "Accuracy by difficulty",
        _accuracy(rounds, summary),
        panels("accuracy (share right)", (-0.03, 1.03), named),
        (
            "Exact match on held-out questions; a mark is the end of a round, bars and bands are "
            "95 % intervals. H alone and trivial have no rounds."
        ),
    )
    yield (
        "gap",
        "Gap to the student",
        _gap(rounds),
        panels("gap (difference of shares)", None, named),
        (
            "How much better than the student are one step of the overseer over it, and the twin "
            "with true labels on the same questions; 95 % intervals, rather too wide, as both "
            "answered the same questions."
        ),
    )
    yield (
        "calls",
        "Calls for one answer",
        _calls(rounds),
        single("calls (turns per answer)"),
        "Turns of overseer and student for one answer; look-ups in the environment are not calls.",
    )
    yield (
        "kept",
        "Labels that were trusted",
        _simple(rounds, lambda told: told.kept),
        single("kept (share of labels)", 1.03),
        "Share of labels that survived their audit, mean over each round.",
    )
    yield (
        "loss",
        "Training loss",
        _simple(rounds, lambda told: told.loss_nats),
        single("loss (nats per answer symbol)"),
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
        _less(line, level, told, other.by_depth[level])
        for line, told, other in pairs
        if other is not None
        for level in told.student.by_depth
    ]


def _less(line: str, level: str, told: Round, other: Measure) -> Row:
    """Somebody's accuracy less the student's."""
    own = told.student.by_depth[level]
    low, high = difference(
        (other.accuracy, other.low, other.high), (own.accuracy, own.low, own.high)
    )
    gap = other.accuracy - own.accuracy
    return Row(line, level, told.round, told.spent.questions, gap, low, high)


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


# -- files -------------------------------------------------------------------------------------


def _drawn(
    folder: Path, name: str, title: str, rows: Sequence[Row], draw: Draw, caption: str
) -> Drawn:
    picture, vector = _pictures(lambda figure: draw(figure, rows), title, caption)
    write_whole(folder / f"{name}.png", [picture])
    write_whole(folder / f"{name}.svg", [vector])
    write_whole(folder / f"{name}.csv", [table(rows)])
    return Drawn(name, title, caption, vector.decode())


def save_figure(file: Path, draw: Callable[[Any], None], title: str, caption: str) -> None:
    """Draws one figure into a file, as SVG where its name ends so, else as PNG.

    Raises:
        Complaint: The file cannot be written.
    """
    with _mpl.rc_context(dict(_SETTINGS)):
        picture, vector = _pictures(draw, title, caption)
    write_whole(file, [vector if file.suffix.lower() == ".svg" else picture])


def _pictures(draw: Callable[[Any], None], title: str, caption: str) -> tuple[bytes, bytes]:
    """A figure as PNG and as SVG."""
    figure: Any = Figure(layout="constrained")
    draw(figure)
    figure.suptitle(title, fontsize=11)
    picture, vector = io.BytesIO(), io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DPI, metadata={"Software": None})
    figure.savefig(vector, format="svg", metadata={"Date": None, "Description": caption})
    return picture.getvalue(), vector.getvalue()


def table(rows: Sequence[Row]) -> bytes:
    """Rows as CSV; no cell is one that a spreadsheet would compute."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row.__struct_fields__)
    for row in rows:
        told = [getattr(row, name) for name in Row.__struct_fields__]
        writer.writerow([_cell(each) for each in told])
    return text.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_COMPUTED):
        return f"'{value}"
    return "" if value is None else value
