"""The terminal: widths, live drawings and progress. Results go to stdout, all else to stderr."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console
from rich.live import Live
from rich.text import Text

from decomposition.session import Session
from workbench.drawing import drawn

LEAST_COLUMNS = 20
MOST_COLUMNS = 2000
REDRAW_S = 0.125
REPORT_S = 5.0
"""Without a terminal, one line of progress so often."""


def width() -> int:
    """Columns of the terminal, also where only one of the streams is on it; 80 without one."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdecimal() and int(columns[:5]) > 0:
        return min(MOST_COLUMNS, max(LEAST_COLUMNS, int(columns[:5])))
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        with suppress(OSError, ValueError, AttributeError):
            found = os.get_terminal_size(stream.fileno()).columns
            return min(MOST_COLUMNS, max(LEAST_COLUMNS, found))
    return 80


class LiveTree:
    """Draws one session's tree while it grows, on a terminal; silent without one."""

    def __init__(self, *, ascii_only: bool) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._ascii = ascii_only
        self._last = 0.0
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()

    def update(self, sessions: Sequence[Session]) -> None:
        """Draw again, at most eight times a second."""
        now = time.monotonic()
        if self._live is None or now - self._last < REDRAW_S:
            return
        self._last = now
        height = max(4, self._console.height - 2)
        lines = drawn(sessions[0].tree, {}, self._console.width, ascii_only=self._ascii, most=2000)
        self._live.update(Text("\n".join(lines[-height:])), refresh=True)

    def close(self) -> None:
        """Take the drawing away."""
        if self._live is not None:
            self._live.stop()
