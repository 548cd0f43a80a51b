"""The judge beside a lookup table that was taught the very same labels, and the arms of its run.

    python -m benchmarks.game24_table RUN [--arms ARM,…] [--steps N] [--json]

RUN is the folder of `workbench iterate game24`. The amplified arm is run again, step by step as it
was, and every label that its student took is also taught to the table. On states that are held out
the table knows nothing: there it gives the answer that was most frequent among its labels. Arms
are run along the same schedule. Of each, the accuracies of both classes and their mean.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import msgspec
import torch
from msgspec import Struct

from distill.batch_amplifier import Answering
from distill.checkpoint import load_checkpoint
from distill.counts import Counts
from distill.evaluate import Exam, exam, graded
from distill.questions import Questions
from distill.recipe import Arm
from distill.table_student import TableStudent
from distill.threads import set_threads
from distill.training import Trainer
from distill.vocabulary import Answers
from workbench.rounds.run_folder import Plan, RunFolder, read_as

LOOKED_UP: Final = "lookup table"


class Row(Struct):
    """What somebody's answers to the exam are worth."""

    who: str
    by_class: dict[str, float]
    balanced: dict[str, float]
    """By level: the mean of its classes."""
    n: dict[str, int]
    spent: Counts


class Constant:
    """A table's answers, and its most frequent label where it knows none."""

    def __init__(self) -> None:
        self.table = TableStudent()
        self.labels: Counter[int] = Counter()

    def learn(self, questions: Questions, labels: torch.Tensor, taken: torch.Tensor) -> None:
        """Take over the labels of a step."""
        self.table.learn(questions, labels, taken)
        self.labels.update(int(label) for label in labels[taken])

    def __call__(self, questions: Questions) -> Answers:
        """What was taught, else the most frequent label."""
        told = self.table(questions)
        often = self.labels.most_common(1)[0][0] if self.labels else 0
        return Answers(torch.where(told.values < 0, often, told.values), told.confidence)


def graded_row(who: str, examined: Exam, answering: Answering, spent: Counts) -> Row:
    """Somebody's answers to an exam, class by class."""
    by_class = graded(examined, answering(examined.questions).values)
    levels: dict[str, list[float]] = {}
    for name, accuracy in by_class.by_depth.items():
        levels.setdefault(name.partition(" ")[0], []).append(accuracy)
    means = {level: sum(each) / len(each) for level, each in levels.items()}
    return Row(who, by_class.by_depth, means, by_class.by_depth_n, spent)


def rows(folder: RunFolder, arms: tuple[Arm, ...], most: int) -> Iterator[Row]:
    """Trivial baseline, lookup table, student and other arms after so many steps, at most."""
    plan = read_as(folder.plan, Plan)
    kept = load_checkpoint(folder.checkpoint("amplified"))
    examined = exam(kept.task, plan.recipe.size, plan.seed, plan.per_level)
    steps = min(most, kept.step)
    yield graded_row("trivial", examined, _Trivial(examined), Counts())
    again, table = Trainer(plan.recipe, plan.seed), Constant()
    while again.step < steps:
        again.run_step()
        if again.latest is not None:
            asked, amplified = again.latest
            table.learn(asked, amplified.labels, amplified.kept)
    yield graded_row(f"{LOOKED_UP} of {len(table.table)}", examined, table, again.counts)
    yield graded_row("student", examined, again.averaged, again.counts)
    for arm in arms:
        other = Trainer(plan.recipe, plan.seed, arm, follows=kept.curriculum.schedule)
        while other.step < steps:
            other.run_step()
        yield graded_row(arm, examined, other.averaged, other.counts)


class _Trivial:
    """The trivial baseline's answers."""

    def __init__(self, examined: Exam) -> None:
        self._examined = examined

    def __call__(self, questions: Questions) -> Answers:
        """Those of the exam."""
        return Answers(self._examined.trivial, torch.ones(len(questions)))


def described(row: Row) -> str:
    """A row in one line."""
    classes = ", ".join(f"{name} {each:.3f}" for name, each in row.by_class.items())
    means = ", ".join(f"{name} {each:.3f}" for name, each in row.balanced.items())
    return f"{row.who:<24}{classes}; balanced {means}; {row.spent.cpu_s:.0f} CPU s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--arms", default="", help="further arms, with commas between")
    parser.add_argument("--steps", type=int, default=1_000_000, help="of the run, at most")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    set_threads()
    arms = tuple(arm for arm in get_args(Arm) if arm in options.arms.split(","))
    for row in rows(RunFolder(options.run), arms, options.steps):
        print(json.dumps(msgspec.to_builtins(row)) if options.json else described(row), flush=True)


if __name__ == "__main__":
    main()
