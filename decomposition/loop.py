"""The loop: hands batches of ready workspaces to answerers and events to the sink.

One async loop works any number of sessions. A turn of the loop decides what needs no
answerer, commits all that is staged in one transaction, and only then shows views. There is
no task per workspace: an answerer gets many views in one call.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from msgspec import Struct

from decomposition.actions import Given
from decomposition.answerers.base import Answerer
from decomposition.answerers.foreign import acted, told
from decomposition.errors import EngineBug, Fenced, RunStopped, TransientFault
from decomposition.memo import actions, audited, choose, keeps
from decomposition.message import Broke, Failure
from decomposition.node import Node
from decomposition.ports import (
    Account,
    Authorship,
    Clock,
    EventSink,
    Halt,
    MemoStore,
    MemoTurn,
    Reins,
    Reusable,
    Written,
)
from decomposition.session import Seat, Session
from decomposition.view import View

RETRIES = 5
"""How often a call is tried again after a fault that may pass."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
LOOK_S = 0.5
"""How long calls are waited for until it is looked at what has been halted meanwhile."""
CALM = (50_000, 20, 50)
"""Collector thresholds while the loop runs: evicted nodes break their cycles themselves, so
frequent collections would only walk what is alive."""


class Job(Struct):
    """One workspace in a batch."""

    session: Session
    node: Node
    seat: Seat
    view: View
    audit: MemoTurn | None = None
    """The recorded turn that this call is compared with."""


class Flight(Struct):
    """Calls under way: one answerer, several workspaces."""

    jobs: list[Job]
    task: "asyncio.Task[tuple[list[Given], int]]"


class Loop:
    """Works sessions until all are finished, or the account allows no more calls.

    What the account refuses is left undone, not failed: no event stands for it, so the session
    can go on from there once more may be spent.

    What is halted is left undone in the same way, and so are sessions that others took over.

    Args:
        sink: Where events become durable.
        clock: Time for the record.
        account: What may be spent; None for no limit.
        memo: Recorded turns; None to use none.
        width: Workspaces that one turn of the loop takes at most.
        concurrency: Calls under way at most, for answerers that wait.
        on_commit: Called after every commit, with the sessions that it touched.
        on_finish: Called once for each session whose last event is committed.
    """

    def __init__(
        self,
        sink: EventSink,
        clock: Clock,
        *,
        account: Account | None = None,
        memo: MemoStore | None = None,
        width: int = 256,
        concurrency: int = 8,
        on_commit: Callable[[Sequence[Session]], None] | None = None,
        on_finish: Callable[[Session], None] | None = None,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._account = account
        self._memo = memo
        self._reins: Reins | None = None
        self._width = width
        self._concurrency = concurrency
        self._on_commit = on_commit
        self._on_finish = on_finish
        self._open: list[Session] = []
        self._flights: list[Flight] = []
        self._refused = False
        """Whether the account refused a call; from then on it is not asked again."""
        self._stopping: Halt | None = None
        """Whether all is halted: then nothing more is begun, and the loop ends."""
        self._halted: set[int] = set()
        """Open sessions of which something is halted."""
        self._left: list[Session] = []
        """Sessions of which nothing else is left to do than what is halted."""

    async def run(
        self, sessions: Iterator[Session], at_once: int = 1, reins: Reins | None = None
    ) -> list[Session]:
        """Work sessions, `at_once` at a time; those that did not finish.

        Once the account refuses a call no more sessions are taken, and what needs no call is
        still done. Sessions that others took over are in no list.

        Args:
            sessions: Asked for one more whenever there is room, also after it had none.
            at_once: Sessions that share a turn of the loop.
            reins: What of them others have halted; None where nobody can.

        Raises:
            RunStopped: The store or an answerer cannot go on; what was committed stays.
        """
        self._reins = reins
        thresholds = gc.get_threshold()
        gc.set_threshold(*CALM)
        try:
            while self._admit(sessions, at_once):
                await self._obey()
                engine = Authorship("", "engine", self._clock.wall_us(), self._clock.monotonic_us())
                for session in self._open:
                    session.absorb(engine)
                await self._commit()
                self._dismiss()
                if self._at_an_end:
                    break
                await self._act_on()
            return self._open + self._left
        finally:
            gc.set_threshold(*thresholds)
            for flight in self._flights:
                flight.task.cancel()
            await asyncio.gather(*(f.task for f in self._flights), return_exceptions=True)
            self._flights = []

    def _admit(self, sessions: Iterator[Session], at_once: int) -> bool:
        while len(self._open) < at_once and not self._refused and self._stopping is None:
            session = next(sessions, None)
            if session is None:
                break
            self._open.append(session)
        return bool(self._open)

    @property
    def _at_an_end(self) -> bool:
        """Whether nothing more will be done, although sessions are open or could be had."""
        if self._flights:
            return False
        return self._stopping is not None or (self._refused and not self._moving)

    # -- what others decide ------------------------------------------------------------------

    async def _obey(self) -> None:
        """Look what is halted, and give up the calls under way of what is cancelled."""
        if self._reins is None:
            return
        self._stopping = self._stopping or self._reins.stopping()
        await self._give_up([f for f in self._flights if self._is_cancelled(f)])

    def _is_cancelled(self, flight: Flight) -> bool:
        return self._stopping == "cancelled" or any(
            [self._halt_of(job.session, job.node) == "cancelled" for job in flight.jobs]
        )

    def _halt_of(self, session: Session, node: Node) -> Halt | None:
        """Whether a workspace is halted; if so, its session cannot finish."""
        halt = self._reins.halted(session.number, node.path) if self._reins is not None else None
        if halt is not None:
            self._halted.add(session.number)
        return halt

    async def _give_up(self, flights: list[Flight]) -> None:
        """End calls that are under way; nobody learns what came of them."""
        for flight in flights:
            flight.task.cancel()
            self._flights.remove(flight)
        await asyncio.gather(*(flight.task for flight in flights), return_exceptions=True)

    async def _drop(self, lost: frozenset[int]) -> None:
        """Let go of sessions that others have taken over: nothing of them takes effect here."""
        self._open = [session for session in self._open if session.number not in lost]
        ours = [{job.session.number for job in flight.jobs} for flight in self._flights]
        gone = [f for f, numbers in zip(self._flights, ours, strict=True) if numbers & lost]
        await self._give_up(gone)

    # -- turns of the loop -------------------------------------------------------------------

    async def _commit(self) -> None:
        """Make all that is staged durable, in one transaction."""
        while True:
            try:
                await self._commit_staged()
            except Fenced as fenced:
                await self._drop(fenced.sessions)
            else:
                return

    async def _commit_staged(self) -> None:
        touched = [session for session in self._open if session.staged]
        if not touched:
            return
        written = [Written(each.number, each.committed, each.staged) for each in touched]
        memo = [turn for each in touched for turn in each.reusable_turns]
        joins = [answer for each in touched for answer in each.reusable_answers]
        await self._sink.commit(written, Reusable(memo, joins))
        for session in touched:
            session.committed += len(session.staged)
            session.staged, session.reusable_turns, session.reusable_answers = [], [], []
        if self._on_commit is not None:
            self._on_commit(touched)

    def _dismiss(self) -> None:
        """Let go of the sessions that are finished and committed, or halted."""
        if self._halted:
            self._leave()
        if not any([session.finished for session in self._open]):
            return
        finished = [session for session in self._open if session.finished]
        self._open = [session for session in self._open if not session.finished]
        for session in finished:
            if self._on_finish is not None:
                self._on_finish(session)

    def _leave(self) -> None:
        """Let go of the sessions of which nothing is left to do but what is halted."""
        flying = {job.session.number for flight in self._flights for job in flight.jobs}
        stuck = [
            session
            for session in self._open
            if session.number in self._halted.difference(flying)
            and not (session.moving or session.finished)
        ]
        self._left += stuck
        self._open = [session for session in self._open if session not in stuck]

    # -- acting ------------------------------------------------------------------------------

    async def _act_on(self) -> None:
        """Act; where the run must stop, what was given by then is committed first.

        Raises:
            RunStopped: As `run`.
        """
        try:
            await self._act()
        except RunStopped:
            with suppress(RunStopped):
                await self._land(wait=False)
            with suppress(RunStopped):
                await self._commit()
            raise

    async def _act(self) -> None:
        """Show views and take turns: at once from answerers that do not wait."""
        jobs = self._automated(self._gathered()) if self._stopping is None else []
        jobs = self._paid(jobs)
        instant: dict[int, list[Job]] = {}
        for job in jobs:
            if job.seat.answerer.instant:
                instant.setdefault(id(job.seat.answerer), []).append(job)
            else:
                self._launch([job])
        for batch in instant.values():
            started = self._clock.monotonic_us()
            givens = await self._asked(batch)
            self._settle(batch, givens, self._clock.monotonic_us() - started)
        if not jobs or self._flights:
            staged = any([session.staged for session in self._open])
            await self._land(wait=not instant and not staged)

    def _gathered(self) -> list[Job]:
        """The next workspaces of the open sessions, each with its view."""
        room = self._width
        free = self._concurrency - len(self._flights)
        jobs: list[Job] = []
        for session in self._open:
            for node in session.take(room):
                seat = node.seat
                if self._reins is not None and self._halt_of(session, node) is not None:
                    continue
                if not seat.answerer.instant:
                    if free <= 0:
                        session.put_back(node)
                        continue
                    free -= 1
                jobs.append(Job(session, node, seat, session.view_of(node)))
            room = self._width - len(jobs)
            if room <= 0:
                break
        return jobs

    def _automated(self, jobs: list[Job]) -> list[Job]:
        """Use recorded turns where the setting wants it; the jobs that are left to ask."""
        if self._memo is None or not any([each.setting.memo for each in self._open]):
            return jobs
        found = self._memo.turns([job.view.key for job in jobs])
        left: list[Job] = []
        under_way = {job.view.key for flight in self._flights for job in flight.jobs}
        for job, turns in zip(jobs, found, strict=True):
            setting, key = job.session.setting, job.view.key
            turn = choose(turns, setting.memo_choice, setting.seed, key) if setting.memo else None
            if turn is None and setting.memo and key in under_way:
                job.session.put_back(job.node)
                continue
            under_way.add(key)
            if turn is not None and audited(setting.audit, setting.seed, key):
                job.audit = turn
            elif turn is not None and self._reused(job, turn):
                continue
            left.append(job)
        return left

    def _reused(self, job: Job, turn: MemoTurn) -> bool:
        given = actions(turn.entries)
        if given is None:
            return False
        job.session.counts.memo_hits += 1
        authorship = Authorship(
            job.seat.answerer.identity,
            f"memo-of-{turn.author}",
            self._clock.wall_us(),
            self._clock.monotonic_us(),
            origin=turn.origin,
        )
        job.session.act(job.node, given, authorship)
        return True

    def _paid(self, jobs: list[Job]) -> list[Job]:
        """The jobs that may be spent on; the others are left undone."""
        if self._account is None:
            return jobs
        priced = [job for job in jobs if job.seat.role != "primitive"]
        allowed = 0 if self._refused else self._account.allow(len(priced))
        if allowed >= len(priced):
            return jobs
        self._refused = True
        over = {id(job) for job in priced[allowed:]}
        return [job for job in jobs if id(job) not in over]

    def _launch(self, jobs: list[Job]) -> None:
        self._flights.append(Flight(jobs, asyncio.create_task(self._timed(jobs))))

    async def _timed(self, jobs: list[Job]) -> tuple[list[Given], int]:
        started = self._clock.monotonic_us()
        givens = await self._asked(jobs)
        return givens, self._clock.monotonic_us() - started

    @property
    def _moving(self) -> bool:
        return any(each.moving for each in self._open)

    async def _land(self, *, wait: bool) -> None:
        """Take the turns of the calls that are done; wait for one if there is nothing else.

        Raises:
            RunStopped: One of the calls cannot go on; the turns of the others are taken.
        """
        if not self._flights:
            stuck = wait and self._open and not self._moving
            if stuck and not (self._refused or self._halted or self._stopping):
                raise EngineBug("open sessions, and nothing that anybody could do")
            return
        tasks = [flight.task for flight in self._flights]
        limit_s = 0 if not wait else None if self._reins is None else LOOK_S
        await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        landed = [flight for flight in self._flights if flight.task.done()]
        self._flights = [flight for flight in self._flights if not flight.task.done()]
        fault: BaseException | None = None
        for flight in landed:
            error = flight.task.exception()
            if error is not None:
                fault = fault or error
                continue
            givens, duration_us = flight.task.result()
            self._settle(flight.jobs, givens, duration_us)
        if fault is not None:
            raise fault

    # -- asking an answerer ------------------------------------------------------------------

    async def _asked(self, jobs: list[Job]) -> list[Given]:
        """Turns for a batch; faults that may pass are waited out.

        Raises:
            RunStopped: The fault did not pass.
        """
        answerer = jobs[0].seat.answerer
        limit = jobs[0].session.setting.timeout_s
        views = [job.view for job in jobs]
        pause_s = FIRST_PAUSE_S
        for left in reversed(range(RETRIES)):
            try:
                if limit is None:
                    return await self._tried(answerer, views)
                return await self._tried_in_time(answerer, views, limit)
            except TransientFault as fault:
                if not left:
                    raise RunStopped(f"{answerer.identity} does not answer: {fault}") from fault
                await self._clock.sleep(min(fault.retry_after_s or pause_s, LONGEST_PAUSE_S))
                pause_s *= 2
        raise EngineBug("the last try neither answered nor raised")

    async def _tried_in_time(
        self, answerer: Answerer, views: Sequence[View], limit: float
    ) -> list[Given]:
        """Turns for a batch, or time-outs; foreign code is asked for one view at a time."""
        if answerer.file and len(views) > 1:
            return [(await self._tried_in_time(answerer, [view], limit))[0] for view in views]
        late: list[Given] = [Failure("timeout", "the answerer took longer than it may")]
        loop = asyncio.get_running_loop()
        until = loop.time() + limit * len(views)
        try:
            async with asyncio.timeout_at(until):
                givens = await self._tried(answerer, views, apart=True)
        except TimeoutError:
            return late * len(views)
        return givens if loop.time() <= until else late * len(views)

    async def _tried(
        self, answerer: Answerer, views: Sequence[View], *, apart: bool = False
    ) -> list[Given]:
        try:
            given = acted(answerer, views, apart=apart) if answerer.file else answerer.act(views)
            givens = list(await given)
        except (TransientFault, RunStopped, EngineBug):
            raise
        # A user's answerer may raise anything, and end neither the run nor the program by it.
        except (Exception, SystemExit, GeneratorExit, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                raise
            if len(views) == 1:
                return [_broke(answerer, error)]
            return [(await self._tried(answerer, [view], apart=apart))[0] for view in views]
        if len(givens) != len(views):
            wrong: Given = Failure("answerer", "the answerer gave too few or too many turns")
            return [wrong] * len(views)
        return givens

    def _settle(self, jobs: list[Job], givens: Sequence[Given], duration_us: int) -> None:
        """Stage the turns of a batch."""
        each_us = duration_us // len(jobs)
        shared: dict[int, Authorship] = {}
        for job, given in zip(jobs, givens, strict=True):
            session, seat = job.session, job.seat
            authorship = shared.get(id(seat))
            if authorship is None:
                authorship = shared[id(seat)] = self._authorship(job, each_us)
            if seat.role == "primitive":
                session.counts.lookups += 1
            else:
                session.counts.calls += 1
            before = len(session.staged)
            key = b""
            if session.setting.memo and seat.role != "primitive":
                key = job.view.key if keeps(job.view, job.node.workspace.bound) else b""
            session.act(job.node, given, authorship, key)
            if job.audit is not None and len(session.staged) > before:
                fresh = [(p, e) for p, e, by in session.staged[before:] if by is authorship]
                session.audit(job.node.path, job.audit, fresh)

    def _authorship(self, job: Job, duration_us: int) -> Authorship:
        return Authorship(
            job.seat.answerer.identity,
            job.seat.answerer.author,
            self._clock.wall_us(),
            self._clock.monotonic_us(),
            duration_us,
        )


def _broke(answerer: Answerer, error: BaseException) -> Given:
    """The failure that stands for an answerer's own error."""
    kind = type(error).__name__
    return Broke("answerer", f"the answerer broke ({kind})", detail=told(error, answerer.file))
