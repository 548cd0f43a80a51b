"""The ledger: a line for each attempt of a paid call, and for each stretch of a person's time.

An intent's line is committed before its call leaves, and completed in the transaction that
appends what came of it. A line that was never completed is a call that was under way when
everything stopped: nobody knows whether it was answered, so it becomes `ambiguous` and keeps
counting as its reserve.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from secrets import token_hex
from typing import Final, Literal

from msgspec import Struct

from decomposition.errors import Fenced
from decomposition.hypertext import storable
from decomposition.ports import ALL_GRANTED, Ungranted
from decomposition.spend import Dues, Estimate, Intent, Receipt, Usage
from traces.database import Database, Row, Writer
from traces.digest import seal
from traces.leases import this_process
from traces.spending import (
    READ,
    Ceiling,
    Change,
    Scope,
    Spent,
    advance,
    in_order,
    limit,
    read,
    reserving,
    settling,
    worked,
)

By = Literal["session", "path", "answerer", "standing"]
"""By what totals are told apart; a path stands with its session."""

COLUMNS: Final = (
    "call, run, session, path, answerer, attempt, standing, wall_us, duration_us, reserved_in, "
    "reserved_out, reserved_usd, tokens_in, tokens_out, cost_usd, human_s, event, fault, finish, "
    "model, request, reply, holder, fence"
)
_WIDTH: Final = COLUMNS.count(",") + 2
_INTO: Final = f"ledger ({COLUMNS}, seal)"
_READ: Final = f"SELECT {COLUMNS} FROM ledger"  # noqa: S608 - names from this file
_SHOWN: Final = (
    f"SELECT {COLUMNS.replace('answerer', 'a.identity')} FROM ledger "  # noqa: S608 - as above
    "LEFT JOIN answerer a ON a.id = ledger.answerer"
)
_COMPLETE: Final = (
    "UPDATE ledger SET standing = ?, duration_us = ?, tokens_in = ?, tokens_out = ?, "
    "cost_usd = ?, event = ?, fault = ?, finish = ?, model = ?, request = ?, reply = ?, "
    "seal = ? WHERE call = ? AND standing = ''"
)
_IN_ORDER: Final = " ORDER BY wall_us, call"
_TOTALS: Final = (
    "COUNT(*), SUM(CASE WHEN human_s IS NULL THEN 1 ELSE 0 END), "
    "SUM(COALESCE(tokens_in, 0)), SUM(COALESCE(tokens_out, 0)), SUM(COALESCE(cost_usd, 0)), "
    "SUM(CASE WHEN human_s IS NULL AND (tokens_in IS NULL OR tokens_out IS NULL OR "
    "cost_usd IS NULL) THEN 1 ELSE 0 END), "
    "SUM(CASE WHEN human_s IS NULL AND tokens_in IS NULL THEN reserved_in ELSE 0 END + "
    "CASE WHEN human_s IS NULL AND tokens_out IS NULL THEN reserved_out ELSE 0 END), "
    "SUM(CASE WHEN human_s IS NULL AND cost_usd IS NULL THEN COALESCE(reserved_usd, 0) "
    "ELSE 0 END), SUM(COALESCE(human_s, 0)), SUM(duration_us), COUNT(event)"
)
_KEYS: Final[dict[By, tuple[str, str]]] = {
    "session": ("session", "''"),
    "path": ("session", "path"),
    "answerer": ("0", "a.identity"),
    "standing": ("0", "standing"),
}
_UNSETTLED: Final = (
    " AND standing IN ('', 'ambiguous') AND NOT EXISTS (SELECT 1 FROM ledger later "
    "WHERE later.session = ledger.session AND later.path = ledger.path "
    "AND later.human_s IS NULL AND later.wall_us > ledger.wall_us)"
)
AMBIGUOUS: Final = "ambiguous"
_PAGE: Final = 200
"""Lines that are read at once."""
_LONGEST_TEXT: Final = 1 << 26
"""Characters of a request or a reply that are kept."""


class Line(Struct, frozen=True):
    """A line of the ledger."""

    call: str
    """Id: `c-…` of a call, `h-…` of a stretch of a person's time."""
    run: int | None
    session: int
    path: str
    answerer: str
    """Identity."""
    attempt: int
    standing: str
    """Empty while the call is under way; else as in `decomposition.spend`, or `ambiguous`."""
    wall_us: int
    duration_us: int
    reserved_in: int
    reserved_out: int
    reserved_usd: float | None
    tokens_in: int | None
    """None where nobody knows; it then counts as its reserve. The same for the two below."""
    tokens_out: int | None
    cost_usd: float | None
    human_s: float | None
    """Seconds of a person; None for a call."""
    event: int | None
    """Number of the first event of the turn that came of it."""
    fault: str
    finish: str
    model: str
    request: str
    reply: str
    holder: str
    fence: int


class Totals(Struct, frozen=True):
    """What lines of the ledger come to."""

    lines: int = 0
    calls: int = 0
    """Attempts of paid calls."""
    tokens_in: int = 0
    """As far as they are known; so are the two below."""
    tokens_out: int = 0
    cost_usd: float = 0.0
    unknown: int = 0
    """Calls of which not all is known: under way, ambiguous, or without a report."""
    reserved_tokens: int = 0
    """What they may have used beside what is known."""
    reserved_usd: float = 0.0
    human_s: float = 0.0
    duration_us: int = 0
    turns: int = 0
    """Lines of which a turn came."""

    @property
    def tokens(self) -> int:
        """Tokens in and out, as far as they are known."""
        return self.tokens_in + self.tokens_out


class Made(Struct):
    """The changes of a commit to the ledger, before anything is written."""

    intents: list[tuple[Intent, Row]]
    receipts: list[Receipt]
    sessions: frozenset[int]
    """Those whose calls it is about."""


class Ledger:
    """Reads and writes lines. What a commit owes is written inside of its transaction.

    Args:
        number_of: The store's number of an answerer's identity.
    """

    def __init__(self, database: Database, number_of: Callable[[str], int]) -> None:
        self._database = database
        self._number_of = number_of
        self.holder = this_process()
        self.fences: dict[int, int] = {}
        """Fences of the leases under which sessions are worked here; they stand in the lines."""
        self._capped: set[int] = set()
        """Sessions of runs that have caps of their own."""
        self._runs: dict[int, int | None] = {}
        self._open: dict[str, Row] = {}
        """Lines whose calls are under way here."""
        self._written: list[Row] = []
        self._completed: list[str] = []
        self._worked: dict[Scope, tuple[int, int]] = {}

    # -- writing, inside of a commit -----------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether a stretch of time waits for a commit."""
        return bool(self._worked)

    def prepare(self, dues: Dues) -> Made:
        """Work out what can be before the transaction.

        Raises:
            StoreStopped: The store cannot be read now.
        """
        self._know({intent.session for intent in dues.intents})
        intents = [(intent, self._begun(intent)) for intent in dues.intents]
        known = [self._open[each.call][2] for each in dues.receipts if each.call in self._open]
        sessions = {intent.session for intent in dues.intents}.union(known)
        return Made(intents, list(dues.receipts), frozenset(sessions))

    def _begun(self, intent: Intent) -> Row:
        estimate = intent.estimate
        place = (intent.call, self._runs.get(intent.session), intent.session, intent.path)
        who = (self._number_of(intent.answerer), intent.attempt, "", intent.wall_us, 0)
        reserve = (estimate.tokens_in, estimate.tokens_out, _usd(estimate.cost_usd))
        rest = (None, None, None, None, None, "", "", "", "", "")
        fence = self.fences.get(intent.session, 0)
        return (*place, *who, *reserve, *rest, self.holder, fence)

    def _know(self, sessions: Iterable[int]) -> None:
        """See which runs sessions belong to."""
        for session in sorted(set(sessions) - self._runs.keys()):
            rows = self._database.rows("SELECT run FROM session WHERE id = ?", (session,))
            self._runs[session] = rows[0][0] if rows else None

    def write(self, writer: Writer, made: Made | None) -> Ungranted:
        """Write receipts and then intents; those of them that a cap has no room for.

        Raises:
            Fenced: Somebody else has settled one of the lines; nothing may be committed.
        """
        self._written, self._completed = [], []
        self._write_worked(writer)
        if made is None:
            return ALL_GRANTED
        changes: dict[Scope, Change] = {}
        for receipt in made.receipts:
            row, change = self._complete(writer, receipt)
            for scope in self._scopes(row[1], row[2]):
                changes.setdefault(scope, Change()).add(change)
        for scope in sorted(changes, key=in_order):
            advance(writer, scope, changes[scope], guarded=False)
        refused = self._refused(writer, [intent for intent, _ in made.intents])
        flat: list[object] = []
        for intent, row in made.intents:
            if intent.call not in refused:
                flat += (*row, seal(*row))
                self._written.append(row)
        writer.insert(_INTO, _WIDTH, flat)
        return refused

    def written(self) -> None:
        """Take on what a commit wrote, once it is durable."""
        self._open.update((row[0], row) for row in self._written)
        for call in self._completed:
            self._open.pop(call, None)
        self._written, self._completed, self._worked = [], [], {}

    def _complete(self, writer: Writer, receipt: Receipt) -> tuple[Row, Change]:
        """Complete a line; the line as it is now, and what that adds to what was spent."""
        row = self._open.get(receipt.call)
        if row is None:
            found = writer.rows(f"{_READ} WHERE call = ?", (receipt.call,))
            row = found[0] if found else None
        if row is None:
            raise Fenced(f"the line of call {receipt.call} is gone", frozenset())
        usage = receipt.usage
        texts = tuple(
            map(_text, (receipt.fault, usage.finish, usage.model, usage.request, usage.reply))
        )
        used = (usage.tokens_in, usage.tokens_out, _usd(usage.cost_usd))
        head = (*row[:6], receipt.standing, row[7], receipt.duration_us, *row[9:12])
        new = (*head, *used, None, receipt.event, *texts, *row[22:])
        values = (receipt.standing, receipt.duration_us, *used, receipt.event, *texts)
        if not writer.run(_COMPLETE, (*values, seal(*new), receipt.call)):
            message = "another process took the session over while a call was under way"
            raise Fenced(message, frozenset({row[2]}))
        self._completed.append(receipt.call)
        return new, settling(Estimate(*row[9:12]), usage)

    def _refused(self, writer: Writer, intents: Sequence[Intent]) -> Ungranted:
        """Reserve for intents; those for which there is no room, with whose cap it is."""
        refused: dict[str, Literal["run", "session"]] = {}
        own: dict[Scope, list[Intent]] = {}
        for intent in intents:
            for scope in self._scopes(self._runs.get(intent.session), intent.session):
                own.setdefault(scope, []).append(intent)
        for scope in sorted(own, key=in_order):
            left = [intent for intent in own[scope] if intent.call not in refused]
            for intent in _without_room(writer, scope, left):
                refused[intent.call] = scope[0]
                if scope[0] == "run" and intent.session in self._capped:
                    back = reserving(intent.estimate)
                    back = Change(-back.calls, -back.tokens, -back.nano_usd)
                    advance(writer, ("session", intent.session), back, guarded=False)
        return refused or ALL_GRANTED

    def _scopes(self, run: int | None, session: int) -> tuple[Scope, ...]:
        """Whose spending a session's calls are."""
        if run is None:
            return (("session", session),)
        if session in self._capped:
            return (("session", session), ("run", run))
        return (("run", run),)

    def _write_worked(self, writer: Writer) -> None:
        for scope, (since_us, until_us) in sorted(self._worked.items()):
            worked(writer, scope, since_us, until_us)

    # -- caps and time -------------------------------------------------------------------------

    def limit(
        self, ceiling: Ceiling, *, run: int | None = None, session: int | None = None
    ) -> Spent:
        """Put caps in the place of those that a run or a session has; what it has spent.

        A session of a run that gets caps of its own is held to both from then on.

        Raises:
            StoreStopped: The store does not take it.
        """
        scope = _scope(run, session)
        with self._database.writing() as writer:
            if session is not None:
                self._know([session])
                self._begin_session(writer, session)
            limit(writer, scope, ceiling)
            return read(writer.rows(READ, scope), scope)

    def _begin_session(self, writer: Writer, session: int) -> None:
        """Have a session of a run stand by itself, with what it has spent by now."""
        if self._runs.get(session) is None:
            return
        self._capped.add(session)
        if writer.rows(READ, ("session", session)):
            return
        for row in writer.rows(f"{_READ} WHERE session = ? AND human_s IS NULL", (session,)):
            change = reserving(Estimate(*row[9:12]))
            if row[6]:
                change.add(settling(Estimate(*row[9:12]), Usage(*row[12:15])))
            advance(writer, ("session", session), change, guarded=False)

    def worked(
        self, since_us: int, until_us: int, *, run: int | None = None, session: int | None = None
    ) -> None:
        """Count a stretch of time on the clock; goes into the next commit."""
        scope = _scope(run, session)
        known = self._worked.get(scope)
        since_us = min(since_us, known[0]) if known else since_us
        self._worked[scope] = (since_us, max(until_us, since_us))

    def flush(self) -> None:
        """Write what waits for a commit, in one of its own.

        Raises:
            StoreStopped: The store does not take it.
        """
        if self._worked:
            with self._database.writing() as writer:
                self._write_worked(writer)
            self._worked = {}

    def add_human_seconds(
        self, session: int, path: str, answerer: str, seconds: float, *, wall_us: int
    ) -> str:
        """Write a line for a person's time in a workspace; the id of the line.

        Args:
            answerer: Identity of the person, such as `human:ann`.
            wall_us: When the stretch began.

        Raises:
            StoreStopped: The store does not take it.
        """
        self._know([session])
        call = f"h-{token_hex(8)}"
        place = (call, self._runs[session], session, path, self._number_of(answerer), 1)
        spent = ("answered", wall_us, int(seconds * 1_000_000), 0, 0, 0.0, 0, 0, 0.0)
        row = (*place, *spent, float(seconds), None, *[""] * 5, self.holder, 0)
        with self._database.writing() as writer:
            writer.insert(_INTO, _WIDTH, [*row, seal(*row)])
        return call

    # -- what was left open --------------------------------------------------------------------

    def mark_ambiguous(self, session: int) -> list[Line]:
        """Close the lines of a session whose calls were under way when its process stopped.

        Whoever calls this holds the session, and has no call of it under way. Should the other
        process live after all, what it still brings is fenced off.

        Raises:
            StoreStopped: The store does not take it.
        """
        if not self._database.rows(
            "SELECT call FROM ledger WHERE session = ? AND standing = '' LIMIT 1", (session,)
        ):
            return []
        with self._database.writing() as writer:
            rows = writer.rows(f"{_READ} WHERE session = ? AND standing = ''", (session,))
            if not rows:
                return []
            new = [(*row[:6], AMBIGUOUS, *row[7:]) for row in rows]
            sql = "UPDATE ledger SET standing = ?, seal = ? WHERE call = ?"
            writer.many(sql, [(AMBIGUOUS, seal(*row), row[0]) for row in new])
            self._know([session])
            for scope in self._scopes(rows[0][1], session):
                advance(writer, scope, Change(unknown=len(rows)), guarded=False)
        for row in rows:
            self._open.pop(row[0], None)
        marked = {row[0] for row in rows}
        return [line for line in self.ambiguous(session=session) if line.call in marked]

    def ambiguous(self, *, run: int | None = None, session: int | None = None) -> list[Line]:
        """Calls of which nobody knows whether they were answered, in the order of leaving."""
        return self.lines(run=run, session=session, standing=AMBIGUOUS)

    def open_intents(self, *, run: int | None = None, session: int | None = None) -> list[Line]:
        """Calls that are under way, or were when their process died."""
        return self.lines(run=run, session=session, standing="")

    def unsettled(self, *, run: int | None = None, session: int | None = None) -> list[Line]:
        """Calls of which nobody knows what came, where nothing was asked since.

        These are what `--on-ambiguous` is about; those under way in a live process are among
        them.
        """
        where, values = _where(run, session)
        rows = self._database.rows(f"{_SHOWN}{where}{_UNSETTLED}{_IN_ORDER}", values)
        return [Line(*row) for row in rows]

    # -- reading -------------------------------------------------------------------------------

    def lines(
        self,
        *,
        run: int | None = None,
        session: int | None = None,
        standing: str | None = None,
    ) -> list[Line]:
        """Lines in the order in which their calls were made.

        Args:
            run: Only those of this run; so for the others.
        """
        where, values = _where(run, session)
        if standing is not None:
            where, values = f"{where} AND standing = ?", [*values, standing]
        rows = self._database.rows(f"{_SHOWN}{where}{_IN_ORDER}", values)
        return [Line(*row) for row in rows]

    def newest(self, limit: int, *, run: int | None = None) -> list[Line]:
        """The lines whose calls were made last, the latest last."""
        where, values = _where(run, None)
        sql = f"{_SHOWN}{where} ORDER BY wall_us DESC, call DESC LIMIT ?"
        return [Line(*row) for row in self._database.rows(sql, (*values, limit))][::-1]

    def each(self, *, run: int | None = None) -> Iterator[Line]:
        """All lines in the order in which their calls were made, some at a time in memory."""
        where, values = _where(run, None)
        sql = f"{_SHOWN}{where} AND (wall_us > ? OR wall_us = ? AND call > ?){_IN_ORDER} LIMIT ?"
        last_us, last = -1, ""
        while rows := self._database.rows(sql, (*values, last_us, last_us, last, _PAGE)):
            for row in rows:
                yield Line(*row)
            last_us, last = rows[-1][7], rows[-1][0]

    def totals(self, *, run: int | None = None, session: int | None = None) -> Totals:
        """What the lines of a run, of a session or of the store come to.

        Raises:
            StoreStopped: The store cannot be read now.
        """
        where, values = _where(run, session)
        rows = self._database.rows(f"SELECT {_TOTALS} FROM ledger{where}", values)  # noqa: S608
        return _totals(rows[0])

    def totals_by(
        self, by: By, *, run: int | None = None, session: int | None = None
    ) -> dict[tuple[int, str], Totals]:
        """Totals told apart: by session, by workspace, by answerer or by what came of a call."""
        where, values = _where(run, session)
        first, second = _KEYS[by]
        sql = (
            f"SELECT {first}, {second}, {_TOTALS} FROM ledger "  # noqa: S608 - names from this file
            f"LEFT JOIN answerer a ON a.id = ledger.answerer{where} GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return {
            (int(row[0]), str(row[1])): _totals(row[2:]) for row in self._database.rows(sql, values)
        }

    def spent(self, *, run: int | None = None, session: int | None = None) -> Spent:
        """What a run, or a session outside of runs, has spent and reserved: one row.

        Raises:
            StoreStopped: The store cannot be read now.
        """
        scope = _scope(run, session)
        return read(self._database.rows(READ, scope), scope)

    def forget(self, sessions: Iterable[int]) -> None:
        """Keep nothing in memory of sessions that were changed or removed."""
        for session in sessions:
            self._runs.pop(session, None)
        self._open = {}


def _without_room(writer: Writer, scope: Scope, intents: Sequence[Intent]) -> list[Intent]:
    """Reserve for as many intents as there is room for; the others."""
    change = Change()
    for intent in intents:
        change.add(reserving(intent.estimate))
    if not intents or advance(writer, scope, change, guarded=True):
        return []
    if len(intents) == 1:
        return list(intents)
    return [
        intent
        for intent in intents
        if not advance(writer, scope, reserving(intent.estimate), guarded=True)
    ]


def _scope(run: int | None, session: int | None) -> Scope:
    return ("run", run) if run is not None else ("session", session or 0)


def _where(run: int | None, session: int | None) -> tuple[str, list[object]]:
    wanted: list[tuple[str, object]] = []
    if run is not None:
        wanted.append(("run = ?", run))
    if session is not None:
        wanted.append(("session = ?", session))
    clause = " AND ".join(["1 = 1", *(each for each, _ in wanted)])
    return f" WHERE {clause}", [value for _, value in wanted]


def _totals(row: Row) -> Totals:
    lines, calls, inward, outward, usd, unknown, tokens, money, human, duration, turns = (
        value or 0 for value in row
    )
    return Totals(
        int(lines),
        int(calls),
        int(inward),
        int(outward),
        float(usd),
        int(unknown),
        int(tokens),
        float(money),
        float(human),
        int(duration),
        int(turns),
    )


def _text(text: str) -> str:
    return storable(text, _LONGEST_TEXT)


def _usd(amount: float | None) -> float | None:
    """Money as it comes back from the store: never a whole number."""
    return None if amount is None else float(amount)
