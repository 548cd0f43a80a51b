"""Ambiguous calls: those under way when a process was killed, and what becomes of each.

Nobody knows whether such a call was answered, or what it cost.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import typer

from traces.leases import is_dead
from traces.ledger import AMBIGUOUS, Line
from traces.store import Store
from workbench.exits import Exit, stop
from workbench.safe_output import line as on_one_line
from workbench.safe_output import many
from workbench.spend_text import dollars

NOBODY: Final[frozenset[str]] = frozenset()
_LISTED: Final = 12
"""Calls that are named where nobody can be asked."""


def to_fail(
    store: Store, how: str, *, run: int | None = None, session: int | None = None
) -> frozenset[str]:
    """The calls whose workspaces shall fail instead of being asked again; asks for each.

    Args:
        store: Where they stand.
        how: As of `--on-ambiguous`; only with `ask` is somebody asked.
        run: Whose calls; or
        session: Of a question asked alone.

    Raises:
        Complaint: There is no terminal on which somebody could be asked.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if how != "ask":
        return NOBODY
    lines = [
        each
        for each in store.ledger.unsettled(run=run, session=session)
        if each.standing == AMBIGUOUS or is_dead(each.holder)
    ]
    if not lines:
        return NOBODY
    if not (sys.stdin and sys.stdin.isatty()):
        stop(_unasked(lines), Exit.PROVIDER)
    return frozenset(each.call for each in lines if not _asked_again(each))


def _asked_again(line: Line) -> bool:
    try:
        return typer.confirm(f"{told(line)}\nask it again?", default=True, err=True)
    except typer.Abort as error:
        raise KeyboardInterrupt from error


def told(line: Line) -> str:
    """A call in one line."""
    when = datetime.fromtimestamp(line.wall_us / 1e6, UTC).isoformat(" ", "seconds")
    most = f"{line.reserved_in + line.reserved_out:,} tokens"
    if line.reserved_usd is not None:
        most += f", {dollars(line.reserved_usd)}"
    who = on_one_line(line.answerer, 60)
    return f"{line.call} at {line.path} to {who}, sent {when}, cost unknown (at most {most})"


def _unasked(lines: Sequence[Line]) -> str:
    calls = many(len(lines), "call")
    said = [f"{calls} under way at a kill, and no terminal to ask on:", *map(told, lines[:_LISTED])]
    if len(lines) > _LISTED:
        said.append(f"and {len(lines) - _LISTED} more")
    said.append("choose with --on-ambiguous retry (ask again) or fail (leave their workspaces)")
    return "\n".join(said)
