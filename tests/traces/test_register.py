"""The register: runs, lines and sessions, and how they are found."""

from math import inf, nan

import pytest

from decomposition.ports import Written
from tests.traces.kit import EXPERT, append, deliberation, recorded
from traces.errors import AmbiguousId, NameTaken, UnknownId, Unstorable
from traces.record import Ending, NewLine
from traces.store import Store
from traces.verify import verify

ENDING = Ending("answered", "1761669", "b2:00", 15, 14, 3, 2, 1, 900, 0.25, 1.5)


def lines(count: int) -> list[NewLine]:
    """Lines of input with labels for every second one."""
    return [
        NewLine(
            f"line {each}", f'{{"question": "{each}?"}}', None if each % 2 else str(each), seed=each
        )
        for each in range(count)
    ]


def test_a_run_is_accepted_with_all_its_lines(site: str) -> None:
    """Lines without labels, labels apart, a waiting session for each; in input order."""
    with Store.open(site) as store:
        run = store.register.create_run("first", "amplify", '{"a": 1}', lines(12_000), now_us=5)
    with Store.open(site) as store:
        register = store.register
        assert register.find_run("first") == run
        assert (run.total, run.status, run.created_us) == (12_000, "running", 5)
        found = register.lines(run.number)
        assert [(line.idx, line.external) for line in found] == [
            (each, f"line {each}") for each in range(12_000)
        ]
        assert found[7].input == '{"question": "7?"}'
        assert register.lines(run.number, 11_990, 3) == found[11_990:11_993]
        assert register.expected(run.number) == {each: str(each) for each in range(0, 12_000, 2)}
        sessions = register.sessions(run.number)
        assert [(session.idx, session.seed) for session in sessions] == [
            (each, each) for each in range(12_000)
        ]
        assert {session.status for session in sessions} == {"waiting"}
        assert len({session.trace for session in sessions}) == 12_000
        assert register.progress(run.number) == {"waiting": 12_000}
        assert verify(store).ok


def test_a_run_without_lines_is_a_run(store: Store) -> None:
    """Sessions may be added to it by what made it."""
    run = store.register.create_run("empty", "iterate", "{}", [], now_us=5)
    assert store.register.find_run("empty").total == 0
    assert store.register.sessions(run.number) == []


def test_a_name_is_given_once(store: Store) -> None:
    """The second run is not accepted, with none of its lines."""
    store.register.create_run("first", "amplify", "{}", lines(3), now_us=5)
    with pytest.raises(NameTaken, match="first"):
        store.register.create_run("first", "amplify", "{}", lines(3), now_us=6)
    assert len(store.register.sessions()) == 3


def test_a_run_that_cannot_be_stored_is_not_accepted_in_part(store: Store) -> None:
    """All lines or none."""
    with pytest.raises(Unstorable):
        store.register.create_run(
            "first", "amplify", "{}", [*lines(3), NewLine("x", "\ud800")], now_us=5
        )
    assert store.register.runs() == []
    assert store.register.sessions() == []


def test_a_run_is_finished(store: Store) -> None:
    """And its row stays sealed."""
    run = store.register.create_run("first", "amplify", "{}", lines(3), now_us=5)
    store.register.change_run(run.number, "finished", 9)
    found = store.register.find_run("last")
    assert (found.status, found.finished_us) == ("finished", 9)
    assert verify(store).ok
    with pytest.raises(UnknownId):
        store.register.change_run(77, "finished")


def test_how_a_session_ends_is_written_with_the_next_commit(site: str) -> None:
    """No commit of its own; whoever reads in this process sees it at once."""
    with Store.open(site) as store, Store.open(site, readonly=True) as reader:
        run = store.register.create_run("first", "amplify", "{}", lines(2), now_us=5)
        first, second = store.register.sessions(run.number)
        store.register.begin(first.number, 6)
        store.commit_now([Written(first.number, 0, [("0", e, EXPERT) for _, e in deliberation(3)])])
        assert reader.register.session(first.number).status == "running"
        store.register.finish(first.number, ENDING)
        assert reader.register.session(first.number).status == "running"
        append(store, second, deliberation(3))
        found = reader.register.session(first.number)
        assert (found.status, found.answer, found.digest) == ("answered", "1761669", "b2:00")
        assert (found.workspaces, found.calls, found.lookups) == (15, 14, 3)
        assert (found.memo_hits, found.joins, found.tokens) == (2, 1, 900)
        assert (found.cost_usd, found.seconds, found.opened_us) == (0.25, 1.5, 6)
        assert store.register.progress(run.number) == {"answered": 1, "waiting": 1}
        assert verify(store).ok


def test_what_waits_is_written_when_the_store_is_closed(site: str) -> None:
    """Many endings at once, each on its own row."""
    with Store.open(site) as store:
        run = store.register.create_run("first", "amplify", "{}", lines(300), now_us=5)
        for session in store.register.sessions(run.number):
            store.register.begin(session.number, 6)
            store.register.finish(session.number, ENDING)
    with Store.open(site) as store:
        assert store.register.progress(run.number) == {"answered": 300}
        assert [s.seed for s in store.register.sessions(run.number)] == list(range(300))
        assert verify(store).ok


@pytest.mark.parametrize(
    "ending",
    [Ending("answered", "\ud800"), Ending("failed", cost_usd=nan), Ending("failed", seconds=inf)],
)
def test_an_ending_that_cannot_be_stored_is_refused_at_once(store: Store, ending: Ending) -> None:
    """It would stand in the way of every later commit."""
    session = recorded(store, 3)
    with pytest.raises(Unstorable):
        store.register.finish(session.number, ending)
    append(store, session, deliberation(5, 3))


def test_sessions_are_found_by_run_and_status(store: Store) -> None:
    """In the order of their numbers."""
    alone = recorded(store, 3)
    run = store.register.create_run("first", "amplify", "{}", lines(4), now_us=5)
    of_run = store.register.sessions(run.number)
    store.register.begin(of_run[2].number, 6)
    numbers = [session.number for session in of_run]
    found = store.register.sessions
    assert [each.number for each in found()] == [alone.number, *numbers]
    assert [each.number for each in found(run.number, ("waiting",))] == [
        numbers[0],
        numbers[1],
        numbers[3],
    ]
    assert [each.number for each in found(statuses=("running",))] == [alone.number, numbers[2]]
    assert [each.number for each in found(first=numbers[1], limit=2)] == numbers[1:3]
    assert [each.number for each in store.register.newest(5)] == [numbers[2], alone.number]


# -- ids ---------------------------------------------------------------------------------------


def test_a_session_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    """As long as only one begins like that."""
    sessions = [recorded(store, 2) for _ in range(40)]
    find = store.register.find_session
    for session in sessions:
        assert find(session.trace) == session
        assert find(session.trace[:12]).trace == session.trace
    assert find("last").trace == sessions[-1].trace


def test_a_beginning_that_fits_several_is_ambiguous(store: Store) -> None:
    """The error names some of them."""
    for _ in range(9):
        recorded(store, 2)
    with pytest.raises(AmbiguousId, match="t-") as caught:
        store.register.find_session("t-")
    assert len(caught.value.fitting) > 1


@pytest.mark.parametrize("wanted", ["", "last", "t-", "nonsense", "\U0010ffff", "'; DROP TABLE x"])
def test_an_id_that_nobody_has_is_unknown(store: Store, wanted: str) -> None:
    """Whatever it looks like."""
    with pytest.raises(UnknownId):
        store.register.find_session(wanted)
    with pytest.raises(UnknownId):
        store.register.find_run(wanted)


def test_a_wrong_id_names_the_nearest(store: Store) -> None:
    """So that a slip of the finger is seen."""
    session = recorded(store, 2)
    wrong = session.trace[:-1] + ("0" if session.trace[-1] != "0" else "1")
    with pytest.raises(UnknownId, match=session.trace) as caught:
        store.register.find_session(wrong)
    assert caught.value.nearest == (session.trace,)


def test_a_run_is_found_by_the_beginning_of_its_name(store: Store) -> None:
    """A whole name goes before a longer one that begins with it."""
    for name in ("alpha", "alphabet", "beta"):
        store.register.create_run(name, "amplify", "{}", [], now_us=5)
    assert store.register.find_run("b").name == "beta"
    assert store.register.find_run("alpha").name == "alpha"
    assert store.register.find_run("last").name == "beta"
    with pytest.raises(AmbiguousId):
        store.register.find_run("alp")
    assert [run.name for run in store.register.runs()] == ["beta", "alphabet", "alpha"]
