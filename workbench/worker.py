"""Workers: processes that work one run together, each on the sessions that it claims."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from decomposition.session import Session
from traces.claims import Claims, seated
from traces.errors import StoreBusy
from traces.record import FINISHED, RunRecord, SessionRecord
from traces.store import Store, now_us
from workbench.account import Account
from workbench.deliberate import Deliberation, Outcome, Task
from workbench.halts import Watch
from workbench.safe_output import many

QUICK_S: Final = 0.5
"""Whoever claims again so soon claims more at once; others leave what they cannot begin."""
PAUSE_S: Final = 0.5
"""How long to wait until it is looked again whether something can be claimed."""

SAY_S: Final = 5.0
"""How often to say for what is waited."""

Reason = Literal["complete", "capped", "paused", "cancelled", "halted"]
"""All is finished, a cap was reached, somebody halted the run, or all that is left of it."""


class Share(Iterator[Task]):
    """The tasks that this process claims of a run; asked again later, it may have more.

    Args:
        at_once: Sessions that are worked at once here.
        task_of: What there is to do in a session.
    """

    def __init__(
        self, claims: Claims, at_once: int, task_of: Callable[[SessionRecord], Task]
    ) -> None:
        self._claims = claims
        self._at_once = at_once
        self._task_of = task_of
        self._chunk = 1
        self._waiting: list[SessionRecord] = []
        self._claimed_at = float("-inf")
        self._vain = False

    def __next__(self) -> Task:
        """The next task.

        Raises:
            StopIteration: There is none now.
        """
        if not self._waiting:
            self._claim()
        while self._waiting:
            row = self._waiting.pop(0)
            if not self._claims.is_lost(row.number):
                return self._task_of(row)
        raise StopIteration

    def _claim(self) -> None:
        now = time.monotonic()
        since_s = now - self._claimed_at
        if self._vain and since_s < PAUSE_S:
            return
        self._chunk = min(self._at_once, 2 * self._chunk) if since_s < QUICK_S else 1
        self._claimed_at = now
        room = max(1, self._at_once - self._claims.held)
        try:
            self._waiting = self._claims.claim(max(room, self._chunk))
        except StoreBusy:
            if not self._claims.held:
                raise
        else:
            self._vain = not self._waiting


class Shared(Struct, frozen=True):
    """How this process's part of a run ended."""

    reason: Reason
    worked: int
    """Sessions that ended here."""


def _ignored(_: object) -> None:
    """Nobody looks on."""


class Onlookers(Struct, frozen=True):
    """Who is told how the work goes on."""

    on_account: Callable[[Account], None] = _ignored
    """Gets the account of the run before anything is spent."""
    on_progress: Callable[[Sequence[Session]], None] = _ignored
    """Called after every commit with the sessions that it touched."""
    on_end: Callable[[Outcome], None] = _ignored
    on_wait: Callable[[dict[str, int]], None] = _ignored
    """Called now and then while only others have something to do, with the number of sessions
    by status."""


NOBODY: Final = Onlookers()


class Crew:
    """Works a run beside others until it is complete, or cannot go on here."""

    def __init__(
        self, store: Store, run: RunRecord, claims: Claims, looking: Onlookers = NOBODY
    ) -> None:
        self.looking = looking
        self.watch = Watch(store.database, run.number, claims)
        self._store = store
        self._run = run
        self._claims = claims
        claims.fences = store.ledger.fences
        self._left: set[int] = set()
        self._worked = 0

    def ended(self, outcome: Outcome) -> None:
        """A session ended here."""
        self._worked += 1
        self._claims.end(outcome.row.number)
        self.looking.on_end(outcome)

    def work(self, deliberation: Deliberation, share: Share, at_once: int, *, memo: bool) -> Shared:
        """Work until nothing is left that can be worked here; how it ended.

        Args:
            deliberation: Tells `ended` what ends.

        Raises:
            RunStopped: The store or an answerer cannot go on; what was committed stays.
        """
        while True:
            outcomes = deliberation.run(share, at_once=at_once, concurrency=at_once, memo=memo)
            reason = self._reason(outcomes) or self._standing()
            if reason is not None:
                self._store.flush()
                self._note(reason)
                return Shared(reason, self._worked)
            time.sleep(PAUSE_S)

    def _reason(self, outcomes: list[Outcome]) -> Reason | None:
        """Why sessions were left, where that ends the work here."""
        left = {each.row.number for each in outcomes}
        left = {number for number in left if not self._claims.is_lost(number)}
        for number in left:
            self._claims.leave(number)
        self._left |= left
        stopping = self.watch.stopping() or self.watch.stopped
        if stopping is not None:
            return stopping
        halted = {halt.session for halt in self.watch.halts()}
        return "capped" if left - halted else None

    def _standing(self) -> Reason | None:
        """How the run stands now; None while others have something to do."""
        counts = self._store.register.progress(self._run.number)
        unfinished = sum(count for status, count in counts.items() if status not in FINISHED)
        if not unfinished:
            return "complete"
        if unfinished <= len(self._left) and self._all_left():
            return "halted"
        self.looking.on_wait(counts)
        return None

    def _all_left(self) -> bool:
        """Whether nothing is unfinished but what was left here."""
        statuses = ("waiting", "running", "stopped")
        rows = self._store.register.sessions(self._run.number, statuses)
        return all(row.number in self._left for row in rows)

    def _note(self, reason: Reason) -> None:
        """Write how the run stands, unless others work it."""
        register = self._store.register
        run = register.find_run(self._run.name)
        if reason == "complete":
            if run.status != "finished":
                register.change_run(run.number, "finished", now_us())
        elif len(seated(self._store.database, run)) == 1:
            register.change_run(run.number, "stopped")


class Waiting:
    """Says now and then for what a worker waits that has nothing to do itself."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._last = float("-inf")

    def tell(self, counts: dict[str, int]) -> None:
        """Say how the run stands, at most every few seconds."""
        now = time.monotonic()
        if now - self._last < SAY_S:
            return
        self._last = now
        done = sum(counts.get(status, 0) for status in FINISHED)
        left = many(self._total - done, "question")
        sys.stderr.write(f"{done}/{self._total} questions · waiting for {left} of other workers\n")
        sys.stderr.flush()
