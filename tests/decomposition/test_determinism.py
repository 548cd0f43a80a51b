"""Determinism: one deliberation, however it was scheduled, interrupted, replayed or hashed."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Final, Unpack, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Action, Ask, Given, Note, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Scripted
from decomposition.errors import EngineBug
from decomposition.events import Asked, Entry, Event, Replied
from decomposition.loop import Loop
from decomposition.message import Message
from decomposition.routing import Kind, Policy, Row
from decomposition.setting import Environs
from decomposition.tree import Tree, fold
from decomposition.view import View
from tests.decomposition.kit import (
    FakeClock,
    MemoryStore,
    Options,
    Shuffled,
    answer,
    begun,
    deliberate,
    digest,
    written,
)
from tests.decomposition.programs import TOPICS, Program, question, seeds

CASES = 25
WIDTHS: Final = (1, 2, 7, 1024)
ROOT: Final = Path(__file__).parents[2]


def programs() -> st.SearchStrategy[Answerer]:
    """Random programs with and without errors and samples."""
    return st.builds(Program, seeds, errs=st.booleans(), samples=st.booleans())


def digests(actor: Answerer, **options: Unpack[Options]) -> tuple[str, str, str]:
    """What must be equal: status, answer and digest."""
    session, _ = deliberate(question(), actor, **options)
    outlook = session.outlook()
    return outlook.status, outlook.answer, outlook.digest


# -- scheduling ------------------------------------------------------------------------------


@settings(max_examples=CASES)
@given(programs())
def test_the_width_of_a_batch_changes_nothing(actor: Answerer) -> None:
    """One at a time, two, seven or all that are ready: the same digest (25 programs)."""
    assert len({digests(actor, width=width) for width in WIDTHS}) == 1


@settings(max_examples=CASES)
@given(programs(), st.integers(0, 10**6), st.integers(1, 12))
def test_the_order_of_completion_changes_nothing(
    actor: Answerer, order: int, concurrency: int
) -> None:
    """Calls that come back in any order, several at a time: the same digest (25 programs)."""
    shuffled = digests(Shuffled(actor, order), concurrency=concurrency)
    assert shuffled == digests(actor)


@settings(max_examples=CASES)
@given(seeds, st.integers(5, 120), st.booleans())
def test_little_fuel_and_cycles_change_nothing(seed: int, fuel: int, endless: bool) -> None:  # noqa: FBT001
    """Where fuel runs out and questions recur, every width has the same digest (25 programs)."""
    actor = Program(seed, endless=endless, rich=False)
    assert len({digests(actor, width=width, fuel=fuel) for width in WIDTHS}) == 1


@settings(max_examples=CASES)
@given(seeds, st.integers(0, 10**6))
def test_readers_that_wait_for_all_behind_a_question_change_nothing(seed: int, order: int) -> None:
    """Answerers that read through pointers: every width and order has the same digest (25)."""
    actor = Program(seed)
    actor.reads_through = True
    expected = digests(actor)
    assert {digests(actor, width=width) for width in WIDTHS} == {expected}
    assert digests(Shuffled(actor, order)) == expected


@settings(max_examples=CASES)
@given(seeds, st.sampled_from(["amplify", "cascade", "table"]), st.integers(0, 10**6))
def test_every_policy_is_repeatable(seed: int, kind: str, order: int) -> None:
    """With a student, an environment and any policy, widths and orders change nothing (25)."""
    rows = (Row("cascade", 1, 1), Row("student", 2), Row("overseer"))
    policy = Policy(cast("Kind", kind), 0.9, rows if kind == "table" else ())
    student = Program(seed + 1, samples=False)
    student.reads_through = seed % 2 == 0
    environs = Environs(
        Scripted("environs", lambda view: f"fact {view.question[0]}"),
        lambda text: text.startswith(TOPICS[0]) and "level 1" in text,
        lambda _: "",
    )
    options: Options = {"policy": policy, "student": student, "environs": environs}
    actor = Program(seed)
    expected = digests(actor, **options)
    for width in WIDTHS:
        options["width"] = width
        assert digests(actor, **options) == expected
    assert digests(Shuffled(actor, order), **options) == expected


@pytest.mark.parametrize("fuel", range(9, 27))
@pytest.mark.parametrize("late", [Note("x"), Reply("x"), Unlock(("$q",)), Ask(("x",))])
def test_what_stands_behind_an_unlock_changes_nothing(fuel: int, late: Action) -> None:
    """It is refused and paid before anything is shown, whether the answer is there or not."""

    def script(view: View) -> Given | str:
        if view.question == "a":
            return "deep" if view.asked else (Ask(("x",)), Unlock(("$a1",)))
        if view.question != "root":
            return f"answer to {view.question}"
        if not view.asked:
            return (Ask(("b", "a"), eager=True, fuel=4),)
        if view.note != "nnnn":
            return (Note(view.note + "n"),)
        return "done" if "$a2" in view.shown else (Unlock(("$a2",)), late)

    actor = Scripted("t", script)
    found: set[tuple[str, str, str]] = set()
    for width in WIDTHS:
        session, _ = deliberate("root", actor, fuel=fuel, width=width)
        found.add((session.outlook().status, answer(session), digest(session)))
    assert len(found) == 1


def test_keeping_settled_workspaces_changes_nothing() -> None:
    """A tree that evicts nothing comes to the same (30 programs)."""
    for seed in range(30):
        assert digests(Program(seed), keep=True) == digests(Program(seed), keep=False)


PRINT = """
from tests.decomposition.kit import deliberate
from tests.decomposition.programs import Program, question

for seed in range(12):
    session, _ = deliberate(question(), Program(seed), width=3, joins="session", memo=True)
    print(session.outlook())
"""


def test_the_seed_of_hashes_changes_nothing() -> None:
    """Processes with other hash seeds print the same digests (12 programs, 3 processes)."""
    printed = {
        subprocess.run(
            [sys.executable, "-c", PRINT],
            cwd=ROOT, check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "4242")
    }  # fmt: skip
    assert len(printed) == 1
    assert printed.pop().count("Outlook") == 12


# -- folding ---------------------------------------------------------------------------------


@settings(max_examples=CASES)
@given(programs(), st.sampled_from([1, 3, 1024]), st.booleans())
def test_a_fold_is_the_live_tree_at_every_commit(
    actor: Answerer,
    width: int,
    reads: bool,  # noqa: FBT001
) -> None:
    """After each commit, folding what was committed gives the live tree's state (25 programs)."""
    actor.reads_through = reads
    seen: list[tuple[int, list[tuple[str, object]]]] = []
    session, entries = deliberate(
        question(),
        actor,
        width=width,
        keep=True,
        on_commit=lambda each: seen.append((each[0].committed, list(each[0].tree.state()))),
    )
    step = max(1, len(seen) // 12)
    for count, state in [*seen[::step], seen[-1]]:
        assert list(fold(entries[:count]).state()) == state
    assert list(fold(entries).state()) == list(session.tree.state())


@settings(max_examples=CASES)
@given(programs())
def test_a_fold_is_the_same_event_by_event(actor: Answerer) -> None:
    """Folding all at once or one by one comes to the same state after every event (25)."""
    _, entries = deliberate(question(), actor)
    tree = Tree(keep=True)
    for count, (path, event) in enumerate(entries, 1):
        tree.apply(path, event)
        if count % max(1, len(entries) // 12) == 0:
            assert list(fold(entries[:count]).state()) == list(tree.state())


class Remembering(Tree):
    """A live tree that keeps its state after every event."""

    def __init__(self) -> None:
        super().__init__(keep=True)
        self.states: list[list[tuple[str, object]]] = []

    def apply(self, path: str, event: Event) -> None:
        """Take over what happened."""
        super().apply(path, event)
        self.states.append(list(self.state()))


@settings(max_examples=CASES)
@given(programs(), st.sampled_from([1, 1024]), st.sampled_from(["none", "session"]))
def test_a_fold_is_the_live_tree_at_every_event(actor: Answerer, width: int, joins: str) -> None:
    """Whatever was staged by then, folding the events gives the live tree's state (25 programs)."""
    tree, store = Remembering(), MemoryStore()
    session = begun(question(), actor, joins=joins, tree=tree)
    asyncio.run(Loop(store, FakeClock(), width=width).run(iter([session])))
    entries = store.entries()
    assert len(tree.states) == len(entries)
    places = range(1, len(entries) + 1)
    for count in places if len(places) < 60 else (*places[:30], *places[30::7]):
        assert list(fold(entries[:count]).state()) == tree.states[count - 1]


@settings(max_examples=CASES)
@given(programs(), st.sampled_from(["none", "session"]))
def test_a_fold_has_the_digest_of_the_session(actor: Answerer, joins: str) -> None:
    """A replay needs no answerer and no setting for the same digest and answer (25 programs)."""
    session, entries = deliberate(question(), actor, joins=joins)
    for keep in (False, True):
        tree = fold(entries, keep=keep)
        outcome = tree.root.outcome
        assert outcome is not None
        if isinstance(outcome, Message):
            assert tree.rendered(outcome, 10**6) == answer(session)
        assert tree.finish() == digest(session)
        assert tree.workspaces == session.outlook().workspaces


@settings(max_examples=CASES)
@given(programs())
def test_what_is_evicted_was_not_needed(actor: Answerer) -> None:
    """At every event a tree that forgets settled workspaces has what the full tree has (25)."""
    _, entries = deliberate(question(), actor)
    full, small = Tree(keep=True), Tree(keep=False)
    for path, event in entries:
        full.apply(path, event)
        small.apply(path, event)
    everything = dict(full.state())
    for name, state in small.state():
        assert everything[name] == state
    assert len(list(small.state())) <= len(everything)


def test_events_that_do_not_belong_together_are_a_bug() -> None:
    """An event of a workspace that nobody opened is found, not ignored."""
    _, entries = deliberate("root", lambda _: (Ask(("a",)), Reply("$a1")))
    for path, event in (("0.2", Replied("x")), ("0.1.1", Asked(("x",), (1,))), ("1", Replied("x"))):
        with pytest.raises(EngineBug):
            fold([*entries[:3], (path, event)])


# -- resuming --------------------------------------------------------------------------------


def resumed(
    actor: Answerer, entries: list[Entry], **options: Unpack[Options]
) -> tuple[str, str, str]:
    """What a session comes to that goes on after these events."""
    options["resume"] = entries
    session, after = deliberate("unused", actor, **options)
    assert after[: len(entries)] == entries
    tree = fold(after, keep=False)
    assert tree.finish() == digest(session)
    outlook = session.outlook()
    return outlook.status, outlook.answer, outlook.digest


@settings(max_examples=CASES)
@given(programs(), st.booleans(), st.data())
def test_a_resume_after_any_commit_changes_nothing(
    actor: Answerer,
    reads: bool,  # noqa: FBT001 - drawn
    data: st.DataObject,
) -> None:
    """Folding what was committed and going on gives the undisturbed digest (25 programs)."""
    actor.reads_through = reads
    store = MemoryStore()
    session, entries = deliberate(question(), actor, store=store, width=1)
    outlook = session.outlook()
    expected = (outlook.status, outlook.answer, outlook.digest)
    step = max(1, len(store.commits) // 6)
    start = data.draw(st.integers(0, step - 1))
    for end in store.commits[start::step]:
        width = data.draw(st.sampled_from([1, 1024]))
        assert resumed(actor, entries[:end], width=width) == expected


def test_a_resume_after_every_commit_changes_nothing() -> None:
    """The same at every single commit, for a few programs that do all there is to do (12)."""
    for seed in (3, 5, 7, 11, 13, 17):
        for endless in (False, True):
            fuel = 60 if endless else 10**6
            actor = Program(seed, endless=endless, rich=not endless)
            store = MemoryStore()
            session, entries = deliberate(question(level=1), actor, store=store, width=1, fuel=fuel)
            outlook = session.outlook()
            for end in store.commits:
                assert resumed(actor, entries[:end]) == (
                    outlook.status,
                    outlook.answer,
                    outlook.digest,
                )


@settings(max_examples=CASES // 2)
@given(seeds, st.sampled_from(["amplify", "cascade"]), st.data())
def test_a_resume_finds_who_sat_where(seed: int, kind: str, data: st.DataObject) -> None:
    """Students, and overseers that took over from one, go on in their own roles (12 programs)."""
    student = Program(seed + 1, samples=False)
    options: Options = {"policy": Policy(cast("Kind", kind), 0.9), "student": student}
    store = MemoryStore()
    actor = Program(seed)
    first: Options = {**options, "store": store, "width": 2}
    session, entries = deliberate(question(), actor, **first)
    end = data.draw(st.sampled_from(store.commits))
    outlook = session.outlook()
    assert resumed(actor, entries[:end], **options) == (
        outlook.status,
        outlook.answer,
        outlook.digest,
    )


@settings(max_examples=CASES // 2)
@given(programs(), st.data())
def test_a_resume_with_joins_has_the_same_digest(actor: Answerer, data: st.DataObject) -> None:
    """A session that goes on knows what it had closed: digest and joins are the same (12)."""
    store = MemoryStore()
    session, entries = deliberate(question(), actor, store=store, width=1, joins="session")
    end = data.draw(st.sampled_from(store.commits))
    again, after = deliberate(
        "unused", actor, resume=entries[:end], width=1, joins="session", fuel=1
    )
    assert again.outlook() == session.outlook()
    assert after == entries


# -- what is settled and what is not ---------------------------------------------------------


def test_an_answer_with_a_part_that_nobody_wants_is_digested() -> None:
    """A pointer that stays pending for ever is no obstacle to the end of a session."""

    def script(view: View) -> Given | str:
        match view.question:
            case "root":
                return (Reply("$a1"),) if view.shown else (Ask(("middle",)), Unlock(("$a1",)))
            case "middle":
                if "$a1" not in view.shown:
                    return (Ask(("inner",), fuel=99), Unlock(("$a1",)))
                return "$a1.2"
            case "inner":
                return (Ask(("unwanted", "wanted")), Reply("$a1 or $a2"))
            case _:
                return view.question

    session, entries = deliberate("root", script)
    first = session.outlook()
    assert first.answer == "wanted"
    assert session.outlook() == first
    assert fold(entries).finish() == fold(entries, keep=False).finish() == first.digest


def test_the_outlook_can_be_taken_again() -> None:
    """Looking at how a session ended changes nothing."""
    for seed in range(40):
        session, _ = deliberate(question(), Program(seed))
        assert session.outlook() == session.outlook()


def test_an_unfinished_session_has_no_outlook() -> None:
    """A session without an answer does not pretend to one."""
    session, _ = deliberate("root", lambda _: (Ask(("a",)), Reply("$a1")))
    _, entries = deliberate("root", lambda _: (Ask(("a",)), Reply("$a1")))
    session.resume(entries[:2])
    assert not session.finished
    with pytest.raises(EngineBug):
        session.outlook()


def test_a_root_with_context_is_its_context() -> None:
    """Two roots that differ only in what a locked pointer leads to have two digests."""
    found = {
        digest(deliberate(written(text), lambda _: "x")[0])
        for text in ("see [one]", "see [two]", "see [one [more]]", "see [one]")
    }
    assert len(found) == 3
