"""Claims: the sessions of a run that one process works, beside others that work it too.

Every session that is worked stands under a lease of its own. Whoever commits to it asks inside
of the transaction whether the lease is still his, so of two that believe to hold a session only
one appends to it, and only one may pay for it.
"""

from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from threading import Lock
from typing import Final

from traces.database import Database, Writer, in_groups, marks
from traces.leases import (
    TTL_S,
    Lease,
    Reads,
    beating,
    free,
    give_back,
    known,
    prolong,
    still_own,
    taken,
    this_process,
)
from traces.record import FINISHED, RunRecord, SessionRecord
from traces.register import SESSION_COLUMNS, Register

_PAGE: Final = 256
"""Unfinished sessions that are looked at in one query."""
_AT_ONCE: Final = 64
_SEATS: Final = 64
"""Seats of a run that are looked at together."""
_UNFINISHED: Final = f"status NOT IN ({marks(len(FINISHED))})"
_OPEN: Final = (
    "SELECT id, idx, trace FROM session "  # noqa: S608 - marks only
    f"WHERE run = ? AND idx >= ? AND {_UNFINISHED} ORDER BY idx LIMIT {_PAGE}"
)
_SOME: Final = f"SELECT {SESSION_COLUMNS} FROM session WHERE id IN ({marks(_AT_ONCE)})"  # noqa: S608

Open = tuple[int, int, str]
"""Number, line and trace of a session that is not finished."""


def session_resource(trace: str) -> str:
    """What is leased of a session."""
    return f"session:{trace}"


class Claims:
    """The sessions that this process holds. Use `claiming` to have their leases renewed.

    Args:
        holder: Who claims.
        seat: Says that somebody works the run, also while he holds no session of it.
    """

    def __init__(
        self,
        database: Database,
        register: Register,
        run: RunRecord,
        holder: str,
        seat: Lease,
    ) -> None:
        self._database = database
        self._register = register
        self._run = run
        self.holder = holder
        self._ttl_s = seat.ttl_s
        self._seat = seat
        self.fences: dict[int, int] = {}
        """Fencing numbers of the sessions that were claimed here; what they are paid stands under
        them in the ledger."""
        self._mine: dict[int, Lease] = {}
        self._ended: set[int] = set()
        """Sessions whose lease goes back once it is written how they ended."""
        self._left: set[int] = set()
        """Sessions that are not claimed again here."""
        self._lost: set[int] = set()
        """Sessions that were claimed here and are not held any more."""
        self._from = 0
        """Line before which nothing was free when this process last looked."""
        self._lock = Lock()

    @property
    def place(self) -> int:
        """Number of the seat, from 1: a small number for people."""
        return int(self._seat.resource.rpartition("#")[2])

    @property
    def held(self) -> int:
        """Sessions that this process holds and works."""
        return len(self._mine) - len(self._ended)

    def claim(self, most: int) -> list[SessionRecord]:
        """Claim unfinished sessions that nobody holds, in the order of their lines.

        Towards the end of a run fewer than asked for, so that the others get some too.

        Raises:
            StoreBusy: Another process writes to the file, and this one has something else to do.
            StoreStopped: The store does not take it.
        """
        # Waiting for a file holds up all that this process has under way; a server's queue is fair.
        wait = not (self._database.on_sqlite and self.held)
        with self._lock, self._database.writing(wait=wait) as writer:
            self._register.write(writer)
            ended = [lease for number, lease in self._mine.items() if number in self._ended]
            give_back(writer, ended)
            chosen = self._chosen(writer, most)
            fences = {session_resource(trace): fence for _, _, trace, fence in chosen}
            leases = taken(writer, fences, self.holder, self._ttl_s)
            rows = self._rows(writer, [number for number, *_ in chosen])
        self._register.written()
        for number in list(self._ended):
            self._forget(number)
        self._mine |= {n: leases[session_resource(trace)] for n, _, trace, _ in chosen}
        self.fences.update((n, leases[session_resource(trace)].fence) for n, _, trace, _ in chosen)
        self._lost -= self._mine.keys()
        return rows

    def _chosen(self, writer: Writer, most: int) -> list[tuple[int, int, str, int]]:
        """Sessions to claim, each with the fence that its lease gets."""
        members = self._members(writer)
        wanted = most if members == 1 else 2 * members * most
        start = self._from
        found = self._free(writer, start, wanted)
        if start and len(found) < wanted:
            found = self._free(writer, 0, wanted)
        share = len(found) if members == 1 else ceil(len(found) / (2 * members))
        chosen = found[: min(most, share)]
        self._from = chosen[-1][1] + 1 if chosen else 0
        return chosen

    def _free(self, writer: Writer, start: int, wanted: int) -> list[tuple[int, int, str, int]]:
        found: list[tuple[int, int, str, int]] = []
        for page in self._open(writer, start):
            fences = free(writer, [session_resource(trace) for _, _, trace in page])
            found += [
                (*each, fence)
                for each in page
                if (fence := fences.get(session_resource(each[2])))
                and each[0] not in self._left
                and each[0] not in self._mine
            ]
            if len(found) >= wanted:
                break
        return found[:wanted]

    def _open(self, writer: Writer, start: int) -> Iterator[list[Open]]:
        """The unfinished sessions of the run from a line on, page by page."""
        while page := writer.rows(_OPEN, (self._run.number, start, *FINISHED)):
            yield [(number, idx, trace) for number, idx, trace in page]
            start = page[-1][1] + 1

    def _members(self, writer: Writer) -> int:
        """How many processes work the run, this one included."""
        return max(1, len(_seated(writer, self._run)))

    def _rows(self, writer: Writer, numbers: Sequence[int]) -> list[SessionRecord]:
        found: dict[int, SessionRecord] = {}
        for some in in_groups(numbers, _AT_ONCE):
            found |= {row[0]: SessionRecord(*row) for row in writer.rows(_SOME, some)}
        return [found[number] for number in numbers]

    # -- while they are worked ---------------------------------------------------------------

    def end(self, number: int) -> None:
        """A session ended: its lease goes back once that is written."""
        if number in self._mine:
            self._ended.add(number)

    def leave(self, number: int) -> None:
        """A session stays as it is: its lease goes back, and it is not claimed here again."""
        self._left.add(number)
        self.end(number)

    def fence(self, session: int) -> int:
        """The fencing number under which a session is worked; 0 for one that is not held."""
        lease = self._mine.get(session)
        return lease.fence if lease else 0

    def lost(self, writer: Writer, sessions: Collection[int]) -> frozenset[int]:
        """Those of the sessions that somebody has taken over, or that were given back.

        Raises:
            StoreStopped: The store cannot be read now.
        """
        asked = {number: lease for number in sessions if (lease := self._mine.get(number))}
        kept = {lease.resource for lease in still_own(writer, asked.values())}
        gone = {number for number, lease in asked.items() if lease.resource not in kept}
        for number in gone:
            self._forget(number)
        return frozenset(gone | self._lost.intersection(sessions))

    def beat(self) -> None:
        """Hold everything for longer; what somebody took over is known to be lost from then on.

        Raises:
            StoreStopped: The store does not take it now.
        """
        with self._lock, self._database.writing(wait=False, beside=True) as writer:
            mine = dict(self._mine)
            kept = {lease.resource for lease in still_own(writer, mine.values())}
            prolong(writer, [self._seat, *(e for e in mine.values() if e.resource in kept)])
        for number, lease in mine.items():
            if lease.resource not in kept and self._mine.get(number) is lease:
                self._forget(number)

    def is_lost(self, number: int) -> bool:
        """Whether a session that was worked here is known to be somebody else's."""
        return number in self._lost

    def _forget(self, number: int) -> None:
        self._lost.add(number)
        self._mine.pop(number, None)
        self._ended.discard(number)

    def close(self) -> None:
        """Write what is known of the sessions, and give everything back.

        Raises:
            StoreStopped: The store does not take it; the leases run out.
        """
        with self._lock, self._database.writing() as writer:
            self._register.write(writer)
            give_back(writer, [self._seat, *self._mine.values()])
        self._register.written()
        self._mine, self._ended = {}, set()


# -- seats -----------------------------------------------------------------------------------


def seated(database: Database, run: RunRecord) -> dict[int, str]:
    """Who works a run now: holders by the number of their seat.

    Raises:
        StoreStopped: The store cannot be read now.
    """
    return _seated(database, run)


def _seated(reads: Reads, run: RunRecord) -> dict[int, str]:
    holders: dict[int, str] = {}
    first = 1
    while True:
        names = _seats(run, first)
        there = known(reads, list(names))
        vacant = free(reads, list(names))
        holders |= {names[name]: there[name][0] for name in names if name not in vacant}
        if len(there) < _SEATS:
            return holders
        first += _SEATS


def _seats(run: RunRecord, first: int) -> dict[str, int]:
    return {f"run:{run.name}#{number}": number for number in range(first, first + _SEATS)}


def _sit(writer: Writer, run: RunRecord, holder: str, ttl_s: float) -> Lease:
    """The first seat of a run that is free."""
    first = 1
    while True:
        vacant = free(writer, list(_seats(run, first)))
        for name, fence in vacant.items():
            return taken(writer, {name: fence}, holder, ttl_s)[name]
        first += _SEATS


@contextmanager
def claiming(
    database: Database, register: Register, run: RunRecord, ttl_s: float = TTL_S
) -> Generator[Claims]:
    """Work a run beside others while the block runs.

    Raises:
        StoreStopped: The store does not take it.
    """
    holder = this_process()
    with database.writing() as writer:
        seat = _sit(writer, run, holder, ttl_s)
    claims = Claims(database, register, run, holder, seat)
    register.guard = claims

    def beat() -> bool:
        claims.beat()
        return True

    try:
        with beating(beat, ttl_s):
            yield claims
    finally:
        try:
            claims.close()
        finally:
            register.guard = None
