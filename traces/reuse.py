"""The index of what can be used again: from a view's or a question's key to an event.

New rows wait in a window, from which they go to the database sorted and many at a time. So
that a crash loses none, each commit also writes its own as they come, in one piece, and that is
removed once they are where they belong.
"""

import struct
from collections.abc import Collection, Iterable, Sequence
from typing import Final
from zlib import crc32

from decomposition.ports import Reusable
from traces.bloom import Bloom
from traces.database import Database, Writer, in_groups, marks
from traces.digest import pointer_seal
from traces.window import WINDOW_ROWS, Packed, Window, pack, rows_in

Place = tuple[int, int]
"""A session and the number of one of its events."""

_place = struct.Struct(">qq").pack
_place_of = struct.Struct(">qq").unpack_from
_TURN_BYTES: Final = 16
"""A row of the window is a place, with a digest behind it for an answer."""

_TURN: Final = "memo (key, session, number, seal) ON CONFLICT DO NOTHING"
_ANSWER: Final = "joinable (key, session, number, digest, seal) ON CONFLICT DO NOTHING"
_NOTE: Final = "INSERT INTO unindexed (packed, seal) VALUES (?, ?) RETURNING id"
_NOTED: Final = "SELECT id, packed, seal FROM unindexed ORDER BY id"
_DONE: Final = "DELETE FROM unindexed WHERE id = ?"
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
        self._fresh: list[tuple[bytes, Packed]] = []
        """Rows of the commit under way."""
        self._note = 0
        """Where the database has them, in one piece."""
        self._old: list[int] = []
        """Notes whose rows will all be in their places when the window's current round ends."""
        self._young: list[int] = []
        """Notes that were made since it began."""

    # -- taking in ---------------------------------------------------------------------------

    def write(self, writer: Writer, reusable: Reusable) -> None:
        """Write what belongs to a commit that makes these reusable, inside its transaction."""
        self._fresh = rows = _rows(reusable) if reusable.memo or reusable.joins else []
        if rows:
            packed = b"".join([pack(key) + row for key, row in rows])
            self._note = int(writer.rows(_NOTE, (packed, crc32(packed)))[0][0])
        if self._window.full:
            self._insert(writer, self._window.due())
            if self._window.ends_round:
                writer.many(_DONE, [(note,) for note in self._old])

    def remember(self, *, spilled: bool) -> None:
        """Take in what `write` was given, once it is durable.

        Args:
            spilled: Whether `write` gave rows of the window to the database.
        """
        if spilled:
            self._forget_written()
        if self._fresh:
            self._window.add(self._fresh)
            self._young.append(self._note)
            self._fresh = []

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
            self._old, self._young = self._young, []

    def flush(self) -> None:
        """Give all rows of the window to the database.

        Raises:
            StoreStopped: The store does not take them.
        """
        rows = self._window.all()
        notes = [(note,) for note in (*self._old, *self._young)]
        if rows or notes:
            with self._database.writing() as writer:
                self._insert(writer, rows)
                writer.many(_DONE, notes)
        if self._bloom is not None:
            self._bloom.add([key for key, _ in rows])
        self._window.clear()
        self._old, self._young = [], []

    def catch_up(self) -> int:
        """Put the rows in their places that a process left which died; returns how many.

        Those of processes that are at work are put there too, which does no harm.

        Raises:
            StoreStopped: The store does not take them.
        """
        own = {*self._old, *self._young}
        if self._database.readonly:
            return 0
        if all(note in own for (note,) in self._database.rows("SELECT id FROM unindexed")):
            return 0
        with self._database.writing() as writer:
            return self._place_noted(writer, own)

    def _place_noted(self, writer: Writer, but: Collection[int]) -> int:
        """Put all rows that were noted in their places, but for those of some notes."""
        rows: list[tuple[bytes, Packed]] = []
        done: list[tuple[int]] = []
        for note, packed, seal in writer.rows(_NOTED):
            if note not in but and seal == crc32(packed):
                pieces = rows_in(packed)
                rows += zip(pieces[::2], map(pack, pieces[1::2]), strict=True)
                done.append((note,))
        self._insert(writer, sorted(rows))
        writer.many(_DONE, done)
        if self._bloom is not None:
            self._bloom.add([key for key, _ in rows])
        return len(rows)

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
            self.catch_up()
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

    def forget(self, writer: Writer, sessions: Iterable[int]) -> tuple[int, int]:
        """Remove all rows that lead to these sessions; returns how many turns and answers.

        What is in the window of another process is not reached: its readers check the event.
        """
        gone = set(sessions)
        self._window.keep(lambda row: _place_of(row)[0] not in gone)
        self._settle(writer)
        turns = answers = 0
        for some in in_groups(sorted(gone), _AT_ONCE):
            turns += writer.run(_DROP_TURNS, some)
            answers += writer.run(_DROP_ANSWERS, some)
        return turns, answers

    def drop(self, writer: Writer, places: Iterable[Place]) -> None:
        """Remove the rows that lead to these events, which are not to be used again."""
        gone = set(places)
        self._window.keep(lambda row: _place_of(row) not in gone)
        self._settle(writer)
        some = sorted(gone)
        writer.many("DELETE FROM memo WHERE session = ? AND number = ?", some)
        writer.many("DELETE FROM joinable WHERE session = ? AND number = ?", some)

    def _settle(self, writer: Writer) -> None:
        """Leave no row in a note, where it could not be removed by itself."""
        self._place_noted(writer, ())
        self._old, self._young = [], []


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
