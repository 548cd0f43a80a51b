"""Leases: who may work on something now, among the processes that share a store.

A lease says who is at something, until when, and with a fencing number that grows whenever the
lease changes hands: whoever commits as the holder asks `still_own` inside of its transaction.
On a server all times are the server's, so clocks that differ between machines do no harm.
"""

import os
import socket
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from traces.database import Database, Row, Writer, in_groups, marks
from traces.digest import seal
from traces.errors import Held, StoreStopped

if TYPE_CHECKING:
    from traces.store import Store

TTL_S: Final = 60.0
"""How long a lease holds without being renewed."""

_ENDED: Final = "ended"
"""A process that nobody has buried yet."""
_KNOWN: Final = "SELECT holder, fence, expires_us FROM lease WHERE resource = ?"
_AT_ONCE: Final = 64
_LEASE: Final = "SELECT resource, holder, fence, expires_us FROM lease"
_SOME: Final = f"{_LEASE} WHERE resource IN ({marks(_AT_ONCE)})"
_PUT: Final = (
    "INSERT INTO lease (resource, holder, fence, expires_us, seal) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (resource) DO UPDATE SET holder = excluded.holder, "
    "fence = excluded.fence, expires_us = excluded.expires_us, seal = excluded.seal"
)
_CHANGE: Final = (
    "UPDATE lease SET holder = ?, expires_us = ?, seal = ? "
    "WHERE resource = ? AND holder = ? AND fence = ?"
)
"""Of a lease that nobody has taken over; its fence stays."""


class Lease(Struct, frozen=True):
    """A lease that was taken."""

    resource: str
    """What is leased, such as `session:t-0123456789ab`."""
    holder: str
    fence: int
    """Higher than that of every earlier lease of the resource."""
    expires_us: int
    ttl_s: float


class Reads(Protocol):
    """Where leases can be read: a database, or a transaction of it."""

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """What a query gives."""
        ...

    def now_us(self) -> int:
        """Microseconds since 1970, UTC, by the one clock that all who share the store read."""
        ...


class Guard(Protocol):
    """Who works sessions under leases; asked inside of every transaction that changes one."""

    @property
    def holder(self) -> str:
        """The name under which the leases stand."""
        ...

    def fence(self, session: int) -> int:
        """The fencing number under which a session is worked; 0 for one without a lease."""
        ...

    def lost(self, writer: Writer, sessions: Collection[int]) -> frozenset[int]:
        """Those of the sessions that somebody has taken over."""
        ...


def this_process() -> str:
    """The name of this process as a holder: `HOST:PID:START`."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def acquire(
    database: Database, resource: str, holder: str | None = None, ttl_s: float = TTL_S
) -> Lease:
    """Take the lease; at once if its holder is a process of this host that is dead.

    Raises:
        Held: Another process holds it.
        StoreStopped: The store does not take it.
    """
    name = holder or this_process()
    with database.writing() as writer:
        rows = writer.rows(_KNOWN, (resource,))
        now = writer.now_us()
        if rows and not _free(rows[0], name, now):
            raise _held(resource, rows[0])
        fence = int(rows[0][1]) + 1 if rows else 1
        lease = Lease(resource, name, fence, now + _us(ttl_s), ttl_s)
        put(writer, [lease])
        return lease


def renew(database: Database, lease: Lease, *, wait: bool = True) -> Lease:
    """Hold the lease for longer.

    Args:
        wait: Wait for a process that writes; otherwise it is an error at once.

    Raises:
        Held: Somebody else took it meanwhile.
        StoreStopped: The store does not take it.
    """
    with database.writing(wait=wait) as writer:
        _own(writer, lease)
        (later,) = prolong(writer, [lease])
        return later


def release(database: Database, lease: Lease) -> None:
    """Give the lease back; no matter if somebody else took it meanwhile.

    Raises:
        StoreStopped: The store does not take it.
    """
    with database.writing() as writer:
        give_back(writer, [lease])


# -- many at once, inside of a transaction of the caller's --------------------------------------


def known(reads: Reads, resources: Sequence[str]) -> dict[str, Row]:
    """Holder, fence and end of every lease that there is of these resources."""
    found: dict[str, Row] = {}
    for some in in_groups(resources, _AT_ONCE):
        found |= {name: tuple(rest) for name, *rest in reads.rows(_SOME, some)}
    return found


def free(reads: Reads, resources: Sequence[str]) -> dict[str, int]:
    """Those that nobody holds, dead processes of this host included, with their next fences.

    What this process holds itself is not free: it may be at work in another place of it.
    """
    now = reads.now_us()
    there = known(reads, resources)
    dead: dict[str, bool] = {}

    def is_free(row: Row) -> bool:
        holder, _, expires_us = row
        if not holder or expires_us <= now:
            return True
        if holder not in dead:
            dead[holder] = is_dead(holder)
        return dead[holder]

    return {
        name: int(there[name][1]) + 1 if name in there else 1
        for name in resources
        if name not in there or is_free(there[name])
    }


def taken(
    writer: Writer, fences: dict[str, int], holder: str, ttl_s: float = TTL_S
) -> dict[str, Lease]:
    """Leases of resources that are free, with these fences."""
    until = writer.now_us() + _us(ttl_s)
    leases = {name: Lease(name, holder, fence, until, ttl_s) for name, fence in fences.items()}
    put(writer, leases.values())
    return leases


def still_own(writer: Writer, leases: Iterable[Lease]) -> list[Lease]:
    """Those of the leases that nobody has taken over.

    Asked inside of the transaction that commits as their holder: who takes a lease does so in a
    transaction that runs beside no other, so what this says holds until the commit. That a lease
    has run out says nothing, as long as nobody else wanted it.
    """
    asked = list(leases)
    there = known(writer, [lease.resource for lease in asked])
    return [
        lease
        for lease in asked
        if there.get(lease.resource, ("", 0, 0))[:2] == (lease.holder, lease.fence)
    ]


def prolong(writer: Writer, leases: Sequence[Lease]) -> list[Lease]:
    """The leases, held for longer from now on. One that somebody took over stays his."""
    now = writer.now_us()
    later = [
        Lease(each.resource, each.holder, each.fence, now + _us(each.ttl_s), each.ttl_s)
        for each in leases
    ]
    writer.many(_CHANGE, [_changed(each, each.holder, each.expires_us) for each in later])
    return later


def give_back(writer: Writer, leases: Sequence[Lease]) -> None:
    """Let go of leases. One that somebody took over stays his."""
    writer.many(_CHANGE, [_changed(each, "", 0) for each in leases])


def put(writer: Writer, leases: Iterable[Lease]) -> None:
    """Write leases, whoever held them before."""
    rows = [(each.resource, each.holder, each.fence, each.expires_us) for each in leases]
    writer.many(_PUT, [(*row, seal(*row)) for row in rows])


def _changed(lease: Lease, holder: str, expires_us: int) -> tuple[object, ...]:
    sealed = seal(lease.resource, holder, lease.fence, expires_us)
    return (holder, expires_us, sealed, lease.resource, lease.holder, lease.fence)


# -- one, for as long as a block runs ------------------------------------------------------------


@contextmanager
def hold(store: "Store", resource: str, ttl_s: float = TTL_S) -> Generator[Lease]:
    """Hold a lease for as long as the block runs: it is renewed in the background.

    Raises:
        Held: Another process holds it.
        StoreStopped: The store does not take it.
    """
    lease = acquire(store.database, resource, ttl_s=ttl_s)

    def renewed() -> bool:
        try:
            # Waiting here would keep the whole process from the database.
            renew(store.database, lease, wait=False)
        except Held:
            return False
        return True

    try:
        with beating(renewed, ttl_s):
            yield lease
    finally:
        release(store.database, lease)


@contextmanager
def beating(beat: Callable[[], bool], ttl_s: float) -> Generator[None]:
    """Call a function again and again while the block runs, in the background.

    Args:
        beat: Renews leases that hold for `ttl_s`; False once there is nothing to renew any more.
    """
    done = Event()
    keeper = Thread(target=_keep, args=(beat, ttl_s, done), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def _keep(beat: Callable[[], bool], ttl_s: float, done: Event) -> None:
    pause_s = ttl_s / 3
    while not done.wait(pause_s):
        try:
            if not beat():
                return
            pause_s = ttl_s / 3
        except StoreStopped:
            pause_s = ttl_s / 30


def holder_of(database: Database, resource: str) -> str:
    """Who holds the lease now; empty for nobody."""
    rows = database.rows(_KNOWN, (resource,))
    return "" if not rows or _free(rows[0], "", database.now_us()) else str(rows[0][0])


def held(writer: Writer) -> dict[str, Held]:
    """Every lease that somebody holds now, by its resource, as the error that says so."""
    rows = writer.rows(f"{_LEASE} WHERE holder <> ''")
    now = writer.now_us()
    return {name: _held(name, rest) for name, *rest in rows if not _free(rest, "", now)}


def _own(writer: Writer, lease: Lease) -> None:
    """See that a lease is still the latest.

    Raises:
        Held: It is not.
    """
    rows = writer.rows(_KNOWN, (lease.resource,))
    if not rows or (rows[0][0], rows[0][1]) != (lease.holder, lease.fence):
        raise _held(lease.resource, rows[0] if rows else ("nobody", 0, 0))


def _free(row: Sequence[Any], name: str, now: int) -> bool:
    holder, _, expires_us = row
    return not holder or holder == name or expires_us <= now or is_dead(holder)


def _held(resource: str, row: Sequence[Any]) -> Held:
    holder, _, expires_us = row
    until = datetime.fromtimestamp(expires_us / 1e6, UTC).isoformat(" ", "seconds")
    return Held(resource, holder, expires_us, until)


def is_dead(holder: str) -> bool:
    """Whether a holder is a process of this host that is no more. False where nobody can tell."""
    head, _, started = holder.rpartition(":")
    host, _, pid = head.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    now = _started(int(pid))
    return now == _ENDED or bool(now and started and now != started)


def _started(pid: int) -> str:
    """When a process began, in the system's own count; empty where it does not say.

    With it, a later process that got the same number is not taken for the holder.
    """
    with suppress(OSError, IndexError):
        # The name of the program may hold spaces and brackets; the fields follow the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return _ENDED if fields[0] == "Z" else fields[19]
    return ""


def _us(seconds: float) -> int:
    return int(seconds * 1_000_000)
