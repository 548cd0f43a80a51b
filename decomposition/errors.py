"""Errors of the engine.

DecompositionError
├── IllegalAction          an answerer chose what it may not do; recorded, costs one fuel
│   ├── FuelExhausted      the action spends more fuel than is left
│   └── TooDeep            subquestions below the deepest level at which one may ask
├── CapReached             an ask takes the session over its cap of workspaces, which ends it
├── NotWithdrawable        a turn that cannot be taken back: something was made of it
├── TransientFault         try the same call again later; never an event of the tree
├── RunStopped             the run stops here and can be resumed
│   └── Fenced             others have taken over some sessions; the rest can go on
├── BadTask                a task, a context or a question does not hold together
├── BadPolicy              a routing policy does not hold together
├── BadAnswerer            an answerer does not exist or does not hold together
├── UnsafeFile             a file would run as code, and others could have written it
└── EngineBug              our own mistake; never caught
"""

from decomposition.message import Bound


class DecompositionError(Exception):
    """Base of every error that the engine raises on purpose."""


class IllegalAction(DecompositionError):
    """An action that has no effect; its message is shown to the answerer."""

    bound: Bound = ""


class FuelExhausted(IllegalAction):
    """An action that spends more fuel than the workspace has left."""

    bound = "fuel"


class TooDeep(IllegalAction):
    """An ask so deep in the tree that nobody may ask there."""

    bound = "depth"


class CapReached(DecompositionError):
    """An ask with which the session would have more workspaces than it may; it ends as a whole."""


class NotWithdrawable(DecompositionError):
    """A turn that cannot be taken back; its message says what was made of it."""


class TransientFault(DecompositionError):
    """A fault that may pass: an answerer raises it and the session asks again.

    Attributes:
        retry_after_s: Seconds that the other side asked to wait, or None.
        usage: What the call used all the same, as a `spend.Usage`; None where it used nothing.
    """

    def __init__(
        self, message: str, retry_after_s: float | None = None, usage: object = None
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.usage = usage


class RunStopped(DecompositionError):
    """The run cannot go on now; everything committed stays and the run can be resumed."""


class Fenced(RunStopped):
    """Others have taken over sessions that were worked here; nothing was committed.

    Attributes:
        sessions: The store's numbers of those sessions: they are to be let go, without effect.
    """

    def __init__(self, message: str, sessions: frozenset[int]) -> None:
        super().__init__(message)
        self.sessions = sessions


class BadTask(DecompositionError):
    """A task, a context or a question that does not hold together."""


class BadPolicy(DecompositionError):
    """A routing policy that does not hold together."""


class BadAnswerer(DecompositionError):
    """An answerer that does not exist or does not hold together.

    Attributes:
        where: `FILE:LINE` for one that comes from a file, else empty.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where


class UnsafeFile(DecompositionError):
    """A file that would run as code, although others could have written it.

    Attributes:
        path: The file or the folder that anybody may change.
    """

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class EngineBug(Exception):
    """An invariant of the engine is broken. Not a DecompositionError: nobody catches it."""
