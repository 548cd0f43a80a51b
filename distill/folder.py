"""The student folder: `weights.safetensors` and `student.json`; never a pickle.

A student is loaded only if hash, shapes, vocabulary and finiteness hold. Its identity is
`student:TASK@sha256`, the hash being that of its weights.
"""

import json
import pickletools
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Final

import msgspec
import safetensors.torch
import torch
from msgspec import Struct, field
from safetensors import SafetensorError
from torch import Tensor

from decomposition.errors import BadTask
from decomposition.tasks.table import AnyTableTask
from distill.checkpoint import replace_file
from distill.errors import BadRecipe, BadStudent, UnsafeStudent
from distill.student import Architecture, Student
from distill.training import Trainer, table_task
from distill.vocabulary import Vocabulary

WEIGHTS: Final = "weights.safetensors"
RECORD: Final = "student.json"
FORMAT: Final = 1
_RECORD_BYTES: Final = 1 << 20
_WEIGHT_BYTES: Final = 1 << 30
_LARGEST: Final = 1 << 16
"""The greatest number in an architecture, so that nothing absurd is allotted."""
_AT_LEAST_ONE: Final = frozenset({"width", "heads", "widening"})
_CODE_SUFFIXES: Final = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib")
_ARCHIVE: Final = b"PK\x03\x04"
_SNIFFED: Final = 1 << 20


class StudentRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """What `student.json` says."""

    task: str
    size: int
    architecture: Architecture
    vocabulary: tuple[str, ...]
    sha256: str
    """Of the file of weights."""
    reach: int = 0
    recipe_hash: str = ""
    arm: str = "amplified"
    seed: int = 0
    round: int = 0
    step: int = 0
    highest_label: int = 0
    """The highest level that it was ever trained on."""
    rows_digest: str = ""
    """Of the training rows that stand in a store; empty where none do."""
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    format: int = FORMAT


class Loaded(Struct, frozen=True):
    """A student that held together."""

    record: StudentRecord
    task: AnyTableTask
    student: Student
    vocabulary: Vocabulary

    @property
    def identity(self) -> str:
        """Such as `student:arithmetic@5f3c…`."""
        return f"student:{self.record.task}@{self.record.sha256}"


def described(
    trainer: Trainer, number: int = 0, metrics: Mapping[str, float] | None = None
) -> StudentRecord:
    """The record of a run's averaged student as it stands.

    Args:
        trainer: The run.
        number: Of the round.
        metrics: What was measured, by name.
    """
    recipe = trainer.recipe
    return StudentRecord(
        task=recipe.task,
        size=recipe.size,
        architecture=trainer.average.architecture,
        vocabulary=trainer.vocabulary.symbols,
        sha256="",
        reach=recipe.reach,
        recipe_hash=recipe.hash(),
        arm=trainer.arm,
        seed=trainer.seed,
        round=number,
        step=trainer.step,
        highest_label=trainer.curriculum.frontier,
        rows_digest=trainer.rows_digest,
        metrics=dict(metrics or {}),
    )


def as_teacher(trainer: Trainer, teacher: Student) -> Loaded:
    """A copy of a run's teacher as it would be loaded, had it been saved as it stands."""
    weights = safetensors.torch.save({k: v.clone() for k, v in teacher.state_dict().items()})
    record = msgspec.structs.replace(described(trainer), sha256=sha256(weights).hexdigest())
    return Loaded(record, trainer.task, teacher, trainer.vocabulary)


def save_student(folder: Path, student: Student, record: StudentRecord) -> StudentRecord:
    """Writes a student; its record with the hash of the weights filled in."""
    weights = safetensors.torch.save({k: v.clone() for k, v in student.state_dict().items()})
    record = msgspec.structs.replace(
        record, architecture=student.architecture, sha256=sha256(weights).hexdigest()
    )
    replace_file(folder / WEIGHTS, weights)
    replace_file(folder / RECORD, msgspec.json.format(msgspec.json.encode(record), indent=2))
    return record


def load_student(folder: Path, task: str | None = None) -> Loaded:
    """The student of a folder.

    Args:
        folder: With both files.
        task: That it must be a student of; None for any.

    Raises:
        UnsafeStudent: A file would run code when it is read; it was not read.
        BadStudent: Something does not hold together.
    """
    record = _record(folder)
    if task is not None and record.task != task:
        raise BadStudent(folder, f"is a student of {record.task}, not of {task}")
    weights = _bytes(folder, WEIGHTS, _WEIGHT_BYTES)
    if sha256(weights).hexdigest() != record.sha256:
        raise BadStudent(folder / WEIGHTS, f"hash mismatch: {RECORD} tells another sha256")
    known = _vocabulary(folder, record)
    layers = _layers(folder / WEIGHTS, weights)
    _check_size(folder, record.architecture, len(weights))
    student = Student(record.architecture, torch.Generator().manual_seed(0))
    student.load_state_dict(_fitting(folder / WEIGHTS, layers, student.state_dict()))
    student.requires_grad_(requires_grad=False)
    return Loaded(record, known.task, student, known)


# -- files -------------------------------------------------------------------------------------


def _bytes(folder: Path, name: str, most: int) -> bytes:
    try:
        return _read(folder, name, most)
    except OSError as wrong:
        raise BadStudent(Path(str(folder)[:200]), f"cannot be read: {wrong.strerror}") from wrong


def _read(folder: Path, name: str, most: int) -> bytes:
    path = folder / name
    if not path.is_file():
        _refuse_code_instead(folder)
        raise BadStudent(path, "is not there" if folder.is_dir() else "there is no such folder")
    if path.stat().st_size > most:
        raise BadStudent(path, f"is larger than {most} bytes")
    content = path.read_bytes()
    if not content:
        raise BadStudent(path, "is empty")
    if _would_run(content):
        raise UnsafeStudent(path, "is a pickle, which runs code when it is read; refused unread")
    return content


def _refuse_code_instead(folder: Path) -> None:
    """A folder with a pickle where the weights belong is refused as what it is."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.suffix in _CODE_SUFFIXES:
            raise UnsafeStudent(path, f"may run code when it is read; a student has {WEIGHTS}")


def _would_run(content: bytes) -> bool:
    """Whether this is a pickle, bare or in an archive. Nothing of it is executed."""
    if content.startswith(_ARCHIVE):
        return True
    # Too long to be read to its end: protocols 2 and up name themselves, where a file of weights
    # has the length of its header, which is never so large.
    if len(content) > _SNIFFED and content[0] == 0x80 and any(content[3:8]):
        return True
    try:
        last = ""
        for opcode, _, _ in pickletools.genops(BytesIO(content[:_SNIFFED])):
            last = opcode.name
    except Exception:  # noqa: BLE001 - whatever stops the reader, this is no pickle
        return False
    return last == "STOP"


def _record(folder: Path) -> StudentRecord:
    content = _bytes(folder, RECORD, _RECORD_BYTES)
    path = folder / RECORD
    try:
        record = msgspec.json.decode(content, type=StudentRecord)
        json.loads(content, object_pairs_hook=_unique)
    except (msgspec.DecodeError, ValueError, RecursionError) as wrong:
        raise BadStudent(path, f"is no record of a student ({wrong})") from wrong
    if record.format != FORMAT:
        raise BadStudent(path, f"has format {record.format}, this is format {FORMAT}")
    sizes = msgspec.structs.asdict(record.architecture)
    absurd = [
        name for name, size in sizes.items() if not (name in _AT_LEAST_ONE) <= size <= _LARGEST
    ]
    if absurd:
        raise BadStudent(path, f"the architecture is out of range ({', '.join(absurd)})")
    return record


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; refuses one that names a key twice."""
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a key stands twice")
    return told


# -- what must hold ----------------------------------------------------------------------------


def _vocabulary(folder: Path, record: StudentRecord) -> Vocabulary:
    try:
        known = Vocabulary(table_task(record.task, record.reach), record.size)
    except (BadTask, BadRecipe) as wrong:
        raise BadStudent(folder, str(wrong)) from wrong
    if known.symbols != record.vocabulary:
        told, own = " ".join(record.vocabulary[:20]), " ".join(known.symbols[:20])
        raise BadStudent(folder, f"its vocabulary is [{told}], that of {record.task} is [{own}]")
    wrong = _misfits(record, known)
    if wrong:
        raise BadStudent(folder, f"its architecture is not one for {record.task}: {wrong[0]}")
    return known


def _misfits(record: StudentRecord, known: Vocabulary) -> list[str]:
    """What of an architecture the forms of the task contradict, both sides named."""
    sizes, form = record.architecture, known.form
    wanted = {
        "symbols": {len(known.symbols)},
        "roles": {len(form.roles)},
        "facts": {record.size if form.fact_symbols else 0},
        "fact_symbols": {form.fact_symbols},
        "copied": {form.copied},
        # Joined tokens have no places that an offset could move.
        "joined": {0} if form.shifts else {0, form.tokens},
    }
    wrong = [
        f"{name} is {told}, not {' or '.join(map(str, sorted(right)))}"
        for name, right in wanted.items()
        if (told := getattr(sizes, name)) not in right
    ]
    if sizes.places < form.places:
        wrong.append(f"places is {sizes.places}, not {form.places} or more")
    if sizes.width % sizes.heads:
        wrong.append(f"{sizes.heads} heads do not share a width of {sizes.width}")
    return wrong


def _check_size(folder: Path, sizes: Architecture, held: int) -> None:
    """Nothing, if the weights can be in so many bytes; so nothing is allotted for others.

    Raises:
        BadStudent: The architecture asks for more.
    """
    maps = (sizes.blocks + sizes.fact_blocks) * (4 + 2 * sizes.widening)
    maps += sizes.joined + sizes.fact_symbols
    rows = 2 * sizes.symbols + sizes.roles + sizes.places
    asked = (maps * sizes.width + rows) * sizes.width
    if 4 * asked > held:
        raise BadStudent(
            folder / WEIGHTS, f"holds {held // 4} numbers, the record asks for {asked} and more"
        )


def _layers(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError) as wrong:
        raise BadStudent(path, f"is no file of weights ({wrong})") from wrong


def _fitting(
    path: Path, weights: dict[str, Tensor], expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    for name in sorted({*weights, *expected}):
        told, wanted = weights.get(name), expected.get(name)
        if told is None or wanted is None:
            raise BadStudent(path, f"{name} is {'missing' if told is None else 'unknown'}")
        if told.shape != wanted.shape or told.dtype != wanted.dtype:
            raise BadStudent(
                path,
                f"{name} is {tuple(told.shape)} {told.dtype}, "
                f"the record asks for {tuple(wanted.shape)} {wanted.dtype}",
            )
        if not bool(torch.isfinite(told).all()):
            raise BadStudent(path, f"{name} holds numbers that are not finite")
    return weights
