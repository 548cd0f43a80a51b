"""Views: a workspace exactly as an answerer sees it. Values only; `rendering` makes them."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from decomposition.message import Failure

KEY_BYTES: Final = 20
"""Length of a view key: 160 bits, so that nobody finds two views with one key."""

LOCKED: Final = "locked"


class Symbols(Struct, frozen=True, gc=False):
    """The second face of a view, made by a task; read by students and experts."""

    task: str
    context: str
    """Handle of the context: the structural hash of its facts, empty for none."""
    tokens: tuple[int, ...]


class Seen(Struct, frozen=True, gc=False):
    """A subquestion as its asker sees it."""

    name: str
    """`$a1` for the first."""
    question: str
    """Written form."""
    answer: str | Failure | None
    """Written form of the unlocked answer, or its failure; None while locked."""


class View(Struct, frozen=True, gc=False):
    """What an answerer sees of one workspace: all of it, and nothing else."""

    text: str
    key: bytes
    """`KEY_BYTES` bytes: hash of the text, the role, the answerer and the sample path. Random
    draws are taken from it, never from a position in a batch."""
    question: str
    """The own question in written form."""
    asked: tuple[Seen, ...]
    """All subquestions, in the order of their numbers."""
    shown: Mapping[str, str | Failure]
    """Unlocked content in written form, by pointer name."""
    note: str
    refusal: str
    fuel: str
    """`plenty`, `low`, `last`, or empty for answerers that do not see it."""
    leaf: bool = False
    """Whether the answerer may not ask: it answers directly."""
    symbolise: "Callable[[View], Symbols | None] | None" = None

    @property
    def symbols(self) -> Symbols | None:
        """The view as symbols; None where no task recognises the question."""
        return self.symbolise(self) if self.symbolise is not None else None


class Sight(Struct, frozen=True):
    """Who looks: everything about an answerer that its views and their keys depend on."""

    prefix: bytes
    """Role, instruction version and identity, framed."""
    sees_fuel: bool = False
    leaf: bool = False
    symbolise: "Callable[[View], Symbols | None] | None" = None
