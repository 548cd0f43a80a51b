"""The store: what was committed is there, what was not is nowhere."""

import asyncio
import sqlite3
from multiprocessing import get_context
from pathlib import Path

import pytest
from msgspec.structs import replace

from decomposition.errors import RunStopped
from decomposition.events import Noted, Replied
from decomposition.ports import Authorship, Reusable, Written
from tests.traces.kit import ENGINE, EXPERT, MODEL, append, deliberation, recorded, written
from traces.errors import (
    Conflict,
    CorruptEvent,
    StoreBusy,
    StoreFailed,
    StoreReadonly,
    UnknownId,
    Unstorable,
)
from traces.record import AUTHORS, MEMO_OF, Ending
from traces.store import Store
from traces.verify import verify


def test_what_was_committed_is_read_again_by_another_process(site: str) -> None:
    """Events come back in order, equal to what was appended."""
    with Store.open(site) as store:
        session = recorded(store, 30)
    with Store.open(site, readonly=True) as again:
        assert again.entries(session.number) == deliberation(30)
        assert again.entries(session.number, 7) == deliberation(7)
        assert again.entries(session.number, 0) == []
        assert again.register.session(session.number).count == 30


def test_authorship_comes_back_with_every_event(store: Store) -> None:
    """Who gave an event, when, and at what cost is read as it was written."""
    session = recorded(store, 4)
    append(store, session, deliberation(6, 4), MODEL)
    append(store, session, deliberation(8, 6), ENGINE)
    append(store, session, deliberation(9, 8), replace(MODEL, origin="t-000000000001#3"))
    records = list(store.records(session.number))
    assert [record.number for record in records] == list(range(9))
    assert [record.authorship for record in records[3:]] == [
        EXPERT,
        MODEL,
        MODEL,
        ENGINE,
        ENGINE,
        replace(MODEL, origin="t-000000000001#3"),
    ]
    assert [(record.path, record.event) for record in records] == deliberation(9)
    assert [record.number for record in store.records(session.number, 3, 5)] == [3, 4]
    assert verify(store).ok


@pytest.mark.parametrize("author", [*AUTHORS, *(MEMO_OF + author for author in AUTHORS[1:])])
def test_every_class_of_authors_comes_back(store: Store, author: str) -> None:
    """Also as the class of a turn that a memo used again."""
    session = recorded(store, 2, replace(EXPERT, author=author))
    assert {record.authorship.author for record in store.records(session.number)} == {author}


def test_events_with_and_without_costs_keep_their_order(store: Store) -> None:
    """Rows of different shapes in one commit are chained and stored in the order of numbers."""
    session = store.register.open_session(now_us=1)
    entries = deliberation(40)
    mixed = [
        (path, event, MODEL if place % 3 else EXPERT) for place, (path, event) in enumerate(entries)
    ]
    store.commit_now([Written(session.number, 0, mixed)])
    assert store.entries(session.number) == entries
    assert verify(store).ok


def test_one_commit_appends_to_many_sessions(store: Store) -> None:
    """All sessions of one turn of the loop share one transaction."""
    sessions = [store.register.open_session(now_us=1) for _ in range(150)]
    for first in (0, 5):
        batch = [
            each
            for session in sessions
            for each in written(session.number, first, deliberation(first + 5, first))
        ]
        store.commit_now(batch)
    assert all(store.entries(session.number) == deliberation(10) for session in sessions)
    assert verify(store).ok


def test_a_commit_is_whole_or_not_at_all(store: Store) -> None:
    """If one session has moved on, nothing of the others is stored either."""
    first, second = recorded(store, 3), recorded(store, 3)
    with pytest.raises(Conflict):
        store.commit_now(
            [
                *written(first.number, 3, deliberation(5, 3)),
                *written(second.number, 2, deliberation(5, 3)),
            ]
        )
    assert len(store.entries(first.number)) == len(store.entries(second.number)) == 3
    append(store, first, deliberation(5, 3))
    assert verify(store).ok


def test_who_comes_second_gets_a_conflict(site: str) -> None:
    """Of two writers that both saw three events, one appends the fourth."""
    with Store.open(site) as one, Store.open(site) as other:
        session = recorded(one, 3)
        append(other, session, deliberation(4, 3))
        with pytest.raises(Conflict) as caught:
            one.commit_now(written(session.number, 3, deliberation(5, 3)))
        assert (caught.value.session, caught.value.expected, caught.value.found) == (
            session.number,
            3,
            4,
        )
        assert isinstance(caught.value, RunStopped)
        one.commit_now(written(session.number, 4, deliberation(5, 4)))
        assert one.entries(session.number) == deliberation(5)
        assert verify(one).ok


def test_a_session_that_is_not_there_is_a_conflict(store: Store) -> None:
    """Somebody may have removed it."""
    with pytest.raises(Conflict):
        store.commit_now(written(77, 0, deliberation(2)))


def test_what_cannot_be_stored_is_refused_before_anything_is(store: Store) -> None:
    """Halves of characters, numbers that are not finite, unknown authors, too large times."""
    session = recorded(store, 3)
    for event, by in (
        (Noted("\ud800"), EXPERT),
        (Replied("x", float("nan")), EXPERT),
        (Noted("x"), replace(EXPERT, author="robot")),
        (Noted("x"), replace(EXPERT, wall_us=1 << 63)),
    ):
        with pytest.raises(Unstorable):
            append(store, session, [("0", event)], by)
    assert store.entries(session.number) == deliberation(3)
    assert verify(store).ok


def test_a_path_that_is_not_unicode_is_refused(store: Store) -> None:
    """Paths come from the engine, and are checked all the same."""
    session = recorded(store, 3)
    with pytest.raises(Unstorable):
        append(store, session, [("0.\ud800", Noted("x"))])
    assert verify(store).ok


def test_a_session_that_does_not_exist_has_no_events(store: Store) -> None:
    """Reading it is an error, not an empty list."""
    with pytest.raises(UnknownId):
        store.entries(5)
    with pytest.raises(UnknownId):
        list(store.records(5))


@pytest.mark.parametrize("number", [0, 4, 9])
def test_an_event_that_is_missing_is_named(store: Store, number: int) -> None:
    """A gap is found when a session is read, at its end too."""
    session = recorded(store, 10)
    with store.database.writing() as writer:
        writer.run("DELETE FROM event WHERE id = ?", ((session.number << 32) + number,))
    with pytest.raises(CorruptEvent) as caught:
        store.entries(session.number)
    assert caught.value.number == number


def test_an_event_takes_little_room(place: Path) -> None:
    """Payloads of 45 bytes at paths of 30 characters: at most 150 bytes of the file each."""
    path = "0.1.3.5.10.2.3.1.4.5.6.7.1.2.3"
    with Store.open(place) as store:
        session = store.register.open_session(now_us=1)
        for first in range(0, 10_000, 250):
            entries = [
                (path, Replied(f"The result of this is {1_000_000 + number}."))
                for number in range(first, first + 250)
            ]
            append(store, session, entries)
    assert place.stat().st_size / 10_000 < 150


# -- several processes ------------------------------------------------------------------------

APPENDS = 10_000
GROUP = 25


def _append_many(site: str, session: int, name: str) -> None:
    """Append half of the events in groups, each again until it is in."""
    by = Authorship(name, "scripted", 1, 2)
    with Store.open(site) as store:
        for group in range(APPENDS // 2 // GROUP):
            entries = [("0", Noted(f"{name} {group} {each}")) for each in range(GROUP)]
            while True:
                count = store.register.session(session).count
                try:
                    store.commit_now(written(session, count, entries, by))
                    break
                except Conflict:
                    continue


def test_two_processes_lose_nothing(site: str) -> None:
    """10,000 appends of two processes to one session: all there, none twice, the chain holds."""
    with Store.open(site) as store:
        session = store.register.open_session(now_us=1).number
        context = get_context("spawn")
        workers = [
            context.Process(target=_append_many, args=(site, session, name)) for name in "ab"
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0]
        texts = [event.text for _, event in store.entries(session) if isinstance(event, Noted)]
        assert len(texts) == APPENDS
        for name in "ab":
            mine = [text for text in texts if text.startswith(name)]
            expected = [
                f"{name} {group} {each}"
                for group in range(APPENDS // 2 // GROUP)
                for each in range(GROUP)
            ]
            assert mine == expected
        assert verify(store).ok


# -- faults ------------------------------------------------------------------------------------


def locked(place: Path) -> sqlite3.Connection:
    """Somebody else's connection that holds the write lock."""
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_a_lock_is_waited_for_and_then_given_up(place: Path) -> None:
    """Another process holds the lock for too long: the run stops, nothing is lost."""
    with Store.open(place, patience_s=0.2) as store:
        session = recorded(store, 3)
        other = locked(place)
        with pytest.raises(StoreBusy, match="locked by another process") as caught:
            store.commit_now(written(session.number, 3, deliberation(5, 3)))
        assert isinstance(caught.value, RunStopped)
        with pytest.raises(StoreBusy):
            asyncio.run(store.commit(written(session.number, 3, deliberation(5, 3))))
        other.execute("ROLLBACK")
        other.close()
        store.commit_now(written(session.number, 3, deliberation(5, 3)))
        assert verify(store).ok


def test_while_a_commit_waits_other_tasks_go_on(place: Path) -> None:
    """The loop is not blocked by another process that writes."""

    async def main(store: Store, session: int) -> int:
        commit = asyncio.create_task(store.commit(written(session, 3, deliberation(5, 3))))
        other = locked(place)
        turns = 0
        while turns < 10:
            await asyncio.sleep(0.01)
            assert not commit.done()
            turns += 1
        other.close()
        await commit
        return turns

    with Store.open(place) as store:
        session = recorded(store, 3)
        assert asyncio.run(main(store, session.number)) == 10
        assert store.entries(session.number) == deliberation(5)


def test_work_that_never_waits_can_be_cancelled(store: Store) -> None:
    """Every commit gives others a moment, and is whole or not at all then too."""
    session = store.register.open_session(now_us=1)

    async def work() -> None:
        for number in range(10_000):
            await store.commit(written(session.number, number, [("0", Noted(str(number)))]))

    async def main() -> None:
        task = asyncio.create_task(work())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert 0 < len(store.entries(session.number)) < 10
    assert verify(store).ok


def test_a_full_disk_stops_the_run_and_keeps_what_was_committed(place: Path) -> None:
    """Nothing of the commit that did not fit is stored; later the store goes on."""
    with Store.open(place) as store:
        session = recorded(store, 10)
        pages = store.database.execute("PRAGMA page_count")[0][0]
        store.database.execute(f"PRAGMA max_page_count = {pages + 2}")
        large = written(session.number, 10, deliberation(500, 10))
        with pytest.raises(StoreFailed, match="full") as caught:
            store.commit_now(large)
        assert isinstance(caught.value, RunStopped)
        assert store.entries(session.number) == deliberation(10)
        store.database.execute("PRAGMA max_page_count = 1000000")
        store.commit_now(large)
        assert store.entries(session.number) == deliberation(500)
        assert verify(store).ok


def test_what_stopped_a_run_is_told_and_not_what_followed(place: Path) -> None:
    """Closing a store that takes nothing any more hides no error."""

    def stopped() -> None:
        with Store.open(place, patience_s=0.1) as store:
            session = recorded(store, 3)
            store.register.finish(session.number, Ending("stopped"))
            others.append(locked(place))
            raise RunStopped("the provider does not answer")

    others: list[sqlite3.Connection] = []
    with pytest.raises(RunStopped, match="the provider"):
        stopped()
    others[0].close()


def test_a_store_for_reading_takes_nothing(site: str) -> None:
    """And says why."""
    with Store.open(site) as store:
        session = recorded(store, 3)
    with Store.open(site, readonly=True) as store:
        assert store.readonly
        with pytest.raises(StoreReadonly, match="reading only"):
            store.commit_now(written(session.number, 3, deliberation(5, 3)))


def test_a_commit_that_fails_leaves_the_index_of_reuse_alone(store: Store) -> None:
    """What was not committed cannot be used again."""
    session = recorded(store, 3)
    key = b"k" * 20
    with pytest.raises(Conflict):
        store.commit_now(
            written(session.number, 2, deliberation(5, 3)), Reusable([(key, session.number, 2)])
        )
    assert store.turns([key]) == [[]]
