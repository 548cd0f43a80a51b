"""The store: where events become durable, and where they are found again.

A commit is one transaction: the events, the ends of their sessions' chains, what is known of
the sessions, and the index of what can be used again. Everything about a commit that can be
worked out before it is, so that the write lock is held for as short as possible.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic, time_ns
from typing import Final, Self

from msgspec.structs import replace

from decomposition.errors import Fenced
from decomposition.events import Entry, Event
from decomposition.ports import (
    ALL_GRANTED,
    Authorship,
    Closed,
    MemoTurn,
    Reusable,
    Ungranted,
    Written,
)
from decomposition.spend import NO_DUES, Dues
from traces.batch import PLAIN, RICH, Batch
from traces.database import PATIENCE_S, Database, Writer, in_groups, marks
from traces.digest import Chain, seal
from traces.errors import Conflict, StoreBusy, StoreStopped
from traces.ledger import Ledger, Made
from traces.opening import open_database
from traces.reading import Reader
from traces.recall import Recall
from traces.record import Record, SessionRecord
from traces.register import Register
from traces.reuse import ReuseIndex
from traces.window import WINDOW_ROWS

NOTHING_REUSABLE: Final = Reusable()

_INTO: Final = {
    False: (f"event ({', '.join(PLAIN)})", len(PLAIN)),
    True: (f"event ({', '.join(RICH)})", len(RICH)),
}
_ADVANCE: Final = (
    "UPDATE session SET head = ?, count = ? "
    "WHERE id = ? AND count = ? AND head = ? AND salt_seed = ?"
)
_AT_ONCE: Final = 64
_ENDS: Final = f"SELECT id, head, count, salt_seed FROM session WHERE id IN ({marks(_AT_ONCE)})"  # noqa: S608
_CHAINS_KEPT: Final = 8_192
MARK: Final = (
    "INSERT INTO stale (session, number, reason, seal) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
"""Marks an event as stale."""
_FIRST_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.01


class Store:
    """An open store. It implements the ports that the engine writes to and reads from.

    Args:
        window_rows: Rows of the reuse index that are kept in memory.
    """

    def __init__(
        self,
        database: Database,
        *,
        patience_s: float = PATIENCE_S,
        window_rows: int = WINDOW_ROWS,
    ) -> None:
        self.database = database
        self.register = Register(database)
        self.reader = Reader(database)
        self.reuse = ReuseIndex(database, window_rows)
        self._recall = Recall(database, self.reuse)
        self._patience_s = patience_s
        self._chains: dict[int, Chain] = {}
        self._answerers: dict[str, int] = {}
        self.ledger = Ledger(database, self._answerer)

    @classmethod
    def open(
        cls,
        place: str | Path,
        *,
        readonly: bool = False,
        patience_s: float = PATIENCE_S,
        window_rows: int = WINDOW_ROWS,
    ) -> Self:
        """The store at a path or an address; a new one where nothing is.

        Args:
            patience_s: How long to wait for another process that writes.

        Raises:
            StoreRefused: The place holds no store, or one that this version cannot take.
            StoreStopped: The store cannot be used now.
        """
        database = open_database(place, readonly=readonly, patience_s=patience_s)
        return cls(database, patience_s=patience_s, window_rows=window_rows)

    @property
    def readonly(self) -> str:
        """Why nothing can be written; empty if it can."""
        return self.database.readonly

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except StoreStopped:
            # What stopped the block is the news; that the rest cannot be written follows from it.
            if kind is None:
                raise

    def close(self) -> None:
        """Write what waits for a commit, and give the connection up.

        Raises:
            StoreStopped: Something could not be written. Events are never among it.
        """
        try:
            if not self.readonly:
                self.flush()
                self.reuse.flush()
        finally:
            self.database.close()

    def flush(self) -> None:
        """Write what is known of sessions and waits for a commit.

        Raises:
            StoreStopped: The store does not take it.
        """
        self.register.flush()
        self.ledger.flush()

    # -- appending ---------------------------------------------------------------------------

    async def commit(
        self,
        written: Sequence[Written],
        reusable: Reusable = NOTHING_REUSABLE,
        dues: Dues = NO_DUES,
    ) -> Ungranted:
        """Append in one transaction; when this returns, all of it survives a power cut.

        Returns:
            Those of the intents for which a cap has no room: nothing of them was written.

        Raises:
            Fenced: Somebody else has settled a call that is to be settled here.
            Conflict: Somebody else appended to one of the sessions.
            Unstorable: An event cannot be stored.
            StoreStopped: The store did not take them (locked too long, full, gone).
        """
        # Without a moment for others, a loop whose answerers never wait could not be interrupted.
        await asyncio.sleep(0)
        batch = self._batch(written)
        made = None if dues is NO_DUES else self.ledger.prepare(dues)
        if not self.database.on_sqlite:
            return await asyncio.to_thread(self._append, batch, reusable, made)
        deadline = monotonic() + self._patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return self._append(batch, reusable, made, wait=False)
            except StoreBusy:
                # Other tasks of this process go on while another process writes.
                if monotonic() > deadline:
                    raise
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def commit_now(
        self,
        written: Sequence[Written],
        reusable: Reusable = NOTHING_REUSABLE,
        dues: Dues = NO_DUES,
    ) -> Ungranted:
        """`commit` for callers that have no event loop.

        Raises:
            StoreStopped: As `commit`.
            Unstorable: As `commit`.
        """
        made = None if dues is NO_DUES else self.ledger.prepare(dues)
        return self._append(self._batch(written), reusable, made)

    def append(
        self, session: SessionRecord, entries: Sequence[tuple[str, Event, Authorship]]
    ) -> SessionRecord:
        """Append what somebody decided by a session as it was read; the session as it is now.

        This is how a process that does not hold the session's lease gives a person's turn: on a
        conflict it reads the session again, folds, and decides whether the turn still stands.

        Args:
            session: As it was read: its head is the one that the events must follow.

        Raises:
            Conflict: Somebody else appended since; nothing was appended here.
            Unstorable: An event cannot be stored.
            StoreStopped: The store does not take it.
        """
        self._chains.pop(session.number, None)
        batch = self._batch([Written(session.number, session.count, entries)])
        if batch.before[session.number].head != session.head:
            raise Conflict(session.number, session.count, None)
        self._append(batch, NOTHING_REUSABLE)
        end = batch.after[session.number]
        return replace(session, count=end.count, head=end.head)

    def _batch(self, written: Sequence[Written]) -> Batch:
        """The rows of a commit, from where the sessions stand now."""
        unsure = [
            each.session
            for each in written
            if (chain := self._chains.get(each.session)) is None or chain.count != each.first
        ]
        if unsure:
            self._load(unsure)
        batch = Batch(self._answerer)
        for each in written:
            chain = self._chains.get(each.session)
            if chain is None:
                raise Conflict(each.session, each.first, 0)
            batch.add(each, chain)
        return batch

    def _load(self, sessions: Sequence[int]) -> None:
        for some in in_groups(sessions, _AT_ONCE):
            for number, head, count, seed in self.database.rows(_ENDS, some):
                self._chains[number] = Chain(head, count, seed)

    def _append(
        self, batch: Batch, reusable: Reusable, made: Made | None = None, *, wait: bool = True
    ) -> Ungranted:
        spills = self.reuse.spills
        owed = made is not None or self.ledger.waits
        refused = ALL_GRANTED
        concerned = set(batch.after) if made is None else made.sessions.union(batch.after)
        try:
            with self.database.writing(wait=wait, beside=True) as writer:
                self._check_own(writer, concerned)
                _advance(writer, batch)
                for rich, flat in batch.stretches:
                    into, width = _INTO[rich]
                    writer.insert(into, width, flat)
                if self.register.waits:
                    self.register.write(writer)
                self.reuse.write(writer, reusable)
                if owed:
                    refused = self.ledger.write(writer, made)
        except BaseException:
            # Whether the last step took effect is not certain: read the ends again.
            for session in batch.after:
                self._chains.pop(session, None)
            raise
        if len(self._chains) > _CHAINS_KEPT:
            self._chains.clear()
        self._chains.update(batch.after)
        self.reuse.remember(spilled=spills)
        self.register.written()
        if owed:
            self.ledger.written()
        return refused

    def _check_own(self, writer: Writer, sessions: Collection[int]) -> None:
        """See that nobody has taken over one of the sessions.

        Raises:
            Fenced: Somebody has.
        """
        guard = self.register.guard
        lost = guard.lost(writer, sessions) if guard is not None else frozenset[int]()
        if lost:
            named = ", ".join(map(str, sorted(lost)))
            raise Fenced(f"other processes have taken over sessions {named}", lost)

    def _answerer(self, identity: str) -> int:
        """The number of an identity, which it gets when it is first seen."""
        number = self._answerers.get(identity)
        if number is None:
            with self.database.writing(beside=True) as writer:
                number = self._answerers[identity] = _number_of(writer, identity)
        return number

    # -- reading -----------------------------------------------------------------------------

    def entries(self, session: int, until: int | None = None) -> Sequence[Entry]:
        """The events of a session in order; `until` is the number of events to read, None all.

        Raises:
            UnknownId: There is no such session.
            CorruptEvent: One is missing or cannot be read.
        """
        return self.reader.entries(session, until)

    def records(self, session: int, first: int = 0, until: int | None = None) -> Iterator[Record]:
        """The events of a session with their authorship, from number `first` to before `until`.

        Raises:
            UnknownId: There is no such session.
            CorruptEvent: One is missing or cannot be read.
        """
        return self.reader.records(session, first, until)

    def stale(self, session: int) -> dict[int, str]:
        """Events of a session that depend on something redacted or retracted, and why."""
        sql = "SELECT number, reason FROM stale WHERE session = ? ORDER BY number"
        return dict(self.database.rows(sql, (session,)))

    def mark_stale(self, session: int, reasons: Mapping[int, str]) -> None:
        """Mark events as depending on something redacted or retracted.

        Raises:
            StoreStopped: The store does not take it.
        """
        rows = [(session, number, why) for number, why in sorted(reasons.items())]
        with self.database.writing() as writer:
            writer.many(MARK, [(*row, seal(*row)) for row in rows])

    # -- using again -------------------------------------------------------------------------

    def turns(self, keys: Sequence[bytes]) -> Sequence[Sequence[MemoTurn]]:
        """For each key all turns observed, in the order of their recording.

        Raises:
            StoreStopped: The store cannot be read now.
        """
        return self._recall.turns(keys)

    def closed(self, key: bytes) -> Closed | None:
        """The first workspace that closed under this key.

        Raises:
            StoreStopped: The store cannot be read now.
        """
        return self._recall.closed(key)

    def catch_up(self) -> int:
        """Make usable what processes that died left unsorted; returns how many rows.

        Who looks up a turn or an answer for the first time does that too.

        Raises:
            StoreStopped: The store does not take it.
        """
        return self.reuse.catch_up()

    def forget(self, sessions: Sequence[int]) -> None:
        """Keep nothing in memory of sessions that were changed or removed."""
        for session in sessions:
            self._chains.pop(session, None)
        self._recall.forget()
        self.ledger.forget(sessions)


def _number_of(writer: Writer, identity: str) -> int:
    """The number of an identity; a new one where it has none."""
    sql = "INSERT INTO answerer (identity, seal) VALUES (?, 0) ON CONFLICT DO NOTHING"
    new = writer.run(sql, (identity,))
    rows = writer.rows("SELECT id FROM answerer WHERE identity = ?", (identity,))
    number = int(rows[0][0])
    if new:
        sealed = seal(number, identity)
        writer.run("UPDATE answerer SET seal = ? WHERE id = ?", (sealed, number))
    return number


def _advance(writer: Writer, batch: Batch) -> None:
    """Move the sessions on, unless one is no longer where the batch left from.

    Raises:
        Conflict: One is not.
    """
    steps = [
        (after.head, after.count, session, before.count, before.head, before.seed)
        for session, after in batch.after.items()
        for before in (batch.before[session],)
    ]
    if writer.many(_ADVANCE, steps) == len(steps):
        return
    for session, before in batch.before.items():
        sql = "SELECT count, head FROM session WHERE id = ?"
        rows = writer.rows(sql, (session,))
        now = (batch.after[session].count, batch.after[session].head)
        if not rows or rows[0] != now:
            count = rows[0][0] if rows else 0
            raise Conflict(session, before.count, count if count != before.count else None)
    # Somebody else appended the very same events, so no end tells whose they are.
    session, before = next(iter(batch.before.items()))
    raise Conflict(session, before.count, batch.after[session].count)


def now_us() -> int:
    """Microseconds since 1970, UTC."""
    return time_ns() // 1000
