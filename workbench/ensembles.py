"""Ensembles: what voting was worth, beside the best member, at equal coverage and at equal cost.

Everything is counted from ballots. The best member is the one with the highest accuracy on these
very lines: who looks for it beforehand does not know it.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import comb, fsum
from typing import Final

from msgspec import Struct

from decomposition.consensus import decide, error_correlation
from workbench.ballots import Ballot, Ensemble
from workbench.shares import Share, share_of

MOST_SUBSETS: Final = 60
"""Of more subsets of one size only neighbours in the list of members are tried."""
_IN_ORDER: Final = ("ahead", "verify")
"""Rules for which the order of samples matters or one of them judges: no subsets of these."""


class Score(Struct, frozen=True):
    """How somebody did on the lines."""

    name: str
    accuracy: Share
    """Of all lines that it was asked; no answer counts as wrong."""
    coverage: Share
    selective: Share
    """Of what it answered."""
    unasked: int = 0
    """Lines that the rule decided without it."""


class Correlation(Struct, frozen=True):
    """Phi of the errors of pairs of members; no answer is an error."""

    mean: float
    low: float
    high: float
    """The lowest and the highest of the pairs."""
    pairs: int
    """Pairs that have one: members that are never or always wrong have none."""


class Point(Struct, frozen=True):
    """Answers that so many members agree on are given, all others are withheld."""

    agree: int
    coverage: Share
    selective: Share


class EqualCoverage(Struct, frozen=True):
    """The ensemble and the best member where both answer equally often."""

    ensemble: Share
    """Right among what the ensemble answered."""
    best_there: Share
    """The best member on the same lines."""
    best_by_chance: Share
    """The best member on what it answers itself. To withhold answers at random, down to the
    coverage of the ensemble, changes its coverage and, in expectation, not this."""
    only_ensemble: int
    """Lines of those where the ensemble alone is right."""
    only_best: int
    at_best: Point | None
    """Where the curve comes nearest to the coverage of the best member."""


class Size(Struct, frozen=True):
    """The same rule over fewer members, which cost fewer calls."""

    members: int
    subsets: int
    accuracy: float
    """Mean over the subsets."""
    coverage: float
    best_accuracy: float
    """Of the best subset, which only the labels tell."""
    best: tuple[str, ...]


class EqualCost(Struct, frozen=True):
    """The ensemble and the best member where both may make equally many calls.

    A recorded answer cannot be drawn again, so more calls cannot make a member better on one
    question: they ask it more questions, or fewer questions are asked of the ensemble.
    """

    calls_a_line: float
    """Of the ensemble; a single member makes one."""
    right_in_100_calls: float
    best_right_in_100_calls: float
    accuracy_at_one_call: float
    """Of the ensemble if it may make one call a line on average, so that most lines stay
    unanswered."""
    sizes: tuple[Size, ...]


class Report(Struct, frozen=True):
    """What voting was worth in a run."""

    run: str
    rule: str
    lines: int
    left_out: int
    """Lines without a label, not finished, or of which something was redacted."""
    ensemble: Score
    members: tuple[Score, ...]
    best: str
    correlation: Correlation | None
    curve: tuple[Point, ...]
    """From all members agree down to the most frequent answer, whatever its votes."""
    equal_coverage: EqualCoverage
    equal_cost: EqualCost


def report(found: Ensemble) -> Report:
    """All of it."""
    ballots, names = found.ballots, found.members
    places = range(len(names))
    members = tuple(_member(ballots, place, names[place]) for place in places)
    best = max(places, key=lambda place: (members[place].accuracy.share, -place))
    whole = _score(found.rule, [each.taken for each in ballots], ballots)
    curve = tuple(_points(ballots, len(names)))
    return Report(
        found.run,
        found.rule,
        len(ballots),
        found.left_out,
        whole,
        members,
        names[best],
        _correlation(ballots, len(names)),
        curve,
        _equal_coverage(ballots, best, members[best], curve),
        _equal_cost(found, whole, members[best]),
    )


def _member(ballots: Sequence[Ballot], place: int, name: str) -> Score:
    asked = [each for each in ballots if place not in each.unasked]
    answers = [each.votes[place] for each in asked]
    return _score(name, answers, asked, len(ballots) - len(asked))


def _score(
    name: str, answers: Sequence[str | None], ballots: Sequence[Ballot], unasked: int = 0
) -> Score:
    units = [each.unit for each in ballots]
    right = [answer == each.label for answer, each in zip(answers, ballots, strict=True)]
    given = [place for place, answer in enumerate(answers) if answer is not None]
    return Score(
        name,
        share_of(right, units),
        share_of([answer is not None for answer in answers], units),
        share_of([right[place] for place in given], [units[place] for place in given]),
        unasked,
    )


def _correlation(ballots: Sequence[Ballot], members: int) -> Correlation | None:
    """Over the lines that every member was asked."""
    asked = [each for each in ballots if not each.unasked]
    rights = [[each.votes[place] == each.label for each in asked] for place in range(members)]
    phis = [error_correlation(pair) for pair in combinations(rights, 2)]
    known = [phi for phi in phis if phi is not None]
    if not known:
        return None
    return Correlation(fsum(known) / len(known), min(known), max(known), len(known))


def _points(ballots: Sequence[Ballot], members: int) -> Iterator[Point]:
    """The risk-coverage curve of agreement; of equally frequent answers the first counts."""
    leading = [_leading(each) for each in ballots]
    units = [each.unit for each in ballots]
    for agree in range(members, 0, -1):
        given = [place for place, (_, votes) in enumerate(leading) if votes >= agree]
        right = [leading[place][0] == ballots[place].label for place in given]
        yield Point(
            agree,
            share_of([votes >= agree for _, votes in leading], units),
            share_of(right, [units[place] for place in given]),
        )


def _leading(ballot: Ballot) -> tuple[str | None, int]:
    """The most frequent answer and its votes; no answer with no vote."""
    cast = [vote for vote in ballot.votes if vote is not None]
    if not cast:
        return None, 0
    most = max(cast, key=cast.count)
    return most, cast.count(most)


def _equal_coverage(
    ballots: Sequence[Ballot], best: int, score: Score, curve: Sequence[Point]
) -> EqualCoverage:
    there = [each for each in ballots if each.taken is not None]
    units = [each.unit for each in there]
    ours = [each.taken == each.label for each in there]
    its = [each.votes[best] == each.label for each in there]
    pairs = list(zip(ours, its, strict=True))
    wanted = score.coverage.share
    nearest = min(curve, key=lambda point: abs(point.coverage.share - wanted), default=None)
    return EqualCoverage(
        share_of(ours, units),
        share_of(its, units),
        score.selective,
        pairs.count((True, False)),
        pairs.count((False, True)),
        nearest,
    )


def _equal_cost(found: Ensemble, whole: Score, best: Score) -> EqualCost:
    calls = sum(each.calls for each in found.ballots) / max(len(found.ballots), 1)
    right = whole.accuracy.share
    return EqualCost(
        calls,
        100 * right / calls if calls else 0.0,
        100 * best.accuracy.share,
        right / max(calls, 1.0),
        tuple(_sizes(found)),
    )


def _sizes(found: Ensemble) -> Iterator[Size]:
    """The rule over every number of members."""
    if found.rule.startswith(_IN_ORDER):
        return
    for members in range(1, len(found.members) + 1):
        subsets = _subsets(len(found.members), members)
        scores = [_scored(found, subset) for subset in subsets]
        accuracies = [accuracy for accuracy, _ in scores]
        top = max(range(len(subsets)), key=lambda place: accuracies[place])
        yield Size(
            members,
            len(subsets),
            fsum(accuracies) / len(subsets),
            fsum(coverage for _, coverage in scores) / len(subsets),
            accuracies[top],
            tuple(found.members[place] for place in subsets[top]),
        )


def _subsets(members: int, size: int) -> list[tuple[int, ...]]:
    if comb(members, size) <= MOST_SUBSETS:
        return list(combinations(range(members), size))
    return [
        tuple(sorted((first + step) % members for step in range(size))) for first in range(members)
    ]


def _scored(found: Ensemble, subset: Sequence[int]) -> tuple[float, float]:
    """Accuracy and coverage of the rule over some members."""
    right = answered = 0
    for ballot in found.ballots:
        votes = [ballot.votes[place] for place in subset]
        winner = decide(found.rule, votes, len(votes)).winner
        answered += winner is not None
        right += winner is not None and votes[winner] == ballot.label
    lines = max(len(found.ballots), 1)
    return right / lines, answered / lines
