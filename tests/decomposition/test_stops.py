"""Stops: faults that pass, faults that do not, and going on after either."""

import asyncio
import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings

from decomposition.actions import Ask, Given, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Scripted
from decomposition.asking import FIRST_PAUSE_S, LONGEST_PAUSE_S, RETRIES
from decomposition.errors import RunStopped, TransientFault
from decomposition.events import Replied
from decomposition.loop import Loop
from decomposition.routing import Policy, Row
from decomposition.setting import Environs
from decomposition.view import View
from tests.decomposition.kit import (
    ACTIONS,
    FakeClock,
    MemoryStore,
    Options,
    Watching,
    answer,
    begun,
    deliberate,
    digest,
    failures,
)
from tests.decomposition.programs import Program, question, seeds

CASES = 6


class Flaky(Answerer):
    """Another answerer behind a line that is down for some calls.

    Args:
        down: For each call whether it fails; once used up, calls work.
    """

    def __init__(
        self,
        inner: Answerer,
        down: Sequence[bool],
        retry_after_s: float | None = None,
        *,
        instant: bool = True,
    ) -> None:
        self.identity = inner.identity
        self.instant = instant
        self.calls = 0
        self._inner = inner
        self._down = list(down)
        self._retry_after_s = retry_after_s

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """The inner turns, or a fault."""
        self.calls += 1
        if self._down and self._down.pop(0):
            raise TransientFault("503", self._retry_after_s)
        return await self._inner.act(views)


def three(view: View) -> Given | str:
    """A root with two subquestions, one after the other."""
    if view.question != "root":
        return view.question.upper()
    if not view.asked:
        return (Ask(("a",), fuel=9), Unlock(("$a1",)))
    if len(view.asked) == 1:
        return (Ask(("b",), fuel=9), Unlock(("$a2",)))
    return f"{view.shown['$a1']}{view.shown['$a2']}"


PLAIN = Scripted("three", three)


# -- faults that pass ------------------------------------------------------------------------


@pytest.mark.parametrize("faults", range(RETRIES))
@pytest.mark.parametrize("instant", [True, False])
def test_a_fault_that_passes_leaves_no_trace(faults: int, instant: bool) -> None:  # noqa: FBT001
    """The call is tried again with growing pauses; the tree is what it would have been."""
    undisturbed, entries = deliberate("root", PLAIN)
    clock = FakeClock()
    actor = Flaky(PLAIN, [True] * faults, instant=instant)
    session, flaky = deliberate("root", actor, clock=clock)
    assert flaky == entries
    assert session.outlook() == undisturbed.outlook()
    assert clock.slept == [FIRST_PAUSE_S * 2**n for n in range(faults)]
    assert actor.calls == 5 + faults
    assert session.counts.calls == 5


def test_a_fault_may_say_how_long_to_wait() -> None:
    """The other side's own figure is used, up to the longest pause."""
    for asked_s, slept_s in ((7.0, 7.0), (0.01, 0.01), (3600.0, LONGEST_PAUSE_S)):
        clock = FakeClock()
        deliberate("root", Flaky(PLAIN, [True], asked_s), clock=clock)
        assert clock.slept == [slept_s]


def test_each_call_has_tries_of_its_own() -> None:
    """Faults in one call do not count against the next."""
    actor = Flaky(PLAIN, ([True] * (RETRIES - 1) + [False]) * 5)
    session, _ = deliberate("root", actor)
    assert answer(session) == "AB"
    assert actor.calls == 5 * RETRIES


# -- faults that do not ----------------------------------------------------------------------


@pytest.mark.parametrize("call", range(5))
@pytest.mark.parametrize("instant", [True, False])
def test_a_fault_that_stays_stops_the_run_resumable(call: int, instant: bool) -> None:  # noqa: FBT001
    """When the tries are used up the run stops; what was committed stays, and it can go on."""
    undisturbed, entries = deliberate("root", PLAIN)
    store = MemoryStore()
    actor = Flaky(PLAIN, [False] * call + [True] * RETRIES, instant=instant)
    with pytest.raises(RunStopped, match="503"):
        deliberate("root", actor, store=store)
    assert actor.calls == call + RETRIES
    kept = store.entries()
    assert kept == entries[: len(kept)]
    assert sum(isinstance(event, ACTIONS) for _, event in kept) >= call
    session, resumed = deliberate("root", PLAIN, resume=kept)
    assert resumed == entries
    assert session.outlook() == undisturbed.outlook()


def test_an_answerer_may_stop_the_run() -> None:
    """A refused key stops the run at once: no retry, no failure in the tree."""

    class Barred(Answerer):
        identity = "barred"

        async def act(self, views: Sequence[View]) -> Sequence[Given]:
            """Say that nothing can be asked."""
            raise RunStopped(f"401 for {len(views)}")

    store, clock = MemoryStore(), FakeClock()
    with pytest.raises(RunStopped, match="401"):
        deliberate("root", Barred(), store=store, clock=clock)
    assert not clock.slept
    assert [type(event).__name__ for _, event in store.entries()] == ["Opened"]


def test_a_run_that_is_cancelled_keeps_what_it_committed() -> None:
    """An interrupt while a call is under way ends that call and loses nothing committed."""
    ended: list[str] = []

    class Hanging(Answerer):
        identity = PLAIN.identity
        instant = False

        async def act(self, views: Sequence[View]) -> Sequence[Given]:
            """Hang on the second subquestion."""
            if views[0].question == "b":
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append("b")
            return await PLAIN.act(views)

    store = MemoryStore()
    session = begun("root", Hanging())

    async def interrupted() -> None:
        running = asyncio.create_task(Loop(store, FakeClock()).run(iter([session])))
        for _ in range(200):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(interrupted())
    assert ended == ["b"]
    _, entries = deliberate("root", PLAIN)
    kept = store.entries()
    assert kept == entries[: len(kept)]
    assert len(kept) > 3
    _, resumed = deliberate("root", PLAIN, resume=kept)
    assert resumed == entries


# -- the store -------------------------------------------------------------------------------


@settings(max_examples=CASES)
@given(seeds)
def test_a_store_that_fails_loses_only_what_it_did_not_take(seed: int) -> None:
    """Stopped at any commit, a deliberation goes on to the same digest (6 trees, every commit)."""
    undisturbed, entries = deliberate(question(), Program(seed))
    commits = MemoryStore()
    deliberate(question(), Program(seed), store=commits)
    for failing in range(2, len(commits.commits) + 1):
        store = MemoryStore(fail_at=failing)
        with pytest.raises(RunStopped):
            deliberate(question(), Program(seed), store=store)
        kept = store.entries()
        assert kept == entries[: commits.commits[failing - 2]]
        session, _ = deliberate(question(), Program(seed), resume=kept)
        assert session.outlook() == undisturbed.outlook()


def test_a_store_that_takes_nothing_has_nothing() -> None:
    """If the first commit fails, nobody was asked anything."""
    actor, store = Watching(PLAIN), MemoryStore(fail_at=1)
    with pytest.raises(RunStopped):
        deliberate("root", actor, store=store)
    assert not store.entries()
    assert not actor.views


def test_nothing_is_shown_before_it_is_committed() -> None:
    """Whatever stands in a view, its event was in the store when the view was made."""
    store = MemoryStore()
    count = iter(range(1, 10_000))

    def script(view: View) -> Given | str:
        number = next(count)
        if "deep" in view.question and not view.asked:
            return (Ask((f"<{number}> leaf", f"<{number}> too"), fuel=50), Unlock(("$a1", "$a2")))
        if view.question == "root" and len(view.asked) < 6:
            asked = len(view.asked)
            names = (f"$a{asked + 1}", f"$a{asked + 2}")
            return (Ask((f"<{number}> deep", f"<{number}> leaf"), fuel=500), Unlock(names))
        return f"answer <{number}>"

    def look(view: View) -> None:
        known = repr([event for _, event in store.entries()])
        for mark in re.findall("<[0-9]+>", view.text):
            assert mark in known

    for width in (1, 3, 1024):
        store.sessions.clear()
        session, _ = deliberate(
            "root", Watching(Scripted("counting", script), look), store=store, width=width
        )
        assert session.outlook().status == "answered"


def test_all_turns_of_a_batch_share_a_commit() -> None:
    """Forty answers that were there together are one transaction."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return "leaf"
        if view.asked:
            return "x"
        asks = tuple(f"q{n}" for n in range(40))
        return (Ask(asks), Unlock(tuple(f"$a{n}" for n in range(1, 41))))

    store = MemoryStore()
    deliberate("root", script, store=store)
    assert store.commits == [1, 3, 43, 44]


def test_a_finished_session_resumed_is_finished() -> None:
    """Going on after the last event asks nobody and gives the same."""
    before, entries = deliberate("root", PLAIN)
    actor = Watching(PLAIN)
    session, resumed = deliberate("root", actor, resume=entries)
    assert resumed == entries
    assert session.outlook() == before.outlook()
    assert not actor.views


def test_several_sessions_share_a_loop() -> None:
    """Sessions worked together come to what each comes to alone."""
    alone = [digest(deliberate(question(), Program(seed))[0]) for seed in range(12)]
    for at_once in (1, 5, 12):
        store = MemoryStore()
        sessions = [begun(question(), Program(seed), number=seed) for seed in range(12)]
        asyncio.run(Loop(store, FakeClock(), width=7).run(iter(sessions), at_once))
        assert [digest(session) for session in sessions] == alone
        assert sorted(store.sessions) == list(range(12))


# -- what had landed by then -----------------------------------------------------------------


class Beside(Answerer):
    """One question is answered, the other stops the run, after so many rounds of the loop."""

    identity = "beside"
    instant = False

    def __init__(self, good: int, bad: int) -> None:
        self._rounds = {"good": good, "bad": bad}
        self.answered = 0

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """A turn, or the end."""
        asked = views[0].question
        for _ in range(self._rounds.get(asked, 0)):
            await asyncio.sleep(0)
        if asked == "root":
            return [(Ask(("bad", "good")), Unlock(("$a1", "$a2")))]
        if asked == "bad":
            raise RunStopped("down")
        self.answered += 1
        return [(Reply("paid for"),)]


@pytest.mark.parametrize("good", range(5))
@pytest.mark.parametrize("bad", range(5))
def test_a_stop_throws_no_paid_turn_away(good: int, bad: int) -> None:
    """Every call that had come back when another stopped the run is in the record."""
    store, actor = MemoryStore(), Beside(good, bad)
    with pytest.raises(RunStopped, match="down"):
        deliberate("root", actor, store=store)
    kept = [path for path, event in store.entries() if isinstance(event, Replied)]
    assert kept == ["0.2"] * actor.answered
    assert actor.answered or bad < good


def test_a_stop_of_those_that_do_not_wait_keeps_what_others_gave() -> None:
    """Turns of the same turn of the loop are committed before the error is raised."""

    class Barred(Answerer):
        identity = "barred"

        async def act(self, views: Sequence[View]) -> Sequence[Given]:
            """Refuse."""
            raise RunStopped(f"barred from {len(views)}")

    store = MemoryStore()
    policy = Policy("table", 0.9, (Row("student", 1, question_type="s"), Row("overseer")))
    environs = Environs(PLAIN, lambda _: False, lambda text: "s" if text == "a" else "")

    def script(view: View) -> Given | str:
        return "x" if view.question != "root" else (Ask(("b", "a")), Unlock(("$a1", "$a2")))

    options: Options = {"policy": policy, "environs": environs, "student": Barred()}
    options["store"] = store
    with pytest.raises(RunStopped, match="barred"):
        deliberate("root", script, **options)
    assert [path for path, event in store.entries() if isinstance(event, Replied)] == ["0.1"]


# -- time ------------------------------------------------------------------------------------


class Waiting(FakeClock):
    """A clock whose pauses take a moment of real time."""

    async def sleep(self, seconds: float) -> None:
        """Wait for a hundredth."""
        await super().sleep(seconds)
        await asyncio.sleep(seconds / 100)


@pytest.mark.parametrize("instant", [True, False])
def test_pauses_between_tries_are_nobodys_working_time(instant: bool) -> None:  # noqa: FBT001
    """A line that is down for long stops the run; it makes no time-out of it."""
    clock = Waiting()
    with pytest.raises(RunStopped, match="503"):
        deliberate("root", Flaky(PLAIN, [True] * 9, instant=instant), timeout_s=0.03, clock=clock)
    assert len(clock.slept) == RETRIES - 1


class Long(Answerer):
    """Takes its time over `a`, without ever waiting for anything."""

    identity = "long"

    def __init__(self, *, instant: bool) -> None:
        self.instant = instant

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """Hold everything up."""
        if any(view.question == "a" for view in views):
            time.sleep(0.1)  # noqa: ASYNC251 - that is what it is about
        return [_turn(three(view)) for view in views]


def _turn(said: Given | str) -> Given:
    return (Reply(said),) if isinstance(said, str) else said


@pytest.mark.parametrize("instant", [True, False])
def test_a_call_that_cannot_be_broken_off_counts_as_late(instant: bool) -> None:  # noqa: FBT001
    """What came too late is not taken."""
    _, entries = deliberate("root", Long(instant=instant), timeout_s=0.05)
    assert failures(entries)["0.1"] == "timeout"
