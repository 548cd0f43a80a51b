"""Fuel: what is allotted, spent and returned, and that none ever arises."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Abstain, Ask, Given, Note, Reply, Unlock
from decomposition.advance import resolve
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Looping, Malformed, Scripted
from decomposition.events import Asked, Entry, Opened, Refused
from decomposition.fuel import LOW, RESERVE, allot, band
from decomposition.message import Failure
from decomposition.tree import Tree, fold
from decomposition.view import View
from decomposition.workspace import Workspace
from tests.decomposition.kit import (
    ACTIONS,
    Watching,
    answer,
    deliberate,
    events_at,
    failures,
    refusals,
)
from tests.decomposition.programs import Program, question, seeds

CASES = 60


def fuels(entries: Sequence[Entry]) -> dict[str, int]:
    """What each workspace has left after these events."""
    state = dict(fold(entries).state())
    return {path: each.fuel for path, each in state.items() if isinstance(each, Workspace)}


# -- parts -----------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_an_allotment_is_equal_whole_parts(fuel: int, parts: int) -> None:
    """All but the reserve is given away, in parts that differ by one at most, larger ones first.

    100 cases.
    """
    shares = allot(fuel, parts)
    assert len(shares) == parts
    assert sum(shares) == max(fuel - RESERVE, 0)
    assert max(shares) - min(shares) <= 1
    assert list(shares) == sorted(shares, reverse=True)


@given(st.integers(-5, 100))
def test_fuel_is_seen_as_a_band(fuel: int) -> None:
    """`last` with one, `low` below eight, else `plenty`: never a number (100 cases)."""
    assert band(fuel) == ("last" if fuel <= 1 else "low" if fuel < LOW else "plenty")


@pytest.mark.parametrize(
    ("fuel", "samples", "shares"),
    [
        (20, 1, (6, 6, 5)),
        (20, 2, (3, 3, 3, 3, 3, 2)),
        (6, 1, (1, 1, 1)),
        (5, 1, (1, 1, 0)),
        (3, 1, (0, 0, 0)),
        (2, 1, (0, 0, 0)),
    ],
)
def test_an_ask_keeps_the_reserve_and_gives_the_rest(
    fuel: int, samples: int, shares: tuple[int, ...]
) -> None:
    """One step for the ask, two for its unlock and reply, the rest in parts by order."""
    turn = (Ask(("a", "b", "c"), samples), Reply("x"))
    _, entries = deliberate("root", lambda _: turn, fuel=fuel)
    asked = events_at(entries, "0")[1]
    assert isinstance(asked, Asked)
    assert asked.fuel == shares
    assert fuels(entries[:2])["0"] == fuel - 1 - sum(shares) == min(fuel - 1, RESERVE)


def test_named_fuel_is_given_to_each_sample() -> None:
    """With `fuel=` the asker keeps everything else."""
    turn = (Ask(("a", "b"), 3, fuel=4), Reply("x"))
    _, entries = deliberate("root", lambda _: turn, fuel=100)
    asked = events_at(entries, "0")[1]
    assert isinstance(asked, Asked)
    assert asked.fuel == (4,) * 6
    assert fuels(entries[:2])["0"] == 100 - 1 - 24


@pytest.mark.parametrize(("named", "legal"), [(17, True), (18, False)])
def test_named_fuel_leaves_the_reserve(named: int, legal: bool) -> None:  # noqa: FBT001
    """More than what is left beyond the reserve cannot be named."""
    turn = (Ask(("a",), fuel=named), Reply("x"))
    _, entries = deliberate("root", lambda _: turn, fuel=20 + (not legal))
    refused = [event for _, event in entries if isinstance(event, Refused)]
    _, short = deliberate("root", lambda _: turn, fuel=19 if legal else 20)
    assert not refused
    assert any(isinstance(event, Refused) for _, event in short)


@pytest.mark.parametrize("eager", [False, True])
def test_a_share_below_one_is_a_failure(eager: bool) -> None:  # noqa: FBT001
    """A subquestion without fuel is never worked; its answer is `fuel`."""
    actor = Watching(
        Scripted(
            "starving",
            lambda view: (
                "leaf"
                if view.question != "root"
                else (Ask(("a", "b"), eager=eager), Unlock(("$a1", "$a2")))
                if not view.asked
                else "seen"
            ),
        )
    )
    deliberate("root", actor, fuel=4)
    shown = actor.views[-1].shown
    assert shown["$a1"] == "leaf"
    assert isinstance(shown["$a2"], Failure)
    assert shown["$a2"].kind == "fuel"
    assert [view.question for view in actor.views] == ["root", "a", "root"]


# -- spending --------------------------------------------------------------------------------


def test_every_action_costs_one() -> None:
    """An ask, a note, a look and a reply: four steps, and not one more."""
    turns: list[Given] = [
        (Note("a"), Ask(("x",), fuel=1), Note("b"), Unlock(("$a1",))),
        (Note("c"), Reply("y")),
    ]

    def script(view: View) -> Given | str:
        return turns[len(view.shown)] if view.question == "root" else "leaf"

    session, entries = deliberate("root", script, fuel=7)
    assert answer(session) == "y"
    assert fuels(entries) == {"0": 0, "0.1": 0}
    _, entries = deliberate("root", script, fuel=6)
    assert failures(entries) == {"0": "fuel"}


def test_with_one_left_only_an_answer_is_taken() -> None:
    """At the last step a note, an ask or an unlock is refused, and the refusal is the end."""
    for action in (Note("x"), Ask(("x",)), Unlock(("$q",))):
        _, entries = deliberate("root", lambda _, action=action: (action, Reply("x")), fuel=1)
        assert failures(entries) == {"0": "fuel"}
        assert len(refusals(entries)) == 1
    for closing in (Reply("x"), Abstain()):
        _, entries = deliberate("root", lambda _, closing=closing: (closing,), fuel=1)
        assert not failures(entries)


def test_without_fuel_there_is_no_deliberation() -> None:
    """A root with no fuel fails at once, and nobody is asked."""
    actor = Watching(Scripted("never", lambda _: "x"))
    session, _ = deliberate("root", actor, fuel=0)
    assert session.outlook().status == "failed"
    assert session.outlook().answer.startswith("fuel")
    assert not actor.views


@pytest.mark.parametrize(
    "actor", [Looping(), Looping(same=True), Malformed(), Malformed("after-reply")]
)
@pytest.mark.parametrize("fuel", [1, 2, 3, 7, 60])
def test_whoever_never_answers_runs_out(actor: Answerer, fuel: int) -> None:
    """Asking for ever, or nonsense, ends within the root's fuel."""
    session, entries = deliberate("What is 1?", actor, fuel=fuel)
    assert session.finished
    assert sum(isinstance(event, ACTIONS) for _, event in entries) <= fuel + 1


# -- returning -------------------------------------------------------------------------------


def returning(*first: Ask | Unlock) -> Scripted:
    """The root asks and looks; a child answers with its first step; then the root replies."""
    return Scripted(
        "returning",
        lambda view: (
            ("leaf" if view.question == "a" else view.key.hex())
            if view.question != "root"
            else first
            if not view.asked
            else "seen"
        ),
    )


def test_unspent_fuel_returns_with_the_answer() -> None:
    """What a subquestion did not use is there again for the next actions of its asker."""
    _, entries = deliberate("root", returning(Ask(("a",), fuel=10), Unlock(("$a1",))), fuel=30)
    assert fuels(entries[:-1])["0"] == 30 - 1 - 10 - 1 + 9


def test_unspent_fuel_of_all_samples_returns() -> None:
    """Each sample used one of its share."""
    actor = returning(Ask(("a",), 3, fuel=10), Unlock(("$a1",)))
    _, entries = deliberate("root", actor, fuel=50)
    assert fuels(entries[:-1])["0"] == 50 - 1 - 30 - 1 + 27


def test_fuel_of_samples_that_were_never_drawn_returns() -> None:
    """`ahead-1` is content with its first sample; the shares of the others are unspent."""
    actor = returning(Ask(("a",), 3, "ahead-1", fuel=10), Unlock(("$a1",)))
    _, entries = deliberate("root", actor, fuel=50)
    assert fuels(entries[:-1])["0"] == 50 - 1 - 30 - 1 + 29


def test_fuel_of_a_joined_answer_returns_whole() -> None:
    """A join works nothing, so it uses nothing."""
    turns: list[Given] = [
        (Ask(("a", "a"), fuel=5), Unlock(("$a1",))),
        (Unlock(("$a2",)),),
        (Reply("x"),),
    ]

    def script(view: View) -> Given | str:
        return turns[len(view.shown)] if view.question == "root" else "leaf"

    for joins, returned in (("none", 8), ("session", 9)):
        session, entries = deliberate("root", script, fuel=50, joins=joins)
        assert session.tree.joins == returned - 8
        assert fuels(entries[:-1])["0"] == 50 - 1 - 10 - 2 + returned


def test_fuel_of_a_failed_subquestion_returns() -> None:
    """A failure leaves what it had not used."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return Failure("provider", "gone")
        return (Ask(("a",), fuel=10), Unlock(("$a1",))) if not view.asked else "seen"

    _, entries = deliberate("root", script, fuel=30)
    assert fuels(entries[:-1])["0"] == 30 - 1 - 10 - 1 + 10


@pytest.mark.parametrize("look", ["$a1", "$a2"])
def test_fuel_returns_only_with_what_is_looked_at(look: str) -> None:
    """An eager answer that nobody unlocks keeps its rest, so timing changes no fuel."""
    actor = returning(Ask(("a", "b"), fuel=10, eager=True), Unlock((look,)))
    _, entries = deliberate("root", actor, fuel=50)
    assert fuels(entries[:-1])["0"] == 50 - 1 - 20 - 1 + 9


def test_fuel_returns_once() -> None:
    """Looking again, or by another name, brings nothing more."""
    turns: list[Given] = [
        (Ask(("a",), fuel=10), Note("$a1"), Unlock(("$a1",))),
        (Unlock(("$a1", "$n.1")),),
        (Unlock(("$n.1",)),),
        (Reply("x"),),
    ]

    def script(view: View) -> Given | str:
        return turns.pop(0) if view.question == "root" else "leaf"

    _, entries = deliberate("root", script, fuel=50)
    assert fuels(entries[:-1])["0"] == 50 - 1 - 10 - 1 - 1 + 9 - 1 - 1


# -- seeing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sees", [False, True])
def test_fuel_is_shown_to_those_who_declare_that_they_see_it(sees: bool) -> None:  # noqa: FBT001
    """The band is in the text and in the key of such an answerer's views, and in no other's."""
    actor = Watching(Scripted("seeing", lambda _: "x", sees_fuel=sees))
    for fuel in (1, 2, 7, 8):
        deliberate("root", actor, fuel=fuel)
    bands = ["last", "low", "low", "plenty"] if sees else [""] * 4
    assert [view.fuel for view in actor.views] == bands
    for view in actor.views:
        assert view.text == "Question: root\n" + (f"Fuel: {view.fuel}\n" if sees else "")
    assert len({view.key for view in actor.views}) == (3 if sees else 1)


# -- conservation ----------------------------------------------------------------------------


def _returned(state: dict[str, object]) -> set[str]:
    """Addresses of the subquestions whose answers their askers were shown."""
    seen: set[str] = set()
    for path, workspace in state.items():
        if isinstance(workspace, Workspace):
            for shown in workspace.shown:
                address = resolve(workspace, shown[0]).answer
                if address.rpartition(".")[0] == path:
                    seen.add(address)
    return seen


def pots(entries: Sequence[Entry]) -> Iterator[int]:
    """After each event all fuel there is: in open workspaces, on its way back, not yet used."""
    tree = Tree(keep=True)
    allotted: dict[str, int] = {}
    for path, event in entries:
        tree.apply(path, event)
        if isinstance(event, Opened):
            names = [f"0:{n}" for n in range(len(event.fuel))] if len(event.fuel) > 1 else ["0"]
            allotted |= dict(zip(names, event.fuel, strict=True))
        state: dict[str, object] = dict(tree.state())
        if isinstance(event, Asked):
            workspace = state[path]
            assert isinstance(workspace, Workspace)
            first = len(workspace.asks) - len(event.questions) + 1
            for place, fuel in enumerate(event.fuel):
                number, sample = divmod(place, event.samples)
                address = f"{path}.{first + number}"
                allotted[f"{address}:{sample}" if event.samples > 1 else address] = fuel
        returned = _returned(state)
        pot = 0
        for name, fuel in allotted.items():
            workspace = state.get(name)
            address = name.rpartition(":")[0] if ":" in name.rpartition(".")[2] else name
            if isinstance(workspace, Workspace) and not workspace.closed:
                assert workspace.fuel >= 0
                pot += workspace.fuel
            elif address not in returned:
                pot += workspace.fuel if isinstance(workspace, Workspace) else fuel
        yield pot


@settings(max_examples=CASES)
@given(
    seeds,
    st.integers(1, 150),
    st.booleans(),
    st.sampled_from(["none", "session"]),
    st.integers(1, 3),
)
def test_fuel_never_arises(
    seed: int,
    fuel: int,
    endless: bool,  # noqa: FBT001 - drawn
    joins: str,
    samples: int,
) -> None:
    """In any tree all fuel together falls by one with every action and never rises (60 trees)."""
    actor = Program(seed, endless=endless, rich=False)
    _, entries = deliberate(
        question(), actor, fuel=fuel, joins=joins, samples=samples, rule="plurality"
    )
    before = fuel * samples
    closed: set[str] = set()
    for (path, event), pot in zip(entries, pots(entries), strict=True):
        # Who is refused something after its own answer has nothing left to pay with.
        costs = isinstance(event, ACTIONS) and path not in closed
        assert 0 <= pot <= before - costs
        before = pot
        if type(event).__name__ in ("Replied", "Abstained", "Failed"):
            closed.add(path)


# -- what fuel does not tell -----------------------------------------------------------------


@pytest.mark.parametrize("alias", [True, False])
def test_fuel_does_not_tell_two_names_of_one_content_from_two_contents(alias: bool) -> None:  # noqa: FBT001
    """Unspent fuel comes back under the answer's own name, not where it comes round by another."""
    seen: list[str] = []

    def script(view: View) -> Given | str:
        if view.question == "value":
            return "5"
        if view.question.startswith("wrap"):
            return "see $q.1" if alias else "see [5]"
        seen.append(view.fuel)
        if not view.asked:
            return (Ask(("value",), fuel=20), Ask(("wrap $a1",), fuel=1), Unlock(("$a2",)))
        for name in ("$a2.1", "$a1"):
            if name not in view.shown:
                return (Unlock((name,)),)
        return "done"

    deliberate("root", Scripted("t", script, sees_fuel=True), fuel=29)
    assert seen == ["plenty", "low", "low", "plenty"]


def test_who_always_asks_for_more_fuel_than_there_is_fails_for_fuel() -> None:
    """Three refusals for want of fuel are a matter of fuel; mixed ones are bad output."""
    greedy: Given = (Ask(("a",), fuel=1000),)
    session, entries = deliberate("root", lambda _: greedy, fuel=50)
    assert failures(entries) == {"0": "fuel"}
    assert answer(session) == "fuel: too little fuel was left for what was tried"
    turns = iter((greedy, (Unlock(("$a9",)),), greedy))
    _, entries = deliberate("root", lambda _: next(turns), fuel=50)
    assert failures(entries) == {"0": "bad_output"}
