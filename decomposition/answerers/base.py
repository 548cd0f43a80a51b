"""The answerer protocol: whatever acts in a workspace.

An answerer sees views and gives turns, many at a time. It never sees a workspace, a path or
the tree; its random draws come from the view's key, so a batch's order changes nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from decomposition.actions import Given
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

    file: str = ""
    """The user's file that it comes from, empty for none: what its code prints goes to stderr,
    and its faults are told with the line. Its `sys.exit` is a fault like any other."""

    @abstractmethod
    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """One turn for each view, in the order of the views, or why none came.

        Raises:
            TransientFault: Nothing was decided; the session asks again later.
        """
