"""Pointer names: local to a workspace, stable, and blind to what lies behind them."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Abstain, Ask, Given, Note, Reply, Unlock
from decomposition.answerers.scripted import Scripted
from decomposition.message import Failure
from decomposition.view import View
from tests.decomposition.kit import Watching, answer, deliberate, refusals, written


def lines(**turns: Sequence[Given | str]) -> Scripted:
    """For each first word of a question its turns, one view after the other."""
    left = {word: list(each) for word, each in turns.items()}

    def script(view: View) -> Given | str:
        return left[view.question.split(maxsplit=1)[0]].pop(0)

    return Scripted("lines", script)


def test_the_own_question_and_its_parts_have_names() -> None:
    """`$q` is the own question, `$q.1` the first pointer inside it, `$q.1.1` one inside that."""
    actor = Watching(
        lines(root=[(Unlock(("$q.1", "$q.2")),), (Unlock(("$q.1.1", "$q")),), "$q.1.1 of $q.2"])
    )
    session, _ = deliberate(written("root [one [two]] and [three]"), actor)
    last = actor.views[-1]
    assert last.question == "root $q.1 and $q.2"
    assert last.shown == {
        "$q.1": "one $q.1.1",
        "$q.2": "three",
        "$q.1.1": "two",
        "$q": "root $q.1 and $q.2",
    }
    assert answer(session) == "two of three"


def test_answers_are_numbered_over_the_life_of_a_workspace() -> None:
    """`$a3` is the third subquestion, in whatever action it was asked."""
    actor = Watching(
        lines(
            root=[
                (Ask(("one", "two"), fuel=5), Unlock(("$a2",))),
                (Ask(("three",), fuel=5), Unlock(("$a3", "$a1"))),
                "$a1 $a2 $a3",
            ],
            one=["1"],
            two=["2"],
            three=["3"],
        )
    )
    session, _ = deliberate("root", actor)
    assert [seen.name for seen in actor.views[-1].asked] == ["$a1", "$a2", "$a3"]
    assert [seen.answer for seen in actor.views[-1].asked] == ["1", "2", "3"]
    assert answer(session) == "1 2 3"


def test_a_part_of_an_answer_has_a_name_once_the_answer_is_seen() -> None:
    """`$a2.1` is the first pointer inside the answer to the second subquestion."""
    asked = (Ask(("one", "two")), Unlock(("$a2",)))
    actor = Watching(lines(root=[asked, (Unlock(("$a2.1",)),), "so $a2.1"], two=["see [why]"]))
    session, _ = deliberate("root", actor, fuel=50)
    assert actor.views[-1].shown == {"$a2": "see $a2.1", "$a2.1": "why"}
    assert answer(session) == "so why"


def test_an_answer_can_be_named_before_it_exists() -> None:
    """A later question of the same ask, a note and a reply name an answer nobody worked yet."""
    turn = (
        Ask(("first", "second to $a1", "third to $a2 and $a1"), fuel=9),
        Note("$a3 will tell"),
        Reply("$a3"),
    )
    actor = lines(
        root=[turn],
        first=["1"],
        second=[(Unlock(("$q.1",)),), "2 after $q.1"],
        third=[(Unlock(("$q.1", "$q.2")),), "3 after $q.1 and $q.2"],
    )
    session, _ = deliberate("root", actor)
    assert answer(session) == "3 after 2 after 1 and 1"


def test_a_name_means_the_same_for_the_whole_life_of_a_workspace() -> None:
    """More questions, more looking and a note change no earlier name."""
    first = (Ask(("one",), fuel=5), Unlock(("$a1",)))
    second = (Ask(("two",), fuel=5), Note("[noted]"), Unlock(("$a2", "$n.1", "$a1.1")))
    actor = Watching(lines(root=[first, second, "x"], one=["a [b]"], two=["c [d]"]))
    deliberate("root", actor)
    views = [view for view in actor.views if view.question == "root"]
    for name, content in views[1].shown.items():
        assert views[2].shown[name] == content
    assert views[2].shown["$n.1"] == "noted"


def test_what_a_name_shows_is_what_it_passes_on() -> None:
    """After a note is replaced, `$n.1` shows and passes on the same content."""
    actor = Watching(
        lines(
            root=[
                (Note("[old]"), Unlock(("$n.1",))),
                (Note("[new]"), Unlock(("$n.1",))),
                (Ask(("child of $n.1",), fuel=5), Unlock(("$a1",))),
                "x",
            ],
            child=[(Unlock(("$q.1",)),), "it was $q.1", "it was $q.1"],
        )
    )
    deliberate("root", actor)
    last = [view for view in actor.views if view.question == "root"][-1]
    passed = next(view.shown["$q.1"] for view in actor.views if "$q.1" in view.shown)
    assert last.shown.get("$n.1", passed) == passed


@pytest.mark.parametrize("inner", ["with [something]", "without"])
def test_a_locked_answer_does_not_tell_what_is_inside(inner: str) -> None:
    """`$a1.1` is refused before `$a1` was seen, in the same words whether it exists or not."""
    actor = lines(
        root=[(Ask(("child",), fuel=9, eager=True),), (Reply("$a1.1"),), "done"], child=[inner]
    )
    _, entries = deliberate("root", actor)
    assert refusals(entries) == ["no pointer $a1.1 is visible here"]


@pytest.mark.parametrize("question", ["root [x [y]]", "root [x]", "root x"])
@pytest.mark.parametrize("name", ["$q.1.1", "$a1", "$n", "$q.2", "$a1.1"])
def test_the_words_for_what_is_invisible_are_always_the_same(question: str, name: str) -> None:
    """Three different worlds, one refusal: nothing can be learnt from naming what was not shown."""
    for action in (Unlock((name,)), Reply(f"see {name}"), Ask((f"about {name}",))):
        _, entries = deliberate(written(question), lines(root=[(action,), "done"]))
        assert refusals(entries) == [f"no pointer {name} is visible here"]


def test_a_child_has_names_of_its_own() -> None:
    """What its asker calls `$a1` is not `$a1` below; only what was passed on is there at all."""
    actor = lines(
        root=[(Ask(("one", "child of $a1"), fuel=9), Unlock(("$a1",))), (Unlock(("$a2",)),), "x"],
        one=["secret"],
        child=[(Reply("$a1"),), (Reply("$q.2"),), "only $q.1"],
    )
    _, entries = deliberate("root", actor)
    assert refusals(entries) == [
        "no pointer $a1 is visible here",
        "no pointer $q.2 is visible here",
    ]


def test_a_pointer_arrives_locked_whatever_it_was() -> None:
    """Its asker has seen the content; the child sees a locked name until it unlocks it."""
    look = (Ask(("one",), fuel=5), Unlock(("$a1", "$q.1")))
    actor = Watching(
        lines(
            root=[look, (Ask(("child of $a1 and $q.1",), fuel=9), Unlock(("$a2",))), "x"],
            one=["seen"],
            child=[(Unlock(("$q.2",)),), "x"],
        )
    )
    deliberate(written("root [given]"), actor)
    first, second = [view for view in actor.views if view.question.startswith("child")]
    assert first.text == "Question: child of $q.1 and $q.2\n"
    assert second.text == "Question: child of $q.1 and $q.2\n$q.2: = given\n"


@pytest.mark.parametrize("pair", ["$a1 and $a1", "$a1 and $a2", "$a2 and $q.1", "[x] and [x]"])
def test_two_names_hide_whether_they_lead_to_the_same(pair: str) -> None:
    """Two pointers to one content, or to two, look the same: the child's views are equal."""
    asked = (Ask(("one", "one more", f"child {pair}")), Unlock(("$a3",)))
    child: list[Given | str] = [(Unlock(("$q.1",)),), (Unlock(("$q.2",)),), "x"]
    actor = Watching(lines(root=[asked, "x"], one=["same", "same"], child=child))
    deliberate(written("root [same]"), actor, fuel=90)
    views = [view for view in actor.views if view.question.startswith("child")]
    assert [view.question for view in views] == ["child $q.1 and $q.2"] * 3
    told = [view.text.replace("same", "x") for view in views]
    assert told[1] == "Question: child $q.1 and $q.2\n$q.1: = x\n"
    assert told[2] == "Question: child $q.1 and $q.2\n$q.1: = x\n$q.2: = x\n"


def test_equal_locked_situations_have_equal_keys() -> None:
    """Whether two pointers of a question are one content does not even enter the view's key."""
    asks = (Ask(("one", "two", "child $a1 and $a1", "child $a1 and $a2")),)
    actor = Watching(
        lines(root=[(*asks, Reply("$a3 $a4"))], one=["same"], two=["same"], child=["x", "x"])
    )
    deliberate("root", actor, fuel=90)
    one, other = [view for view in actor.views if view.question.startswith("child")]
    assert (one.text, one.key) == (other.text, other.key)


def test_a_failure_has_no_parts() -> None:
    """Behind an answer that failed there is nothing to name."""
    actor = lines(
        root=[(Ask(("child",), fuel=9), Unlock(("$a1",))), (Unlock(("$a1.1",)),), "done"],
        child=[(Abstain("see [inner]"),)],
    )
    _, entries = deliberate("root", actor)
    assert refusals(entries) == ["no pointer $a1.1 is visible here"]


def test_an_abstention_is_shown_as_a_failure_of_its_kind() -> None:
    """A subquestion that was not answered shows as a value, with its reason."""
    actor = Watching(
        lines(root=[(Ask(("child",)), Unlock(("$a1",))), "x"], child=[(Abstain("why"),)])
    )
    deliberate("root", actor, fuel=20)
    assert actor.views[-1].shown == {"$a1": Failure("abstained", "why")}
    assert "Answer $a1: (abstained: why)\n" in actor.views[-1].text


@settings(max_examples=60)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_any_chain_of_pointers_leads_to_its_content(hops: list[int]) -> None:
    """However often a pointer is handed down or back, it leads to what it led to (60 chains)."""

    def script(view: View) -> Given | str:
        word, _, rest = view.question.partition(" ")
        if word == "source":
            return "the content"
        left = [int(each) for each in rest.split(" of ")[0].split(",")]
        if not view.asked:
            name = "$a1" if word == "root" else "$q.1"
            asks = ("source",) * (word == "root")
            if len(left) == 1:
                return (Ask((*asks, "source")), Reply(f"[{name}]" if left[0] % 2 else name))
            below = f"{'down'} {','.join(map(str, left[1:]))} of {name}"
            return (Ask((*asks, below)), Reply(f"$a{len(asks) + 1}"))
        return "unreachable"

    session, _ = deliberate("root " + ",".join(map(str, hops)), script)
    assert answer(session) == "the content"
