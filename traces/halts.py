"""Halts: what of a run somebody has paused or cancelled, until it is lifted.

A halt is a wish that whoever works the run finds and follows; it takes nothing back.
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import astuple

from traces.database import Database, Writer
from traces.digest import seal

Kind = Literal["pause", "cancel"]
"""Begin nothing new; `cancel` also gives up the calls that are under way."""

_COLUMNS: Final = "run, session, path, kind, asker, wall_us"
_ALL: Final = f"SELECT {_COLUMNS} FROM halt WHERE run = ? ORDER BY session, path"  # noqa: S608
_PUT: Final = (
    f"INSERT INTO halt ({_COLUMNS}, seal) VALUES (?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
    "ON CONFLICT (run, session, path) DO UPDATE SET kind = excluded.kind, "
    "asker = excluded.asker, wall_us = excluded.wall_us, seal = excluded.seal"
)


class Halted(Struct, frozen=True):
    """A run, a session or a subtree that is halted."""

    run: int
    session: int
    """0 for the whole run."""
    path: str
    """The workspace below which all is halted; empty for the whole session."""
    kind: Kind
    asker: str = ""
    """Who wanted it."""
    wall_us: int = 0

    def covers(self, session: int, path: str) -> bool:
        """Whether a workspace stands below what is halted."""
        if self.session not in (0, session):
            return False
        own = self.path
        return not own or path == own or path.startswith((f"{own}.", f"{own}:"))


def put_halt(database: Database, halt: Halted) -> None:
    """Halt something; in place of an earlier halt of the same.

    Raises:
        StoreStopped: The store does not take it.
    """
    values = astuple(halt)
    with database.writing() as writer:
        writer.run(_PUT, (*values, seal(*values)))


def halts(database: Database, run: int) -> list[Halted]:
    """What is halted of a run.

    Raises:
        StoreStopped: The store cannot be read now.
    """
    return [_halted(row) for row in database.rows(_ALL, (run,))]


def lift(writer: Writer, run: int) -> list[Halted]:
    """Lift all halts of a run, inside of a transaction of the caller's; what they were."""
    lifted = [_halted(row) for row in writer.rows(_ALL, (run,))]
    if lifted:
        writer.run("DELETE FROM halt WHERE run = ?", (run,))
    return lifted


def _halted(row: Sequence[object]) -> Halted:
    return Halted(*row)  # type: ignore[arg-type]
