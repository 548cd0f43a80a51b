"""Joins: the answer of a closed and clean workspace, taken by reference."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Abstain, Ask, Given, Reply, Unlock
from decomposition.answerers.scripted import Scripted
from decomposition.caps import Caps
from decomposition.events import Asked, Entry, Failed, Joined, Refused
from decomposition.message import PLACE_BOUND, Failure
from decomposition.routing import Policy
from decomposition.tree import fold
from decomposition.view import View
from decomposition.workspace import Workspace
from tests.decomposition.kit import (
    MemoryStore,
    Options,
    Watching,
    answer,
    deliberate,
    digest,
    worked,
    written,
)
from tests.decomposition.programs import Program, question, seeds

CASES = 40


def one_by_one(*questions: str, then: str = "done") -> Scripted:
    """The root asks and looks at one question after the other; every other question is a leaf."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return f"answer to {view.question}"
        asked = len(view.asked)
        if asked < len(questions):
            return (Ask((questions[asked],), fuel=50), Unlock((f"$a{asked + 1}",)))
        return then

    return Scripted(f"one-by-one {questions} {then}", script)


def joins(entries: Sequence[Entry]) -> dict[str, str]:
    """The origin of each join by its path."""
    return {path: event.origin for path, event in entries if isinstance(event, Joined)}


# -- when ------------------------------------------------------------------------------------


def test_an_equal_question_takes_the_answer_of_a_closed_one() -> None:
    """The second time nothing is opened: the answer is there by reference, with its origin."""
    actor = Watching(one_by_one("same", "other", "same", then="$a1 $a2 $a3"))
    session, entries = deliberate("root", actor, joins="session")
    assert joins(entries) == {"0.3": "0.1"}
    assert answer(session) == "answer to same answer to other answer to same"
    assert sum(view.question == "same" for view in actor.views) == 1
    outlook = session.outlook()
    assert (outlook.workspaces, outlook.joins) == (3, 1)
    assert "0.3" not in worked(entries)


def test_without_the_setting_nothing_is_joined() -> None:
    """Joins are on request."""
    session, entries = deliberate("root", one_by_one("same", "same"))
    assert not joins(entries)
    assert session.outlook().workspaces == 3


def test_an_open_workspace_is_not_joined() -> None:
    """Only what is closed can be referred to: nobody waits for another's pending subtree."""
    actor = Scripted(
        "both",
        lambda view: (
            "leaf"
            if view.question != "root"
            else "x"
            if view.asked
            else (Ask(("same", "same")), Unlock(("$a1", "$a2")))
        ),
    )
    session, entries = deliberate("root", actor, joins="session")
    assert not joins(entries)
    assert session.outlook().workspaces == 3


def test_a_question_with_a_pending_pointer_is_not_joined() -> None:
    """Its content is not known yet, so it is equal to nothing."""

    def script(view: View) -> Given | str:
        if view.question == "root":
            if not view.asked:
                return (Ask(("value",), fuel=50), Unlock(("$a1",)))
            if len(view.asked) == 1:
                return (Ask(("about $a1",), fuel=50), Unlock(("$a2",)))
            asks = Ask(("later", "about $a3", "about $a1"), fuel=50)
            return (asks, Unlock(("$a4", "$a5"))) if len(view.asked) == 2 else "done"
        return "5" if view.question in ("value", "later") else "six"

    session, entries = deliberate("root", script, joins="session")
    assert joins(entries) == {"0.5": "0.2"}
    assert session.finished


def test_content_counts_and_not_its_name_or_place() -> None:
    """Questions about equal content join, whether it was given, answered or nested; others not."""

    def script(view: View) -> Given | str:
        if view.question == "root $q.1":
            if not view.asked:
                return (Ask(("value", "another"), fuel=50), Unlock(("$a1", "$a2")))
            turns = ["see $q.1", "see $a1", "see [five]", "see $a2", "see  $a1", "see five"]
            asked = len(view.asked) - 2
            if asked < len(turns):
                return (Ask((turns[asked],), fuel=50), Unlock((f"$a{asked + 3}",)))
            return "done"
        return {"value": "five", "another": "six"}.get(view.question, "seen")

    _, entries = deliberate(written("root [five]"), script, joins="session")
    assert joins(entries) == {"0.4": "0.3", "0.5": "0.3"}


def test_samples_join_only_with_their_like() -> None:
    """The sample path is in the key: sample 1 is no answer for sample 0, nor for no sample."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return view.key.hex()
        asked = len(view.asked)
        if asked < 3:
            samples = (1, 3, 3)[asked]
            return (Ask(("same",), samples, "plurality", fuel=9), Unlock((f"$a{asked + 1}",)))
        return "done"

    _, entries = deliberate("root", script, joins="session")
    found = joins(entries)
    assert found["0.3:1"] == "0.2:1"
    assert found["0.3:2"] == "0.2:2"
    assert found["0.3:0"] in ("0.1", "0.2:0")
    assert set(found) - {"0.2:0"} == {"0.3:0", "0.3:1", "0.3:2"}


@pytest.mark.parametrize("kind", ["abstained", "refused", "bad_output", "answerer", "empty"])
def test_a_clean_failure_is_joined_like_an_answer(kind: str) -> None:
    """Failures that belong to the question, not to its place, are taken by reference too."""

    def script(view: View) -> Given | str:
        if view.question == "same":
            return (Abstain("hard"),) if kind == "abstained" else Failure(kind, "hard")
        asked = len(view.asked)
        if asked < 2:
            return (Ask(("same",), fuel=9), Unlock((f"$a{asked + 1}",)))
        return "done"

    actor = Watching(Scripted("s", script))
    _, entries = deliberate("root", actor, joins="session")
    assert joins(entries) == {"0.2": "0.1"}
    assert actor.views[-1].shown["$a2"] == Failure(kind, "hard")


@pytest.mark.parametrize("kind", sorted(PLACE_BOUND))
@pytest.mark.parametrize("deep", [0, 1, 3])
def test_nothing_with_a_failure_of_its_place_below_is_joined(kind: str, deep: int) -> None:
    """However far below it failed, and though its asker coped, the subtree is not reused."""

    def script(view: View) -> Given | str:
        if view.question == "root":
            asked = len(view.asked)
            if asked < 2:
                return (Ask((f"same {deep}",), fuel=90), Unlock((f"$a{asked + 1}",)))
            return "done"
        number = int(view.question.split()[1])
        if not number:
            return Failure(kind)
        if view.asked:
            return "coped"
        return (Ask((f"below {number - 1}",)), Unlock(("$a1",)))

    _, entries = deliberate("root", script, joins="session")
    assert not joins(entries)


def test_who_answered_counts() -> None:
    """Under `amplify` the root's own answer is no answer of the student's."""

    def overseer(view: View) -> Given | str:
        asked = len(view.asked)
        if asked < 2:
            return (Ask(("same",), fuel=9), Unlock((f"$a{asked + 1}",)))
        return "done"

    session, entries = deliberate(
        "same",
        overseer,
        student=Scripted("student", lambda _: "guess"),
        policy=Policy("amplify"),
        joins="session",
    )
    assert joins(entries) == {"0.2": "0.1"}
    assert answer(session) == "done"


def test_a_depth_counts_where_routing_looks_at_it() -> None:
    """Under `recurse` equal questions at two depths join; a table's rows make them differ."""

    def script(view: View) -> Given | str:
        match view.question:
            case "root":
                asked = len(view.asked)
                if asked < 2:
                    return (Ask((("same", "deeper")[asked],), fuel=50), Unlock((f"$a{asked + 1}",)))
                return "done"
            case "deeper":
                return "done" if view.asked else (Ask(("same",)), Unlock(("$a1",)))
            case _:
                return "leaf"

    session, entries = deliberate("root", script, joins="session")
    assert joins(entries) == {"0.2.1": "0.1"}
    assert session.finished


# -- what stays the same ---------------------------------------------------------------------


def plain_origin(entries: Sequence[Entry], origin: str) -> list[str]:
    """What stands below an origin, itself and what it joined included."""
    found = [origin]
    for path, event in entries:
        if path == origin or path.startswith((origin + ".", origin + ":")):
            found.append(path)
            if isinstance(event, Joined):
                found += plain_origin(entries, event.origin)
    return found


@settings(max_examples=CASES)
@given(seeds, st.sampled_from([1, 1024]))
def test_joins_change_no_digest(seed: int, width: int) -> None:
    """Any tree with joins has the digest, the answer and the status of the tree without (40)."""
    plain, _ = deliberate(question(level=3), Program(seed, errs=False), width=width)
    joined, entries = deliberate(
        question(level=3), Program(seed, errs=False), width=width, joins="session"
    )
    assert digest(joined) == digest(plain)
    assert joined.outlook().answer == plain.outlook().answer
    assert joined.outlook().joins == len(joins(entries))
    assert joined.outlook().workspaces + joined.outlook().joins == plain.outlook().workspaces or (
        joined.outlook().workspaces < plain.outlook().workspaces
    )
    assert fold(entries, keep=False).finish() == digest(joined)


def unclean(entries: Sequence[Entry]) -> set[str]:
    """Where something failed that belongs to its place, starved subquestions included."""
    found: set[str] = set()
    tree = dict(fold(entries).state())
    for path, event in entries:
        if isinstance(event, Failed) and event.failure.kind in PLACE_BOUND:
            found.add(path)
        if isinstance(event, Asked) and 0 in event.fuel:
            found |= {
                name[1:]
                for name, outcome in tree.items()
                if name.startswith(f"${path}.")
                and isinstance(outcome, Failure)
                and outcome.kind == "fuel"
            }
    return found


@settings(max_examples=3 * CASES)
@given(seeds, st.integers(40, 600), st.booleans())
def test_no_join_leads_to_a_failure_of_its_place(seed: int, fuel: int, endless: bool) -> None:  # noqa: FBT001
    """With little fuel and many cycles, what is joined is clean all the way down (120 trees)."""
    actor = Program(seed, endless=endless, rich=False)
    _, entries = deliberate(question(level=3), actor, fuel=fuel, joins="session", width=1)
    bad = unclean(entries)
    closed = {path: number for number, (path, event) in enumerate(entries) if _closes(event)}
    for number, (path, event) in enumerate(entries):
        if isinstance(event, Joined):
            assert closed[event.origin] < number
            assert not bad & set(plain_origin(entries, event.origin)), path


@settings(max_examples=2 * CASES)
@given(seeds, st.integers(40, 600), st.sampled_from([1, 1024]))
def test_what_is_joined_is_what_plenty_of_fuel_gives(seed: int, fuel: int, width: int) -> None:
    """However little fuel there was, a joined answer was not shaped by it (80 trees)."""
    actor = Program(seed, rich=False, samples=False)
    _, entries = deliberate(question(level=3), actor, fuel=fuel, joins="session", width=width)
    asked = dict(fold(entries).state())
    for path, event in entries:
        place = asked.get(path)
        if not isinstance(event, Joined) or not isinstance(place, Workspace):
            continue
        if place.question.plain:
            alone, _ = deliberate(place.question, actor)
            assert alone.tree.root.digests[0].hex() == event.digest
            assert alone.tree.root.outcome == (event.message or event.failure)


@settings(max_examples=2 * CASES)
@given(seeds, st.integers(40, 2000), st.booleans())
def test_joins_change_no_digest_where_fuel_suffices(seed: int, fuel: int, errs: bool) -> None:  # noqa: FBT001
    """With fuel just enough, nothing differs with joins: they only save some (80 trees)."""
    actor = Program(seed, rich=False, errs=errs)
    plain, entries = deliberate(question(level=3), actor, fuel=fuel)
    refused = [event.bound for _, event in entries if isinstance(event, Refused)]
    if not any(refused) and not unclean(entries):
        joined, _ = deliberate(question(level=3), actor, fuel=fuel, joins="session")
        assert (digest(joined), answer(joined)) == (digest(plain), answer(plain))


def guessing(view: View) -> Given | str:
    """Guesses where it may not ask, or is told that little fuel is left."""
    if view.question == "leaf":
        return "known"
    if view.question == "hard":
        if view.refusal or view.fuel == "low":
            return "a guess"
        return (
            f"worked out: {view.shown['$a1']}"
            if view.asked
            else (Ask(("leaf",), fuel=10), Unlock(("$a1",)))
        )
    asked = len(view.asked)
    if asked < 2:
        return (Ask(("hard",), fuel=(5, 50)[asked]), Unlock((f"$a{asked + 1}",)))
    return "saw $a2"


@pytest.mark.parametrize("sees_fuel", [False, True])
@pytest.mark.parametrize("memo", [False, True])
def test_an_answer_that_little_fuel_shaped_is_not_reused(sees_fuel: bool, memo: bool) -> None:  # noqa: FBT001
    """Who was refused for want of fuel, or saw that little was left, is asked again elsewhere."""
    actor = Scripted("guessing", guessing, sees_fuel=sees_fuel)
    how = "none" if memo else "session"
    session, entries = deliberate("root", actor, fuel=200, joins=how, memo=memo)
    assert answer(session) == "saw worked out: known"
    assert not joins(entries)
    assert digest(session) == digest(deliberate("root", actor, fuel=200)[0])


def test_an_answer_that_the_deepest_level_shaped_is_not_joined() -> None:
    """Where it may ask, the same question is worked out."""

    def script(view: View) -> Given | str:
        if view.question == "middle":
            return "x" if view.asked else (Ask(("hard",)), Unlock(("$a1",)))
        if view.question != "root":
            return guessing(view)
        asked = len(view.asked)
        if asked < 2:
            return (Ask((("middle", "hard")[asked],), fuel=50), Unlock((f"$a{asked + 1}",)))
        return "saw $a2"

    for how in ("none", "session"):
        session, _ = deliberate("root", script, joins=how, caps=Caps(depth=2))
        assert answer(session) == "saw worked out: known"


def test_a_resume_joins_what_was_closed_before() -> None:
    """After any commit a session goes on with the joins that it would have had."""
    actor = one_by_one("a", "b", "a", "b")
    store = MemoryStore()
    whole, entries = deliberate("root", actor, joins="session", store=store)
    assert whole.outlook().joins == 2
    for end in store.commits:
        again, after = deliberate("root", actor, joins="session", resume=entries[:end])
        assert again.outlook() == whole.outlook()
        assert after == entries


def test_a_resume_does_not_join_what_fuel_shaped() -> None:
    """What makes an answer a matter of its place is known again after a fold."""
    for sees_fuel in (False, True):
        actor = Scripted("guessing", guessing, sees_fuel=sees_fuel)
        store = MemoryStore()
        whole, entries = deliberate("root", actor, joins="session", fuel=200, store=store)
        for end in store.commits:
            again, after = deliberate("root", actor, joins="session", resume=entries[:end])
            assert again.outlook() == whole.outlook()
            assert after == entries


def _closes(event: object) -> bool:
    return type(event).__name__ in ("Replied", "Abstained", "Failed", "Joined")


# -- over the store --------------------------------------------------------------------------


def test_sessions_share_what_they_closed() -> None:
    """With `shared` another session takes the answer by reference, named by trace and path."""

    def script(view: View) -> Given | str:
        if " " not in view.question:
            return f"answer to {view.question}"
        words, asked = view.question.split(), len(view.asked)
        if asked < len(words):
            return (Ask((words[asked],), fuel=50), Unlock((f"$a{asked + 1}",)))
        return "done"

    store = MemoryStore()
    actor = Watching(Scripted("words", script))
    first, _ = deliberate("same b", actor, joins="shared", store=store)
    second, entries = deliberate("c same", actor, joins="shared", store=store, number=2)
    assert joins(entries) == {"0.2": "1/0.1"}
    assert [view.question for view in actor.views].count("same") == 1
    alone, _ = deliberate("c same", Scripted("words", script))
    assert digest(second) == digest(alone)
    assert (first.outlook().joins, second.outlook().joins) == (0, 1)


def test_a_root_is_joined_too() -> None:
    """The same question again, with the same answerers, costs nothing."""
    store = MemoryStore()
    first, _ = deliberate("root", one_by_one("a", "b"), joins="shared", store=store)
    actor = Watching(one_by_one("a", "b"))
    second, entries = deliberate("root", actor, joins="shared", store=store, number=2)
    assert joins(entries) == {"0": "1/0"}
    assert not actor.views
    assert (answer(second), digest(second)) == (answer(first), digest(first))


@pytest.mark.parametrize(
    "options",
    [
        {"policy": Policy("direct")},
        {"node_samples": 2},
        {"student": Scripted("student", lambda _: "x"), "policy": Policy("amplify")},
    ],
)
def test_other_rules_share_nothing(options: dict[str, object]) -> None:
    """An answer that came about under another policy or other votes is another answer."""
    store = MemoryStore()
    actor = one_by_one("a")
    deliberate("root", actor, joins="shared", store=store)
    _, entries = deliberate(
        "root",
        actor,
        joins="shared",
        store=store,
        number=2,
        **options,  # type: ignore[typeddict-item]
    )
    assert not joins(entries)


@settings(max_examples=CASES)
@given(seeds, seeds)
def test_shared_joins_change_no_digest(seed: int, other: int) -> None:
    """Whatever other sessions left in the store, a session's digest is its own (40 pairs)."""
    store = MemoryStore()
    deliberate(question("B", 1), Program(seed, errs=False), joins="shared", store=store)
    deliberate(question("A", 2), Program(other, errs=False), joins="shared", store=store, number=2)
    alone, _ = deliberate(question("A", 2), Program(seed, errs=False))
    session, entries = deliberate(
        question("A", 2), Program(seed, errs=False), joins="shared", store=store, number=3
    )
    assert digest(session) == digest(alone)
    assert answer(session) == answer(alone)
    assert fold(entries, keep=False).finish() == digest(session)


def other_rules() -> list[Options]:
    """Settings that differ in one thing that an answer may depend on."""
    told = Scripted("student", lambda _: "x")
    told.instructions = "v2"
    reading = Scripted("student", lambda _: "x", reads_through=True)
    policy = Policy("amplify")
    return [
        {"policy": policy, "student": told},
        {"policy": policy, "student": reading},
        {"policy": policy, "student": Scripted("student", lambda _: "x"), "normalise": str.upper},
        {"policy": policy, "student": Scripted("student", lambda _: "x"), "caps": Caps(depth=9)},
    ]


@pytest.mark.parametrize("options", other_rules())
def test_all_of_the_cast_and_the_rules_count(options: Options) -> None:
    """Instructions, what is read through, how votes compare and caps are all in the key."""
    store, actor = MemoryStore(), one_by_one("a")
    student = Scripted("student", lambda _: "x")
    plain: Options = {"student": student, "policy": Policy("amplify"), "joins": "shared"}
    plain["store"] = store
    deliberate("root", actor, **plain)
    plain["number"] = 2
    _, same = deliberate("root", actor, **plain)
    assert joins(same) == {"0": "1/0"}
    plain["number"] = 3
    _, entries = deliberate("root", actor, **{**plain, **options})
    assert not joins(entries)


def test_what_failed_for_its_place_is_not_shared() -> None:
    """A session that ran out of fuel leaves nothing for others to refer to."""
    store = MemoryStore()

    def script(view: View) -> Given | str:
        if view.question != "root":
            return "leaf"
        return (Reply("x"),) if view.asked else (Ask(("a", "b")), Unlock(("$a1", "$a2")))

    deliberate("root", script, joins="shared", store=store, fuel=4)
    _, entries = deliberate("root", script, joins="shared", store=store, number=2)
    assert joins(entries) == {"0.1": "1/0.1"}
