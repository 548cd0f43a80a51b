"""Progress of rounds: a table that grows on a terminal, a line every few seconds without one."""

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from workbench.terminal import REDRAW_S, REPORT_S

if TYPE_CHECKING:
    from traces.rounds_record import Round
    from workbench.arm_run import ArmRun

_ROWS = 12
"""Rounds that are shown, at most."""


class RoundsProgress:
    """Tells of an arm after each step, not too often."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._last = time.monotonic()
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()

    def stepped(self, run: "ArmRun") -> None:
        """One step was taken."""
        now = time.monotonic()
        if now - self._last < (REPORT_S if self._live is None else REDRAW_S):
            return
        self._last = now
        if self._live is None:
            sys.stderr.write(f"{_line(run)}\n")
            sys.stderr.flush()
        else:
            self._live.update(_table(run), refresh=True)

    def close(self) -> None:
        """Leaves the last table where it stands."""
        if self._live is not None:
            self._live.stop()


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
