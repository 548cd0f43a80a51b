"""Checking the ledger: lines against their seals and events, spending against the lines."""

from collections.abc import Iterator
from typing import Final

from decomposition.spend import Estimate, Usage
from traces.database import Database, Row
from traces.digest import seal
from traces.ledger import COLUMNS
from traces.spending import COLUMNS as SPENDING
from traces.spending import Change, Scope, counted, known, nano

_PAGE: Final = 2_000
_LINES: Final = f"SELECT {COLUMNS}, seal FROM ledger ORDER BY call LIMIT ? OFFSET ?"  # noqa: S608
_SPENT: Final = f"SELECT {SPENDING} FROM spend ORDER BY scope, number"  # noqa: S608 - our names
_LEADS_NOWHERE: Final = (
    "SELECT l.call, l.session, l.event FROM ledger l LEFT JOIN event e "
    "ON e.id = l.session * 4294967296 + l.event "
    "WHERE l.event IS NOT NULL AND (e.id IS NULL OR e.path <> l.path) LIMIT 20"
)
_HALTS: Final = "SELECT run, session, path, kind, asker, wall_us, seal FROM halt"


def findings(database: Database) -> Iterator[str]:
    """What does not hold of the ledger, of spending and of halts, in words."""
    sums: dict[Scope, Change] = {}
    read, sound = 0, True
    # By place, not by id: in a damaged store that may be no text with which one can ask.
    while rows := database.rows(_LINES, (_PAGE, read)):
        read += len(rows)
        for row in rows:
            if row[-1] != seal(*row[:-1]):
                sound = False
                yield f"line {row[0]!r} of the ledger was changed"
            elif row[15] is None:
                _add(sums, row)
    for call, session, event in database.rows(_LEADS_NOWHERE):
        where = f"event {event} of session {session}"
        yield f"line {call!r} of the ledger leads to {where}, which is not of its turn"
    yield from _spending(database, sums if sound else None)
    for *halt, sealed in database.rows(_HALTS):
        if sealed != seal(*halt):
            yield f"a halt of run {halt[0]}, session {halt[1]} was changed"


def _add(sums: dict[Scope, Change], row: Row) -> None:
    estimate, usage = Estimate(*row[9:12]), Usage(*row[12:15])
    inward, outward, usd = counted(estimate, usage)
    unknown = bool(row[6]) and not known(usage)
    change = Change(1, inward + outward, nano(usd or 0.0), int(unknown))
    scopes: list[Scope] = [("session", row[2])]
    if row[1] is not None:
        scopes.append(("run", row[1]))
    for scope in scopes:
        sums.setdefault(scope, Change()).add(change)


def _spending(database: Database, sums: dict[Scope, Change] | None) -> Iterator[str]:
    """What does not hold of spending; without sums only what shows by itself."""
    found: set[Scope] = set()
    for *row, sealed in database.rows(_SPENT):
        scope: Scope = (row[0], row[1])
        found.add(scope)
        if sealed != seal(*row):
            yield f"what {row[0]} {row[1]} has spent was changed"
        elif sums is not None and _sum(sums.get(scope, Change())) != tuple(row[2:6]):
            yield f"what {row[0]} {row[1]} has spent is not what its lines in the ledger come to"
    runs = {scope for scope in sums or () if scope[0] == "run"}
    for kind, number in sorted(runs - found):
        yield f"what {kind} {number} has spent is missing"


def _sum(change: Change) -> tuple[int, int, int, int]:
    return change.calls, change.tokens, change.nano_usd, change.unknown
