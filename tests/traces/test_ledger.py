"""The ledger: intents before calls, receipts with their events, and caps that hold."""

import asyncio
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.errors import Fenced
from decomposition.events import Noted, Replied
from decomposition.spend import Dues, Estimate, Intent, Receipt, Standing, Usage
from tests.traces.kit import append, deliberation, recorded, written
from traces.gc import remove
from traces.record import NewLine, SessionRecord
from traces.redact import redact
from traces.spending import Ceiling
from traces.store import Store
from traces.verify import verify

WHO = "chat:m@1"
USED = Usage(100, 20, 0.25, "the request", "the reply", "stop", "m-1")
MOST = Estimate(150, 50, 0.5)
_numbers = count(1)


def intent(session: int, path: str = "0", estimate: Estimate = MOST, attempt: int = 1) -> Intent:
    """A call that is about to leave."""
    number = next(_numbers)
    return Intent(f"c-{number:08}", session, path, WHO, attempt, estimate, 5_000 + number)


def receipt(
    of: Intent, usage: Usage = USED, standing: Standing = "answered", event: int | None = None
) -> Receipt:
    """What came of a call."""
    return Receipt(of.call, standing, usage, 9_000, 77, event)


def due(store: Store, *intents: Intent) -> dict[str, str]:
    """Commit intents alone; those for which there was no room."""
    return dict(store.commit_now([], dues=Dues(intents)))


def settled(store: Store, *receipts: Receipt) -> None:
    """Commit receipts alone."""
    store.commit_now([], dues=Dues((), receipts))


def a_run(store: Store, lines: int = 3) -> tuple[int, list[SessionRecord]]:
    """A run with sessions."""
    new = [NewLine(str(number), "{}") for number in range(lines)]
    run = store.register.create_run("a run", "amplify", "{}", new, now_us=5).number
    return run, store.register.sessions(run)


def test_an_intent_is_a_line_under_way(store: Store) -> None:
    """Committed before its call leaves, with what it reserves and who makes it."""
    session = recorded(store, 3)
    one = intent(session.number, "0.2")
    assert due(store, one) == {}
    (line,) = store.ledger.open_intents(session=session.number)
    assert (line.call, line.path, line.answerer, line.standing) == (one.call, "0.2", WHO, "")
    assert (line.reserved_in, line.reserved_out, line.reserved_usd) == (150, 50, 0.5)
    assert (line.tokens_in, line.cost_usd, line.event) == (None, None, None)
    assert line.holder == store.ledger.holder
    assert verify(store).ok


def test_a_receipt_comes_with_its_events(store: Store) -> None:
    """One transaction: the line leads to the first event of its turn, and has all texts."""
    session = recorded(store, 3)
    one = intent(session.number, "0.2")
    due(store, one)
    events = written(session.number, 3, [("0.2", Replied("8"))])
    store.commit_now(events, dues=Dues((), [receipt(one, event=3)]))
    (line,) = store.ledger.lines(session=session.number)
    assert (line.standing, line.event, line.duration_us) == ("answered", 3, 77)
    assert (line.tokens_in, line.tokens_out, line.cost_usd) == (100, 20, 0.25)
    assert (line.request, line.reply, line.finish) == ("the request", "the reply", "stop")
    assert store.ledger.open_intents(session=session.number) == []
    assert verify(store).ok


def test_a_receipt_that_cannot_be_written_takes_its_events_along(site: str) -> None:
    """A call that somebody else has settled: nothing of the commit stands."""
    with Store.open(site) as store, Store.open(site) as other:
        session = recorded(store, 3)
        one = intent(session.number)
        due(store, one)
        assert len(other.ledger.mark_ambiguous(session.number)) == 1
        events = written(session.number, 3, [("0", Replied("8"))])
        with pytest.raises(Fenced) as raised:
            store.commit_now(events, dues=Dues((), [receipt(one, event=3)]))
        assert raised.value.sessions == {session.number}
        assert store.register.session(session.number).count == 3
        assert [line.standing for line in store.ledger.lines()] == ["ambiguous"]
        assert verify(store).ok


def test_what_is_reserved_gives_way_to_what_was_used(store: Store) -> None:
    """Calls, tokens and money of a run, whatever its sessions."""
    run, (first, second, _) = a_run(store)
    calls = [intent(first.number), intent(second.number, "0.1")]
    due(store, *calls)
    spent = store.ledger.spent(run=run)
    assert (spent.calls, spent.tokens, spent.usd) == (2, 400, 1.0)
    settled(store, receipt(calls[0]))
    spent = store.ledger.spent(run=run)
    assert (spent.calls, spent.tokens, spent.usd, spent.unknown) == (2, 320, 0.75, 0)
    assert verify(store).ok


def test_what_nobody_knows_counts_as_its_reserve(store: Store) -> None:
    """And is flagged: tokens, money, and both of a call that was under way at a kill."""
    run, (first, _, _) = a_run(store)
    calls = [intent(first.number, path) for path in ("0.1", "0.2", "0.3")]
    due(store, *calls)
    settled(store, receipt(calls[0], Usage(10, None, None)), receipt(calls[1]))
    assert [line.call for line in store.ledger.mark_ambiguous(first.number)] == [calls[2].call]
    spent = store.ledger.spent(run=run)
    assert (spent.tokens, spent.usd, spent.unknown) == (60 + 120 + 200, 1.25, 2)
    totals = store.ledger.totals(run=run)
    assert (totals.tokens, totals.cost_usd, totals.unknown) == (130, 0.25, 2)
    assert (totals.reserved_tokens, totals.reserved_usd) == (250, 1.0)
    assert store.ledger.mark_ambiguous(first.number) == []
    assert verify(store).ok


@pytest.mark.parametrize(
    ("ceiling", "granted"),
    [
        (Ceiling(calls=2), 2),
        (Ceiling(tokens=599), 2),
        (Ceiling(tokens=600), 3),
        (Ceiling(usd=1.49), 2),
        (Ceiling(usd=1.5), 3),
        (Ceiling(seconds=0), 0),
        (Ceiling(), 5),
    ],
)
def test_a_cap_lets_only_as_many_leave_as_it_has_room_for(
    store: Store, ceiling: Ceiling, granted: int
) -> None:
    """Also where they come in one commit; nothing stands of the others."""
    run, (first, _, _) = a_run(store)
    store.ledger.limit(ceiling, run=run)
    calls = [intent(first.number, f"0.{n}") for n in range(5)]
    refused = due(store, *calls)
    assert refused == {each.call: "run" for each in calls[granted:]}
    assert [line.call for line in store.ledger.lines(run=run)] == [c.call for c in calls[:granted]]
    assert store.ledger.spent(run=run).calls == granted
    assert verify(store).ok


def test_a_call_without_a_price_has_no_room_under_a_cap_on_money(store: Store) -> None:
    """Without one it has."""
    run, (first, _, _) = a_run(store)
    unpriced = Estimate(10, 10, None)
    assert due(store, intent(first.number, "0.1", unpriced)) == {}
    store.ledger.limit(Ceiling(usd=1000), run=run)
    assert due(store, one := intent(first.number, "0.2", unpriced)) == {one.call: "run"}
    assert verify(store).ok


def test_a_session_may_have_a_cap_of_its_own(store: Store) -> None:
    """It counts what the session had spent before, and gives back what the run refuses."""
    run, (first, second, _) = a_run(store)
    due(store, intent(first.number, "0.1"))
    store.ledger.limit(Ceiling(calls=2), session=first.number)
    calls = [intent(first.number, "0.2"), intent(first.number, "0.3"), intent(second.number)]
    assert due(store, *calls) == {calls[1].call: "session"}
    store.ledger.limit(Ceiling(calls=3), run=run)
    store.ledger.limit(Ceiling(calls=9), session=first.number)
    assert due(store, one := intent(first.number, "0.4")) == {one.call: "run"}
    assert store.ledger.spent(session=first.number).calls == 2
    assert verify(store).ok


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_committed_no_cap_is_passed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Two processes, any order of intents and receipts: used and reserved stay below the caps."""
    place = tmp_path_factory.mktemp("caps") / "workbench.db"
    ceiling = Ceiling(*data.draw(st.tuples(st.integers(0, 9), st.integers(0, 900))), 2.0)
    with Store.open(place) as one, Store.open(place) as other:
        run, rows = a_run(one)
        one.ledger.limit(ceiling, run=run)
        under_way: list[tuple[Store, Intent]] = []
        for _ in range(12):
            store = data.draw(st.sampled_from([one, other]))
            if under_way and data.draw(st.booleans()):
                owner, call = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
                tokens = data.draw(st.sampled_from([None, 0, call.estimate.tokens_in // 2]))
                used = Usage(tokens, 0, data.draw(st.sampled_from([None, 0.1])))
                settled(owner, receipt(call, used))
                continue
            row = data.draw(st.sampled_from(rows))
            calls = [
                intent(row.number, f"0.{n}", Estimate(data.draw(st.integers(0, 300)), 9, 0.3))
                for n in range(data.draw(st.integers(1, 4)))
            ]
            refused = due(store, *calls)
            under_way += [(store, each) for each in calls if each.call not in refused]
            spent = one.ledger.spent(run=run)
            assert spent.calls <= (ceiling.calls or 0)
            assert spent.tokens <= (ceiling.tokens or 0)
            assert spent.nano_usd <= 2_000_000_000
        assert verify(one).ok


def test_time_is_counted_once_however_many_work(store: Store) -> None:
    """What two processes work at the same moment is one stretch on the clock."""
    run, (first, _, _) = a_run(store)
    for since, until in ((1_000_000, 3_000_000), (2_000_000, 4_000_000), (2_500_000, 3_500_000)):
        store.ledger.worked(since, until, run=run)
        store.flush()
    store.ledger.worked(10_000_000, 11_000_000, run=run)
    due(store, intent(first.number))
    assert store.ledger.spent(run=run).seconds == 4.0
    assert verify(store).ok


def test_a_persons_time_is_a_line(store: Store) -> None:
    """It is no call: nothing of it counts against caps."""
    run, (first, second, _) = a_run(store)
    store.ledger.add_human_seconds(first.number, "0.1", "human:ann", 12.5, wall_us=7)
    store.ledger.add_human_seconds(second.number, "0", "human:bob", 2, wall_us=8)
    due(store, one := intent(first.number))
    settled(store, receipt(one))
    totals = store.ledger.totals(run=run)
    assert (totals.human_s, totals.calls, totals.lines) == (14.5, 1, 3)
    by = store.ledger.totals_by("answerer", run=run)
    assert {who: (each.human_s, each.calls) for (_, who), each in by.items()} == {
        "human:ann": (12.5, 0),
        "human:bob": (2.0, 0),
        WHO: (0.0, 1),
    }
    assert store.ledger.spent(run=run).calls == 1
    assert verify(store).ok


def test_totals_are_told_apart(store: Store) -> None:
    """By session, by workspace, and by what came of a call."""
    run, (first, second, _) = a_run(store)
    calls = [intent(first.number, "0.1"), intent(first.number, "0.2"), intent(second.number)]
    due(store, *calls)
    settled(store, receipt(calls[0]), receipt(calls[1], Usage(0, 0, 0.0), "transient"))
    by_session = store.ledger.totals_by("session", run=run)
    assert {number: each.calls for (number, _), each in by_session.items()} == {
        first.number: 2,
        second.number: 1,
    }
    by_path = store.ledger.totals_by("path", session=first.number)
    assert by_path[first.number, "0.1"].tokens == 120
    by_standing = store.ledger.totals_by("standing", run=run)
    assert {name: each.calls for (_, name), each in by_standing.items()} == {
        "": 1,
        "answered": 1,
        "transient": 1,
    }


def test_what_was_asked_since_is_settled(store: Store) -> None:
    """A call is in doubt until its workspace is asked again, by whomever."""
    session = recorded(store, 3)
    first, second = intent(session.number, "0.1"), intent(session.number, "0.2")
    due(store, first, second)
    store.ledger.mark_ambiguous(session.number)
    due(store, again := intent(session.number, "0.1"))
    settled(store, receipt(again))
    unsettled = store.ledger.unsettled(session=session.number)
    assert [line.call for line in unsettled] == [second.call]
    assert len(store.ledger.ambiguous(session=session.number)) == 2


def test_any_text_can_be_kept(store: Store) -> None:
    """A reply with NUL and half a character is kept as far as it is text."""
    session = recorded(store, 3)
    due(store, one := intent(session.number))
    settled(store, receipt(one, Usage(1, 1, 0, "a\0b", "half \ud83d", "", "m")))
    (line,) = store.ledger.lines(session=session.number)
    assert (line.request, line.reply) == ("a\ufffdb", "half ?")
    assert verify(store).ok


def test_commits_of_a_loop_write_the_same(store: Store) -> None:
    """As those without one."""
    session = recorded(store, 3)
    one, two = intent(session.number), intent(session.number, "0.1")

    async def both() -> Sequence[str]:
        await store.commit([], dues=Dues([one]))
        store.ledger.limit(Ceiling(calls=1), session=session.number)
        events = written(session.number, 3, [("0", Noted("so"))])
        return list(await store.commit(events, dues=Dues([two], [receipt(one, event=3)])))

    assert asyncio.run(both()) == [two.call]
    assert [line.event for line in store.ledger.lines()] == [3]
    assert verify(store).ok


# -- keeping house -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE ledger SET cost_usd = 0.1", "was changed"),
        ("UPDATE ledger SET standing = 'ambiguous'", "was changed"),
        ("UPDATE spend SET calls = 0", "has spent was changed"),
        ("UPDATE spend SET max_tokens = 5", "has spent was changed"),
        ("DELETE FROM ledger", "is not what its lines"),
        ("DELETE FROM spend", "is missing"),
    ],
)
def test_what_was_changed_is_found(store: Store, sql: str, words: str) -> None:
    """In a line, in what was spent, in caps; a line that is gone leaves its sum behind."""
    _, (first, _, _) = a_run(store)
    append(store, first, deliberation(2))
    due(store, one := intent(first.number))
    settled(store, receipt(one, event=0))
    assert verify(store).ok
    with store.database.writing() as writer:
        writer.run(sql)
    report = verify(store)
    assert [finding.kind for finding in report.findings] == ["ledger"]
    assert words in str(report.findings[0])


def test_a_line_that_leads_to_another_workspaces_event_is_found(store: Store) -> None:
    """Or to none."""
    session = recorded(store, 3)
    due(store, one := intent(session.number, "0.7"), two := intent(session.number))
    settled(store, receipt(one, event=0), receipt(two, event=9))
    assert len(verify(store).findings) == 2


def test_lines_go_with_their_run_and_their_session(store: Store) -> None:
    """A session that is removed from a run leaves what it cost, and no word of it."""
    run, (first, second, _) = a_run(store)
    alone = recorded(store, 3)
    for session in (first, second):
        append(store, session, deliberation(2))
    calls = [intent(each.number) for each in (first, second, alone)]
    due(store, *calls)
    settled(store, *(receipt(each, event=0) for each in calls))
    remove(store, traces=[first.trace, alone.trace], force=True)
    lines = store.ledger.lines()
    assert [(line.session, line.event, line.reply) for line in lines] == [
        (first.number, None, ""),
        (second.number, 0, "the reply"),
    ]
    assert store.ledger.spent(run=run).calls == 2
    assert verify(store).ok
    remove(store, run="a run", force=True)
    assert store.ledger.lines() == []
    assert store.database.rows("SELECT scope FROM spend") == []
    assert verify(store).ok


TOLD = 'the tiger\'s "naïve" pass\\word\n🐯'


def test_raw_texts_of_what_is_redacted_are_taken_away(place: Path) -> None:
    """In the line of its turn as a whole; elsewhere where they hold it, however escaped."""
    once = TOLD.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    twice = once.replace("\\", "\\\\").replace('"', '\\"')
    ascii_only = "".join(
        c if ord(c) < 128 else f"\\u{ord(c):04x}" for c in 'the tiger\'s \\"naïve\\"'
    )
    with Store.open(place) as store:
        session, other = recorded(store, 2), recorded(store, 2)
        calls = [intent(session.number), *(intent(other.number, f"0.{n}") for n in range(4))]
        due(store, *calls)
        append(store, session, [("0", Noted(TOLD))])
        settled(
            store,
            receipt(calls[0], Usage(1, 1, 0, "no word of it", "anything"), event=2),
            receipt(calls[1], Usage(1, 1, 0, f'{{"content": "{once}"}}', "kept")),
            receipt(calls[2], Usage(1, 1, 0, "kept", f'{{"arguments": "{{{twice}}}"}}')),
            receipt(calls[3], Usage(1, 1, 0, TOLD, "kept")),
            receipt(calls[4], Usage(1, 1, 0, "about a lion", "kept")),
        )
        redact(store, session.trace, 2, reason="asked for")
        lines = {line.call: (line.request, line.reply) for line in store.ledger.lines()}
        blank = lines[calls[0].call][0]
        assert lines[calls[0].call] == (blank, blank)
        assert [lines[each.call] for each in calls[1:]] == [
            (blank, "kept"),
            ("kept", blank),
            (blank, "kept"),
            ("about a lion", "kept"),
        ]
        assert verify(store).ok
    raw = place.read_bytes()
    assert not any(part.encode() in raw for part in (TOLD, once, twice, ascii_only, "the tiger"))
