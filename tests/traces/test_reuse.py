"""The index of reuse: what was seen is found again, wherever its rows are now."""

import random
import tracemalloc
from hashlib import blake2b
from pathlib import Path

import pytest
from msgspec.structs import replace

from decomposition.events import (
    Abstained,
    Asked,
    Entry,
    Failed,
    Joined,
    Noted,
    Refused,
    Replied,
    Unlocked,
)
from decomposition.message import Failure, Message
from decomposition.ports import Closed, Reusable, Written
from tests.traces.kit import ENGINE, EXPERT, append, deliberation, recorded
from traces.bloom import Bloom
from traces.store import Store
from traces.verify import verify
from traces.window import Window, pack, rows_in


def key(number: int) -> bytes:
    """A key as views have them."""
    return blake2b(str(number).encode(), digest_size=20).digest()


# -- the parts ---------------------------------------------------------------------------------


def test_a_bloom_filter_knows_what_was_added() -> None:
    """Never a false no; seldom a false yes."""
    bloom = Bloom(1 << 16)
    bloom.add(map(key, range(10_000)))
    assert all(key(number) in bloom for number in range(10_000))
    wrong = sum(key(number) in bloom for number in range(10_000, 20_000))
    assert wrong < 500


def row(number: int) -> bytes:
    """A packed row that tells which one it is."""
    return pack(str(number).encode())


def test_a_window_gives_up_its_oldest_rows_in_order() -> None:
    """Rows leave sorted, all of one stretch of keys, each exactly once."""
    window = Window(limit=200)
    given: list[tuple[bytes, bytes]] = []
    for number in range(1_000):
        window.add([(key(number), row(number))])
        if window.full:
            due = window.due()
            assert due == sorted(due)
            given += due
            window.written()
        assert window.size <= 200
    given += window.all()
    assert sorted(int(each) for _, rows in given for each in rows_in(rows)) == list(range(1_000))


def test_a_window_makes_room_for_a_commit_of_any_size() -> None:
    """However many rows came at once, it gives up as many as are too many."""
    window = Window(limit=10)
    window.add((key(number), row(number)) for number in range(5_000))
    assert len(window.due()) >= 4_990
    assert window.ends_round
    window.written()
    assert window.size <= 10


def test_a_row_stays_in_the_window_until_it_is_safe() -> None:
    """`due` alone removes nothing, and rows that came after it was asked are due too."""
    window = Window(limit=0)
    window.add([(key(1), row(1))])
    assert window.due() == [(key(1), row(1))]
    window.add([(key(1), row(2))])
    assert window.due() == [(key(1), row(1) + row(2))]
    assert rows_in(window.get(key(1))) == [b"1", b"2"]
    window.written()
    assert not window.get(key(1))


def test_a_window_forgets_what_is_not_wanted() -> None:
    """Row by row, also of several under one key."""
    window = Window()
    window.add([(key(1), row(1)), (key(1), row(2)), (key(2), row(1)), (key(3), row(300))])
    window.keep(lambda each: each != b"1")
    assert rows_in(window.get(key(1))) == [b"2"]
    assert not window.get(key(2))
    assert rows_in(window.get(key(3))) == [b"300"]
    assert window.size == 2


# -- turns -------------------------------------------------------------------------------------


TURN: list[Entry] = [("0.1", Asked(("How much is 3 + 5?",), (7,))), ("0.1", Unlocked(("$a1",)))]


def test_a_turn_is_found_by_its_key(store: Store) -> None:
    """With its origin, its author, and exactly its events."""
    session = recorded(store, 3)
    by = replace(EXPERT, author="human", monotonic_us=9)
    append(
        store, session, [*TURN, ("0.1", Replied("x"))], by, Reusable([(key(1), session.number, 3)])
    )
    ((turn,), none) = store.turns([key(1), key(2)])
    assert turn.origin == f"{session.trace}#3"
    assert turn.author == "human"
    assert list(turn.entries) == TURN
    assert none == []


@pytest.mark.parametrize(
    "after",
    [
        ("0.2", Noted("another place"), EXPERT),
        ("0.1", Noted("another time"), replace(EXPERT, wall_us=5)),
    ],
)
def test_a_turn_ends_where_another_begins(store: Store, after: tuple[str, Noted, object]) -> None:
    """Events of another workspace, or given at another time, are not of the turn."""
    session = store.register.open_session(now_us=1)
    path, event, by = after
    assert isinstance(by, type(EXPERT))
    entries = [("0.1", Noted("mine"), EXPERT), (path, event, by)]
    store.commit_now([Written(session.number, 0, entries)], Reusable([(key(1), session.number, 0)]))
    assert [turn.entries for turn in store.turns([key(1)])[0]] == [(("0.1", Noted("mine")),)]


def test_a_long_turn_is_read_whole(store: Store) -> None:
    """Also beyond what one query brings."""
    session = recorded(store, 3)
    entries: list[Entry] = [("0.1", Noted(str(number))) for number in range(100)]
    by = replace(EXPERT, wall_us=5)
    append(store, session, entries, by, Reusable([(key(1), session.number, 3)]))
    assert list(store.turns([key(1)])[0][0].entries) == entries


def test_what_the_engine_decided_is_no_turn(store: Store) -> None:
    """A key that leads there leads nowhere."""
    session = recorded(store, 3, ENGINE)
    append(store, session, TURN, ENGINE, Reusable([(key(1), session.number, 1)]))
    assert store.turns([key(1)]) == [[]]


def test_all_turns_of_a_key_come_in_the_order_of_recording(site: str) -> None:
    """From the window and from the file alike."""
    origins: list[str] = []
    for _ in range(3):
        with Store.open(site) as store:
            for _ in range(2):
                session = recorded(store, 3)
                append(store, session, TURN, reusable=Reusable([(key(1), session.number, 3)]))
                origins.append(f"{session.trace}#3")
            assert [turn.origin for turn in store.turns([key(1)])[0]] == origins


# -- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "message", "failure"),
    [
        (Replied("8"), Message.of("8"), None),
        (Replied(r"8 \[about\] \$q"), Message.of("8 [about] $q"), None),
        (Abstained("too hard"), None, Failure("abstained", "too hard")),
        (Failed(Failure("refused", "no"), "detail"), None, Failure("refused", "no")),
        (Joined("t-1/0.1", "00", Message.of("8")), Message.of("8"), None),
    ],
)
def test_a_closed_workspace_is_found_by_its_question(
    store: Store,
    event: Replied | Abstained | Failed | Joined,
    message: Message | None,
    failure: Failure | None,
) -> None:
    """With what it came to."""
    session = recorded(store, 3)
    reusable = Reusable(joins=[(key(1), session.number, 3, b"d" * 32)])
    append(store, session, [("0.2:1", event)], reusable=reusable)
    assert store.closed(key(1)) == Closed(
        f"{session.trace}/0.2:1", (b"d" * 32).hex(), message, failure
    )
    assert store.closed(key(2)) is None


def test_the_first_answer_to_a_question_stays(site: str) -> None:
    """Whoever closed it first, and in which process."""
    firsts: list[str] = []
    for _ in range(2):
        with Store.open(site) as store:
            for _ in range(2):
                session = recorded(store, 3)
                reusable = Reusable(joins=[(key(1), session.number, 3, b"d" * 32)])
                append(store, session, [("0.1", Replied("8"))], reusable=reusable)
                firsts.append(f"{session.trace}/0.1")
    with Store.open(site) as store:
        found = store.closed(key(1))
        assert found is not None
        assert found.origin == firsts[0]
        assert verify(store).ok


def test_an_answer_that_does_not_stand_by_itself_is_not_given(store: Store) -> None:
    """A reply with a pointer means something in its own workspace only."""
    session = recorded(store, 3)
    reusable = Reusable(joins=[(key(1), session.number, 3, b"d" * 32)])
    append(store, session, [("0.1", Replied("see $a1"))], reusable=reusable)
    assert store.closed(key(1)) is None


@pytest.mark.parametrize("event", [Noted("x"), Refused("x")])
def test_a_key_that_leads_to_no_answer_leads_nowhere(store: Store, event: Noted | Refused) -> None:
    """The index may be wrong; the events are right."""
    session = recorded(store, 3)
    reusable = Reusable(joins=[(key(1), session.number, 3, b"d" * 32)])
    append(store, session, [("0.1", event)], reusable=reusable)
    assert store.closed(key(1)) is None


def test_a_flipped_row_of_the_index_is_not_used(place: Path) -> None:
    """It could lead to the turn of another view."""
    with Store.open(place) as store:
        session = recorded(store, 9)
        append(
            store,
            session,
            TURN,
            reusable=Reusable([(key(1), session.number, 9)], [(key(2), session.number, 9, b"d")]),
        )
    with Store.open(place) as store:
        with store.database.writing() as writer:
            assert writer.run("UPDATE memo SET number = number - 8") == 1
            assert writer.run("UPDATE joinable SET number = number - 8") == 1
        assert store.turns([key(1)]) == [[]]
        assert store.closed(key(2)) is None
        assert not verify(store).ok


# -- rows on their way -------------------------------------------------------------------------


def filled(store: Store, turns: int, *, into: int = 0, first: int = 0) -> int:
    """A session with so many more turns, each under a key of its own."""
    number = into or store.register.open_session(now_us=1).number
    each = 50
    for start in range(first, first + turns, each):
        places = range(start, start + each)
        entries = [(f"0.{place}", Replied(f"answer {place}"), EXPERT) for place in places]
        memo = [(key(place), number, place) for place in places]
        store.commit_now([Written(number, start, entries)], Reusable(memo))
    return number


@pytest.mark.parametrize("window", [0, 100, 1_000, 100_000])
def test_keys_are_found_wherever_their_rows_are(site: str, window: int) -> None:
    """In the window, in the file, and in the file of the next process."""
    numbers = random.Random(5).sample(range(2_000), 200)  # noqa: S311 - a sample for a test
    for opened in range(2):
        with Store.open(site, window_rows=window) as store:
            if not opened:
                filled(store, 2_000)
            found = store.turns([key(number) for number in numbers])
            assert [turn.entries[0][1] for (turn,) in found] == [
                Replied(f"answer {number}") for number in numbers
            ]
            assert store.turns([key(number) for number in range(2_000, 2_100)]) == [[]] * 100


def counted(store: Store, table: str) -> int:
    """Rows of a table."""
    return int(store.database.rows(f"SELECT COUNT(*) FROM {table}")[0][0])  # noqa: S608


def test_a_clean_end_leaves_nothing_unsorted(site: str) -> None:
    """When the store was closed all turns are in their places, each once."""
    with Store.open(site, window_rows=300) as store:
        filled(store, 1_000)
    with Store.open(site) as store:
        assert (counted(store, "memo"), counted(store, "unindexed")) == (1_000, 0)
        assert store.catch_up() == 0


@pytest.mark.parametrize("window", [0, 300, 100_000])
def test_a_crash_loses_nothing_that_can_be_used_again(site: str, window: int) -> None:
    """What waited in memory is used by whoever looks first, and nothing is used twice."""
    crashed = Store.open(site, window_rows=window)
    session = filled(crashed, 4_000)
    joins = [(key(9_000), session, 7, b"d" * 32)]
    append(crashed, crashed.register.session(session), TURN, reusable=Reusable(joins=joins))
    crashed.database.close()
    with Store.open(site) as store:
        assert [len(turns) for turns in store.turns(list(map(key, range(4_000))))] == [1] * 4_000
        found = store.closed(key(9_000))
        assert found is not None
        assert found.digest == (b"d" * 32).hex()
        assert (counted(store, "memo"), counted(store, "unindexed")) == (4_000, 0)
        assert store.catch_up() == 0
        assert verify(store).ok


def test_catching_up_says_how_much_it_found(site: str) -> None:
    """Once; in a store that is open for reading only it finds nothing."""
    crashed = Store.open(site)
    filled(crashed, 100)
    crashed.database.close()
    with Store.open(site, readonly=True) as store:
        assert store.catch_up() == 0
    with Store.open(site) as store:
        filled(store, 50)
        assert store.catch_up() == 100
        assert store.catch_up() == 0
        assert counted(store, "memo") == 100


def test_what_waits_takes_no_more_room_than_the_window(site: str) -> None:
    """Notes go when their rows are in their places, also while the store stays open."""
    with Store.open(site, window_rows=500) as store:
        session = 0
        for first in range(0, 10_000, 1_000):
            session = filled(store, 1_000, into=session, first=first)
            assert counted(store, "unindexed") * 50 <= 5 * 500
        assert counted(store, "memo") > 9_000


def test_another_process_may_sort_what_is_under_way(site: str) -> None:
    """Whoever works goes on, and every turn stands there once."""
    with Store.open(site, window_rows=300) as store, Store.open(site) as other:
        session = filled(store, 1_000)
        assert other.catch_up() > 0
        assert [len(turns) for turns in other.turns(list(map(key, range(1_000))))] == [1] * 1_000
        filled(store, 1_000, into=session, first=1_000)
    with Store.open(site) as store:
        assert (counted(store, "memo"), counted(store, "unindexed")) == (2_000, 0)


def test_a_changed_note_is_not_used(site: str) -> None:
    """It is found by `verify`, and stays for whoever looks after it."""
    crashed = Store.open(site)
    filled(crashed, 50)
    with crashed.database.writing() as writer:
        writer.run("UPDATE unindexed SET seal = seal + 1")
    crashed.database.close()
    with Store.open(site) as store:
        assert store.turns([key(1)]) == [[]]
        assert [finding.kind for finding in verify(store).findings] == ["index"]


def test_memory_does_not_grow_with_the_number_of_keys(place: Path) -> None:
    """Ten times as many keys take no more memory than the window and the filter."""
    with Store.open(place, window_rows=1_000) as store:
        sizes: list[int] = []
        tracemalloc.start()
        session = 0
        for first in range(0, 22_000, 500):
            session = filled(store, 500, into=session, first=first)
            store.turns([key(first)])
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert max(sizes[8:]) < 1.2 * max(sizes[:8])


def test_deliberations_of_the_kit_can_be_used(store: Store) -> None:
    """The kit's events are what these tests take them for."""
    session = recorded(store, 20)
    assert store.entries(session.number) == deliberation(20)
