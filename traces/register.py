"""The register: which runs and sessions there are, and how they ended.

What a session came to follows from its events, so those changes of its row need no commit of
their own: they wait here for the next one.
"""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from math import isfinite
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from msgspec.structs import astuple, replace

from traces.database import Database, Row, Writer, in_groups, marks
from traces.digest import genesis, new_seed, seal
from traces.errors import AmbiguousId, NameTaken, UnknownId, Unstorable
from traces.record import Ending, LineRecord, NewLine, RunRecord, SessionRecord, Status

if TYPE_CHECKING:
    from traces.leases import Guard

_SEALED: Final = (
    "trace",
    "run",
    "idx",
    "opened_us",
    "status",
    "seed",
    "config",
    "answer",
    "digest",
    "workspaces",
    "calls",
    "lookups",
    "memo_hits",
    "joins",
    "tokens",
    "cost_usd",
    "seconds",
)
SESSION_COLUMNS: Final = ", ".join(("id", *_SEALED, "count", "head"))
"""In the order of the fields of `SessionRecord`."""
_NEW: Final = (*_SEALED, "seal", "head", "count", "salt_seed")
_INTO_SESSION: Final = f"session ({', '.join(_NEW)})"
_INTO_LINE: Final = "line (run, idx, external, input, seal)"
_INTO_EXPECTED: Final = "expected (run, idx, text, seal)"
_CHANGE: Final = (
    f"UPDATE session SET {', '.join(f'{name} = ?' for name in (*_SEALED, 'seal'))} "  # noqa: S608
    "WHERE id = ?"
)
_RUN: Final = "SELECT id, name, created_us, kind, config, status, total, finished_us FROM run"
_AT_ONCE: Final = 64
_LINES_AT_ONCE: Final = 10_000
_TRACE_BYTES: Final = 6
_NEAREST: Final = 3
_LOOKED_AT: Final = 2_000
"""Newest ids that are compared with one that does not exist."""

Change = Callable[[SessionRecord], SessionRecord]


def run_seal(run: RunRecord) -> int:
    """The check over a run's row."""
    return seal(*astuple(run)[1:])


def session_seal(session: SessionRecord) -> int:
    """The check over a session's row, without its chain."""
    return seal(*astuple(session)[1 : 1 + len(_SEALED)])


class Register:
    """Runs, their lines, and sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes: dict[int, list[Change]] = {}
        self._ended: list[int] = []
        self.guard: Guard | None = None
        """Under whose leases sessions are changed here; None where nobody shares them."""

    # -- runs --------------------------------------------------------------------------------

    def create_run(
        self, name: str, kind: str, config: str, lines: Iterable[NewLine], *, now_us: int
    ) -> RunRecord:
        """Accept a run with all its lines, in one transaction; a waiting session for each line.

        Raises:
            NameTaken: A run has this name.
            StoreStopped: The store does not take it; nothing of it was accepted.
        """
        with self._database.writing() as writer:
            new = RunRecord(0, name, now_us, kind, config, "running", 0)
            sql = (
                "INSERT INTO run (name, created_us, kind, config, status, total, seal) "
                "VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING RETURNING id"
            )
            values = (name, now_us, kind, config, new.status, 0)
            given = writer.rows(sql, values)
            if not given:
                raise NameTaken(f"there is a run {name!r} already")
            number = int(given[0][0])
            total = self._accept(writer, number, lines)
            run = replace(new, number=number, total=total)
            sealed = (total, run_seal(run), number)
            writer.run("UPDATE run SET total = ?, seal = ? WHERE id = ?", sealed)
        return run

    def _accept(self, writer: Writer, run: int, lines: Iterable[NewLine]) -> int:
        inputs: list[object] = []
        labels: list[object] = []
        sessions: list[object] = []
        idx = 0
        for idx, line in enumerate(lines, 1):
            place = (run, idx - 1)
            inputs += (*place, line.external, line.input)
            inputs.append(seal(*place, line.external, line.input))
            if line.expected is not None:
                labels += (*place, line.expected, seal(*place, line.expected))
            sessions += _row(SessionRecord(0, _new_trace(), *place, 0, "waiting", line.seed))
            if not idx % _LINES_AT_ONCE:
                _insert_lines(writer, inputs, labels, sessions)
        _insert_lines(writer, inputs, labels, sessions)
        return idx

    def change_run(
        self, number: int, status: str, finished_us: int | None = None, config: str = ""
    ) -> None:
        """Say what has become of a run.

        Args:
            config: In place of the one that it has; empty to keep that.

        Raises:
            UnknownId: There is no such run.
            StoreStopped: The store does not take it.
        """
        with self._database.writing() as writer:
            rows = writer.rows(f"{_RUN} WHERE id = ?", (number,))
            if not rows:
                raise UnknownId("run", str(number), ())
            run = RunRecord(*rows[0])
            run = replace(run, status=status, finished_us=finished_us, config=config or run.config)
            sql = "UPDATE run SET status = ?, finished_us = ?, config = ?, seal = ? WHERE id = ?"
            writer.run(sql, (status, finished_us, run.config, run_seal(run), number))

    def again(self, number: int, statuses: Sequence[Status]) -> int:
        """Have lines of a run worked once more, in sessions of their own; how many.

        The earlier sessions stand alone from then on, with the options of the run; what they
        were paid stays in its account.

        Args:
            number: Of the run.
            statuses: Only lines whose session has one of these.

        Raises:
            StoreStopped: The store does not take it; nothing has changed.
        """
        self.flush()
        with self._database.writing() as writer:
            run = RunRecord(*writer.rows(f"{_RUN} WHERE id = ?", (number,))[0])
            wanted = f"run = ? AND status IN ({marks(len(statuses))})"
            rows = writer.rows(f"{_ANY} WHERE {wanted} ORDER BY idx", (number, *statuses))
            for earlier in (SessionRecord(*row) for row in rows):
                alone = replace(earlier, run=None, config=run.config)
                values = astuple(alone)[1 : 1 + len(_SEALED)]
                writer.run(_CHANGE, (*values, seal(*values), earlier.number))
                new = SessionRecord(0, _new_trace(), number, earlier.idx, 0, "waiting")
                _opened(writer, replace(new, seed=earlier.seed))
            if rows:
                open_again = replace(run, status="stopped", finished_us=None)
                sql = "UPDATE run SET status = ?, finished_us = NULL, seal = ? WHERE id = ?"
                writer.run(sql, (open_again.status, run_seal(open_again), number))
        return len(rows)

    def runs(self, limit: int = 100) -> list[RunRecord]:
        """The newest runs, the latest first."""
        rows = self._database.rows(f"{_RUN} ORDER BY id DESC LIMIT ?", (limit,))
        return [RunRecord(*row) for row in rows]

    def find_run(self, wanted: str) -> RunRecord:
        """The run with this name, or this unique beginning of one; `last` is the newest.

        Raises:
            UnknownId: There is none; the error names the nearest.
            AmbiguousId: There are several.
        """
        if wanted == "last":
            rows = self._database.rows(f"{_RUN} ORDER BY id DESC LIMIT 1")
        else:
            rows = self._database.rows(f"{_RUN} WHERE name = ?", (wanted,))
        if rows:
            return RunRecord(*rows[0])
        name = self._by_beginning("run", "name", wanted)
        return RunRecord(*self._database.rows(f"{_RUN} WHERE name = ?", (name,))[0])

    def lines(self, run: int, first: int = 0, limit: int = 1_000_000) -> list[LineRecord]:
        """Lines of a run from `first` on, without their labels."""
        sql = (
            "SELECT idx, external, input FROM line WHERE run = ? AND idx >= ? ORDER BY idx LIMIT ?"
        )
        return [LineRecord(*row) for row in self._database.rows(sql, (run, first, limit))]

    def expected(self, run: int) -> dict[int, str]:
        """The labels of a run by line. For evaluation only."""
        sql = "SELECT idx, text FROM expected WHERE run = ? ORDER BY idx"
        return dict(self._database.rows(sql, (run,)))

    def progress(self, run: int) -> dict[str, int]:
        """How many sessions of a run have which status."""
        self.flush()
        sql = "SELECT status, COUNT(*) FROM session WHERE run = ? GROUP BY status"
        return dict(self._database.rows(sql, (run,)))

    # -- sessions ----------------------------------------------------------------------------

    def open_session(
        self,
        *,
        now_us: int,
        seed: int = 0,
        config: str = "",
        run: int | None = None,
        idx: int = 0,
    ) -> SessionRecord:
        """Begin a session, outside of runs or as one of a run that has no line for it.

        Raises:
            StoreStopped: The store does not take it.
        """
        new = SessionRecord(0, _new_trace(), run, idx, now_us, "running", seed, config)
        with self._database.writing() as writer:
            return _opened(writer, new)

    def open_sessions(
        self, run: int, configs: Sequence[str], *, now_us: int, seed: int = 0
    ) -> list[SessionRecord]:
        """Begin sessions of a run that has no lines for them, in one transaction.

        Args:
            configs: One for each.

        Raises:
            StoreStopped: The store does not take them.
        """
        with self._database.writing() as writer:
            rows = [
                SessionRecord(0, _new_trace(), run, idx, now_us, "running", seed, config)
                for idx, config in enumerate(configs)
            ]
            return [_opened(writer, row) for row in rows]

    def begin(self, number: int, now_us: int, config: str = "") -> None:
        """Say that a waiting or stopped session is worked; goes into the next commit.

        Args:
            now_us: When it began, if it waited.
            config: In place of the one that it has; empty to keep that.
        """

        def change(row: SessionRecord) -> SessionRecord:
            opened_us, kept = row.opened_us or now_us, config or row.config
            return replace(row, status="running", opened_us=opened_us, config=kept)

        self._change(number, change)

    def finish(self, number: int, ending: Ending) -> None:
        """Say how a session ended, or where it stopped; goes into the next commit.

        Raises:
            Unstorable: Its texts or numbers cannot be stored.
        """
        _check(ending)
        changes = {name: getattr(ending, name) for name in ending.__struct_fields__}
        # A server keeps no NUL in a text. The event has the answer as it is; here it is shown.
        changes["answer"] = ending.answer.replace("\0", "\ufffd")
        changes["cost_usd"], changes["seconds"] = float(ending.cost_usd), float(ending.seconds)
        self._change(number, lambda row: replace(row, **changes))
        self._ended.append(number)

    def _change(self, number: int, change: Change) -> None:
        self._changes.setdefault(number, []).append(change)

    @property
    def waits(self) -> bool:
        """Whether changes wait for a commit."""
        return bool(self._changes)

    def write(self, writer: Writer) -> None:
        """Write the changes that wait, inside the transaction of a commit.

        Sessions that somebody has taken over are his to change.
        """
        changed: list[Row] = []
        if self.guard is not None and self._changes:
            for lost in self.guard.lost(writer, self._changes.keys()):
                del self._changes[lost]
        for some in in_groups(sorted(self._changes), _AT_ONCE):
            for found in writer.rows(_SOME, some):
                row = SessionRecord(*found)
                for change in self._changes[row.number]:
                    row = change(row)
                values = astuple(row)[1 : 1 + len(_SEALED)]
                changed.append((*values, seal(*values), row.number))
        writer.many(_CHANGE, changed)

    def written(self) -> list[int]:
        """Forget the changes, once they are durable; returns the sessions that ended."""
        ended = self._ended
        self._changes, self._ended = {}, []
        return ended

    def flush(self) -> None:
        """Write the changes that wait, in a commit of their own.

        Raises:
            StoreStopped: The store does not take them.
        """
        if self._changes:
            with self._database.writing() as writer:
                self.write(writer)
            self.written()

    def session(self, number: int) -> SessionRecord:
        """A session by the store's number.

        Raises:
            UnknownId: There is none.
        """
        self.flush()
        rows = self._database.rows(_ONE, (number,))
        if not rows:
            raise UnknownId("session", str(number), ())
        return SessionRecord(*rows[0])

    def find_session(self, wanted: str) -> SessionRecord:
        """The session with this trace id, or this unique beginning of one; `last` is the newest.

        Raises:
            UnknownId: There is none; the error names the nearest.
            AmbiguousId: There are several.
        """
        self.flush()
        if wanted == "last":
            rows = self._database.rows(f"{_ANY} WHERE opened_us > 0 ORDER BY id DESC LIMIT 1")
            if rows:
                return SessionRecord(*rows[0])
        trace = self._by_beginning("session", "trace", wanted)
        return SessionRecord(*self._database.rows(f"{_ANY} WHERE trace = ?", (trace,))[0])

    def sessions(
        self,
        run: int | None = None,
        statuses: Sequence[Status] = (),
        *,
        first: int = 0,
        limit: int = 1_000_000,
    ) -> list[SessionRecord]:
        """Sessions in the order of their numbers, those of a run in the order of lines.

        Args:
            run: Only those of this run.
            statuses: Only those with one of these; empty for all.
            first: Only those with this number or a higher one.
        """
        self.flush()
        wanted = ["id >= ?"]
        values: list[object] = [first]
        if run is not None:
            wanted.append("run = ?")
            values.append(run)
        if statuses:
            wanted.append(f"status IN ({marks(len(statuses))})")
            values += statuses
        # A line that was tried again has a session with a higher number than those after it.
        order = "id" if run is None else "idx, id"
        sql = f"{_ANY} WHERE {' AND '.join(wanted)} ORDER BY {order} LIMIT ?"
        return [SessionRecord(*row) for row in self._database.rows(sql, (*values, limit))]

    def newest(self, limit: int = 50) -> list[SessionRecord]:
        """The sessions that were begun last, the latest first."""
        self.flush()
        sql = f"{_ANY} WHERE opened_us > 0 ORDER BY id DESC LIMIT ?"
        return [SessionRecord(*row) for row in self._database.rows(sql, (limit,))]

    # -- ids ---------------------------------------------------------------------------------

    def _by_beginning(self, table: str, column: str, wanted: str) -> str:
        """The one id that begins like this."""
        # Both names stand in this file; the values are bound.
        found = self._database.rows(
            f"SELECT {column} FROM {table} WHERE {column} >= ? AND {column} < ? "  # noqa: S608
            f"ORDER BY {column} LIMIT 6",
            (wanted, wanted + "\U0010ffff"),
        )
        names = [str(row[0]) for row in found]
        if wanted and (wanted in names or len(names) == 1):
            return wanted if wanted in names else names[0]
        if wanted and names:
            raise AmbiguousId(table, wanted, names)
        newest = self._database.rows(
            f"SELECT {column} FROM {table} ORDER BY id DESC LIMIT ?",  # noqa: S608
            (_LOOKED_AT,),
        )
        known = [str(row[0]) for row in newest]
        raise UnknownId(table, wanted, get_close_matches(wanted, known, _NEAREST, cutoff=0.3))


def _check(ending: Ending) -> None:
    """See that an ending can be stored, before commits depend on it."""
    try:
        f"{ending.answer}{ending.digest}".encode()
    except UnicodeEncodeError as error:
        raise Unstorable(f"an answer cannot be stored: {error}") from error
    if not (isfinite(ending.cost_usd) and isfinite(ending.seconds)):
        raise Unstorable("an ending cannot be stored: its cost or its time is no number")


def _new_trace() -> str:
    return f"t-{token_hex(_TRACE_BYTES)}"


def _opened(writer: Writer, new: SessionRecord) -> SessionRecord:
    """A new session with the number that it was given."""
    # The names stand in this file, the values are bound.
    sql = f"INSERT INTO {_INTO_SESSION} VALUES ({marks(len(_NEW))}) RETURNING id"  # noqa: S608
    number = int(writer.rows(sql, _row(new))[0][0])
    return replace(new, number=number, head=genesis(new.trace))


def _row(new: SessionRecord) -> tuple[object, ...]:
    """The values of a new session's row."""
    values = astuple(new)[1 : 1 + len(_SEALED)]
    return (*values, seal(*values), bytearray(genesis(new.trace)), 0, bytearray(new_seed()))


def _insert_lines(
    writer: Writer, inputs: list[object], labels: list[object], sessions: list[object]
) -> None:
    writer.insert(_INTO_LINE, 5, inputs)
    writer.insert(_INTO_EXPECTED, 4, labels)
    writer.insert(_INTO_SESSION, len(_NEW), sessions)
    for rows in (inputs, labels, sessions):
        rows.clear()


_ANY: Final = f"SELECT {SESSION_COLUMNS} FROM session"  # noqa: S608 - the names stand in this file
_ONE: Final = f"{_ANY} WHERE id = ?"
_SOME: Final = f"{_ANY} WHERE id IN ({marks(_AT_ONCE)})"
