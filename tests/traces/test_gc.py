"""Removal: what goes takes everything of its own along, and nothing that others need."""

from pathlib import Path

import pytest

from decomposition.ports import Reusable
from tests.traces.engine import deliberated
from tests.traces.kit import append, deliberation, recorded
from traces.errors import Held, StillNeeded, UnknownId
from traces.gc import remove
from traces.leases import hold
from traces.record import Ending, NewLine
from traces.redact import redact
from traces.store import Store
from traces.verify import verify


def test_a_session_goes_with_all_its_rows(place: Path) -> None:
    """Events, index, marks; the file shrinks; the others are as they were."""
    with Store.open(place) as store:
        kept, gone = recorded(store, 500), recorded(store, 5_000)
        key = b"k" * 20
        append(store, gone, deliberation(5_004, 5_000), reusable=Reusable([(key, gone.number, 3)]))
        redact(store, gone.trace, 9, reason="asked for", everywhere=False)
        size = place.stat().st_size
        report = remove(store, traces=[gone.trace])
        assert (report.sessions, report.events, report.runs) == (1, 5_004, 0)
        assert report.purged
        assert place.stat().st_size < size / 4
        assert [row.trace for row in store.register.sessions()] == [kept.trace]
        assert store.entries(kept.number) == deliberation(500)
        assert store.turns([key]) == [[]]
        for table in ("memo", "redacted", "stale"):
            assert store.database.rows(f"SELECT * FROM {table}") == []  # noqa: S608
        assert verify(store).ok
        with pytest.raises(UnknownId):
            store.register.find_session(gone.trace)


def test_a_number_is_not_given_again(store: Store) -> None:
    """So that nothing that led to a removed session leads to another one."""
    gone = recorded(store, 3)
    remove(store, traces=[gone.trace])
    assert recorded(store, 3).number == gone.number + 1


def test_a_run_goes_with_its_lines_and_sessions(store: Store) -> None:
    """Its labels too; other runs stay."""
    for name in ("first", "second"):
        lines = [NewLine(str(each), "{}", "x") for each in range(100)]
        run = store.register.create_run(name, "amplify", "{}", lines, now_us=5)
        for session in store.register.sessions(run.number)[:10]:
            append(store, session, deliberation(4))
    report = remove(store, run="first")
    assert (report.runs, report.sessions, report.events) == (1, 100, 40)
    assert [run.name for run in store.register.runs()] == ["second"]
    for table in ("line", "expected", "session"):
        rows = store.database.rows(f"SELECT COUNT(*) FROM {table}")  # noqa: S608
        assert rows == [(100,)]
    assert verify(store).ok


def test_old_sessions_go_once_they_are_finished(store: Store) -> None:
    """What is still running stays, however old."""
    rows = [store.register.open_session(now_us=moment) for moment in (10, 20, 30, 40)]
    for row in (rows[0], rows[2], rows[3]):
        store.register.finish(row.number, Ending("answered"))
    assert remove(store, before_us=35).sessions == 2
    assert [row.trace for row in store.register.sessions()] == [rows[1].trace, rows[3].trace]


@pytest.mark.parametrize("reuse", ["memo", "joins"])
def test_what_others_took_from_is_kept(store: Store, reuse: str) -> None:
    """Unless it is forced; then their events are marked."""

    def again() -> str:
        if reuse == "memo":
            return deliberated(store, "Go", lambda _: "42", memo=True)[1].trace
        return deliberated(store, "Go", lambda _: "42", joins="shared")[1].trace

    first, second = again(), again()
    number = store.register.find_session(second).number
    with pytest.raises(StillNeeded, match=second) as caught:
        remove(store, traces=[first])
    assert caught.value.needed_by == (second,)
    rehearsed = remove(store, traces=[first], rehearse=True)
    assert (rehearsed.sessions, rehearsed.orphaned) == (1, 1)
    assert len(store.register.sessions()) == 2
    report = remove(store, traces=[first], force=True)
    assert (report.sessions, report.orphaned) == (1, 1)
    assert len(store.stale(number)) == 1
    assert verify(store).ok


def test_sessions_that_need_only_each_other_go_together(store: Store) -> None:
    """Nothing is left that took from them."""
    traces = [deliberated(store, "Go", lambda _: "42", memo=True)[1].trace for _ in range(3)]
    assert remove(store, traces=traces).sessions == 3


def test_what_is_not_there_cannot_be_removed(store: Store) -> None:
    """Neither a session nor a run."""
    with pytest.raises(UnknownId):
        remove(store, traces=["t-none"])
    with pytest.raises(UnknownId):
        remove(store, run="none")
    assert remove(store).sessions == 0


def test_what_somebody_works_stays(site: str) -> None:
    """A run or a session whose lease is held is not removed, not even by force."""
    with Store.open(site) as store, Store.open(site) as other:
        lines = [NewLine(str(each), "{}") for each in range(3)]
        run = store.register.create_run("first", "amplify", "{}", lines, now_us=5)
        first, *_ = store.register.sessions(run.number)
        store.register.begin(first.number, 6)
        store.register.finish(first.number, Ending("answered"))
        append(store, first, deliberation(5))
        alone = recorded(store, 5)
        with hold(store, "run:first"), hold(store, f"session:{alone.trace}"):
            for force in (False, True):
                with pytest.raises(Held, match="run:first"):
                    remove(other, run="first", force=force)
                with pytest.raises(Held, match="run:first"):
                    remove(other, traces=[first.trace], force=force)
                with pytest.raises(Held, match=alone.trace):
                    remove(other, traces=[alone.trace], force=force)
            assert remove(other, before_us=1_000).sessions == 0
            assert verify(store).ok
        assert remove(other, traces=[alone.trace]).sessions == 1
        assert remove(other, before_us=1_000).sessions == 1
        assert remove(other, run="first").sessions == 2
