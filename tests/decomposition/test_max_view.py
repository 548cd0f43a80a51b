"""The cap on views: no text that an answerer sees is ever longer, whatever happens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Abstain, Ask, Given, Note, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Scripted
from decomposition.caps import Caps
from decomposition.events import Failed, Woken
from decomposition.message import Failure, Message, Pointer
from decomposition.rendering import indented
from decomposition.room import cut_reason
from decomposition.tree import fold
from decomposition.view import View
from tests.decomposition.kit import (
    MemoryStore,
    Options,
    Shuffled,
    Watching,
    answer,
    deliberate,
    digest,
    events_at,
    failures,
    refusals,
    written,
)
from tests.decomposition.programs import Program, question, seeds

CASES = 60
CAP = 1024
LEVEL = 3
FUEL = 600


def capped(view_bytes: int | None) -> Caps:
    """Caps of which only the one on views is not as always."""
    return Caps(view_bytes=view_bytes)


def longest(actor: Watching) -> int:
    """Bytes of the longest view that was shown."""
    return max((len(view.text.encode()) for view in actor.views), default=0)


class Seeing(Program):
    """A program that sees its fuel, so that its views have one line more."""

    sees_fuel = True


def program(seed: int, *, sees: bool = False) -> Answerer:
    """A random program; every second one says much."""
    return Seeing(seed, rich=False) if sees else Program(seed, rich=False)


@settings(max_examples=CASES)
@given(seeds, st.integers(300, 900), st.booleans())
def test_no_view_is_ever_longer_than_the_cap(seed: int, cap: int, sees: bool) -> None:  # noqa: FBT001
    """Whatever random overseers do, no view is longer than its cap (60 programs)."""
    actor = Watching(program(seed, sees=sees))
    session, entries = deliberate(
        question("A", LEVEL), actor, caps=capped(cap), fuel=FUEL, keep=True
    )
    assert longest(actor) <= cap
    assert dict(session.tree.state()) == dict(fold(entries).state())


@settings(max_examples=CASES)
@given(seeds, st.integers(300, 700), st.integers(1, 9))
def test_what_has_room_does_not_depend_on_when_it_came(seed: int, cap: int, width: int) -> None:
    """With calls that come back in any order the digest is that of the instant run (60)."""
    told: Options = {"caps": capped(cap), "fuel": FUEL}
    instant, _ = deliberate(question("A", LEVEL), Program(seed, rich=False), **told)
    slow = Shuffled(Program(seed, rich=False), seed)
    told["concurrency"] = width
    shuffled, _ = deliberate(question("A", LEVEL), slow, **told)
    assert shuffled.outlook() == instant.outlook()


@settings(max_examples=CASES)
@given(seeds)
def test_a_cap_that_nothing_reaches_changes_nothing(seed: int) -> None:
    """With room for everything the digest is that without a cap (60 programs)."""
    told: Options = {"fuel": FUEL}
    free, _ = deliberate(question("A", LEVEL), Program(seed, rich=False), **told)
    told["caps"] = capped(1 << 24)
    roomy, _ = deliberate(question("A", LEVEL), Program(seed, rich=False), **told)
    assert roomy.outlook() == free.outlook()


@settings(max_examples=CASES)
@given(seeds, st.integers(300, 700), st.integers(1, 40))
def test_a_capped_session_goes_on_from_any_commit(seed: int, cap: int, at: int) -> None:
    """Resumed after any commit, it ends as if it had not been stopped (60 programs)."""
    store = MemoryStore()
    told: Options = {"caps": capped(cap), "fuel": FUEL, "store": store}
    whole, entries = deliberate(question("A", LEVEL), Program(seed, rich=False), **told)
    end = store.commits[min(at, len(store.commits)) - 1]
    told |= {"store": MemoryStore(), "resume": entries[:end]}
    again, _ = deliberate(question("A", LEVEL), Program(seed, rich=False), **told)
    assert digest(again) == digest(whole)


@settings(max_examples=CASES)
@given(seeds, st.integers(300, 700))
def test_remembered_turns_have_the_room_of_their_place(seed: int, cap: int) -> None:
    """Turns that were recorded under one cap are measured anew under another (60 programs)."""
    store = MemoryStore()
    told: Options = {"fuel": FUEL, "store": store, "memo": True, "caps": capped(1 << 20)}
    deliberate(question("A", LEVEL), Program(seed, rich=False), **told)
    told |= {"caps": capped(cap), "number": 2, "keep": True}
    again, _ = deliberate(question("A", LEVEL), Program(seed, rich=False), **told)
    fresh, _ = deliberate(
        question("A", LEVEL), Program(seed, rich=False), fuel=FUEL, caps=capped(cap)
    )
    assert digest(again) == digest(fresh)
    assert dict(again.tree.state()) == dict(fold(store.entries(2)).state())


def asks_and_looks(answers: str, wait: str = "all") -> Scripted:
    """The root asks as many questions as there are letters; `x` is answered at length."""

    def script(view: View) -> Given | str:
        if view.question.startswith("say"):
            return view.question.removeprefix("say ") * (500 if "x" in view.question else 1)
        if not view.asked:
            names = tuple(f"$a{number}" for number in range(1, len(answers) + 1))
            return (Ask(tuple(f"say {each}" for each in answers)), Unlock(names, wait))  # type: ignore[arg-type]
        if view.refusal:
            return f"refused: {view.refusal}"
        return "".join(str(each.answer or "") for each in view.asked)

    return Scripted("asks", script)


def test_an_unlock_without_room_is_refused_in_words() -> None:
    """The refusal names what is too large and what can be done; it costs the one fuel.

    What the answers did not use comes back, so that something else can be done about them.
    """
    told: Options = {"caps": capped(CAP), "fuel": 50, "keep": True}
    session, entries = deliberate("root", asks_and_looks("xx"), **told)
    (woken,) = [event for event in events_at(entries, "0") if isinstance(event, Woken)]
    assert woken == Woken((), woken.refused)
    assert woken.refused == (
        "$a1, $a2 have 988 bytes, more than the 652 that are left in this view: unlock fewer of "
        "them, or ask a subquestion that points there"
    )
    assert answer(session).startswith("refused: ")
    spent = len(("ask", "unlock", "reply")) + 2 * len(("reply",))
    assert session.tree.nodes["0"].workspace.fuel == 50 - spent


def test_all_is_shown_or_nothing() -> None:
    """What one of them has no room for hides the others too: an illegal unlock has no effect."""
    session, entries = deliberate("root", asks_and_looks("axx"), caps=capped(CAP), fuel=50)
    (woken,) = [event for event in events_at(entries, "0") if isinstance(event, Woken)]
    assert woken.refused.startswith("$a1, $a2, $a3 have")
    assert answer(session).startswith("refused: ")


def test_any_shows_what_there_is_room_for() -> None:
    """An unlock that waits for any shows as many as there is room for, in its order."""
    session, _ = deliberate(
        "root", asks_and_looks("xax", "any"), caps=capped(CAP), fuel=50, concurrency=9
    )
    assert answer(session) == "x" * 500 + "a"


def test_refused_unlocks_in_a_row_end_a_workspace() -> None:
    """Who tries the same again and again fails as any other who is refused three times."""

    def stubborn(_: View) -> Given:
        return (Unlock(("$q.1",)),)

    root = Message(("what? ", Pointer(message=Message.of("y" * 2000))))
    _, entries = deliberate(root, Scripted("stubborn", stubborn), caps=capped(CAP), fuel=50)
    assert failures(entries) == {"0": "bad_output"}
    assert sum(isinstance(event, Woken) for _, event in entries) == 3


def test_an_unlock_that_is_shown_ends_a_row_of_refusals() -> None:
    """Refusals count in a row alone: what is shown begins a new row."""
    turns = ["$q.1", "$q.1", "$q.2", "$q.1", "$q.1", "$q.2.1"]

    def script(_: View) -> Given | str:
        return (Unlock((turns.pop(0),)),) if turns else "done"

    long = Pointer(message=Message.of("y" * 2000))
    root = Message((long, " ", Pointer(message=Message(("short ", Pointer(message=written("z")))))))
    session, _ = deliberate(root, Scripted("trying", script), caps=capped(CAP), fuel=50)
    assert answer(session) == "done"


LONG = "y" * 900


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        ((Note(LONG),), "a note that takes 9"),
        ((Ask((LONG,)),), "these subquestions take 9"),
        ((Ask(tuple("y" * 80 for _ in range(9))),), "these subquestions take"),
        ((Reply(LONG),), "a reply of 900 bytes cannot be read in a view of 1024"),
        ((Reply(f"see [{LONG}]"),), "a reply of 900 bytes cannot be read"),
        ((Ask(("\n" * 200,), samples=1), Reply("\u2028" * 150)), "a subquestion is blank"),
        ((Reply("a" + "\u2028" * 150),), "a reply of 751 bytes cannot be read"),
    ],
)
def test_what_would_make_a_view_too_long_is_refused(turn: Given, words: str) -> None:
    """A note, an ask and a reply over their room are refused, and the view stays as it was."""

    def script(view: View) -> Given | str:
        return turn if not view.refusal else "short"

    actor = Watching(Scripted("long", script))
    session, entries = deliberate("root", actor, caps=capped(CAP), fuel=50)
    assert answer(session) == "short"
    (said,) = refusals(entries)
    assert words in said
    assert longest(actor) <= CAP


def test_a_question_is_refused_where_its_own_worker_would_not_see_it() -> None:
    """Names are longer for the asker, titles are shown to the child alone: he needs room too."""
    titled = tuple(Pointer(message=Message.of("z"), title="t" * 60) for _ in range(12))
    root = Message(("r ", Pointer(message=Message(titled), title="the list")))

    def script(view: View) -> Given | str:
        if view.refusal:
            return view.refusal
        if not view.shown:
            return (Unlock(("$q.1",)),)
        return (Ask(("which of these? " + " ".join(f"$q.1.{n}" for n in range(1, 13)),)),)

    session, _ = deliberate(root, Scripted("lists", script), caps=capped(1400), fuel=50)
    assert "a subquestion of" in answer(session) or "these subquestions" in answer(session)


def test_a_root_question_without_room_fails() -> None:
    """What nobody could see is asked of nobody."""
    actor = Watching(Scripted("never", lambda _: "seen"))
    session, entries = deliberate("y" * 2000, actor, caps=capped(CAP))
    assert session.outlook().status == "failed"
    assert not actor.views
    ((_, failed),) = [each for each in entries if isinstance(each[1], Failed)]
    assert "the question has no room in a view of 1024 bytes" in failed.failure.reason  # type: ignore[union-attr]


def test_who_reads_through_fails_where_all_of_it_has_no_room() -> None:
    """An answerer that is shown all that its question leads to is under the cap as well."""
    actor = Watching(Scripted("reader", lambda _: "read", reads_through=True))
    root = Message(("what? ", Pointer(message=Message.of("y" * 2000))))
    session, _ = deliberate(root, actor, caps=capped(CAP))
    assert "all that the question leads to has no room" in answer(session)
    assert not actor.views


def test_reasons_are_cut_to_their_room() -> None:
    """A long refusal, a long abstention and a long failure never make a view too long."""

    def script(view: View) -> Given | str:
        if view.question == "root" and not view.asked:
            return (Ask(("abstain", "fail")), Unlock(("$a1", "$a2")))
        if view.question == "abstain":
            return (Abstain("\n" * 5000 + "why"),)
        if view.question == "fail":
            return Failure("provider", "é" * 5000)
        return "done"

    actor = Watching(Scripted("reasons", script))
    session, _ = deliberate("root", actor, caps=capped(CAP), fuel=50)
    assert answer(session) == "done"
    assert longest(actor) <= CAP


@given(st.text(), st.integers(8, 300))
def test_a_cut_reason_has_its_room(reason: str, most: int) -> None:
    """However a reason is made, its cut form has no more bytes in a view than it may have."""
    assert len(indented(cut_reason(reason, most)).encode()) <= most


def test_a_cap_that_is_not_set_leaves_no_trace_in_keys() -> None:
    """Keys of answers from before there was a cap on views hold."""
    assert Caps().identity() == (
        "Caps(depth=64, asks=256, workspaces=100000, question_bytes=65536, answer_bytes=262144)"
    )
    assert Caps(view_bytes=4096).identity().endswith("answer_bytes=262144, view_bytes=4096)")
