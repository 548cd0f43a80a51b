"""Events: what happened in one workspace. Where it happened is the entry's path.

An event holds everything that folding it needs: no configuration, no clock, no answerer.
Decisions that depend on such things (a combination, a join, a cycle) are events themselves.
Text stands in its written form, with names relative to the workspace: equal acts in different
places are equal events.
"""

from typing import Final, Literal

from msgspec import Struct

from decomposition.actions import Share, Unread
from decomposition.message import Bound, Failure, Message

Waiting = Literal["all", "any", "fits"]
"""What an unlock waits for; `fits`: for all, which are shown if the view has room for them."""

ROOT: Final = "0"
"""The path of a root workspace; its samples are `0:0`, `0:1`, …"""


class Event(Struct, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """Base of all events."""


class Opened(Event, frozen=True, omit_defaults=True, gc=False):
    """The session began: its root question, as if nobody had asked it."""

    question: Message
    fuel: tuple[int, ...]
    """Fuel of each sample of the root."""
    rule: str = "majority"
    share: Share = "nothing"


class Asked(Event, frozen=True, omit_defaults=True, gc=False):
    """Subquestions were opened; numbering counts on over the workspace's life."""

    questions: tuple[str, ...]
    fuel: tuple[int, ...]
    """Fuel of each sample, question by question; 0 fails at once."""
    samples: int = 1
    rule: str = "majority"
    share: Share = "nothing"
    eager: bool = False
    dropped: int = 0
    """Questions over the cap of one action, not opened."""
    given: int | None = None
    """Fuel that the asker named for each sample; None for equal parts."""
    voted: bool = False
    """Samples, rule and sharing are the session's: the asker asked for one answer."""


class Unlocked(Event, frozen=True, omit_defaults=True, gc=False):
    """The answerer waits for the content of these pointers."""

    pointers: tuple[str, ...]
    wait: Waiting = "all"


class Woken(Event, frozen=True, omit_defaults=True, gc=False):
    """The pointers that were shown when an unlock went on that waited for any, or for room."""

    pointers: tuple[str, ...]
    refused: str = ""
    """Why none was shown: there was no room for them in the view. Counts as a refusal."""


class Demanded(Event, frozen=True, omit_defaults=True, gc=False):
    """All that the question points to is unlocked: whoever answers it reads through pointers."""


class Noted(Event, frozen=True, omit_defaults=True, gc=False):
    """The note was replaced."""

    text: str


class Span(Struct, frozen=True, forbid_unknown_fields=True):
    """A checked quotation: characters start to end of the content that a pointer shows."""

    pointer: str
    start: int
    end: int


class Replied(Event, frozen=True, omit_defaults=True, gc=False):
    """The workspace was answered and closed."""

    message: str
    confidence: float | None = None
    quotes: tuple[Span, ...] = ()
    cut: int = 0
    """Characters over the cap that were cut from the answer."""


class Abstained(Event, frozen=True, omit_defaults=True, gc=False):
    """The workspace was closed with "don't know"."""

    reason: str = ""


class Refused(Event, frozen=True, omit_defaults=True, gc=False):
    """An action was illegal: it had no effect and cost one fuel."""

    reason: str
    bound: Bound = ""
    """What of the place made it illegal: who was refused for that is not reused elsewhere."""
    late: bool = False
    """It stood behind an unlock that had ended the turn: counts as before what that shows."""
    kind: Unread = "bad_output"
    """What the workspace fails as if this is its last refusal."""


class Failed(Event, frozen=True, omit_defaults=True, gc=False):
    """The workspace ended without an answer."""

    failure: Failure
    detail: str = ""
    """For the reader of the trace, never shown in a view: paths of a cycle, an error's text."""
    whole: bool = False
    """The session ended as a whole, at its cap of workspaces."""


class Joined(Event, frozen=True, omit_defaults=True, gc=False):
    """The answer of a closed workspace was taken by reference; no workspace was opened."""

    origin: str
    """`PATH` in this session, or `TRACE/PATH`."""
    digest: str
    """Digest of the origin's subtree, in hexadecimal."""
    message: Message | None = None
    failure: Failure | None = None
    """Exactly one of the two is set: what the origin came to."""


class Combined(Event, frozen=True, omit_defaults=True, gc=False):
    """The samples of the subquestion at this path were combined into its answer."""

    winner: int | None
    """The sample whose answer is taken; None where the rule abstains."""
    rule: str
    votes: tuple[int, ...]
    """For each sample the number of the distinct answer that it gave, -1 for none."""
    agreement: float
    """Share of samples that gave the most frequent answer."""
    correlated: bool = False
    """The samples shared their subtrees, so their errors may be the same."""


class Sampled(Event, frozen=True, omit_defaults=True, gc=False):
    """One more sample was drawn for the subquestion at this path (`ahead-k`, `verify`)."""

    verify: bool = False
    """The sample judges the answers before it instead of answering itself."""


class Deferred(Event, frozen=True, omit_defaults=True, gc=False):
    """A cascade's student was not sure enough; the overseer takes the workspace over."""

    draft: str
    """The student's answer in written form; empty where it abstained."""
    confidence: float


class Audited(Event, frozen=True, omit_defaults=True, gc=False):
    """An automated turn was asked again, and the answers were compared."""

    origin: str
    agreed: bool


class Withdrawn(Event, frozen=True, omit_defaults=True, gc=False):
    """A person's last turn in the workspace was taken back: it counts as if never given."""

    event: int
    """Number, in its session, of the first event of that turn."""


KINDS: Final[tuple[type[Event], ...]] = (
    Opened,
    Asked,
    Unlocked,
    Woken,
    Noted,
    Replied,
    Abstained,
    Refused,
    Failed,
    Joined,
    Combined,
    Sampled,
    Deferred,
    Audited,
    Demanded,
    Withdrawn,
)
"""Every kind of event; its place here is its number in the store, so new kinds go last."""


Entry = tuple[str, Event]
"""The path at which something happened, and what it was."""
