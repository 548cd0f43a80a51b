"""A case: one hostile input, how it is played, and the end that it must come to."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tests.workbench.conftest import Ran, Run

BEYOND: Final = "others of the same kind"
"""The floor's words of a case that the floor does not name."""
STORE: Final = ("workbench.db", "workbench.db-wal", "workbench.db-shm")


def nothing() -> None:
    """Prepares nothing, and finds nothing afterwards."""


class Case(NamedTuple):
    """One hostile input."""

    floor: str
    """The words with which the list of hostile inputs names it."""
    name: str
    """Which of several it is."""
    code: int
    says: tuple[str, ...]
    """Words of what is said, on either stream."""
    arguments: tuple[str, ...] = ()
    stdin: bytes = b""
    before: Callable[[], object] = nothing
    """Puts into the folder what the command meets."""
    play: Callable[[Run], Ran] | None = None
    """In the place of arguments, for what takes more than one command."""
    after: Callable[[], object] = nothing
    """Looks at what is there afterwards."""
    leaves: tuple[str, ...] = ()
    """Files that may be there afterwards; a store only where it is among them."""

    def played(self, run: Run) -> Ran:
        """What the last command came to."""
        if self.play is not None:
            return self.play(run)
        return run(*self.arguments, stdin=self.stdin)


def put(name: str, content: bytes | str, mode: int = 0o600) -> Callable[[], None]:
    """Writes a file."""

    def written() -> None:
        raw = content.encode() if isinstance(content, str) else content
        Path(name).write_bytes(raw)
        Path(name).chmod(mode)

    return written


def all_of(*each: Callable[[], object]) -> Callable[[], None]:
    """Does one after the other."""

    def done() -> None:
        for one in each:
            one()

    return done


def then(*commands: tuple[str, ...]) -> Callable[[Run], Ran]:
    """Runs one command after the other; what the last one came to."""

    def played(run: Run) -> Ran:
        *earlier, last = commands
        for each in earlier:
            run(*each)
        return run(*last)

    return played


def absent(*names: str) -> Callable[[], None]:
    """Sees that files are not there."""

    def looked() -> None:
        for name in names:
            assert not Path(name).exists(), name

    return looked


def holds(name: str, content: bytes) -> Callable[[], None]:
    """Sees that a file is as it was."""

    def looked() -> None:
        assert Path(name).read_bytes() == content

    return looked


def present() -> set[str]:
    """Every file and folder of the folder in which the test runs."""
    return {
        os.path.relpath(Path(where) / name)
        for where, folders, files in os.walk(Path.cwd())
        for name in (*folders, *files)
    }
