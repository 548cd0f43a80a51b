"""The loop: batches and calls within their bounds, depth first, each event with its author."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Ask, Given, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Scripted
from decomposition.events import Combined, Failed, Joined, Opened, Sampled, Woken
from decomposition.loop import Loop
from decomposition.session import Session
from decomposition.view import View
from tests.decomposition.kit import (
    FakeClock,
    MemoryStore,
    Shuffled,
    Watching,
    begun,
    deliberate,
)
from tests.decomposition.programs import Program, question, seeds

CASES = 25


def ternary(view: View) -> Given | str:
    """A tree of three branches at each level, down to level 0."""
    level = int(view.question.split()[0])
    if not level:
        return "leaf"
    if view.shown:
        return f"level {level}"
    asks = Ask(tuple(f"{level - 1} branch {n}" for n in range(3)))
    return (asks, Unlock(("$a1", "$a2", "$a3")))


@settings(max_examples=CASES)
@given(seeds, st.integers(1, 5))
def test_a_batch_is_never_wider_than_the_width(seed: int, width: int) -> None:
    """One turn of the loop shows no more views than it may (25 trees)."""
    actor = Watching(Program(seed))
    deliberate(question(), actor, width=width)
    assert max(map(len, actor.batches)) <= width


def test_all_that_is_ready_is_one_batch() -> None:
    """Level by level, an instant answerer gets everything at once."""
    actor = Watching(Scripted("ternary", ternary))
    deliberate("3 root", actor)
    assert [len(batch) for batch in actor.batches] == [1, 3, 9, 27, 9, 3, 1]


class Crowded(Answerer):
    """Counts the calls that are under way."""

    instant = False
    identity = "crowded"

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """Take a few rounds of the event loop for one view."""
        assert len(views) == 1
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(len(views[0].text) % 7):
            await asyncio.sleep(0)
        self.now -= 1
        given = ternary(views[0])
        return [(Reply(given),) if isinstance(given, str) else given]


@pytest.mark.parametrize("concurrency", [1, 2, 5, 64])
def test_no_more_calls_are_under_way_than_allowed(concurrency: int) -> None:
    """An answerer that waits gets one view a call, and so many calls at once."""
    actor = Crowded()
    session, _ = deliberate("3 root", actor, concurrency=concurrency)
    assert min(concurrency, 3) <= actor.most <= concurrency
    assert session.counts.calls == 1 + 3 + 9 + 27 + 9 + 3 + 1


def test_work_is_depth_first() -> None:
    """Of what is ready the leftmost and deepest comes first, so that subtrees close early."""

    def script(view: View) -> Given | str:
        if len(view.question) > 2:
            return "leaf"
        asks = Ask(tuple(view.question + letter for letter in "abc"), eager=True)
        return (asks, Reply("x"))

    actor = Watching(Scripted("eager", script))
    deliberate("r", actor, width=1)
    said = [view.question for view in actor.views]
    assert said == sorted(said)


def test_what_is_settled_is_forgotten() -> None:
    """A tree of a thousand workspaces is held a few dozen at a time."""
    held: list[int] = []

    def look(sessions: Sequence[Session]) -> None:
        held.append(len(sessions[0].tree.nodes) + len(sessions[0].tree.slots))

    session, _ = deliberate("6 root", ternary, width=1, on_commit=look)
    assert session.outlook().workspaces == 1093
    assert max(held) < 60


@settings(max_examples=CASES)
@given(seeds, st.booleans())
def test_every_event_has_its_author(seed: int, waits: bool) -> None:  # noqa: FBT001
    """What an answerer chose stands with it, what the engine decided with nobody (25 trees)."""
    store = MemoryStore()
    actor = Program(seed, rich=False)
    _, entries = deliberate(
        question(), Shuffled(actor, seed) if waits else actor, store=store, fuel=80, joins="session"
    )
    before = 0
    for (_, event), by in zip(entries, store.authors(), strict=True):
        if isinstance(event, Opened | Woken | Combined | Sampled | Joined | Failed):
            assert (by.answerer, by.author) == ("", "engine")
        else:
            assert (by.answerer, by.author) == (actor.identity, "scripted")
            assert by.monotonic_us >= before
            before = by.monotonic_us
        assert by.duration_us >= 0
        assert not by.origin


def test_a_session_is_finished_once_and_after_its_last_commit() -> None:
    """Whoever waits for sessions hears of each when everything of it is in the store."""
    store = MemoryStore()
    heard: list[tuple[int, int]] = []

    def finished(session: Session) -> None:
        heard.append((session.number, len(store.entries(session.number))))
        assert session.finished
        assert not session.staged

    sessions = [begun(question(), Program(seed), number=seed) for seed in range(9)]
    loop = Loop(store, FakeClock(), on_finish=finished)
    asyncio.run(loop.run(iter(sessions), 4))
    assert sorted(heard) == [(seed, len(store.entries(seed))) for seed in range(9)]


def test_sessions_are_begun_as_others_end() -> None:
    """No more than so many sessions are open at once, whatever the number of all."""
    store = MemoryStore()
    open_now: set[int] = set()
    most = 0

    def commits(sessions: Sequence[Session]) -> None:
        nonlocal most
        open_now.update(session.number for session in sessions)
        most = max(most, len(open_now))
        open_now.difference_update(s.number for s in sessions if s.finished)

    sessions = [begun("2 root", Scripted("ternary", ternary), number=n) for n in range(9)]
    asyncio.run(Loop(store, FakeClock(), on_commit=commits).run(iter(sessions), 3))
    assert most == 3
    assert len(store.sessions) == 9
