"""The table run: rounds with a learner that fits its labels, so that learning is no limit.

It is asked the exam's own questions and all that their overseer asks, all the way down: nothing is
held out, since a table knows nothing that it was not taught. Right answers are not used; what is
scored is how far amplification alone gets, round by round.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import asdict, replace

from decomposition.tasks.table import DONT_KNOW
from distill.batch_amplifier import Amplified, Amplifier
from distill.counts import Counts
from distill.prediction import recursed
from distill.questions import Questions
from distill.rounds import GOAL, Reached
from distill.table_student import TableStudent
from distill.vocabulary import Answers
from traces.rounds_record import Round, Spent
from workbench.rounds.foretold import Foretold, Watch
from workbench.rounds.rounds_summary import Finished
from workbench.rounds.run_folder import Plan, RunFolder
from workbench.rounds.scoring import Examiner

MOST_ROUNDS: Final = 1_000
"""A table that still changes by then never settles."""


class TableRun:
    """A table between two rounds."""

    def __init__(self, folder: RunFolder, plan: Plan, examiner: Examiner) -> None:
        self.folder, self.plan, self.examiner = folder, plan, examiner
        self.student = TableStudent()
        self.counts = Counts()
        self.rounds: list[Round] = []
        self._amplifier = Amplifier(
            examiner.task, examiner.size, self.student, self.counts, examiner.overseer
        )
        self._questions = examiner.exam.questions
        self._known = set(_keys(self._questions))
        self._watch = Watch(examiner)

    def work(self) -> Finished:
        """Amplifies and learns until nothing changes any more."""
        began = time.monotonic()
        self._discover(self._all_the_way())
        self._close_round(None)
        while self._going_on() and self._round():
            pass
        wall_s = time.monotonic() - began
        return Finished("amplified", tuple(self.rounds), _goal(self.rounds), wall_s)

    @property
    def foretold(self) -> Foretold:
        """What could be told of this run beforehand, beside what it came to."""
        return self._watch.foretold(self.student, self._questions)

    def _going_on(self) -> bool:
        return len(self.rounds) <= min(self.plan.rounds or MOST_ROUNDS, MOST_ROUNDS)

    def _round(self) -> int:
        """One round; how many answers or questions are new."""
        began = time.process_time()
        asked = self._questions
        amplified = self._amplifier.amplify(asked)
        self.counts.questions += len(asked)
        self.counts.kept += int(amplified.kept.sum())
        changed = self.student.learn(asked, amplified.labels, amplified.kept)
        self._discover(self._amplifier)
        self.counts.cpu_s += time.process_time() - began
        self._close_round(float(amplified.kept.float().mean()))
        return changed + len(self._questions) - len(asked)

    def _all_the_way(self) -> Amplifier:
        """The overseer over itself: it asks what it would ask of a student that knows all of it."""
        examiner = self.examiner
        task, size, step = examiner.task, examiner.size, self._amplifier.step

        def answer(asked: Questions) -> Answers:
            answers = recursed(task, size, asked, step).answers
            return Answers(answers, (answers != DONT_KNOW).float())

        return Amplifier(task, size, answer, self.counts, step)

    def _discover(self, amplifier: Amplifier) -> None:
        """Takes in what the overseer asks of the student, and asks about that, until all is known.

        What depends on answers that the table had otherwise in between comes up in a later round.
        """
        while True:
            asked = self._questions
            self._questions = self._grown(asked, amplifier.amplify(asked))
            if len(self._questions) == len(asked):
                return

    def _grown(self, asked: Questions, amplified: Amplified) -> Questions:
        """The questions with those that the overseer asked of the student for the first time."""
        places, columns = amplified.by_student.nonzero().unbind(1)
        below = asked.asking(amplified.subquestions[places, columns], places)
        new = set(_keys(below)) - self._known
        self._known |= new
        if not new:
            return asked
        every = sorted(self._known)
        return replace(
            asked,
            rows=asked.rows.new_tensor([list(row) for _, row in every]),
            contexts=asked.contexts.new_tensor([context for context, _ in every]),
            per_context=0,
        )

    def _close_round(self, kept: float | None) -> None:
        both = self.examiner.amplified(self.student)
        told = Round(
            arm="amplified",
            round=len(self.rounds),
            step=len(self.rounds),
            frontier=int(max(self.examiner.exam.levels)),
            promoted_to=None,
            before_first_label=None,
            agreement=None,
            kept=kept,
            loss_nats=None,
            student=self.examiner.student(self.student),
            amplified=both.scored,
            calls_per_answer=both.calls_per_answer,
            spent=Spent(**asdict(self.counts)),
        )
        self._watch.look(told.round, self.student)
        self.rounds.append(told)
        self.folder.write_rounds(self.rounds)


def _goal(rounds: Sequence[Round]) -> Reached | None:
    """What it took to be right at the highest level."""
    for told in rounds:
        if list(told.student.by_depth.values())[-1].accuracy >= GOAL:
            return Reached(told.spent.questions, told.spent.cpu_s, told.step)
    return None


def _keys(questions: Questions) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each question as its context and its row."""
    for context, row in zip(questions.contexts, questions.rows, strict=True):
        yield int(context), tuple(int(number) for number in row)
