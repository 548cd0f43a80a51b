"""Examples: what training learns from, as values that a store keeps and a fit takes.

A row is made of a training step's questions and everything that their labels rest on. An example is
a question about a context with an answer and its weight, from wherever it was recorded. Right
answers are no part of either.
"""

import torch

from decomposition.errors import EngineBug
from distill.batch_amplifier import Amplified
from distill.questions import Questions
from distill.recipe import Recipe
from distill.training import Trainer
from traces.training_rows import AUDITED, KEPT, StepRows

# -- rows --------------------------------------------------------------------------------------


def step_rows(trainer: Trainer) -> StepRows:
    """The rows of the step that a run took last.

    Raises:
        EngineBug: It amplified nothing.
    """
    if trainer.latest is None:
        raise EngineBug("rows are made of what was amplified, and nothing was")
    questions, amplified = trainer.latest
    return StepRows(
        trainer.step,
        teacher_step(trainer.recipe, trainer.step),
        len(questions),
        questions.rows.shape[1],
        amplified.subanswers.shape[1],
        _numbers(questions, amplified),
        amplified.confidence.numpy().astype("<f4").tobytes(),
        (amplified.audited * AUDITED + amplified.kept * KEPT).to(torch.uint8).numpy().tobytes(),
    )


def _numbers(questions: Questions, amplified: Amplified) -> bytes:
    seeds = torch.tensor(questions.seeds)[questions.contexts]  # (B,)
    columns = (
        seeds[:, None],
        questions.rows,
        amplified.labels[:, None],
        amplified.subanswers,
        amplified.subquestions.flatten(1),
    )
    table = torch.cat(columns, 1)  # (B, 2 + F + S + S * F)
    return table.T.contiguous().numpy().astype("<i8").tobytes()


def teacher_step(recipe: Recipe, step: int) -> int:
    """Steps after which the averaged student stood as it answers in a step.

    Args:
        recipe: Of the run.
        step: Number of the step, from 1.
    """
    before = step - 1
    return before if recipe.regime == "online" else before - before % recipe.round_steps
