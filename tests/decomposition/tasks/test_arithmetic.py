"""Arithmetic: sums by last digits and carry, products by one digit of a factor at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decomposition.actions import Abstain
from decomposition.errors import BadTask
from decomposition.step import DEFAULT_CAPS
from decomposition.tasks.arithmetic import MAX_DIGITS, Arithmetic, Calculation
from decomposition.tasks.base import NO_FACTS
from tests.decomposition.tasks.deliberating import deliberate, subquestions, truth_told

TASK = Arithmetic()
LONG = st.integers(0, 10**MAX_DIGITS - 1)


def asked(text: str) -> list[str]:
    """The subquestions of a question."""
    question = TASK.recognise(text)
    assert question is not None
    return subquestions(TASK, question, NO_FACTS)


def test_a_sum_asks_its_last_digits_and_then_the_rest_with_the_carry() -> None:
    """A sum of L digits needs one of last digits and one of L - 1 digits."""
    assert asked("487 + 1956") == ["7 + 6", "48 + 195 + 1"]
    assert asked("48 + 195 + 1") == ["8 + 5 + 1", "4 + 19 + 1"]
    assert asked("40 + 195") == ["0 + 5", "4 + 19"]


def test_a_long_sum_is_cut_in_half() -> None:
    """Over sixteen digits the last half goes first; its carry is handed on all the same."""
    assert asked(f"{10**16 + 99999999} + 1") == ["99999999 + 1", "100000000 + 0 + 1"]


def test_a_product_asks_one_digit_and_the_rest_of_a_factor_and_adds() -> None:
    """One factor loses its last digit, then the other; what they come to is added."""
    assert asked("12 * 34") == ["12 * 4", "12 * 3", "360 + 48"]
    assert asked("12 * 4") == ["4 * 2", "4 * 1", "40 + 8"]


@given(LONG, LONG, st.sampled_from((0, 1)))
def test_sums_of_a_hundred_digits_are_exact(left: int, right: int, carry: int) -> None:
    """With true tables the overseer adds any two numbers, on the fuel that f* says."""
    question = Calculation(left, right, 1 if carry else 0)
    done = truth_told(TASK, question, NO_FACTS, TASK.fuel(question))
    assert done.answer == str(left + right + carry) == TASK.truth(question, NO_FACTS)


@given(st.integers(0, 10**9), st.integers(0, 10**7))
def test_products_are_exact(left: int, right: int) -> None:
    """With true tables the overseer multiplies, on the fuel that f* says."""
    question = Calculation(left, right, sign="*")
    done = truth_told(TASK, question, NO_FACTS, TASK.fuel(question))
    assert done.answer == str(left * right) == TASK.truth(question, NO_FACTS)


@pytest.mark.parametrize("digits", [1, 2, 6, 16, 17, 64, 65, 99, 100])
def test_a_sum_is_a_chain_of_two_workspaces_a_digit(digits: int) -> None:
    """L digits take 2 L - 1 workspaces and 6 L - 5 fuel, all of it spent."""
    question = Calculation(10**digits - 1, 10**digits - 1)
    done = truth_told(TASK, question, NO_FACTS, TASK.fuel(question))
    assert TASK.fuel(question) == done.actions == 6 * digits - 5
    assert (done.workspaces, done.left) == (2 * digits - 1, 0)


def test_no_tree_is_deeper_than_a_session_allows() -> None:
    """A sum is under 20 questions deep whatever its length, and a long product under 40."""
    for digits in (*range(1, 40), 63, 64, 65, 66, 67, 99, 100):
        assert truth_told(TASK, Calculation(10**digits - 1, 1), NO_FACTS).height < 20
    product = Calculation(10**33 - 1, 10**16 - 1, sign="*")
    assert truth_told(TASK, product, NO_FACTS).height < 40 < DEFAULT_CAPS.depth


@pytest.mark.parametrize(
    "text",
    ["487 + 1956", "487+1956", " What is  487 + 1956? ", "what is 0487 +1956 ?", "487 + 1956 ="],
)
def test_a_sum_is_recognised(text: str) -> None:
    """Spaces, leading zeros and the usual words around a sum do not matter."""
    assert TASK.recognise(text) == Calculation(487, 1956)


@pytest.mark.parametrize("text", ["12 * 34", "12x34", "12 X 34", "12 \u00d7 34", "What is 12*34?"])
def test_a_product_is_recognised(text: str) -> None:
    """A star, an x and a multiplication sign all multiply."""
    assert TASK.recognise(text) == Calculation(12, 34, sign="*")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "487",
        "487 + ",
        "-1 + 2",
        "1 + 2 + 3",
        "1 * 2 + 1",
        "4 8 + 1",
        "1.5 + 2",
        "$q.1 + 2",
        "٣ + ٤",
    ],
)
def test_other_text_is_not_recognised(text: str) -> None:
    """What is no sum with a carry and no product belongs to somebody else."""
    assert TASK.recognise(text) is None
    assert TASK.parse_root(text) is None


@pytest.mark.parametrize("text", [f"{10**100} + 1", f"{10**50} * {10**50}", f"1 + {10**600}"])
def test_numbers_that_are_too_long_are_refused(text: str) -> None:
    """The engine passes over them; the person who typed them learns why."""
    assert TASK.recognise(text) is None
    with pytest.raises(BadTask, match="at most 100 digits"):
        TASK.parse_root(text)


@pytest.mark.parametrize("wrong", ["20", "many", "", "-3", "1.0"])
def test_last_digits_that_cannot_be_are_not_believed(wrong: str) -> None:
    """The overseer abstains where a sum of last digits is no number below 20."""
    overseer = TASK.decompose(Calculation(48, 7), "48 + 7")
    assert next(overseer) == "8 + 7"
    with pytest.raises(StopIteration) as end:
        overseer.send(wrong)
    assert isinstance(end.value.value, Abstain)


@pytest.mark.parametrize("wrong", ["many", "9" * 200])
def test_parts_of_a_product_that_cannot_be_are_not_believed(wrong: str) -> None:
    """The overseer abstains where a part is no number, or too long to be added."""
    overseer = TASK.decompose(Calculation(48, 17, sign="*"), "48 * 17")
    assert next(overseer) == "48 * 7"
    assert overseer.send(wrong) == "48 * 1"
    with pytest.raises(StopIteration) as end:
        overseer.send("48")
    assert isinstance(end.value.value, Abstain)


def test_the_trivial_baseline_is_never_right() -> None:
    """No drawn sum is its larger number, for neither number is 0."""
    facts = TASK.make(3, 0)
    drawn = list(TASK.questions(facts, 5000, 1))
    assert not any(TASK.correct(each, facts, TASK.trivial(each, facts)) for each in drawn)
    assert {TASK.difficulty(each, 3) for each in drawn} == {2, 3}


@given(LONG, LONG, st.integers(1, 8))
def test_casting_out_nines_finds_what_is_off_by_less_than_nine(a: int, b: int, off: int) -> None:
    """A sum that is wrong by 1 to 8 breaks an invariant, without anybody knowing the truth."""
    wrong = str(a + b + off)
    assert "nine" in " ".join(TASK.broken_invariants(Calculation(a, b), NO_FACTS, wrong))


def test_a_wrong_digit_spoils_the_sum() -> None:
    """A subquestion answered wrongly makes the answer wrong: nothing is computed on the side."""
    for question in TASK.questions(TASK.make(7, 0), 20, 0):
        done = deliberate(TASK, TASK.render(question), {}, spoil=_one_more)
        assert done.answer != TASK.truth(question, NO_FACTS)


def _one_more(question: str, answer: str) -> str:
    asked_about = TASK.recognise(question)
    assert asked_about is not None
    return str(int(answer) + 1) if TASK.is_primitive(asked_about) else answer
