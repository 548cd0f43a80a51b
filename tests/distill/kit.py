"""The kit: tasks small enough for tests, and the overseer's generator run over rows."""

from collections.abc import Callable, Mapping, Sequence

import torch
from msgspec import Struct
from torch import Tensor

from decomposition.actions import Abstain
from decomposition.answerers.expert import Plan, SubquestionFailed
from decomposition.hypertext import Failure
from decomposition.tasks.arithmetic import Arithmetic
from decomposition.tasks.base import Facts
from decomposition.tasks.game24 import Game24
from decomposition.tasks.permutation import Permutation
from decomposition.tasks.table import DONT_KNOW, AnyTableTask
from distill.questions import Questions, Stream
from distill.recipe import Recipe
from distill.student import Student
from distill.training import Trainer

Row = tuple[int, ...]

TABLE_TASKS: tuple[tuple[AnyTableTask, int], ...] = (
    (Arithmetic(), 8),
    (Permutation(16), 8),
    (Game24(), 4),
)
"""Tasks with the sizes at which they are tested."""


class Deliberated(Struct, frozen=True):
    """What the generator of one question did."""

    asked: tuple[Row, ...]
    label: int
    """`DONT_KNOW` where it abstained."""


def rows_of(numbers: Tensor) -> list[Row]:
    """The rows of a tensor (B, F) as Python numbers."""
    return [tuple(int(number) for number in row) for row in numbers]


def integers(numbers: Tensor) -> list[int]:
    """The numbers of a tensor (B,)."""
    return [int(number) for number in numbers]


def drawn(task: AnyTableTask, size: int, count: int, seed: int = 0) -> Questions:
    """Questions of all levels alike."""
    stream = Stream(task, size, torch.Generator().manual_seed(seed), per_context=16)
    low, high = task.table_form(size).levels
    return stream.draw(stream.levels([1.0] * (high - low + 1), count))


def deliberated(
    task: AnyTableTask, question: Struct, answer: Callable[[int, Row], int]
) -> Deliberated:
    """One step of the overseer's generator, for given sub-answers.

    Args:
        task: Whose generator it is.
        question: Not primitive.
        answer: From the subquestion's number and row to its answer, `DONT_KNOW` for none.
    """
    asked: list[Row] = []
    texts: dict[str, str] = {}
    overseer = task.decompose(question, task.render(question))
    try:
        wish = next(overseer)
        while True:
            questions = (wish,) if isinstance(wish, str) else _planned(wish)
            for written in questions:
                _ask(task, written, asked, texts, answer)
            last = texts.get(f"$a{len(asked)}")
            if last is None or len(asked) < len(questions):
                wish = overseer.throw(SubquestionFailed(Failure("abstained")))
            else:
                wish = overseer.send(last if isinstance(wish, str) else [last])
    except StopIteration as end:
        silent = isinstance(end.value, Abstain) or end.value is None
        return Deliberated(tuple(asked), DONT_KNOW if silent else task.table_answer(str(end.value)))
    except SubquestionFailed:
        return Deliberated(tuple(asked), DONT_KNOW)


def _planned(wish: object) -> Sequence[str]:
    assert isinstance(wish, Plan)
    return [str(question) for question in wish.ask.questions]


def _ask(
    task: AnyTableTask,
    written: str,
    asked: list[Row],
    texts: dict[str, str],
    answer: Callable[[int, Row], int],
) -> None:
    """Has a subquestion answered, unless an argument of it came to nothing."""
    question = task.recognise(written)
    assert question is not None
    row = task.table_row(question, texts)
    if row is None or len(texts) < len(asked):
        return
    asked.append(row)
    given = answer(len(asked) - 1, row)
    if given != DONT_KNOW:
        texts[f"$a{len(asked)}"] = task.table_written(given)


def contexts_of(task: AnyTableTask, size: int, questions: Questions) -> Mapping[int, Facts]:
    """The contexts of questions, made again from their seeds."""
    return {place: task.make(size, seed) for place, seed in enumerate(questions.seeds)}


TINY = Recipe("arithmetic", size=3, width=16, heads=2, blocks=2, batch=32, warm_up_steps=10)
"""A recipe that takes milliseconds a step."""

JUDGE = Recipe("game24", size=3, width=16, heads=2, blocks=1, batch=32, joined=True, begin_above=2)
"""The same for a judge, with states of three numbers from the first step."""


def trained(recipe: Recipe = TINY, steps: int = 12, seed: int = 0) -> Trainer:
    """A run after some steps."""
    trainer = Trainer(recipe, seed)
    for _ in range(steps):
        trainer.run_step()
    return trainer


def same_weights(first: Student, second: Student) -> bool:
    """Whether two students are equal bit for bit."""
    theirs = second.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in first.state_dict().items())
