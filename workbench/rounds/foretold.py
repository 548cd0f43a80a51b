"""What was foretold of a run, beside what came: frontier, rounds and answers, without training.

Told from the task and its overseer alone (`distill.prediction`); right answers are not read.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from distill.prediction import Recursed
    from distill.questions import Questions
    from distill.table_student import TableStudent
    from traces.rounds_record import Round
    from workbench.rounds.run_folder import Plan
    from workbench.rounds.scoring import Examiner


class Pair(Struct, frozen=True, forbid_unknown_fields=True):
    """A number beside what came of it."""

    foretold: int
    came: int | None
    """None where the run ended before."""


class Foretold(Struct, frozen=True, forbid_unknown_fields=True):
    """What could be told of a run before it."""

    frontier: Pair | None = None
    """The level at which it stops; None for a table, which has none."""
    labelled: dict[str, float] | None = None
    """Share of each level's questions that can get a label."""
    rounds: dict[str, Pair] | None = None
    """By level: after which round a table's answers are all the last ones; None without one."""
    answers: Pair | None = None
    """How many answers the table has in the end, and how many of these are the foretold ones."""


def of_frontier(plan: "Plan", last: "Round", examiner: "Examiner") -> Foretold:
    """How far the frontier can move, beside how far it moved by the last round."""
    from distill.batch_amplifier import over_tensors
    from distill.prediction import reach

    step = examiner.overseer or over_tensors(examiner.task.table_step)
    found = reach(plan.recipe, examiner.task, step, plan.seed)
    return Foretold(
        frontier=Pair(found.frontier, last.promoted_to or last.frontier),
        labelled={str(level): share for level, share in found.labelled.items()},
    )


class Watch:
    """Looks at a table after each round for what was foretold of it."""

    def __init__(self, examiner: "Examiner") -> None:
        self._examiner = examiner
        self._last = self._recursed(examiner.exam.questions)
        self._levels = sorted({int(level) for level in examiner.exam.levels})
        self._settled: dict[int, int] = {}

    def look(self, number: int, student: "TableStudent") -> None:
        """Takes in the answers after a round."""
        right = student(self._examiner.exam.questions).values == self._last.answers
        for level in self._levels:
            if not bool(right[self._examiner.exam.levels == level].all()):
                self._settled.pop(level, None)
            else:
                self._settled.setdefault(level, number)

    def foretold(self, student: "TableStudent", asked: "Questions") -> Foretold:
        """What was foretold, beside what a table came to on all that it was asked."""
        own, last = student(asked).values, self._recursed(asked).answers
        known = own >= 0
        return Foretold(
            rounds={str(level): self._pair(level) for level in self._levels},
            answers=Pair(int((last >= 0).sum()), int((known & (own == last)).sum())),
        )

    def _pair(self, level: int) -> Pair:
        needed = self._last.rounds[self._examiner.exam.levels == level]
        return Pair(int(needed.max()), self._settled.get(level))

    def _recursed(self, questions: "Questions") -> "Recursed":
        from distill.batch_amplifier import over_tensors
        from distill.prediction import recursed

        examiner = self._examiner
        step = examiner.overseer or over_tensors(examiner.task.table_step)
        return recursed(examiner.task, examiner.size, questions, step)


def in_words(foretold: Foretold) -> list[str]:
    """A line for each thing that was foretold."""
    lines: list[str] = []
    if foretold.frontier is not None:
        lines.append(f"frontier: foretold {_words('level', foretold.frontier)}")
    if foretold.rounds is not None:
        parts = [f"{name}: {_short(pair)}" for name, pair in foretold.rounds.items()]
        lines.append(f"rounds to each level, foretold/came: {', '.join(parts)}")
    if foretold.answers is not None:
        told, came = foretold.answers.foretold, foretold.answers.came or 0
        lines.append(f"answers as foretold: {came:,} of {told:,}")
    return lines


def _words(noun: str, pair: Pair) -> str:
    """Such as "level 2, came to level 2"."""
    came = "none" if pair.came is None else f"{noun} {pair.came}"
    return f"{noun} {pair.foretold}, came to {came}"


def _short(pair: Pair) -> str:
    return f"{pair.foretold}/{'-' if pair.came is None else pair.came}"
