"""Verifying: everything that is stored is derived again and compared.

Of each session the chain is worked out from its events, and the first one that does not fit is
named. All other rows are held against their seals, and against the rows that they lead to.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, Literal
from zlib import crc32

from msgspec import Struct

from decomposition.errors import DecompositionError, EngineBug
from decomposition.tree import fold
from traces.database import Database, Row
from traces.digest import SEED_BYTES, Chain, genesis, pointer_seal, seal
from traces.errors import StoreDamaged, TraceError
from traces.ledger_check import findings
from traces.links import COLUMNS, Links, is_hash
from traces.reading import Reader
from traces.record import RunRecord, SessionRecord
from traces.register import SESSION_COLUMNS, run_seal, session_seal
from traces.store import Store
from traces.tables import EVENT_BITS
from traces.training_rows import BEGINNING, broken

Kind = Literal[
    "page",
    "chain",
    "event",
    "session",
    "index",
    "run",
    "mark",
    "answerer",
    "lease",
    "row",
    "ledger",
    "anchor",
]

GUARANTEE: Final = (
    "The chain shows accidents and a cut-off end. Whoever can rewrite the whole store can "
    "rewrite the chain too: only a head that was kept elsewhere shows that (--anchor HEAD). "
    "No content, so not covered: the number and the seed of a session as long as no event "
    "depends on them."
)
MOST: Final = 100
"""Findings that are listed; the others are counted."""
_PAGE: Final = 5_000
_LAST: Final = (1 << 63) - 1

_EVENTS: Final = f"SELECT {COLUMNS} FROM event WHERE id > ? AND id < ? ORDER BY id LIMIT ?"  # noqa: S608
_SESSIONS: Final = (
    f"SELECT {SESSION_COLUMNS}, salt_seed, seal FROM session "  # noqa: S608 - names from our code
    "WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
)
_ROWS_PAGE: Final = 200
_TRAINED: Final = (
    "SELECT run, arm, step, teacher_step, total, packed, leaf, digest, seal FROM trained "
    "WHERE (run, arm, step) > (?, ?, ?) ORDER BY run, arm, step LIMIT ?"
)
_LEADS_NOWHERE: Final = {
    "memo": (
        "SELECT m.session, m.number FROM memo m LEFT JOIN event e "
        "ON e.id = m.session * 4294967296 + m.number WHERE e.id IS NULL LIMIT 20"
    ),
    "joinable": (
        "SELECT m.session, m.number FROM joinable m LEFT JOIN event e "
        "ON e.id = m.session * 4294967296 + m.number WHERE e.id IS NULL LIMIT 20"
    ),
    "redacted": (
        "SELECT m.session, m.number FROM redacted m LEFT JOIN event e "
        "ON e.id = m.session * 4294967296 + m.number "
        "WHERE e.id IS NULL OR e.payload IS NOT NULL LIMIT 20"
    ),
    "stale": (
        "SELECT m.session, m.number FROM stale m LEFT JOIN event e "
        "ON e.id = m.session * 4294967296 + m.number WHERE e.id IS NULL LIMIT 20"
    ),
}


class Finding(Struct, frozen=True):
    """Something that does not hold."""

    kind: Kind
    message: str
    trace: str = ""
    number: int | None = None
    """The first event that does not fit; None where it is no event."""

    def __str__(self) -> str:
        place = self.trace if self.number is None else f"{self.trace} event {self.number}"
        return f"{place}: {self.message}" if place else self.message


class Report(Struct, frozen=True):
    """What was verified, and what was found."""

    sessions: int
    events: int
    redacted: int
    """Events whose payloads were taken away; their commitments hold."""
    findings: tuple[Finding, ...]
    """The first `MOST`."""
    total: int
    """All findings."""
    anchored: str = ""
    """Where the anchor stands: everything up to there is as it was when it was kept."""
    guarantee: str = GUARANTEE

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.total


def verify(
    store: Store, traces: Sequence[str] = (), *, anchor: str = "", refold: bool = False
) -> Report:
    """Derive again what is stored, and compare.

    Args:
        traces: Only these sessions; empty for the whole store.
        anchor: A head that was kept elsewhere, in hexadecimal.
        refold: Also fold the events, and compare the digests of finished sessions.

    Raises:
        UnknownId: There is no such session.
        StoreStopped: The store cannot be read now.
    """
    check = _Check(store.database, anchor, refold=refold)
    only = [store.register.find_session(trace).number for trace in traces]
    with store.database.lenient():
        check.pages()
        for number in only:
            check.guarded(lambda number=number: check.chains(number))
        if not only:
            for each in _parts(check):
                check.guarded(each)
    return check.report()


def _parts(check: "_Check") -> tuple[Callable[[], None], ...]:
    """All that is checked of a whole store."""
    parts = (check.chains, check.runs, check.index, check.marks, check.names, check.rows)
    return (*parts, check.ledger)


class _Check:
    """One verification under way."""

    def __init__(self, database: Database, anchor: str, *, refold: bool) -> None:
        self._database = database
        self._reader = Reader(database)
        self._links = Links(self._reader)
        self._anchor = bytes.fromhex(anchor) if anchor else b""
        self._anchored = ""
        self._refold = refold
        self._findings: list[Finding] = []
        self._total = 0
        self._sessions = 0
        self._events = 0
        self._redacted = 0

    def report(self) -> Report:
        if self._anchor and not self._anchored:
            message = "no chain goes through the anchor: what it stood for was rewritten or removed"
            self._find("anchor", message)
        return Report(
            self._sessions,
            self._events,
            self._redacted,
            tuple(self._findings),
            self._total,
            self._anchored,
        )

    def _find(self, kind: Kind, message: str, trace: str = "", number: int | None = None) -> None:
        self._total += 1
        if len(self._findings) < MOST:
            self._findings.append(Finding(kind, message, trace, number))

    def guarded(self, check: Callable[[], None]) -> None:
        """Do a part of the work; damaged pages end the part, not the whole."""
        try:
            check()
        except StoreDamaged as error:
            self._find("page", str(error))

    def pages(self) -> None:
        """What the database finds in its own structure."""
        if not self._database.on_sqlite:
            return
        try:
            for (message,) in self._database.execute("PRAGMA integrity_check"):
                if message != "ok":
                    self._find("page", f"damaged structure: {message}")
            for table, *_ in self._database.execute("PRAGMA foreign_key_check"):
                self._find("page", f"a row of {table} belongs to a row that does not exist")
        except StoreDamaged as error:
            self._find("page", str(error))

    # -- sessions and their chains -------------------------------------------------------------

    def chains(self, session: int | None = None) -> None:
        """Hold the events against the chains of their sessions, or of one."""
        first, last = (0, _LAST) if session is None else (session, session + 1)
        start, end = (-1, last) if session is None else (session - 1, last)
        rows = self._pages(_SESSIONS, start, end)
        low = (first << EVENT_BITS) - 1
        high = _LAST if session is None else last << EVENT_BITS
        groups = groupby(self._pages(_EVENTS, low, high), key=_session_of)
        number, events = next(groups, _NO_GROUP)
        for row in rows:
            while number < row[0]:
                self._find("event", f"{_count(events)} events of session {number}, which is not")
                number, events = next(groups, _NO_GROUP)
            if number == row[0]:
                self._session(row, events)
                number, events = next(groups, _NO_GROUP)
            else:
                self._session(row, ())
        while number < _LAST:
            self._find("event", f"{_count(events)} events of session {number}, which is not")
            number, events = next(groups, _NO_GROUP)

    def _pages(self, sql: str, after: int, before: int) -> Iterator[Row]:
        while True:
            rows = self._database.rows(sql, (after, before, _PAGE))
            yield from rows
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def _session(self, row: Row, events: Iterable[Row]) -> None:
        *columns, seed, sealed = row
        session = SessionRecord(*columns)
        trace = _shown(session.trace)
        self._sessions += 1
        if sealed != session_seal(session):
            self._find("session", "its row was changed", trace)
        if trace != session.trace or not (is_hash(session.head) and is_hash(seed, SEED_BYTES)):
            self._find("session", "its id or the end of its chain is none", trace)
            return
        chain = Chain(genesis(trace), 0, seed)
        self._reach(chain, trace)
        husks = self._reader.husks(session.number)
        self._redacted += len(husks)
        for event in events:
            wrong = self._links.follow(chain, event, husks)
            if wrong:
                self._find("chain", wrong, trace, chain.count)
                return
            self._reach(chain, trace)
            self._events += 1
        if chain.count != session.count:
            message = f"it has {chain.count} events and should have {session.count}"
            self._find("chain", message, trace, min(chain.count, session.count))
        elif chain.head != session.head:
            self._find("chain", "its chain ends in another hash", trace)
        elif self._refold and not husks:
            self._fold(session, trace)

    def _reach(self, chain: Chain, trace: str) -> None:
        if self._anchor and chain.head == self._anchor:
            self._anchored = f"{trace} after {chain.count} events"

    def _fold(self, session: SessionRecord, trace: str) -> None:
        """Compare what the events come to with what the session's row says."""
        if not session.digest:
            return
        try:
            digest = fold(self._reader.entries(session.number)).finish()
        except (DecompositionError, EngineBug, TraceError) as error:
            self._find("session", f"its events do not fold: {error}", trace)
            return
        if digest != session.digest:
            self._find("session", "its events come to another digest", trace)

    # -- everything else -----------------------------------------------------------------------

    def runs(self) -> None:
        """Hold runs and their lines against their seals and their numbers."""
        sql = (
            "SELECT id, name, created_us, kind, config, status, total, finished_us, seal FROM run "
            "WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
        )
        for *columns, sealed in self._pages(sql, -1, _LAST):
            run = RunRecord(*columns)
            if sealed != run_seal(run):
                self._find("run", f"the row of run {_shown(run.name)} was changed")
            lines = self._lines(run.number, "SELECT run, idx, external, input, seal FROM line")
            if lines != run.total:
                self._find(
                    "run", f"run {_shown(run.name)} has {lines} lines and should have {run.total}"
                )
            self._lines(run.number, "SELECT run, idx, text, seal FROM expected")

    def _lines(self, run: int, select: str) -> int:
        count = 0
        after = -1
        while True:
            sql = f"{select} WHERE run = ? AND idx > ? ORDER BY idx LIMIT ?"
            rows = self._database.rows(sql, (run, after, _PAGE))
            for row in rows:
                if row[-1] != seal(*row[:-1]):
                    self._find("run", f"line {row[1]} of run {run} was changed")
            count += len(rows)
            if len(rows) < _PAGE:
                return count
            after = rows[-1][1]

    def index(self) -> None:
        """Hold the index of reuse against its seals and the events that it leads to."""
        for table, digest in (("memo", ""), ("joinable", ", digest")):
            last: Row = (b"", -1, -1)
            sql = (
                f"SELECT key, session, number, seal{digest} FROM {table} "  # noqa: S608
                "WHERE (key, session, number) > (?, ?, ?) ORDER BY key, session, number LIMIT ?"
            )
            while True:
                rows = self._database.rows(sql, (*last, _PAGE))
                for row in rows:
                    if not _pointer_holds(row):
                        self._find("index", f"a row of {table} was changed: it is not used")
                if len(rows) < _PAGE:
                    break
                last = rows[-1][:3]

        for packed, sealed in self._database.rows("SELECT packed, seal FROM unindexed"):
            if not isinstance(packed, bytes) or sealed != crc32(packed):
                self._find("index", "rows that wait for the index were changed: they are not used")

    def marks(self) -> None:
        """Hold marks of redaction and staleness, and everything that leads to events."""
        for session, number, *rest in self._database.rows(
            "SELECT session, number, wall_us, reason, husk, seal FROM redacted"
        ):
            if rest[-1] != seal(session, number, *rest[:-1]):
                self._find("mark", f"what is left of event {number} of session {session}")
        for session, number, reason, sealed in self._database.rows(
            "SELECT session, number, reason, seal FROM stale"
        ):
            if sealed != seal(session, number, reason):
                self._find("mark", f"a mark on event {number} of session {session} was changed")
        self._lead_somewhere()

    def names(self) -> None:
        """Hold the identities of answerers, and the leases, against their seals."""
        for number, identity, sealed in self._database.rows(
            "SELECT id, identity, seal FROM answerer"
        ):
            if sealed != seal(number, identity):
                self._find("answerer", f"answerer {number}, {_shown(identity)}, was changed")
        for *lease, sealed in self._database.rows(
            "SELECT resource, holder, fence, expires_us, seal FROM lease"
        ):
            if sealed != seal(*lease):
                self._find("lease", f"the lease of {_shown(lease[0])} was changed")

    def rows(self) -> None:
        """Hold training rows against their seals and the digests that run over them."""
        last: tuple[object, ...] = (-1, "", -1)
        arm: tuple[object, ...] = ()
        digest, step = BEGINNING, 0
        while True:
            page = self._database.rows(_TRAINED, (*last, _ROWS_PAGE))
            for row in page:
                if row[:2] != arm:
                    arm, digest, step = row[:2], BEGINNING, 0
                wrong = broken(row, digest)
                if not wrong and row[2] != step + 1:
                    wrong = f"follows step {step}: rows are missing"
                if wrong:
                    self._find("row", f"step {row[2]} of {_shown(row[1])} of run {row[0]} {wrong}")
                digest, step = row[7] if isinstance(row[7], bytes) else b"", row[2]
            if len(page) < _ROWS_PAGE:
                return
            last = page[-1][:3]

    def ledger(self) -> None:
        """Hold what was paid against its seals, its events and its sums."""
        for message in findings(self._database):
            self._find("ledger", message)

    def _lead_somewhere(self) -> None:
        for table, sql in _LEADS_NOWHERE.items():
            for session, number in self._database.rows(sql):
                message = f"{table} leads to event {number} of session {session}, which is not"
                self._find("index", message)


def _shown(text: object) -> str:
    """A text that need not be Unicode, in letters that can be printed."""
    return str(text).encode(errors="backslashreplace").decode()


def _pointer_holds(row: Row) -> bool:
    key, session, number, sealed, *digest = row
    if not (isinstance(key, bytes) and isinstance(session, int) and isinstance(number, int)):
        return False
    if any(not isinstance(each, bytes) for each in digest):
        return False
    return bool(sealed == pointer_seal(key, session, number, *digest))


def _session_of(row: Row) -> int:
    return int(row[0]) >> EVENT_BITS


def _count(rows: Iterable[Row]) -> int:
    return sum(1 for _ in rows)


_NO_GROUP: Final[tuple[int, Iterable[Row]]] = (_LAST, ())
