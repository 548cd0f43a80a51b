"""Routing in a session: who acts in which workspace, and what each may do there."""

from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Abstain, Ask, Given, Note, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import BROKEN, Malformed, Scripted
from decomposition.events import Combined, Deferred, Entry, Failed, Opened, Replied
from decomposition.message import Failure, Message
from decomposition.routing import Kind, Policy, Row
from decomposition.setting import Environs
from decomposition.tree import fold
from decomposition.view import View
from tests.decomposition.kit import (
    MemoryStore,
    Watching,
    answer,
    deliberate,
    events_at,
    failures,
    kinds,
    refusals,
)
from tests.decomposition.programs import Program, question, seeds

CASES = 40


def split(view: View) -> Given | str:
    """The overseer of `sum A B`: splits the range until it has one number."""
    first, last = map(int, view.question.split()[1:])
    if first == last:
        return str(first)
    if not view.asked:
        middle = (first + last) // 2
        asks = Ask((f"sum {first} {middle}", f"sum {middle + 1} {last}"))
        return (asks, Unlock(("$a1", "$a2")))
    parts = view.shown.values()
    if any(isinstance(part, Failure) for part in parts):
        return (Abstain(),)
    return str(sum(int(str(part)) for part in parts))


def halving() -> Scripted:
    """An answerer that splits."""
    return Scripted("halving", split)


def guess(view: View) -> int:
    """The sum, as a student knows it."""
    first, last = map(int, view.question.split()[1:])
    return sum(range(first, last + 1))


def student(sure: int = 10**6, *, wrong: int = 0) -> Watching:
    """Knows sums of up to so many numbers, and is unsure of longer ones."""

    def script(view: View) -> Given:
        first, last = map(int, view.question.split()[1:])
        known = last - first < sure
        return (Reply(str(guess(view) + (0 if known else wrong)), 0.95 if known else 0.3),)

    return Watching(Scripted(f"student-{sure}", script))


def who(store: MemoryStore, number: int = 1) -> dict[str, str]:
    """Whose turn closed each workspace."""
    closed: dict[str, str] = {}
    for (path, _), by in zip(store.entries(number), store.authors(number), strict=True):
        if by.answerer:
            closed[path] = by.answerer
    return closed


# -- direct and recurse ----------------------------------------------------------------------


def test_direct_is_one_answerer_without_subquestions() -> None:
    """The flat baseline: one workspace, all of the fuel, a leaf's view."""
    actor = Watching(Scripted("flat", lambda view: str(guess(view))))
    session, entries = deliberate("sum 1 9", actor, policy=Policy("direct"), fuel=50)
    assert answer(session) == "45"
    assert kinds(entries) == ["0 Opened", "0 Replied"]
    assert actor.views[0].leaf
    opened = entries[0][1]
    assert isinstance(opened, Opened)
    assert opened.fuel == (50,)


def test_who_answers_directly_may_not_ask() -> None:
    """An ask is refused, in words; everything else is possible."""
    turns: list[Given | str] = [
        (Note("hm"), Ask(("x",))),
        (Unlock(("$q",)),),
        (Reply("after all"),),
    ]
    session, entries = deliberate("q", lambda _: turns.pop(0), policy=Policy("direct"))
    assert refusals(entries) == ["this question is answered directly, without subquestions"]
    assert answer(session) == "after all"


def test_recurse_is_the_overseer_all_the_way() -> None:
    """Every workspace is the overseer's, who may ask in each."""
    actor = Watching(halving())
    store = MemoryStore()
    session, _ = deliberate("sum 1 8", actor, store=store)
    assert answer(session) == "36"
    assert set(who(store).values()) == {actor.identity}
    assert not any(view.leaf for view in actor.views)
    assert session.outlook().workspaces == 15


# -- amplify ---------------------------------------------------------------------------------


def test_amplify_decomposes_once() -> None:
    """The overseer acts at the root, the student in every subquestion and nowhere else."""
    overseer, pupil, store = Watching(halving()), student(), MemoryStore()
    session, _ = deliberate(
        "sum 1 8", overseer, student=pupil, policy=Policy("amplify"), store=store
    )
    assert answer(session) == "36"
    assert who(store) == {
        "0": overseer.identity,
        "0.1": pupil.identity,
        "0.2": pupil.identity,
    }
    assert all(view.leaf for view in pupil.views)
    assert not any(view.leaf for view in overseer.views)
    assert session.counts.calls == 4


def test_a_student_may_not_ask() -> None:
    """Its subquestions are refused, three of them end the workspace."""
    pupil = Scripted("asking", lambda _: (Ask(("x",)),))
    session, entries = deliberate(
        "sum 1 2", halving(), student=pupil, policy=Policy("amplify"), fuel=90
    )
    assert failures(entries) == {"0.1": "bad_output", "0.2": "bad_output"}
    assert session.outlook().status == "abstained"


# -- cascade ---------------------------------------------------------------------------------


def test_a_sure_student_is_taken_at_its_word() -> None:
    """At or above the bound its answer stands, and the overseer is not asked."""
    overseer, pupil = Watching(halving()), student()
    session, entries = deliberate(
        "sum 1 8", overseer, student=pupil, policy=Policy("cascade", 0.95)
    )
    assert answer(session) == "36"
    assert kinds(entries) == ["0 Opened", "0 Replied"]
    assert not overseer.views


def test_an_unsure_student_hands_over() -> None:
    """Its draft and its confidence are recorded; the overseer decomposes, the children cascade."""
    overseer, pupil, store = Watching(halving()), student(4, wrong=1000), MemoryStore()
    session, entries = deliberate(
        "sum 1 8", overseer, student=pupil, policy=Policy("cascade", 0.9), store=store
    )
    assert answer(session) == "36"
    assert [event for _, event in entries if isinstance(event, Deferred)] == [Deferred("1036", 0.3)]
    assert who(store) == {
        "0": overseer.identity,
        "0.1": pupil.identity,
        "0.2": pupil.identity,
    }
    assert len(pupil.views) == 3
    assert len(overseer.views) == 2


def test_the_overseer_does_not_see_the_draft() -> None:
    """Its view is that of a question that nobody has touched."""
    overseer = Watching(halving())
    deliberate("sum 1 8", overseer, student=student(4, wrong=1000), policy=Policy("cascade", 0.9))
    assert overseer.views[0].text == "Question: sum 1 8\n"


@pytest.mark.parametrize(
    ("turn", "draft", "confidence"),
    [
        ((Reply("guess", 0.89),), "guess", 0.89),
        ((Reply("guess"),), "guess", 0.0),
        ((Reply("guess", 0.0),), "guess", 0.0),
        ((Reply(Message.of("[guess]"), 0.5),), r"\[guess\]", 0.5),
        ((Abstain("unsure"),), "", 0.0),
        ((Note("hm"), Reply("guess", 0.2)), "", 0.0),
    ],
)
def test_what_a_student_drafted_is_recorded(turn: Given, draft: str, confidence: float) -> None:
    """A draft stands in its written form with what the student said of it."""
    session, entries = deliberate(
        "q",
        lambda _: "decided",
        student=Scripted("student", lambda _: turn),
        policy=Policy("cascade", 0.9),
    )
    assert answer(session) == "decided"
    (deferred,) = [event for _, event in entries if isinstance(event, Deferred)]
    assert deferred == Deferred(draft, confidence)


@pytest.mark.parametrize("confidence", ["high", 1.7, -1, float("nan"), True, None, [], 10**400])
def test_a_confidence_that_is_none_is_no_confidence(confidence: object) -> None:
    """Whatever a student says of itself, the run goes on and the record can be stored."""
    pupil = Scripted("student", lambda _: (Reply("guess", confidence),))  # type: ignore[arg-type]
    session, entries = deliberate(
        "q", lambda _: "decided", student=pupil, policy=Policy("cascade", 0.9)
    )
    assert session.finished
    for _, event in entries:
        if isinstance(event, Deferred):
            assert isinstance(event.confidence, float)
            assert 0 <= event.confidence <= 1
        assert not isinstance(event, Replied) or event.message == "decided"


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_student_hands_over_or_fails(kind: str) -> None:
    """No output of a student brings down a cascade, and every event can be stored."""
    session, entries = deliberate(
        "q", lambda _: "decided", student=Malformed(kind), policy=Policy("cascade", 0.9), fuel=60
    )
    assert (
        session.outlook().answer in ("decided", "7") or "bad_output" in failures(entries).values()
    )
    for _, event in entries:
        if isinstance(event, Deferred):
            assert "\0" not in event.draft
            size = len(event.draft.encode())
            assert size <= 256 * 1024


def test_a_students_failure_hands_over() -> None:
    """A student that gives no answer was not sure: the overseer decomposes."""
    pupil = Scripted("student", lambda _: Failure("refused", "no"))
    session, entries = deliberate(
        "q", lambda _: "decided", student=pupil, policy=Policy("cascade", 0.9)
    )
    assert answer(session) == "decided"
    assert not failures(entries)


def test_a_deferral_is_paid_with_fuel() -> None:
    """The student's turn costs one; with one left the workspace ends for fuel."""
    pupil = Scripted("student", lambda _: (Reply("guess", 0.1),))
    for fuel, failed in ((1, {"0": "fuel"}), (2, {})):
        _, entries = deliberate(
            "q", lambda _: "decided", student=pupil, policy=Policy("cascade"), fuel=fuel
        )
        assert failures(entries) == failed


# -- tables ----------------------------------------------------------------------------------


def test_a_table_gives_each_depth_its_own() -> None:
    """The first row that matches a workspace's depth says who acts there."""
    rows = (Row("student", 2), Row("direct", 3), Row("overseer"))
    overseer, pupil, store = Watching(halving()), student(), MemoryStore()
    session, _ = deliberate(
        "sum 1 8", overseer, student=pupil, policy=Policy("table", rows=rows), store=store
    )
    assert answer(session) == "36"
    by = who(store)
    assert {by[path] for path in by if path.count(".") < 2} == {overseer.identity}
    assert {by[path] for path in by if path.count(".") == 2} == {pupil.identity}
    assert max(path.count(".") for path in by) == 2


def test_a_table_may_look_at_the_kind_of_a_question() -> None:
    """Rows for a task's questions hold for the questions that the task recognises."""
    environs = Environs(
        Scripted("environs", lambda _: "primitive"),
        lambda text: text == "sum 1 1",
        lambda text: "long" if int(text.split()[2]) > 4 else "",
    )
    rows = (Row("overseer", question_type="long"), Row("student"))
    overseer, pupil, store = Watching(halving()), student(), MemoryStore()
    deliberate(
        "sum 1 8",
        overseer,
        student=pupil,
        policy=Policy("table", rows=rows),
        environs=environs,
        store=store,
    )
    assert {view.question for view in overseer.views} == {
        "sum 1 8", "sum 5 8", "sum 5 6", "sum 7 8", "sum 5 5", "sum 6 6", "sum 7 7", "sum 8 8",
    }  # fmt: skip
    assert {view.question for view in pupil.views} == {"sum 1 4"}


def test_primitives_are_looked_up_whatever_the_policy() -> None:
    """What a task calls primitive is answered from the context and counted as a look-up."""
    environs = Environs(
        Scripted("environs", lambda view: str(guess(view))),
        lambda text: len(set(text.split()[1:])) == 1,
        lambda _: "",
    )
    for policy in (Policy("recurse"), Policy("cascade", 0.9), Policy("amplify")):
        store = MemoryStore()
        session, _ = deliberate(
            "sum 1 2", halving(), student=student(1), policy=policy, environs=environs, store=store
        )
        assert answer(session) == "3"
        assert session.counts.lookups == 2
        assert {who(store)["0.1"], who(store)["0.2"]} == {"scripted:environs"}


# -- ensembles -------------------------------------------------------------------------------


def members(*names: str) -> tuple[Answerer, ...]:
    """Overseers that decompose alike, each with an opinion of its own about 1."""

    def member(name: str) -> Scripted:
        def act(view: View) -> Given | str:
            return name if view.question == "sum 1 1" else split(view)

        return Scripted(f"member {name}", act)

    return tuple(member(name) for name in names)


def branches(store: MemoryStore) -> dict[str, set[str]]:
    """For each sample of the root who acted in it."""
    found: dict[str, set[str]] = {}
    for path, by in who(store).items():
        found.setdefault(path.split(".")[0], set()).add(by)
    return found


@pytest.mark.parametrize("share", ["nothing", "children"])
def test_each_member_works_its_own_branch(share: str) -> None:
    """A member that asks does so in its own sample of the root, and all below it is its own."""
    store = MemoryStore()
    session, entries = deliberate(
        "sum 1 3",
        halving(),
        ensemble=members("10", "20", "10"),
        rule="majority",
        share=share,
        store=store,
    )
    assert branches(store) == {
        "0:0": {"scripted:member 10"},
        "0:1": {"scripted:member 20"},
        "0:2": {"scripted:member 10"},
    }
    assert answer(session) == "15"
    (combined,) = [event for event in events_at(entries, "0") if isinstance(event, Combined)]
    assert combined.votes == (0, 1, 0)
    assert combined.agreement == pytest.approx(2 / 3)


def test_an_ensemble_that_disagrees_abstains() -> None:
    """No majority, no answer."""
    session, _ = deliberate("sum 1 3", halving(), ensemble=members("10", "20", "30"))
    assert session.outlook().status == "abstained"


def test_an_ensemble_resumes_in_its_branches() -> None:
    """After a stop each member goes on in its own branch."""
    cast = members("10", "20", "10")
    store = MemoryStore()
    session, entries = deliberate("sum 1 3", halving(), ensemble=cast, store=store, width=2)
    for end in store.commits:
        again, _ = deliberate("x", halving(), ensemble=cast, resume=entries[:end])
        assert again.outlook() == session.outlook()


def test_the_last_member_may_be_the_judge() -> None:
    """With `verify` the others answer and the last says which is right."""
    judge = Watching(Scripted("judge", lambda _: "2"))
    session, _ = deliberate(
        "sum 1 2", halving(), ensemble=(*members("10", "1"), judge), rule="verify"
    )
    assert answer(session) == "3"
    assert len(judge.views) == 1
    assert "sum 1 2" in judge.views[0].text


# -- readers that read through ---------------------------------------------------------------


def test_a_reader_waits_for_what_its_question_points_to() -> None:
    """It sees the content behind the pointers unlocked, and is asked once, when all is there."""

    def script(view: View) -> Given | str:
        match view.question.split()[0]:
            case "root":
                return (Ask(("slow", "about $a1 and [this [deep]]")), Reply("$a2"))
            case "slow":
                return "slowly $a1" if view.shown else (Ask(("slower",)), Unlock(("$a1",)))
            case "about":
                return "read"
            case _:
                return "content"

    actor = Watching(Scripted("reader", script, reads_through=True))
    session, entries = deliberate("root", actor)
    (view,) = [each for each in actor.views if each.question.startswith("about")]
    assert view.shown == {
        "$q.1": "slowly $q.1.1",
        "$q.1.1": "content",
        "$q.2": "this $q.2.1",
        "$q.2.1": "deep",
    }
    assert view.text.splitlines()[0] == "Question: about $q.1 and $q.2"
    assert sorted(view.text.splitlines()[1:]) == sorted(
        f"{name}: = {content}" for name, content in view.shown.items()
    )
    assert answer(session) == "read"
    assert fold(entries).finish() == session.outlook().digest


def test_what_a_reader_sees_it_can_name() -> None:
    """Every pointer in its view may be used in its reply, deep ones too."""
    pupil = Scripted("reader", lambda _: "$q.1.1 in $q.1", reads_through=True)

    def overseer(view: View) -> Given | str:
        return "$a1" if view.asked else (Ask(("about [this [deep]]",)), Unlock(("$a1",)))

    session, entries = deliberate(
        "root", overseer, student=pupil, policy=Policy("amplify"), fuel=60
    )
    assert not refusals(entries)
    assert answer(session) == "deep in this deep"


def test_a_reader_that_takes_over_waits_too() -> None:
    """An overseer that reads through is asked once all is there, also after a student deferred."""

    def overseer(view: View) -> Given | str:
        if view.question == "root":
            return (Ask(("slow", "about $a1")), Reply("$a2"))
        return view.shown["$q.1"] if "about" in view.question else "slowly"  # type: ignore[return-value]

    session, entries = deliberate(
        "root",
        Scripted("overseer", overseer, reads_through=True),
        student=Scripted("student", lambda _: (Reply("guess", 0.1),)),
        policy=Policy("cascade", 0.9),
    )
    assert answer(session) == "slowly"
    assert fold(entries).finish() == session.outlook().digest


# -- over random trees -----------------------------------------------------------------------


@settings(max_examples=CASES)
@given(seeds, st.sampled_from(["recurse", "amplify", "cascade", "direct"]))
def test_everybody_acts_only_where_the_policy_puts_them(seed: int, kind: str) -> None:
    """In any tree the overseer and the student act where their roles are, nowhere else (40)."""
    store = MemoryStore()
    pupil = Program(seed + 1, samples=False)
    session, entries = deliberate(
        question(),
        Program(seed),
        student=pupil,
        policy=Policy(cast("Kind", kind), 0.9),
        store=store,
    )
    rows: list[tuple[Entry, str]] = [
        (entry, by.answerer)
        for entry, by in zip(entries, store.authors(), strict=True)
        if by.answerer
    ]
    for (path, event), by in rows:
        depth = path.count(".")
        if kind in ("recurse", "direct"):
            assert by != pupil.identity
        if kind == "amplify":
            assert (by == pupil.identity) == (depth > 0)
        if kind == "cascade" and isinstance(event, Deferred):
            assert by == pupil.identity
    if kind == "direct":
        assert session.outlook().workspaces == 1
    assert all(isinstance(event, Failed) or by for (_, event), by in rows)


def test_an_unsure_student_with_one_fuel_left_fails_for_fuel() -> None:
    """Nobody could take over, so nothing is handed over; with two the overseer may answer."""
    for fuel, happened in ((1, ["0 Failed"]), (2, ["0 Deferred", "0 Replied"])):
        _, entries = deliberate(
            "q",
            lambda _: "decided",
            student=Scripted("unsure", lambda _: (Reply("guess", 0.1),)),
            policy=Policy("cascade"),
            fuel=fuel,
        )
        assert kinds(entries)[1:] == happened
        assert set(failures(entries).values()) <= {"fuel"}
