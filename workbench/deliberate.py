"""Deliberating: sessions of a store handed to the engine's loop, and their ends recorded.

Both `ask` and `amplify` go through here; from Python there is `amplify`, which returns the answer
with its trace.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from decomposition.events import Failed
from decomposition.loop import Loop
from decomposition.message import Failure
from decomposition.ports import Authorship, Reins
from decomposition.session import Session
from decomposition.setting import Setting
from traces.record import Ending, SessionRecord, Status
from traces.store import Store
from workbench.account import Account
from workbench.clock import SystemClock
from workbench.doings import counted
from workbench.specs import Cast
from workbench.wiring import Posed

if TYPE_CHECKING:
    from decomposition.answerers.base import Answerer


OnAmbiguous = Literal["retry", "fail"]
"""What becomes of a call that was under way when its process stopped: asked again, or a failure."""
COUNT_EVERY_US: Final = 1_000_000
"""How much time is counted at once, while work goes on."""
UNSURE: Final = Failure(
    "provider",
    "a call was under way when the run was stopped; whether it was answered and what it cost "
    "is not known",
)


class Task(Struct):
    """A session to work: its row, its question and who answers it."""

    row: SessionRecord
    posed: Posed | None
    """None where the record has it."""
    setting: Setting
    cast: Cast


class Outcome(Struct, frozen=True):
    """What a session came to."""

    row: SessionRecord
    ending: Ending


class Deliberation:
    """Works sessions of one store in one loop.

    Args:
        store: Where the events go.
        account: What may be spent.
        on_progress: Called after every commit with the sessions that it touched.
        keep: Keep settled workspaces in memory, for drawing them live.
        reins: What others have halted; None where nobody can.
        on_ambiguous: What becomes of calls that were under way when their process stopped.
        failing: Those of them, by id, whose workspaces fail whatever becomes of the others.
    """

    def __init__(
        self,
        store: Store,
        account: Account,
        *,
        on_progress: Callable[[Sequence[Session]], None] | None = None,
        on_end: Callable[[Outcome], None] | None = None,
        keep: bool = False,
        reins: Reins | None = None,
        on_ambiguous: OnAmbiguous = "retry",
        failing: frozenset[str] = frozenset(),
    ) -> None:
        self._store = store
        self._on_ambiguous = on_ambiguous
        self._failing = failing
        self._answerers: dict[int, Answerer] = {}
        self._owners: set[tuple[int | None, int | None]] = set()
        """Runs, and questions asked alone, whose time counts."""
        self._worked_until = 0
        self._reins = reins
        self._account = account
        self._on_progress = on_progress
        self._on_end = on_end
        self._keep = keep
        self._clock = SystemClock()
        self._begun: dict[int, tuple[SessionRecord, int]] = {}

    def run(
        self, tasks: Iterator[Task], *, at_once: int, concurrency: int, memo: bool = False
    ) -> list[Outcome]:
        """As `work`, for callers without a running loop of asyncio."""
        return asyncio.run(self.work(tasks, at_once=at_once, concurrency=concurrency, memo=memo))

    async def work(
        self, tasks: Iterator[Task], *, at_once: int, concurrency: int, memo: bool = False
    ) -> list[Outcome]:
        """Work all tasks, `at_once` sessions at a time; those that the account stopped.

        Args:
            tasks: Taken one by one as earlier ones end; asked again after it had none.
            at_once: Sessions that share a turn of the loop.
            concurrency: Calls under way at most, of answerers that wait.
            memo: Use recorded turns.

        Raises:
            RunStopped: The store or an answerer cannot go on; what was committed stays.
        """
        loop = Loop(
            self._store,
            self._clock,
            account=self._account,
            memo=self._store if memo else None,
            concurrency=concurrency,
            on_commit=self._committed,
            on_finish=self._finished,
        )
        self._account.start()
        self._worked_until = self._clock.wall_us()
        try:
            left = await loop.run(map(self._session, tasks), at_once, self._reins)
        finally:
            self._account.pause()
            self._count_time(0)
            await self._close()
        return [self._stopped(each) for each in left]

    async def _close(self) -> None:
        """Have all answerers that were asked give up their connections."""
        answerers, self._answerers = self._answerers, {}
        for answerer in answerers.values():
            await answerer.close()

    def _committed(self, sessions: Sequence[Session]) -> None:
        self._count_time(COUNT_EVERY_US)
        if self._on_progress is not None:
            self._on_progress(sessions)

    def _count_time(self, at_least_us: int) -> None:
        """Have the next commit count the time that was worked."""
        since_us, now_us = self._worked_until, self._clock.wall_us()
        if now_us - since_us < at_least_us:
            return
        self._worked_until = now_us
        for run, session in self._owners:
            self._store.ledger.worked(since_us, now_us, run=run, session=session)

    def _session(self, task: Task) -> Session:
        row, setting = task.row, task.setting
        now = self._clock.monotonic_us()
        engine = Authorship("", "engine", self._clock.wall_us(), now)
        paid = self._cast(setting)
        if row.run is not None:
            self._owners.add((row.run, None))
        elif paid or self._account.limits.seconds is not None:
            self._owners.add((None, row.number))
        joinable = self._store if setting.joins == "shared" else None
        session = Session(row.number, setting, engine, joinable, keep=self._keep)
        self._begun[row.number] = (row, now)
        if row.count:
            session.resume(self._store.entries(row.number))
            session.counts = counted(self._store.records(row.number))
            if paid:
                self._go_on_paying(session)
        elif task.posed is not None:
            session.begin(task.posed.message, task.posed.fuel, task.cast.samples, task.cast.rule)
        return session

    def _cast(self, setting: Setting) -> bool:
        """Note who acts, and whose time counts; whether one of them is paid."""
        cast = list(setting.overseer)
        cast += [each for each in (setting.student,) if each is not None]
        cast += [setting.environs.answerer] if setting.environs is not None else []
        self._answerers.update((id(each), each) for each in cast)
        return any(each.paid for each in cast)

    def _go_on_paying(self, session: Session) -> None:
        """Take over what was paid for a session, and settle what was under way when it stopped."""
        ledger = self._store.ledger
        ledger.mark_ambiguous(session.number)
        totals = ledger.totals(session=session.number)
        session.counts.tokens, session.counts.cost_usd = totals.tokens, totals.cost_usd
        self._account.take_over_session(ledger, session.number)
        for line in ledger.unsettled(session=session.number):
            if self._on_ambiguous == "fail" or line.call in self._failing:
                session.fail(line.path, Failed(UNSURE))

    def _finished(self, session: Session) -> None:
        outlook = session.outlook()
        outcome = self._ended(session, outlook.status, outlook.answer, outlook.digest)
        if self._on_end is not None:
            self._on_end(outcome)

    def _stopped(self, session: Session) -> Outcome:
        """What stands of a session that the account did not let finish; it can go on."""
        return self._ended(session, "stopped", "", "")

    def _ended(self, session: Session, status: Status, answer: str, digest: str) -> Outcome:
        row, began_us = self._begun.pop(session.number)
        tree, counts = session.tree, session.counts
        ending = Ending(
            status=status,
            answer=answer,
            digest=digest,
            workspaces=tree.workspaces,
            calls=counts.calls,
            lookups=counts.lookups,
            memo_hits=counts.memo_hits,
            joins=tree.joins,
            tokens=counts.tokens,
            cost_usd=counts.cost_usd,
            seconds=row.seconds + (self._clock.monotonic_us() - began_us) / 1e6,
        )
        self._store.register.finish(row.number, ending)
        return Outcome(row, ending)
