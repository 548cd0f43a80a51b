"""The judge of the Game of 24: whether 24 can be made at all."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from decomposition.tasks.base import NO_FACTS
from decomposition.tasks.game24 import Game24
from decomposition.tasks.game24_states import State, ascending, candidates, hands
from decomposition.tasks.table import DONT_KNOW
from tests.decomposition.tasks.deliberating import subquestions, truth_told

TASK = Game24()


def judged(*numbers: int | Fraction) -> State:
    """The question whether 24 can be made from these numbers."""
    return ascending(numbers, judged=True)


@pytest.mark.parametrize(
    "text",
    [
        "can 24 be made from 3 8 8?",
        "Can 24 be made with 8, 3, 8",
        "can you make 24 from 8 8 3?",
    ],
)
def test_a_judged_state_is_recognised(text: str) -> None:
    """It is another question than how 24 is made."""
    assert TASK.recognise(text) == judged(3, 8, 8) != TASK.recognise("make 24 from 3 8 8")
    root = TASK.parse_root(text)
    assert root is not None
    assert TASK.render(root[0]) == "can 24 be made from 3 8 8?"


def test_both_questions_have_symbols_of_their_own() -> None:
    """So that nothing is remembered for one that was answered for the other."""
    assert TASK.tokens(judged(3, 8), {}) != TASK.tokens(ascending((3, 8)), {})


@pytest.mark.parametrize("hand", [(4, 6), (3, 8, 8), (1, 5, 11), (2, 2, 2), (1, 2, 2, 6)])
def test_the_overseer_judges_by_smaller_states(hand: tuple[int, ...]) -> None:
    """It asks the smaller states in the order of the candidates, up to the first yes."""
    question = judged(*hand)
    verdict = TASK.truth(question, NO_FACTS)
    done = truth_told(TASK, question, NO_FACTS, TASK.fuel(question))
    assert done.answer == verdict
    asked = subquestions(TASK, question, NO_FACTS)
    assert asked == [each.question for each in candidates(question)][: len(asked)]
    assert all(text.startswith("can 24 be made from") for text in asked)


def test_a_verdict_that_is_none_gives_no_verdict() -> None:
    """Neither yes nor no below: the overseer abstains; nothing is guessed."""
    overseer = TASK.decompose(judged(4, 6), "")
    next(overseer)
    with pytest.raises(StopIteration) as end:
        overseer.send("perhaps")
    assert end.value.value is None


def test_a_verdict_is_right_in_any_writing() -> None:
    """Yes and no, however written; an expression is no verdict."""
    for answer in ("yes", "Yes.", "Answer: YES"):
        assert TASK.correct(judged(4, 6), NO_FACTS, answer)
    for answer in ("no", "4 * 6", "", "impossible"):
        assert not TASK.correct(judged(4, 6), NO_FACTS, answer)
    assert TASK.broken_invariants(judged(4, 6), NO_FACTS, "4 * 6") != ()


def test_a_judge_says_impossible_and_leaves_the_rest() -> None:
    """For a state that is to be solved, no is an answer and yes is none."""
    how = ascending((3, 8, 8))
    assert TASK.table_row(how, {}) == TASK.table_row(judged(3, 8, 8), {})
    assert [TASK.table_reply(how, each) for each in (0, 1)] == ["impossible", None]
    assert [TASK.table_reply(judged(3, 8, 8), each) for each in (0, 1)] == ["no", "yes"]
    assert [TASK.table_answer(each) for each in ("no", "Yes.", "8 * 3", "")] == [
        0, 1, DONT_KNOW, DONT_KNOW,
    ]  # fmt: skip


def test_large_numbers_have_no_row() -> None:
    """What might not fit into the arrays' numbers is left to the overseer."""
    assert TASK.table_row(ascending((10**8, 3, 3)), {}) is None
    assert TASK.table_row(ascending((65, 3, 3, 3)), {}) is None
    assert all(TASK.table_row(ascending(hand), {}) for hand in hands())


def test_both_namespaces_draw_the_same() -> None:
    """Torch and NumPy give equal rows, tokens and steps for equal draws."""
    draws = torch.randint(0, 1 << 62, (3000, 8), generator=torch.Generator().manual_seed(4))
    levels = torch.arange(3000) % 4 + 1
    rows = TASK.table_draw(torch, draws, levels, 4)
    again = TASK.table_draw(np, draws.numpy(), levels.numpy(), 4)
    assert (rows.numpy() == again).all()
    assert bool((TASK.table_levels(torch, rows) == levels).all())
    for theirs, own in (
        (TASK.table_held_out(np, again), TASK.table_held_out(torch, rows)),
        (TASK.table_tokens(np, again, 4).symbols, TASK.table_tokens(torch, rows, 4).symbols),
    ):
        assert (own.numpy() == theirs).all()


def test_drawn_states_are_of_both_kinds() -> None:
    """Some come up under hands, others to which 24 was taken apart; both classes are frequent."""
    draws = torch.randint(0, 1 << 62, (2000, 8), generator=torch.Generator().manual_seed(5))
    for level in (2, 3):
        rows = TASK.table_draw(torch, draws, torch.full((2000,), level), 3)
        solved = TASK.table_truth(torch, rows, None, None).float().mean()
        assert 0.2 < float(solved) < 0.6
