"""Nodes and slots: the places of a tree, where questions are worked and answers arrive.

They hold state and know no rule: `tree` moves them. The answers of one subquestion arrive in a
slot; each sample of it that somebody demands is a node.
"""

from typing import Any

from decomposition.events import Asked, Combined, Opened
from decomposition.hypertext import Message, Outcome
from decomposition.workspace import Workspace


class Slot:
    """Where the combined answer of one subquestion arrives."""

    demanded = False
    deep = False
    """Whether everything that the answer points to is demanded too."""
    arrived = 0
    settled = 0
    """Samples that are settled."""
    unspent = 0
    """Fuel that goes back to the asker when it sees the answer."""
    outcome: Outcome | None = None
    hash = ""
    """Content hash of the outcome, once nothing behind it is pending; empty until asked."""
    verdict: Combined | None = None
    tainted = False
    """Whether the subtree holds a failure that belongs to its place."""
    results: "tuple[Outcome | None, ...]" = ()
    """Answers of the samples drawn so far; None for one that is still at work."""
    digests: tuple[bytes, ...] = ()
    waiters: "tuple[tuple[Node, int], ...]" = ()
    combiners: "tuple[Slot, ...]" = ()
    """Slots whose combination waits for this answer."""

    def __init__(
        self,
        address: str,
        asker: "Node | None",
        question: Message,
        fuel: tuple[int, ...],
        asked: Asked | Opened,
        number: int = 0,
    ) -> None:
        self.address = address
        self.number = number
        self.asker = asker
        self.question = question
        self.fuel = fuel
        """Of each sample."""
        self.asked = asked

    @property
    def samples(self) -> int:
        """Samples that the asker asked for."""
        return len(self.fuel)

    def put(self, sample: int, outcome: Outcome) -> None:
        """Take in what a sample came to."""
        self.results = (*self.results[:sample], outcome, *self.results[sample + 1 :])

    def settle(self, sample: int, digest: bytes) -> None:
        """Take in the digest of a sample."""
        self.digests = (*self.digests[:sample], digest, *self.digests[sample + 1 :])


class Node:
    """A demanded workspace in the tree: its immutable state and its place."""

    slots: "list[Slot] | tuple[Slot, ...]" = ()
    kept: tuple[str, ...] = ()
    """Addresses below that were evicted but may still be pointed to."""
    missing = 0
    sights = 0
    """Where in the trail the content of the last unlock begins."""
    epoch = 0
    """Counts the unlocks, so that a late arrival of an earlier one wakes nobody."""
    unsettled = 0
    """Demanded subquestions that are not settled."""
    reading = False
    """Whether it waits until everything behind its question has arrived."""
    read = False
    """Whether it was shown all that its question points to, or waits for it."""
    settled = False
    tainted = False
    digest = b""
    opened = False
    queued = False
    """Whether it stands in the list of those that may act."""
    seat: "Any" = None
    """Who acts here: the session's business."""
    fold = ""
    """The question as the cycle check compares it; empty where no overseer works."""
    tag = b""
    """The session's join key; empty for none."""

    def __init__(
        self,
        workspace: Workspace,
        slot: Slot,
        sample: int,
        key: tuple[int, ...],
        heritage: tuple[int, ...],
    ) -> None:
        self.workspace = workspace
        self.path = workspace.path
        self.slot = slot
        self.sample = sample
        self.key = key
        """Place in depth-first order."""
        self.heritage = heritage
        """Sample path that its subquestions start from."""
        self.trail: list[str] = []
        """What enters its digest."""

    def take_over(self, other: "Node") -> None:
        """Take over another node's state; who acts here, and that somebody does, stays."""
        self.workspace, self.slot, self.trail = other.workspace, other.slot, other.trail
        self.slots, self.kept, self.unsettled = other.slots, other.kept, other.unsettled
        self.missing, self.sights, self.epoch = other.missing, other.sights, other.epoch
        self.reading, self.read, self.queued = other.reading, other.read, other.queued
        self.settled, self.digest = other.settled, other.digest
        self.tainted, self.tag = other.tainted, other.tag
