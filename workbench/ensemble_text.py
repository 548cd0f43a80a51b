"""Ensemble text: a report of votes in words and tables, for people."""

from collections.abc import Sequence

from workbench.ensembles import EqualCost, EqualCoverage, Point, Report, Score, Size
from workbench.safe_output import columns, line
from workbench.shares import Share, told
from workbench.specs import RECORDED, recorded_parts


def in_short(report: Report) -> str:
    """A few lines: the ensemble beside its best member."""
    equal, names = report.equal_coverage, short_names(report)
    best = _best(report)
    lines = [
        (
            f"ensemble: {report.rule} of {len(report.members)}, right {_percent(report.ensemble)}; "
            f"its best member {names[report.best]} {_percent(best)} (known from the labels alone)"
        ),
        (
            f"at the coverage of the ensemble ({_of(report.ensemble.coverage)}): right "
            f"{_of(equal.ensemble)}, the best member {_of(equal.best_there)} on these lines, "
            f"{_of(equal.best_by_chance)} on what it answers itself"
        ),
    ]
    if report.correlation is not None:
        found = report.correlation
        lines.append(
            f"errors correlate: phi {found.mean:.2f} on average, {found.low:.2f} to "
            f"{found.high:.2f} over {found.pairs} pairs"
        )
    lines.append(f"more: workbench run ensemble {report.run}")
    return "\n".join(lines)


def in_full(report: Report) -> str:
    """Everything, with intervals."""
    gone = f"; {report.left_out} left out: no label, not finished or redacted"
    left = gone if report.left_out else ""
    parts = [
        (
            f"run {report.run}: {report.rule} of {len(report.members)} members, "
            f"{report.lines} lines with labels{left}"
        ),
        "shares with 95 % intervals; what is not answered is not right",
        "",
        *_table(report),
        "",
        *_correlated(report),
        "",
        *_curve(report.curve),
        "",
        *_equal_coverage(report.equal_coverage, report),
        "",
        *_equal_cost(report.equal_cost, report),
    ]
    return "\n".join(parts)


def short_names(report: Report) -> dict[str, str]:
    """The members' names; recorded answers by their fields alone, where that tells them apart."""
    names = [member.name for member in report.members]
    fields = {name: recorded_parts(name)[1] or name for name in names if name.startswith(RECORDED)}
    short = {name: fields.get(name, name) for name in names}
    told_apart = len(set(short.values())) == len(set(names))
    return {name: line(short[name] if told_apart else name, 60) for name in names}


def _best(report: Report) -> Score:
    return next(member for member in report.members if member.name == report.best)


def _table(report: Report) -> list[str]:
    """Ensemble and members, a line each."""
    names = short_names(report)
    rows: list[Sequence[str]] = [("", "right of all", "answered", "right of the answered")]
    for score in (report.ensemble, *report.members):
        mark = " *" if score.name == report.best else ""
        unasked = f" ({score.unasked} not asked)" if score.unasked else ""
        name = names.get(score.name, f"[{score.name}]") + mark + unasked
        if score.accuracy.n:
            shares = told(score.accuracy), told(score.coverage), _given(score.selective)
        else:
            shares = "never asked", "", ""
        rows.append((name, *shares))
    return [*aligned(rows), "* the best member, known from the labels alone"]


def _correlated(report: Report) -> list[str]:
    found = report.correlation
    if found is None:
        return ["errors: no two members both err and both succeed, so none correlate"]
    return [
        (
            f"errors of pairs correlate by phi {found.mean:.3f} on average "
            f"({found.low:.3f} to {found.high:.3f}, {found.pairs} pairs)"
        )
    ]


def _curve(curve: Sequence[Point]) -> list[str]:
    rows = [("agree", "coverage", "right of the answered", "selective risk")]
    rows += [
        (
            str(point.agree),
            told(point.coverage),
            _given(point.selective),
            f"{(1 - point.selective.share) * 100:.1f} %" if point.selective.n else "",
        )
        for point in curve
    ]
    return ["answers that so many members agree on are given, others withheld:", *aligned(rows)]


def _equal_coverage(found: EqualCoverage, report: Report) -> list[str]:
    name = short_names(report)[report.best]
    coverage = _of(report.ensemble.coverage)
    lines = [
        f"at equal coverage, {coverage}:",
        f"  ensemble: {_given(found.ensemble)}",
        f"  {name}, on the same lines: {_given(found.best_there)}",
        f"  {name}, withholding at random: {_given(found.best_by_chance)}, as on all it answers",
        f"  right there alone: ensemble {found.only_ensemble}, best member {found.only_best} lines",
    ]
    if found.at_best is not None:
        point = found.at_best
        lines.append(
            f"at the coverage of {name} ({_of(_best(report).coverage)}): {point.agree} or more "
            f"agree on {_of(point.coverage)}, right {_given(point.selective)}"
        )
    return lines


def _equal_cost(found: EqualCost, report: Report) -> list[str]:
    name = short_names(report)[report.best]
    lines = [
        f"at equal cost: the ensemble makes {found.calls_a_line:.2f} calls a line, a member one",
        (
            f"  right answers in 100 calls: ensemble {found.right_in_100_calls:.1f}, "
            f"{name} {found.best_right_in_100_calls:.1f}"
        ),
        (
            f"  with one call a line on average the ensemble answers fewer lines: right of all "
            f"{found.accuracy_at_one_call * 100:.1f} %, {name} "
            f"{found.best_right_in_100_calls:.1f} %"
        ),
    ]
    if found.sizes:
        lines += [f"  {report.rule} over fewer members:", *_sizes(found.sizes, report)]
    return lines


def _sizes(sizes: Sequence[Size], report: Report) -> list[str]:
    names = short_names(report)
    rows = [("members", "subsets", "right of all", "answered", "the best subset")]
    rows += [
        (
            str(size.members),
            str(size.subsets),
            f"{size.accuracy * 100:.1f} %",
            f"{size.coverage * 100:.1f} %",
            f"{size.best_accuracy * 100:.1f} %  {', '.join(names[each] for each in size.best)}",
        )
        for size in sizes
    ]
    return [f"    {row}" for row in aligned(rows)]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns stand below each other."""
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _given(share: Share) -> str:
    return told(share) if share.n else "nothing answered"


def _percent(score: Score) -> str:
    return _of(score.accuracy)


def _of(share: Share) -> str:
    return f"{share.share * 100:.1f} %" if share.n else "of nothing"
