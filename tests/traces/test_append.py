"""Appending with the expected head: of what several processes append nothing is lost."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from decomposition.events import Noted
from tests.traces.kit import EXPERT, append, deliberation, recorded
from traces.errors import Conflict
from traces.store import Store
from traces.verify import verify

APPENDS = 10_000
PROCESSES = 2
ROOT = Path(__file__).parents[2]

WORK = """
import sys

from decomposition.events import Noted
from tests.traces.kit import EXPERT
from traces.errors import Conflict
from traces.store import Store

place, trace, name, count = *sys.argv[1:4], int(sys.argv[4])
conflicts = 0
with Store.open(place) as store:
    session = store.register.find_session(trace)
    for each in range(count):
        while True:
            try:
                session = store.append(session, [("0", Noted(f"{name} {each}"), EXPERT)])
                break
            except Conflict:
                conflicts += 1
                session = store.register.session(session.number)
print(conflicts)
"""


def test_who_read_an_earlier_state_appends_nothing(site: str) -> None:
    """The conflict says what was expected; read again, the turn goes in."""
    with Store.open(site) as store, Store.open(site) as other:
        read = recorded(store, 5)
        append(other, read, deliberation(6, 5))
        with pytest.raises(Conflict) as conflict:
            store.append(read, [("0", Noted("mine"), EXPERT)])
        assert (conflict.value.expected, conflict.value.found) == (5, 6)
        now = store.append(store.register.session(read.number), [("0", Noted("mine"), EXPERT)])
        assert now == store.register.session(read.number)
        assert now.count == 7
        later = store.append(now, [("0", Noted("more"), EXPERT)])
        assert later.count == 8
        assert verify(store).ok


def test_the_very_same_events_are_appended_once(site: str) -> None:
    """Of two that append equal events by equal authors, the second is told as of any others."""
    with Store.open(site) as one, Store.open(site) as other:
        read = one.register.session(recorded(one, 5).number)
        one.append(read, [("0", Noted("mine"), EXPERT)])
        with pytest.raises(Conflict, match="another process appended"):
            other.append(read, [("0", Noted("mine"), EXPERT)])
        assert other.register.session(read.number).count == 6
        assert verify(one, refold=False).ok


def test_as_many_events_with_another_head_are_a_conflict(store: Store) -> None:
    """The head is compared, not the count alone."""
    one, two = recorded(store, 5), recorded(store, 5)
    with pytest.raises(Conflict, match="another head"):
        store.append(replace(one, head=two.head), [("0", Noted("mine"), EXPERT)])


def test_two_processes_on_one_session_lose_nothing(
    site: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """10,000 appends in all, each a commit of its own, each by the head that was read.

    On a server, whose commits take longer, a tenth of them.
    """
    share = (APPENDS // 10 if "://" in site else APPENDS) // PROCESSES
    with Store.open(site) as store:
        trace = recorded(store, 1).trace
    command = [sys.executable, "-c", WORK, site, trace]
    workers = [
        subprocess.Popen([*command, f"worker{each}", str(share)], stdout=subprocess.PIPE, cwd=ROOT)
        for each in range(PROCESSES)
    ]
    conflicts = [int(worker.communicate()[0]) for worker in workers]
    with Store.open(site) as store:
        session = store.register.find_session(trace)
        kept = [
            event.text for _, event in store.entries(session.number) if isinstance(event, Noted)
        ]
        wanted = [f"worker{name} {each}" for name in range(PROCESSES) for each in range(share)]
        lost = sum((Counter(wanted) - Counter(kept)).values())
        with capsys.disabled():
            said = f"{len(wanted)} appends by {PROCESSES} processes: {lost} lost"
            print(f"\n{said}, {sum(conflicts)} conflicts")  # noqa: T201 - the test's result
        assert lost == 0
        assert session.count == 1 + len(wanted)
        for name in range(PROCESSES):
            own = [text for text in kept if text.startswith(f"worker{name} ")]
            assert own == [f"worker{name} {each}" for each in range(share)]
        assert verify(store).ok
