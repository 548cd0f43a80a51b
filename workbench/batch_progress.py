"""Progress of a batch: how far it is, how fast, what it spent, and how long it will take."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from workbench.spend_text import dollars, duration
from workbench.terminal import REDRAW_S, REPORT_S

if TYPE_CHECKING:
    from decomposition.session import Session
    from workbench.account import Account
    from workbench.deliberate import Outcome

_FEW: Final = 3
"""Questions from which on the time that is left can be told."""


class Moment(Struct, frozen=True):
    """How a batch stands."""

    total: int
    done: int
    """Of all, before and now."""
    ended: int
    """In this stretch of work."""
    seconds: float
    """Of this stretch of work."""
    calls: int = 0
    """In this stretch; the two below over all."""
    tokens: int = 0
    usd: float = 0.0


def told(moment: Moment) -> str:
    """A moment in one line."""
    parts = [f"{moment.done}/{moment.total} questions"]
    seconds = max(moment.seconds, 1e-9)
    if moment.ended:
        parts.append(f"{_rate(moment.ended / seconds)} questions/s")
    if moment.calls:
        parts.append(f"{_rate(moment.calls / seconds)} calls/s")
    if moment.tokens:
        parts.append(f"{moment.tokens:,} tokens")
    if moment.usd:
        parts.append(dollars(moment.usd))
    left = moment.total - moment.done
    if moment.ended >= min(_FEW, moment.total) and left:
        parts.append(f"about {duration(left * seconds / moment.ended)} left")
    return " · ".join(parts)


def _rate(each_second: float) -> str:
    return f"{each_second:,.0f}" if each_second >= 10 else f"{each_second:.2g}"


class BatchProgress:
    """Says how far a batch is: a changing line on a terminal, one every few seconds without.

    Args:
        total: Questions.
        done: Those of them that were finished before.
    """

    def __init__(self, total: int, done: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._done = done
        self._ended = 0
        self._clock = clock
        self._began = self._last = clock()
        self._account: Account | None = None
        self._made = 0
        self._terminal = sys.stderr.isatty()

    def watch(self, account: "Account") -> None:
        """Say from now on what this account has spent."""
        self._account = account
        self._made = account.purse.calls

    def ended(self, outcome: "Outcome") -> None:  # noqa: ARG002 - as the loop tells it
        """Count one finished line."""
        self._done += 1
        self._ended += 1
        self.tick(())

    def tick(self, sessions: "Sequence[Session]") -> None:  # noqa: ARG002 - as above
        """Say how it stands, if enough time has passed."""
        now = self._clock()
        if now - self._last < (REDRAW_S if self._terminal else REPORT_S):
            return
        self._last = now
        text = told(self._moment(now))
        sys.stderr.write(f"\r\033[K{text}" if self._terminal else f"{text}\n")
        sys.stderr.flush()

    def _moment(self, now: float) -> Moment:
        seconds = now - self._began
        if self._account is None:
            return Moment(self._total, self._done, self._ended, seconds)
        purse = self._account.purse
        usd = purse.nano_usd / 1e9
        calls = purse.calls - self._made
        return Moment(self._total, self._done, self._ended, seconds, calls, purse.tokens, usd)

    def close(self) -> None:
        """End the changing line."""
        if self._terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
