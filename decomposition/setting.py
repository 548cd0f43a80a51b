"""Settings: everything that decides how questions are deliberated, as values."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from decomposition.answerers.base import Answerer
from decomposition.caps import Caps
from decomposition.consensus import comparable, known_rule, least_samples
from decomposition.errors import BadPolicy, EngineBug
from decomposition.memo import Choice
from decomposition.rendering import sight
from decomposition.routing import Policy, leaf
from decomposition.routing import identity as policy_identity
from decomposition.view import Sight, Symbols, View


def check_votes(rule: str, samples: int) -> None:
    """Nothing, if a rule can take an answer from so many samples.

    Raises:
        BadPolicy: There is no such rule, or it needs more samples.
    """
    if not known_rule(rule):
        raise BadPolicy(f"no rule of consensus is called {rule[:40]!r}")
    if samples < least_samples(rule):
        raise BadPolicy(f"{rule} needs at least {least_samples(rule)} samples, not {samples}")


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
    """Longest working time of one try of a call, without the pauses between tries; None for no
    limit. A call that waits is broken off; code of a user's file that does not wait runs in a
    thread, which is left behind; a call that nothing could break off counts as late afterwards,
    one of several views if it took that long for each."""
    symbolise: Callable[[View], Symbols | None] | None = None

    def __post_init__(self) -> None:
        """Refuse votes that can come to nothing.

        Raises:
            BadPolicy: There is no such rule, or it needs more samples.
        """
        if self.node_samples > 1:
            check_votes(self.node_rule, self.node_samples)

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
        cast = list(self.overseer)
        cast += [self.student] if self.student is not None else []
        cast += [self.environs.answerer] if self.environs is not None else []
        votes = f"{self.node_samples} {self.node_rule} {self.share} {_named(self.normalise)}"
        return "\0".join(
            (policy_identity(self.policy), votes, self.caps.identity(), *map(_who, cast))
        )

    def _cast(self, role: str, member: int) -> Answerer | None:
        if role == "primitive":
            return self.environs.answerer if self.environs is not None else None
        if role in ("student", "cascade"):
            return self.student
        return self.overseer[member % len(self.overseer)]


def _who(answerer: Answerer) -> str:
    """All of an answerer that its answers depend on."""
    reads = f"{answerer.sees_fuel:d}{answerer.reads_through:d}"
    return f"{answerer.identity}\0{answerer.instructions}\0{reads}"


def _named(function: Callable[[str], str]) -> str:
    """The name of a function, the same in every process."""
    kind = type(function)
    name = getattr(function, "__qualname__", kind.__qualname__)
    return f"{getattr(function, '__module__', kind.__module__)}.{name}"


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
    cut: bool = False
    """Whether the answer is only the beginning of what it is with all that it points to."""
