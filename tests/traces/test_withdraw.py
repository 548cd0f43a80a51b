"""Withdrawing in the record: the chain keeps the turn, nothing counts or uses it any more."""

import asyncio
from collections.abc import Sequence

import pytest

from decomposition.actions import Ask, Given, Note, Unlock
from decomposition.answerers.scripted import Scripted
from decomposition.errors import NotWithdrawable
from decomposition.events import Asked, Event, Joined, Noted, Opened, Replied, Unlocked, Withdrawn
from decomposition.loop import Loop
from decomposition.message import Message
from decomposition.ports import Authorship, Reusable, Written
from decomposition.routing import Policy
from decomposition.session import Session
from decomposition.setting import Setting
from decomposition.tree import fold
from decomposition.view import View
from tests.decomposition.kit import FakeClock
from tests.traces.kit import ENGINE, append
from traces.dependants import reach
from traces.graph import graph
from traces.record import Ending, SessionRecord, withdrawn
from traces.redact import redact
from traces.replay import Replay, tree_at
from traces.store import Store
from traces.verify import verify
from traces.withdraw import take_back, withdraw

ANNA = Authorship("human:anna", "human", 9, 9)
KEY, QUESTION_KEY, OTHER = b"k" * 20, b"q" * 20, b"o" * 20


def begun(store: Store, *turns: tuple[str, Event]) -> SessionRecord:
    """A session whose root was opened, then one event a turn, each a person's."""
    session = store.register.open_session(now_us=1, seed=0, config="{}")
    append(store, session, [("0", Opened(Message.of("root"), (100,)))], ENGINE)
    for number, turn in enumerate(turns, 1):
        append(store, session, [turn], Authorship("human:anna", "human", number, number))
    return store.register.session(session.number)


def asked(store: Store) -> SessionRecord:
    """A session with a question that was answered (event 2), and a note (event 3)."""
    return begun(
        store,
        ("0", Asked(("a", "b"), (40, 40), eager=True)),
        ("0.1", Replied("forty")),
        ("0.2", Noted("on my way")),
    )


def test_the_chain_keeps_what_the_tree_forgets(site: str) -> None:
    """Replay before and after it, verify and a later reader agree."""
    with Store.open(site) as store:
        session = asked(store)
        before = dict(tree_at(store.reader, session.number).state())
        taken = withdraw(store, session.trace, 2, ANNA)
        assert (taken.path, taken.first, taken.last) == ("0.1", 2, 2)
        entries = store.entries(session.number)
        assert entries[2:] == [
            ("0.1", Replied("forty")),
            ("0.2", Noted("on my way")),
            ("0.1", Withdrawn(2)),
        ]
        assert withdrawn(list(store.records(session.number))) == {2}
        assert verify(store, refold=True).ok
    with Store.open(site) as store:
        assert dict(tree_at(store.reader, session.number, 4).state()) == before
        tree = tree_at(store.reader, session.number)
        assert tree.nodes["0.1"].workspace.fuel == 40
        replay = Replay(store.reader, session.number)
        for position in (5, 4, 5, 2, 5):
            tree = replay.seek(position)
            assert dict(tree.state()) == dict(fold(entries[:position]).state())


def test_a_withdrawn_turn_is_not_used_again(store: Store) -> None:
    """Its memo and the join of what it closed are dropped, in the window and in the file."""
    for flushed in (False, True):
        session = asked(store)
        number = session.number
        reusable = Reusable(
            [(KEY, number, 2), (OTHER, number, 3)], [(QUESTION_KEY, number, 2, KEY)]
        )
        append(store, session, [("0", Noted("beside"))], ANNA, reusable)
        if flushed:
            store.reuse.flush()
        assert [len(turns) for turns in store.turns([KEY, OTHER])] == [1, 1 + flushed]
        assert store.closed(QUESTION_KEY) is not None
        withdraw(store, session.trace, 2, ANNA)
        assert [len(turns) for turns in store.turns([KEY, OTHER])] == [0, 1 + flushed]
        assert store.closed(QUESTION_KEY) is None


def test_a_turn_that_another_session_used_stays(store: Store) -> None:
    """A memo and a join count, those of what it is part of too; the refusal names the place."""
    session = asked(store)
    other = begun(store)
    memo = Authorship("human", "memo-of-human", 5, 5, origin=f"{session.trace}#3")
    append(store, other, [("0", Noted("on my way"))], memo)
    with pytest.raises(NotWithdrawable, match=f"event 1 of {other.trace}"):
        withdraw(store, session.trace, 3, ANNA)
    join = Joined(f"{session.trace}/0.1", "00" * 32, Message.of("forty"))
    append(store, other, [("0.1", join)], ENGINE)
    with pytest.raises(NotWithdrawable, match=f"event 2 of {other.trace}"):
        withdraw(store, session.trace, 2, ANNA)
    assert store.register.session(session.number) == session


def test_numbers_count_on_from_before_a_withdrawn_ask(store: Store) -> None:
    """What depends on a question is found under the number that it has."""
    session = begun(store, ("0", Asked(("a", "b"), (10, 10))))
    withdraw(store, session.trace, 1, ANNA)
    rest: list[tuple[str, Event]] = [
        ("0", Asked(("c",), (40,))),
        ("0", Unlocked(("$a1",))),
        ("0.1", Replied("see")),
    ]
    append(store, session, rest, ANNA)
    assert reach(store.database, {session.number: [3]}).stale[session.number] >= {4, 5}
    found = graph(store.records(session.number))
    assert sorted(found.nodes) == ["0", "0.1"]
    assert found.nodes["0.1"]["question"] == "c"
    assert found.nodes["0.1"]["state"] == "answered"


def test_a_withdrawn_turn_can_be_redacted(store: Store) -> None:
    """What was taken back is still in the record, until it is taken away."""
    session = asked(store)
    withdraw(store, session.trace, 2, ANNA)
    redact(store, session.trace, 2, reason="asked for")
    assert verify(store, refold=True).ok
    assert tree_at(store.reader, session.number).nodes["0.1"].workspace.fuel == 40


class Second:
    """A person who asks, has that taken back at the first commit that allows it, and asks again."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.taken: list[int] = []

    def __call__(self, sessions: Sequence[Session]) -> None:
        """What the loop calls after each commit."""
        for session in sessions:
            if not self.taken and session.committed > 1:
                self.taken.append(take_back(self.store, session, 1, ANNA).first)


def script(view: View) -> Given | str:
    """Notes, then asks, then says what was answered."""
    if view.question != "root":
        return "leaf"
    if not view.note:
        return (Note("first"),)
    return "done" if view.asked else (Ask(("leaf",)), Unlock(("$a1",)))


def test_a_live_session_takes_back_and_goes_on(store: Store) -> None:
    """The record verifies with the digest of a session in which the turn was given once."""
    digests: set[str] = set()
    for meddles in (False, True):
        actor = Scripted("test", script)
        actor.author = "human"
        row = store.register.open_session(now_us=5)
        session = Session(row.number, Setting(Policy("recurse"), (actor,), memo=True), ENGINE)
        session.begin(Message.of("root"), 100)
        second = Second(store)
        on_commit = second if meddles else None
        asyncio.run(Loop(store, FakeClock(), on_commit=on_commit).run(iter([session])))
        outlook = session.outlook()
        store.register.finish(row.number, Ending("answered", outlook.answer, outlook.digest))
        digests.add(outlook.digest)
        assert second.taken == [1] * meddles
    assert len(digests) == 1
    assert verify(store, refold=True).ok


def test_a_withdrawal_waits_for_nobody_elses_events(store: Store) -> None:
    """Whoever appends a withdrawal by hand has it numbered like every event."""
    session = asked(store)
    written = [Written(session.number, session.count, [("0.2", Withdrawn(3), ANNA)])]
    store.commit_now(written)
    assert tree_at(store.reader, session.number).nodes["0.2"].workspace.note == ""
