"""Engine and batch amplifier: for the same sub-answers, the same answer."""

import pytest
import torch

from decomposition.tasks.permutation import Permutation
from decomposition.tasks.table import DONT_KNOW, AnyTableTask
from distill.batch_amplifier import NOT_ASKED, Amplified, Amplifier, over_tensors
from distill.counts import Counts
from distill.questions import Questions
from distill.vocabulary import Answers
from tests.distill.kit import TABLE_TASKS, drawn, integers, rows_of
from tests.distill.test_batch_amplifier import Noise
from traces.training_rows import Row
from workbench.derive import Derived, Ground, RowsConfig, derive, ground
from workbench.derive_view import says_its_label
from workbench.rounds.overseers import Overseer, overseer

SPECS = {
    "arithmetic": ("expert", "faulty:0.2:expert", "without:carry:expert", "biased:no-carry:expert"),
    "permutation": ("expert", "faulty:0.2:expert", "without:odd", "biased:one-too-far"),
    "game24": ("expert", "without:level-2:expert"),
}
"""Overseers by task."""
QUESTIONS = 100
SILENT = 12
"""X knows nothing of one question in about so many, beside what it is silent about anyway."""
CASES = [(task, size, spec) for task, size in TABLE_TASKS for spec in SPECS[task.name]]


def engine_of(task: AnyTableTask, size: int, who: Overseer) -> Ground:
    """What the engine works rows on."""
    reach = task.max_steps if isinstance(task, Permutation) else 0
    return ground(RowsConfig(task.name, size, reach, 0, "", who.spec, who.identity))


def rows_from(questions: Questions, amplified: Amplified) -> list[tuple[str, Row]]:
    """Questions, sub-answers and labels of a batch as named rows."""
    asked = [rows_of(rows) for rows in amplified.subquestions]
    given = [
        tuple(each for each in integers(row) if each != NOT_ASKED) for row in amplified.subanswers
    ]
    seeds = [questions.seeds[place] for place in integers(questions.contexts)]
    return [
        (
            str(place),
            Row(
                1, place, 0, seeds[place], row, tuple(asked[place][: len(given[place])]),
                given[place], int(amplified.labels[place]), 1.0,
                audited=False, kept=True, redacted=False,
            ),
        )
        for place, row in enumerate(rows_of(questions.rows))
    ]  # fmt: skip


def worked(task: AnyTableTask, size: int, spec: str, count: int) -> tuple[Ground, list[Derived]]:
    """Random questions, amplified in a batch over a noisy X and worked again by the engine."""
    who = overseer(spec, task, size, 0)
    questions = drawn(task, size, count)
    noise = Noise(task, size)

    def silent_now_and_then(asked: Questions) -> Answers:
        silent = asked.rows.sum(1) % SILENT == 0
        given = noise(asked)
        return Answers(torch.where(silent, DONT_KNOW, given.values), given.confidence)

    amplifier = Amplifier(task, size, silent_now_and_then, Counts(), over_tensors(who.step))
    rows = rows_from(questions, amplifier.amplify(questions))
    on = engine_of(task, size, who)
    return on, list(derive(on, rows))


@pytest.mark.parametrize(("task", "size", "spec"), CASES)
def test_the_engine_comes_to_the_label_of_the_batch(
    task: AnyTableTask, size: int, spec: str
) -> None:
    """Right, wrong and missing sub-answers; primitive questions and abstentions among them."""
    torch.set_num_threads(1)
    on, trees = worked(task, size, spec, QUESTIONS)
    apart = [tree.row for tree in trees if not says_its_label(on, tree)]
    assert apart == []
    assert len({tree.row.label for tree in trees}) > 1
    assert any(tree.row.label < 0 for tree in trees)
    assert any(not tree.row.subquestions for tree in trees)
