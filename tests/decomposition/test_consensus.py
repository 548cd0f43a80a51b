"""Consensus: the rules as properties, the formulas against simulation."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from math import comb, sqrt
from random import Random
from statistics import correlation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decomposition.answerers.faulty import Faulty
from decomposition.answerers.scripted import Scripted
from decomposition.consensus import (
    INLINE_CHARS,
    NOTHING,
    Verdict,
    comparable,
    correlated_failure,
    decide,
    error_correlation,
    first_samples,
    independent_failure,
    known_rule,
    least_samples,
    tree_failure,
    verification,
)
from decomposition.errors import EngineBug
from decomposition.hypertext import Failure, Message, Pointer, write
from decomposition.view import View
from tests.decomposition.answerers.sights import reply_text, seen, turns

ABSTAINED = Failure("abstained")
NO_ANSWER = "(none was given)"

answers = st.lists(st.none() | st.sampled_from("abc"), min_size=1, max_size=9)
rules = st.sampled_from(
    ["majority", "plurality", "plurality-40", "unanimous", "ahead-1", "ahead-2", "verify"]
)


def decided(rule: str, given: Sequence[str | None]) -> Verdict:
    """The verdict once every sample is there."""
    return decide(rule, given, len(given))


def taken(rule: str, given: Sequence[str | None]) -> str | None:
    """The answer that the rule takes, None if it abstains."""
    winner = decided(rule, given).winner
    return None if winner is None else given[winner]


@pytest.mark.parametrize(
    "rule",
    ["majority", "plurality", "plurality-1", "plurality-100", "unanimous", "ahead-64", "verify"],
)
def test_a_rule_is_known_by_its_name(rule: str) -> None:
    """Each rule has one name, with a number where it takes one."""
    assert known_rule(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "Majority",
        "majority-2",
        "majority\n",
        "plurality-0",
        "plurality-101",
        "plurality-٤٠",
        "ahead",
        "ahead-0",
        "ahead-65",
        "ahead-02",
        "verify-1",
        "ahead-" + "9" * 10_000,
        None,
        7,
        ["majority"],
    ],
)
def test_nothing_else_is_a_rule(rule: object) -> None:
    """Names with numbers out of range, and things that are no text, are no rules."""
    assert not known_rule(rule)


def test_an_unknown_rule_is_our_bug() -> None:
    """A rule reaches a decision only after `known_rule` let it through."""
    with pytest.raises(EngineBug, match="ahead-0"):
        decide("ahead-0", ["7"], 1)


@given(answers)
def test_votes_encode_which_answers_are_equal(given: list[str | None]) -> None:
    """Two samples have one vote exactly if both gave one answer; numbers start at 0, in order.

    100 cases.
    """
    votes = decided("majority", given).votes
    for (one, vote), (other, another) in product(zip(given, votes, strict=True), repeat=2):
        assert (vote == another) == (one == other)
    assert all(
        (vote == NOTHING) == (answer is None) for vote, answer in zip(votes, given, strict=True)
    )
    appeared = list(dict.fromkeys(vote for vote in votes if vote != NOTHING))
    assert appeared == list(range(len(appeared)))


@given(rules, answers)
def test_a_failure_never_wins(rule: str, given: list[str | None]) -> None:
    """Whatever the rule, the sample that is taken gave an answer (100 cases)."""
    winner = decided(rule, given).winner
    assert winner is None or given[winner] is not None


@given(rules, st.integers(1, 9))
def test_failures_alone_come_to_nothing(rule: str, samples: int) -> None:
    """Where no sample answered, no answer is taken, nobody agrees and nobody is asked to judge.

    100 cases.
    """
    verdict = decide(rule, [None] * first_samples(rule, samples), samples)
    assert (verdict.winner, verdict.agreement) == (None, 0)
    assert not (rule == "verify" and samples > 1 and verdict.more)


@given(answers, st.randoms(use_true_random=False), st.sampled_from(["majority", "unanimous"]))
def test_the_order_of_samples_does_not_matter(
    given: list[str | None], random: Random, rule: str
) -> None:
    """Majority and unanimity take the same answer in whatever order the samples came.

    100 cases.
    """
    shuffled = list(given)
    random.shuffle(shuffled)
    assert taken(rule, given) == taken(rule, shuffled)
    assert decided(rule, given).agreement == decided(rule, shuffled).agreement


@given(answers)
def test_a_majority_is_more_than_half_of_all(given: list[str | None]) -> None:
    """Abstentions count in the denominator; half is no majority (100 cases)."""
    counts = Counter(answer for answer in given if answer is not None)
    most = max(counts, key=lambda answer: counts[answer], default=None)
    wanted = most if most is not None and 2 * counts[most] > len(given) else None
    assert taken("majority", given) == wanted


@given(answers, st.integers(1, 100))
def test_plurality_takes_the_first_of_the_most_frequent(
    given: list[str | None], percent: int
) -> None:
    """The winner is as frequent as any, the first of those, and reaches the threshold.

    100 cases.
    """
    counts = Counter(answer for answer in given if answer is not None)
    most = max(counts.values(), default=0)
    places = [place for place, it in enumerate(given) if it is not None and counts[it] == most]
    enough = most * 100 >= percent * len(given)
    assert decided("plurality", given).winner == (places[0] if places else None)
    assert decided(f"plurality-{percent}", given).winner == (places[0] if most and enough else None)


@given(answers)
def test_unanimity_needs_everybody(given: list[str | None]) -> None:
    """One deviation or abstention makes it abstain (100 cases)."""
    assert taken("unanimous", given) == (given[0] if len(set(given)) == 1 else None)


@given(answers)
def test_agreement_is_the_share_of_the_most_frequent_answer(given: list[str | None]) -> None:
    """Failures count among the samples, never as agreeing (100 cases)."""
    most = max(Counter(it for it in given if it is not None).values(), default=0)
    assert decided("plurality", given).agreement == most / len(given)


def test_samples_that_were_not_drawn_count_as_abstaining() -> None:
    """Two equal answers of five are no majority, and none is wanted."""
    verdict = decide("majority", ["7", "7"], 5)
    assert (verdict.winner, verdict.more) == (None, False)


def test_more_answers_than_samples_are_our_bug() -> None:
    """Nobody draws more samples than the ask allotted fuel for."""
    with pytest.raises(EngineBug, match="2 answers for 1 samples"):
        decide("majority", ["7", "7"], 1)


# -- ahead by K --------------------------------------------------------------------------------


def played(
    rule: str, source: Sequence[str | None], samples: int
) -> tuple[list[str | None], Verdict]:
    """The samples that the rule draws from a source, and its last verdict."""
    drawn = list(source[: first_samples(rule, samples)])
    verdict = decide(rule, drawn, samples)
    while verdict.more:
        drawn.append(source[len(drawn)])
        verdict = decide(rule, drawn, samples)
    return drawn, verdict


@given(
    st.lists(st.none() | st.sampled_from("ab"), min_size=32, max_size=32),
    st.integers(1, 8),
    st.integers(1, 32),
)
def test_ahead_ends_within_its_cap(source: list[str | None], lead: int, samples: int) -> None:
    """Never more than 4K samples, never more than the ask has, and the winner leads by K.

    100 cases.
    """
    drawn, verdict = played(f"ahead-{lead}", source, samples)
    assert len(drawn) <= min(samples, 4 * lead)
    if verdict.winner is not None:
        counts = Counter(answer for answer in drawn if answer is not None)
        (best, most), *rest = counts.most_common(2)
        assert best == drawn[verdict.winner]
        assert most - (rest[0][1] if rest else 0) == lead


@given(
    st.lists(st.none() | st.sampled_from("abc"), min_size=32, max_size=32),
    st.integers(1, 6),
    st.integers(1, 32),
)
def test_ahead_gives_up_only_when_nothing_can_change(
    source: list[str | None], lead: int, samples: int
) -> None:
    """Drawing on to the end comes to the same answer as stopping when the rule says so.

    100 cases.
    """
    drawn, verdict = played(f"ahead-{lead}", source, samples)
    whole = decide(f"ahead-{lead}", source[:samples], samples)
    assert (verdict.winner, whole.more) == (whole.winner, False)
    assert whole.votes[: len(drawn)] == verdict.votes


@given(
    st.lists(st.none() | st.sampled_from("ab"), max_size=9), st.integers(1, 4), st.integers(9, 16)
)
def test_ahead_wants_more_exactly_while_more_could_decide(
    given: list[str | None], lead: int, samples: int
) -> None:
    """It goes on while some answers to the samples that are left would make a winner.

    100 cases.
    """
    left = min(samples, 4 * lead) - len(given)
    ends = [[*given, *[answer] * left] for answer in "ab"] if left > 0 else []
    possible = any(decide(f"ahead-{lead}", end, samples).winner is not None for end in ends)
    verdict = decide(f"ahead-{lead}", given, samples)
    assert verdict.more == (possible and verdict.winner is None)


def test_ahead_stops_as_soon_as_it_may() -> None:
    """Two equal answers are enough for ahead-2, and a tie asks for one more."""
    assert decide("ahead-2", ["7", "7"], 8) == Verdict(0, (0, 0), 1.0, more=False)
    assert decide("ahead-2", ["7", "8"], 8) == Verdict(None, (0, 1), 0.5, more=True)


@given(rules, st.integers(1, 64))
def test_the_first_samples_are_some_and_not_too_many(rule: str, samples: int) -> None:
    """At least one sample is drawn at the start, and never more than the ask has (100 cases)."""
    assert 1 <= first_samples(rule, samples) <= samples


@pytest.mark.parametrize("rule", ["majority", "plurality-40", "unanimous", "ahead-3", "verify"])
def test_a_rule_can_decide_once_it_has_its_least_samples(rule: str) -> None:
    """With the least number of equal answers something is taken, with one less nothing is."""
    least = least_samples(rule)
    equal = ["1"] * least
    assert decided(rule, equal).winner == 0
    assert least == 1 or decided(rule, equal[1:]).winner is None


# -- verify, then vote -------------------------------------------------------------------------


def test_verify_draws_its_judge_last() -> None:
    """All candidates come at once; then one more sample is wanted, and then none."""
    assert first_samples("verify", 4) == 3
    before = decide("verify", ["7", "8", "8"], 4)
    assert before == Verdict(None, (0, 1, 1), 2 / 3, more=True)
    after = decide("verify", ["7", "8", "8", "1"], 4)
    assert after == Verdict(0, (0, 1, 1, NOTHING), 2 / 3, more=False)


@pytest.mark.parametrize(
    ("judgement", "winner"),
    [
        ("1", 0),
        ("2 3", 1),
        ("3", 2),
        (" 1, 2;\n3 ", 1),
        ("1 2", 0),
        ("3 2 1 1 1", 1),
        ("none", None),
        ("", None),
        ("0", None),
        ("4", None),
        ("5", None),
        ("1 99", None),
        ("1 is right", None),
        ("-1", None),
        ("1.", None),
        ("٣", None),
        ("9" * 10_000, None),
        (None, None),
    ],
)
def test_only_what_the_judge_calls_right_votes(judgement: str | None, winner: int | None) -> None:
    """Numbers of answers, and nothing but numbers of answers, make a verdict."""
    assert decide("verify", ["7", "8", "8", None, judgement], 5).winner == winner


def test_a_single_sample_has_no_judge() -> None:
    """An answer that nobody verified is not taken, even if it looks like a verdict."""
    assert decide("verify", ["1"], 1) == Verdict(None, (0,), 1.0, more=False)


@given(st.text(), st.lists(st.none() | st.text(max_size=INLINE_CHARS), min_size=1, max_size=5))
def test_no_answer_passes_for_another_one(question: str, texts: list[str | None]) -> None:
    """The judge sees one numbered line for each candidate, whatever the texts contain.

    100 cases.
    """
    candidates = [ABSTAINED if text is None else Message.of(text) for text in texts]
    asked = verification(Message.of(question), candidates)
    assert asked.plain
    lines = write(asked, "$q").splitlines()
    numbered = [line for line in lines if re.match(r"Answer [0-9]+: ", line)]
    assert [line.split(":")[0] for line in numbered] == [
        f"Answer {number}" for number in range(1, len(texts) + 1)
    ]
    assert sum(line.startswith("Question: ") for line in lines) == 1


def test_the_judge_sees_answers_and_the_pointers_of_both_sides() -> None:
    """Pointers stay locked pointers, a long answer becomes one, a failure says so."""
    facts, pending = Pointer(message=Message.of("f"), title="facts"), Pointer(answer="0.2")
    long = Message.of("x" * (INLINE_CHARS + 1))
    asked = verification(
        Message(("What is in ", facts, "?")), [Message(("see ", pending)), ABSTAINED, long]
    )
    assert asked.pointers() == (facts, pending, Pointer(message=long))
    written = write(asked, "$q")
    assert "Question: What is in $q.1?\nAnswer 1: see $q.2\nAnswer 2: (none" in written
    assert written.endswith(f"{NO_ANSWER}\nAnswer 3: $q.3")


# -- equality and formulas ---------------------------------------------------------------------


def test_answers_are_compared_composed_and_trimmed() -> None:
    """Canonically equal texts are equal, white space around them does not count."""
    assert comparable(" cafe\u0301\n") == comparable("caf\u00e9")
    assert comparable("a  b") != comparable("a b")


@given(
    st.integers(2, 4).flatmap(
        lambda members: st.lists(st.tuples(*[st.booleans()] * members), min_size=2, max_size=12)
    )
)
def test_error_correlation_is_the_mean_phi_of_the_pairs(items: list[tuple[bool, ...]]) -> None:
    """Phi is Pearson's correlation of two errors; pairs that have none are left out (100 cases)."""
    members = list(zip(*items, strict=True))
    varied = [member for member in members if len(set(member)) == 2]
    pairs = [
        correlation(one, other) for place, one in enumerate(varied) for other in varied[place + 1 :]
    ]
    measured = error_correlation(members)
    if pairs:
        assert measured == pytest.approx(sum(pairs) / len(pairs))
    else:
        assert measured is None


def test_error_correlation_of_uneven_members_is_refused() -> None:
    """Members can be compared on the same items only."""
    with pytest.raises(ValueError, match="every item"):
        error_correlation([[True], [True, False]])
    assert error_correlation([]) is None


@pytest.mark.parametrize(("k", "coefficient"), [(3, 3), (5, 10), (7, 35)])
def test_a_majority_fails_like_a_power_of_p(k: int, coefficient: int) -> None:
    """For small p, k copies fail about C(k, (k + 1) / 2) p^((k + 1) / 2)."""
    p = 1e-5
    assert coefficient == comb(k, (k + 1) // 2)
    assert independent_failure(k, p) == pytest.approx(coefficient * p ** ((k + 1) // 2), rel=1e-3)


@given(st.integers(1, 8), st.floats(0, 1))
def test_majority_failure_is_the_sum_over_all_cases(k: int, p: float) -> None:
    """The formula equals counting every way in which k copies can be right and wrong.

    100 cases.
    """
    total = 0.0
    for copies in product((True, False), repeat=k):
        wrong = copies.count(False)
        if taken("majority", ["7" if ok else None for ok in copies]) is None:
            total += p**wrong * (1 - p) ** (k - wrong)
    assert independent_failure(k, p) == pytest.approx(total)


@given(st.integers(1, 9), st.floats(0, 1), st.floats(0, 1))
def test_correlated_copies_never_beat_their_common_errors(k: int, p: float, rho: float) -> None:
    """Correlation puts a floor below the failure; all of it leaves a single copy (100 cases)."""
    assert correlated_failure(k, p, rho) >= rho * p
    assert correlated_failure(k, p, 0) == pytest.approx(independent_failure(k, p))
    assert correlated_failure(k, p, 1) == pytest.approx(p)


@pytest.mark.parametrize(
    ("height", "failure"), [(1, 0.030), (2, 0.068), (3, 0.14), (4, 0.268), (5, 0.469), (6, 0.72)]
)
def test_without_votes_a_tree_decays(height: int, failure: float) -> None:
    """Two calls a node with p = .01 and no vote: every node must be right."""
    assert tree_failure(height, 2, 0.01, 1) == pytest.approx(failure, abs=0.002)
    nodes = 2 ** (height + 1) - 1
    assert tree_failure(height, 2, 0.01, 1) == pytest.approx(1 - 0.99**nodes)


@pytest.mark.parametrize(("k", "bound"), [(3, 0.0474), (5, 0.1042), (7, 0.1440)])
def test_votes_hold_a_binary_tree_below_a_bound(k: int, bound: float) -> None:
    """Just below the bound failure stays low at any height, just above it takes over.

    The leading term C(k, (k + 1) / 2) e^((k + 1) / 2) alone puts the bounds at .044, .083, .105.
    """
    assert tree_failure(2000, 2, bound - 0.001, k) < 0.05
    assert tree_failure(2000, 2, bound + 0.001, k) > 0.99


def test_a_vote_of_three_keeps_one_in_three_thousand() -> None:
    """With p = .01 and three votes at every node, height makes no difference."""
    for height in range(2, 7):
        assert tree_failure(height, 2, 0.01, 3) == pytest.approx(0.0003, abs=0.0001)


# -- the formula against faulty answerers ------------------------------------------------------

SIMULATED = 2000
K, BRANCHING, P = 3, 2, 0.12


def subtree(path: tuple[int, ...], height: int) -> list[View]:
    """Views of every copy of every node, depth first, each with a sample path of its own."""
    views: list[View] = []
    for copy in range(1, K + 1):
        views.append(seen("What is it?", (*path, copy)))
        for child in range(1, BRANCHING + 1 if height else 1):
            views += subtree((*path, copy, child), height - 1)
    return views


def voted(texts: Iterator[str], height: int) -> str | None:
    """The majority answer of a node, read off the flat order of `subtree`."""
    copies: list[str | None] = []
    for _ in range(K):
        own: str | None = next(texts)
        for _ in range(BRANCHING if height else 0):
            if voted(texts, height - 1) != "right":
                own = None
        copies.append(own)
    return taken("majority", copies)


def test_the_formula_of_the_tree_agrees_with_faulty_answerers() -> None:
    """A voted tree of independent faulty copies fails as often as computed, within 99.9 %."""
    answerer = Faulty(Scripted("right", lambda _: "right"), P, seed=7)
    views = [view for tree in range(SIMULATED) for view in subtree((tree,), 1)]
    texts = iter([reply_text(given) for given in turns(answerer, views)])
    failed = sum(voted(texts, 1) != "right" for _ in range(SIMULATED))
    expected = tree_failure(1, BRANCHING, P, K)
    spread = 3.29 * sqrt(SIMULATED * expected * (1 - expected))
    assert abs(failed - SIMULATED * expected) <= spread
