"""Claims: many processes work one run, and every session is worked by one of them."""

from pathlib import Path

import pytest

from traces.claims import Claims, claiming, seated
from traces.errors import StoreBusy
from traces.leases import acquire, still_own
from traces.record import Ending, NewLine, RunRecord
from traces.store import Store, now_us

OTHER = "elsewhere:77:1"


def accepted(store: Store, lines: int) -> RunRecord:
    """A run with so many lines."""
    new = [NewLine(str(number), '{"question": "?"}') for number in range(lines)]
    return store.register.create_run("shared", "amplify", "{}", new, now_us=now_us())


def test_every_session_is_claimed_once(site: str) -> None:
    """Two processes that claim in turns get all sessions between them, and none twice."""
    with Store.open(site) as one, Store.open(site) as other:
        run = accepted(one, 100)
        with (
            claiming(one.database, one.register, run) as first,
            claiming(other.database, other.register, run) as second,
        ):
            claimed: list[int] = []
            while got := [row.idx for claims in (first, second) for row in claims.claim(16)]:
                claimed += got
            assert sorted(claimed) == list(range(100))
            assert (first.place, second.place) == (1, 2)
            assert min(first.held, second.held) >= 30


def test_claims_come_in_the_order_of_the_lines(store: Store) -> None:
    """Whoever is alone gets as many as it asks for."""
    run = accepted(store, 10)
    with claiming(store.database, store.register, run) as claims:
        assert [row.idx for row in claims.claim(4)] == [0, 1, 2, 3]
        assert [row.idx for row in claims.claim(4)] == [4, 5, 6, 7]
        assert [row.idx for row in claims.claim(4)] == [8, 9]
        assert claims.claim(4) == []


def test_the_end_is_shared(site: str) -> None:
    """Where few lines are left, each of several gets a part of them."""
    with Store.open(site) as one, Store.open(site) as other:
        run = accepted(one, 8)
        with (
            claiming(one.database, one.register, run) as first,
            claiming(other.database, other.register, run),
        ):
            assert len(first.claim(64)) == 2


def test_a_finished_session_is_written_before_its_lease_goes_back(site: str) -> None:
    """So nobody else takes it for one that is still to be worked."""
    with Store.open(site) as one, Store.open(site) as other:
        run = accepted(one, 2)
        with claiming(one.database, one.register, run) as first:
            row, left = first.claim(2)
            one.register.finish(row.number, Ending("answered", "4", "b2:0"))
            first.end(row.number)
            first.leave(left.number)
            assert first.held == 0
            assert first.claim(2) == []
            with one.database.writing() as writer:
                both = {row.number, left.number}
                assert first.lost(writer, both) == both
            assert other.register.progress(run.number) == {"answered": 1, "waiting": 1}
            with claiming(other.database, other.register, run) as second:
                assert [each.idx for each in second.claim(2)] == [1]


def test_what_is_given_back_can_be_claimed(site: str) -> None:
    """At the end of the block nobody holds anything, and fences only grow."""
    with Store.open(site) as store:
        run = accepted(store, 1)
        for fence in (1, 2, 3):
            with claiming(store.database, store.register, run) as claims:
                (row,) = claims.claim(1)
                assert claims.fence(row.number) == fence
                assert list(seated(store.database, run)) == [1]
            assert store.register.guard is None
            assert seated(store.database, run) == {}


def stolen(claims: Claims, store: Store, trace: str) -> None:
    """Let a lease run out and somebody else take it."""
    sql = "UPDATE lease SET expires_us = 0 WHERE resource = ?"
    with store.database.writing() as writer:
        writer.run(sql, (f"session:{trace}",))
    acquire(store.database, f"session:{trace}", OTHER)
    assert claims.holder != OTHER


def test_a_lost_session_is_told_in_the_transaction(store: Store) -> None:
    """Also before a heartbeat noticed, and from then on always; the others are kept."""
    run = accepted(store, 2)
    with claiming(store.database, store.register, run) as claims:
        lost, kept = claims.claim(2)
        stolen(claims, store, lost.trace)
        assert not claims.is_lost(lost.number)
        for _ in range(2):
            with store.database.writing(beside=True) as writer:
                assert claims.lost(writer, [lost.number, kept.number]) == {lost.number}
        assert claims.is_lost(lost.number)
        assert (claims.fence(lost.number), claims.fence(kept.number)) == (0, 1)


def test_a_heartbeat_finds_what_was_lost(store: Store) -> None:
    """It holds the others for longer, and does not take anything back."""
    run = accepted(store, 2)
    with claiming(store.database, store.register, run) as claims:
        lost, kept = claims.claim(2)
        stolen(claims, store, lost.trace)
        ends = "SELECT expires_us, holder FROM lease WHERE resource = ?"
        before = store.database.rows(ends, (f"session:{kept.trace}",))
        claims.beat()
        assert claims.is_lost(lost.number)
        assert store.database.rows(ends, (f"session:{kept.trace}",)) > before
        assert store.database.rows(ends, (f"session:{lost.trace}",))[0][1] == OTHER
    assert store.database.rows(ends, (f"session:{lost.trace}",))[0][1] == OTHER


def test_a_lease_that_ran_out_unnoticed_still_holds(store: Store) -> None:
    """As long as nobody else took it: a slow holder is not stopped for nothing."""
    run = accepted(store, 1)
    with claiming(store.database, store.register, run) as claims:
        (row,) = claims.claim(1)
        with store.database.writing() as writer:
            writer.run("UPDATE lease SET expires_us = 0")
            assert claims.lost(writer, [row.number]) == frozenset()


def test_what_is_known_of_a_lost_session_is_not_written(site: str) -> None:
    """Its row is the business of whoever took it over."""
    with Store.open(site) as one, Store.open(site) as other:
        run = accepted(one, 1)
        with claiming(one.database, one.register, run) as claims:
            (row,) = claims.claim(1)
            one.register.finish(row.number, Ending("stopped"))
            stolen(claims, other, row.trace)
            other.register.finish(row.number, Ending("answered", "4", "b2:0"))
            other.flush()
        assert one.register.session(row.number).status == "answered"


def test_a_claim_does_not_wait_while_there_is_work(place: Path) -> None:
    """Where another process writes, whoever works something is told so at once."""
    with Store.open(place, patience_s=0.05) as store, Store.open(place) as other:
        run = accepted(store, 2)
        with claiming(store.database, store.register, run) as claims:
            (row,) = claims.claim(1)
            with other.database.writing(), pytest.raises(StoreBusy):
                claims.claim(1)
            assert (claims.held, claims.fence(row.number)) == (1, 1)
            assert [each.idx for each in claims.claim(1)] == [1]


def test_times_are_the_stores(store: Store) -> None:
    """On a server all who share it read one clock; a file is on one machine."""
    with store.database.writing() as writer:
        assert abs(writer.now_us() - now_us()) < 60_000_000
    assert abs(store.database.now_us() - now_us()) < 60_000_000
    assert bool(store.database.dialect.clock) != store.database.on_sqlite


def test_leases_are_asked_for_many_at_once(store: Store) -> None:
    """More than one query takes."""
    leases = [acquire(store.database, f"session:{number}") for number in range(70)]
    acquire(store.database, "session:69")
    with store.database.writing() as writer:
        assert still_own(writer, leases) == leases[:69]
