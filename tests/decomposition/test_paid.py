"""Paid calls: intents before them, receipts with their events, tries, pauses and caps."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from decomposition.actions import Ask, Given, Note, Reply, Unreadable
from decomposition.answerers.base import Answerer
from decomposition.asking import FIRST_PAUSE_S, RETRIES
from decomposition.errors import RunStopped, TransientFault
from decomposition.events import Failed, Refused, Replied
from decomposition.loop import Loop
from decomposition.ports import GO, Permit
from decomposition.spend import Attempt, Estimate, Usage
from decomposition.tree import fold
from decomposition.view import View
from tests.decomposition.kit import (
    PLENTY,
    Budget,
    FakeClock,
    MemoryStore,
    begun,
    deliberate,
    digest,
    events_at,
    failures,
    worked,
)

USED = Usage(10, 5, 0.25, "what went", "what came", "stop", "m-1")
MOST = Estimate(20, 10, 0.5)
Script = Callable[[View], Given]


def tree(view: View) -> Given:
    """Asks two subquestions and points to both, down to level 0."""
    level, _, name = view.question.partition(" ")
    if level == "0":
        return (Reply(f"leaf {name}"),)
    below = int(level) - 1
    return (Ask((f"{below} {name}l", f"{below} {name}r")), Reply("$a1 $a2"))


class Paid(Answerer):
    """Acts as a script says; what goes wrong is told for each call in its order.

    Args:
        faults: By the number of the call, from 1.
        looks: Called with the id of each call when it leaves.
    """

    author = "model"
    instant = False
    paid = True
    identity = "paid:test"

    def __init__(
        self,
        script: Script = tree,
        faults: dict[int, BaseException] | None = None,
        *,
        takes: int = 2,
        looks: Callable[[str], None] | None = None,
        provider: str = "",
    ) -> None:
        self.calls: list[tuple[str, str]] = []
        """Question and id of every call, in the order of leaving."""
        self.now = self.most = 0
        self.provider = provider
        self._script = script
        self._faults = faults or {}
        self._takes = takes
        self._looks = looks

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """Never used: a paid answerer is asked by `attempt`."""
        raise AssertionError(views)

    def estimate(self, view: View) -> Estimate:
        """The same for every view."""
        del view
        return MOST

    async def attempt(self, view: View, call: str) -> Attempt:
        """One call, some rounds of the event loop long."""
        self.calls.append((view.question, call))
        fault = self._faults.get(len(self.calls))
        if self._looks is not None:
            self._looks(call)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(self._takes):
                await asyncio.sleep(0)
        finally:
            self.now -= 1
        if fault is not None:
            raise fault
        return Attempt(self._script(view), USED)


class Virtual(FakeClock):
    """A clock that stands still but for sleep: whoever wakes first moves it on."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._until: list[float] = []

    def monotonic_us(self) -> int:
        """The moment to which somebody slept."""
        return int(self.now_s * 1e6)

    async def sleep(self, seconds: float) -> None:
        """Return once all who wake earlier did, and had time for what follows from it."""
        self.slept.append(seconds)
        until = self.now_s + seconds
        self._until.append(until)
        while True:
            for _ in range(30):
                await asyncio.sleep(0)
            if until <= min(self._until):
                break
        self._until.remove(until)
        self.now_s = max(self.now_s, until)


def standings(store: MemoryStore) -> list[str]:
    """What came of all calls, in the order of their receipts."""
    return [each.standing for each in store.receipts]


# -- intents and receipts ----------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 3, 64])
def test_an_intent_is_committed_before_its_call_leaves(concurrency: int) -> None:
    """Each call goes with the id of a line that the store has."""
    store, known = MemoryStore(), list[bool]()
    actor = Paid(looks=lambda call: known.append(call in {i.call for i in store.intents}))
    deliberate("3 x", actor, store=store, concurrency=concurrency)
    assert known == [True] * 15
    assert len({call for _, call in actor.calls}) == 15
    assert [each.call for each in store.intents] == [call for _, call in actor.calls]
    assert {each.estimate for each in store.intents} == {MOST}


def test_a_receipt_leads_to_the_first_event_of_its_turn() -> None:
    """By the same answerer, at the path of its intent, with what it cost."""
    store = MemoryStore()
    session, _ = deliberate("2 x", Paid(), store=store)
    paths = {each.call: each.path for each in store.intents}
    rows = store.sessions[1]
    for receipt in store.receipts:
        assert receipt.event is not None
        path, event, by = rows[receipt.event]
        assert path == paths[receipt.call]
        assert not isinstance(event, Refused)
        assert (by.answerer, by.author, by.tokens_in, by.cost_usd) == (
            "paid:test",
            "model",
            10,
            0.25,
        )
    assert standings(store) == ["answered"] * 7
    assert (session.counts.tokens, session.counts.cost_usd) == (105, 1.75)


def test_receipts_and_events_share_a_commit() -> None:
    """Also with the intents of what follows: one commit for what landed together."""
    commits: list[tuple[int, int, int]] = []

    class Watched(MemoryStore):
        async def commit(self, written, reusable, dues):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            """Note how much of each kind there is."""
            events = sum(len(each.entries) for each in written)
            commits.append((events, len(dues.receipts), len(dues.intents)))
            return await super().commit(written, reusable, dues)

    deliberate("2 x", Paid(), store=Watched(), concurrency=8)
    assert commits == [(1, 0, 1), (2, 1, 2), (4, 2, 4), (4, 4, 0)]


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_no_more_calls_are_under_way_than_allowed(concurrency: int) -> None:
    """However many are ready."""
    actor = Paid(takes=7)
    deliberate("4 x", actor, concurrency=concurrency)
    assert actor.most == concurrency


@pytest.mark.parametrize("concurrency", [1, 4, 64])
def test_the_tree_is_the_same_whatever_goes_wrong(concurrency: int) -> None:
    """Faults that pass leave no trace in it, and nothing is asked twice that was decided."""
    calm, _ = deliberate("3 x", Paid())
    faults: dict[int, BaseException] = {n: TransientFault("503") for n in (1, 2, 5, 9, 10, 17)}
    actor, store = Paid(faults=faults), MemoryStore()
    stormy, _ = deliberate("3 x", actor, store=store, concurrency=concurrency)
    assert digest(stormy) == digest(calm)
    assert (standings(store).count("answered"), standings(store).count("transient")) == (15, 6)
    answered = {r.call for r in store.receipts if r.standing == "answered"}
    assert len({q for q, call in actor.calls if call in answered}) == 15


# -- tries -------------------------------------------------------------------------------------


def test_each_try_is_a_line_of_its_own() -> None:
    """Numbered from 1; the pauses grow, with a jitter that is drawn from the view."""
    slept: list[list[float]] = []
    for _ in range(2):
        clock, store = FakeClock(), MemoryStore()
        faults: dict[int, BaseException] = {n: TransientFault("overloaded") for n in range(1, 5)}
        deliberate("0 x", Paid(faults=faults), clock=clock, store=store)
        assert [each.attempt for each in store.intents] == [1, 2, 3, 4, 5]
        assert standings(store) == ["transient"] * 4 + ["answered"]
        assert [each.fault for each in store.receipts] == ["overloaded"] * 4 + [""]
        slept.append(clock.slept)
    assert slept[0] == slept[1]
    assert all(0 < s < FIRST_PAUSE_S * 2**n for n, s in enumerate(slept[0], 1))


def test_when_tries_end_the_run_stops_and_can_go_on() -> None:
    """Every try is in the ledger; a later run comes to the same tree."""
    store = MemoryStore()
    faults: dict[int, BaseException] = {n: TransientFault("down") for n in range(1, 99)}
    with pytest.raises(RunStopped, match=f"tried {RETRIES} times: down"):
        deliberate("0 x", Paid(faults=faults), store=store)
    assert standings(store) == ["transient"] * RETRIES
    assert len(store.intents) == len(store.receipts)
    session, _ = deliberate("", Paid(), store=MemoryStore(), resume=store.entries())
    assert digest(session) == digest(deliberate("0 x", Paid())[0])


def test_a_pause_that_was_asked_for_is_kept() -> None:
    """At least so long, and no longer than a first pause more."""
    clock = Virtual()
    deliberate("0 x", Paid(faults={1: TransientFault("429", 7.0)}), clock=clock)
    assert 7.0 <= clock.now_s <= 7.0 + FIRST_PAUSE_S


def test_a_longer_pause_than_a_run_waits_stops_it() -> None:
    """The message says how long the provider asked to wait; the line is there."""
    store = MemoryStore()
    actor = Paid(faults={1: TransientFault("429", 3600.0)}, provider="p")
    with pytest.raises(RunStopped, match=r"p asks to wait 3600 s .* resume"):
        deliberate("0 x", actor, store=store)
    assert standings(store) == ["transient"]


def test_what_waits_for_its_next_try_blocks_nobody() -> None:
    """The others are all done before it is asked again."""
    actor = Paid(faults={2: TransientFault("503")})
    deliberate("2 x", actor, clock=Virtual(), concurrency=1)
    questions = [question for question, _ in actor.calls]
    assert questions[1] == questions[-3]
    assert len(questions) == 8


def test_a_provider_that_asks_for_a_pause_gets_it_from_all_calls() -> None:
    """Nothing new leaves until it has passed; what is under way may land."""
    clock, left = Virtual(), list[float]()
    actor = Paid(faults={2: TransientFault("429", 5.0)}, provider="p", takes=3)
    actor_looks = Paid.attempt

    class Timed(Paid):
        async def attempt(self, view: View, call: str) -> Attempt:
            """Note when it leaves."""
            left.append(clock.now_s)
            return await actor_looks(self, view, call)

    timed = Timed(faults={2: TransientFault("429", 5.0)}, provider="p", takes=3)
    deliberate("3 x", timed, clock=clock, concurrency=2)
    assert [s for s in left if s < 5.0] == [0.0] * 3
    assert len(left) == 16
    assert actor.calls == []


# -- what is decided ---------------------------------------------------------------------------


class Slow(Paid):
    """Never comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.left = asyncio.Event()

    async def attempt(self, view: View, call: str) -> Attempt:
        """Wait for ever."""
        self.calls.append((view.question, call))
        self.left.set()
        await asyncio.Event().wait()
        raise AssertionError


def test_a_call_that_takes_too_long_is_late() -> None:
    """Its workspace fails with a time-out; what it used is not known."""
    store = MemoryStore()
    _, entries = deliberate("0 x", Slow(), store=store, timeout_s=0.01)
    assert failures(entries) == {"0": "timeout"}
    assert standings(store) == ["late"]
    assert store.receipts[0].usage == Usage()
    assert isinstance(entries[store.receipts[0].event or 0][1], Failed)


@pytest.mark.parametrize("kinds", [("bad_output", "empty", "truncated"), ("truncated",) * 3])
def test_the_third_reply_that_is_no_turn_is_the_last(kinds: tuple[str, ...]) -> None:
    """The workspace fails as the last one says; each was paid for, each costs one fuel."""
    given = [Unreadable(f"it is {kind}", kind) for kind in kinds]  # type: ignore[arg-type]
    views: list[View] = []

    def script(view: View) -> Given:
        views.append(view)
        return given[len(views) - 1]

    store = MemoryStore()
    _, entries = deliberate("q", Paid(script), store=store)
    assert failures(entries) == {"0": kinds[-1]}
    assert [e.kind for e in events_at(entries, "0") if isinstance(e, Refused)] == list(kinds)
    assert standings(store) == ["unreadable"] * 3
    assert [f"it is {kind}" in view.text for kind, view in zip(kinds, views[1:], strict=False)] == [
        True,
        True,
    ]
    assert fold(entries).nodes["0"].workspace.fuel == PLENTY - 3


def test_a_readable_turn_in_between_begins_the_count_anew() -> None:
    """Three in a row end it, not three in all."""
    turns: list[Given] = [Unreadable("no"), Unreadable("no"), (Note("so"),)] * 2
    turns.append((Reply("yes"),))
    store = MemoryStore()
    _, entries = deliberate("q", Paid(lambda _: turns.pop(0)), store=store)
    assert failures(entries) == {}
    assert standings(store).count("unreadable") == 4


def test_whatever_breaks_in_a_call_is_its_workspaces_failure() -> None:
    """The run goes on; the line says what it was."""
    store = MemoryStore()
    actor = Paid(faults={2: ZeroDivisionError("a bug")})
    _, entries = deliberate("1 x", actor, store=store, concurrency=1)
    assert list(failures(entries).values()) == ["answerer"]
    assert standings(store) == ["answered", "failed", "answered"]
    assert "a bug" in store.receipts[1].fault


def test_a_stop_is_a_line_and_what_is_under_way_lands() -> None:
    """Nothing that was paid for is thrown away, and nothing new begins."""
    store = MemoryStore()
    actor = Paid(faults={3: RunStopped("the key was refused")}, takes=9)
    with pytest.raises(RunStopped, match="key"):
        deliberate("3 x", actor, store=store, concurrency=4)
    assert sorted(standings(store)) == ["answered", "answered", "failed"]
    assert len(store.intents) == len(store.receipts) == len(actor.calls) == 3
    assert actor.now == 0


def test_a_cancelled_run_keeps_what_had_landed() -> None:
    """The other lines stay as of calls under way."""
    store = MemoryStore()
    actor = Slow()
    session = begun("0 x", actor)

    async def cancelled() -> None:
        loop = Loop(store, FakeClock())
        run = asyncio.create_task(loop.run(iter([session])))
        await actor.left.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(cancelled())
    assert (len(store.intents), store.receipts) == (1, [])


# -- caps --------------------------------------------------------------------------------------


def test_what_the_account_refuses_is_left_undone() -> None:
    """No event stands for it, and the session goes on once more may be spent."""
    store, actor = MemoryStore(), Paid()
    session, entries = deliberate("3 x", actor, store=store, account=Budget(6))
    assert len(actor.calls) == len(store.intents) == len(store.receipts) == 6
    assert not session.finished
    again, _ = deliberate("", Paid(), store=MemoryStore(), resume=entries)
    assert digest(again) == digest(deliberate("3 x", Paid())[0])
    assert failures(entries) == {}


class OfSession(Budget):
    """Refuses the calls of one session."""

    def reserve(self, session: int, provider: str, estimate: Estimate) -> Permit:
        """Whether one more may be made."""
        del provider, estimate
        return Permit("session") if session == 1 else GO


@pytest.mark.parametrize("in_store", [False, True])
def test_a_session_over_its_cap_is_left_and_others_go_on(*, in_store: bool) -> None:
    """Whether the account says so or the store."""
    store, actor = MemoryStore(), Paid()
    store.full = {1} if in_store else set()
    sessions = [begun("2 x", actor, number=number) for number in (1, 2, 3)]
    loop = Loop(store, FakeClock(), account=None if in_store else OfSession(0))
    left = asyncio.run(loop.run(iter(sessions), at_once=2))
    assert [session.number for session in left] == [1]
    assert [session.finished for session in sessions] == [False, True, True]
    assert len(actor.calls) == 14


class Crowded(Budget):
    """Has room for two calls at a time."""

    def reserve(self, session: int, provider: str, estimate: Estimate) -> Permit:
        """Room comes back when a call is settled."""
        del session, provider, estimate
        if not self.left:
            return Permit("later")
        self.left -= 1
        return GO

    def settle(self, session: int, estimate: Estimate, usage: Usage | None) -> None:
        """A call gives its room back."""
        del session, estimate, usage
        self.left += 1


def test_a_call_waits_for_the_reserve_of_another() -> None:
    """As long as something is under way that may give it back."""
    actor = Paid(takes=5)
    session, _ = deliberate("4 x", actor, account=Crowded(2), concurrency=16)
    assert session.finished
    assert actor.most == 2


class Paced(Budget):
    """Lets one call a second leave."""

    def __init__(self, clock: Virtual) -> None:
        super().__init__(99)
        self._clock = clock
        self._next_s = 0.0

    def reserve(self, session: int, provider: str, estimate: Estimate) -> Permit:
        """How long to wait, where it is too early."""
        del session, provider, estimate
        early = self._next_s - self._clock.now_s
        if early > 1e-9:
            return Permit("wait", early)
        self._next_s = self._clock.now_s + 1.0
        return GO


def test_a_provider_is_asked_no_faster_than_it_may_be() -> None:
    """Fifteen calls at one a second take fourteen seconds."""
    clock = Virtual()
    actor = Paid()
    deliberate("3 x", actor, clock=clock, account=Paced(clock), concurrency=8)
    assert len(actor.calls) == 15
    assert clock.now_s == pytest.approx(14.0)


def test_equal_views_are_asked_once_under_way() -> None:
    """With a memo: the others wait for the call, and use its turn."""
    store = MemoryStore()

    def same(view: View) -> Given:
        if view.question != "root":
            return (Reply("so"),)
        return (Ask(("q", "q", "q")), Reply("$a1 $a2 $a3"))

    actor = Paid(same)
    _, entries = deliberate("root", actor, store=store, memo=True)
    assert len(actor.calls) == 2
    assert worked(entries) == {"0", "0.1", "0.2", "0.3"}
    assert sum(isinstance(event, Replied) for _, event in entries) == 4
    ends = [0, *store.commits]
    assert all(first < last for first, last in pairwise(ends))


def test_a_reply_of_no_known_kind_is_bad_output() -> None:
    """An answerer is free to build anything; what is recorded can be read again."""
    odd = Unreadable("no \0 turn", "whatever")  # type: ignore[arg-type]
    _, entries = deliberate("q", Paid(lambda _: odd))
    assert failures(entries) == {"0": "bad_output"}
    assert {e.kind for e in events_at(entries, "0") if isinstance(e, Refused)} == {"bad_output"}
