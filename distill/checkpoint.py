"""Checkpoints: a training run between two steps, in one file.

A run that goes on from a checkpoint ends, on one thread, with the weights bit for bit that it
would have had without a stop. The file is replaced in one go, so that a kill leaves the old one or
the new one. It holds tensors and JSON; nothing in it can run.
"""

import os
from collections.abc import Mapping
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec
import safetensors.torch
import torch
from msgspec import Struct
from safetensors import SafetensorError
from torch import Tensor

from decomposition.tasks.table import AnyTableTask
from distill.batch_amplifier import Step
from distill.counts import Counts
from distill.curriculum import Curriculum, Schedule
from distill.errors import BadCheckpoint
from distill.questions import Questions
from distill.recipe import Arm, Recipe
from distill.student import Student
from distill.training import Learned, Trainer

FORMAT: Final = 1
_HASH_LENGTH: Final = 64
_LENGTH_BYTES: Final = 8


class RunState(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about a run that is no tensor."""

    format: int
    recipe: Recipe
    seed: int
    arm: Arm
    step: int
    counts: Counts
    curriculum: Curriculum
    follows: Schedule | None
    buffer_seeds: list[tuple[int, ...]]
    """Of the contexts of each batch that is kept for replay."""
    buffer_grouped: list[int]
    """`per_context` of the same batches: another grouping would round differently."""
    rows_digest: str = ""
    """Of all training rows so far; empty where nobody keeps them."""


def save_checkpoint(trainer: Trainer, path: Path) -> None:
    """Writes a run's state; the old file stands until the new one is complete."""
    state = RunState(
        FORMAT,
        trainer.recipe,
        trainer.seed,
        trainer.arm,
        trainer.step,
        trainer.counts,
        trainer.curriculum,
        trainer.follows,
        [learned.questions.seeds for learned in trainer.buffer],
        [learned.questions.per_context for learned in trainer.buffer],
        trainer.rows_digest,
    )
    told = msgspec.json.encode(state)
    weights = safetensors.torch.save(_tensors(trainer))
    body = len(told).to_bytes(_LENGTH_BYTES, "little") + told + weights
    replace_file(path, sha256(body).hexdigest().encode() + body)


def load_checkpoint(
    path: Path, *, task: AnyTableTask | None = None, overseer: Step | None = None
) -> Trainer:
    """The run as it stood.

    Args:
        path: Of the file.
        task: As in `Trainer`, which takes the recipe's task otherwise.
        overseer: As in `Trainer`.

    Raises:
        BadCheckpoint: The file does not hold together.
    """
    state, tensors = _read(path)
    trainer = Trainer(
        state.recipe,
        state.seed,
        state.arm,
        task=task,
        overseer=overseer,
        follows=state.follows,
    )
    try:
        _restore(trainer, state, tensors)
    except (KeyError, RuntimeError, ValueError) as wrong:
        raise BadCheckpoint(path, f"does not fit its own recipe ({wrong})") from wrong
    return trainer


def replace_file(path: Path, content: bytes) -> None:
    """Puts a file in the place of another, so that no moment sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _read(path: Path) -> tuple[RunState, dict[str, Tensor]]:
    try:
        content = path.read_bytes()
    except OSError as wrong:
        raise BadCheckpoint(path, f"cannot be read ({wrong.strerror})") from wrong
    claimed, body = content[:_HASH_LENGTH], content[_HASH_LENGTH:]
    if sha256(body).hexdigest().encode() != claimed:
        raise BadCheckpoint(path, "is damaged: its hash does not fit its content")
    end = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "little")
    try:
        state = msgspec.json.decode(body[_LENGTH_BYTES:end], type=RunState)
        tensors = safetensors.torch.load(body[end:])
    except (msgspec.DecodeError, SafetensorError) as wrong:
        raise BadCheckpoint(path, f"is of another version ({wrong})") from wrong
    if state.format != FORMAT:
        raise BadCheckpoint(path, f"has format {state.format}, this is format {FORMAT}")
    return state, tensors


# -- tensors by name ---------------------------------------------------------------------------


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for name, student in _students(trainer).items():
        named |= {f"{name}/{key}": value.clone() for key, value in student.state_dict().items()}
    for name, generator in trainer.generators.items():
        named[f"generator/{name}"] = generator.get_state()
    for place, parameter in enumerate(trainer.student.parameters()):
        state: Mapping[str, Tensor] = trainer.optimiser.state.get(parameter, {})
        named |= {f"optimiser/{place}/{key}": value.clone() for key, value in state.items()}
    for place, learned in enumerate(trainer.buffer):
        parts = _parts(learned)
        named |= {f"buffer/{place}/{key}": value.clone() for key, value in parts.items()}
    return named


def _students(trainer: Trainer) -> dict[str, Student]:
    students = {"student": trainer.student, "average": trainer.average}
    return (
        students if trainer.teacher is trainer.average else students | {"teacher": trainer.teacher}
    )


def _parts(learned: Learned) -> dict[str, Tensor]:
    questions = learned.questions
    return {
        "rows": questions.rows,
        "contexts": questions.contexts,
        "facts": questions.facts,
        "labels": learned.labels,
        "taken": learned.taken,
    }


def _restore(trainer: Trainer, state: RunState, tensors: Mapping[str, Tensor]) -> None:
    for name, student in _students(trainer).items():
        student.load_state_dict(_under(tensors, name))
    for name, generator in trainer.generators.items():
        generator.set_state(tensors[f"generator/{name}"])
    _restore_optimiser(trainer, _under(tensors, "optimiser"))
    trainer.step = state.step
    trainer.curriculum = state.curriculum
    trainer.rows_digest = state.rows_digest
    for name in Counts.__struct_fields__:
        setattr(trainer.counts, name, getattr(state.counts, name))
    trainer.buffer = [
        _learned(_under(tensors, f"buffer/{place}"), seeds, grouped)
        for place, (seeds, grouped) in enumerate(
            zip(state.buffer_seeds, state.buffer_grouped, strict=True)
        )
    ]


def _restore_optimiser(trainer: Trainer, tensors: Mapping[str, Tensor]) -> None:
    whole = trainer.optimiser.state_dict()
    pairs = sorted(
        (
            (int(name.partition("/")[0]), name.partition("/")[2], each)
            for name, each in tensors.items()
        ),
        key=lambda pair: pair[:2],
    )
    whole["state"] = {
        place: {key: value for _, key, value in group}
        for place, group in groupby(pairs, key=lambda pair: pair[0])
    }
    trainer.optimiser.load_state_dict(whole)


def _under(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors whose names begin with this one, by what follows."""
    before = f"{name}/"
    return {
        key.removeprefix(before): each for key, each in tensors.items() if key.startswith(before)
    }


def _learned(parts: Mapping[str, Tensor], seeds: tuple[int, ...], grouped: int) -> Learned:
    questions = Questions(parts["rows"], parts["contexts"], parts["facts"], seeds, grouped)
    return Learned(questions, parts["labels"], parts["taken"].to(torch.bool))
