"""Rounds as recorded: the lines of `rounds.jsonl`. Values only; what cannot be read is an error.

A line is one round of one arm. It stands for itself: whoever has the file can draw every curve
again without the run.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

FORMAT: Final = 1
"""Of the lines written here; lines of another format are refused."""

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]


class Measure(Struct, frozen=True, forbid_unknown_fields=True):
    """An accuracy with what it rests on. What got no answer counts as wrong."""

    accuracy: Share
    n: Count
    """Questions."""
    units: Count
    """Independent units: contexts where questions share them, else questions."""
    low: Share
    """Lower end of the interval that covers the truth in 95 of 100 samples of units."""
    high: Share


class Scored(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody's answers to an exam."""

    overall: Measure
    answered: Share
    """Share of questions that got an answer."""
    by_depth: dict[str, Measure]
    """By `depth_class`, lowest level first."""


class Spent(Struct, frozen=True, forbid_unknown_fields=True):
    """What a run has cost so far, each kind apart; the measurements themselves are not in it."""

    task_labels: Count
    questions: Count
    probes: Count
    lookups: Count
    overseer_steps: Count
    student_forwards: Count
    kept: Count
    cpu_s: Annotated[float, Meta(ge=0)]


class Round(Struct, frozen=True, forbid_unknown_fields=True):
    """One round of one arm; round 0 is the student before its first step."""

    arm: str
    round: Count
    step: Count
    """Steps taken at its end."""
    frontier: int
    """The highest level that was asked in it."""
    promoted_to: int | None
    """The frontier of the next round; None where it stays."""
    before_first_label: Share | None
    """Accuracy at the new frontier before its first label; None where it stays."""
    agreement: Share | None
    """Of the last probe; None before the first, and in arms that make none."""
    kept: Share | None
    """Share of labels that were trusted, over the round; None for round 0."""
    loss_nats: float | None
    """Mean over the round, per answer symbol; None for round 0."""
    student: Scored
    """The averaged student at its end."""
    amplified: Scored | None
    """One step of the overseer over that student; None where it was not measured."""
    calls_per_answer: Annotated[float, Meta(ge=0)] | None
    """Turns of overseer and student for one answer of the amplified system."""
    spent: Spent
    format: Literal[1] = FORMAT


def encode_round(told: Round) -> bytes:
    """A round as its line, without the line's end."""
    return msgspec.json.encode(told)


def decode_round(line: bytes) -> Round:
    """The round of a line.

    Raises:
        DecodeError: It is no JSON, or not of this form.
    """
    return msgspec.json.decode(line, type=Round)
