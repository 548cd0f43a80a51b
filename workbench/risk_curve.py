"""Risk curve: selective risk against coverage, of an ensemble's agreement and of its members.

The axes are handed in; matplotlib itself is loaded by `workbench.rounds.figures` alone.
"""

from collections.abc import Callable
from typing import Any, Final

from workbench.ensemble_text import short_names
from workbench.ensembles import Report

_BLUE: Final = "#0072B2"
_ORANGE: Final = "#D55E00"
_GREY: Final = "#666666"


def drawing(report: Report) -> Callable[[Any], None]:
    """Draws a report into a figure."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's types are known in part only
        axes = figure.add_subplot()
        _curve(axes, report)
        _members(axes, report)
        axes.set_xlabel("coverage (share answered)")
        axes.set_ylabel("selective risk (share wrong of the answered)")
        axes.set_xlim(0, 1.02)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left")

    return draw


def caption(report: Report) -> str:
    """What the figure shows, in a sentence or two."""
    return (
        f"Selective risk against coverage: answers that k or more of {len(report.members)} "
        f"members agree on, with 95 % intervals; beside it each member alone. "
        f"{report.lines} lines of the run {report.run}."
    )


def _curve(axes: Any, report: Report) -> None:  # noqa: ANN401 - as above
    points = [point for point in report.curve if point.selective.n]
    across = [point.coverage.share for point in points]
    risk = [1 - point.selective.share for point in points]
    below = [point.selective.high - point.selective.share for point in points]
    above = [point.selective.share - point.selective.low for point in points]
    axes.errorbar(
        across, risk, yerr=(below, above), color=_BLUE, marker="o", capsize=2, label="agreement"
    )
    for point, x, y in zip(points, across, risk, strict=True):
        axes.annotate(str(point.agree), (x, y), xytext=(4, -10), textcoords="offset points")


def _members(axes: Any, report: Report) -> None:  # noqa: ANN401 - as above
    names = short_names(report)
    others = [each for each in report.members if each.name != report.best and each.selective.n]
    best = next(each for each in report.members if each.name == report.best)
    axes.plot(
        [each.coverage.share for each in others],
        [1 - each.selective.share for each in others],
        "s",
        color=_GREY,
        markerfacecolor="none",
        label="other members",
    )
    if best.selective.n:
        place = ([best.coverage.share], [1 - best.selective.share])
        axes.plot(*place, "D", color=_ORANGE, label=f"best member, {names[best.name]}")
