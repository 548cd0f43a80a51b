"""Step: what each action does to one workspace, and every way in which it is illegal."""

from collections.abc import Callable
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from decomposition.actions import Abstain, Action, Ask, Note, Quote, Reply, Unlock
from decomposition.advance import advance, resolve, show, woken
from decomposition.caps import Caps
from decomposition.errors import EngineBug, FuelExhausted, IllegalAction
from decomposition.events import (
    Abstained,
    Asked,
    Combined,
    Deferred,
    Failed,
    Noted,
    Refused,
    Replied,
    Span,
    Unlocked,
)
from decomposition.message import Failure, Message, Pointer
from decomposition.step import overdue, step
from decomposition.workspace import Workspace
from tests.decomposition.kit import written

FUEL = 50
SMALL = Caps(depth=2, asks=3, question_bytes=100, answer_bytes=200)

ASKED = Asked(("first", "second", "third"), (1, 1, 1))
FRESH = Workspace("0", written("see [inner [deepest]]"), (), FUEL)
OPEN = woken(
    advance(FRESH, ASKED),
    (show("$a1", written("it is [because] so")), show("$a2", Failure("fuel", "none left"))),
    0,
)
"""Asked three things and looked at two: `$a1` has an inner pointer, `$a2` failed."""
NOTED = advance(OPEN, Noted("a note with $a1 and [x]"))
WAITING = advance(OPEN, Unlocked(("$a3",)))


def deep(levels: int) -> Message:
    """A message that an answerer made itself, of so many levels."""
    message = Message.of("x")
    for _ in range(levels):
        message = Message((Pointer(message=message),))
    return message


# -- legal -----------------------------------------------------------------------------------


def test_a_reply_closes_and_costs_one() -> None:
    """The answer is what was written, read in the workspace."""
    event = step(OPEN, Reply("it is $a1.1", 0.5))
    assert event == Replied("it is $a1.1", 0.5)
    after = advance(OPEN, event)
    assert after.outcome == Message(("it is ", Pointer(message=Message.of("because"))))
    assert after.closed
    assert after.fuel == OPEN.fuel - 1
    assert after.confidence == 0.5


def test_an_abstention_closes_with_a_value() -> None:
    """An abstention is an answer: it travels as a failure of kind `abstained`."""
    event = step(OPEN, Abstain("too hard"))
    assert event == Abstained("too hard")
    assert advance(OPEN, event).outcome == Failure("abstained", "too hard")


def test_a_note_replaces_the_note() -> None:
    """There is one note; a new one takes its place and costs one fuel."""
    after = advance(NOTED, step(NOTED, Note("other")))
    assert after.note == "other"
    assert after.fuel == NOTED.fuel - 1


def test_an_ask_counts_on() -> None:
    """Subquestions are numbered over the workspace's life."""
    after = advance(OPEN, step(OPEN, Ask(("fourth", "and $a4 and $a1"))))
    assert [ask.written for ask in after.asks][3:] == ["fourth", "and $a4 and $a1"]
    assert after.asks[4].question.pointers() == (Pointer(answer="0.4"), Pointer(answer="0.1"))


def test_an_unlock_waits_for_each_pointer_once() -> None:
    """A pointer named twice is waited for once."""
    event = step(OPEN, Unlock(("$a3", "$q.1", "$a3")))
    assert event == Unlocked(("$a3", "$q.1"))
    assert advance(OPEN, event).waiting == ("$a3", "$q.1")


def test_a_message_stands_for_its_text() -> None:
    """A message given as it is means its literal text and its nested content."""
    event = step(OPEN, Reply(Message(("costs $a1 [", Pointer(message=Message.of("why"))))))
    assert isinstance(event, Replied)
    after = advance(OPEN, event)
    assert after.outcome == Message(("costs $a1 [", Pointer(message=Message.of("why"))))


@pytest.mark.parametrize("confidence", [None, 0, 1, 0.0, 0.25, 1.0])
def test_a_confidence_is_a_probability(confidence: float | None) -> None:
    """Anything from 0 to 1 may be stated, or nothing."""
    event = step(OPEN, Reply("x", confidence))
    assert isinstance(event, Replied)
    assert event.confidence == confidence


@pytest.mark.parametrize("samples", [1, 64])
def test_as_many_samples_as_the_cap_allows(samples: int) -> None:
    """Each sample of an ask is one part of the allotment."""
    event = step(replace(FRESH, fuel=1000), Ask(("x",), samples))
    assert isinstance(event, Asked)
    assert len(event.fuel) == samples


@pytest.mark.parametrize(
    ("pointer", "text", "span"),
    [
        ("$q", "see", Span("$q", 0, 3)),
        ("$a1", "it is", Span("$a1", 0, 5)),
        ("$a1", " so", Span("$a1", 7, 10)),
    ],
)
def test_a_quotation_is_found_in_its_source(pointer: str, text: str, span: Span) -> None:
    """A span of unlocked content, or of the own question, is recorded with its place."""
    event = step(OPEN, Reply("so it is", quotes=(Quote(pointer, text),)))
    assert event == Replied("so it is", None, (span,))


# -- illegal ---------------------------------------------------------------------------------

NUL = "a\0b"
HALF = "a\ud800b"

ILLEGAL: dict[str, tuple[Action, str]] = {
    "reply-blank": (Reply(""), "empty"),
    "reply-white": (Reply(" \n\t\u3000"), "empty"),
    "reply-nul": (Reply(NUL), "NUL"),
    "reply-surrogate": (Reply(HALF), "surrogate"),
    "reply-bytes": (Reply(b"7"), "text"),  # type: ignore[arg-type]
    "reply-none": (Reply(None), "text"),  # type: ignore[arg-type]
    "reply-number": (Reply(7), "text"),  # type: ignore[arg-type]
    "reply-invisible": (Reply("$a9"), "visible"),
    "reply-invisible-inside": (Reply("[x [$a9]]"), "visible"),
    "reply-invisible-inner": (Reply("$a1.2"), "visible"),
    "reply-inside-locked": (Reply("$a3.1"), "visible"),
    "reply-inside-failed": (Reply("$a2.1"), "visible"),
    "reply-locked-question-part": (Reply("$q.1.1"), "visible"),
    "reply-no-note": (Reply("$n"), "visible"),
    "reply-no-note-inside": (Reply("$n.1"), "visible"),
    "reply-nested": (Reply("[" * 33 + "x" + "]" * 33), "nest"),
    "reply-deep": (Reply(deep(5000)), "."),
    "reply-address": (Reply(Message((Pointer(answer="0.1"),))), "."),
    "reply-title": (Reply(Message((Pointer(message=Message.of("x"), title="t"),))), "."),
    "reply-part": (Reply(Message((7,))), "."),  # type: ignore[arg-type]
    "reply-parts": (Reply(Message(None)), "."),  # type: ignore[arg-type]
    "reply-message-nul": (Reply(Message.of(NUL)), "NUL"),
    "reply-message-surrogate": (Reply(Message.of(HALF)), "surrogate"),
    "reply-message-blank": (Reply(Message(())), "empty"),
    "confidence-high": (Reply("x", 1.7), "confidence"),
    "confidence-low": (Reply("x", -0.1), "confidence"),
    "confidence-nan": (Reply("x", float("nan")), "confidence"),
    "confidence-infinite": (Reply("x", float("inf")), "confidence"),
    "confidence-huge": (Reply("x", 10**400), "confidence"),
    "confidence-true": (Reply("x", True), "confidence"),  # noqa: FBT003 - the case itself
    "confidence-text": (Reply("x", "0.5"), "confidence"),  # type: ignore[arg-type]
    "quote-absent": (Reply("x", quotes=(Quote("$a1", "was"),)), "quoted"),
    "quote-case": (Reply("x", quotes=(Quote("$a1", "It is"),)), "quoted"),
    "quote-empty": (Reply("x", quotes=(Quote("$a1", ""),)), "quoted"),
    "quote-across": (Reply("x", quotes=(Quote("$a1", "is  so"),)), "quoted"),
    "quote-inner": (Reply("x", quotes=(Quote("$a1", "because"),)), "quoted"),
    "quote-nul": (Reply("x", quotes=(Quote("$a1", "is \0 so"),)), "NUL"),
    "quote-locked": (Reply("x", quotes=(Quote("$a3", "x"),)), "not unlocked"),
    "quote-locked-part": (Reply("x", quotes=(Quote("$q.1", "inner"),)), "not unlocked"),
    "quote-failed": (Reply("x", quotes=(Quote("$a2", "none left"),)), "not unlocked"),
    "quote-invisible": (Reply("x", quotes=(Quote("$a9", "x"),)), "visible"),
    "quote-pointer": (Reply("x", quotes=(Quote(7, "x"),)), "text"),  # type: ignore[arg-type]
    "quote-text": (Reply("x", quotes=(Quote("$a1", 7),)), "text"),  # type: ignore[arg-type]
    "quotes-number": (Reply("x", quotes=7), "."),  # type: ignore[arg-type]
    "quotes-of-text": (Reply("x", quotes=("$a1",)), "."),  # type: ignore[arg-type]
    "abstain-nul": (Abstain(NUL), "NUL"),
    "abstain-surrogate": (Abstain(HALF), "surrogate"),
    "abstain-number": (Abstain(7), "text"),  # type: ignore[arg-type]
    "note-nul": (Note(NUL), "NUL"),
    "note-surrogate": (Note(HALF), "surrogate"),
    "note-none": (Note(None), "text"),  # type: ignore[arg-type]
    "note-invisible": (Note("see $a9"), "visible"),
    "note-address": (Note(Message((Pointer(answer="0.1"),))), "."),
    "ask-nothing": (Ask(()), "question"),
    "ask-list": (Ask(["x"]), "question"),  # type: ignore[arg-type]
    "ask-text": (Ask("x"), "question"),  # type: ignore[arg-type]
    "ask-blank": (Ask(("x", "")), "blank"),
    "ask-white": (Ask((" \n",)), "blank"),
    "ask-nul": (Ask(("x", NUL)), "NUL"),
    "ask-surrogate": (Ask((HALF,)), "surrogate"),
    "ask-number": (Ask((7,)), "text"),  # type: ignore[arg-type]
    "ask-invisible": (Ask(("see $a9",)), "visible"),
    "ask-itself": (Ask(("see $a4",)), "visible"),
    "ask-later": (Ask(("see $a5", "x")), "visible"),
    "ask-address": (Ask((Message((Pointer(answer="0.1"),)),)), "."),
    "samples-none": (Ask(("x",), 0), "samples"),
    "samples-negative": (Ask(("x",), -1), "samples"),
    "samples-many": (Ask(("x",), 65), "samples"),
    "samples-huge": (Ask(("x",), 10**9), "samples"),
    "samples-text": (Ask(("x",), "x"), "samples"),  # type: ignore[arg-type]
    "samples-float": (Ask(("x",), 2.0), "samples"),  # type: ignore[arg-type]
    "samples-true": (Ask(("x",), True), "samples"),  # noqa: FBT003 - the case itself
    "rule-unknown": (Ask(("x",), 2, "coin"), "rule"),
    "rule-empty": (Ask(("x",), 2, ""), "rule"),
    "rule-number": (Ask(("x",), 2, "ahead-0"), "rule"),
    "rule-none": (Ask(("x",), 2, None), "rule"),  # type: ignore[arg-type]
    "rule-list": (Ask(("x",), 2, []), "rule"),  # type: ignore[arg-type]
    "share-unknown": (Ask(("x",), 2, share="all"), "share"),  # type: ignore[arg-type]
    "eager-text": (Ask(("x",), eager="yes"), "eager"),  # type: ignore[arg-type]
    "fuel-none": (Ask(("x",), fuel=0), "fuel"),
    "fuel-negative": (Ask(("x",), fuel=-1), "fuel"),
    "fuel-float": (Ask(("x",), fuel=1.0), "fuel"),  # type: ignore[arg-type]
    "fuel-true": (Ask(("x",), fuel=True), "fuel"),
    "fuel-much": (Ask(("x", "y"), fuel=FUEL // 2), "more than is left"),
    "fuel-huge": (Ask(("x",), fuel=10**30), "more than is left"),
    "unlock-nothing": (Unlock(()), "pointer"),
    "unlock-list": (Unlock(["$a1"]), "pointer"),  # type: ignore[arg-type]
    "unlock-text": (Unlock("$a1"), "pointer"),  # type: ignore[arg-type]
    "unlock-invisible": (Unlock(("$a1", "$a9")), "visible"),
    "unlock-no-name": (Unlock(("a1",)), "visible"),
    "unlock-path": (Unlock(("../0",)), "visible"),
    "unlock-address": (Unlock(("0.1",)), "visible"),
    "unlock-zero": (Unlock(("$a0",)), "visible"),
    "unlock-leading-zero": (Unlock(("$a01",)), "visible"),
    "unlock-space": (Unlock(("$a1 ",)), "visible"),
    "unlock-newline": (Unlock(("$a1\n",)), "visible"),
    "unlock-long": (Unlock(("$a1" + ".1" * 100_000,)), "visible"),
    "unlock-digits": (Unlock(("$a" + "9" * 5_000,)), "visible"),
    "unlock-number": (Unlock((1,)), "text"),  # type: ignore[arg-type]
    "unlock-unhashable": (Unlock(([],)), "text"),  # type: ignore[arg-type]
    "unlock-surrogate": (Unlock(("$a1\ud800",)), "surrogate"),
    "wait-unknown": (Unlock(("$a1",), "some"), "wait"),  # type: ignore[arg-type]
    "wait-none": (Unlock(("$a1",), None), "wait"),  # type: ignore[arg-type]
    "not-an-action": (7, "action"),  # type: ignore[dict-item]
    "no-action": (None, "action"),  # type: ignore[dict-item]
    "an-event": (Replied("x"), "action"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_an_illegal_action_is_refused(case: str) -> None:
    """Whatever is wrong with it, an action is refused in words, never with another error."""
    action, words = ILLEGAL[case]
    with pytest.raises(IllegalAction, match=words) as refused:
        step(OPEN, action)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "action", [Reply("x"), Abstain(), Note("x"), Ask(("x",)), Unlock(("$a1",))], ids=repr
)
@pytest.mark.parametrize("outcome", [Message.of("7"), Failure("abstained"), Failure("fuel")])
def test_a_closed_workspace_takes_no_action(action: Action, outcome: Message | Failure) -> None:
    """Once answered, a workspace is final."""
    with pytest.raises(IllegalAction, match="already closed"):
        step(replace(OPEN, outcome=outcome), action)


@pytest.mark.parametrize(
    "action", [Reply("x"), Abstain(), Note("x"), Ask(("x",)), Unlock(("$a1",))], ids=repr
)
def test_a_waiting_workspace_takes_no_action(action: Action) -> None:
    """An unlock ends the turn; nothing is possible before its content is there."""
    with pytest.raises(IllegalAction, match="unlock"):
        step(WAITING, action)


@pytest.mark.parametrize("name", ["$a3.1", "$q.1.1", "$a2.1", "$a1.1.1", "$a4", "$q.9"])
def test_what_is_invisible_is_refused_with_the_same_words(name: str) -> None:
    """The refusal does not tell whether a pointer exists somewhere, only that it is not here."""
    said: list[str] = []
    for action in (Reply(name), Unlock((name,)), Note(name), Ask((name,))):
        with pytest.raises(IllegalAction) as refused:
            step(OPEN, action)
        said.append(str(refused.value))
    assert set(said) == {f"no pointer {name} is visible here"}


@pytest.mark.parametrize(
    "action", [Note("x"), Ask(("x",)), Unlock(("$a1",)), Ask(("x",), fuel=1)], ids=repr
)
def test_with_one_fuel_left_only_a_reply_or_an_abstention_is_legal(action: Action) -> None:
    """The last step is kept for the answer."""
    last = replace(OPEN, fuel=1)
    with pytest.raises(FuelExhausted):
        step(last, action)
    assert step(last, Reply("x")) == Replied("x")
    assert step(last, Abstain("x")) == Abstained("x")
    step(replace(OPEN, fuel=2), Note("x"))


# -- caps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL.question_bytes, SMALL.question_bytes // 2])
def test_a_question_up_to_the_cap_is_asked(size: int) -> None:
    """The cap is the greatest length that is allowed."""
    step(OPEN, Ask(("x" * size,)), SMALL)


@pytest.mark.parametrize(
    "question", ["x" * 101, "é" * 51, "x" * 100_000, "[" * 101, "\U0001f600" * 26]
)
def test_a_question_over_the_cap_is_refused(question: str) -> None:
    """Bytes count, not characters; nothing of a question is cut away."""
    with pytest.raises(IllegalAction, match="cap"):
        step(OPEN, Ask((question,)), SMALL)


def test_questions_over_the_cap_of_one_action_are_dropped_and_counted() -> None:
    """An ask of too many opens as many as are allowed."""
    event = step(OPEN, Ask(tuple("abcdefg")), SMALL)
    assert isinstance(event, Asked)
    assert event.questions == ("a", "b", "c")
    assert event.dropped == 4
    assert len(event.fuel) == 3


def test_no_questions_below_the_greatest_depth() -> None:
    """A workspace at the cap of depth may only answer."""
    low = replace(FRESH, path="0.1:3.12")
    assert low.depth == 2
    with pytest.raises(IllegalAction, match="depth 2"):
        step(low, Ask(("x",)), SMALL)
    step(replace(FRESH, path="0.1:3"), Ask(("x",)), SMALL)


@pytest.mark.parametrize("text", ["7" * 10_000_000, "é" * 101, "[" * 1000, "a" + "\U0001f600" * 60])
def test_a_long_answer_is_cut_and_flagged(text: str) -> None:
    """The cap in bytes holds, the characters that are missing are counted, none is halved."""
    event = step(OPEN, Reply(text), SMALL)
    assert isinstance(event, Replied)
    assert len(event.message.encode()) <= SMALL.answer_bytes
    assert len(event.message) + event.cut == len(text)
    assert text.startswith(event.message)
    assert event.cut > 0


@pytest.mark.parametrize(
    "text", ["[" + "7" * 200 + "]", "[[[" + "é" * 200 + "] x] y] z", "[7]" * 99]
)
def test_a_long_answer_in_brackets_is_cut_inside_them(text: str) -> None:
    """An answer that begins with long nested content is cut and flagged, not refused as empty."""
    event = step(OPEN, Reply(text), SMALL)
    assert isinstance(event, Replied)
    assert len(event.message.encode()) <= SMALL.answer_bytes
    assert event.message.count("[") == event.message.count("]") > 0
    assert text.startswith(event.message.rstrip("]"))
    assert event.cut > 0


@pytest.mark.parametrize("tail", ["$a12", "$a1.1", r"\[x", "$q.1"])
def test_a_cut_never_changes_what_is_pointed_to(tail: str) -> None:
    """An answer is cut before or after a name or an escape, never inside it."""
    many = advance(replace(FRESH, fuel=1000), Asked(tuple("abcdefghijklm"), (1,) * 13))
    many = woken(many, (show("$a1", written("it is [because] so")),), 0)
    for left in range(1, len(tail)):
        text = "x" * (SMALL.answer_bytes - left) + tail + " and more"
        whole = step(many, Reply(text))
        event = step(many, Reply(text), SMALL)
        assert isinstance(event, Replied)
        assert isinstance(whole, Replied)
        kept, meant = advance(many, event).outcome, advance(many, whole).outcome
        assert isinstance(kept, Message)
        assert isinstance(meant, Message)
        assert all(pointer in meant.pointers() for pointer in kept.pointers())
        said = "".join(part for part in kept.parts if isinstance(part, str))
        full = "".join(part for part in meant.parts if isinstance(part, str))
        assert full.startswith(said)


@pytest.mark.parametrize("text", ["x" * 201, "é" * 101, "x[" * 2_000_000])
def test_a_note_over_the_cap_is_refused(text: str) -> None:
    """A note is not cut, since its writer reads it again; the refusal comes before any reading."""
    started = process_time()
    with pytest.raises(IllegalAction, match="cap"):
        step(OPEN, Note(text), SMALL)
    assert process_time() - started < 1


def test_a_long_reason_is_cut() -> None:
    """The reason of an abstention is no way around the caps."""
    event = step(OPEN, Abstain("é" * 1000), SMALL)
    assert isinstance(event, Abstained)
    assert len(event.reason.encode()) <= SMALL.question_bytes


# -- after an event --------------------------------------------------------------------------


def test_a_workspace_never_changes() -> None:
    """Actions yield successors; the workspace before them stays what it was."""
    before = replace(OPEN)
    for action in (Reply("x"), Ask(("x",)), Note("y"), Unlock(("$a3",)), Abstain()):
        assert advance(OPEN, step(OPEN, action)) != OPEN
    assert before == OPEN


def test_a_refusal_costs_one_and_is_remembered() -> None:
    """Refusals in a row are counted, with the words of the last."""
    after = advance(advance(OPEN, Refused("one")), Refused("two"))
    assert (after.fuel, after.refusals, after.refusal) == (OPEN.fuel - 2, 2, "two")
    assert advance(after, Noted("x")).refusals == 0
    assert advance(after, Noted("x")).refusal == ""


def test_three_refusals_in_a_row_are_overdue() -> None:
    """The third refusal ends a workspace as `bad_output`, a legal action before it does not."""
    workspace = OPEN
    for _ in range(3):
        assert overdue(workspace) is None
        workspace = advance(workspace, Refused("no"))
    late = overdue(workspace)
    assert late is not None
    assert late.failure.kind == "bad_output"
    assert overdue(advance(workspace, Noted("x"))) is None
    assert overdue(advance(workspace, Replied("x"))) is None


def test_no_fuel_left_is_overdue() -> None:
    """A workspace still open at zero has failed for fuel; a closed one has not."""
    late = overdue(replace(OPEN, fuel=0))
    assert late is not None
    assert late.failure.kind == "fuel"
    assert overdue(replace(OPEN, fuel=1)) is None
    assert overdue(replace(OPEN, fuel=0, outcome=Message.of("x"))) is None


def test_a_failure_keeps_what_fuel_was_left() -> None:
    """A failure is no action: it costs nothing, closes, and ends a wait."""
    after = advance(WAITING, Failed(Failure("provider", "gone")))
    assert after.outcome == Failure("provider", "gone")
    assert after.fuel == WAITING.fuel
    assert not after.waiting


def test_a_deferral_costs_one() -> None:
    """The student's turn is paid by the workspace."""
    assert advance(FRESH, Deferred("maybe", 0.2)) == replace(FRESH, fuel=FUEL - 1)


def test_an_event_of_several_workspaces_belongs_to_none() -> None:
    """A combination cannot be folded into one workspace: that is a bug, not an answer."""
    with pytest.raises(EngineBug):
        advance(OPEN, Combined(0, "majority", (0,), 1.0))


# -- the note --------------------------------------------------------------------------------


def test_a_name_in_a_note_can_be_used() -> None:
    """`$n` is the note, `$n.1` the first pointer inside it."""
    assert resolve(NOTED, "$n.1") == Pointer(answer="0.1")
    assert resolve(NOTED, "$n.2") == Pointer(message=Message.of("x"))
    assert resolve(NOTED, "$n").message == Message(
        ("a note with ", Pointer(answer="0.1"), " and ", Pointer(message=Message.of("x")))
    )


USES: tuple[Action, ...] = (
    Reply("$n"),
    Reply("$n.1"),
    Unlock(("$n",)),
    Ask(("see $n",)),
    Note("again $n"),
)


@pytest.mark.parametrize("text", ["$n", "see $n.1", "[$n]", "$n $n", "[[$n.2] x]"])
def test_a_note_about_the_note_is_no_riddle(text: str) -> None:
    """A new note that points to the old one is refused, or it holds what the old one was."""
    workspace = NOTED
    for _ in range(3):
        try:
            workspace = advance(workspace, step(workspace, Note(text)))
        except IllegalAction:
            return
    for use in USES:
        try:
            advance(workspace, step(workspace, use))
        except IllegalAction:
            continue


FIELDS: tuple[Callable[[Any], Any], ...] = (
    Reply,
    lambda x: Reply("x", x),
    lambda x: Reply("x", quotes=x),
    lambda x: Reply("x", quotes=(Quote(x, "x"),)),
    lambda x: Reply("x", quotes=(Quote("$q", x),)),
    lambda x: Reply(Message(x)),
    lambda x: Reply(Message((Pointer(message=x),))),
    Abstain,
    Note,
    Ask,
    lambda x: Ask((x,)),
    lambda x: Ask(("x",), samples=x),
    lambda x: Ask(("x",), rule=x),
    lambda x: Ask(("x",), share=x),
    lambda x: Ask(("x",), eager=x),
    lambda x: Ask(("x",), fuel=x),
    Unlock,
    lambda x: Unlock((x,)),
    lambda x: Unlock(("$a1",), x),
    lambda x: x,
)
"""For every field of every action an action with something in that field."""


@settings(max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
        max_leaves=4,
    ),
    st.sampled_from(FIELDS),
)
def test_an_action_is_taken_or_refused_whatever_stands_in_it(
    value: object, make: Callable[[object], Action]
) -> None:
    """No value in any field of an action brings another error than a refusal (200 cases)."""
    try:
        event = step(OPEN, make(value))
    except IllegalAction:
        return
    advance(OPEN, event)
