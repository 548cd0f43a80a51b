"""Permutation: halved steps, answers that travel as pointers, exact fuel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decomposition.actions import Ask
from decomposition.answerers.expert import Plan
from decomposition.errors import BadTask
from decomposition.hypertext import Message, Pointer, write
from decomposition.tasks.base import FACTS_NAME, Facts
from decomposition.tasks.permutation import Permutation, Walk
from tests.decomposition.tasks.deliberating import deliberate, truth_told

TASK = Permutation()
CONTEXT = TASK.make(16, 7)
SWAP = Facts(0, 2, ((0, 1), (1, 0)))


def asked(question: Message) -> object:
    """What the overseer wishes for first where a reader sees this question."""
    written = write(question, "$q")
    walk = TASK.recognise(written)
    assert walk is not None
    return next(TASK.decompose(walk, written))


def test_an_odd_number_of_steps_is_two_halves_and_one_more() -> None:
    """One ask names its own earlier answers by pointer, and only the last one is looked at."""
    assert asked(TASK.root(Walk("5", 31), CONTEXT)) == Plan(
        Ask(
            (
                "Under $q.1, where does 5 go in 15 steps?",
                "Under $q.1, where does $a1 go in 15 steps?",
                "Under $q.1, where does $a2 go in 1 step?",
            )
        ),
        show=(2,),
    )


def test_an_even_number_of_steps_is_two_halves() -> None:
    """Nothing is left over after an even number of steps."""
    assert asked(TASK.root(Walk("5", 2), CONTEXT)) == Plan(
        Ask(("Under $q.1, where does 5 go in 1 step?", "Under $q.1, where does $a1 go in 1 step?")),
        show=(1,),
    )


def test_an_element_behind_a_pointer_is_passed_on_by_its_name() -> None:
    """A reader who sees the element as its second pointer hands that pointer down."""
    facts = TASK.root(Walk("5", 4), CONTEXT).pointers()[0]
    question = Message(("Under ", facts, ", where does ", Pointer(answer="0.1"), " go in 4 steps?"))
    assert write(question, "$q") == "Under $q.1, where does $q.2 go in 4 steps?"
    plan = asked(question)
    assert isinstance(plan, Plan)
    assert plan.ask.questions == (
        "Under $q.1, where does $q.2 go in 2 steps?",
        "Under $q.1, where does $a1 go in 2 steps?",
    )


def test_the_last_answer_is_the_reply() -> None:
    """What the last subquestion came to answers the question."""
    overseer = TASK.decompose(Walk("5", 3), "")
    next(overseer)
    with pytest.raises(StopIteration) as end:
        overseer.send(["11"])
    assert end.value.value == "11"


@pytest.mark.parametrize("steps", range(1, 64))
def test_the_overseer_is_right(steps: int) -> None:
    """With true primitive answers the overseer finds where every element goes."""
    for element, _ in CONTEXT.rows[::5]:
        walk = Walk(str(element), steps)
        assert truth_told(TASK, walk, CONTEXT).answer == TASK.truth(walk, CONTEXT)


def test_the_largest_question_has_94_workspaces_and_156_actions() -> None:
    """63 steps are five levels of three subquestions; an inner workspace takes three actions."""
    done = truth_told(TASK, Walk("3", 63), CONTEXT)
    assert (done.workspaces, done.actions, done.height) == (94, 156, 5)


@pytest.mark.parametrize(
    ("steps", "fuel"), [(1, 1), (2, 5), (3, 6), (7, 21), (15, 66), (31, 201), (63, 606)]
)
def test_f_star_is_an_ask_its_reserve_and_equal_shares(steps: int, fuel: int) -> None:
    """f(1) = 1 and f(k) = 3 + parts * f(k // 2), up to 606 for 63 steps."""
    assert TASK.fuel(Walk("0", steps)) == fuel


@given(st.integers(1, 63))
def test_the_tree_finishes_on_f_star(steps: int) -> None:
    """f* is enough fuel for every question."""
    walk = Walk("1", steps)
    assert truth_told(TASK, walk, CONTEXT, TASK.fuel(walk)).answer == TASK.truth(walk, CONTEXT)


def test_the_environment_reads_through_pointers() -> None:
    """A single step from an element behind a pointer is looked up, spaces or not."""
    contents = {FACTS_NAME: TASK.render_facts(SWAP), "$q.2": " 01 "}
    asked_about = "Under $q.1, where does $q.2 go in 1 step?"
    assert deliberate(TASK, asked_about, contents).answer == "0"


@pytest.mark.parametrize("element", ["2", "-1", "one", "", "1.0", "9" * 5000, "\u0661"])
def test_the_environment_refuses_what_is_no_element(element: str) -> None:
    """A wrong argument is an error, never a wrong answer."""
    contents = {FACTS_NAME: TASK.render_facts(SWAP), "$q.2": element}
    with pytest.raises(BadTask):
        TASK.environment(Walk("$q.2", 1), contents, TASK.facts_among(contents))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 goes to 0",
        "0 goes to 1\n1 goes to 1",
        "1 goes to 0\n0 goes to 1",
        "0 goes to 1\n1 goes to 2",
        "0 goes to 1\n1 goes to 0\n\n",
        "0 goes to 01\n1 goes to 0",
        "0 goes to 1\n1 goes to 0 ",
        "\n".join(f"{each} goes to {each}" for each in range(257)),
    ],
)
def test_facts_are_read_strictly(text: str) -> None:
    """Only what was written as a permutation is read as one."""
    with pytest.raises(BadTask):
        TASK.read_facts(text)


def test_facts_of_a_file_may_end_their_last_line() -> None:
    """Editors end a file with a line break; it is no fact."""
    assert TASK.read_facts(TASK.render_facts(SWAP) + "\n") == SWAP


def test_a_number_of_steps_is_nearly_log_uniform() -> None:
    """Every level from 1 to 6 is drawn about equally often, and no number of steps under 2."""
    drawn = [walk.steps for walk in TASK.questions(TASK.make(256, 1), 500, 3)]
    levels = [sum(TASK.difficulty(Walk("0", k), 256) == level for k in drawn) for level in range(7)]
    assert min(drawn) == 2
    assert max(drawn) == 63
    assert levels[0] == 0
    assert all(55 < count < 110 for count in levels[1:])


def test_a_small_context_runs_out_of_questions() -> None:
    """Two elements and 62 numbers of steps are 124 questions, all different."""
    drawn = list(TASK.questions(TASK.make(2, 0), 10_000, 0))
    assert len(drawn) == len(set(drawn)) == 124


@given(st.integers(2, 256), st.integers(0, 50), st.integers(1, 63))
def test_the_trivial_baseline_is_right_for_one_element_in_n(n: int, seed: int, steps: int) -> None:
    """Whatever the steps, exactly one element goes to the lowest: the baseline scores 1 in N."""
    facts = TASK.make(n, seed)
    walks = [Walk(str(element), steps) for element in range(n)]
    assert sum(TASK.correct(walk, facts, TASK.trivial(walk, facts)) for walk in walks) == 1


def test_a_larger_task_takes_more_steps() -> None:
    """The largest number of steps is the task object's, for the text and for the symbols."""
    assert TASK.recognise("Under $q.1, where does 5 go in 64 steps?") is None
    larger = Permutation(max_steps=1000)
    walk = larger.recognise("Under $q.1, where does 5 go in 64 steps?")
    assert walk == Walk("5", 64)
    assert larger.tokens(Walk("5", 64), {}) == (5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    with pytest.raises(BadTask, match="2 steps or more"):
        Permutation(max_steps=1)


def test_symbols_wait_for_the_element() -> None:
    """A question has no symbols while its element is locked."""
    walk = Walk("$q.2", 5)
    assert TASK.tokens(walk, {}) is None
    assert TASK.tokens(walk, {"$q.2": "12"}) == (12, 0, 0, 0, 1, 0, 1)


def test_a_root_names_its_context_by_size_and_seed() -> None:
    """A line typed at a prompt stands for a context and a question about it."""
    root = TASK.parse_root("Permutation of 16 from seed 7: where does 5 go in 31 steps?")
    assert root == (Walk("5", 31), CONTEXT)


@pytest.mark.parametrize(
    ("root", "reason"),
    [
        ("permutation of 1 from seed 7: where does 0 go in 3 steps?", "size"),
        ("permutation of 257 from seed 7: where does 5 go in 3 steps?", "size"),
        ("permutation of 16 from seed 7: where does 16 go in 3 steps?", "elements 0 to 15"),
        ("permutation of 16 from seed 7: where does 5 go in 64 steps?", "steps"),
        ("permutation of 16 from seed 7: where does 5 go in 0 steps?", "steps"),
    ],
)
def test_a_root_that_is_out_of_range_says_why(root: str, reason: str) -> None:
    """The person who typed it learns which number does not fit."""
    with pytest.raises(BadTask, match=reason):
        TASK.parse_root(root)
