"""Audit: what a run's ledger says beside what the provider counted."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from workbench.testing.kill import UNSETTLED
from workbench.testing.tally import Counted

DECIDED = frozenset({"answered", "unreadable", "failed"})
"""Standings of calls that were completed: nobody may send them again."""


class Audit(Struct, frozen=True):
    """The two records of one run, compared."""

    requests: int
    """That the provider counted."""
    lines: int
    """In the ledger."""
    unlisted: list[str] = field(default_factory=list[str])
    """Requests that no line stands for."""
    unsent: list[str] = field(default_factory=list[str])
    """Lines whose request never arrived."""
    unsettled: list[str] = field(default_factory=list[str])
    """Lines whose calls were never seen to end: under way, or ambiguous."""
    repeated: list[str] = field(default_factory=list[str])
    """Requests whose body had been completed and committed before."""

    @property
    def exact(self) -> bool:
        """Whether every request is a line and every line a request."""
        return self.requests == self.lines and not self.unlisted and not self.unsent

    @property
    def unexplained(self) -> list[str]:
        """What no call under way at a kill explains."""
        odd = [call for call in self.unsent if call not in self.unsettled]
        return [*self.unlisted, *odd, *self.repeated]


def audit(counted: Sequence[Counted], ledger: Mapping[str, tuple[Any, ...]]) -> Audit:
    """Compare what the provider counted with a ledger as `kill.Kept` has it.

    A body counts as sent again if its call had been completed and committed. What was completed
    later, or was never seen to end, is none. So each body that a run asks must be its own, as it
    is where no question stands twice in a run and nothing is sampled.
    """
    arrived = {each.call for each in counted}
    done: dict[str, str] = {}
    repeated: list[str] = []
    for each in counted:
        if each.digest in done:
            repeated.append(f"{each.call} repeats {done[each.digest]}")
        line = ledger.get(each.call)
        if line is not None and line[1] in DECIDED:
            done[each.digest] = each.call
    return Audit(
        len(counted),
        len(ledger),
        [each.call or f"request {each.number}" for each in counted if each.call not in ledger],
        [call for call in ledger if call not in arrived],
        [call for call, line in ledger.items() if line[1] in UNSETTLED],
        repeated,
    )
