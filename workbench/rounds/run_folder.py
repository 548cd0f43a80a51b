"""Run folders: where everything of an `iterate` run lies, and what it was begun with."""

import fcntl
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from distill.errors import BadRecipe
from distill.recipe import Arm, Recipe
from traces.rounds_record import Round, decode_round, encode_round
from workbench.exits import Exit, stop
from workbench.files import read_capped, write_whole

MOST_PER_LEVEL: Final = 100_000
"""Held-out questions of a level."""
MOST_BYTES: Final = 1 << 28
"""Of a file of a run that is read whole."""

T = TypeVar("T")


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """What a run was begun with; a resumed run goes on with the same."""

    task: str
    preset: str
    seed: int
    recipe: Recipe
    """The preset's, with the regime and sizes that were asked for."""
    arms: tuple[Arm, ...]
    """In the order in which they run; the amplified one first."""
    rounds: int | None = None
    """Rounds after which the amplified arm ends; None for as many as the recipe takes."""
    per_level: int = 500
    """Held-out questions of each level."""
    student: Literal["transformer", "table"] = "transformer"
    overseer: str = "expert"
    """As it was named; files from the root."""
    overseer_identity: str = "expert"
    """What its answers depend on, beside the seed."""
    overseer_kind: str = "scripted expert"
    """In words."""
    rows_run: str = ""
    """Name of the run in the store that keeps the training rows; empty where none does."""
    store: str = ""
    """Where that is, without a password; empty for `traces.db` in the folder."""
    record_share: float = 0.0
    """Share of the rows whose trees are recorded as traces, beside a handful a round."""
    format: Literal[1] = 1

    def __post_init__(self) -> None:
        """Holds the values together, as a file that was edited may not.

        Raises:
            ValueError: They do not.
        """
        if self.arms[:1] != ("amplified",) or len(set(self.arms)) < len(self.arms):
            raise ValueError("arms begin with the amplified one, and none is named twice")
        if not 1 <= self.per_level <= MOST_PER_LEVEL:
            raise ValueError(f"a level has from 1 to {MOST_PER_LEVEL} questions")
        if self.rounds is not None and self.rounds < 1:
            raise ValueError("a run ends after one round or more")
        if not 0 <= self.record_share <= 1:
            raise ValueError("the recorded share is from 0 to 1")


class RunFolder:
    """The files of a run by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / "run.json"
        self.rounds = path / "rounds.jsonl"
        self.summary = path / "summary.json"
        self.report = path / "report.html"
        self.figures = path / "figures"
        self.traces = path / "traces.db"

    def checkpoint(self, arm: str) -> Path:
        """Of an arm: the run between two steps."""
        return self.path / "checkpoints" / arm

    def progress(self, arm: str) -> Path:
        """Of an arm: what was measured so far."""
        return self.path / "checkpoints" / f"{arm}.json"

    def student(self, name: str) -> Path:
        """A student's folder: `round-N` or `final`."""
        return self.path / "students" / name

    @contextmanager
    def held(self) -> Generator[None]:
        """Nobody else works in the folder meanwhile.

        Raises:
            Complaint: Somebody does.
        """
        number = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(number)
            stop(f"another process works in {self.path}", Exit.STORAGE)
        try:
            yield
        finally:
            os.close(number)

    def read_rounds(self) -> list[Round]:
        """Every line of `rounds.jsonl`.

        Raises:
            Complaint: It is absent, or a line is no round of this version.
        """
        raw = read_capped(self.rounds, MOST_BYTES)
        return [self._round(number, line) for number, line in enumerate(raw.splitlines(), 1)]

    def write_rounds(self, rounds: Iterable[Round]) -> None:
        """All rounds in the place of those before, at once or not at all."""
        write_whole(self.rounds, (encode_round(each) + b"\n" for each in rounds))

    def _round(self, number: int, line: bytes) -> Round:
        try:
            return decode_round(line)
        except msgspec.DecodeError as wrong:
            stop(f"{self.rounds}:{number}: is no round of this version ({wrong})", Exit.BAD_DATA)


def read_as(path: Path, kind: type[T]) -> T:
    """What a JSON file says.

    Raises:
        Complaint: It cannot be read, or is of another form.
    """
    try:
        return msgspec.json.decode(read_capped(path, MOST_BYTES), type=kind)
    except (msgspec.DecodeError, BadRecipe) as wrong:
        stop(f"{path}: does not hold together ({wrong})", Exit.BAD_DATA)


def write_json(path: Path, value: Struct) -> None:
    """Writes a value so that people can read it too, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, [msgspec.json.format(msgspec.json.encode(value), indent=2), b"\n"])
