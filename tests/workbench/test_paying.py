"""Paid deliberations on a real store: what was paid is taken over, and nothing is paid twice."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import cast

import pytest

from decomposition.errors import RunStopped
from decomposition.message import Message
from decomposition.routing import Policy
from decomposition.setting import Setting
from traces.record import Ending, NewLine, SessionRecord
from traces.store import Store
from traces.verify import verify
from workbench.account import Account, opened
from workbench.deliberate import Deliberation, OnAmbiguous, Task
from workbench.limits import NO_LIMITS, Limits
from workbench.specs import Cast
from workbench.testing.paid import PaidDouble, tree
from workbench.wiring import Posed

FUEL = 1_000_000


class Closing(PaidDouble):
    """Counts how often it was closed."""

    closed = 0

    async def close(self) -> None:
        """Note it."""
        self.closed += 1


def task(row: SessionRecord, double: PaidDouble, question: str) -> Task:
    """What there is to do in a session."""
    setting = Setting(Policy("recurse"), (double,))
    posed = Posed(Message.of(question), FUEL, "") if not row.count else None
    return Task(row, cast("Posed", posed), setting, Cast((), 1, "majority"))


def worked(
    store: Store,
    rows: Sequence[SessionRecord],
    double: PaidDouble,
    account: Account | None = None,
    on_ambiguous: OnAmbiguous = "retry",
    questions: Callable[[SessionRecord], str] = lambda row: f"2 {row.number}",
) -> list[Ending]:
    """How sessions end that are deliberated from where they stand."""
    ends: list[Ending] = []
    deliberation = Deliberation(
        store,
        account or Account(),
        on_end=lambda outcome: ends.append(outcome.ending),
        on_ambiguous=on_ambiguous,
    )
    tasks = [task(store.register.session(row.number), double, questions(row)) for row in rows]
    left = deliberation.run(iter(tasks), at_once=4, concurrency=4)
    return ends + [outcome.ending for outcome in left]


@pytest.fixture
def store(tmp_path: Path) -> Generator[Store]:
    """A store in a file."""
    with Store.open(tmp_path / "workbench.db") as opened_store:
        yield opened_store


def asked(store: Store) -> SessionRecord:
    """A question asked alone."""
    return store.register.open_session(now_us=5)


def a_run(store: Store, lines: int) -> tuple[int, list[SessionRecord]]:
    """A run with sessions."""
    new = [NewLine(str(number), "{}") for number in range(lines)]
    run = store.register.create_run("a run", "amplify", "{}", new, now_us=5)
    return run.number, store.register.sessions(run.number)


def test_what_a_session_cost_is_all_that_its_calls_used(store: Store) -> None:
    """Those too that came to nothing; the answerer's connections are given up at the end."""
    row = asked(store)
    double = Closing(tree, faults=["null:0.3x1"], usd_a_token=0.001)
    (ending,) = worked(store, [row], double)
    totals = store.ledger.totals(session=row.number)
    assert ending.status == "answered"
    assert (ending.tokens, ending.cost_usd) == (totals.tokens, pytest.approx(totals.cost_usd))
    assert totals.calls == double.calls > 7
    assert double.closed == 1
    assert verify(store).ok


def test_connections_are_given_up_when_a_run_stops(store: Store) -> None:
    """Also where a fault ends it."""
    double = Closing(tree, faults=["401"])
    with pytest.raises(RunStopped):
        worked(store, [asked(store)], double)
    assert double.closed == 1
    assert [line.standing for line in store.ledger.lines()] == ["failed"]


def interrupted(store: Store, row: SessionRecord, calls: int) -> None:
    """Stop a deliberation while its last call is under way, as a kill would."""
    account = Account(Limits(calls=calls - 1))
    worked(store, [row], PaidDouble(tree), account)
    stalled = PaidDouble(tree, faults=["stall=60"])

    async def killed() -> None:
        deliberation = Deliberation(store, Account())
        tasks = iter([task(store.register.session(row.number), stalled, f"2 {row.number}")])
        run = asyncio.create_task(deliberation.work(tasks, at_once=1, concurrency=1))
        while not stalled.calls:  # noqa: ASYNC110 - the double tells nobody
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    asyncio.run(killed())
    store.flush()


def test_a_call_under_way_is_asked_again(store: Store) -> None:
    """It stays in the ledger as ambiguous; the tree is that of a run that was never stopped."""
    row, calm = asked(store), asked(store)
    interrupted(store, row, 3)
    assert [line.standing for line in store.ledger.unsettled(session=row.number)] == [""]
    double = PaidDouble(tree)
    (ending,) = worked(store, [row], double)
    (whole,) = worked(store, [calm], PaidDouble(tree), questions=lambda _: f"2 {row.number}")
    assert (ending.status, ending.digest) == ("answered", whole.digest)
    standings = [line.standing for line in store.ledger.lines(session=row.number)]
    assert sorted(standings) == ["ambiguous"] + ["answered"] * 7
    assert double.calls == 5
    assert store.ledger.unsettled(session=row.number) == []
    assert verify(store).ok


def test_a_call_under_way_may_be_a_failure_instead(store: Store) -> None:
    """Nothing is asked again in its place."""
    row = asked(store)
    interrupted(store, row, 3)
    (line,) = store.ledger.unsettled(session=row.number)
    double = PaidDouble(tree)
    (ending,) = worked(store, [row], double, on_ambiguous="fail")
    events = [(path, type(event).__name__) for path, event in store.entries(row.number)]
    assert (line.path, "Failed") in events
    assert "whether it was answered" in ending.answer
    again = [each.path for each in store.ledger.lines(session=row.number)]
    assert again.count(line.path) == 1
    assert verify(store).ok


def test_a_resumed_session_knows_what_was_paid(store: Store) -> None:
    """Tokens and money over all of it, however often it was stopped."""
    row = asked(store)
    for calls in (1, 1, 2):
        account = Account(Limits(calls=calls))
        (ending,) = worked(store, [row], PaidDouble(tree, usd_a_token=0.01), account)
        assert ending.status == "stopped"
    (ending,) = worked(store, [row], PaidDouble(tree, usd_a_token=0.01))
    totals = store.ledger.totals(session=row.number)
    assert (ending.status, totals.calls) == ("answered", 7)
    assert (ending.tokens, ending.cost_usd) == (totals.tokens, pytest.approx(totals.cost_usd))


@pytest.mark.parametrize("cap", [Limits(calls=9), Limits(tokens=500), Limits(usd=0.5)])
def test_a_run_stops_at_its_cap_and_goes_on_when_it_is_raised(store: Store, cap: Limits) -> None:
    """The cap stands in the store; nothing of the run is spent beyond it."""
    run, rows = a_run(store, 3)
    double = PaidDouble(tree, usd_a_token=0.001)
    endings = worked(store, rows, double, opened(store.ledger, cap, run=run))
    assert "stopped" in {ending.status for ending in endings}
    spent = store.ledger.spent(run=run)
    assert spent.calls == double.calls
    assert cap.calls is None or spent.calls <= cap.calls
    assert cap.tokens is None or spent.tokens <= cap.tokens
    assert cap.usd is None or spent.usd <= cap.usd
    left = [row for row in rows if store.register.session(row.number).status != "answered"]
    worked(store, left, double, opened(store.ledger, NO_LIMITS, run=run))
    assert {row.status for row in store.register.sessions(run)} == {"answered"}
    assert store.ledger.totals(run=run).calls == double.calls == 21
    assert store.ledger.spent(run=run).max_calls is None
    assert verify(store).ok


def test_time_worked_is_kept_over_resumes(store: Store) -> None:
    """A run that has used up its seconds begins no call."""
    run, rows = a_run(store, 2)
    worked(store, rows[:1], PaidDouble(tree), opened(store.ledger, NO_LIMITS, run=run))
    store.flush()
    seconds = store.ledger.spent(run=run).seconds
    assert seconds > 0
    double = PaidDouble(tree)
    account = opened(store.ledger, Limits(seconds=seconds), run=run)
    (ending,) = worked(store, rows[1:], double, account)
    assert (ending.status, double.calls) == ("stopped", 0)
    assert verify(store).ok
