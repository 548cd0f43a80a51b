"""What is held out: no run is asked anything that an exam's question could be worked out from."""

from collections.abc import Iterator

import pytest
import torch

from decomposition.tasks.arithmetic import Arithmetic
from decomposition.tasks.game24 import Game24
from decomposition.tasks.game24_closure import ONE_IN, closure_held_out, hand_held_out
from decomposition.tasks.game24_states import State, candidates, hands
from distill.evaluate import Exam, exam, graded, score_level
from distill.questions import Questions, question_held_out, rows_held_out
from distill.training import Trainer
from distill.vocabulary import Answers
from tests.distill.kit import JUDGE, Row, drawn, rows_of

TASK = Game24()


@pytest.fixture(scope="module")
def examined() -> Exam:
    """An exam of the judge."""
    return exam(TASK, 3, 0, 120)


def numbers_left(row: Row) -> int:
    """How many numbers stand in a row."""
    return sum(under > 0 for under in row[1::2])


def below(state: State) -> Iterator[State]:
    """A state and all states of two numbers and more under it."""
    if len(state.numbers) > 1:
        yield state
        for each in candidates(state):
            yield from below(State(each.left))


def test_no_training_question_is_in_the_closure_of_an_exam_state(examined: Exam) -> None:
    """Training, probes and calibration draw from a stream that leaves whole closures out."""
    told = [numbers_left(row) for row in rows_of(examined.questions.rows)]
    closure = {
        TASK.table_row(state, {})
        for row, count in zip(rows_of(examined.questions.rows), told, strict=True)
        if count > 1
        for state in below(State(TASK.table_question(row).numbers))
    }
    trainer = Trainer(JUDGE, 3)
    asked: set[Row] = set()
    for _ in range(60):
        trainer.run_step()
        assert trainer.asked is not None
        asked |= set(rows_of(trainer.asked.rows))
    asked |= set(rows_of(drawn(TASK, 3, 4000).rows))
    assert {numbers_left(row) for row in asked} == {1, 2, 3}
    assert len(closure) > 1000
    assert not asked & closure
    assert not asked & {TASK.table_row(state, {}) for state in closure_held_out()}


def test_an_exam_asks_only_what_is_held_out(examined: Exam) -> None:
    """All of it but single numbers, which are marked as seen; no state twice."""
    rows = examined.questions.rows
    assert bool((rows_held_out(TASK, rows) | (examined.levels == 1)).all())
    assert len(set(rows_of(rows))) == len(rows)
    assert examined.seen == {name for name in examined.classes if name.startswith("1")}
    told = {name: examined.classes.count(name) for name in examined.classes}
    assert told["3 no"] == told["3 yes"] == told["2 no"] == 60


def test_the_closure_is_that_of_some_hands() -> None:
    """A hand in so many, chosen by its hash, and everything of two numbers and more under it."""
    chosen = [hand for hand in hands() if hand_held_out(hand)]
    assert len(chosen) == pytest.approx(1820 / ONE_IN, rel=0.2)
    counts = [sum(len(each.numbers) == n for each in closure_held_out()) for n in (1, 2, 3, 4)]
    assert counts == [0, 7302, 1249, len(chosen)]


def test_tasks_without_a_rule_of_their_own_go_by_the_hash_of_the_row() -> None:
    """A sum is held out by itself, one in sixteen."""
    sums = Arithmetic()
    rows = torch.randint(0, 10**6, (4000, 3), generator=torch.Generator().manual_seed(2))
    held = rows_held_out(sums, rows)
    assert torch.equal(held, question_held_out(rows))
    assert float(held.float().mean()) == pytest.approx(1 / 16, rel=0.2)


def test_a_level_is_scored_by_the_mean_of_its_classes(examined: Exam) -> None:
    """Whoever always says no has one half at every level, and is told class by class."""

    def no(asked: Questions) -> Answers:
        return Answers(torch.zeros(len(asked), dtype=torch.int64), torch.ones(len(asked)))

    assert score_level(examined, no, 3) == score_level(examined, no, 2) == 0.5
    by_class = graded(examined, examined.trivial).by_depth
    assert (by_class["3 no"], by_class["3 yes"]) == (1.0, 0.0)
