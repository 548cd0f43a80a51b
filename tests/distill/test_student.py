"""The student: equal questions get equal answers, whatever stands beside them."""

import pytest
import torch

from decomposition.tasks.arithmetic import Arithmetic
from decomposition.tasks.permutation import Permutation
from decomposition.tasks.table import DONT_KNOW, AnyTableTask
from distill.questions import Questions, bare, contexts_held_out, rows_held_out
from distill.recipe import Recipe
from distill.student import Student
from distill.training import answered
from distill.vocabulary import IGNORE, Vocabulary
from tests.distill.kit import TABLE_TASKS, drawn
from tests.distill.test_checkpoint import PERMUTATION


def made(recipe: Recipe, task: AnyTableTask) -> tuple[Student, Vocabulary]:
    """An untrained student."""
    vocabulary = Vocabulary(task, recipe.size)
    generator = torch.Generator().manual_seed(4)
    return Student(vocabulary.architecture(recipe), generator), vocabulary


@pytest.mark.parametrize("joined", [False, True])
def test_neighbours_change_no_answer(joined: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A question alone, among longer ones and among others of its context has one answer."""
    recipe = Recipe("permutation", 8, 16, joined=joined, fact_blocks=1)
    for student, vocabulary, questions in (
        (*made(Recipe("arithmetic", 8), Arithmetic()), drawn(Arithmetic(), 8, 64)),
        (*made(recipe, Permutation(16)), drawn(Permutation(16), 8, 64)),
    ):
        together = answered(student, vocabulary, questions)
        for place in range(0, 64, 7):
            alone = answered(student, vocabulary, questions.at(torch.tensor([place])))
            assert int(alone.values) == int(together.values[place])
            assert float(alone.confidence) == pytest.approx(float(together.confidence[place]))


@pytest.mark.parametrize(("task", "size"), TABLE_TASKS)
def test_targets_are_read_back(task: AnyTableTask, size: int) -> None:
    """What slots are taught to say is what the answer is, "don't know" included."""
    vocabulary = Vocabulary(task, size)
    questions = drawn(task, size, 200)
    truth = task.table_truth(torch, questions.rows, questions.facts, questions.contexts)
    truth[::5] = DONT_KNOW
    everything = torch.ones(len(questions), dtype=torch.bool)
    targets = vocabulary.targets(questions, truth, everything)
    said = torch.nn.functional.one_hot(targets.clamp(min=0), len(vocabulary.symbols)).float()
    told = vocabulary.answers(questions, said.log())
    assert torch.equal(told.values, truth)
    none = vocabulary.targets(questions, truth, ~everything)
    assert bool((none == IGNORE).all())


def test_an_answer_that_no_slots_can_spell_is_not_taught() -> None:
    """A sum of two digits is not taught seven; nor a walk an element that there is not."""
    vocabulary = Vocabulary(Arithmetic(), 4)
    questions = bare(torch.tensor([[12, 34, 0], [12, 34, 0]]))
    taken = torch.ones(2, dtype=torch.bool)
    targets = vocabulary.targets(questions, torch.tensor([1_234_567, 46]), taken)
    assert (targets != IGNORE).sum(1).tolist() == [0, 3]  # pyright: ignore[reportUnknownMemberType]


def test_what_the_vocabulary_cannot_tell_is_not_answered() -> None:
    """A question above the student's size or about an unknown element gets "don't know"."""
    student, vocabulary = made(Recipe("arithmetic", 3), Arithmetic())
    sums = bare(torch.tensor([[1234, 5, 0], [123, 45, 1]]))
    values = answered(student, vocabulary, sums).values
    assert int(values[0]) == DONT_KNOW != int(values[1])
    student, vocabulary = made(PERMUTATION, Permutation(4))
    asked = drawn(Permutation(4), 4, 1)
    strange = Questions(torch.tensor([[9, 2]]), asked.contexts, asked.facts)
    assert int(answered(student, vocabulary, strange).values) == DONT_KNOW


@pytest.mark.parametrize(("task", "size"), TABLE_TASKS)
def test_training_never_asks_what_is_held_out(task: AnyTableTask, size: int) -> None:
    """Held out is by context where there are contexts, else by question above the lowest level."""
    questions = drawn(task, size, 2000)
    if task.has_facts:
        made_again = [task.make(size, seed) for seed in questions.seeds]
        assert not any(contexts_held_out(task, made_again))
        return
    above = task.table_levels(torch, questions.rows) > 1
    assert not bool(rows_held_out(task, questions.rows[above]).any())
