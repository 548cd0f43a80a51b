"""Batch summary: what a run came to, in counts and shares, for people and as JSON.

Labels are read here and for results alone. What is not answered stays in the denominator.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from traces.ledger import Totals
from traces.record import FINISHED, RunRecord, SessionRecord
from traces.store import Store
from workbench.ballots import ensemble_of, units_of
from workbench.batch import compared_by, options_of, results
from workbench.ensemble_text import in_short
from workbench.ensembles import Report, report
from workbench.safe_output import line, many
from workbench.shares import Share, share_of, told

ANSWER_COLUMNS: Final = 40
"""Columns of an answer that is named."""
MOST_WORKSPACES: Final = 200_000
"""Of larger runs the votes are read back by `run ensemble` alone."""


class Trivial(Struct, frozen=True):
    """Always saying the most frequent label, which only the labels tell: an upper bound."""

    answer: str
    right: Share


class PerCorrect(Struct, frozen=True):
    """What one correct answer took, all lines paid for."""

    calls: float
    tokens: float
    cost_usd: float | None
    """None where nobody knows the price of anything."""


class Summary(Struct):
    """What a batch came to."""

    run: str
    total: int
    answered: int = 0
    abstained: int = 0
    failed: int = 0
    unfinished: int = 0
    correct: int = 0
    judged: int = 0
    """Lines whose answer could be compared with a label or checked by the task."""
    coverage: Share | None = None
    """Share of all lines that were answered."""
    accuracy: Share | None = None
    """Share of the judged lines that were answered correctly; the others are not."""
    selective_accuracy: Share | None = None
    """Share of the judged and answered lines that were answered correctly."""
    trivial: Trivial | None = None
    per_correct: PerCorrect | None = None
    ensemble: Report | None = None
    """Of a run whose questions were answered several times, with labels."""
    compare: str = ""
    """The rule that was named; empty for the task's, else `exact`."""
    workspaces: int = 0
    calls: int = 0
    lookups: int = 0
    joins: int = 0
    memo_hits: int = 0
    attempts: int = 0
    """Requests of paid calls, those that came to nothing among them."""
    tokens: int = 0
    """In and out, as far as they are known; so is the cost."""
    cost_usd: float = 0.0
    unknown: int = 0
    """Attempts of which not all is known; beside what is known they used the next two at most."""
    reserved_tokens: int = 0
    reserved_usd: float = 0.0
    human_s: float = 0.0
    seconds: float = 0.0


def summarise(store: Store, run: RunRecord, *, votes: bool = False) -> Summary:
    """Counts and shares over a run's lines; what is not finished stays in the denominator.

    Args:
        store: Where the run is.
        run: Of `amplify`.
        votes: Read the votes of an ensemble back too.
    """
    options = options_of(run)
    summary = Summary(run.name, run.total, compare=options.compare)
    units = units_of(store, run)
    judged: list[tuple[bool, bool, int]] = []
    answered: list[bool] = []
    for result, row in results(store, run):
        kind = result.status if result.status in FINISHED else "unfinished"
        setattr(summary, kind, getattr(summary, kind) + 1)
        answered.append(kind == "answered")
        if result.correct is not None:
            judged.append((result.correct, answered[-1], units[row.idx]))
        _count(summary, row)
    _pay(summary, store.ledger.totals(run=run.number))
    _judge(summary, judged)
    if answered:
        summary.coverage = share_of(answered, list(units.values()))
    labels = store.register.expected(run.number)
    if labels:
        summary.trivial = _trivial(labels, compared_by(options), units)
    if votes and summary.workspaces <= MOST_WORKSPACES:
        found = ensemble_of(store, run)
        summary.ensemble = report(found) if found is not None else None
    return summary


def _count(summary: Summary, row: SessionRecord) -> None:
    summary.workspaces += row.workspaces
    summary.calls += row.calls
    summary.lookups += row.lookups
    summary.joins += row.joins
    summary.memo_hits += row.memo_hits
    summary.tokens += row.tokens
    summary.cost_usd += row.cost_usd
    summary.seconds += row.seconds


def _pay(summary: Summary, totals: Totals) -> None:
    """Take in what the ledger says, which also knows the attempts that came to nothing."""
    if not totals.lines:
        return
    summary.attempts = totals.calls
    summary.tokens, summary.cost_usd = totals.tokens, totals.cost_usd
    summary.unknown, summary.human_s = totals.unknown, totals.human_s
    summary.reserved_tokens, summary.reserved_usd = totals.reserved_tokens, totals.reserved_usd


def _judge(summary: Summary, judged: Sequence[tuple[bool, bool, int]]) -> None:
    """Take in which judged lines are correct and answered, and the unit of each."""
    summary.judged = len(judged)
    summary.correct = sum(right for right, *_ in judged)
    if not judged:
        return
    summary.accuracy = share_of([right for right, *_ in judged], [unit for *_, unit in judged])
    given = [(right, unit) for right, answered, unit in judged if answered]
    if given:
        rights, units = zip(*given, strict=True)
        summary.selective_accuracy = share_of(rights, units)
    if summary.correct:
        summary.per_correct = PerCorrect(
            summary.calls / summary.correct,
            summary.tokens / summary.correct,
            None if _unpriced(summary) else summary.cost_usd / summary.correct,
        )


def _unpriced(summary: Summary) -> bool:
    """Whether something was paid and nobody knows how much."""
    return bool(summary.unknown) and not summary.cost_usd and not summary.reserved_usd


def _trivial(
    labels: Mapping[int, str], compared: Callable[[str], str], units: Mapping[int, int]
) -> Trivial:
    forms = {idx: compared(label) for idx, label in labels.items()}
    ((most, _),) = Counter(forms.values()).most_common(1)
    shown = next(label for idx, label in labels.items() if forms[idx] == most)
    hits = [form == most for form in forms.values()]
    return Trivial(shown, share_of(hits, [units[idx] for idx in forms]))


def described(summary: Summary) -> str:
    """A batch in a few lines."""
    counts = [f"{summary.answered} answered"]
    for kind in ("abstained", "failed", "unfinished"):
        number: int = getattr(summary, kind)
        if number:
            counts.append(f"{number} {kind}")
    lines = [f"run {summary.run}: {many(summary.total, 'question')}, {', '.join(counts)}"]
    lines += _shares(summary)
    per = summary.total or 1
    lines.append(
        f"workspaces: {summary.workspaces} ({summary.workspaces / per:.1f} a question), "
        f"calls {summary.calls}, look-ups {summary.lookups}, joins {summary.joins}, "
        f"memo {summary.memo_hits}"
    )
    lines += _costs(summary)
    if summary.ensemble is not None:
        lines.append(in_short(summary.ensemble))
    return "\n".join(lines)


def _shares(summary: Summary) -> list[str]:
    """What is correct and what is covered; each share with its interval."""
    accuracy, coverage = summary.accuracy, summary.coverage
    if accuracy is None or coverage is None:
        return []
    right = f"{summary.correct} of {summary.judged} ({_percent(accuracy)})"
    lines = [f"correct: {right}, answers compared {_rule(summary)}"]
    if summary.selective_accuracy is not None:
        lines.append(
            f"answered: {told(coverage)}; right among these {told(summary.selective_accuracy)}"
        )
    if summary.trivial is not None:
        answer = line(summary.trivial.answer, ANSWER_COLUMNS)
        lines.append(f"trivial: always saying {answer!r} is right in {told(summary.trivial.right)}")
    return lines


def _rule(summary: Summary) -> str:
    return f"by the rule {summary.compare!r}" if summary.compare else "exactly or as the task says"


def _percent(share: Share) -> str:
    return (
        f"{share.share * 100:.1f} %; 95 % interval {share.low * 100:.1f} to {share.high * 100:.1f}"
    )


def _costs(summary: Summary) -> list[str]:
    """What was paid, and for one correct answer."""
    each = summary.per_correct
    parts: list[str] = []
    if summary.attempts or summary.tokens or summary.cost_usd:
        parts.append(f"paid: {_paid(summary)}")
    if each is not None and (parts or summary.calls):
        words = f"{each.calls:.2f} calls"
        if parts:
            words += f", {each.tokens:.0f} tokens"
            words += "" if each.cost_usd is None else f", ${each.cost_usd:.6f}"
        parts.append(f"a correct answer took {words}")
    return ["; ".join(parts)] if parts else []


def _paid(summary: Summary) -> str:
    paid = f"{summary.tokens} tokens"
    if summary.attempts:
        paid = f"{many(summary.attempts, 'request')}, {paid}"
    if _unpriced(summary):
        return f"{paid}; what {summary.unknown} of them cost is not known, for want of a price"
    paid += f", ${summary.cost_usd:.4f}"
    if not summary.unknown:
        return paid
    return (
        f"{paid}, and of {summary.unknown} not all is known: up to "
        f"{summary.reserved_tokens} tokens, ${summary.reserved_usd:.4f} more"
    )
