"""Garbage: sessions and runs that are removed, with everything that belongs to them.

What other sessions took from them is looked for first: an answer whose origin is gone can no
longer be followed to the people and models beneath.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from decomposition.events import KINDS, Audited, Joined
from traces.codec import decode
from traces.database import Row, Writer, in_groups, marks
from traces.digest import seal
from traces.errors import Held, StillNeeded
from traces.leases import held
from traces.ledger_scrub import empty
from traces.record import FINISHED
from traces.redact import purge
from traces.store import Store
from traces.tables import EVENT_BITS

_PAGE: Final = 5_000
_AT_ONCE: Final = 64
_NUMBER: Final = (1 << EVENT_BITS) - 1
_NAMED: Final = 5
_TAKING: Final = (KINDS.index(Joined), KINDS.index(Audited))
_SCAN: Final = (
    "SELECT id, kind, payload, origin FROM event WHERE id > ? "
    "AND (origin IS NOT NULL OR kind IN (?, ?)) ORDER BY id LIMIT ?"
)


class Removed(Struct, frozen=True):
    """What was, or would be, removed."""

    runs: int
    sessions: int
    events: int
    orphaned: int
    """Events of other sessions that named something removed; marked as stale."""
    rows: int = 0
    """Training rows of the runs. Those of a session that was recorded in a run are the run's."""
    purged: bool = False
    """Whether the file was written anew; False while another process reads it."""

    def __str__(self) -> str:
        marked = f"; {self.orphaned} events of others are marked" if self.orphaned else ""
        rows = f", {self.rows} training rows" if self.rows else ""
        return f"{self.runs} runs, {self.sessions} sessions, {self.events} events{rows}{marked}"


def remove(
    store: Store,
    *,
    traces: Sequence[str] = (),
    run: str = "",
    before_us: int | None = None,
    force: bool = False,
    rehearse: bool = False,
    own: Sequence[str] = (),
) -> Removed:
    """Remove sessions, or a run with its sessions.

    Args:
        traces: Ids of sessions.
        run: Name of a run; empty for none.
        before_us: Also every session that was begun before this moment and is finished, unless
            somebody works it or its run.
        force: Also what other sessions took answers or turns from; their events are marked.
        rehearse: Change nothing; say what would be removed.
        own: Leases of whoever asks, which are no obstacle.

    Raises:
        UnknownId: There is no such session or run.
        Held: Somebody works one of them, or its run; also if this is forced.
        StillNeeded: Other sessions took something from them, and this is not forced.
        StoreStopped: The store does not take it; nothing has changed.
    """
    sessions = [store.register.find_session(trace).number for trace in traces]
    runs = [store.register.find_run(run).number] if run else []
    store.flush()
    with store.database.writing() as writer:
        under_way = {name: each for name, each in held(writer).items() if name not in own}
        gone = _chosen(writer, sessions, runs, before_us, under_way)
        orphans = _orphans(writer, gone)
        if orphans and not (force or rehearse):
            raise _needed(writer, [session for session, _ in orphans])
        events = sum(_count(writer, session) for session in gone)
        rows = sum(_rows(writer, run) for run in runs)
        if not rehearse:
            _mark(writer, orphans)
            store.reuse.forget(writer, gone)
            _delete(writer, sorted(gone), runs)
    if rehearse:
        return Removed(len(runs), len(gone), events, len(orphans), rows)
    store.forget(sorted(gone))
    return Removed(len(runs), len(gone), events, len(orphans), rows, purge(store.database))


def _chosen(
    writer: Writer,
    sessions: Sequence[int],
    runs: Sequence[int],
    before_us: int | None,
    under_way: dict[str, Held],
) -> dict[int, str]:
    """The sessions to remove, with their traces.

    Raises:
        Held: Somebody works one that was named, or a run that was.
    """
    named: list[Row] = []
    for some in in_groups(sessions, _AT_ONCE):
        named += writer.rows(_BY_NUMBER, some)
    for some in in_groups(runs, _AT_ONCE):
        named += writer.rows(_BY_RUN, some)
        for (run,) in writer.rows(_NAMES, some):
            _refuse(under_way, f"run:{run}")
    for _, trace, run in named:
        _refuse(under_way, f"session:{trace}", f"run:{run}")
    found = {number: trace for number, trace, _ in named}
    if before_us is not None:
        found |= {
            number: trace
            for number, trace, run in writer.rows(_BY_AGE, (before_us, *FINISHED))
            if not under_way.keys() & {f"session:{trace}", f"run:{run}"}
        }
    return found


def _refuse(under_way: dict[str, Held], *resources: str) -> None:
    for resource in resources:
        if resource in under_way:
            raise under_way[resource]


def _orphans(writer: Writer, gone: dict[int, str]) -> list[tuple[int, int]]:
    """Events of sessions that stay, and name something in those that go."""
    traces = set(gone.values())
    found: list[tuple[int, int]] = []
    after = -1
    while rows := writer.rows(_SCAN, (after, *_TAKING, _PAGE)):
        after = rows[-1][0]
        for key, kind, payload, origin in rows:
            session, number = key >> EVENT_BITS, key & _NUMBER
            if session in gone:
                continue
            named = [origin or ""]
            if kind in _TAKING and payload is not None:
                event = decode(kind, payload, number)
                named.append(event.origin if isinstance(event, Joined | Audited) else "")
            if any(_trace(each) in traces for each in named):
                found.append((session, number))
    return found


def _trace(origin: str) -> str:
    """The trace that an origin names; empty where it is one's own."""
    for sign in "#/":
        head, found, _ = origin.partition(sign)
        if found:
            return head
    return ""


def _needed(writer: Writer, sessions: Sequence[int]) -> StillNeeded:
    some = sorted(set(sessions))[:_AT_ONCE]
    traces = [trace for _, trace, _ in writer.rows(_BY_NUMBER, next(in_groups(some, _AT_ONCE)))]
    named = ", ".join(traces[:_NAMED])
    message = f"{len(set(sessions))} other sessions took answers or turns from them: {named}"
    return StillNeeded(message, traces)


def _count(writer: Writer, session: int) -> int:
    rows = writer.rows("SELECT count FROM session WHERE id = ?", (session,))
    return int(rows[0][0])


def _rows(writer: Writer, run: int) -> int:
    ((rows,),) = writer.rows("SELECT SUM(total) FROM trained WHERE run = ?", (run,))
    return int(rows or 0)


def _mark(writer: Writer, orphans: Sequence[tuple[int, int]]) -> None:
    reason = "what it was taken from was removed"
    rows = [(*place, reason, seal(*place, reason)) for place in orphans]
    writer.many(
        "INSERT INTO stale (session, number, reason, seal) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        rows,
    )


def _delete(writer: Writer, gone: Sequence[int], runs: Sequence[int]) -> None:
    bounds = [(each << EVENT_BITS, (each + 1) << EVENT_BITS) for each in gone]
    writer.many("DELETE FROM event WHERE id >= ? AND id < ?", bounds)
    each_session = [(each,) for each in gone]
    writer.many("DELETE FROM redacted WHERE session = ?", each_session)
    writer.many("DELETE FROM stale WHERE session = ?", each_session)
    writer.many("DELETE FROM session WHERE id = ?", each_session)
    each_run = [(each,) for each in runs]
    _delete_payments(writer, gone, runs)
    writer.many("DELETE FROM line WHERE run = ?", each_run)
    writer.many("DELETE FROM expected WHERE run = ?", each_run)
    writer.many("DELETE FROM trained WHERE run = ?", each_run)
    writer.many("DELETE FROM run WHERE id = ?", each_run)


def _delete_payments(writer: Writer, gone: Sequence[int], runs: Sequence[int]) -> None:
    """Remove lines with their run; of a session whose run stays, all but what it cost.

    What was paid stays in the account of the run, or its caps would let it be spent again.
    """
    writer.many("DELETE FROM ledger WHERE run = ?", [(each,) for each in runs])
    writer.many("DELETE FROM spend WHERE scope = 'run' AND number = ?", [(each,) for each in runs])
    writer.many("DELETE FROM halt WHERE run = ?", [(each,) for each in runs])
    each_session = [(each,) for each in gone]
    writer.many("DELETE FROM ledger WHERE session = ? AND run IS NULL", each_session)
    writer.many("DELETE FROM spend WHERE scope = 'session' AND number = ?", each_session)
    writer.many("DELETE FROM halt WHERE session = ?", each_session)
    for session in gone:
        empty(writer, session)


_SESSIONS: Final = "SELECT s.id, s.trace, r.name FROM session s LEFT JOIN run r ON r.id = s.run"
_BY_NUMBER: Final = f"{_SESSIONS} WHERE s.id IN ({marks(_AT_ONCE)})"
_BY_RUN: Final = f"{_SESSIONS} WHERE s.run IN ({marks(_AT_ONCE)})"
_NAMES: Final = f"SELECT name FROM run WHERE id IN ({marks(_AT_ONCE)})"  # noqa: S608 - marks only
_BY_AGE: Final = (
    f"{_SESSIONS} WHERE s.opened_us > 0 AND s.opened_us < ? "
    f"AND s.status IN ({marks(len(FINISHED))})"
)
