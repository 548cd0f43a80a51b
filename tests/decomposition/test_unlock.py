"""Unlocking several pointers: all of them, or any of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Ask, Given, Note, Reply, Unlock
from decomposition.answerers.scripted import Scripted
from decomposition.events import Woken
from decomposition.message import Failure
from decomposition.tree import fold
from decomposition.view import View
from tests.decomposition.kit import (
    MemoryStore,
    Shuffled,
    Watching,
    answer,
    deliberate,
    digest,
    events_at,
    kinds,
    written,
)

CASES = 40
NAMES = ("$a1", "$a2", "$a3", "$a4")


def several(wait: str, names: tuple[str, ...] = NAMES, *, eager: bool = False) -> Scripted:
    """The root asks four questions and looks at some; a question counts down before it answers."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            number = int(view.question.split()[1])
            if number and not view.shown:
                below = f"{view.question.split()[0]} {number - 1}"
                return (Ask((below,)), Unlock(("$a1",)))
            return view.question.split()[0]
        if not view.asked:
            asks = Ask(("one 3", "two 0", "three 1", "four 2"), eager=eager, fuel=50)
            return (asks, Unlock(names, wait))  # type: ignore[arg-type]
        return " ".join(str(each) for each in view.shown.values())

    return Scripted("several", script)


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("names", [("$a1", "$a2"), ("$a3",), NAMES, tuple(reversed(NAMES))])
def test_all_waits_for_all(names: tuple[str, ...], eager: bool) -> None:  # noqa: FBT001
    """The answerer acts again once, when everything it named is there, in the order named."""
    actor = Watching(several("all", names, eager=eager))
    session, _ = deliberate("root", actor)
    said: dict[str, str] = dict(zip(NAMES, ("one", "two", "three", "four"), strict=True))
    assert answer(session) == " ".join(said[name] for name in names)
    assert sum(view.question == "root" for view in actor.views) == 2


@settings(max_examples=CASES)
@given(st.integers(0, 10**6), st.permutations(NAMES), st.integers(1, 9))
def test_the_order_in_which_answers_come_changes_nothing(
    seed: int, names: list[str], concurrency: int
) -> None:
    """With calls that come back in any order the digest is that of the instant run (40 orders)."""
    instant, _ = deliberate("root", several("all", tuple(names)))
    shuffled, entries = deliberate(
        "root", Shuffled(several("all", tuple(names)), seed), concurrency=concurrency
    )
    assert shuffled.outlook() == instant.outlook()
    assert digest(shuffled) == fold(entries, keep=False).finish()


def test_any_goes_on_with_the_first() -> None:
    """The first answer wakes the answerer; the event names it, the others stay locked."""
    actor = Watching(several("any"))
    session, entries = deliberate("root", actor)
    (woken,) = [event for event in events_at(entries, "0") if isinstance(event, Woken)]
    assert woken.pointers == ("$a2",)
    last = next(view for view in actor.views if view.question == "root" and view.asked)
    assert [seen.answer for seen in last.asked] == [None, "two", None, None]
    assert answer(session) == "two"


def test_what_any_did_not_wait_for_is_finished_all_the_same() -> None:
    """Demanded is demanded: the losers are worked to their end."""
    session, entries = deliberate("root", several("any"))
    assert session.finished
    assert {"0.1", "0.2", "0.3", "0.4", "0.1.1.1.1"} <= {path for path, _ in entries}


def test_any_names_all_that_are_there() -> None:
    """Answers that came together are winners together."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return "leaf"
        if not view.asked:
            return (Ask(("a", "b", "c")), Unlock(("$a1", "$a2"), "any"))
        return str(len(view.shown))

    _, entries = deliberate("root", script)
    woken = [event for _, event in entries if isinstance(event, Woken)]
    assert woken == [Woken(("$a1", "$a2"))]


@pytest.mark.parametrize("name", ["$q.1", "$q"])
def test_any_does_not_wait_if_something_is_there(name: str) -> None:
    """Content that stands fast wakes at once, and once, while the rest goes on."""

    def script(view: View) -> Given | str:
        if view.question != "see $q.1":
            return "leaf"
        if not view.asked:
            return (Ask(("a",)), Unlock(("$a1", name), "any"))
        return "done"

    actor = Watching(Scripted("any", script))
    _, entries = deliberate(written("see [x]"), actor)
    assert [event for _, event in entries if isinstance(event, Woken)] == [Woken((name,))]
    assert sum(view.question == "see $q.1" for view in actor.views) == 2


def test_any_counts_failures_as_there() -> None:
    """A failure arrives like an answer."""

    def script(view: View) -> Given | str:
        if view.question == "root":
            if not view.asked:
                return (Ask(("slow", "bad"), fuel=50), Unlock(("$a1", "$a2"), "any"))
            shown = view.shown["$a2"]
            return shown.kind if isinstance(shown, Failure) else "?"
        if view.question == "bad":
            return Failure("provider", "gone")
        return "late" if view.shown else (Ask(("more",)), Unlock(("$a1",)))

    session, _ = deliberate("root", script)
    assert answer(session) == "provider"


def test_a_late_arrival_wakes_nobody() -> None:
    """After `any` went on, another unlock is not woken by what the first still waited for."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            number = int(view.question)
            return (
                (Ask((str(number - 1),)), Unlock(("$a1",)))
                if number and not view.shown
                else view.question
            )
        if not view.asked:
            return (Ask(("0", "2", "6"), fuel=50), Unlock(("$a1", "$a2"), "any"))
        if "$a3" not in view.shown:
            return (Unlock(("$a3",)),)
        return " ".join(view.shown)

    actor = Watching(Scripted("late", script))
    session, entries = deliberate("root", actor)
    assert answer(session) == "0 6"
    assert [kind for kind in kinds(entries) if kind.startswith("0 ")] == [
        "0 Opened",
        "0 Asked",
        "0 Unlocked",
        "0 Woken",
        "0 Unlocked",
        "0 Replied",
    ]
    assert sum(view.question == "root" for view in actor.views) == 3


@settings(max_examples=CASES)
@given(st.integers(0, 10**6))
def test_a_resume_obeys_the_recorded_winners(seed: int) -> None:
    """Resumed after any commit, the answerer sees the winners that the record names (40 orders)."""
    store = MemoryStore()
    session, entries = deliberate(
        "root", Shuffled(several("any", eager=True), seed), store=store, concurrency=4
    )
    (woken,) = [event for _, event in entries if isinstance(event, Woken)]
    first = entries.index(("0", woken))
    for end in store.commits:
        if end <= first:
            continue
        again, resumed = deliberate("root", several("any"), resume=entries[:end])
        assert [event for _, event in resumed if isinstance(event, Woken)] == [woken]
        assert answer(again) == answer(session)
        assert digest(again) == digest(session)


@pytest.mark.parametrize("wait", ["all", "any"])
def test_a_wait_that_was_interrupted_goes_on(wait: str) -> None:
    """A session that stopped while something waited is woken after the resume, once."""
    store = MemoryStore()
    deliberate("root", several(wait), store=store, width=1)
    entries = store.entries()
    for end in store.commits:
        actor = Watching(several(wait))
        session, _ = deliberate("root", actor, resume=entries[:end], width=1)
        assert session.finished
        assert sum(view.question == "root" for view in actor.views) <= 2


def test_a_pointer_inside_an_answer_is_waited_for() -> None:
    """An inner pointer may be pending too, and several waiters share one answer."""

    def script(view: View) -> Given | str:
        match view.question.split()[0]:
            case "root":
                if "$a1" not in view.shown:
                    return (Ask(("outer", "look $a1", "look $a1"), fuel=90), Unlock(("$a1",)))
                if "$a1.1" not in view.shown:
                    return (Unlock(("$a2", "$a1.1", "$a3")),)
                return (Reply("$a1.1 $a2 $a3"),)
            case "outer":
                return (Ask(("inner",)), Reply("see $a1"))
            case "look":
                if not view.shown:
                    return (Unlock(("$q.1",)),)
                return (Unlock(("$q.1.1",)),) if "$q.1.1" not in view.shown else "$q.1.1"
            case _:
                return "core"

    actor = Watching(Scripted("inner", script))
    session, _ = deliberate("root", actor)
    assert answer(session) == "core core core"
    assert sum(view.question == "inner" for view in actor.views) == 1


def test_a_new_note_is_not_shown_as_the_old_one() -> None:
    """`$n` is locked again once the note is replaced, and then shows the new one."""
    turns: list[Given] = [
        (Note("first [one]"), Unlock(("$n",))),
        (Note("second [two]"),),
        (Unlock(("$n",)),),
        (Unlock(("$n.1",)),),
        (Reply("x"),),
    ]
    actor = Watching(Scripted("noting", lambda _: turns.pop(0)))
    deliberate("root", actor)
    assert [dict(view.shown) for view in actor.views] == [
        {},
        {"$n": "first $n.1"},
        {},
        {"$n": "second $n.1"},
        {"$n": "second $n.1", "$n.1": "two"},
    ]
