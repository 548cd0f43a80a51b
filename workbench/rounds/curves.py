"""Curves: how the lines of a figure look, in one panel or in one for each level.

The axes are handed in; matplotlib itself is loaded by `workbench.rounds.figures` alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

Axes: TypeAlias = Any
"""Axes of matplotlib, whose types are known in part only."""
Figure: TypeAlias = Any
"""A figure of matplotlib."""

STYLES: Final[Mapping[str, tuple[str, str, str]]] = {
    "amplified": ("student of amplification", "#0072B2", "o"),
    "amplified system": ("amplified system", "#56B4E9", "^"),
    "supervised": ("supervised, same stream", "#D55E00", "s"),
    "supervised_uniform": ("supervised, uniform stream", "#E69F00", "D"),
    "frozen_frontier": ("frozen frontier", "#009E73", "v"),
    "self_training": ("self-training", "#CC79A7", "P"),
    "gap": ("amplified system less student", "#0072B2", "o"),
    "twin gap": ("supervised, same stream, less student", "#D55E00", "s"),
    "h_alone": ("H alone", "#666666", ""),
    "trivial": ("trivial", "#000000", ""),
}
"""Name, colour and marker of each line; the colours differ to every eye, and without colour the
markers do."""
ASKED: Final = "training questions (thousands)"
_FLAT: Final[Mapping[str, str]] = {"h_alone": "--", "trivial": ":"}
"""Lines without rounds, and how they are dashed."""
_OWN: Final = frozenset({"amplified", "gap"})
"""Lines that are drawn full and on top; the marks of the others are hollow and larger, so that
equal lines are all seen."""
_COLUMNS: Final = 3


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


Draw: TypeAlias = Callable[[Figure, Sequence[Row]], None]


def panels(label: str, limits: tuple[float, float] | None, named: Callable[[str], str]) -> Draw:
    """A panel for each level, named in words."""

    def draw(figure: Figure, rows: Sequence[Row]) -> None:
        levels = list(dict.fromkeys(row.level for row in rows))
        across = min(_COLUMNS, len(levels))
        high = -(-len(levels) // across)
        figure.set_size_inches(max(6.2, 3.1 * across), 2.3 * high + 1.1)
        grid = figure.subplots(high, across, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(levels):
                axes.set_visible(False)
                continue
            _lines(axes, [row for row in rows if row.level == levels[place]])
            axes.set_title(named(levels[place]), fontsize=9)
            if place % across == 0:
                axes.set_ylabel(label)
            if place + across >= len(levels):
                axes.set_xlabel(ASKED)
                axes.xaxis.set_tick_params(labelbottom=True)
            if limits is not None:
                axes.set_ylim(*limits)
        _legend(figure, grid.flat[0], 4 if across == _COLUMNS else 2)

    return draw


def single(label: str, top: float | None = None) -> Draw:
    """One panel, from 0 up."""

    def draw(figure: Figure, rows: Sequence[Row]) -> None:
        figure.set_size_inches(6.2, 4.1)
        axes = figure.subplots()
        _lines(axes, rows)
        axes.set_xlabel(ASKED)
        axes.set_ylabel(label)
        # A little room, so that a mark at 0 is whole.
        axes.set_xlim(left=-0.02 * max(row.questions for row in rows) / 1000)
        axes.set_ylim(0, top)
        _legend(figure, axes, 2)

    return draw


def _lines(axes: Axes, rows: Sequence[Row]) -> None:
    for line in STYLES:
        own = [row for row in rows if row.line == line]
        if own and line in _FLAT:
            _flat(axes, line, own)
        elif own:
            _line(axes, line, own)


def _flat(axes: Axes, line: str, rows: Sequence[Row]) -> None:
    """A line without rounds, with its interval as a band."""
    label, colour, _ = STYLES[line]
    asked = [row.questions / 1000 for row in rows]
    style = {"color": colour, "linewidth": 1.2, "linestyle": _FLAT[line], "zorder": 5}
    axes.plot(asked, [row.value for row in rows], label=label, **style)
    lows, highs = [row.low for row in rows], [row.high for row in rows]
    axes.fill_between(asked, lows, highs, color=colour, alpha=0.1, linewidth=0, zorder=1)


def _line(axes: Axes, line: str, rows: Sequence[Row]) -> None:
    """A line with a mark at the end of each round, and its interval where it has one."""
    label, colour, marker = STYLES[line]
    full = line in _OWN
    axes.errorbar(
        [row.questions / 1000 for row in rows],
        [row.value for row in rows],
        yerr=_reach(rows),
        label=label,
        color=colour,
        marker=marker,
        markersize=3.5 if full else 6,
        markerfacecolor=colour if full else "none",
        markeredgewidth=1,
        linewidth=1.8 if full else 1.1,
        elinewidth=0.8,
        capsize=1.5,
        zorder=4 if full else 3,
    )


def _reach(rows: Sequence[Row]) -> tuple[list[float], list[float]] | None:
    """How far the intervals reach below and above; None where there are none."""
    known = [(row.value, row.low, row.high) for row in rows]
    below = [max(0.0, value - low) for value, low, _ in known if low is not None]
    above = [max(0.0, high - value) for value, _, high in known if high is not None]
    return (below, above) if len(below) == len(above) == len(rows) else None


def _legend(figure: Figure, axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    names = [label for label, _, _ in STYLES.values()]
    told = sorted(zip(labels, handles, strict=True), key=lambda each: names.index(each[0]))
    figure.legend(
        [handle for _, handle in told],
        [label for label, _ in told],
        loc="outside lower center",
        ncols=min(columns, len(told)),
    )
