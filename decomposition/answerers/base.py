"""The answerer protocol: whatever acts in a workspace.

An answerer sees views and gives turns, many at a time. It never sees a workspace, a path or
the tree; its random draws come from the view's key, so a batch's order changes nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from decomposition.actions import Given
from decomposition.spend import Attempt, Estimate
from decomposition.view import View

Author = Literal["scripted", "human", "human-after-draft", "human-approved", "model", "student"]
"""Who wrote a turn; a reused one is recorded as `memo-of-` its author."""


class Answerer(ABC):
    """Acts in workspaces. Subclasses set what their views depend on."""

    author: Author = "scripted"
    identity: str
    """Stable text: kind, name, version, parameters. Equal identity means an equal answerer."""
    instructions: str = ""
    """Version of the instructions that go beside every view; empty for none."""
    sees_fuel: bool = False
    """Whether its views tell the fuel band."""
    reads_through: bool = False
    """Whether it waits for everything that the question points to and sees it unlocked."""
    reads_symbols: bool = False
    """Whether it reads `View.symbols`."""
    instant: bool = True
    """Whether it answers without waiting; others get one view a call, several under way."""

    paid: bool = False
    """Whether a call costs tokens or money: it is then made by `attempt`, one view at a time, and
    is a line of the ledger whose intent is committed before the call leaves."""
    provider: str = ""
    """Whose limits on rate hold for its calls; empty for none."""

    file: str = ""
    """The user's file that it comes from, empty for none: what its code prints goes to stderr,
    and its faults are told with the line. Its `sys.exit` is a fault like any other."""

    @abstractmethod
    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """One turn for each view, in the order of the views, or why none came.

        Raises:
            TransientFault: Nothing was decided; the session asks again later.
        """

    def estimate(self, view: View) -> Estimate:  # noqa: ARG002 - those that cost nothing
        """The most that a call for this view can use."""
        return Estimate()

    async def attempt(self, view: View, call: str) -> Attempt:  # noqa: ARG002 - as above
        """One call of a paid answerer: exactly one request, never tried again here.

        Args:
            call: The ledger's id of the call, to be sent along where the provider takes one.

        Raises:
            TransientFault: Nothing was decided; it may be tried again.
            RunStopped: No call can succeed now, such as for want of a valid key.
        """
        (given,) = await self.act([view])
        return Attempt(given)

    async def close(self) -> None:
        """Give up connections; the next call opens new ones."""
        return
