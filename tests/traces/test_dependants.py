"""Dependants: content is followed through askers, pointers, memos and joins, and no further."""

from decomposition.actions import Ask, Given, Unlock
from decomposition.events import Abstained, Asked, Event, Joined, Noted, Opened, Replied, Unlocked
from decomposition.message import Message
from decomposition.ports import Authorship
from decomposition.view import View
from tests.traces.engine import deliberated
from tests.traces.kit import append
from traces.dependants import reach
from traces.record import SessionRecord
from traces.store import Store


def by(second: int, origin: str = "") -> Authorship:
    """Who gives a turn at some second."""
    return Authorship("scripted:test", "scripted", second, second, origin=origin)


def told(store: Store, *entries: tuple[str, Event]) -> SessionRecord:
    """A session with these events, each a turn of its own."""
    session = store.register.open_session(now_us=5)
    for second, entry in enumerate(entries):
        append(store, session, [entry], by(second))
    return store.register.session(session.number)


def stale(store: Store, session: SessionRecord, number: int) -> dict[int, list[int]]:
    """What rests on an event, by session."""
    found = reach(store.database, {session.number: [number]}).stale
    return {each: sorted(numbers) for each, numbers in found.items()}


def test_a_sibling_depends_only_if_it_looks_through_a_pointer(store: Store) -> None:
    """It was given the pointer, and waited for it when the answer came or unlocked it later."""
    session = told(
        store,
        ("0", Opened(Message.of("go"), (50,))),
        ("0", Asked(("one", "twice $a1", "alone", "thrice $a1"), (9, 9, 9, 9))),
        ("0.2", Unlocked(("$q.1",))),
        ("0.1", Replied("42")),
        ("0.2", Replied("84")),
        ("0.3", Replied("alone")),
        ("0.4", Unlocked(("$q.1",))),
        ("0.4", Replied("126")),
    )
    assert stale(store, session, 3) == {session.number: [4, 7]}


def test_a_pointer_is_followed_through_questions(store: Store) -> None:
    """Who passes a pointer on passes on what it may lead to; own answers lead to nothing else."""
    session = told(
        store,
        ("0", Opened(Message.of("go"), (50,))),
        ("0", Asked(("one", "pass $a1"), (9, 9))),
        ("0.2", Asked(("read $q.1", "count"), (4, 4))),
        ("0.2.2", Asked(("more",), (1,))),
        ("0.1", Replied("42")),
        ("0.2.2", Unlocked(("$a1",))),
        ("0.2.2", Replied("7")),
        ("0.2.1", Unlocked(("$q.1",))),
        ("0.2.1", Replied("it says 42")),
        ("0.2", Replied("done")),
    )
    assert stale(store, session, 4) == {session.number: [8, 9]}


def test_what_is_asked_afterwards_depends(store: Store) -> None:
    """Whoever may have seen the content may have written it into the question."""
    session = told(
        store,
        ("0", Opened(Message.of("go"), (50,))),
        ("0", Asked(("one", "two"), (9, 9))),
        ("0.1", Abstained("no idea")),
        ("0", Asked(("three",), (9,))),
        ("0.3:1", Noted("at it")),
        ("0.2", Replied("two")),
    )
    assert stale(store, session, 2) == {session.number: [3, 4]}


def test_memos_and_joins_are_followed_from_session_to_session(store: Store) -> None:
    """Through turns and answers that were taken from what depends, however often."""
    first = told(
        store,
        ("0", Opened(Message.of("go"), (50,))),
        ("0", Asked(("one",), (9,))),
        ("0.1", Asked(("deep",), (5,))),
        ("0.1.1", Replied("42")),
        ("0.1", Replied("even")),
    )
    second = told(
        store,
        ("0", Opened(Message.of("go"), (50,))),
        ("0", Asked(("one", "else"), (9, 9))),
        ("0.1", Joined(f"{first.trace}/0.1", "ab" * 32, Message.of("even"))),
        ("0.2", Replied("else")),
        ("0", Replied("even")),
    )
    third = told(store, ("0", Opened(Message.of("go"), (50,))))
    append(store, third, [("0", Replied("even"))], by(7, f"{second.trace}#4"))
    fourth = told(
        store,
        ("0", Opened(Message.of("go"), (50,))),
        ("0", Joined(f"{third.trace}/0", "cd" * 32, Message.of("even"))),
    )
    other = told(
        store,
        ("0", Opened(Message.of("go"), (50,))),
        ("0", Joined(f"{second.trace}/0.2", "cd" * 32, Message.of("else"))),
    )
    assert stale(store, first, 3) == {
        first.number: [4],
        second.number: [2, 4],
        third.number: [1],
        fourth.number: [1],
    }
    assert stale(store, second, 3) == {
        second.number: [4],
        third.number: [1],
        fourth.number: [1],
    } | {other.number: [1]}


def asking(view: View) -> Given | str:
    """Asks for what is deep below, and says something that was derived from it."""
    if view.question == "deep":
        return "42"
    if view.question == "mid":
        return "even" if view.asked else (Ask(("deep",)), Unlock(("$a1",)))
    if len(view.asked) == 2:
        return "both"
    name = f"$a{len(view.asked) + 1}"
    return (Ask(("mid",), fuel=50), Unlock((name,)))


def test_a_join_inside_a_session_is_followed(store: Store) -> None:
    """Its origin is a path of its own session."""
    _, row = deliberated(store, "go", asking, joins="session", fuel=1_000)
    events = [(each.number, each.event) for each in store.records(row.number)]
    (join,) = (number for number, event in events if isinstance(event, Joined))
    deep = next(n for n, event in events if event == Replied("42"))
    found = reach(store.database, {row.number: [deep]})
    assert [(each.session, each.number) for each in found.joins] == [(row.number, join)]
    assert join in found.stale[row.number]
