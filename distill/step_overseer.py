"""The step overseer: a step over arrays as an answerer of the engine, one question at a time.

So a faulty, biased or foreign overseer of a training run decomposes in recorded trees as it did
over whole batches.
"""

from collections.abc import Sequence

import torch

from decomposition.actions import Abstain, Ask, Given, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.hypertext import escape
from decomposition.tasks.table import DONT_KNOW, AnyTableTask
from decomposition.view import View
from distill.batch_amplifier import Step


class StepOverseer(Answerer):
    """Asks one subquestion after another, looks at each answer, and replies or abstains."""

    def __init__(self, identity: str, task: AnyTableTask, step: Step) -> None:
        self.identity = identity
        self._task = task
        self._step = step

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """One turn for each view."""
        return [self._turn(view) for view in views]

    def _turn(self, view: View) -> Given:
        task = self._task
        question = task.recognise(view.question)
        row = None if question is None else task.table_row(question, {})
        if row is None:
            return (Abstain(f"this is not a question of {task.name}"),)
        told = [
            task.table_answer(seen.answer) if isinstance(seen.answer, str) else DONT_KNOW
            for seen in view.asked
        ]
        given = torch.tensor([told], dtype=torch.int64)  # (1, S)
        step = self._step(torch.tensor([row]), given)
        if bool(step.asks[0]):
            asked = task.table_question(tuple(int(number) for number in step.question[0]))
            return (Ask((task.render(asked),)), Unlock((f"$a{len(told) + 1}",)))
        if bool(step.replies[0]):
            return (Reply(escape(task.table_written(int(step.reply[0])))),)
        return (Abstain("no answer was found"),)
