"""Consensus: how several answers to one question become one.

Rules are pure functions over votes. A vote is the number of a distinct answer; a failure or an
abstention votes for nothing and never wins.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import combinations
from math import comb, fsum, sqrt
from typing import Final, NamedTuple
from unicodedata import normalize

from msgspec import Struct

from decomposition.actions import MAX_SAMPLES, Abstain, Given, Reply, Unlock
from decomposition.errors import EngineBug
from decomposition.hypertext import Failure, Message, Pointer

NOTHING: Final = -1
"""The vote of a failure, of an abstention and of a judge."""

AHEAD_CAP: Final = 4
"""`ahead-K` draws at most so many times K samples."""

INLINE_CHARS: Final = 1000
"""A judge sees longer answers as locked pointers."""

_RULE = re.compile(r"(majority|plurality|unanimous|ahead|verify)(?:-([1-9][0-9]{0,2}))?")
_LONGEST_RULE: Final = 16
_NUMBERS = re.compile(r"[0-9]{1,3}(?:[ ,;\n]+[0-9]{1,3})*")
_LINE_BREAK = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")

_JUDGING: Final = (
    "Which of these answers to the question below are right? "
    'Reply with their numbers alone, such as "1 3", or with "none".'
)


class Verdict(Struct, frozen=True, gc=False):
    """What a rule says of the samples drawn so far."""

    winner: int | None
    """Index of the sample whose answer is taken; None where the rule abstains or wants more."""
    votes: tuple[int, ...]
    """For each sample the number of its distinct answer, in the order of first appearance;
    `NOTHING` for none."""
    agreement: float
    """Share of the samples that gave the most frequent answer, a judge not counted; 0 for none."""
    more: bool
    """The rule wants one more sample; for `verify`, once its candidates are there, the judge."""


class _Rule(NamedTuple):
    name: str
    number: int
    """Threshold in percent or lead; 0 for none."""


def known_rule(rule: object) -> bool:
    """Whether this is the name of a rule, its number in range."""
    return isinstance(rule, str) and len(rule) <= _LONGEST_RULE and _parsed(rule) is not None


def least_samples(rule: str) -> int:
    """How many samples the rule needs to be able to take an answer at all."""
    name, number = _known(rule)
    if name == "ahead":
        return number
    return 2 if name == "verify" else 1


def first_samples(rule: str, samples: int) -> int:
    """How many samples are drawn at once at the start; the others follow one by one.

    Args:
        rule: `ahead-K` starts with K, `verify` with all but the judge, the others with all.
        samples: How many the ask allots fuel for; never more are drawn.
    """
    name, number = _known(rule)
    if name == "ahead":
        return min(samples, number)
    return max(samples - 1, 1) if name == "verify" else samples


def decide(rule: str, answers: Sequence[str | None], samples: int) -> Verdict:
    """What the rule says of the answers so far.

    Args:
        rule: One that `known_rule` knows.
        answers: Of the samples drawn so far, in their order, in the form in which they are
            compared; None for a failure or an abstention. For `verify` the last of `samples`
            is the judge's reply as it stands: numbers of the right answers, such as `1 3`, or
            `none`; anything else abstains.
        samples: How many the ask allots fuel for. Those not drawn count as abstaining.
    """
    if len(answers) > samples:
        raise EngineBug(f"{len(answers)} answers for {samples} samples")
    name, number = _known(rule)
    if name == "verify":
        return _verified(answers, samples)
    votes = _votes(answers)
    counts = _counts(votes)
    most = max(counts, default=0)
    taken, more = None, False
    if name == "ahead":
        taken, more = _ahead(votes, number, min(samples, AHEAD_CAP * number))
    elif most >= _needed(name, number, samples):
        taken = counts.index(most)
    winner = None if taken is None else votes.index(taken)
    return Verdict(winner, votes, most / len(votes) if votes else 0.0, more)


def comparable(text: str) -> str:
    """The form in which answers are compared where no task says otherwise: NFC and trimmed."""
    return (text if text.isascii() else normalize("NFC", text)).strip()


def closing(given: Given) -> int | None:
    """Where in a turn its `Reply` or `Abstain` stands; None where it closes nothing."""
    if isinstance(given, tuple):
        for place, action in enumerate(given):
            if isinstance(action, Reply | Abstain):
                return place
            if isinstance(action, Unlock):
                return None
    return None


def verification(
    question: Message, candidates: Sequence[Message | Failure], inline_chars: int = INLINE_CHARS
) -> Message:
    """The question to the judge of `verify`: which of the numbered answers are right.

    Nothing in it is parsed. Pointers of question and answers stay locked pointers, and the
    lines of an answer are indented, so that none can pass for another answer.

    Args:
        question: What the candidates answered.
        candidates: In the order of their samples.
        inline_chars: An answer with more characters becomes one locked pointer.
    """
    parts: list[str | Pointer] = [f"{_JUDGING}\nQuestion: ", *_indented(question)]
    for number, candidate in enumerate(candidates, 1):
        parts.append(f"\nAnswer {number}: ")
        if isinstance(candidate, Failure):
            parts.append("(none was given)")
        elif _characters(candidate) > inline_chars:
            parts.append(Pointer(message=candidate))
        else:
            parts.extend(_indented(candidate))
    return Message(tuple(_merged(parts)))


def error_correlation(right: Sequence[Sequence[bool]]) -> float | None:
    """Mean phi coefficient of the errors of each pair of members.

    Args:
        right: For each member whether it was right, item by item; all over the same items.

    Returns:
        A number in [-1, 1]; None where no pair has one, as for a member that is never or
        always wrong.

    Raises:
        ValueError: The members were not asked the same number of items.
    """
    items = len(right[0]) if right else 0
    if any(len(member) != items for member in right):
        raise ValueError("every member needs a result for every item")
    wrong = [sum(1 << place for place, ok in enumerate(member) if not ok) for member in right]
    pairs = [_phi(one, other, items) for one, other in combinations(wrong, 2)]
    defined = [phi for phi in pairs if phi is not None]
    return fsum(defined) / len(defined) if defined else None


def independent_failure(k: int, p: float) -> float:
    """Probability that no majority of k independent copies is right, each wrong with p.

    Half of an even k is no majority, so it counts as failure. Exact for k up to 1000.
    """
    return fsum(comb(k, wrong) * p**wrong * (1 - p) ** (k - wrong) for wrong in _losing(k))


def correlated_failure(k: int, p: float, rho: float) -> float:
    """Probability that no majority of k copies is right when their errors correlate by rho.

    With probability rho all copies share one draw, else each draws for itself; that makes rho
    their pairwise correlation. No k brings the result below `rho * p`.
    """
    rho = min(max(rho, 0.0), 1.0)
    return rho * p + (1 - rho) * independent_failure(k, p)


def tree_failure(height: int, branching: int, p: float, k: int) -> float:
    """Probability that the root of a tree is wrong when every node is voted on by k copies.

    Every copy is wrong with p of its own and works its own `branching` subtrees; one wrong
    subtree spoils it. With e(0) = p and v(h) the majority failure of k copies that each fail
    with e(h), e(h) is 1 - (1 - p)(1 - v(h - 1))^branching, and the result is v(height).
    """
    voted = independent_failure(k, p)
    for _ in range(height):
        voted = independent_failure(k, 1 - (1 - p) * (1 - voted) ** branching)
    return voted


@lru_cache(maxsize=256)
def _parsed(rule: str) -> _Rule | None:
    match = _RULE.fullmatch(rule)
    if match is None:
        return None
    name, digits = match.groups()
    number = int(digits or 0)
    bounds = {"plurality": (0, 100), "ahead": (1, MAX_SAMPLES)}.get(name, (0, 0))
    return _Rule(name, number) if bounds[0] <= number <= bounds[1] else None


def _known(rule: str) -> _Rule:
    parsed = _parsed(rule)
    if parsed is None:
        raise EngineBug(f"no rule of consensus is called {rule[:40]!r}")
    return parsed


def _needed(name: str, number: int, samples: int) -> int:
    """How many votes an answer needs to be taken, of all samples; at least one."""
    if name == "majority":
        return samples // 2 + 1
    if name == "unanimous":
        return samples
    return max(-(-number * samples // 100), 1)


def _votes(answers: Iterable[str | None]) -> tuple[int, ...]:
    numbers: dict[str | None, int] = {None: NOTHING}
    return tuple([numbers.setdefault(answer, len(numbers) - 1) for answer in answers])


def _counts(votes: Iterable[int]) -> list[int]:
    """How many votes each answer has, by its number."""
    counts: list[int] = []
    for vote in votes:
        if vote == len(counts):
            counts.append(1)
        elif vote != NOTHING:
            counts[vote] += 1
    return counts


def _ahead(votes: Sequence[int], lead: int, cap: int) -> tuple[int | None, bool]:
    """The first answer to lead the next one by so much, or whether one still can."""
    margin = 0
    for drawn in range(min(lead, len(votes)), min(len(votes), cap) + 1):
        counts = _counts(votes[:drawn])
        most, next_most = sorted((0, 0, *counts), reverse=True)[:2]
        margin = most - next_most
        if margin >= lead:
            return counts.index(most), False
    left = cap - len(votes)
    return None, left > 0 and margin + left >= lead


def _verified(answers: Sequence[str | None], samples: int) -> Verdict:
    """Plurality among the candidates that the judge, the last of the samples, calls right."""
    candidates = answers[: first_samples("verify", samples)]
    votes = _votes(candidates)
    agreement = max(_counts(votes), default=0) / len(votes) if votes else 0.0
    if len(answers) == len(candidates):
        awaited = len(candidates) < samples - 1 or any(vote != NOTHING for vote in votes)
        return Verdict(None, votes, agreement, len(answers) < samples and awaited)
    chosen = _called_right(answers[-1], votes)
    kept = [vote if place in chosen else NOTHING for place, vote in enumerate(votes)]
    winner = _most_frequent(kept)
    return Verdict(winner, (*votes, NOTHING), agreement, more=False)


def _most_frequent(votes: Sequence[int]) -> int | None:
    """The first sample with the most frequent answer, or with the first of several."""
    cast = [vote for vote in votes if vote != NOTHING]
    return votes.index(max(cast, key=cast.count)) if cast else None


def _called_right(judgement: str | None, votes: Sequence[int]) -> frozenset[int]:
    """Indices that the judge names; empty if one of them is of no answer."""
    text = (judgement or "").strip()
    if not _NUMBERS.fullmatch(text):
        return frozenset()
    places = frozenset(int(number) - 1 for number in re.findall("[0-9]+", text))
    sound = all(0 <= place < len(votes) and votes[place] != NOTHING for place in places)
    return places if sound else frozenset()


def _indented(message: Message) -> list[str | Pointer]:
    return [
        _LINE_BREAK.sub("\n  ", part) if isinstance(part, str) else part for part in message.parts
    ]


def _characters(message: Message) -> int:
    return sum(len(part) for part in message.parts if isinstance(part, str))


def _merged(parts: Iterable[str | Pointer]) -> list[str | Pointer]:
    """The parts with neighbouring texts as one: equal messages have equal parts."""
    merged: list[str | Pointer] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, str) and isinstance(last, str):
            merged[-1] = last + part
        else:
            merged.append(part)
    return merged


def _phi(one: int, other: int, items: int) -> float | None:
    """Phi of two sets of errors, given as bits; None where one of them does not vary."""
    errors, others = one.bit_count(), other.bit_count()
    spread = errors * (items - errors) * others * (items - others)
    if not spread:
        return None
    return (items * (one & other).bit_count() - errors * others) / sqrt(spread)


def _losing(k: int) -> range:
    """The numbers of wrong copies that leave no majority of right ones."""
    return range((k + 1) // 2, k + 1)
