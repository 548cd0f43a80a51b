"""Evaluation: a student's folder against held-out questions, level by level."""

from pathlib import Path

from msgspec import Struct

from distill.evaluate import exam
from distill.folder import Loaded, load_student
from distill.questions import Questions
from distill.threads import set_threads
from distill.training import answered
from distill.vocabulary import Answers
from workbench.rounds.rounds_summary import ArmScore, arm_score
from workbench.rounds.rounds_text import score_table
from workbench.rounds.scoring import Examiner


class Evaluated(Struct, frozen=True):
    """A student's scores with what stands beside them."""

    student: str
    """Its identity."""
    size: int
    seed: int
    """Of the exam."""
    accuracy: dict[str, ArmScore]
    """`student`, `amplified` and `trivial`."""
    calls_per_answer: dict[str, float]
    seen: tuple[str, ...]
    """Levels whose questions also occur in training."""


def evaluated(folder: Path, task: str, *, seed: int, per_level: int) -> Evaluated:
    """A student's scores.

    Raises:
        BadStudent: The folder does not hold together, or is another task's.
        UnsafeStudent: It would run code.
    """
    set_threads()
    loaded = load_student(folder, task)
    size = loaded.record.size
    grouped = 16 if loaded.task.has_facts else 1
    examiner = Examiner(exam(loaded.task, size, seed, per_level, grouped), loaded.task, size)
    answering = _Answering(loaded)
    both = examiner.amplified(answering)
    scores = {
        "student": examiner.student(answering),
        "amplified": both.scored,
        "trivial": examiner.trivial(),
    }
    return Evaluated(
        student=loaded.identity,
        size=size,
        seed=seed,
        accuracy={name: arm_score(scored) for name, scored in scores.items()},
        calls_per_answer={"student": 1.0, "amplified": both.calls_per_answer},
        seen=tuple(sorted(examiner.exam.seen)),
    )


def as_text(scores: Evaluated) -> str:
    """The scores as a table for people."""
    calls = scores.calls_per_answer["amplified"]
    return "\n".join(
        [
            scores.student,
            *score_table(scores.accuracy, scores.seen),
            f"calls for an answer: student 1, amplified {calls:.2f}",
        ]
    )


class _Answering:
    """A loaded student as X."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def __call__(self, questions: Questions) -> Answers:
        """Its answers."""
        return answered(self._loaded.student, self._loaded.vocabulary, questions)
