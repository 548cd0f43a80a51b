"""Counts: what a run cost, each kind apart."""

from msgspec import Struct
from msgspec.structs import replace


class Counts(Struct):
    """Grows while a run goes on."""

    task_labels: int = 0
    """Right answers taken from the task: 0 in everything but the supervised twins."""
    questions: int = 0
    """Asked for training."""
    probes: int = 0
    """Asked to see whether student and amplified system agree."""
    lookups: int = 0
    """Primitive questions that the environment answered."""
    overseer_steps: int = 0
    """Turns of the overseer: one for each subquestion that it asked, one for each reply."""
    student_forwards: int = 0
    """Questions that the student answered, those in training apart."""
    kept: int = 0
    """Labels that were trusted."""
    cpu_s: float = 0.0
    """CPU seconds of drawing, amplifying, probing and training; without evaluation, and without
    the keeping of rows, which no arm but the amplified one has."""

    def copy(self) -> "Counts":
        """The counts as they stand now."""
        return replace(self)
