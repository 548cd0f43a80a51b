"""Spend: what a paid call may use at most, what it used, and the lines that a ledger gets.

Values only. An intent is committed before its call leaves, its receipt together with what came
of it: an intent without a receipt is a call that was under way when everything stopped.
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from decomposition.actions import Given

Standing = Literal["answered", "unreadable", "failed", "transient", "late"]
"""What came of a call: a turn, a reply that is no turn, a fault that stays or one that may pass,
or nothing in time."""


class Estimate(Struct, frozen=True, gc=False):
    """The most that one call can use."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0
    """None where nobody knows the price."""


class Usage(Struct, frozen=True, gc=False):
    """What one call used, and the texts that went and came."""

    tokens_in: int | None = None
    """None where the provider did not say."""
    tokens_out: int | None = None
    cost_usd: float | None = None
    """None where the tokens or the price are not known."""
    request: str = ""
    """As it was sent, its instructions named by their digest alone."""
    reply: str = ""
    """As it came, before anything was read from it."""
    finish: str = ""
    """Why the provider says that the reply ended."""
    model: str = ""
    """Who the provider says answered."""


NO_USAGE: Final = Usage()


class Attempt(Struct, frozen=True, gc=False):
    """What one call of a paid answerer came to."""

    given: Given
    usage: Usage = NO_USAGE


class Intent(Struct, frozen=True, gc=False):
    """A call that is about to leave."""

    call: str
    """Id: `c-` and hexadecimal digits, drawn by chance; it goes with the request."""
    session: int
    path: str
    answerer: str
    """Identity."""
    attempt: int
    """From 1, over the transient faults of one view."""
    estimate: Estimate
    wall_us: int


class Receipt(Struct, frozen=True, gc=False):
    """What came of a call."""

    call: str
    standing: Standing
    usage: Usage
    wall_us: int
    duration_us: int
    event: int | None = None
    """Number of the first event of its turn; None where no event came of it."""
    fault: str = ""
    """What went wrong; empty for nothing."""


class Dues(Struct, frozen=True):
    """What a commit writes into the ledger."""

    intents: Sequence[Intent] = ()
    receipts: Sequence[Receipt] = ()


NO_DUES: Final = Dues()
