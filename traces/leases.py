"""Leases: who may work on something now, among the processes that share a store.

A lease is a courtesy, not a guard: what guards a session is the end of its chain. It keeps two
processes from doing the same work, and says who is at it.
"""

import os
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from msgspec import Struct

from traces.database import Database, Writer
from traces.digest import seal
from traces.errors import Held, StoreStopped
from traces.store import Store, now_us

TTL_S: Final = 60.0
"""How long a lease holds without being renewed."""

_ENDED: Final = "ended"
"""A process that nobody has buried yet."""
_KNOWN: Final = "SELECT holder, fence, expires_us FROM lease WHERE resource = ?"


class Lease(Struct, frozen=True):
    """A lease that was taken."""

    resource: str
    """What is leased, such as `session:t-0123456789ab`."""
    holder: str
    fence: int
    """Higher than that of every earlier lease of the resource."""
    expires_us: int
    ttl_s: float


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
        known = writer.rows(_KNOWN, (resource,))
        now = now_us()
        if known and not _free(known[0], name, now):
            raise _held(resource, known[0])
        fence = int(known[0][1]) + 1 if known else 1
        return _put(writer, Lease(resource, name, fence, now + _us(ttl_s), ttl_s))


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
        later = Lease(
            lease.resource, lease.holder, lease.fence, now_us() + _us(lease.ttl_s), lease.ttl_s
        )
        return _put(writer, later)


def release(database: Database, lease: Lease) -> None:
    """Give the lease back; no matter if somebody else took it meanwhile.

    Raises:
        StoreStopped: The store does not take it.
    """
    with suppress(Held), database.writing() as writer:
        _own(writer, lease)
        _put(writer, Lease(lease.resource, "", lease.fence, 0, lease.ttl_s))


@contextmanager
def hold(store: Store, resource: str, ttl_s: float = TTL_S) -> Generator[Lease]:
    """Hold a lease for as long as the block runs: it is renewed in the background.

    Raises:
        Held: Another process holds it.
        StoreStopped: The store does not take it.
    """
    lease = acquire(store.database, resource, ttl_s=ttl_s)
    done = Event()
    keeper = Thread(target=_keep, args=(store.database, lease, done), daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        done.set()
        keeper.join()
        release(store.database, lease)


def _keep(database: Database, lease: Lease, done: Event) -> None:
    """Renew a lease until it is no longer needed, or somebody else has it."""
    pause_s = lease.ttl_s / 3
    while not done.wait(pause_s):
        try:
            # Waiting here would keep the whole process from the database.
            renew(database, lease, wait=False)
            pause_s = lease.ttl_s / 3
        except StoreStopped:
            pause_s = lease.ttl_s / 30
        except Held:
            return


def holder_of(database: Database, resource: str) -> str:
    """Who holds the lease now; empty for nobody."""
    known = database.rows(_KNOWN, (resource,))
    return "" if not known or _free(known[0], "", now_us()) else str(known[0][0])


def held(writer: Writer) -> dict[str, Held]:
    """Every lease that somebody holds now, by its resource, as the error that says so."""
    rows = writer.rows("SELECT resource, holder, fence, expires_us FROM lease WHERE holder <> ''")
    now = now_us()
    return {name: _held(name, known) for name, *known in rows if not _free(known, "", now)}


def _own(writer: Writer, lease: Lease) -> None:
    """See that a lease is still the latest.

    Raises:
        Held: It is not.
    """
    known = writer.rows(_KNOWN, (lease.resource,))
    if not known or (known[0][0], known[0][1]) != (lease.holder, lease.fence):
        raise _held(lease.resource, known[0] if known else ("nobody", 0, 0))


def _put(writer: Writer, lease: Lease) -> Lease:
    sql = (
        "INSERT INTO lease (resource, holder, fence, expires_us, seal) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (resource) DO UPDATE SET holder = excluded.holder, "
        "fence = excluded.fence, expires_us = excluded.expires_us, seal = excluded.seal"
    )
    row = (lease.resource, lease.holder, lease.fence, lease.expires_us)
    writer.run(sql, (*row, seal(*row)))
    return lease


def _free(known: Sequence[Any], name: str, now: int) -> bool:
    holder, _, expires_us = known
    return not holder or holder == name or expires_us <= now or is_dead(holder)


def _held(resource: str, known: Sequence[Any]) -> Held:
    holder, _, expires_us = known
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
