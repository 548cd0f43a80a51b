"""Spending: what runs and sessions may spend and have spent, as one row each.

A row is advanced in the transaction that writes the lines of the ledger, with its caps as guard:
however many processes write, what is used and reserved is never more than a cap. Money stands in
billionths of a dollar, since whole numbers add up to the same in any order.
"""

from math import ceil, floor
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import astuple

from decomposition.spend import Estimate, Usage
from traces.database import Row, Writer
from traces.digest import seal

Scope = tuple[Literal["run", "session"], int]
"""Whose row it is."""

NANO: Final = 1_000_000_000
_TOO_MUCH: Final = 1 << 60
"""Billionths of a dollar that no cap has room for: the price of a call that has none."""

_NAMES: Final = (
    "scope, number, calls, tokens, nano_usd, unknown, worked_us, until_us, "
    "max_calls, max_tokens, max_nano_usd, max_us"
)
COLUMNS: Final = f"{_NAMES}, seal"
_INTO: Final = f"spend ({COLUMNS})"
_WIDTH: Final = COLUMNS.count(",") + 1
_ADVANCE: Final = (
    "UPDATE spend SET calls = calls + ?, tokens = tokens + ?, nano_usd = nano_usd + ?, "
    "unknown = unknown + ? WHERE scope = ? AND number = ?"
)
_WITHIN: Final = (
    " AND (max_calls IS NULL OR calls + ? <= max_calls)"
    " AND (max_tokens IS NULL OR tokens + ? <= max_tokens)"
    " AND (max_nano_usd IS NULL OR nano_usd + ? <= max_nano_usd)"
    " AND (max_us IS NULL OR worked_us < max_us)"
)
_GIVING: Final = f" RETURNING {_NAMES}"
_WORKED: Final = (
    "UPDATE spend SET worked_us = worked_us + "  # noqa: S608 - names from this file
    "CASE WHEN until_us >= ? THEN 0 WHEN until_us > ? THEN ? - until_us ELSE ? END, "
    "until_us = CASE WHEN until_us > ? THEN until_us ELSE ? END "
    f"WHERE scope = ? AND number = ?{_GIVING}"
)
_LIMIT: Final = (
    "UPDATE spend SET max_calls = ?, max_tokens = ?, "  # noqa: S608 - as above
    "max_nano_usd = ?, max_us = ? "
    f"WHERE scope = ? AND number = ?{_GIVING}"
)
_SEAL: Final = "UPDATE spend SET seal = ? WHERE scope = ? AND number = ?"


class Ceiling(Struct, frozen=True):
    """The most that may be spent; None is no limit."""

    calls: int | None = None
    """Attempts of paid calls."""
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None


class Spent(Struct, frozen=True):
    """A row of spending."""

    scope: str
    number: int
    calls: int = 0
    """Attempts of paid calls, those under way included."""
    tokens: int = 0
    """Used and reserved; so is the money."""
    nano_usd: int = 0
    unknown: int = 0
    """Calls that ended and count as their reserve, as nobody knows what they used."""
    worked_us: int = 0
    """Time on the clock during which somebody worked it."""
    until_us: int = 0
    max_calls: int | None = None
    max_tokens: int | None = None
    max_nano_usd: int | None = None
    max_us: int | None = None

    @property
    def capped(self) -> bool:
        """Whether it has a cap."""
        caps = (self.max_calls, self.max_tokens, self.max_nano_usd, self.max_us)
        return any(cap is not None for cap in caps)

    @property
    def usd(self) -> float:
        """Money used and reserved."""
        return self.nano_usd / NANO

    @property
    def seconds(self) -> float:
        """Seconds on the clock during which somebody worked it."""
        return self.worked_us / 1e6


class Change(Struct):
    """What a commit adds to a row."""

    calls: int = 0
    tokens: int = 0
    nano_usd: int = 0
    unknown: int = 0
    unpriced: bool = False
    """Whether a reserve has no price, which a cap on money has no room for."""

    def add(self, other: "Change") -> None:
        """Take in another one."""
        self.calls += other.calls
        self.tokens += other.tokens
        self.nano_usd += other.nano_usd
        self.unknown += other.unknown
        self.unpriced = self.unpriced or other.unpriced


def reserving(estimate: Estimate) -> Change:
    """What an intent adds."""
    tokens = estimate.tokens_in + estimate.tokens_out
    priced = estimate.cost_usd is not None
    return Change(1, tokens, nano(estimate.cost_usd or 0.0), unpriced=not priced)


def settling(estimate: Estimate, usage: Usage) -> Change:
    """What a receipt adds: the use in place of the reserve, where it is known."""
    inward, outward, usd = counted(estimate, usage)
    tokens = inward + outward - estimate.tokens_in - estimate.tokens_out
    money = nano(usd or 0.0) - nano(estimate.cost_usd or 0.0)
    return Change(0, tokens, money, unknown=not known(usage))


def known(usage: Usage) -> bool:
    """Whether all is known of what a call used."""
    return None not in (usage.tokens_in, usage.tokens_out, usage.cost_usd)


def counted(estimate: Estimate, usage: Usage) -> tuple[int, int, float | None]:
    """Tokens in, tokens out and money as they count: what is not known as its reserve."""
    inward = estimate.tokens_in if usage.tokens_in is None else usage.tokens_in
    outward = estimate.tokens_out if usage.tokens_out is None else usage.tokens_out
    return inward, outward, estimate.cost_usd if usage.cost_usd is None else usage.cost_usd


def nano(usd: float) -> int:
    """Billionths of a dollar, rounded up."""
    return ceil(round(usd * NANO, 3))


def advance(writer: Writer, scope: Scope, change: Change, *, guarded: bool) -> bool:
    """Add to a row; False where it is guarded and a cap has no room, and nothing was added."""
    if _advanced(writer, scope, change, guarded=guarded):
        return True
    return begin(writer, scope) and _advanced(writer, scope, change, guarded=guarded)


def in_order(scope: Scope) -> tuple[bool, Scope]:
    """Sorts rows as all writers lock them: sessions first, what they share last."""
    return scope[0] == "run", scope


def begin(writer: Writer, scope: Scope) -> bool:
    """Make the row if there is none; whether it was made."""
    row = astuple(Spent(*scope))
    values = (*row, seal(*row))
    sql = f"INSERT INTO {_INTO} VALUES ({', '.join('?' * _WIDTH)}) ON CONFLICT DO NOTHING"  # noqa: S608
    return bool(writer.run(sql, values))


def _advanced(writer: Writer, scope: Scope, change: Change, *, guarded: bool) -> bool:
    step = (change.calls, change.tokens, change.nano_usd)
    sql, values = _ADVANCE, [*step, change.unknown, *scope]
    if guarded:
        money = _TOO_MUCH if change.unpriced else change.nano_usd
        sql, values = sql + _WITHIN, [*values, change.calls, change.tokens, money]
    return _sealed(writer, writer.rows(sql + _GIVING, values))


def _sealed(writer: Writer, rows: list[Row]) -> bool:
    for row in rows:
        writer.run(_SEAL, (seal(*row), *row[:2]))
    return bool(rows)


def worked(writer: Writer, scope: Scope, since_us: int, until_us: int) -> None:
    """Count a stretch of time; what overlaps with another process's counts once."""
    length = until_us - since_us
    values = (until_us, since_us, until_us, length, until_us, until_us, *scope)
    if not _sealed(writer, writer.rows(_WORKED, values)):
        begin(writer, scope)
        _sealed(writer, writer.rows(_WORKED, values))


def limit(writer: Writer, scope: Scope, ceiling: Ceiling) -> None:
    """Put other caps in the place of those that a row has."""
    begin(writer, scope)
    nano_usd = None if ceiling.usd is None else floor(round(ceiling.usd * NANO, 3))
    us = None if ceiling.seconds is None else int(ceiling.seconds * 1_000_000)
    caps = (ceiling.calls, ceiling.tokens, nano_usd, us)
    _sealed(writer, writer.rows(_LIMIT, (*caps, *scope)))


def read(rows: list[Row], scope: Scope) -> Spent:
    """A row as it was read; nothing spent where there is none."""
    return Spent(*rows[0]) if rows else Spent(*scope)


READ: Final = f"SELECT {_NAMES} FROM spend WHERE scope = ? AND number = ?"  # noqa: S608 - our names
