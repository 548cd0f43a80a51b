"""Accounts: what may still be spent, by all and by each session, and how fast.

An account knows what this process spends; the store guards the same caps against all processes
that share a run. What a call can use at most is reserved before it leaves, and given back once it
is known what it used: so what is spent is never over a cap, by no call, token or cent.
"""

from collections.abc import Mapping
from math import inf
from typing import Literal, Protocol

from msgspec import Struct

from decomposition.ports import GO, Clock, Permit
from decomposition.spend import Estimate, Usage
from traces.ledger import Ledger
from traces.spending import Ceiling, counted, nano
from workbench.clock import SystemClock
from workbench.limits import NO_LIMITS, Limits

_MINUTE_S = 60.0


class Rate(Protocol):
    """How much a provider may be asked in a minute; None is no limit."""

    @property
    def calls_per_minute(self) -> int | None:
        """Calls."""
        ...

    @property
    def tokens_per_minute(self) -> int | None:
        """Tokens in and out, as they are reserved."""
        ...


class Purse(Struct):
    """What may be spent by one owner, and what is spent and reserved."""

    limits: Limits = NO_LIMITS
    calls: int = 0
    tokens: int = 0
    nano_usd: int = 0
    reserved_tokens: int = 0
    reserved_nano_usd: int = 0

    def room(self, estimate: Estimate) -> Literal["go", "later", "none"]:
        """Whether there is room for a call: now, once reserves come back, or not at all."""
        limits = self.limits
        if limits.calls is not None and self.calls >= limits.calls:
            return "none"
        tokens = estimate.tokens_in + estimate.tokens_out
        usd = inf if estimate.cost_usd is None else nano(estimate.cost_usd)
        most_usd = inf if limits.usd is None else int(round(limits.usd * 1e9, 3))
        most_tokens = inf if limits.tokens is None else limits.tokens
        spare = most_tokens - self.tokens - tokens, most_usd - self.nano_usd - usd
        if limits.usd is None:
            spare = spare[0], inf
        if min(spare) < 0:
            return "none"
        if spare[0] < self.reserved_tokens or spare[1] < self.reserved_nano_usd:
            return "later"
        return "go"

    def reserve(self, estimate: Estimate, sign: int = 1) -> None:
        """Reserve for a call; with -1 give the reserve back."""
        self.reserved_tokens += sign * (estimate.tokens_in + estimate.tokens_out)
        self.reserved_nano_usd += sign * nano(estimate.cost_usd or 0.0)
        self.calls += sign

    def settle(self, estimate: Estimate, usage: Usage | None) -> None:
        """Put what a call used in place of its reserve; None for one that did not leave."""
        self.reserve(estimate, -1)
        if usage is not None:
            self.calls += 1
            inward, outward, usd = counted(estimate, usage)
            self.tokens += inward + outward
            self.nano_usd += nano(usd or 0.0)


class Bucket:
    """Lets so much pass in a minute, evenly, with at most a second's worth ahead.

    Args:
        a_minute: How much; None for any amount.
    """

    def __init__(self, a_minute: int | None) -> None:
        self._a_second = None if a_minute is None else a_minute / _MINUTE_S
        self._most = 0.0 if self._a_second is None else max(1.0, self._a_second)
        self._level = self._most
        self._at_s = -inf

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until so much may pass; what is more than a second's worth passes when full."""
        if self._a_second is None:
            return 0.0
        if self._at_s > -inf:
            self._level = min(self._most, self._level + (now_s - self._at_s) * self._a_second)
        self._at_s = now_s
        missing = min(amount, self._most) - self._level
        return max(0.0, missing / self._a_second)

    def take(self, amount: float) -> None:
        """Let so much pass."""
        self._level -= amount


class Account:
    """What a run, or a question asked alone, may spend, and each session of it.

    Args:
        limits: Of all sessions together.
        per_session: Of each of them: paid calls, tokens and money.
        rates: By the name of the provider.
        made: Calls of unpaid answerers that were made before; they count as calls.
        seconds: On the clock, worked before.
    """

    def __init__(
        self,
        limits: Limits = NO_LIMITS,
        *,
        per_session: Limits = NO_LIMITS,
        rates: Mapping[str, Rate] | None = None,
        made: int = 0,
        seconds: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        self.limits = limits
        self.per_session = per_session
        self.purse = Purse(limits, calls=made)
        self._sessions: dict[int, Purse] = {}
        self._clock = clock or SystemClock()
        self._seconds = seconds
        self._since_us: int | None = None
        rates = rates or {}
        self._buckets = {
            name: (Bucket(rate.calls_per_minute), Bucket(rate.tokens_per_minute))
            for name, rate in rates.items()
        }

    # -- time ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Work goes on: from now on its time counts."""
        if self._since_us is None:
            self._since_us = self._clock.monotonic_us()

    def pause(self) -> None:
        """Nobody works."""
        self._seconds, self._since_us = self.seconds, None

    @property
    def seconds(self) -> float:
        """Seconds on the clock that were worked, over all resumes."""
        if self._since_us is None:
            return self._seconds
        return self._seconds + (self._clock.monotonic_us() - self._since_us) / 1e6

    @property
    def out_of_time(self) -> bool:
        """Whether no call may leave any more."""
        return self.limits.seconds is not None and self.seconds >= self.limits.seconds

    # -- calls ---------------------------------------------------------------------------------

    def allow(self, calls: int) -> int:
        """Reserve calls of unpaid answerers; how many of them may be made."""
        if self.out_of_time:
            return 0
        most = self.limits.calls
        allowed = calls if most is None else min(calls, max(0, most - self.purse.calls))
        self.purse.calls += allowed
        return allowed

    def reserve(self, session: int, provider: str, estimate: Estimate) -> Permit:
        """Reserve the most that one paid call can use, if it may leave."""
        if self.out_of_time:
            return Permit("run")
        own = self._own(session)
        for purse, kind in ((self.purse, "run"), (own, "session")):
            room = purse.room(estimate)
            if room != "go":
                return Permit("later" if room == "later" else kind)  # type: ignore[arg-type]
        wait_s = self._wait_s(provider, estimate)
        if wait_s > 0:
            return Permit("wait", wait_s)
        self.purse.reserve(estimate)
        own.reserve(estimate)
        return GO

    def _own(self, session: int) -> Purse:
        if self.per_session is NO_LIMITS:
            return self._sessions.setdefault(0, Purse())
        return self._sessions.setdefault(session, Purse(self.per_session))

    def _wait_s(self, provider: str, estimate: Estimate) -> float:
        """Seconds until a provider may be asked; 0 where it may now, which takes its share."""
        buckets = self._buckets.get(provider)
        if buckets is None:
            return 0.0
        now_s = self._clock.monotonic_us() / 1e6
        amounts = (1, estimate.tokens_in + estimate.tokens_out)
        waits = [bucket.wait_s(each, now_s) for bucket, each in zip(buckets, amounts, strict=True)]
        if max(waits) <= 0:
            for bucket, amount in zip(buckets, amounts, strict=True):
                bucket.take(amount)
        return max(waits)

    def settle(self, session: int, estimate: Estimate, usage: Usage | None) -> None:
        """Put what a call used in place of its reserve; None for a call that did not leave."""
        self.purse.settle(estimate, usage)
        self._own(session).settle(estimate, usage)

    # -- what the record says ------------------------------------------------------------------

    def take_over(self, ledger: Ledger, *, run: int | None, session: int | None) -> None:
        """Begin with what a run, or a question asked alone, has spent by now."""
        spent = ledger.spent(run=run, session=session)
        self.purse.calls += spent.calls
        self.purse.tokens += spent.tokens
        self.purse.nano_usd += spent.nano_usd
        self._seconds += spent.seconds

    def take_over_session(self, ledger: Ledger, session: int) -> None:
        """Begin with what a session has spent by now, where each has caps of its own."""
        if self.per_session is NO_LIMITS:
            return
        purse = Purse(self.per_session)
        for line in ledger.lines(session=session):
            if line.human_s is None:
                estimate = Estimate(line.reserved_in, line.reserved_out, line.reserved_usd)
                purse.reserve(estimate)
                purse.settle(estimate, Usage(line.tokens_in, line.tokens_out, line.cost_usd))
        self._sessions[session] = purse


class CallLimit(Account):
    """Allows so many calls and no more; None allows any number.

    Args:
        most: Calls in all.
        made: Those of them that were made before.
    """

    def __init__(self, most: int | None, made: int = 0) -> None:
        super().__init__(Limits(calls=most), made=made)


def opened(
    ledger: Ledger,
    limits: Limits,
    *,
    run: int | None = None,
    session: int | None = None,
    per_session: Limits = NO_LIMITS,
    rates: Mapping[str, Rate] | None = None,
    made: int = 0,
    sets: bool = True,
) -> Account:
    """The account of a run, or of a question asked alone, with what was spent of it before.

    Args:
        run: The store's number of the run; None for a question asked alone.
        session: Of the question asked alone.
        made: Calls of unpaid answerers that were made before.
        sets: Put these caps into the store, which then holds all processes to them.

    Raises:
        StoreStopped: The store does not take it.
    """
    if sets:
        # The unpaid calls are this process's business; of the others the store knows each.
        calls = None if limits.calls is None else max(0, limits.calls - made)
        ceiling = Ceiling(calls, limits.tokens, limits.usd, limits.seconds)
        ledger.limit(ceiling, run=run, session=session)
    account = Account(limits, per_session=per_session, rates=rates, made=made)
    account.take_over(ledger, run=run, session=session)
    return account
