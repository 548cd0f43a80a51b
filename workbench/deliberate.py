"""Deliberating: sessions of a store handed to the engine's loop, and their ends recorded.

Both `ask` and `amplify` go through here; from Python there is `amplify`, which returns the answer
with its trace.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from decomposition.loop import Loop
from decomposition.ports import Authorship, Reins
from decomposition.session import Session
from decomposition.setting import Setting
from traces.record import Ending, SessionRecord, Status
from traces.store import Store
from workbench.account import CallLimit
from workbench.clock import SystemClock
from workbench.doings import counted
from workbench.specs import Cast
from workbench.wiring import Posed


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
    """

    def __init__(
        self,
        store: Store,
        account: CallLimit,
        *,
        on_progress: Callable[[Sequence[Session]], None] | None = None,
        on_end: Callable[[Outcome], None] | None = None,
        keep: bool = False,
        reins: Reins | None = None,
    ) -> None:
        self._store = store
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
            on_commit=self._on_progress,
            on_finish=self._finished,
        )
        left = await loop.run(map(self._session, tasks), at_once, self._reins)
        return [self._stopped(each) for each in left]

    def _session(self, task: Task) -> Session:
        row, setting = task.row, task.setting
        now = self._clock.monotonic_us()
        engine = Authorship("", "engine", self._clock.wall_us(), now)
        joinable = self._store if setting.joins == "shared" else None
        session = Session(row.number, setting, engine, joinable, keep=self._keep)
        self._begun[row.number] = (row, now)
        if row.count:
            session.resume(self._store.entries(row.number))
            session.counts = counted(self._store.records(row.number))
        elif task.posed is not None:
            session.begin(task.posed.message, task.posed.fuel, task.cast.samples, task.cast.rule)
        return session

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
