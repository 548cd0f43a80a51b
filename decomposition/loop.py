"""The loop: hands batches of ready workspaces to answerers and events to the sink.

One async loop works any number of sessions. A turn of the loop decides what needs no
answerer, commits all that is staged in one transaction, and only then shows views. There is
no task per workspace: an answerer gets many views in one call. A call that waits leaves once the
commit holds all that its view rests on, and the intent to pay for it.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from decomposition.actions import Given
from decomposition.asking import LONGEST_PAUSE_S, RETRIES, asked
from decomposition.errors import EngineBug, Fenced, RunStopped
from decomposition.flights import Call, Came, Flight, Flights, Job, Landing
from decomposition.memo import actions, audited, choose, keeps
from decomposition.node import Node
from decomposition.paying import Paying, called, pause_s, provider_of
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
    Ungranted,
    Written,
)
from decomposition.session import Session
from decomposition.spend import NO_USAGE, Usage

LOOK_S = 0.5
"""How long calls are waited for until it is looked at what has been halted meanwhile."""
_LEAST_AT_ONCE = 8
_PARTS = 4
"""Calls that left together land together. Taken in parts, the first are followed by new ones
while the rest is still worked on, and from then on they land one part after the other."""
CALM = (50_000, 20, 50)
"""Collector thresholds while the loop runs: evicted nodes break their cycles themselves, so
frequent collections would only walk what is alive."""


class Loop:
    """Works sessions until all are finished, or the account allows no more calls.

    What the account refuses is left undone, not failed: no event stands for it, so the session
    can go on from there once more may be spent.

    What is halted is left undone in the same way, and so are sessions that others took over.

    Args:
        sink: Where events become durable.
        clock: Time for the record, and for pauses.
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
        self._at_once = max(_LEAST_AT_ONCE, concurrency // _PARTS)
        """Calls of which one turn of the loop takes what came of them."""
        self._on_commit = on_commit
        self._on_finish = on_finish
        self.longest_pause_s = LONGEST_PAUSE_S
        """How long a provider may have us wait; the run stops, resumable, where it wants more."""
        self._open: list[Session] = []
        self._flights = Flights()
        self._paying = Paying(account, clock)
        self._refused = False
        """Whether the account refused a call; from then on it is not asked again."""
        self._stopping: Halt | None = None
        """Whether all is halted: then nothing more is begun, and the loop ends."""
        self._partial: set[int] = set()
        """Open sessions that cannot finish: something of them is halted, or over their cap."""
        self._capped: set[int] = set()
        """Those of them that are over their cap."""
        self._winding_up = False
        self._left: list[Session] = []
        """Sessions of which nothing is left to do that may be done."""

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
                # A memo is asked after the commit, which may hold what it is asked for.
                if not self._remembers:
                    self._take()
                await self._commit()
                self._dismiss()
                if self._at_an_end:
                    break
                await self._act_on()
            return self._open + self._left
        except asyncio.CancelledError:
            await self._keep_what_landed()
            raise
        finally:
            gc.set_threshold(*thresholds)
            await self._flights.give_up(list(self._flights))

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
        if self._flights.calls or self._paying.due:
            return False
        return self._stopping is not None or (self._refused and not self._moving)

    # -- what others decide ------------------------------------------------------------------

    async def _obey(self) -> None:
        """Look what is halted, and give up the calls under way of what is cancelled."""
        if self._reins is None:
            return
        self._stopping = self._stopping or self._reins.stopping()
        await self._give_up([each for each in self._flights if self._is_cancelled(each)])

    def _is_cancelled(self, flight: Flight) -> bool:
        job = flight.job
        if job is None:
            return False
        halted = self._halt_of(job.session, job.node) == "cancelled"
        return halted or self._stopping == "cancelled"

    def _halt_of(self, session: Session, node: Node) -> Halt | None:
        """Whether a workspace is halted; if so, its session cannot finish."""
        halt = self._reins.halted(session.number, node.path) if self._reins is not None else None
        if halt is not None:
            self._partial.add(session.number)
        return halt

    async def _give_up(self, flights: list[Flight]) -> None:
        """End calls that are under way; nobody learns what came of them, or what they cost."""
        await self._flights.give_up(flights)
        for flight in flights:
            if flight.intent is not None:
                self._paying.abandon(flight.intent)

    async def _drop(self, lost: frozenset[int]) -> None:
        """Let go of sessions that others have taken over: nothing of them takes effect here."""
        self._open = [session for session in self._open if session.number not in lost]
        await self._give_up([each for each in self._flights if _is_of(each, lost)])
        self._paying.drop(lost)

    # -- turns of the loop -------------------------------------------------------------------

    async def _commit(self) -> None:
        """Make all that is staged durable, in one transaction; then let calls leave."""
        while True:
            try:
                await self._commit_staged()
            except Fenced as fenced:
                if not fenced.sessions:
                    raise
                await self._drop(fenced.sessions)
            else:
                return

    async def _commit_staged(self) -> None:
        touched = [session for session in self._open if session.staged]
        dues = self._paying.dues()
        if touched or dues.intents or dues.receipts:
            written = [Written(each.number, each.committed, each.staged) for each in touched]
            memo = [turn for each in touched for turn in each.reusable_turns]
            joins = [answer for each in touched for answer in each.reusable_answers]
            ungranted = await self._sink.commit(written, Reusable(memo, joins), dues)
            for session in touched:
                session.committed += len(session.staged)
                session.staged, session.reusable_turns, session.reusable_answers = [], [], []
            self._leave_with(ungranted)
        elif self._paying.due:
            self._leave_with({})
        if touched and self._on_commit is not None:
            self._on_commit(touched)

    def _leave_with(self, ungranted: Ungranted) -> None:
        """Let calls leave that rest on what is committed now."""
        for call, without in self._paying.committed(ungranted):
            job, intent = call.job, call.intent
            if without:
                # What others reserved may come back, as long as something is under way.
                shared = without == "run" and self._flights.paid > 0
                self._without_room(job, "later" if shared else without)
            elif intent is None:
                self._flights.launch(self._timed(job), job)
            else:
                self._flights.launch(self._attempted(job, intent.call), job, intent=intent)

    def _dismiss(self) -> None:
        """Let go of the sessions that are finished and committed, or cannot finish."""
        if self._partial:
            self._leave()
        if not any([session.finished for session in self._open]):
            return
        finished = [session for session in self._open if session.finished]
        self._open = [session for session in self._open if not session.finished]
        for session in finished:
            if self._on_finish is not None:
                self._on_finish(session)

    def _leave(self) -> None:
        """Let go of the sessions of which nothing is left to do that may be done."""
        flying = {flight.job.session.number for flight in self._flights if flight.job is not None}
        flying |= self._paying.sessions
        stuck = [
            session
            for session in self._open
            if session.number in self._partial.difference(flying)
            and not (session.moving or session.finished)
        ]
        self._left += stuck
        self._open = [session for session in self._open if session not in stuck]

    # -- stopping ----------------------------------------------------------------------------

    async def _act_on(self) -> None:
        """Act; where the run must stop, what was given by then is committed first.

        Raises:
            RunStopped: As `run`.
        """
        try:
            await self._act()
        except RunStopped:
            await self._wind_up()
            raise

    async def _wind_up(self) -> None:
        """Begin nothing more; wait for what is paid for, and commit what has landed."""
        self._begin_no_more()
        while True:
            with suppress(RunStopped):
                await self._land(wait=self._flights.paid > 0)
            if not self._flights.paid:
                break
        with suppress(RunStopped):
            await self._commit()

    def _begin_no_more(self) -> None:
        self._winding_up = True
        self._at_once = len(self._flights) + 1
        self._paying.cancel_due()

    async def _keep_what_landed(self) -> None:
        """Commit what has landed, and wait for nothing."""
        self._begin_no_more()
        with suppress(RunStopped):
            await self._land(wait=False)
        with suppress(RunStopped):
            await self._commit()

    # -- acting ------------------------------------------------------------------------------

    async def _act(self) -> None:
        """Show views and take turns: at once from answerers that do not wait."""
        if self._remembers:
            self._take()
        instant: dict[int, list[Job]] = {}
        jobs = self._allowed(self._automated(self._gathered()))
        for job in jobs:
            instant.setdefault(id(job.seat.answerer), []).append(job)
        for batch in instant.values():
            started = self._clock.monotonic_us()
            seat, setting = batch[0].seat, batch[0].session.setting
            views = [job.view for job in batch]
            givens = await asked(seat.answerer, views, setting.timeout_s, self._clock)
            self._settle(batch, givens, self._clock.monotonic_us() - started)
        if not jobs or self._flights:
            staged = any([session.staged for session in self._open])
            await self._land(wait=not (jobs or staged or self._paying.due))

    def _gathered(self) -> list[Job]:
        """The next workspaces whose answerers do not wait, each with its view."""
        jobs: list[Job] = []
        if self._stopping is not None:
            return jobs
        room = self._width
        for session in self._open:
            jobs += [
                Job(session, node, node.seat, session.view_of(node))
                for node in session.take(room)
                if self._reins is None or self._halt_of(session, node) is None
            ]
            room = self._width - len(jobs)
            if room <= 0:
                break
        return jobs

    def _automated(self, jobs: list[Job]) -> list[Job]:
        """Use recorded turns where the setting wants it; the jobs that are left to ask."""
        if self._memo is None or not self._remembers:
            return jobs
        found = self._memo.turns([job.view.key for job in jobs])
        left: list[Job] = []
        under_way = {flight.job.view.key for flight in self._flights if flight.job is not None}
        under_way |= self._paying.keys
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

    @property
    def _remembers(self) -> bool:
        """Whether recorded turns may be used."""
        return self._memo is not None and any([each.setting.memo for each in self._open])

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

    def _allowed(self, jobs: list[Job]) -> list[Job]:
        """The unpaid jobs that may be spent on; the others are left undone."""
        if self._account is None:
            return jobs
        priced = [job for job in jobs if job.seat.role != "primitive"]
        if not priced:
            return jobs
        allowed = 0 if self._refused else self._account.allow(len(priced))
        if allowed >= len(priced):
            return jobs
        self._refused = True
        over = {id(job) for job in priced[allowed:]}
        return [job for job in jobs if id(job) not in over]

    # -- calls that wait ---------------------------------------------------------------------

    def _take(self) -> None:
        """Take as many workspaces whose answerers wait as calls may be under way."""
        free = self._concurrency - self._flights.calls - len(self._paying.due)
        if free <= 0 or self._stopping is not None:
            return
        for job in self._paying.rested(free):
            free -= self._begin(job)
        if free > 0:
            for job in self._automated(self._waiting(free)):
                self._begin(job)

    def _waiting(self, room: int) -> list[Job]:
        """The next workspaces whose answerers wait and may be asked now."""
        jobs: list[Job] = []
        for session in self._open:
            if session.number in self._capped:
                session.drop_waiting()
            aside: list[Node] = []
            while room > len(jobs) and (nodes := session.take_waiting(room - len(jobs))):
                for node in nodes:
                    if self._paying.is_held(node.seat.answerer):
                        aside.append(node)
                    elif self._reins is None or self._halt_of(session, node) is None:
                        jobs.append(Job(session, node, node.seat, session.view_of(node)))
            for node in aside:
                session.put_back(node)
            if room <= len(jobs):
                break
        return jobs

    def _begin(self, job: Job) -> bool:
        """Have a call leave with the next commit, if it may; whether it will."""
        workspace = job.node.workspace
        if workspace.outcome is not None or job.session.number in self._capped:
            return False
        if self._paying.is_held(job.seat.answerer):
            self._back(job)
            return False
        if self._refused:
            return False
        if not job.seat.answerer.paid:
            if not self._allowed([job]):
                return False
            self._paying.due.append(Call(job))
            return True
        permit = self._paying.reserve(job)
        if permit.kind == "wait":
            self._hold(job, permit.wait_s)
            self._back(job)
        elif permit.kind != "go":
            self._without_room(job, permit.kind)
        return permit.kind == "go"

    def _back(self, job: Job) -> None:
        """Leave a job that was taken for a later turn of the loop."""
        if job.attempt > 1 or job.audit is not None:
            self._paying.again.append(job)
        else:
            job.session.put_back(job.node)

    def _without_room(self, job: Job, whose: str) -> None:
        """Leave a job for which a cap has no room: for good, or until calls under way landed."""
        if whose == "later":
            self._back(job)
        elif whose == "session":
            self._partial.add(job.session.number)
            self._capped.add(job.session.number)
        else:
            self._refused = True

    def _hold(self, job: Job, seconds: float) -> None:
        """Let no new call of the job's provider leave for so long."""
        provider = provider_of(job.seat.answerer)
        self._paying.hold(provider)
        self._flights.launch(self._paused(seconds), provider=provider)

    async def _paused(self, seconds: float) -> Landing:
        await self._clock.sleep(seconds)
        return Landing()

    async def _timed(self, job: Job) -> Landing:
        started = self._clock.monotonic_us()
        limit_s = job.session.setting.timeout_s
        givens = await asked(job.seat.answerer, [job.view], limit_s, self._clock)
        return Landing(givens, self._clock.monotonic_us() - started)

    async def _attempted(self, job: Job, call: str) -> Landing:
        started = self._clock.monotonic_us()
        came = await called(job, call)
        return Landing((), self._clock.monotonic_us() - started, came)

    @property
    def _moving(self) -> bool:
        return any(each.moving for each in self._open)

    # -- landing -----------------------------------------------------------------------------

    async def _land(self, *, wait: bool) -> None:
        """Take what came of the calls that are done; wait for one if there is nothing else.

        Raises:
            RunStopped: One of the calls cannot go on; the turns of the others are taken.
        """
        if not self._flights:
            stuck = wait and self._open and not self._moving
            if stuck and not (self._refused or self._partial or self._stopping):
                raise EngineBug("open sessions, and nothing that anybody could do")
            return
        await self._flights.arrival(0 if not wait else None if self._reins is None else LOOK_S)
        if self._winding_up:
            self._flights.look()
        fault: BaseException | None = None
        for flight in self._flights.landed(self._at_once):
            error = flight.task.exception()
            if error is None:
                error = self._landed(flight, flight.task.result())
            fault = fault or error
        if fault is not None:
            raise fault

    def _landed(self, flight: Flight, landing: Landing) -> BaseException | None:
        """Take what came of a flight; why the run must stop, if it must."""
        job = flight.job
        if job is None:
            self._paying.release(flight.provider)
        elif flight.resting:
            self._paying.again.append(job)
        elif flight.intent is None or landing.came is None:
            self._settle([job], landing.givens, landing.duration_us)
        else:
            return self._settle_paid(flight, job, landing.came, landing.duration_us)
        return None

    def _settle_paid(
        self, flight: Flight, job: Job, came: Came, duration_us: int
    ) -> BaseException | None:
        """Stage what came of a paid call, and its receipt; why the run must stop, if it must."""
        session, event = job.session, None
        session.counts.tokens += (came.usage.tokens_in or 0) + (came.usage.tokens_out or 0)
        session.counts.cost_usd += came.usage.cost_usd or 0.0
        if came.given is not None:
            first = session.committed + len(session.staged)
            self._settle([job], [came.given], duration_us, came.usage)
            event = first if session.committed + len(session.staged) > first else None
        if flight.intent is not None:
            self._paying.settle(flight.intent, came, duration_us, event)
        return self._tried_again(job, came) if came.standing == "transient" else came.stopped

    def _tried_again(self, job: Job, came: Came) -> RunStopped | None:
        """Have a job wait for its next try; why the run must stop instead, if it must."""
        who, asked_s = provider_of(job.seat.answerer), came.retry_after_s
        if asked_s is not None and asked_s > self.longest_pause_s:
            return RunStopped(
                f"{who} asks to wait {asked_s:g} s before the next call, longer than the "
                f"{self.longest_pause_s:g} s that a run waits; resume it after that ({came.fault})"
            )
        if job.attempt >= RETRIES:
            return RunStopped(f"{who} does not answer, tried {RETRIES} times: {came.fault}")
        if self._winding_up:
            return None
        if asked_s is not None:
            self._hold(job, asked_s)
        rest = self._paused(pause_s(job, asked_s))
        job.attempt += 1
        self._flights.launch(rest, job, resting=True)
        return None

    def _settle(
        self,
        jobs: list[Job],
        givens: Sequence[Given],
        duration_us: int,
        usage: Usage = NO_USAGE,
    ) -> None:
        """Stage the turns of a batch."""
        each_us = duration_us // len(jobs)
        shared: dict[int, Authorship] = {}
        for job, given in zip(jobs, givens, strict=True):
            session, seat = job.session, job.seat
            authorship = shared.get(id(seat))
            if authorship is None:
                authorship = shared[id(seat)] = self._authorship(job, each_us, usage)
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

    def _authorship(self, job: Job, duration_us: int, usage: Usage) -> Authorship:
        return Authorship(
            job.seat.answerer.identity,
            job.seat.answerer.author,
            self._clock.wall_us(),
            self._clock.monotonic_us(),
            duration_us,
            usage.tokens_in,
            usage.tokens_out,
            usage.cost_usd,
        )


def _is_of(flight: Flight, sessions: frozenset[int]) -> bool:
    return flight.job is not None and flight.job.session.number in sessions
