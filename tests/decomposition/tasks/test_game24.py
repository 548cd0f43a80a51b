"""Game of 24: the fixed order reproduces the published averages; answers are verified exactly."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decomposition.errors import BadTask
from decomposition.tasks.base import NO_FACTS
from decomposition.tasks.game24 import (
    IMPOSSIBLE,
    Game24,
    State,
    candidates,
    evaluate,
    hands,
    solvable,
)
from tests.decomposition.tasks.deliberating import deliberate, truth_told

TASK = Game24()
SHARED = Path(__file__).parents[4] / "shared" / "data" / "game24"
SOLVABLE = [hand for hand in hands() if solvable(hand)]
RATIONALS = st.fractions(-30, 30, max_denominator=12)


def state(*numbers: int | Fraction) -> State:
    """The state of these numbers."""
    return State(tuple(sorted(map(Fraction, numbers))))


def test_1362_of_1820_hands_are_solvable() -> None:
    """The solvable hands are as many as the published list of puzzles has."""
    every = list(hands())
    assert len(every) == len(set(every)) == 1820
    assert len(SOLVABLE) == 1362


class Walks:
    """The overseer's search with every state worked once, and what it would take without."""

    def __init__(self) -> None:
        self.workspaces: dict[str, int] = {}
        self.answers: dict[str, str] = {}
        self.asked: dict[str, tuple[str, ...]] = {}

    def work(self, written: str) -> str:
        """The overseer's answer; its workspaces and subquestions are remembered."""
        if written in self.answers:
            return self.answers[written]
        question = TASK.recognise(written)
        assert question is not None
        asked: list[str] = []
        if TASK.is_primitive(question):
            answer = TASK.environment(question, {}, NO_FACTS)
        else:
            answer = self._driven(question, written, asked)
        self.answers[written], self.asked[written] = answer, tuple(asked)
        self.workspaces[written] = 1 + sum(self.workspaces[each] for each in asked)
        return answer

    def opened(self, written: str, seen: set[str]) -> None:
        """Add the questions that are opened where equal ones are joined."""
        if written not in seen:
            seen.add(written)
            for each in self.asked[written]:
                self.opened(each, seen)

    def _driven(self, question: State, written: str, asked: list[str]) -> str:
        overseer = TASK.decompose(question, written)
        wish = next(overseer)
        try:
            while True:
                assert isinstance(wish, str)
                asked.append(wish)
                wish = overseer.send(self.work(wish))
        except StopIteration as stop:
            return stop.value


def test_the_search_takes_the_published_numbers_of_workspaces() -> None:
    """717 workspaces a solvable hand, 233 with joins inside a hand, 32 with joins over all."""
    walks = Walks()
    alone = inside = 0
    shared: set[str] = set()
    for hand in SOLVABLE:
        written = TASK.render(state(*hand))
        answer = walks.work(written)
        assert TASK.correct(state(*hand), NO_FACTS, answer)
        alone += walks.workspaces[written]
        seen: set[str] = set()
        walks.opened(written, seen)
        inside += len(seen)
        shared |= seen
    assert [round(total / 1362, 2) for total in (alone, inside, len(shared))] == [
        717.05,
        232.84,
        31.89,
    ]


@pytest.mark.parametrize(("cards", "fuel"), [(1, 1), (2, 19), (3, 379), (4, 13_717)])
def test_f_star_is_what_a_search_in_vain_spends(cards: int, fuel: int) -> None:
    """A hand without a solution and without a zero in its search spends f* to the last step."""
    hand = {1: (5,), 2: (1, 2), 3: (2, 11, 13), 4: (1, 2, 5, 11)}[cards]
    done = truth_told(TASK, state(*hand), NO_FACTS, fuel)
    assert TASK.fuel(state(*hand)) == fuel
    assert (done.answer, done.left) == (IMPOSSIBLE, 0)


@pytest.mark.parametrize("hand", [(4, 5, 6, 10), (3, 3, 8, 8), (1, 1, 1, 1), (1, 3, 4, 6)])
def test_the_overseer_answers_hands_within_f_star(hand: tuple[int, ...]) -> None:
    """It finds a right expression where there is one, the ones with fractions among them."""
    done = truth_told(TASK, state(*hand), NO_FACTS, TASK.fuel(state(*hand)))
    assert TASK.correct(state(*hand), NO_FACTS, done.answer)
    assert (done.answer == IMPOSSIBLE) == (hand == (1, 1, 1, 1))


@given(st.lists(RATIONALS, min_size=1, max_size=3))
def test_the_overseer_and_the_truth_agree(numbers: list[Fraction]) -> None:
    """Two independent searches, by states and by values, solve the same states."""
    question = state(*numbers)
    answer = truth_told(TASK, question, NO_FACTS).answer
    assert TASK.correct(question, NO_FACTS, answer)
    assert TASK.correct(question, NO_FACTS, TASK.truth(question, NO_FACTS))
    assert (answer == IMPOSSIBLE) == (not solvable(numbers))


def test_candidates_stand_in_a_fixed_order() -> None:
    """Pairs from the left; for each the sum, the product, both differences, both quotients."""
    assert [each.combined for each in candidates(state(4, 6))] == [
        "4 + 6",
        "4 * 6",
        "4 - 6",
        "6 - 4",
        "4 / 6",
        "6 / 4",
    ]
    assert [each.question for each in candidates(state(1, 2, 5))][:7] == [
        "make 24 from 3 5",
        "make 24 from 2 5",
        "make 24 from -1 5",
        "make 24 from 1 5",
        "make 24 from 1/2 5",
        "make 24 from 2 5",
        "make 24 from 2 6",
    ]


def test_there_are_at_most_36_candidates_and_none_divides_by_zero() -> None:
    """Six pairs with six results each; a zero takes its quotients away."""
    assert max(len(candidates(state(*hand))) for hand in SOLVABLE[::50]) == 36
    assert len(candidates(state(0, 5))) == 5
    assert len(candidates(state(0, 0))) == 4


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("4 * (10 - 4)", "(6 - 2) * (10 - 4)"),
        ("(10 - 4) * 4", "(10 - (6 - 2)) * 4"),
        ("4", "6 - 2"),
        ("(10-4)*4", "(10-(6 - 2))*4"),
    ],
)
def test_one_occurrence_of_the_combined_number_is_spelled_out(solution: str, answer: str) -> None:
    """The first place where the combined number stands becomes what it was made from."""
    overseer = TASK.decompose(state(2, 4, 6, 10), "make 24 from 2 4 6 10")
    wish = next(overseer)
    while wish != "make 24 from 4 4 10":
        wish = overseer.send(IMPOSSIBLE)
    with pytest.raises(StopIteration) as end:
        overseer.send(solution)
    assert end.value.value == answer


def test_fractions_and_negative_numbers_are_spelled_out_too() -> None:
    """A number such as 8/3 or -2 is one token, not a quotient or a minus."""
    done = deliberate(TASK, "make 24 from 3 3 8 8", {})
    assert done.answer == "8 / (3 - (8 / 3))"
    assert TASK.correct(state(-2, 12), NO_FACTS, "12 * -2") is False
    assert TASK.correct(state(-2, -12), NO_FACTS, "-12 * -2")


def test_a_solution_that_misses_the_combined_number_is_passed_over() -> None:
    """What cannot be spelled out cannot be an answer; the next candidate is asked."""
    overseer = TASK.decompose(state(4, 6), "make 24 from 4 6")
    assert next(overseer) == "make 24 from 10"
    assert overseer.send("23 + 1") == "make 24 from 24"


@pytest.mark.parametrize(
    "answer",
    [
        "(10 - 6) * 5 + 4",
        "4 + 5 * (10 - 6)",
        "4+5*(10-6)",
        "  ((10 - 6)\n* 5) + 4 ",
        "Answer: (10 - 6) * 5 + 4 = 24",
        "(10 \u2212 6) \u00d7 5 + 4.",
    ],
)
def test_every_right_expression_is_correct(answer: str) -> None:
    """Spacing, order and the usual words around an expression do not matter."""
    assert TASK.correct(state(4, 5, 6, 10), NO_FACTS, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "impossible",
        "24",
        "4 * 6",
        "(10 - 6) * 5 + 4 + 0",
        "(10 - 6) * (5 + 4)",
        "(10 - 6) * 5 + 4 = 25",
        "10 - 6 * 5 + 4",
        "(10 - 6)(5 + 4)",
        "(10 - 6) * 5 + 4)",
        "((10 - 6) * 5 + 4",
        "4 5 6 10",
        "__import__('os')",
        "4 ** 5 - 6 - 10",
        "4 / (5 - 5) + 6 + 10",
        "(" * 5000,
        "",
    ],
)
def test_wrong_expressions_are_not_correct(answer: str) -> None:
    """Every number exactly once, the four operations, 24 exactly, and nothing else."""
    assert not TASK.correct(state(4, 5, 6, 10), NO_FACTS, answer)


def test_impossible_is_correct_where_nothing_works() -> None:
    """For a hand without a solution "impossible" is right, however it is written."""
    for answer in ("impossible", " Impossible. ", "IMPOSSIBLE"):
        assert TASK.correct(state(1, 1, 1, 1), NO_FACTS, answer)
    assert not TASK.correct(state(1, 1, 1, 1), NO_FACTS, "1 + 1 + 1 + 1")


def test_a_slash_is_a_number_only_where_the_number_is_there() -> None:
    """8/3 is a quotient for whole numbers and one number where 8/3 is on the table."""
    third = evaluate("9 / 8/3", state(9, Fraction(8, 3)).numbers)
    whole = evaluate("9 / 8/3", state(3, 8, 9).numbers)
    assert third is not None
    assert whole is not None
    assert (third.value, len(third.used)) == (Fraction(27, 8), 2)
    assert (whole.value, len(whole.used)) == (Fraction(3, 8), 3)


@given(st.text(alphabet="0123456789+-*/() =.", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text breaks the reader."""
    evaluate(text, state(1, 2).numbers)
    TASK.correct(state(1, 2), NO_FACTS, text)


@pytest.mark.parametrize(
    "text",
    [
        "make 24 from 4 5 6 10",
        "Make 24 with 4, 5, 6, 10",
        "make 24 from 10,6,5,4.",
        "MAKE 24 using: 4 5 6 10",
    ],
)
def test_a_puzzle_is_recognised(text: str) -> None:
    """Commas, order and the word before the numbers do not matter."""
    assert TASK.recognise(text) == state(4, 5, 6, 10)


@pytest.mark.parametrize(
    "text",
    ["make 24", "make 24 from", "make 24 from a b", "make 25 from 1 2", "make 24 from 1/0 3"],
)
def test_other_text_is_not_recognised(text: str) -> None:
    """Only numbers make a puzzle."""
    assert TASK.recognise(text) is None


@pytest.mark.parametrize(
    "text", ["make 24 from 1 2 3 4 5", "make 24 from one two", f"make 24 from {10**9}"]
)
def test_a_puzzle_that_is_none_says_why(text: str) -> None:
    """The person who typed it learns what a puzzle is made of."""
    with pytest.raises(BadTask, match="1 to 4 numbers"):
        TASK.parse_root(text)


def test_large_numbers_do_not_lead_out_of_the_task() -> None:
    """Whatever the largest numbers of a puzzle come to is still recognised."""
    large = Fraction(999_999_999, 999_999_998)
    question = state(large, -999_999_997, 999_999_999)
    done = truth_told(TASK, question, NO_FACTS, TASK.fuel(question))
    assert done.answer == IMPOSSIBLE
    numbers = state(large, -large, 999_999_997, Fraction(-999_999_995, 999_999_994)).numbers
    for _ in range(3):
        numbers = max((each.left for each in candidates(State(numbers))), key=str)
        assert TASK.recognise(TASK.render(State(numbers))) == State(numbers)


def test_a_batch_line_may_have_numbers() -> None:
    """A puzzle's own field is its question."""
    assert TASK.of_fields({"id": "7", "numbers": [10, 4, 6, 5]}) == "make 24 from 4 5 6 10"
    assert TASK.of_fields({"numbers": "10, 4, 8/3"}) == "make 24 from 8/3 4 10"
    assert TASK.of_fields({"question": "why?"}) is None


@pytest.mark.parametrize("numbers", [[], [1, 2, 3, 4, 5], ["x"], [1.5], [True], 24, None, [[1]]])
def test_numbers_that_are_none_are_refused(numbers: object) -> None:
    """A line with a bad field is an error, never another question."""
    with pytest.raises(BadTask):
        TASK.of_fields({"numbers": numbers})


def test_the_trivial_baseline_is_right_for_458_hands() -> None:
    """Saying that it is impossible is right for a quarter of all hands and for no puzzle."""
    right = [
        TASK.correct(state(*hand), NO_FACTS, TASK.trivial(state(*hand), NO_FACTS))
        for hand in hands()
    ]
    assert sum(right) == 458


RECORDED = (
    ((4, 5, 6, 10), "Answer: (4 * 5) + (10 - 6) = 24", True),
    ((4, 5, 6, 10), "Answer: (10 - 6) * (4 + 5) = 24", False),
    ((3, 4, 4, 13), "Answer: (13 - 3) * (4 - 4 + 1) = 24", False),
    ((3, 4, 4, 13), "Answer: (13 - 3) * (4 - (4 / 4)) = 24", False),
    ((3, 4, 6, 8), "(3 * 4) * (8 - 6) = 24", True),
    ((3, 4, 6, 8), "(8 - 6) * 4 * 3 = 24", True),
    ((4, 5, 7, 9), "(4 - 5 + 9) * 7 = 24", False),
    ((6, 7, 8, 9), "(6 * 7) / (9 - 8) = 24", False),
)
"""Answers of a model as they were published: one of each form, with its verdict."""


def test_recorded_answers_are_judged_as_published() -> None:
    """Each form with its verdict, and where the whole public data is at hand all of it."""
    published = [*RECORDED, *_shared()]
    assert [TASK.correct(state(*hand), NO_FACTS, sample) for hand, sample, _ in published] == [
        right for *_, right in published
    ]
    assert all(solvable(hand) for hand, *_ in published)


def _shared() -> Iterator[tuple[tuple[int, ...], str, bool]]:
    """The answers of the public data; none where it is not at hand."""
    if not SHARED.exists():
        return
    puzzles = [msgspec.json.decode(line) for line in _lines("puzzles.jsonl")]
    hands_of = {puzzle["id"]: tuple(puzzle["numbers"]) for puzzle in puzzles}
    for line in map(msgspec.json.decode, _lines("gpt4_io_samples.jsonl")):
        for sample, flag in zip(line["samples"], line["correct"], strict=False):
            if line["id"] in hands_of:
                yield hands_of[line["id"]], sample, bool(flag)


def _lines(name: str) -> list[bytes]:
    return (SHARED / name).read_bytes().splitlines()
