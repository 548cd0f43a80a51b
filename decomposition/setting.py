"""Settings: everything that decides how questions are deliberated, as values."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from decomposition.answerers.base import Answerer
from decomposition.caps import Caps
from decomposition.consensus import comparable
from decomposition.errors import EngineBug
from decomposition.memo import Choice
from decomposition.rendering import sight
from decomposition.routing import Policy, leaf
from decomposition.routing import identity as policy_identity
from decomposition.view import Sight, Symbols, View

Status = Literal["running", "answered", "abstained", "failed", "stopped"]


class Seat(Struct, frozen=True):
    """An answerer in a role, with what its views depend on."""

    answerer: Answerer
    looking: Sight
    role: str
    overseer: bool
    """Whether it may ask; its questions are checked for cycles."""
    direct: bool
    """Whether it may not ask."""


class Environs(Struct, frozen=True):
    """How a task's primitive questions are recognised and answered."""

    answerer: Answerer
    covers: Callable[[str], bool]
    """Whether a question in written form is primitive."""
    question_type: Callable[[str], str]
    """The type of a question in written form, for routing tables; empty for none."""


class Setting(Struct, frozen=True):
    """Everything that decides how questions are deliberated; equal for a whole run."""

    policy: Policy
    overseer: tuple[Answerer, ...]
    """One, or the members of an ensemble, of which the i-th acts in the root's sample i."""
    student: Answerer | None = None
    environs: Environs | None = None
    caps: Caps = Caps()
    seed: int = 0
    normalise: Callable[[str], str] = comparable
    """The form in which answers are compared."""
    memo: bool = False
    memo_choice: Choice = "first"
    audit: float = 0.0
    """Share of automated turns that are asked again."""
    joins: Literal["none", "session", "shared"] = "none"
    node_samples: int = 1
    """Samples of every ask that does not name its own number."""
    node_rule: str = "majority"
    share: Literal["nothing", "children"] = "nothing"
    timeout_s: float | None = None
    """Longest working time of one call; None for no limit."""
    symbolise: Callable[[View], Symbols | None] | None = None

    def seat(self, role: str, member: int) -> Seat:
        """Who acts in a role, below the root's sample `member`.

        Raises:
            EngineBug: The policy routes to a role that nobody was given.
        """
        answerer = self._cast(role, member)
        if answerer is None:
            raise EngineBug(f"the policy {self.policy.kind} needs a student, and there is none")
        looking = sight(
            role,
            answerer.identity,
            answerer.instructions,
            sees_fuel=answerer.sees_fuel,
            leaf=leaf(role) or role == "cascade",
            symbolise=self.symbolise,
        )
        asks = not leaf(role) and role != "cascade"
        return Seat(answerer, looking, role, asks, leaf(role))

    def identity(self) -> str:
        """Stable text of everything that an answer may depend on, but for the seed."""
        cast = [answerer.identity for answerer in self.overseer]
        cast += [self.student.identity] if self.student is not None else []
        cast += [self.environs.answerer.identity] if self.environs is not None else []
        votes = f"{self.node_samples} {self.node_rule} {self.share}"
        return "\0".join((policy_identity(self.policy), votes, *cast))

    def _cast(self, role: str, member: int) -> Answerer | None:
        if role == "primitive":
            return self.environs.answerer if self.environs is not None else None
        if role in ("student", "cascade"):
            return self.student
        return self.overseer[member % len(self.overseer)]


class Counts(Struct):
    """What a session has used so far."""

    calls: int = 0
    """Turns asked of overseers and students."""
    lookups: int = 0
    """Primitive questions answered by the environment."""
    memo_hits: int = 0
    audits: int = 0
    audits_agreed: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    dropped: int = 0
    """Subquestions over the cap of one action."""


class Outlook(Struct, frozen=True):
    """How a session ended."""

    status: Status
    answer: str
    """The root's reply with everything it points to; the reason where there is none."""
    digest: str
    workspaces: int
    joins: int
