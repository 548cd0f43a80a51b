"""Turns: several actions for one view, refusals between them, and what ends a turn."""

from typing import cast

import pytest
from hypothesis import given, settings

from decomposition.actions import Abstain, Action, Ask, Given, Note, Reply, Unlock
from decomposition.answerers.scripted import BROKEN, Malformed, Scripted
from decomposition.events import Refused
from decomposition.message import Failure
from decomposition.view import View
from tests.decomposition.kit import (
    CLOSING,
    MemoryStore,
    Raw,
    Watching,
    answer,
    deliberate,
    events_at,
    failures,
    kinds,
    refusals,
    worked,
    written,
)
from tests.decomposition.programs import Program, question, seeds

CASES = 40
LOOK = written("see [inner [deepest]]")
"""A question with something to unlock that is there at once."""


def turns(*each: Given | str) -> Scripted:
    """Gives these turns one after the other to the root, and `leaf` to all others."""
    left = list(each)

    def script(view: View) -> Given | str:
        return left.pop(0) if view.question in ("root", "see $q.1") else "leaf"

    return Scripted("turns", script)


def test_actions_of_a_turn_apply_in_order() -> None:
    """A later action of a turn sees what an earlier one did."""
    turn = (Note("[first]"), Ask(("about $n.1",)), Note("now $a1"), Reply("$n.1 and $a1"))
    session, entries = deliberate("root", turns(turn))
    assert kinds(entries)[1:5] == ["0 Noted", "0 Asked", "0 Noted", "0 Replied"]
    assert answer(session) == "leaf and leaf"


def test_a_turn_applies_up_to_the_first_illegal_action() -> None:
    """What stood before the illegal action has happened, what stood after it has not."""
    turn = (Note("kept"), Unlock(("$a7",)), Note("lost"), Reply("lost"))
    session, entries = deliberate("root", turns(turn, "done"))
    assert kinds(entries)[1:] == ["0 Noted", "0 Refused", "0 Replied"]
    assert answer(session) == "done"


def test_a_refusal_costs_one_fuel() -> None:
    """With three fuel, a refusal and a note leave just the reply."""
    _, entries = deliberate("root", turns((Reply(" "),), (Note("x"), Reply("x"))), fuel=3)
    assert kinds(entries)[1:] == ["0 Refused", "0 Noted", "0 Replied"]
    _, entries = deliberate("root", turns((Reply(" "),), (Note("x"), Reply("x"))), fuel=2)
    assert failures(entries) == {"0": "fuel"}


@pytest.mark.parametrize(
    "turn",
    [
        (Unlock(("$a7",)),),
        (Note("x"), Reply(" ")),
        (Ask(("x",), fuel=9), Ask(())),
        (Ask(("x",), fuel=9), Unlock(("$a1",)), Reply("too early")),
        (Unlock(("$q",)), Note("too early")),
        (),
        None,
    ],
)
def test_a_refusal_is_shown_in_the_next_view(turn: Given) -> None:
    """The answerer reads why, once: after its next legal turn the words are gone."""
    actor = Watching(turns(turn, (Ask(("y",), fuel=9),), "done"))
    _, entries = deliberate("root", actor)
    (reason,) = refusals(entries)
    views = [view for view in actor.views if view.question == "root"]
    assert [view.refusal for view in views] == ["", reason, ""]
    assert f"Refused: {reason}\n" in views[1].text
    assert "Refused" not in views[2].text


def test_three_refusals_in_a_row_end_a_workspace() -> None:
    """The third refusal without a legal action between ends it as `bad_output`."""
    _, entries = deliberate("root", turns(*[(Reply(" "),)] * 9))
    assert kinds(entries)[1:] == ["0 Refused", "0 Refused", "0 Refused", "0 Failed"]
    assert failures(entries) == {"0": "bad_output"}


def test_a_legal_action_between_refusals_starts_the_count_again() -> None:
    """Five refusals that are not in a row end nothing."""
    bad, good = (Reply(" "),), (Note("x"), Reply(" "))
    session, entries = deliberate("root", turns(bad, bad, good, bad, good, "done"))
    assert len(refusals(entries)) == 5
    assert answer(session) == "done"


def test_refusals_after_an_unlock_count_too() -> None:
    """Refusals are in a row if only looking lies between; they are not forgotten by waking."""
    bad = (Unlock(("$q",)), Reply("too early"))
    actor = Watching(turns(bad, (Reply(" "),), (Reply(" "),), (Reply(" "),), "done"))
    _, entries = deliberate("root", actor)
    assert failures(entries) == {"0": "bad_output"}
    assert len(refusals(entries)) == 3


@pytest.mark.parametrize("after", [Reply("x"), Note("x"), Ask(("x",)), Abstain(), Unlock(("$q",))])
@pytest.mark.parametrize("name", ["$q.1", "$a1", "$a2"])
def test_an_unlock_ends_the_turn_whether_the_content_is_there_or_not(
    after: Action, name: str
) -> None:
    """What follows an unlock in its turn is refused, equally for content that is there at once."""
    turn = (Ask(("x", "y"), fuel=9), Unlock((name,)), after)
    _, entries = deliberate(LOOK, turns(turn, "done"))
    own = [type(event).__name__ for event in events_at(entries, "0")]
    assert own == ["Opened", "Asked", "Unlocked", "Refused", "Replied"]


@pytest.mark.parametrize(
    "after",
    [Reply("x"), Note("x"), Abstain(), Ask(("x",)), Reply(" "), Ask(()), Unlock(("$a9",)), 7],
)
def test_a_refusal_after_an_unlock_does_not_tell_what_was_there(after: Action) -> None:
    """Its words are the same for content that is there at once and for what is pending."""
    said: set[str] = set()
    for name in ("$q", "$q.1", "$a1", "$a3"):
        turn = (Ask(("x", "y"), fuel=9), Ask(("z",), eager=True, fuel=9), Unlock((name,)), after)
        _, entries = deliberate(LOOK, turns(turn, "done"), width=1)
        said |= set(refusals(entries))
    assert len(said) == 1


@pytest.mark.parametrize("closing", [Reply("first"), Abstain("first")])
@pytest.mark.parametrize(
    "after", [Reply("second"), Note("x"), Ask(("x",)), Abstain(), Unlock(("$q",))]
)
def test_a_closing_action_ends_the_turn(closing: Action, after: Action) -> None:
    """What follows an answer in its turn is refused and has no effect."""
    session, entries = deliberate("root", turns((closing, after)))
    assert kinds(entries)[2:] == ["0 Refused"]
    assert "first" in answer(session)
    assert len(worked(entries)) == 1


@pytest.mark.parametrize("names", [("$q.1",), ("$q",), ("$q", "$q.1")])
def test_content_that_is_there_wakes_its_reader_once(names: tuple[str, ...]) -> None:
    """For each unlock there is one more view, not two, even if nothing was waited for."""
    actor = Watching(turns((Unlock(names),), (Unlock(("$q.1.1",)),), "done"))
    _, entries = deliberate(LOOK, actor)
    if "$q.1" in names:
        assert kinds(entries)[1:] == ["0 Unlocked", "0 Unlocked", "0 Replied"]
    assert [len(batch) for batch in actor.batches] == [1, 1, 1]


@settings(max_examples=CASES)
@given(seeds)
def test_nobody_acts_twice_on_one_view_or_after_closing(seed: int) -> None:
    """In any tree every view brings exactly one turn, and nothing closes twice (40 trees)."""
    store = MemoryStore()
    actor = Watching(Program(seed))
    _, entries = deliberate(question(), actor, store=store)
    closing = [path for path, event in entries if isinstance(event, CLOSING)]
    assert len(closing) == len(set(closing))
    assert len(actor.views) == store.acts()


# -- turns that are none ---------------------------------------------------------------------

NO_TURNS: list[object] = [
    None,
    (),
    [],
    [Reply("x")],
    {},
    "text",
    b"text",
    7,
    True,
    Reply("x"),
    {"reply": "x"},
    (7,),
    (None,),
    ((Reply("x"),),),
    ("text",),
    (Reply,),
    iter((Reply("x"),)),
]


@pytest.mark.parametrize("turn", NO_TURNS, ids=[type(turn).__name__ for turn in NO_TURNS])
def test_what_is_no_turn_is_refused(turn: object) -> None:
    """Anything but a non-empty tuple of actions is refused, and three times ends it."""
    session, entries = deliberate("root", Raw(turn))
    assert kinds(entries)[1:] == ["0 Refused", "0 Refused", "0 Refused", "0 Failed"]
    assert session.outlook().status == "failed"


@pytest.mark.parametrize("kind", BROKEN)
def test_every_malformed_answerer_comes_to_an_end(kind: str) -> None:
    """No broken output brings down a session: it ends with an answer or with a failure."""
    session, entries = deliberate("root", Malformed(kind), fuel=60)
    assert session.outlook().status in ("answered", "failed")
    for _, event in entries:
        if isinstance(event, Refused):
            assert event.reason


@pytest.mark.parametrize("kind", BROKEN)
def test_a_malformed_answerer_below_fails_for_its_asker_only(kind: str) -> None:
    """The asker of a broken answerer gets a value, whatever was broken."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return cast("Given", BROKEN[kind]())
        if not view.asked:
            return (Ask(("child",)), Unlock(("$a1",)))
        answered = view.shown["$a1"]
        return answered.kind if isinstance(answered, Failure) else "an answer"

    session, _ = deliberate("root", script, fuel=400)
    assert session.outlook().answer in ("bad_output", "fuel", "an answer")


def test_events_hold_what_was_written() -> None:
    """An event names pointers as the answerer did, relative to its workspace."""
    turn = (Ask(("x", "and $a1"), samples=1), Note("$a2"), Reply("[see $a1]"))
    _, entries = deliberate("root", turns(turn))
    asked, noted, replied = events_at(entries, "0")[1:]
    assert asked.questions == ("x", "and $a1")  # type: ignore[attr-defined]
    assert noted.text == "$a2"  # type: ignore[attr-defined]
    assert replied.message == "[see $a1]"  # type: ignore[attr-defined]
