"""Paying: how a paid call goes, from its reserve to its receipt.

A call is reserved for in memory, its intent is committed, and only then it leaves: exactly one
request. What came of it is a receipt, which is committed together with the events that came of
it. A fault that may pass gets its receipt too, and the next try is a call of its own.
"""

import asyncio
from collections import Counter, deque
from secrets import token_hex
from typing import Final, cast

from msgspec.structs import replace

from decomposition.actions import Given, Unreadable
from decomposition.answerers.base import Answerer
from decomposition.asking import FIRST_PAUSE_S, LATE, broke, is_interrupted
from decomposition.errors import EngineBug, RunStopped, TransientFault
from decomposition.flights import Call, Came, Job
from decomposition.memo import draw
from decomposition.message import Broke, Failure
from decomposition.ports import GO, Account, Clock, Permit, Ungranted
from decomposition.spend import NO_DUES, NO_USAGE, Attempt, Dues, Intent, Receipt, Standing, Usage

NOTHING_USED: Final = Usage(0, 0, 0.0)
_CALL_BYTES: Final = 12
_MOST: Final = 10**9
"""Tokens or dollars that one call may report."""


class Paying:
    """Calls that are about to leave, and what came of those that have landed.

    Args:
        account: What may be spent; None for no limit.
    """

    def __init__(self, account: Account | None, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self.due: list[Call] = []
        """Calls that leave with the next commit; those that are not paid too."""
        self.again: deque[Job] = deque()
        """Jobs whose pause has ended."""
        self._receipts: list[Receipt] = []
        self._whose: dict[str, int] = {}
        """Sessions of the calls whose receipts these are."""
        self._held: Counter[str] = Counter()

    # -- before a call -----------------------------------------------------------------------

    def reserve(self, job: Job) -> Permit:
        """Reserve for a paid call; one that may leave is due."""
        answerer = job.seat.answerer
        estimate = answerer.estimate(job.view)
        session = job.session.number
        permit = GO
        if self._account is not None:
            permit = self._account.reserve(session, provider_of(answerer), estimate)
        if permit.kind == "go":
            call, path = f"c-{token_hex(_CALL_BYTES)}", job.node.path
            now = self._clock.wall_us()
            intent = Intent(call, session, path, answerer.identity, job.attempt, estimate, now)
            self.due.append(Call(job, intent))
        return permit

    def dues(self) -> Dues:
        """What the next commit writes into the ledger."""
        intents = [call.intent for call in self.due if call.intent is not None]
        if not intents and not self._receipts:
            return NO_DUES
        return Dues(intents, self._receipts)

    def committed(self, ungranted: Ungranted) -> list[tuple[Call, str]]:
        """All calls that were due, each with whose cap has no room for it; empty for none's."""
        due, self.due, self._receipts, self._whose = self.due, [], [], {}
        sorted_out: list[tuple[Call, str]] = []
        for each in due:
            without = ungranted.get(each.intent.call, "") if each.intent is not None else ""
            if without:
                self._undo(each)
            sorted_out.append((each, without))
        return sorted_out

    def cancel_due(self) -> None:
        """Let all calls be that have not left."""
        for each in self.due:
            self._undo(each)
        self.due = []

    def abandon(self, intent: Intent) -> None:
        """Count a call that was given up as its reserve; its line stays as of one under way."""
        if self._account is not None:
            self._account.settle(intent.session, intent.estimate, NO_USAGE)

    def drop(self, sessions: frozenset[int]) -> None:
        """Let everything be of sessions that others have taken over."""
        for each in self.due:
            if each.job.session.number in sessions:
                self._undo(each)
        self.due = [each for each in self.due if each.job.session.number not in sessions]
        self.again = deque(each for each in self.again if each.session.number not in sessions)
        kept = [each for each in self._receipts if self._whose.get(each.call) not in sessions]
        self._receipts = kept

    @property
    def sessions(self) -> set[int]:
        """Sessions of which a call is due, or a pause has ended."""
        jobs = [each.job for each in self.due]
        return {job.session.number for job in (*jobs, *self.again)}

    @property
    def keys(self) -> set[bytes]:
        """View keys of all these."""
        jobs = [each.job for each in self.due]
        return {job.view.key for job in (*jobs, *self.again)}

    def rested(self, room: int) -> list[Job]:
        """Jobs whose pause has ended, as many as there is room for."""
        return [self.again.popleft() for _ in range(min(room, len(self.again)))]

    def _undo(self, call: Call) -> None:
        if self._account is not None and call.intent is not None:
            self._account.settle(call.intent.session, call.intent.estimate, None)

    # -- after a call ------------------------------------------------------------------------

    def settle(self, intent: Intent, came: Came, duration_us: int, event: int | None) -> None:
        """Write a receipt, and give back what was reserved and not used."""
        now = self._clock.wall_us()
        receipt = Receipt(
            intent.call, came.standing, came.usage, now, duration_us, event, came.fault
        )
        self._receipts.append(receipt)
        self._whose[intent.call] = intent.session
        if self._account is not None:
            self._account.settle(intent.session, intent.estimate, came.usage)

    # -- providers ---------------------------------------------------------------------------

    def hold(self, provider: str) -> None:
        """Let no new call of a provider leave, until it is released as often as it is held."""
        self._held[provider] += 1

    def release(self, provider: str) -> None:
        """End one hold."""
        self._held[provider] -= 1

    def is_held(self, answerer: Answerer) -> bool:
        """Whether no new call of this answerer may leave now."""
        return bool(self._held) and self._held[provider_of(answerer)] > 0


def provider_of(answerer: Answerer) -> str:
    """Under which name an answerer's limits on rate hold."""
    return answerer.provider or answerer.identity


def pause_s(job: Job, retry_after_s: float | None) -> float:
    """Seconds until the next try: what was asked for, or longer with every try; with jitter.

    The jitter is drawn from the view, so that many calls which failed together do not come back
    together, and every run of the same seed waits the same.
    """
    share = draw(job.session.setting.seed, job.view.key, f"pause {job.attempt}")
    if retry_after_s is not None:
        return retry_after_s + share * FIRST_PAUSE_S
    return share * FIRST_PAUSE_S * 2.0**job.attempt


async def called(job: Job, call: str) -> Came:
    """One attempt: one request, and what it came to."""
    answerer, limit_s = job.seat.answerer, job.session.setting.timeout_s
    timeout = asyncio.timeout(limit_s)
    try:
        async with timeout:
            attempt = await answerer.attempt(job.view, call)
    except RunStopped as stop:
        return Came("failed", None, NOTHING_USED, str(stop), stopped=stop)
    except EngineBug:
        raise
    # A user's answerer may raise anything, and end neither the run nor the program by it.
    except (Exception, SystemExit, GeneratorExit, asyncio.CancelledError) as error:
        if timeout.expired():
            return Came("late", LATE, NO_USAGE, LATE.reason)
        if is_interrupted(error):
            raise
        if isinstance(error, TransientFault):
            return _passing(error)
        given = broke(answerer, error)
        return Came("failed", given, NO_USAGE, _fault_of(given))
    if type(cast("object", attempt)) is not Attempt:
        attempt = Attempt(Failure("answerer", "the answerer gave something that is no attempt"))
    given, usage = attempt.given, sound(attempt.usage)
    return Came(_standing(given), given, usage, _fault_of(given))


def _passing(fault: TransientFault) -> Came:
    usage = sound(fault.usage) if isinstance(fault.usage, Usage) else NOTHING_USED
    return Came("transient", None, usage, str(fault), fault.retry_after_s)


def sound(usage: Usage) -> Usage:
    """A usage whose numbers can be counted: what is none is not known."""
    numbers = (usage.tokens_in, usage.tokens_out, usage.cost_usd)
    if all(each is None or 0 <= each <= _MOST for each in numbers):
        return usage
    inward, outward, usd = (
        each if each is not None and 0 <= each <= _MOST else None for each in numbers
    )
    whole = (int(each) if each is not None else None for each in (inward, outward))
    return replace(
        usage, **dict(zip(("tokens_in", "tokens_out"), whole, strict=True)), cost_usd=usd
    )


def _standing(given: Given) -> Standing:
    if type(given) is Unreadable:
        return "unreadable"
    return "failed" if type(given) is Failure or type(given) is Broke else "answered"


def _fault_of(given: Given) -> str:
    if isinstance(given, Unreadable):
        return str(given.reason)
    if isinstance(given, Broke):
        return f"{given.reason}: {given.detail}"
    return f"{given.kind}: {given.reason}" if isinstance(given, Failure) else ""
