"""Leases: one process at a time, and a dead one does not hold anything."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from traces.errors import Held
from traces.leases import acquire, hold, holder_of, is_dead, release, renew, this_process
from traces.store import Store, now_us

OTHER = "elsewhere:77:1"


def test_a_lease_is_held_by_one(store: Store) -> None:
    """The second one is told who holds it, and until when."""
    lease = acquire(store.database, "run:first", OTHER, 60)
    with pytest.raises(Held, match=r"elsewhere:77:1 until \d{4}-") as caught:
        acquire(store.database, "run:first")
    assert (caught.value.resource, caught.value.holder) == ("run:first", OTHER)
    assert caught.value.expires_us == lease.expires_us
    assert holder_of(store.database, "run:first") == OTHER
    acquire(store.database, "run:second")


def test_a_lease_that_was_given_back_is_free(store: Store) -> None:
    """And the fence goes on growing."""
    first = acquire(store.database, "run:first", OTHER)
    release(store.database, first)
    assert holder_of(store.database, "run:first") == ""
    second = acquire(store.database, "run:first")
    assert second.fence == first.fence + 1
    assert second.holder == this_process()


def test_a_lease_runs_out(store: Store) -> None:
    """Whoever does not renew it loses it, and learns so when it tries."""
    old = acquire(store.database, "run:first", OTHER, 0.01)
    time.sleep(0.02)
    new = acquire(store.database, "run:first")
    assert new.fence == old.fence + 1
    with pytest.raises(Held):
        renew(store.database, old)
    release(store.database, old)
    assert holder_of(store.database, "run:first") == new.holder


def test_a_renewed_lease_holds_longer(store: Store) -> None:
    """With the same fence."""
    lease = acquire(store.database, "run:first", OTHER, 5)
    later = renew(store.database, lease)
    assert later.fence == lease.fence
    assert later.expires_us >= lease.expires_us


def test_the_holder_may_take_its_lease_again(store: Store) -> None:
    """A process does not lock itself out."""
    first = acquire(store.database, "run:first")
    assert acquire(store.database, "run:first").fence == first.fence + 1


def test_a_lease_is_renewed_for_as_long_as_it_is_held(store: Store) -> None:
    """In the background, and given back at the end."""
    with hold(store, "run:first", ttl_s=0.15) as lease:
        time.sleep(0.5)
        assert holder_of(store.database, "run:first") == lease.holder
        rows = store.database.rows("SELECT expires_us, fence FROM lease")
        assert rows[0][0] > now_us()
        assert rows[0][1] == lease.fence
    assert holder_of(store.database, "run:first") == ""


def test_a_lease_is_held_while_another_process_writes(place: Path) -> None:
    """Renewing does not wait for the lock, and is tried again."""
    with Store.open(place) as store, hold(store, "run:first", ttl_s=0.3) as lease:
        with closing(sqlite3.connect(place, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(0.2)
            assert store.register.runs() == []
        time.sleep(0.3)
        assert holder_of(store.database, "run:first") == lease.holder


HOLD = """
import sys, time
sys.path.insert(0, {root!r})
from traces.leases import acquire
from traces.store import Store
with Store.open({site!r}) as store:
    print(acquire(store.database, "run:first", ttl_s=3600).holder, flush=True)
    time.sleep(3600)
"""


def test_the_lease_of_a_killed_process_is_taken_over_at_once(site: str) -> None:
    """Also while nobody has buried it yet."""
    code = HOLD.format(root=str(Path(__file__).parents[2]), site=site)
    with (
        Store.open(site) as store,
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child,
    ):
        assert child.stdout is not None
        holder = child.stdout.readline().strip()
        assert not is_dead(holder)
        with pytest.raises(Held, match=str(child.pid)):
            acquire(store.database, "run:first")
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(holder)
        assert acquire(store.database, "run:first").fence == 2
        child.wait()
        assert is_dead(holder)


@pytest.mark.parametrize(
    ("holder", "dead"),
    [
        (this_process(), False),
        (this_process() + "0", True),
        (f"{socket.gethostname()}:4194305:1", True),
        ("elsewhere:4194305:1", False),
        (f"{socket.gethostname()}:1:", False),
        ("nonsense", False),
        ("", False),
    ],
    ids=["this", "reused", "gone", "elsewhere", "no start", "nonsense", "empty"],
)
def test_only_what_is_known_to_be_dead_is_dead(holder: str, *, dead: bool) -> None:
    """A process with the same number but another start is another process."""
    assert is_dead(holder) == dead
