"""Samples: independent answers to one question, combined by a rule."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Abstain, Ask, Given, Reply, Unlock
from decomposition.answerers.faulty import Faulty
from decomposition.answerers.scripted import Scripted
from decomposition.errors import BadPolicy
from decomposition.events import Combined, Entry, Sampled
from decomposition.message import Failure
from decomposition.rendering import sample_key
from decomposition.view import View
from tests.decomposition.kit import (
    Watching,
    answer,
    deliberate,
    digest,
    events_at,
    refusals,
    worked,
    written,
)
from tests.decomposition.programs import RULES, Program, question, seeds

CASES = 40


def asking(ask: Ask, below: str = "") -> Scripted:
    """The root makes one ask and tells what came; a sample may ask below before it answers."""

    def script(view: View) -> Given | str:
        if view.question == "root":
            if not view.asked:
                return (ask, Unlock(tuple(f"$a{n + 1}" for n in range(len(ask.questions)))))
            return " ".join(
                each.kind if isinstance(each, Failure) else each for each in view.shown.values()
            )
        if below and view.question != below:
            if not view.shown:
                return (Ask((below,)), Unlock(("$a1",)))
            return str(view.shown["$a1"])
        return view.key.hex()

    return Scripted("asking", script)


def combined(entries: Sequence[Entry]) -> dict[str, Combined]:
    """Each combination by its address."""
    return {path: event for path, event in entries if isinstance(event, Combined)}


# -- keys ------------------------------------------------------------------------------------


def test_samples_of_one_question_see_the_same_and_draw_apart() -> None:
    """Their texts are equal, their keys are not, so that random answerers differ."""
    actor = Watching(asking(Ask(("a",), 5, "plurality")))
    session, entries = deliberate("root", actor)
    views = [view for view in actor.views if view.question == "a"]
    assert len({view.text for view in views}) == 1
    assert len({view.key for view in views}) == 5
    assert len(set(combined(entries)["0.1"].votes)) == 5
    assert answer(session) == views[0].key.hex()


def test_everything_below_a_sample_draws_apart_too() -> None:
    """Equal questions below different samples are different keys, at any depth."""
    actor = Watching(asking(Ask(("a",), 3, "plurality"), below="deep"))
    deliberate("root", actor)
    views = [view for view in actor.views if view.question == "deep"]
    assert len(views) == 3
    assert len({view.key for view in views}) == 3


def test_shared_children_are_one_key_and_called_correlated() -> None:
    """`share="children"` lets samples share what is below them, and the record says so."""
    actor = Watching(asking(Ask(("a",), 3, "plurality", share="children"), below="deep"))
    _, entries = deliberate("root", actor)
    assert len({view.key for view in actor.views if view.question == "a" and not view.asked}) == 3
    assert len({view.key for view in actor.views if view.question == "deep"}) == 1
    assert combined(entries)["0.1"].correlated
    assert combined(entries)["0.1"].agreement == 1.0
    _, entries = deliberate("root", asking(Ask(("a",), 3, "plurality"), below="deep"))
    assert not combined(entries)["0.1"].correlated


def test_shared_children_are_answered_once_with_a_memo() -> None:
    """What sharing is for: the work below is done once for all samples."""
    actor = Watching(asking(Ask(("a",), 4, "plurality", share="children"), below="deep"))
    session, _ = deliberate("root", actor, memo=True)
    assert sum(view.question == "deep" for view in actor.views) == 1
    assert session.counts.memo_hits == 3


def test_the_first_sample_has_the_key_of_no_sample() -> None:
    """Trailing zeros of a sample path are dropped: sampling more changes no first answer."""
    keys: list[set[bytes]] = []
    for samples in (1, 3):
        actor = Watching(asking(Ask(("a",), samples, "plurality"), below="deep"))
        deliberate("root", actor)
        keys.append({view.key for view in actor.views if view.question != "root"})
    assert keys[0] < keys[1]


@given(st.lists(st.integers(0, 70), max_size=6), st.lists(st.integers(0, 70), max_size=6))
def test_sample_paths_are_equal_up_to_trailing_zeros(one: list[int], other: list[int]) -> None:
    """Nothing else is dropped: any other difference is a difference of keys (100 cases)."""

    def cut(path: list[int]) -> list[int]:
        while path and not path[-1]:
            path = path[:-1]
        return path

    keys = [sample_key(tuple(path)) for path in (one, other)]
    assert (keys[0] == keys[1]) == (cut(one) == cut(other))
    assert not keys[0].startswith(keys[1]) or keys[0] == keys[1]


def test_equal_questions_of_one_asker_have_one_key() -> None:
    """Asked twice without samples, a question is the same question, and is answered the same."""
    session, _ = deliberate("root", asking(Ask(("a", "a"))))
    first, second = answer(session).split()
    assert first == second


def test_a_random_answerer_may_answer_two_samples_differently() -> None:
    """Draws depend on the seed, the view and the sample path, and repeat exactly."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return "right"
        return (Ask(("a",), 20, "plurality"), Unlock(("$a1",))) if not view.asked else "done"

    actor = Faulty(Scripted("half", script), 0.5, seed=3, mode="fixed")
    _, entries = deliberate("root", actor)
    _, again = deliberate("root", actor, width=1)
    votes = combined(entries)["0.1"].votes
    assert sorted(Counter(votes)) == [0, 1]
    assert 3 < votes.count(0) < 17
    assert combined(again)["0.1"].votes == votes
    _, other = deliberate("root", Faulty(Scripted("half", script), 0.5, seed=4, mode="fixed"))
    assert combined(other)["0.1"].votes != votes


# -- combining -------------------------------------------------------------------------------


def votes_of(texts: Sequence[str | None]) -> Scripted:
    """The i-th sample gives the i-th text, or abstains."""
    left = list(texts)

    def script(view: View) -> Given | str:
        if view.question == "root":
            return "unused"
        text = left.pop(0)
        return (Abstain(),) if text is None else text

    return Scripted("votes", script)


@pytest.mark.parametrize(
    ("rule", "texts", "came"),
    [
        ("majority", ["x", "y", "x"], "x"),
        ("majority", ["x", "y", "z"], "abstained"),
        ("majority", ["x", None, None], "abstained"),
        ("plurality", ["y", "x", None, "x"], "x"),
        ("plurality", ["y", "x"], "y"),
        ("unanimous", ["x", "x", " x "], "x"),
        ("unanimous", ["x", "x", None], "abstained"),
        ("ahead-2", ["x", "x", "y", "y"], "x"),
        ("ahead-2", ["x", "y", "x", "x"], "x"),
        ("ahead-1", ["y", "x", "x"], "y"),
        ("verify", ["x", "y", "2"], "y"),
        ("verify", ["x", "y", "none"], "abstained"),
    ],
)
def test_samples_are_combined_by_their_rule(rule: str, texts: list[str | None], came: str) -> None:
    """The asker sees one answer, or an abstention where the rule takes none."""
    below = votes_of(texts)

    def script(view: View) -> Given | str:
        if view.question != "root":
            return below._script(view)  # type: ignore[attr-defined]  # noqa: SLF001
        if not view.asked:
            return (Ask(("a",), len(texts), rule), Unlock(("$a1",)))
        shown = view.shown["$a1"]
        return shown.kind if isinstance(shown, Failure) else shown

    session, entries = deliberate("root", script)
    assert answer(session) == came
    event = combined(entries)["0.1"]
    assert event.rule == rule
    assert (event.winner is None) == (came == "abstained")


def test_only_as_many_samples_are_drawn_as_the_rule_wants() -> None:
    """`ahead-2` stops when one answer leads by two, or when none can any more."""
    session, entries = deliberate("root", asking(Ask(("a",), 8, "ahead-2")))
    assert {path for path in worked(entries) if path != "0"} == {f"0.1:{n}" for n in range(7)}
    same = Scripted(
        "same",
        lambda view: (
            "x"
            if view.question != "root"
            else "done"
            if view.asked
            else (Ask(("a",), 8, "ahead-2"), Unlock(("$a1",)))
        ),
    )
    session, entries = deliberate("root", same)
    assert {path for path in worked(entries) if path != "0"} == {"0.1:0", "0.1:1"}
    assert not any(isinstance(event, Sampled) for _, event in entries)
    assert session.outlook().workspaces == 3


@pytest.mark.parametrize("fuel", range(3, 12))
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("samples", [2, 3, 4])
def test_samples_that_starve_are_combined_with_the_rest(rule: str, samples: int, fuel: int) -> None:
    """Where fuel is too little for all samples, the rule decides on those that there are."""
    session, entries = deliberate("root", asking(Ask(("a",), samples, rule)), fuel=fuel)
    assert session.finished
    assert "0.1" in combined(entries)
    assert len(combined(entries)["0.1"].votes) <= samples


def test_answers_are_compared_as_they_are_rendered() -> None:
    """Two samples that say the same through pointers, pending ones too, say the same."""
    turns: list[Given | str] = [
        (Ask(("five",)), Reply("it is $a1")),
        (Ask(("five",)), Unlock(("$a1",))),
        "it is 5",
    ]

    def script(view: View) -> Given | str:
        match view.question:
            case "root":
                return (Ask(("a",), 3, "unanimous"), Unlock(("$a1",))) if not view.asked else "$a1"
            case "five":
                return "5"
            case _:
                return "it is [5]" if view.shown else turns.pop(0)

    session, entries = deliberate("root", script)
    assert combined(entries)["0.1"].votes == (0, 0, 0)
    assert answer(session) == "it is 5"


def test_a_task_says_which_answers_are_equal() -> None:
    """Votes are compared as the setting normalises them; the winner stays as it was written."""
    texts = ["7.0", "7", "seven"]

    def script(view: View) -> Given | str:
        if view.question != "root":
            return texts.pop(0)
        return (Ask(("a",), 3), Reply("$a1"))

    session, entries = deliberate(
        "root", script, normalise=lambda text: text.removesuffix(".0").replace("seven", "7")
    )
    assert combined(entries)["0.1"].votes == (0, 0, 0)
    assert answer(session) == "7.0"


def test_a_judge_sees_all_answers_and_is_no_candidate() -> None:
    """The last sample of `verify` is asked about the others, in a workspace of its own."""
    views: list[View] = []

    def script(view: View) -> Given | str:
        views.append(view)
        if view.question == "root":
            return (Ask(("what?",), 3, "verify"), Reply("$a1"))
        if view.question == "what?":
            return "good" if len(views) > 2 else "bad [reason]"
        return "2"

    session, entries = deliberate("root", script)
    assert answer(session) == "good"
    assert [type(event) for event in events_at(entries, "0.1")] == [Sampled, Combined]
    assert "what?" in views[-1].question
    assert "bad" in views[-1].question
    assert "good" in views[-1].question
    assert combined(entries)["0.1"].votes == (0, 1, -1)


def test_a_setting_samples_every_ask_that_does_not_say() -> None:
    """`node_samples` is for asks of one sample; an ask with its own number keeps it."""
    for own, drawn in ((1, 3), (2, 2)):
        _, entries = deliberate(
            "root", asking(Ask(("a",), own, "plurality")), node_samples=3, node_rule="unanimous"
        )
        assert {path for path in worked(entries) if path != "0"} == {
            f"0.1:{n}" for n in range(drawn)
        }
        assert combined(entries)["0.1"].rule == ("unanimous" if own == 1 else "plurality")


@pytest.mark.parametrize("rule", ["majority", "plurality", "ahead-2", "unanimous"])
def test_a_root_may_be_sampled(rule: str) -> None:
    """Each sample of the root works the whole question with all of the fuel."""
    actor = Watching(Scripted("root", lambda _: "same"))
    session, entries = deliberate(written("root"), actor, samples=4, rule=rule, fuel=5)
    drawn = 2 if rule == "ahead-2" else 4
    assert worked(entries) == {f"0:{n}" for n in range(drawn)}
    assert answer(session) == "same"
    assert session.outlook().workspaces == drawn


@settings(max_examples=CASES)
@given(seeds, st.integers(2, 4), st.sampled_from(RULES))
def test_sampling_a_root_repeats_exactly(seed: int, samples: int, rule: str) -> None:
    """Whatever the rule draws, one batch or many, the deliberation is the same (40 trees)."""
    one, entries = deliberate(question(level=1), Program(seed), samples=samples, rule=rule)
    other, _ = deliberate(question(level=1), Program(seed), samples=samples, rule=rule, width=1)
    assert digest(one) == digest(other)
    event = combined(entries)["0"]
    assert one.outlook().status != "answered" or event.winner is not None
    assert len(event.votes) <= samples


@pytest.mark.parametrize(("rule", "samples"), [("verify", 1), ("ahead-3", 1), ("ahead-3", 2)])
def test_votes_that_can_come_to_nothing_are_refused(rule: str, samples: int) -> None:
    """A rule that needs more samples is no rule: an ask is refused, a setting or a root too."""
    _, entries = deliberate("root", lambda _: (Ask(("a",), samples, rule),))
    assert f"{rule} needs at least" in refusals(entries)[0]
    if samples > 1:
        with pytest.raises(BadPolicy, match=f"{rule} needs at least"):
            deliberate("root", lambda _: "x", node_samples=samples, node_rule=rule)
        with pytest.raises(BadPolicy, match=f"{rule} needs at least"):
            deliberate("root", lambda _: "x", samples=samples, rule=rule)
        with pytest.raises(BadPolicy, match="no rule of consensus"):
            deliberate("root", lambda _: "x", samples=samples, rule="loudest")
