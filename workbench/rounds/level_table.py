"""The table of levels: what a student got right at each of them, round after round, and who else.

Shares are cut, never rounded up: 100 means that every answer was right.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from traces.rounds_record import Round
    from workbench.rounds.rounds_summary import Summary

MOST_ROUNDS: Final = 8
"""Rounds that are shown, the last ones."""
NONE: Final = "-"
"""Stands where nothing was measured."""
OTHERS: Final = (
    (("", "twin"), "supervised_uniform"),
    (("H", "alone"), "h_alone"),
    (("", "trivial"), "trivial"),
)
"""Columns beside the student's, where they were measured: heading and arm."""


class Column(Struct, frozen=True):
    """A heading of two lines and a cell for each level."""

    above: str
    below: str
    cells: Sequence[str]

    @property
    def lines(self) -> list[str]:
        """Heading and cells, all of one width."""
        width = max(map(len, (self.above, self.below, *self.cells)))
        return [
            self.above.center(width),
            *(each.rjust(width) for each in (self.below, *self.cells)),
        ]


def level_table(rounds: "Sequence[Round]", summary: "Summary | None" = None) -> list[str]:
    """A row for each level, under a heading of two lines.

    Args:
        rounds: Of the amplified arm so far, the untrained student first.
        summary: Of the run at its end; None while it goes on.
    """
    begun = rounds[0].student.by_depth
    seen = () if summary is None else summary.seen
    columns = [
        Column("", "digits", [f"{name}{'*' if name in seen else ' '}" for name in begun]),
        Column("", "n", [str(each.n) for each in begun.values()]),
        Column("", "before", [whole(each.accuracy) for each in begun.values()]),
        Column("1st", "label", _first_label(rounds)),
        *_after(rounds[1:][-MOST_ROUNDS:], ended=summary is not None),
        *([] if summary is None else _others(summary, list(begun))),
    ]
    return [
        " ".join(cells).rstrip() for cells in zip(*(each.lines for each in columns), strict=True)
    ]


def whole(share: float) -> str:
    """A share of 100, cut to a whole number."""
    return str(int(100 * share + 1e-6))


def tenths(share: float) -> str:
    """A share of 100, cut to tenths."""
    return f"{int(1000 * share + 1e-6) / 10:.1f}"


def _first_label(rounds: "Sequence[Round]") -> list[str]:
    """What was known of each level just before it was trained for the first time."""
    begun = rounds[0]
    names = list(begun.student.by_depth)
    known = {name: begun.student.by_depth[name].accuracy for name in names[: begun.frontier]}
    for told in rounds:
        if told.promoted_to is not None and told.before_first_label is not None:
            known[str(told.promoted_to)] = told.before_first_label
    return [whole(known[name]) if name in known else NONE for name in names]


def _after(rounds: "Sequence[Round]", *, ended: bool) -> list[Column]:
    """The student after each round; after the last one of a run more exactly."""
    if not rounds:
        return []
    parts = [_round(told, exact=ended and told is rounds[-1]) for told in rounds]
    below, *cells = (" ".join(each) for each in zip(*parts, strict=True))
    return [Column("after round", below, cells)]


def _round(told: "Round", *, exact: bool) -> list[str]:
    """A round's number over its shares, all of one width."""
    said = tenths if exact else whole
    cells = [str(told.round), *(said(each.accuracy) for each in told.student.by_depth.values())]
    return [each.rjust(5 if exact else 3) for each in cells]


def _others(summary: "Summary", names: Sequence[str]) -> list[Column]:
    scores = summary.accuracy
    return [
        Column(*head, _by_level(scores[arm].by_depth, names))
        for head, arm in OTHERS
        if arm in scores
    ]


def _by_level(shares: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [tenths(shares[name]) for name in names]
