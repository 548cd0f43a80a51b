"""Actions: what an answerer chooses, and the turn that holds several of them."""

from typing import Final, Literal, get_args

from msgspec import Struct

from decomposition.hypertext import Failure, Message

Share = Literal["nothing", "children"]
"""Whether samples of one ask keep their subtrees apart, or share them below."""
Wait = Literal["all", "any"]
Text = str | Message
"""A written text, which is parsed, or a message, which is taken as it is."""

MAX_SAMPLES: Final = 64


class Ask(Struct, frozen=True, gc=False):
    """Opens subquestions; several in one action run in parallel."""

    questions: tuple[Text, ...]
    samples: int = 1
    """How often each question is answered, 1 to `MAX_SAMPLES`; all share one `$aN`."""
    rule: str = "majority"
    """How the samples are combined (`consensus`)."""
    share: Share = "nothing"
    eager: bool = False
    """Start at once instead of on demand."""
    fuel: int | None = None
    """Fuel of each sample; None for an equal part of what the asker does not keep."""


class Unlock(Struct, frozen=True, gc=False):
    """Shows what pointers lead to; the answerer acts again when it is there. Ends the turn."""

    pointers: tuple[str, ...]
    wait: Wait = "all"
    """`any` goes on with the first that arrive: the one action that depends on time."""


class Note(Struct, frozen=True, gc=False):
    """Replaces the note."""

    text: Text


class Quote(Struct, frozen=True, gc=False):
    """A span that a reply claims to find in visible content; checked against its source."""

    pointer: str
    text: str


class Reply(Struct, frozen=True, gc=False):
    """Answers and closes. Ends the turn."""

    message: Text
    confidence: float | None = None
    """Probability that the answer is right, in [0, 1]; None for not stated."""
    quotes: tuple[Quote, ...] = ()


class Abstain(Struct, frozen=True, gc=False):
    """Closes with "don't know": a first-class answer. Ends the turn."""

    reason: str = ""


Action = Ask | Unlock | Note | Reply | Abstain
Turn = tuple[Action, ...]
"""The actions that an answerer gives for one view, in order."""


Unread = Literal["bad_output", "truncated", "empty"]
"""What a workspace fails as whose last reply was no turn."""
UNREAD: Final[tuple[Unread, ...]] = get_args(Unread)


class Unreadable(Struct, frozen=True, gc=False):
    """What came and is no turn. It is refused like an illegal action: one fuel, and asked again."""

    reason: str
    """What was wrong with it; shown in the next view."""
    kind: Unread = "bad_output"
    """What the workspace fails as if this was its last refusal."""


Given = Turn | Failure | Unreadable
"""What an answerer gives for one view: a turn, why none came, or that what came was no turn."""
