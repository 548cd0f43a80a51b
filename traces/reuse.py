"""The index of what can be used again: from a view's or a question's key to an event.

It is derived from events. New rows wait in a window; a crash loses them, and each session's
row says up to which event its rows are in the database, so that the rest can be derived again.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from zlib import crc32

from decomposition.ports import Reusable
from traces.bloom import Bloom
from traces.database import Database, Writer, in_groups, marks
from traces.digest import Chain, pointer_seal
from traces.window import WINDOW_ROWS, Packed, Window, pack, rows_in

Place = tuple[int, int]
"""A session and the number of one of its events."""
_Stretch = tuple[int, int]
"""From which event of a session on, and up to which, this process saw what is reusable."""

_place = struct.Struct(">qq").pack
_place_of = struct.Struct(">qq").unpack_from
_TURN_BYTES: Final = 16
"""A row of the window is a place, with a digest behind it for an answer."""

_TURN: Final = "memo (key, session, number, seal) ON CONFLICT DO NOTHING"
_ANSWER: Final = "joinable (key, session, number, digest, seal) ON CONFLICT DO NOTHING"
_BEGIN: Final = "UPDATE session SET reusable = ? WHERE id = ? AND reusable IS NULL"
_REACHED: Final = "UPDATE session SET reusable = ? WHERE id = ? AND reusable BETWEEN ? AND ?"
_BEHIND: Final = "SELECT id, reusable FROM session WHERE reusable < count ORDER BY id"
_SCAN: Final = 10_000
_KEYS: Final = {
    "memo": "SELECT DISTINCT key FROM memo WHERE key > ? ORDER BY key LIMIT ?",
    "joinable": "SELECT key FROM joinable WHERE key > ? ORDER BY key LIMIT ?",
}
_AT_ONCE: Final = 64
"""Keys that one query looks up."""


class ReuseIndex:
    """Recorded turns by view key, and closed workspaces by question key.

    Another process sees rows of this one once they have left the window.

    Args:
        window_rows: Rows that are kept in memory.
    """

    def __init__(self, database: Database, window_rows: int = WINDOW_ROWS) -> None:
        self._database = database
        self._window = Window(window_rows)
        self._bloom: Bloom | None = None
        self._reached: dict[int, _Stretch] = {}
        """Of the sessions that this process worked, what it knows the rows of."""
        self._round: dict[int, _Stretch] = {}
        """The same when the window's current round began: in the database when it ends."""
        self._ended: set[int] = set()

    # -- taking in ---------------------------------------------------------------------------

    def write(self, writer: Writer, reusable: Reusable, before: Mapping[int, Chain]) -> None:
        """Write what belongs to a commit that makes these reusable, inside its transaction.

        Args:
            before: Where the sessions of the commit ended.
        """
        if reusable.memo or reusable.joins:
            fresh = before.keys() - self._reached.keys()
            writer.many(_BEGIN, [(before[each].count, each) for each in sorted(fresh)])
        if self._window.full:
            self._insert(writer, self._window.due())
            if self._window.ends_round:
                self._mark(writer, self._round)

    def remember(
        self,
        reusable: Reusable,
        before: Mapping[int, Chain],
        after: Mapping[int, Chain],
        *,
        spilled: bool,
    ) -> None:
        """Take in what a commit made reusable, once it is durable.

        Args:
            before: Where the sessions of the commit ended.
            after: Where they end now.
            spilled: Whether `write` gave rows of the window to the database.
        """
        if spilled:
            self._forget_written()
        if reusable.memo or reusable.joins:
            self._window.add(_rows(reusable))
            for each in before.keys() - self._reached.keys():
                self._reached[each] = (before[each].count, 0)
        if self._reached:
            for session, chain in after.items():
                if session in self._reached:
                    self._reached[session] = (self._reached[session][0], chain.count)

    def end(self, sessions: Iterable[int]) -> None:
        """Say that these sessions get no more events, so that they need not be kept in mind."""
        self._ended |= self._reached.keys() & set(sessions)

    @property
    def spills(self) -> bool:
        """Whether the next `write` gives rows to the database."""
        return self._window.full

    def _forget_written(self) -> None:
        if self._bloom is not None:
            self._bloom.add([key for key, _ in self._window.due()])
        ends = self._window.ends_round
        self._window.written()
        if ends:
            gone = {
                each for each in self._ended if self._round.get(each) == self._reached.get(each)
            }
            self._ended -= gone
            for each in gone:
                self._reached.pop(each, None)
            self._round = dict(self._reached)

    def flush(self) -> None:
        """Give all rows of the window to the database.

        Raises:
            StoreStopped: The store does not take them.
        """
        rows = self._window.all()
        if rows or self._reached:
            with self._database.writing() as writer:
                self._insert(writer, rows)
                self._mark(writer, self._reached)
        if self._bloom is not None:
            self._bloom.add([key for key, _ in rows])
        self._window.clear()
        # What was worked so far stays in mind: more of it may come.
        self._round = dict(self._reached)

    def put(self, session: int, until: int, reusable: Reusable) -> None:
        """Take in rows that were derived again from the events of a session before `until`.

        Raises:
            StoreStopped: The store does not take them.
        """
        rows = sorted(_rows(reusable))
        with self._database.writing() as writer:
            writer.run(_BEGIN, (0, session))
            self._insert(writer, rows)
            self._mark(writer, {session: (0, until)})
        if self._bloom is not None:
            self._bloom.add(key for key, _ in rows)

    def _insert(self, writer: Writer, rows: Sequence[tuple[bytes, Packed]]) -> None:
        turns: list[object] = []
        answers: list[object] = []
        for key, packed in rows:
            for row in rows_in(packed):
                place: tuple[int, int] = _place_of(row)
                seal = crc32(key + row)
                if len(row) == _TURN_BYTES:
                    turns += (bytearray(key), place[0], place[1], seal)
                else:
                    digest = bytearray(row[_TURN_BYTES:])
                    answers += (bytearray(key), place[0], place[1], digest, seal)
        writer.insert(_TURN, 4, turns)
        writer.insert(_ANSWER, 5, answers)

    def _mark(self, writer: Writer, reached: Mapping[int, _Stretch]) -> None:
        """Say that rows are complete, unless some are missing before where this process began."""
        rows = [(end, each, first, end) for each, (first, end) in sorted(reached.items())]
        writer.many(_REACHED, rows)

    # -- giving out --------------------------------------------------------------------------

    def turns(self, keys: Sequence[bytes]) -> list[list[Place]]:
        """For each key where its turns begin, in the order of sessions and events."""
        known = self._known
        stored = self._stored_turns({key for key in keys if key in known}) if known.any else {}
        found: list[list[Place]] = []
        for key in keys:
            places = _places(self._window.get(key))
            if key in stored:
                places = sorted({*places, *stored[key]})
            found.append(places)
        return found

    def answer(self, key: bytes) -> tuple[int, int, bytes] | None:
        """Session, number of the closing event and digest of the first answer under a key."""
        for row in rows_in(self._window.get(key)):
            if len(row) > _TURN_BYTES:
                session, number = _place_of(row)
                return session, number, row[_TURN_BYTES:]
        if key not in self._known:
            return None
        sql = "SELECT session, number, digest, seal FROM joinable WHERE key = ?"
        for session, number, digest, seal in self._database.rows(sql, (key,)):
            if seal == pointer_seal(key, session, number, digest):
                return session, number, digest
        return None

    def _stored_turns(self, keys: set[bytes]) -> dict[bytes, list[Place]]:
        found: dict[bytes, list[Place]] = {}
        for some in in_groups(sorted(keys), _AT_ONCE):
            for key, session, number, seal in self._database.rows(_LOOK_UP, some):
                if seal == pointer_seal(key, session, number):
                    found.setdefault(key, []).append((session, number))
        return found

    @property
    def _known(self) -> Bloom:
        """The keys that the database may hold; read from it when somebody first asks."""
        if self._bloom is None:
            self._bloom = Bloom()
            for sql in _KEYS.values():
                last = b""
                while True:
                    keys = [row[0] for row in self._database.rows(sql, (last, _SCAN))]
                    self._bloom.add(keys)
                    if len(keys) < _SCAN:
                        break
                    last = keys[-1]
        return self._bloom

    # -- keeping true ------------------------------------------------------------------------

    def behind(self) -> list[Place]:
        """Sessions of which the index lacks events, with the number of events that it has.

        Sessions that this process works do not count, but those of other processes do.
        """
        rows = self._database.rows(_BEHIND)
        return [(each, number) for each, number in rows if each not in self._reached]

    def forget(self, writer: Writer, sessions: Iterable[int]) -> tuple[int, int]:
        """Remove all rows that lead to these sessions; returns how many turns and answers.

        What is in the window of another process is not reached: its readers check the event.
        """
        gone = set(sessions)
        self._window.keep(lambda row: _place_of(row)[0] not in gone)
        for session in gone:
            self._reached.pop(session, None)
            self._round.pop(session, None)
            self._ended.discard(session)
        turns = answers = 0
        for some in in_groups(sorted(gone), _AT_ONCE):
            turns += writer.run(_DROP_TURNS, some)
            answers += writer.run(_DROP_ANSWERS, some)
        return turns, answers

    def drop(self, writer: Writer, places: Iterable[Place]) -> None:
        """Remove the rows that lead to these events, which are not to be used again."""
        gone = set(places)
        self._window.keep(lambda row: _place_of(row) not in gone)
        some = sorted(gone)
        writer.many("DELETE FROM memo WHERE session = ? AND number = ?", some)
        writer.many("DELETE FROM joinable WHERE session = ? AND number = ?", some)


def _places(packed: Packed) -> list[Place]:
    """Where the turns of a key begin, as the window holds them."""
    if not packed:
        return []
    return [_place_of(row) for row in rows_in(packed) if len(row) == _TURN_BYTES]


def _rows(reusable: Reusable) -> list[tuple[bytes, Packed]]:
    rows = [(key, pack(_place(session, number))) for key, session, number in reusable.memo]
    rows += [
        (key, pack(_place(session, number) + digest))
        for key, session, number, digest in reusable.joins
    ]
    return rows


_LOOK_UP: Final = (
    f"SELECT key, session, number, seal FROM memo WHERE key IN ({marks(_AT_ONCE)}) "  # noqa: S608
    "ORDER BY session, number"
)
_DROP_TURNS: Final = f"DELETE FROM memo WHERE session IN ({marks(_AT_ONCE)})"  # noqa: S608
_DROP_ANSWERS: Final = f"DELETE FROM joinable WHERE session IN ({marks(_AT_ONCE)})"  # noqa: S608
