"""The twin's process: started, told how the run goes on, and its work taken over at the end.

Whatever becomes of the process, the run loses no more than time: what the twin has kept by then is
taken, and the rest of its steps is taken here.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from distill.recipe import Arm
from workbench.exits import Complaint, complain
from workbench.rounds.arm_run import SAVE_EVERY_S
from workbench.rounds.pace import Teller
from workbench.rounds.run_folder import RunFolder

if TYPE_CHECKING:
    from workbench.rounds.arm_run import ArmRun

ARM: Final[Arm] = "supervised_uniform"
"""The one arm that needs no more of the amplified run than its steps and promotions."""
LOOK_S: Final = 0.25
"""Between two looks whether the twin has ended."""
LEAVE_S: Final = 10.0
"""For the twin to keep what it has after Ctrl-C, at most."""


def twin_folder(path: Path) -> RunFolder:
    """Where the twin of a run works."""
    return RunFolder(path / "twin")


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class TwinProcess:
    """The twin of a run in a process of its own."""

    def __init__(self, folder: RunFolder, save_every_s: float = SAVE_EVERY_S) -> None:
        """The twin at work; it goes on where it was if it was stopped before."""
        self._folder = folder
        self._own = twin_folder(folder.path)
        self._own.path.mkdir(exist_ok=True)
        self._errors = self._own.path / "errors.txt"
        self._teller = Teller()
        path = str(folder.path)
        with self._errors.open("wb") as errors:
            # In a session of its own, Ctrl-C reaches the run alone. No shell; -P: a file of the
            # current folder is never taken for a module.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "workbench.rounds.twin_run", path, str(save_every_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                bufsize=0,
                start_new_session=True,
            )

    @property
    def number(self) -> int:
        """Of the process."""
        return self._process.pid

    def tell(self, run: "ArmRun") -> None:
        """Tells how far the run is; whoever has ended hears nothing."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        with suppress(OSError, ValueError):
            self._process.stdin.write(self._teller.line(run))

    def end(self, run: "ArmRun", wait: Callable[[], None]) -> None:
        """Waits for the twin of a run that is over, and puts its work among the run's.

        Args:
            run: That is over.
            wait: Called while there is nothing else to do.
        """
        self.tell(run)
        while self._ended(LOOK_S) is None:
            wait()
        if code := self._process.returncode:
            complain(f"the twin's process {_how(code)}{self._why()}; its work goes on here")
        self._take()

    def leave(self) -> None:
        """Lets the twin keep what it has and end; nothing where it has ended."""
        self._close()
        if self._ended(LEAVE_S) is None:
            self._process.kill()
            self._process.wait()

    def _ended(self, seconds: float) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def _close(self) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _why(self) -> str:
        """The last line of what it said about its end."""
        with suppress(OSError):
            lines = self._errors.read_text("utf-8", "replace").split("\n")
            told = [line for line in lines if line.strip()]
            return f" ({told[-1]})" if told else ""
        return ""

    def _take(self) -> None:
        """The measurements first, then the checkpoint that they belong to."""
        self._close()
        own, folder = self._own, self._folder
        with suppress(Complaint):
            if own.checkpoint(ARM).exists():
                folder.write_rounds([*folder.read_rounds(), *own.read_rounds()])
                own.progress(ARM).replace(folder.progress(ARM))
                own.checkpoint(ARM).replace(folder.checkpoint(ARM))
        shutil.rmtree(own.path)


def _how(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
