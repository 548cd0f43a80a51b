"""Cycles: a question on its own path fails, and nothing that recurses goes on for ever."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Ask, Given, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Looping, Scripted
from decomposition.caps import Caps
from decomposition.events import Entry, Failed
from decomposition.message import Failure, Message
from decomposition.routing import Policy, Row
from decomposition.setting import Environs
from decomposition.tree import fold
from decomposition.view import View
from tests.decomposition.kit import (
    MemoryStore,
    Watching,
    answer,
    deliberate,
    digest,
    events_at,
    failures,
    refusals,
    worked,
    written,
)
from tests.decomposition.programs import Program, question, seeds

CASES = 40


def follow(view: View, *questions: str) -> Given | str:
    """Asks, looks, and tells what it saw."""
    if view.shown:
        return " ".join(
            f"({each.kind})" if isinstance(each, Failure) else each for each in view.shown.values()
        )
    names = tuple(f"$a{number}" for number in range(1, len(questions) + 1))
    return (Ask(questions), Unlock(names))


def cycles(entries: Sequence[Entry]) -> list[str]:
    """Where a question was found to be its own ancestor."""
    return [path for path, kind in failures(entries).items() if kind == "cycle"]


# -- equal questions -------------------------------------------------------------------------


def test_a_question_below_itself_is_a_cycle() -> None:
    """The second occurrence on a path fails at once; its asker sees why and goes on."""
    actor = Watching(Scripted("again", lambda view: follow(view, view.question)))
    session, entries = deliberate("What?", actor)
    assert cycles(entries) == ["0.1"]
    assert answer(session) == "(cycle)"
    assert len(actor.views) == 2


def test_both_paths_stand_in_the_event_and_in_no_view() -> None:
    """The trace tells who asks what again; the asker learns only that it is a cycle."""

    def script(view: View) -> Given | str:
        return follow(view, {"P": "Q", "Q": "R", "R": "Q"}[view.question])

    actor = Watching(Scripted("there", script))
    _, entries = deliberate("P", actor)
    (failed,) = [event for event in events_at(entries, "0.1.1.1") if isinstance(event, Failed)]
    assert failed.failure.kind == "cycle"
    assert "0.1.1.1" in failed.detail
    assert "0.1 " in failed.detail + " "
    assert not any("0." in view.text for view in actor.views)


@pytest.mark.parametrize("width", [1, 1024])
def test_p_asks_q_while_q_asks_p(width: int) -> None:
    """Two questions that ask each other end as one cycle each, in whatever order."""

    def script(view: View) -> Given | str:
        asks = {"root": ("P", "Q"), "P": ("Q",), "Q": ("P",)}
        return follow(view, *asks[view.question])

    session, entries = deliberate("root", script, width=width)
    assert cycles(entries) == ["0.1.1.1", "0.2.1.1"]
    assert answer(session) == "(cycle) (cycle)"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is it?", "  What\n is\tit?  "),
        ("caf\u00e9", "cafe\u0301"),
        ("a\u00a0b", "a b"),
        ("x [inner]", "x  [inner]"),
        ("x [inner [deep]]", "x [inner [deep]]"),
        (r"a \$a1 \[", r"a  \$a1 \["),
    ],
)
def test_white_space_and_composition_hide_no_cycle(one: str, other: str) -> None:
    """Questions are equal after NFC and with white space folded."""
    first = Scripted("first", lambda view: follow(view, other))
    _, entries = deliberate(written(one), first)
    assert cycles(entries) == ["0.1"]


@pytest.mark.parametrize(
    ("one", "other"), [("a", "A"), ("a b", "ab"), ("x [inner]", "x [other]"), ("x [y]", "x y")]
)
def test_other_questions_are_no_cycle(one: str, other: str) -> None:
    """A question that differs in anything else is worked."""
    turns: list[Given | str] = [(Ask((other,)), Unlock(("$a1",))), "leaf", "done"]
    session, entries = deliberate(written(one), lambda _: turns.pop(0))
    assert not cycles(entries)
    assert answer(session) == "done"


def test_the_same_question_beside_or_elsewhere_is_no_cycle() -> None:
    """Only the path to the root counts: siblings, cousins and later asks may be equal."""

    def script(view: View) -> Given | str:
        asks = {"root": ("P", "Q", "P"), "P": ("R",), "Q": ("R", "P")}
        return follow(view, *asks[view.question]) if view.question in asks else "leaf"

    session, entries = deliberate("root", script)
    assert not cycles(entries)
    assert answer(session) == "leaf leaf leaf leaf"


def test_a_question_is_known_by_what_its_pointers_lead_to() -> None:
    """The same words about other content are another question, about the same content a cycle."""

    def script(view: View) -> Given | str:
        if view.question == "root":
            return follow(view, "value", "about $a1")
        if view.question == "value":
            return "5"
        return follow(view, "about [5]" if "5" not in view.text else "leaf", "about $q.1")

    actor = Watching(Scripted("about", script))
    session, entries = deliberate("root", actor)
    assert "0.2.2" in cycles(entries)
    assert session.finished


def test_a_pointer_passed_on_is_the_same_question() -> None:
    """`about $q.1` below `about $a1` asks the same, before and after its content was looked at."""

    def script(view: View) -> Given | str:
        if view.question == "root":
            return follow(view, "value", "about $a1", "also about $a1")
        if view.question == "value":
            return "5"
        if view.question.startswith("also") and "$q.1" not in view.shown:
            return (Unlock(("$q.1",)),)
        if not view.asked:
            return (Ask((view.question,)), Unlock(("$a1",)))
        return "done"

    _, entries = deliberate("root", script)
    assert sorted(cycles(entries)) == ["0.2.1", "0.3.1"]


@pytest.mark.parametrize("width", [1, 2, 1024])
def test_whether_it_is_a_cycle_does_not_depend_on_what_came_first(width: int) -> None:
    """A pointer that was pending when its question began and is there when it is asked again."""

    def script(view: View) -> Given | str:
        match view.question:
            case "root":
                if not view.asked:
                    return (Ask(("value", "about $a1"), eager=True, fuel=99), Unlock(("$a2",)))
                return "x"
            case "value":
                return "5"
            case _:
                if not view.shown:
                    return (Unlock(("$q.1",)),)
                return follow_again(view)

    def follow_again(view: View) -> Given | str:
        if not view.asked:
            return (Ask((view.question,), fuel=20), Unlock(("$a1",)))
        return "done"

    _, entries = deliberate("root", script, width=width)
    assert cycles(entries) == ["0.2.1"]


def test_an_ancestor_that_has_already_answered_is_still_an_ancestor() -> None:
    """A question whose asker replied and went is a cycle below it all the same."""

    def script(view: View) -> Given | str:
        return (Ask(("Q" if view.question == "P" else "P",)), Reply("$a1"))

    session, entries = deliberate("P", script)
    assert cycles(entries) == ["0.1.1"]
    assert answer(session) == "(cycle: this question is already being worked above)"


@settings(max_examples=CASES)
@given(seeds)
def test_cycles_are_the_same_after_a_resume(seed: int) -> None:
    """Going on after any commit finds the cycles that an undisturbed run finds (40 trees)."""
    options = {"fuel": 40, "width": 1}
    store = MemoryStore()
    actor = Program(seed, endless=True, rich=False, errs=False)
    session, entries = deliberate(question(), actor, store=store, **options)  # type: ignore[arg-type]
    places = store.commits[:: max(1, len(store.commits) // 6)]
    for end in places:
        again, resumed = deliberate(question(), actor, resume=entries[:end], width=1)
        assert sorted(cycles(resumed)) == sorted(cycles(entries))
        assert digest(again) == digest(session)


# -- who is on the path ----------------------------------------------------------------------


def test_a_students_call_is_a_leaf_and_no_cycle() -> None:
    """Asking the student the own question is asking another mind, not recursing."""

    def overseer(view: View) -> Given | str:
        return follow(view, view.question)

    session, entries = deliberate(
        "What?", overseer, student=Scripted("student", lambda _: "known"), policy=Policy("amplify")
    )
    assert not cycles(entries)
    assert answer(session) == "known"


def test_a_primitive_is_a_leaf_and_no_cycle() -> None:
    """What the environment answers is no step of any path."""
    environs = Environs(
        Scripted("environs", lambda _: "fact"), lambda text: text == "fact?", lambda _: ""
    )
    session, entries = deliberate(
        "root", lambda view: follow(view, "fact?", "fact?"), environs=environs
    )
    assert not cycles(entries)
    assert answer(session) == "fact fact"


def test_an_overseer_below_a_student_level_is_on_the_path() -> None:
    """Where a table gives a level to the overseer, its own questions above count."""
    rows = (Row("overseer", 0, 2), Row("student"))
    _, entries = deliberate(
        "What?",
        lambda view: follow(view, "What?"),
        student=Scripted("student", lambda _: "known"),
        policy=Policy("table", rows=rows),
    )
    assert cycles(entries) == ["0.1"]


def test_a_cascade_is_on_the_path_once_the_overseer_takes_over() -> None:
    """A sure student answers its own question; an unsure one hands it back, and that is a cycle."""

    def student(confidence: float) -> Scripted:
        return Scripted("student", lambda _: (Reply("guess", confidence),))

    for confidence, expected in ((0.95, []), (0.1, ["0.1"])):
        asked: list[str] = []

        def overseer(view: View, asked: list[str] = asked) -> Given | str:
            asked.append(view.question)
            return follow(view, "What?")

        _, entries = deliberate(
            "What?", overseer, student=student(confidence), policy=Policy("cascade", 0.9)
        )
        assert cycles(entries) == expected


# -- recursion ends --------------------------------------------------------------------------


@pytest.mark.parametrize("actor", [Looping(), Looping(same=True)], ids=lambda each: each.identity)
@pytest.mark.parametrize("fuel", [10, 300, 3000])
def test_a_question_that_asks_itself_ends(actor: Answerer, fuel: int) -> None:
    """Recursion for ever ends by a cycle, by fuel or by the cap of depth, never by an error."""
    session, entries = deliberate("What is 1?", actor, fuel=fuel)
    assert session.finished
    assert set(failures(entries).values()) & {"cycle", "fuel", "bad_output"}


def test_recursion_stops_at_the_cap_of_depth() -> None:
    """The deepest workspace is told that it may not ask, and can still answer."""

    def script(view: View) -> Given | str:
        if view.refusal:
            return "bottom"
        return follow(view, view.question + "!")

    session, entries = deliberate("What", script, caps=Caps(depth=9))
    assert answer(session) == "bottom"
    assert max(path.count(".") for path in worked(entries)) == 9
    assert refusals(entries) == ["no subquestions below depth 9; answer or abstain"]


def test_a_session_stops_at_the_cap_of_workspaces() -> None:
    """Who asks for more than the session may open ends it as a whole, in one way in any order.

    Samples, eager asks, pending pointers and joined answers stand among what is open then.
    """

    def script(view: View) -> Given | str:
        level = len(view.question)
        if view.shown or level > 9:
            return "x"
        asks = Ask((view.question + "0", view.question + "1"), eager=level % 2 == 0)
        sampled = Ask((view.question + "00",), samples=2 + level % 2, fuel=999)
        if level % 4 == 0:
            return (sampled, asks, Reply("$a1 $a2"))
        return (sampled, asks, Unlock(("$a1", "$a3")))

    for joins in ("none", "session"):
        found: set[str] = set()
        for width in (1, 3, 1024):
            caps = Caps(workspaces=50, depth=12)
            session, entries = deliberate("q", script, caps=caps, width=width, joins=joins)
            assert session.finished
            assert 0 < session.outlook().workspaces <= 50
            assert answer(session) == "spend: the cap of 50 workspaces was reached"
            assert fold(entries).finish() == fold(entries, keep=False).finish() == digest(session)
            found.add(digest(session))
        assert len(found) == 1


def test_a_sampled_session_at_its_cap_fails_as_a_whole_too() -> None:
    """What its root or some of its samples came to before makes no difference."""

    def script(view: View) -> Given | str:
        if view.question == "q":
            asks = (Ask(("deep",), eager=True), Ask(("leaf",)), Unlock(("$a2",)))
            return "early" if view.shown else asks
        if view.question == "leaf":
            return "x"
        return (Ask((view.question + "0",) * 3), Unlock(("$a1",)))

    for samples in (1, 3):
        found: set[str] = set()
        for width in (1, 2, 1024):
            session, entries = deliberate(
                "q",
                script,
                caps=Caps(workspaces=20),
                width=width,
                samples=samples,
                rule="plurality",
            )
            assert session.outlook().status == "failed"
            assert session.outlook().answer.startswith("spend: ")
            assert fold(entries).root.outcome == session.tree.root.outcome
            found.add(digest(session))
        assert len(found) == 1


DEEP = 10_000


def test_ten_thousand_levels_are_worked() -> None:
    """With raised caps a chain of ten thousand questions is answered, folded and resumed."""

    def script(view: View) -> Given | str:
        number = int(view.question)
        return follow(view, str(number - 1)) if number else "bottom"

    session, entries = deliberate(str(DEEP), script, caps=Caps(depth=DEEP))
    assert answer(session) == "bottom"
    assert session.outlook().workspaces == DEEP + 1
    tree = fold(entries[: DEEP + 5], keep=False)
    assert not tree.finished


def test_a_thousand_levels_of_pending_answers_are_rendered() -> None:
    """A chain in which each answer is the pending one below is worked and rendered too."""

    def script(view: View) -> Given | str:
        number = int(view.question)
        return (Ask((str(number - 1),)), Reply("$a1")) if number else "bottom"

    session, _ = deliberate("1100", script, caps=Caps(depth=1100))
    assert answer(session) == "bottom"


@settings(max_examples=CASES)
@given(seeds, st.integers(1, 60))
def test_any_endless_program_ends(seed: int, fuel: int) -> None:
    """A random overseer that may ask anything again comes to an end (40 programs)."""
    session, entries = deliberate(question(), Program(seed, endless=True, rich=False), fuel=fuel)
    assert session.finished
    for path in cycles(entries):
        assert path.count(".") > 0
    assert isinstance(session.tree.root.outcome, Failure | Message)
