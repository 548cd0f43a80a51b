"""The student folder: it holds together, or it is not loaded."""

import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
import safetensors.torch
import torch

from distill.errors import BadStudent, UnsafeStudent
from distill.folder import (
    RECORD,
    WEIGHTS,
    StudentRecord,
    described,
    load_student,
    save_student,
)
from distill.training import Trainer
from tests.distill.kit import drawn, same_weights, trained


@pytest.fixture(name="trainer", scope="module")
def a_trainer() -> Trainer:
    """A run of a few steps."""
    return trained(steps=3)


@pytest.fixture(name="folder")
def a_folder(trainer: Trainer, tmp_path: Path) -> Path:
    """A folder that holds together."""
    save(trainer, tmp_path)
    return tmp_path


def save(trainer: Trainer, folder: Path) -> StudentRecord:
    """Writes the averaged student of a run."""
    return save_student(folder, trainer.average, described(trainer, metrics={"accuracy": 0.5}))


def test_a_student_is_loaded_as_it_was_saved(trainer: Trainer, tmp_path: Path) -> None:
    """Weights, answers and identity survive the folder."""
    record = save(trainer, tmp_path)
    loaded = load_student(tmp_path, "arithmetic")
    assert loaded.record == record
    assert loaded.identity == f"student:arithmetic@{record.sha256}"
    assert same_weights(loaded.student, trainer.average)
    questions = drawn(loaded.task, 3, 50)
    reading = loaded.vocabulary.read(questions, loaded.student.architecture.places)
    told = loaded.vocabulary.answers(questions, loaded.student(reading))
    assert torch.equal(told.values, trainer.averaged(questions).values)


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (pytest.fail, ("the pickle ran",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", [WEIGHTS, RECORD])
def test_a_pickle_is_refused_unread(folder: Path, name: str, protocol: int) -> None:
    """Whatever its protocol and whichever file it poses as, its code does not run."""
    (folder / name).write_bytes(pickle.dumps(Trap(), protocol=protocol))
    with pytest.raises(UnsafeStudent, match="runs code"):
        load_student(folder)


def test_a_torch_archive_is_refused_unread(folder: Path) -> None:
    """So is a file that torch saved, under its own name or another."""
    torch.save({"weights": torch.zeros(2)}, folder / WEIGHTS)
    with pytest.raises(UnsafeStudent):
        load_student(folder)
    (folder / WEIGHTS).rename(folder / "weights.pt")
    with pytest.raises(UnsafeStudent, match=r"weights\.pt"):
        load_student(folder)


def rehashed(folder: Path, weights: bytes) -> None:
    """Puts weights into a folder whose record claims them."""
    record = msgspec.json.decode((folder / RECORD).read_bytes(), type=StudentRecord)
    record = msgspec.structs.replace(record, sha256=sha256(weights).hexdigest())
    (folder / WEIGHTS).write_bytes(weights)
    (folder / RECORD).write_bytes(msgspec.json.encode(record))


def changed(folder: Path, name: str, tensor: torch.Tensor | None) -> None:
    """Replaces one tensor (None removes it); the hash fits."""
    tensors = safetensors.torch.load((folder / WEIGHTS).read_bytes())
    if tensor is None:
        del tensors[name]
    else:
        tensors[name] = tensor
    rehashed(folder, safetensors.torch.save(tensors))


def test_weights_that_do_not_hold_together_are_refused(folder: Path) -> None:
    """Truncated, empty, random, a header of 2**60 bytes, with a hash that fits or not."""
    whole = (folder / WEIGHTS).read_bytes()
    huge = (1 << 60).to_bytes(8, "little")
    for content in (whole[:-7], whole[:5], b"\x17random bytes" * 9, huge, huge + whole[8:]):
        (folder / WEIGHTS).write_bytes(content)
        with pytest.raises(BadStudent, match="hash mismatch"):
            load_student(folder)
        rehashed(folder, content)
        with pytest.raises(BadStudent, match="no file of weights"):
            load_student(folder)
    (folder / WEIGHTS).write_bytes(b"")
    with pytest.raises(BadStudent, match="is empty"):
        load_student(folder)


def test_a_flipped_byte_is_a_hash_mismatch(folder: Path) -> None:
    """The format itself would not notice it."""
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-3] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(BadStudent, match="hash mismatch"):
        load_student(folder)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_name_their_layer(folder: Path, number: float) -> None:
    """A student that would answer nonsense is refused with the place of the trouble."""
    changed(folder, "norm.bias", torch.full((16,), number))
    with pytest.raises(BadStudent, match=r"norm\.bias holds numbers that are not finite"):
        load_student(folder)


def test_shapes_are_both_named(folder: Path) -> None:
    """Another shape, another type, a missing and an unknown layer."""
    changed(folder, "norm.bias", torch.zeros(17))
    with pytest.raises(BadStudent, match=r"norm\.bias is \(17,\).*\(16,\)"):
        load_student(folder)
    changed(folder, "norm.bias", torch.zeros(16, dtype=torch.float64))
    with pytest.raises(BadStudent, match=r"float64.*float32"):
        load_student(folder)
    changed(folder, "norm.bias", None)
    with pytest.raises(BadStudent, match=r"norm\.bias is missing"):
        load_student(folder)
    changed(folder, "norm.bias", torch.zeros(16))
    changed(folder, "norm.curse", torch.zeros(16))
    with pytest.raises(BadStudent, match=r"norm\.curse is unknown"):
        load_student(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"task":"arithmetic"', '"task":"permutation"', "vocabulary"),
        ('"task":"arithmetic"', '"task":"game24"', "no table step|vocabulary"),
        ('"task":"arithmetic"', '"task":"chess"', "chess"),
        ('"size":3', '"size":99', "sizes from 2 to 16"),
        ('"9","blank"', '"nine","blank"', "nine"),
        ('"width":16', '"width":1000000000', "out of range"),
        ('"heads":2', '"heads":0', "out of range"),
        ('"format":1', '"format":2', "format 2"),
        ('"seed":0', '"seed":0,"seed":1', "twice"),
        ('"seed":0', '"seeed":0', "seeed"),
        ('"seed":0', '"seed":NaN', "no record"),
        ('"seed":0', f'"seed":{"[" * 100_000}', "no record"),
    ],
)
def test_a_record_that_does_not_hold_together_is_refused(
    folder: Path, old: str, new: str, message: str
) -> None:
    """Both sides of a contradiction are named; nothing is guessed."""
    content = msgspec.json.format((folder / RECORD).read_bytes(), indent=-1).decode()
    (folder / RECORD).write_text(content.replace(old, new, 1))
    with pytest.raises(BadStudent, match=message):
        load_student(folder)


def test_a_student_of_another_task_is_refused(folder: Path) -> None:
    """Both tasks are named."""
    with pytest.raises(BadStudent, match="of arithmetic, not of permutation"):
        load_student(folder, "permutation")


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """As is a missing file."""
    with pytest.raises(BadStudent, match="no such folder"):
        load_student(tmp_path / "nobody")
    (tmp_path / RECORD).touch()
    with pytest.raises(BadStudent, match="is empty"):
        load_student(tmp_path)
