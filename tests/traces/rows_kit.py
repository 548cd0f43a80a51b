"""The kit of training rows: steps written down in Python, without arrays."""

import struct
from collections.abc import Sequence

from msgspec import Struct

from traces.training_rows import NOT_ASKED, StepRows

CONFIG = '{"task": "arithmetic", "size": 6, "reach": 0}'
"""What the configuration of a run with such rows says."""


class Sum(Struct, frozen=True):
    """A row of the task `arithmetic`."""

    question: tuple[int, int, int]
    asked: tuple[tuple[int, int, int], ...] = ()
    answers: tuple[int, ...] = ()
    label: int = 0
    sure: float = 0.5
    flags: int = 3


LONG = Sum((31415, 27182, 0), ((5, 2, 0), (3141, 2718, 0)), (7, 5859), 58597)
OTHER = Sum((11111, 22222, 1), ((1, 2, 1), (1111, 2222, 0)), (4, 3333), 33334, 0.25, 1)
SHORT = Sum((3, 4, 0), (), (), 7, 1.0)


def step_rows(step: int, sums: Sequence[Sum] = (LONG, OTHER, SHORT)) -> StepRows:
    """The rows of a step as they are stored."""
    lines = [_numbers(each) for each in sums]
    columns = [number for column in zip(*lines, strict=True) for number in column]
    return StepRows(
        step,
        step - 1,
        len(sums),
        3,
        2,
        struct.pack(f"<{len(columns)}q", *columns),
        struct.pack(f"<{len(sums)}f", *(each.sure for each in sums)),
        bytes(each.flags for each in sums),
    )


def _numbers(told: Sum) -> list[int]:
    missing = 2 - len(told.asked)
    asked = [*told.asked, *[(0, 0, 0)] * missing]
    answers = [*told.answers, *[NOT_ASKED] * missing]
    return [0, *told.question, told.label, *answers, *(number for each in asked for number in each)]
