"""Message values: text with pointers, failures, and the outcome that is either.

Values only; `hypertext` reads and writes them.
"""

from typing import Final, Literal

from msgspec import Struct


class Pointer(Struct, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """Leads from a message to content that its reader first sees locked.

    Exactly one of `message` and `answer` is set.
    """

    message: "Message | None" = None
    """Content that stands fast: written in brackets, or a section of a context."""
    answer: str = ""
    """Address of a subquestion (`0.2`), whose answer may still be pending."""
    title: str = ""
    """Shown beside the locked pointer; empty for none."""


class Message(Struct, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """Text with pointers; equal content is equal whatever the pointers were called."""

    parts: tuple[str | Pointer, ...]

    @classmethod
    def of(cls, text: str) -> "Message":
        """A message of this text alone; nothing in it is read as a pointer or a bracket."""
        return cls((text,))

    def pointers(self) -> tuple[Pointer, ...]:
        """The pointers of this message in their order, without those inside nested content."""
        return tuple(part for part in self.parts if type(part) is Pointer)

    @property
    def plain(self) -> bool:
        """Whether the message holds text only."""
        parts = self.parts
        return len(parts) == 1 and type(parts[0]) is str


class Failure(Struct, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """A failure as a value: it travels like an answer and is seen only when unlocked."""

    kind: str
    """One of `FAILURE_KINDS`."""
    reason: str = ""
    """What an overseer may read: never a path, a time or a name of a person."""


class Broke(Failure, frozen=True, gc=False):
    """A failure as an answerer's own error left it; the detail goes to the trace alone."""

    detail: str = ""


Outcome = Message | Failure
"""What a subquestion came to."""

FAILURE_KINDS: Final = (
    "fuel",
    "spend",
    "cycle",
    "refused",
    "truncated",
    "empty",
    "bad_output",
    "provider",
    "timeout",
    "answerer",
    "abstained",
)
Bound = Literal["", "fuel", "depth"]
"""What of its place an action was refused for; empty where it is illegal anywhere."""

PLACE_BOUND: Final = frozenset({"cycle", "fuel", "spend", "timeout", "provider"})
"""Kinds of failure that belong to their place: nothing whose subtree holds one is reused."""
