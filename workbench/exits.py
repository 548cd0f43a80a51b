"""Exit codes: what an error means to a shell, and the one place where errors become messages."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Final, NoReturn, TextIO

from decomposition import errors as engine
from workbench.safe_output import cut, shown


class Exit(IntEnum):
    """What a command's exit code says."""

    DONE = 0
    BUG = 1
    USAGE = 2
    BAD_DATA = 3
    STOPPED = 4
    STORAGE = 5
    DIVERGED = 6
    PROVIDER = 7
    REFUSED = 8
    INTERRUPTED = 130


class Complaint(Exception):
    """Something the user can mend: what, where, what to do next.

    Attributes:
        code: The exit code.
    """

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


class Interrupted(Exception):
    """Ctrl-C was pressed inside a command; its text says how to go on, if there is a way."""


class Ended(Exception):
    """Code that is not ours ended the program from inside a command."""


class ReaderGone(Exception):
    """Nobody reads standard output any more."""


ENGINE_CODES: Final[tuple[tuple[type[Exception], Exit], ...]] = (
    (engine.UnsafeFile, Exit.REFUSED),
    (engine.BadAnswerer, Exit.BAD_DATA),
    (engine.BadTask, Exit.BAD_DATA),
    (engine.BadPolicy, Exit.USAGE),
    (engine.RunStopped, Exit.PROVIDER),
    (engine.DecompositionError, Exit.BAD_DATA),
)


MOST_TRACED: Final = 200
"""Lines of a traceback that `--debug` shows."""
INTERRUPTED: Final = "interrupted; everything acknowledged is kept"


def code_of(error: Exception) -> Exit | None:
    """The exit code of an error that a user can mend, None for a bug of ours."""
    if isinstance(error, Complaint):
        return error.code
    if isinstance(error, Ended):
        return Exit.BAD_DATA
    if type(error).__module__ == "traces.errors":
        return _storage_code(error)
    if type(error).__module__ == "distill.errors":
        return _student_code(error)
    for kind, code in ENGINE_CODES:
        if isinstance(error, kind):
            return code
    return None


def _student_code(error: Exception) -> Exit:
    """The exit code of an error of students and their training."""
    from distill import errors as training

    for kind, code in (
        (training.UnsafeStudent, Exit.REFUSED),
        (training.BadStudent, Exit.BAD_DATA),
        (training.BadCheckpoint, Exit.STORAGE),
    ):
        if isinstance(error, kind):
            return code
    return Exit.USAGE


def _storage_code(error: Exception) -> Exit:
    """The exit code of an error of the record; its module is not loaded for nothing."""
    from traces import errors as record

    for kind, code in (
        (record.NewerStore, Exit.BAD_DATA),
        (record.CorruptEvent, Exit.DIVERGED),
        (record.UnknownId, Exit.USAGE),
        (record.AmbiguousId, Exit.USAGE),
        (record.NotRedactable, Exit.USAGE),
        (record.StillNeeded, Exit.USAGE),
    ):
        if isinstance(error, kind):
            return code
    return Exit.STORAGE


def guarded(work: Callable[[], None], *, debug: bool) -> int:
    """Run a command; its exit code. The one edge where everything is caught."""
    try:
        work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain(INTERRUPTED)
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last edge: a bug of ours ends in a report
        if debug:
            complain("".join(traceback.format_exception(error)), most=MOST_TRACED)
        return _reported(error)
    return Exit.DONE


def outermost(work: Callable[[], int]) -> int:
    """The exit code of a process, once all that it printed has left it.

    Text that cannot be written encoded is written escaped, and a stream that is closed or full
    ends in no traceback of Python's own.
    """
    _ready_streams()
    try:
        code = work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else Exit.USAGE
    except OSError as error:
        code = _reported(error)
    return code if _left(sys.stdout) and _left(sys.stderr) else code or Exit.STORAGE


def _ready_streams() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # What is opened next must not take the place of a stream that is closed.
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # It stays open as long as the process.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _left(stream: TextIO | None) -> bool:
    """Whether what was printed has left; if it cannot, it is dropped."""
    if stream is None:
        return True
    try:
        stream.flush()
    except BrokenPipeError:
        _drop(stream)
    except (OSError, ValueError):
        _drop(stream)
        return False
    return True


def _drop(stream: TextIO) -> None:
    """Send what a stream holds, and what comes after, nowhere."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        stream.flush()


def _reported(error: Exception) -> int:
    if isinstance(error, BrokenPipeError | ReaderGone):
        _drop(sys.stdout)
        return Exit.DONE
    if isinstance(error, Interrupted):
        complain("\n".join([INTERRUPTED, *map(str, error.args)]))
        return Exit.INTERRUPTED
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        complain(f"cannot read or write{where}: {error.strerror or error}")
        return Exit.STORAGE
    code = code_of(error)
    if code is None:
        path = _bug_report(error)
        complain(f"internal error: {type(error).__name__}: {error}\na report is in {path}")
        return Exit.BUG
    complain(str(error))
    return code


def _bug_report(error: Exception) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="workbench-bug-", suffix=".txt", delete=False, encoding="utf-8"
    ) as report:
        report.write("".join(traceback.format_exception(error)))
        return report.name


def complain(message: str, most: int = 20) -> None:
    """Write a message to standard error: escaped, at most one screen."""
    lines = [cut(line, 400) for line in shown(message).splitlines()[:most]]
    try:
        sys.stderr.write("workbench: " + "\n  ".join(lines) + "\n")
    except (OSError, ValueError, AttributeError):
        # Nobody can be told; the exit code says it.
        return


def stop(message: str, code: Exit = Exit.USAGE) -> NoReturn:
    """End the command with a message.

    Raises:
        Complaint: Always.
    """
    raise Complaint(message, code)
