"""The interface: what holds for every task."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from decomposition.actions import Abstain, Ask, Reply, Unlock
from decomposition.errors import BadTask
from decomposition.hypertext import Failure, Message, content_hash, write
from decomposition.tasks import TASKS, of_fields, recognising, task_named
from decomposition.tasks.base import FACTS_NAME, NO_FACTS, AnyTask, Facts, distinct
from decomposition.view import Symbols
from tests.decomposition.answerers.sights import seen, turn
from tests.decomposition.tasks.deliberating import deliberate, subquestions, truth_told

SIZES = {"permutation": (2, 9, 64), "arithmetic": (2, 9, 100), "game24": (1, 3, 4)}
STEP = "Under $q.1, where does $q.2 go in 1 step?"


def contexts(task: AnyTask) -> Iterator[Facts]:
    """A few contexts of a task, small and large."""
    return (task.make(size, seed) for size in SIZES[task.name] for seed in (0, 1))


@pytest.fixture(params=TASKS, name="task")
def a_task(request: pytest.FixtureRequest) -> AnyTask:
    """Each task in its turn."""
    return task_named(request.param)


def test_equal_seeds_make_equal_contexts(task: AnyTask) -> None:
    """A context and its questions depend on size and seed alone."""
    for facts in contexts(task):
        again = task.make(facts.size, facts.seed)
        assert again == facts
        assert list(task.questions(again, 20, 3)) == list(task.questions(facts, 20, 3))


def test_other_seeds_draw_other_questions(task: AnyTask) -> None:
    """Two seeds do not give the same questions."""
    facts = task.make(SIZES[task.name][-1], 0)
    assert list(task.questions(facts, 20, 1)) != list(task.questions(facts, 20, 2))


def test_questions_are_distinct_and_as_many_as_asked_for(task: AnyTask) -> None:
    """No question is drawn twice."""
    drawn = list(task.questions(task.make(SIZES[task.name][-1], 0), 500, 1))
    assert len(drawn) == len(set(drawn)) == 500


def test_sizes_out_of_range_are_refused(task: AnyTask) -> None:
    """A context is made of the sizes that the task states."""
    least, most = task.sizes
    for size in (least - 1, most + 1):
        with pytest.raises(BadTask, match=f"{least} to {most}"):
            task.make(size, 0)


def test_facts_are_read_back(task: AnyTask) -> None:
    """The text of a context tells all of it but its seed."""
    for facts in contexts(task):
        read = task.read_facts(task.render_facts(facts))
        assert read.rows == facts.rows
        assert read == (Facts(0, facts.size, facts.rows) if task.has_facts else NO_FACTS)


def test_questions_are_recognised(task: AnyTask) -> None:
    """What is rendered is recognised, under whatever name its writer knows the facts."""
    for facts in contexts(task):
        for question in task.questions(facts, 20, 0):
            for name in ("$q.1", "$a2", "$a1.3", "$q.1 (facts)"):
                assert task.recognise(task.render(question, name)) == question


def test_roots_are_recognised(task: AnyTask) -> None:
    """A root is of this task as its reader sees it, and as one line that names its context."""
    for facts in contexts(task):
        for question in task.questions(facts, 20, 0):
            assert task.recognise(write(task.root(question, facts), "$q")) == question
            root = task.parse_root(task.write_root(question, facts))
            assert root is not None
            assert root[0] == question
            assert task.render_facts(root[1]) == task.render_facts(facts)


def test_only_its_own_task_recognises_a_question(task: AnyTask) -> None:
    """A question belongs to one task."""
    for facts in contexts(task):
        for question in task.questions(facts, 5, 0):
            for written in (task.render(question), task.write_root(question, facts)):
                assert recognising(written) is task
                assert [each for each in TASKS.values() if each.recognise(written)] in ([], [task])


def test_the_overseer_is_right_within_f_star(task: AnyTask) -> None:
    """With true primitive answers, the overseer's tree gives right answers on f* fuel."""
    for facts in contexts(task):
        for question in task.questions(facts, 5, 0):
            done = truth_told(task, question, facts, task.fuel(question))
            assert task.correct(question, facts, done.answer)


def test_the_overseer_is_not_asked_what_is_primitive(task: AnyTask) -> None:
    """A primitive question is for the environment; the overseer refuses it."""
    facts = task.make(SIZES[task.name][1], 0)
    for question in task.questions(facts, 5, 0):
        for written in _primitives(task, task.render(question), _contents(task, facts)):
            primitive = task.recognise(written)
            assert task.is_primitive(primitive)
            assert task.fuel(primitive) == 1
            with pytest.raises(BadTask):
                next(task.decompose(primitive, written))


def test_subquestions_are_of_lower_levels(task: AnyTask) -> None:
    """Level by level: whatever the overseer asks is less difficult than what it is asked."""
    for facts in contexts(task):
        for question in task.questions(facts, 10, 0):
            if task.is_primitive(question):
                continue
            level = task.difficulty(question, facts.size)
            for written in subquestions(task, question, facts):
                sub = task.recognise(written)
                assert sub is not None
                assert task.difficulty(sub, facts.size) < level


def test_right_answers_break_no_invariant(task: AnyTask) -> None:
    """An invariant that a right answer breaks is none; one that nothing breaks is idle."""
    for facts in contexts(task):
        for question in task.questions(facts, 20, 0):
            truth = task.truth(question, facts)
            assert task.correct(question, facts, truth)
            assert task.broken_invariants(question, facts, truth) == ()
            assert task.broken_invariants(question, facts, "no idea") != ()


@given(st.text(), st.sampled_from(list(TASKS)))
def test_normalising_twice_is_normalising_once(text: str, name: str) -> None:
    """The form in which answers are compared is its own form."""
    task = task_named(name)
    once = task.normalise(text)
    assert task.normalise(once) == once


@given(st.text(alphabet="answer: .=24+-*/()0 impossibleX", max_size=60))
def test_normalising_expressions_twice_is_normalising_once(text: str) -> None:
    """So it is for text that looks like an expression."""
    task = task_named("game24")
    once = task.normalise(text)
    assert task.normalise(once) == once


@given(st.text(), st.sampled_from(list(TASKS)))
def test_any_text_is_recognised_or_not(text: str, name: str) -> None:
    """No text breaks a task: the engine asks for every question who it belongs to."""
    task = task_named(name)
    task.recognise(text)
    recognising(text)


def test_long_text_is_nobodys_in_no_time() -> None:
    """Text of the engine's greatest length is passed over without a search in it."""
    for piece in ("0", " ", "$q.1 ", "(", "make 24 from ", "9+", "Under $q.1 ("):
        assert recognising(piece * (64 * 1024 // len(piece))) is None


def test_symbols_tell_questions_apart(task: AnyTask) -> None:
    """Different questions have different symbols; equal ones have equal symbols."""
    for facts in contexts(task):
        drawn = list(task.questions(facts, 200, 0))
        told = [task.tokens(question, {}) for question in drawn]
        assert None not in told
        assert len(set(told)) == len(drawn)


def test_a_handle_is_the_hash_of_the_facts(task: AnyTask) -> None:
    """Students find a context by the structural hash of what stands behind the pointer."""
    facts = task.make(SIZES[task.name][1], 0)
    text = task.render_facts(facts)
    expected = content_hash(Message.of(text), str) if task.has_facts else ""
    assert task.handle({FACTS_NAME: text}) == expected
    assert task.handle({}) == ""


def test_difficulty_and_depth_class_are_told_for_every_question(task: AnyTask) -> None:
    """Drawn questions reach the highest level of their size, and every class has a name."""
    facts = task.make(SIZES[task.name][1], 0)
    drawn = list(task.questions(facts, 300, 0))
    levels = {task.difficulty(question, facts.size) for question in drawn}
    assert max(levels) == {"permutation": 6, "arithmetic": 9, "game24": 3}[task.name]
    assert all(task.depth_class(question, facts) for question in drawn)


def test_facts_for_a_task_without_are_refused() -> None:
    """Text where no context belongs is an error."""
    with pytest.raises(BadTask, match="no context"):
        task_named("arithmetic").read_facts("0 goes to 1")


def test_an_unknown_task_is_answered_with_the_nearest() -> None:
    """A mistyped name is corrected, a strange one gets the list."""
    with pytest.raises(BadTask, match="did you mean permutation"):
        task_named("permutaton")
    with pytest.raises(BadTask, match="there are permutation, arithmetic, game24"):
        task_named("chess")


def test_a_root_out_of_range_still_belongs_to_its_task() -> None:
    """So the person who typed it hears from the task what is wrong."""
    assert recognising("make 24 from 1 2 3 4 5") is task_named("game24")
    assert recognising("permutation of 1 from seed 0: where does 0 go in 2 steps?") is not None
    assert recognising("What is love?") is None


def test_fields_of_a_line_find_their_task() -> None:
    """A line with a task's own fields is a question of that task."""
    assert of_fields({"id": "1", "numbers": [4, 5, 6, 10]}) == "make 24 from 4 5 6 10"
    assert of_fields({"question": "1 + 2"}) is None


def test_distinct_questions_end_where_no_more_exist() -> None:
    """Asked for more than there are, all of them come once."""
    facts = task_named("permutation").make(2, 0)
    drawn = iter(list(task_named("permutation").questions(facts, 9, 0)) * 1000)
    assert len(list(distinct(lambda: next(drawn), 100, 9))) == 9


def test_the_overseer_acts_on_a_view() -> None:
    """As an answerer the overseer asks what its decomposition says."""
    overseer = task_named("arithmetic").overseer()
    assert overseer.identity == "expert:arithmetic@1"
    assert turn(overseer, seen("48 + 7")) == (Ask(("8 + 7",)), Unlock(("$a1",)))


def test_the_environment_answers_primitive_questions() -> None:
    """As an answerer the environment covers what is primitive, and counts its answers."""
    environment = task_named("arithmetic").primitives()
    assert environment.covers("8 + 7")
    assert not environment.covers("48 + 7")
    assert not environment.covers("why?")
    assert turn(environment, seen("8 + 7")) == (Reply("15"),)
    assert environment.lookups == 1


@pytest.mark.parametrize(
    "shown",
    [
        {"$q.1": "0 goes to 1\n1 goes to 0", "$q.2": Failure("fuel")},
        {"$q.1": "0 goes to 1\n1 goes to 0", "$q.2": "seven"},
        {"$q.1": "0 goes to 1\n1 goes to 0", "$q.2": "2"},
        {"$q.1": "0 goes nowhere", "$q.2": "1"},
        {"$q.2": "1"},
    ],
)
def test_the_environment_abstains_where_an_argument_is_bad(shown: dict[str, str | Failure]) -> None:
    """A failed or nonsensical argument gives no answer, and never a made-up one."""
    view = replace(seen("?"), question=STEP, shown=shown)
    given = turn(task_named("permutation").primitives(), view)
    assert isinstance(given, tuple)
    assert isinstance(given[0], Abstain)


def test_the_environment_reads_what_its_question_points_to() -> None:
    """Facts and element are both behind pointers."""
    view = replace(
        seen("?"), question=STEP, shown={"$q.1": "0 goes to 1\n1 goes to 0", "$q.2": "1"}
    )
    environment = task_named("permutation").primitives()
    assert environment.reads_through
    assert turn(environment, view) == (Reply("0"),)


def test_symbols_are_a_face_of_the_view() -> None:
    """A view's symbols name the task, the context and the question; strangers have none."""
    task = task_named("permutation")
    facts = "0 goes to 1\n1 goes to 0"
    view = replace(seen("?"), question=STEP, shown={"$q.1": facts, "$q.2": "1"})
    handle = content_hash(Message.of(facts), str)
    assert task.symbols(view) == Symbols("permutation", handle, (1, 0, 0, 0, 0, 0, 1))
    assert task.symbols(replace(view, shown={"$q.1": facts})) is None
    assert task.symbols(seen("why?")) is None


def _contents(task: AnyTask, facts: Facts) -> dict[str, str]:
    return {FACTS_NAME: task.render_facts(facts)} if task.has_facts else {}


def _primitives(task: AnyTask, written: str, contents: Mapping[str, str]) -> set[str]:
    """The primitive questions in a tree, as their readers see them."""
    met: set[str] = set()

    def noted(question: str, answer: str) -> str:
        if task.is_primitive(task.recognise(question)):
            met.add(question)
        return answer

    deliberate(task, written, contents, spoil=noted)
    return met
