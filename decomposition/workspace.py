"""Workspaces: one question, its subquestions, note and unlocked pointers; immutable.

A workspace holds only what its answerer was given or has unlocked. Values only; `advance`
makes its successors.
"""

from typing import Final

from msgspec import Struct

from decomposition.actions import Unread
from decomposition.events import Waiting
from decomposition.message import Bound, Failure, Message, Outcome

MAX_REFUSALS: Final = 3
"""Refusals in a row that end a workspace."""


class Subquestion(Struct, frozen=True, gc=False):
    """What an asker knows of a subquestion before it unlocks the answer."""

    written: str
    """As the asker wrote it."""
    question: Message
    """As the child gets it."""


Shown = tuple[str, Outcome, "str | Failure"]
"""A pointer's name, its content, and the content as the reader of that name sees it."""


class Workspace(Struct, frozen=True, gc=False):
    """The state of one workspace after some number of events."""

    path: str
    question: Message
    sample_path: tuple[int, ...]
    """Sample indices of all sampled workspaces from the root down to this one."""
    fuel: int
    asks: tuple[Subquestion, ...] = ()
    """Subquestions in the order of their numbers: `$a1` is the first."""
    shown: tuple["Shown", ...] = ()
    """Unlocked pointers with their content, in the order of unlocking."""
    note: str = ""
    """In written form; empty for none."""
    noted: Message | None = None
    """The note as it was meant when it was written: names in it meant what they meant then."""
    waiting: tuple[str, ...] = ()
    """Pointers whose content the answerer waits for; empty while it may act."""
    wait: Waiting = "all"
    outcome: Outcome | None = None
    """The answer, once there is one; the workspace is then closed."""
    confidence: float | None = None
    refusal: str = ""
    """Why the last action was refused; empty if it was not."""
    refusals: int = 0
    """Refusals in a row."""
    bound: Bound = ""
    """What of the place the last action was refused for."""
    starved: int = 0
    """How many of the refusals in a row were for want of fuel."""
    kind: Unread = "bad_output"
    """What the workspace fails as if the last refusal ends it."""

    @property
    def closed(self) -> bool:
        """Whether the workspace takes no more actions."""
        return self.outcome is not None

    @property
    def depth(self) -> int:
        """Number of askers above this workspace."""
        return self.path.count(".")
