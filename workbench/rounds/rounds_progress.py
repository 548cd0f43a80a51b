"""Progress of rounds: a table that grows on a terminal, a line every few seconds without one."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

from workbench.terminal import REDRAW_S, REPORT_S

if TYPE_CHECKING:
    from traces.rounds_record import Round
    from workbench.rounds.arm_run import ArmRun

_ROWS = 12
"""Rounds that are shown, at most."""


class Progress:
    """Says now and then how far something is."""

    def __init__(self, *, transient: bool = False) -> None:
        """Progress on standard error, which says nothing yet.

        Args:
            transient: Take the last picture away at the end.
        """
        self._console = Console(stderr=True, highlight=False)
        self._transient = transient
        self._live: Live | None = None
        self._last = time.monotonic()

    def say(self, line: Callable[[], str], picture: Callable[[], RenderableType]) -> None:
        """Says something, if enough time has passed.

        Args:
            line: Without a terminal.
            picture: On one.
        """
        now = time.monotonic()
        if now - self._last < (REDRAW_S if self._console.is_terminal else REPORT_S):
            return
        self._last = now
        if not self._console.is_terminal:
            sys.stderr.write(f"{line()}\n")
            sys.stderr.flush()
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=self._transient)
            self._live.start()
        self._live.update(picture(), refresh=True)

    def close(self) -> None:
        """Ends the picture."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class RoundsProgress:
    """Tells of an arm after each step, not too often."""

    def __init__(self) -> None:
        self._progress = Progress()

    def stepped(self, run: "ArmRun") -> None:
        """One step was taken."""
        self._progress.say(lambda: _line(run), lambda: _table(run))

    def close(self) -> None:
        """Leaves the last table where it stands."""
        self._progress.close()


def _line(run: "ArmRun") -> str:
    trainer, latest = run.trainer, run.latest
    kept = 0.0 if latest is None else latest.kept
    loss = 0.0 if latest is None else latest.loss_nats
    return (
        f"{run.arm} · round {len(run.rounds)} · step {trainer.step} · "
        f"frontier {trainer.curriculum.frontier} of {trainer.curriculum.highest} · "
        f"kept {kept:.2f} · loss {loss:.3f} nats · {trainer.counts.questions:,} questions · "
        f"{trainer.counts.cpu_s:.0f} CPU s"
    )


def _table(run: "ArmRun") -> Table:
    table = Table(title=_line(run), title_justify="left", expand=False)
    depths = list(run.rounds[0].student.by_depth)
    for heading in ("round", "step", "asked up to", "kept", *depths):
        table.add_column(heading, justify="right")
    for told in run.rounds[-_ROWS:]:
        table.add_row(*_cells(told, depths))
    return table


def _cells(told: "Round", depths: list[str]) -> list[str]:
    kept = "" if told.kept is None else f"{told.kept:.2f}"
    scores = [f"{told.student.by_depth[name].accuracy:.3f}" for name in depths]
    return [str(told.round), str(told.step), str(told.frontier), kept, *scores]
