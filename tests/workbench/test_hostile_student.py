"""Hostile student folders, as every command that reads one meets them.

Whatever is in it: no code runs, nothing large is allotted, one screen says what and where.
"""

import os
import pickle
import resource
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import safetensors.torch
import torch

from distill.folder import RECORD, WEIGHTS, described, save_student
from tests.distill.kit import trained
from tests.workbench.conftest import Run

MADE_BY = Path("ran")
"""What a pickle writes if its code runs."""
ROOM_BYTES = 1 << 30
"""How much more may be allotted while a hostile folder is read."""

COMMANDS = (
    ("ask", "12 + 34", "--policy", "direct", "--by", "student:{}"),
    ("ask", "12 + 34", "--policy", "cascade", "--student", "{}"),
    ("evaluate", "{}", "--task", "arithmetic"),
)


class Trap:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (MADE_BY,))


class Hostile(NamedTuple):
    """One way to spoil a folder that holds together."""

    name: str
    spoil: Callable[[Path], object]
    code: int
    words: tuple[str, ...]
    """What the message must hold."""


# -- ways to spoil ------------------------------------------------------------------------------


def put(name: str, content: bytes) -> Callable[[Path], object]:
    """Other content of a file."""
    return lambda folder: (folder / name).write_bytes(content)


def cut(name: str, count: int) -> Callable[[Path], object]:
    """A file without its last bytes."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-count])


def rehashed(weights: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Other weights, with a record that claims them."""

    def spoil(folder: Path) -> None:
        content = weights((folder / WEIGHTS).read_bytes())
        (folder / WEIGHTS).write_bytes(content)
        told(lambda record: record.update(sha256=sha256(content).hexdigest()))(folder)

    return spoil


def layer(name: str, tensor: torch.Tensor | None) -> Callable[[Path], object]:
    """One layer replaced, or taken away; the hash fits."""

    def weights(content: bytes) -> bytes:
        layers = safetensors.torch.load(content)
        layers.pop(name)
        return safetensors.torch.save(layers if tensor is None else {**layers, name: tensor})

    return rehashed(weights)


def told(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A record that says something else."""

    def spoil(folder: Path) -> None:
        record = msgspec.json.decode((folder / RECORD).read_bytes(), type=dict[str, Any])
        change(record)
        (folder / RECORD).write_bytes(msgspec.json.encode(record))

    return spoil


def sized(**sizes: int) -> Callable[[Path], object]:
    """Another architecture."""
    return told(lambda record: record["architecture"].update(sizes))


def flipped(folder: Path) -> None:
    """One bit of one weight."""
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-3] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def sparse(folder: Path) -> None:
    """Ten gigabytes that take no room on the disk."""
    with (folder / WEIGHTS).open("r+b") as file:
        file.truncate(10 * 10**9)


def linked(name: str, target: str) -> Callable[[Path], object]:
    """A link in the place of a file."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return spoil


def a_folder(name: str) -> Callable[[Path], object]:
    """A folder in the place of a file."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return spoil


def a_pipe(folder: Path) -> None:
    """A pipe that nobody writes to."""
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS, 0o600)


def a_file(folder: Path) -> None:
    """A file in the place of the folder itself."""
    shutil.rmtree(folder)
    folder.write_bytes(b"student")


def archive(folder: Path) -> None:
    """What torch saves: a pickle in an archive."""
    torch.save({"weights": Trap()}, folder / WEIGHTS)


def instead(folder: Path) -> None:
    """A pickle beside a record, and no weights."""
    (folder / WEIGHTS).rename(folder / "weights.pt")


HUGE = (1 << 60).to_bytes(8, "little")
NAN = torch.full((16,), float("nan"))
PICKLE = pickle.dumps(Trap())
LONG_PICKLE = pickle.dumps([Trap(), bytes(3 << 20)], protocol=4)

FOLDERS = (
    *(
        Hostile(f"pickle {number} as {name}", put(name, pickle.dumps(Trap(), number)), 8, ("code",))
        for number in range(pickle.HIGHEST_PROTOCOL + 1)
        for name in (WEIGHTS, RECORD)
    ),
    Hostile("long pickle", put(WEIGHTS, LONG_PICKLE), 8, ("pickle",)),
    Hostile("archive of torch", archive, 8, ("code",)),
    Hostile("pickle beside", instead, 8, ("weights.pt", "code")),
    Hostile("truncated", cut(WEIGHTS, 9), 3, ("hash mismatch",)),
    Hostile("truncated, hash fits", rehashed(lambda raw: raw[:-9]), 3, ("no file of weights",)),
    Hostile("truncated record", cut(RECORD, 9), 3, (RECORD, "no record")),
    Hostile("empty weights", put(WEIGHTS, b""), 3, (WEIGHTS, "empty")),
    Hostile("empty record", put(RECORD, b""), 3, (RECORD, "empty")),
    Hostile("random bytes", put(WEIGHTS, bytes(range(7, 256)) * 40), 3, (WEIGHTS,)),
    Hostile("random record", put(RECORD, bytes(range(7, 256)) * 40), 3, (RECORD,)),
    Hostile("random, hash fits", rehashed(lambda _: bytes(range(7, 256))), 3, ("no file of",)),
    Hostile("header of 2^60", put(WEIGHTS, HUGE), 3, (WEIGHTS,)),
    Hostile("header of 2^60, hash fits", rehashed(lambda raw: HUGE + raw[8:]), 3, ("no file of",)),
    Hostile("flipped byte", flipped, 3, ("hash mismatch",)),
    Hostile("not a number", layer("norm.bias", NAN), 3, ("norm.bias", "finite")),
    Hostile("infinity", layer("norm.bias", NAN.nan_to_num(torch.inf)), 3, ("norm.bias", "finite")),
    Hostile("other shape", layer("norm.bias", torch.zeros(17)), 3, ("(17,)", "(16,)")),
    Hostile("other type", layer("norm.bias", torch.zeros(16).half()), 3, ("float16", "float32")),
    Hostile("missing layer", layer("norm.bias", None), 3, ("norm.bias", "missing")),
    Hostile(
        "other vocabulary",
        told(lambda record: record["vocabulary"].__setitem__(0, "zero\x1b[31m")),
        3,
        ("zero", "arithmetic", "[0 1 2"),
    ),
    Hostile(
        "other task",
        told(lambda record: record.update(task="permutation")),
        3,
        ("permutation",),
    ),
    Hostile("unknown task", told(lambda record: record.update(task="chess")), 3, ("chess",)),
    Hostile("other size", told(lambda record: record.update(size=99)), 3, ("99",)),
    Hostile("unknown field", told(lambda record: record.update(seeed=1)), 3, ("seeed",)),
    Hostile("missing field", told(lambda record: record.pop("sha256")), 3, ("sha256",)),
    Hostile("other format", told(lambda record: record.update(format=2)), 3, ("format 2",)),
    Hostile("number as text", told(lambda record: record.update(seed="x" * 9999)), 3, ("seed",)),
    Hostile("deep", put(RECORD, b'{"task":' + b"[" * 200_000), 3, (RECORD,)),
    Hostile("wide", sized(width=10**9), 3, ("width",)),
    Hostile("wide within range", sized(width=1 << 15), 3, ("numbers", WEIGHTS)),
    Hostile("many blocks", sized(blocks=1 << 16), 3, ("numbers", WEIGHTS)),
    Hostile("many places", sized(places=1 << 16), 3, ("numbers", WEIGHTS)),
    Hostile("beyond 64 bits", sized(width=10**30), 3, (RECORD,)),
    Hostile("negative", sized(blocks=-1), 3, ("blocks",)),
    Hostile("no heads", sized(heads=0), 3, ("heads",)),
    Hostile("no widening", sized(widening=0), 3, ("widening",)),
    Hostile("heads that do not fit", sized(heads=3), 3, ("heads", "16")),
    Hostile("other roles", sized(roles=9), 3, ("roles", "9", "arithmetic")),
    Hostile("facts of none", sized(facts=5), 3, ("facts", "5", "0")),
    Hostile("joined tokens", sized(joined=7), 3, ("joined", "7", "0")),
    Hostile("ten gigabytes", sparse, 3, (WEIGHTS, "larger than")),
    Hostile("dangling link", linked(WEIGHTS, "nowhere"), 3, (WEIGHTS, "not there")),
    Hostile("link to itself", linked(RECORD, RECORD), 3, (RECORD, "not there")),
    Hostile("endless link", linked(WEIGHTS, "/dev/zero"), 3, (WEIGHTS, "not there")),
    Hostile("folder as weights", a_folder(WEIGHTS), 3, (WEIGHTS, "not there")),
    Hostile("folder as record", a_folder(RECORD), 3, (RECORD, "not there")),
    Hostile("pipe", a_pipe, 3, (WEIGHTS, "not there")),
    Hostile("file as folder", a_file, 3, ("no such folder",)),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds together."""
    folder = tmp_path_factory.mktemp("whole") / "student"
    trainer = trained(steps=2)
    save_student(folder, trainer.average, described(trainer))
    return folder


@contextmanager
def little_room() -> Generator[None]:
    """Whoever allots absurdly much fails, instead of taking the machine along."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("command", COMMANDS, ids=["by", "cascade", "evaluate"])
@pytest.mark.parametrize("hostile", FOLDERS, ids=lambda each: each.name)
def test_a_hostile_folder_is_refused(
    hostile: Hostile, command: tuple[str, ...], whole: Path, run: Run
) -> None:
    """Its code is 8 where it would run code, else 3; the message says in one sentence why."""
    shutil.copytree(whole, "student")
    hostile.spoil(Path("student"))
    with little_room():
        ran = run(*(part.format("student") for part in command))
    assert ran.code == hostile.code, ran.err
    for words in hostile.words:
        assert words in ran.err
    assert not ran.out
    assert not MADE_BY.exists()
    assert not Path("workbench.db").exists()
    assert "\x1b" not in ran.err
    assert len(ran.err) < 1200
    assert len(ran.err.splitlines()) <= 4


@pytest.mark.parametrize("command", COMMANDS, ids=["by", "cascade", "evaluate"])
@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000, "a\nb", "\udcff"])
def test_a_folder_that_cannot_be_is_told(name: str, command: tuple[str, ...], run: Run) -> None:
    """A name that no folder can have is told like one that none has."""
    ran = run(*(part.format(name) for part in command))
    assert ran.code in {2, 3}, ran.err
    assert "Traceback" not in ran.err
    assert len(ran.err) < 2000


@pytest.mark.parametrize("command", COMMANDS, ids=["by", "cascade", "evaluate"])
def test_a_folder_that_holds_together_is_taken(
    command: tuple[str, ...], whole: Path, run: Run
) -> None:
    """The same commands take the folder that all others were made from, through a link, too."""
    Path("student").symlink_to(whole)
    ran = run(*(part.format("student") for part in command))
    assert ran.code in {0, 4}, ran.err
    assert "hash" not in ran.err
