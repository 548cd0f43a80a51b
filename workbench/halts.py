"""Halts as the loop sees them: looked up in the store now and then, told from memory."""

from time import monotonic
from typing import Final

from decomposition.ports import Halt
from traces.claims import Claims
from traces.database import Database
from traces.errors import StoreBusy
from traces.halts import Halted, halts

LOOK_S: Final = 0.5
"""How old what is known may be."""

_HALTS: Final[dict[str, Halt]] = {"pause": "paused", "cancel": "cancelled"}


class Watch:
    """What somebody has halted of a run, and which of its sessions others have taken over.

    Args:
        run: The store's number of the run.
        claims: Who holds the sessions.
        look_s: How often to look.
    """

    def __init__(
        self, database: Database, run: int, claims: Claims, look_s: float = LOOK_S
    ) -> None:
        self._database = database
        self._run = run
        self._claims = claims
        self._look_s = look_s
        self._looked = float("-inf")
        self._halts: list[Halted] = []
        self.stopped: Halt | None = None
        """What halted the run as a whole, once the loop was told so."""

    def halted(self, session: int, path: str) -> Halt | None:
        """Whether the workspace there, or one that it stands below, is halted."""
        if self._claims.is_lost(session):
            return "cancelled"
        self._look()
        found = [each.kind for each in self._halts if each.covers(session, path)]
        return _strongest(found)

    def stopping(self) -> Halt | None:
        """Whether all of the run is halted."""
        self._look()
        found = _strongest([each.kind for each in self._halts if not each.session])
        self.stopped = self.stopped or found
        return found

    def halts(self) -> list[Halted]:
        """What was halted when this looked last."""
        return self._halts

    def _look(self) -> None:
        now = monotonic()
        if now - self._looked < self._look_s:
            return
        self._looked = now
        try:
            self._halts = halts(self._database, self._run)
        except StoreBusy:
            # It is looked at again soon.
            return


def _strongest(kinds: list[str]) -> Halt | None:
    if not kinds:
        return None
    return "cancelled" if "cancel" in kinds else _HALTS[kinds[0]]
