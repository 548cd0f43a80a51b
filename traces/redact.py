"""Redaction: a payload is taken away for good, and the chain still holds.

The payload's commitment stays, its salt goes, and so does the seed from which the salt could
be drawn again; the salts of the session's other events are stored from then on. The same text
is taken away wherever else it stands, and the database is written anew, so that no free page
holds it. Whose answer was taken from there in any session, however far, loses its digest, from
which the text could be guessed, and is marked.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, json
from msgspec.structs import replace

from decomposition.events import KINDS, ROOT, Event, Joined
from decomposition.hypertext import escape, unescape
from traces.codec import decode, encode
from traces.database import Database, Writer
from traces.dependants import CLOSING, Reach, Rows, reach
from traces.digest import commitment, new_seed, salt, seal
from traces.errors import NotRedactable, StoreBusy
from traces.husk import BLANK, husk, pieces, texts, undigested
from traces.ledger_scrub import scrub
from traces.recall import LAST_OF_TURN
from traces.record import SessionRecord
from traces.register import SESSION_COLUMNS, session_seal
from traces.remnants import Remnants, remnants
from traces.row_scrub import Found, take_away, telling
from traces.scrub import Scrub, without
from traces.store import MARK, Store, now_us
from traces.tables import EVENT_BITS

SHORTEST: Final = 8
"""Texts with fewer characters are not looked for elsewhere: they stand everywhere."""

_TABLES: Final = (
    "event",
    "session",
    "line",
    "expected",
    "run",
    "memo",
    "joinable",
    "unindexed",
    "redacted",
    "stale",
    "lease",
    "trained",
    "ledger",
    "spend",
    "halt",
)
"""Those that may hold a text, or a key that was made of one."""
_PAGE: Final = 5_000
_NAMED: Final = 8
_NUMBER: Final = (1 << EVENT_BITS) - 1
_LAST_OF_TURN: Final = frozenset(map(KINDS.index, LAST_OF_TURN))
_JOINED: Final = KINDS.index(Joined)
_SCAN: Final = "SELECT id, path, kind, payload, origin FROM event WHERE id > ? ORDER BY id LIMIT ?"
_TURN: Final = "path, answerer, author, wall_us, monotonic_us, duration_us, origin, kind"

Place = tuple[int, int]
"""A session and the number of one of its events."""


class Redaction(Struct, frozen=True):
    """What was, or would be, taken away."""

    events: tuple[tuple[str, int], ...]
    """Traces with the numbers of their events, the named one first."""
    sessions: int
    """Sessions that an event was taken from; they are not used again."""
    turns: int
    """Rows that led from a view to a turn."""
    answers: int
    """Rows that led from a question to an answer."""
    rows: int
    """Other rows from which a text was taken: inputs, labels, answers, configurations."""
    stale: int
    """Events that may depend on what was taken away."""
    digests: int = 0
    """Answers taken from what depends on it, which lost only the digest of their origin."""
    left: tuple[tuple[str, int], ...] = ()
    """Events that still hold words of it: traces and numbers of the first of them."""
    left_events: int = 0
    """All events that still hold words of it."""
    left_rows: int = 0
    """Other rows that still do."""
    training_rows: int = 0
    """Training rows that lost their numbers, since their trees would tell."""
    purged: bool = False
    """Whether the database was written anew; False while another process reads it."""
    copies: tuple[str, ...] = ()
    """Copies beside the store that still hold everything."""

    def __str__(self) -> str:
        changed = f"{len(self.events)} events of {self.sessions} sessions, {self.rows} other rows"
        lines = [f"{changed}; {self.stale} events that depend on them are marked"]
        if self.training_rows:
            lines.append(
                f"{self.training_rows} training rows are emptied; whoever has their run's seed and "
                "recipe can train again and make them anew"
            )
        lines += self._remnants()
        if not self.purged:
            lines.append("another process reads the store: free pages may still hold the texts")
        lines += [f"this copy still holds the texts: {copy}" for copy in self.copies]
        return "\n".join(lines)

    def _remnants(self) -> list[str]:
        if not (self.left_events or self.left_rows):
            return []
        named = ", ".join(f"{trace} event {number}" for trace, number in self.left[:_NAMED])
        more = ", …" if self.left_events > _NAMED else ""
        where = f": {named}{more}" if named else ""
        counted = f"{self.left_events} events and {self.left_rows} other rows"
        return [
            f"not reached: {counted} still hold words of it{where}",
            f"(texts under {SHORTEST} characters and single words go where they are named too)",
        ]


class _Target(Struct, frozen=True):
    """An event that loses its payload."""

    session: int
    number: int
    path: str
    event: Event


def redact(
    store: Store,
    trace: str,
    number: int,
    *,
    reason: str,
    everywhere: bool = True,
    also: Sequence[str] = (),
    rehearse: bool = False,
) -> Redaction:
    """Take away an event's payload and the same content elsewhere.

    Args:
        trace: Id of the session.
        number: Of the event.
        reason: Stays in the record.
        everywhere: Also where only the same text stands, in any session.
        also: More texts to take away wherever they stand, however short.
        rehearse: Change nothing; say what would be changed.

    Raises:
        UnknownId: There is no such session.
        NotRedactable: There is no such event, or its payload is gone already.
        StoreStopped: The store does not take it; nothing has changed.
    """
    session = store.register.find_session(trace).number
    database = store.database
    work = _Work(store, reason, everywhere=everywhere, also=also)
    if rehearse:
        targets = work.find(database, session, number)
        work.look_for_remnants(database, targets)
        return work.result(targets)
    if database.on_sqlite:
        database.execute("PRAGMA secure_delete = ON")
    with database.writing() as writer:
        targets = work.find(database, session, number)
        work.take_away(writer, targets)
        work.look_for_remnants(writer, targets)
    store.forget(sorted(work.concerned(targets)))
    return replace(work.result(targets), purged=purge(database), copies=tuple(_copies(database)))


def purge(database: Database) -> bool:
    """Write the database anew, so that no free page holds what was removed.

    Returns whether that was possible: not while another process reads.
    """
    if not database.on_sqlite:
        for table in _TABLES:
            database.execute(f"VACUUM FULL {table}")
        return True
    try:
        busy = [database.execute("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]]
        database.execute("VACUUM")
        busy.append(database.execute("PRAGMA wal_checkpoint(TRUNCATE)")[0][0])
    except StoreBusy:
        return False
    return not any(busy)


def _copies(database: Database) -> Iterator[str]:
    if not database.on_sqlite:
        yield "the server's own log (pg_wal) until it is used again, its archives and backups"
        return
    store = Path(database.place)
    for pattern in (".before-*", ".migrating"):
        yield from sorted(map(str, store.parent.glob(store.name + pattern)))


class _Work:
    """One redaction under way."""

    def __init__(self, store: Store, reason: str, *, everywhere: bool, also: Sequence[str]) -> None:
        self._store = store
        self._reason = reason
        self._everywhere = everywhere
        self._wanted = {text for text in also if text}
        """Texts that are looked for in every event."""
        self._needles = set(self._wanted)
        """Texts that are taken from other rows."""
        self._raw: tuple[bytes, ...] = ()
        self._traces: dict[int, str] = {}
        self._turns = self._answers = self._rows = 0
        self._own: set[str] = set()
        """Every text of the events that is taken away, in all its forms."""
        self._reach = Reach({}, [])
        self._training: list[Found] = []
        self._remnants = Remnants((), 0, 0)

    def result(self, targets: Sequence[_Target]) -> Redaction:
        """What was found, or changed."""
        return Redaction(
            tuple((self._trace(target.session), target.number) for target in targets),
            len({target.session for target in targets}),
            self._turns,
            self._answers,
            self._rows,
            sum(map(len, self._reach.stale.values())),
            len(self._reach.joins),
            tuple((self._trace(session), number) for session, number in self._remnants.events),
            self._remnants.total,
            self._remnants.rows,
            sum(len(each.places) for each in self._training),
        )

    def _trace(self, session: int) -> str:
        if session not in self._traces:
            self._traces[session] = self._store.register.session(session).trace
        return self._traces[session]

    # -- finding -------------------------------------------------------------------------------

    def find(self, database: Database, session: int, number: int) -> list[_Target]:
        """The named event, and every other that holds the same.

        Raises:
            NotRedactable: There is no such event, or its payload is gone already.
        """
        named = self._named(database, session, number)
        self._own = {form for text in texts(named.event) for form in _forms(text)}
        own = {form for form in self._own if len(form) >= SHORTEST}
        self._wanted |= own if self._everywhere else set()
        self._needles |= own
        self._raw = tuple(_within_json(needle) for needle in self._wanted)
        found = {(session, number): named}
        fresh = [named]
        while fresh:
            origins = {self._turn_of(database, each) for each in fresh}
            closed = {
                f"{self._trace(each.session)}/{each.path}"
                for each in fresh
                if isinstance(each.event, CLOSING)
            }
            alike = {(type(each.event), texts(each.event)) for each in fresh}
            fresh = [
                each
                for each in self._scanned(database, origins, closed, alike)
                if (each.session, each.number) not in found
            ]
            found |= {(each.session, each.number): each for each in fresh}
        self._follow(database, found)
        self._training = telling(database, self._wanted, {session for session, _ in found})
        return list(found.values())

    def _follow(self, database: Database, found: dict[Place, _Target]) -> None:
        """Find what depends on the events, and what still holds words of them."""
        begins: dict[int, list[int]] = {}
        for session, number in found:
            begins.setdefault(session, []).append(number)
        self._reach = reach(database, begins)
        joins = [join for join in self._reach.joins if (join.session, join.number) not in found]
        self._reach.joins = joins
        for target in found.values():
            self._own.update(form for text in texts(target.event) for form in _forms(text))

    def _named(self, database: Database, session: int, number: int) -> _Target:
        trace = self._trace(session)
        sql = "SELECT path, kind, payload FROM event WHERE id = ?"
        rows = database.rows(sql, ((session << EVENT_BITS) + number,))
        if not rows:
            raise NotRedactable(f"{trace} has no event {number}")
        path, kind, payload = rows[0]
        if payload is None:
            raise NotRedactable(f"event {number} of {trace} is redacted already")
        return _Target(session, number, path, decode(kind, payload, number))

    def _turn_of(self, database: Database, target: _Target) -> str:
        """By which name a memo calls the turn that an event belongs to."""
        number = target.number
        base = target.session << EVENT_BITS
        sql = f"SELECT {_TURN} FROM event WHERE id = ?"  # noqa: S608 - names from this file
        stamp = database.rows(sql, (base + number,))
        while number:
            before = database.rows(sql, (base + number - 1,))
            if not before or before[0][:-1] != stamp[0][:-1] or before[0][-1] in _LAST_OF_TURN:
                break
            number -= 1
        return f"{self._trace(target.session)}#{number}"

    def _scanned(
        self,
        database: Database,
        origins: set[str],
        closed: set[str],
        alike: set[tuple[type[Event], tuple[str, ...]]],
    ) -> Iterator[_Target]:
        """Events that hold the same, by their origin or by their text."""
        after = -1
        while rows := database.rows(_SCAN, (after, _PAGE)):
            after = rows[-1][0]
            for key, path, kind, payload, origin in rows:
                if payload is None:
                    continue
                session, number = key >> EVENT_BITS, key & _NUMBER
                named = any(raw in payload for raw in self._raw)
                if not (named or kind == _JOINED or origin in origins):
                    continue
                event = decode(kind, payload, number)
                if (
                    (named and self._holds(event))
                    or (origin in origins and (type(event), texts(event)) in alike)
                    or (isinstance(event, Joined) and self._full(session, event.origin) in closed)
                ):
                    yield _Target(session, number, path, event)

    def _full(self, session: int, origin: str) -> str:
        return origin if "/" in origin else f"{self._trace(session)}/{origin}"

    def _holds(self, event: Event) -> bool:
        return any(needle in text for text in texts(event) for needle in self._wanted)

    def look_for_remnants(self, rows: Rows, targets: Sequence[_Target]) -> None:
        """See which events and rows still hold words of what is taken away."""
        but = {(target.session, target.number) for target in targets}
        own = self._own | self._wanted
        self._remnants = remnants(rows, own, self.concerned(targets), but)

    def concerned(self, targets: Sequence[_Target]) -> set[int]:
        """Sessions that the content was in, and those in which something rests on it."""
        joined = {join.session for join in self._reach.joins}
        return {target.session for target in targets} | joined | self._reach.stale.keys()

    # -- taking away ---------------------------------------------------------------------------

    def take_away(self, writer: Writer, targets: Sequence[_Target]) -> None:
        """Change every row that is concerned, in one transaction."""
        by_session: dict[int, list[_Target]] = {}
        for target in targets:
            by_session.setdefault(target.session, []).append(target)
        for session, some in by_session.items():
            self._salt(writer, session)
            for target in some:
                self._empty(writer, target, husk(target.event))
            self._clear(writer, session, some)
        others = {join.session for join in self._reach.joins} - by_session.keys()
        for session in others:
            self._salt(writer, session)
            self._clear(writer, session, ())
        for join in self._reach.joins:
            target = _Target(join.session, join.number, join.path, join.event)
            self._empty(writer, target, undigested(join.event))
        self._mark(writer, by_session)
        concerned = self.concerned(targets)
        take_away(writer, self._training)
        self._turns, self._answers = self._store.reuse.forget(writer, concerned)
        named = self._store.register.session(targets[0].session)
        self._rows = Scrub(writer, self._needles).run(None if self._everywhere else named)
        turns = [(each.session, each.path, each.number) for each in targets]
        self._rows += scrub(writer, self._needles, turns)

    def _salt(self, writer: Writer, session: int) -> None:
        """Store the salts of a session, and forget the seed from which they were drawn."""
        sql = "SELECT salt_seed FROM session WHERE id = ?"
        seed: bytes = writer.rows(sql, (session,))[0][0]
        base = session << EVENT_BITS
        sql = (
            "SELECT id FROM event WHERE id >= ? AND id < ? "
            "AND payload IS NOT NULL AND salt IS NULL ORDER BY id"
        )
        rows = writer.rows(sql, (base, base + _NUMBER + 1))
        salts = [(salt(seed, key & _NUMBER), key) for (key,) in rows]
        writer.many("UPDATE event SET salt = ? WHERE id = ?", salts)
        # Later events draw their salts from a new one; another process notices by it.
        writer.run("UPDATE session SET salt_seed = ? WHERE id = ?", (new_seed(), session))

    def _empty(self, writer: Writer, target: _Target, left: Event) -> None:
        """Put a commitment in place of a payload; `left` is what may still be read."""
        key = (target.session << EVENT_BITS) + target.number
        ((salted, payload),) = writer.rows("SELECT salt, payload FROM event WHERE id = ?", (key,))
        sql = "UPDATE event SET payload = NULL, salt = NULL, commitment = ? WHERE id = ?"
        writer.run(sql, (commitment(salted, payload), key))
        row = (target.session, target.number, now_us(), self._reason, encode(left))
        sql = (
            "INSERT INTO redacted (session, number, wall_us, reason, husk, seal) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        writer.run(sql, (*row, seal(*row)))

    def _mark(self, writer: Writer, by_session: dict[int, list[_Target]]) -> None:
        """Mark what may have seen the content, in whatever session."""
        first = next(iter(by_session.values()))[0]
        abroad = f"depends on redacted event {first.number} of {self._trace(first.session)}"
        rows: list[tuple[object, ...]] = []
        for session, numbers in self._reach.stale.items():
            own = [target.number for target in by_session.get(session, ())]
            reason = f"depends on redacted event {min(own)}" if own else abroad
            rows += [(session, number, reason) for number in sorted(numbers)]
        writer.many(MARK, [(*row, seal(*row)) for row in rows])  # type: ignore[arg-type]

    def _clear(self, writer: Writer, session: int, targets: Sequence[_Target]) -> None:
        """Take the digest from a session's row, and the answer if its event lost it."""
        ((*columns,),) = writer.rows(
            f"SELECT {SESSION_COLUMNS} FROM session WHERE id = ?",  # noqa: S608 - our names
            (session,),
        )
        row = SessionRecord(*columns)
        roots = [each for each in targets if each.path.partition(":")[0] == ROOT]
        lost = any(isinstance(each.event, CLOSING) for each in roots)
        shown = [piece for each in targets for text in texts(each.event) for piece in pieces(text)]
        answer = BLANK if lost and row.answer else without(row.answer, shown)
        row = replace(row, digest="", answer=answer)
        sql = "UPDATE session SET digest = '', answer = ?, seal = ? WHERE id = ?"
        writer.run(sql, (row.answer, session_seal(row), session))


def _forms(text: str) -> set[str]:
    """A text as it was written, as it was meant, and as who quotes it may write it."""
    plain = unescape(text)
    quoted = escape(plain)
    return {each for each in (text, plain, quoted, escape(text), escape(quoted)) if each.strip()}


def _within_json(text: str) -> bytes:
    """A text as it stands inside of a payload."""
    return json.encode(text)[1:-1]
