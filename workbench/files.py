"""Files: inputs read up to a cap, outputs that appear whole or not at all."""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from workbench.exits import Exit, stop


def open_regular(path: Path, what: str = "") -> BinaryIO:
    """A regular file, open for reading; nothing else is waited for or read.

    Args:
        path: As the user named it.
        what: What stands before the path in the message.

    Raises:
        Complaint: It is absent, a folder, a pipe or a device, or cannot be read.
    """
    name = f"{what} {path}".strip()
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would be waited for.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        stop(f"cannot read {name}: {getattr(error, 'strerror', None) or error}", Exit.BAD_DATA)
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        stop(f"{name} is {kind}, not a file", Exit.BAD_DATA)
    return os.fdopen(number, "rb")


def read_capped(path: Path, most: int, what: str = "") -> bytes:
    """The bytes of a regular file, at most so many.

    Raises:
        Complaint: It cannot be read, or is longer.
    """
    with open_regular(path, what) as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        stop(f"{what} {path} is longer than {most} bytes".strip(), Exit.BAD_DATA)
    return raw


def check_output(out: Path, *, force: bool, keep: Sequence[Path] = ()) -> None:
    """Nothing, if a file may be written there.

    Args:
        out: Where it goes.
        force: Replace a file.
        keep: Files that are never replaced: what the command reads.

    Raises:
        Complaint: It is no place for a file, or holds one already.
    """
    try:
        _check_place(out, force=force)
        same = next((each for each in keep if each.exists() and _same(out, each)), None)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        stop(f"cannot write {str(out)[:200]}: {why}", Exit.STORAGE)
    if same is not None:
        stop(f"{out} is what this command reads ({same}); it is never replaced", Exit.STORAGE)


def _check_place(out: Path, *, force: bool) -> None:
    folder = out.absolute().parent
    if not folder.is_dir():
        stop(f"the folder of {out} does not exist", Exit.STORAGE)
    try:
        mode = out.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        stop(f"{out} is {kind}; name a file", Exit.STORAGE)
    if mode is not None and not force:
        stop(f"{out} exists; --force replaces it", Exit.STORAGE)
    if not os.access(folder, os.W_OK):
        stop(f"the folder of {out} is read-only", Exit.STORAGE)


def _same(out: Path, other: Path) -> bool:
    return out.resolve() == other.resolve() or (out.exists() and out.samefile(other))


def is_part(path: Path) -> bool:
    """Whether a file is what `write_whole` left when it was killed."""
    return path.name.startswith(".workbench-") and path.suffix == ".new"


def write_whole(out: Path, pieces: Iterable[bytes]) -> int:
    """Write pieces through a temporary file, so that no half file stays; how many there were.

    Raises:
        Complaint: The file cannot be written; what was there is there still.
    """
    place = out.resolve()
    temporary = place.with_name(f".workbench-{os.getpid()}.new")
    written = 0
    try:
        with temporary.open("wb") as file:
            for piece in pieces:
                file.write(piece)
                written += 1
        temporary.replace(place)
    except OSError as error:
        stop(f"cannot write {str(out)[:200]}: {error.strerror}", Exit.STORAGE)
    finally:
        temporary.unlink(missing_ok=True)
    return written
