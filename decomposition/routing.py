"""Routing: who acts in a workspace, by its depth and the kind of its question.

A policy is a value. It knows roles, not answerers: the session says who plays them.
"""

from collections.abc import Iterable
from typing import Final, Literal, get_args

from msgspec import Struct

from decomposition.errors import BadPolicy

Kind = Literal["direct", "recurse", "amplify", "cascade", "table"]
Role = Literal["direct", "overseer", "student", "cascade", "primitive"]
"""What an answerer is in a workspace. `primitive` comes from the task, never from a policy."""

LEAVES: Final[frozenset[str]] = frozenset({"direct", "student", "primitive"})
"""Roles that may not ask."""

_CHOSEN: Final[frozenset[str]] = frozenset(get_args(Role)) - {"primitive"}


class Row(Struct, frozen=True):
    """A line of a table: the role for some depths and one type of question, or all.

    Raises:
        BadPolicy: The role or the range of depths makes no sense.
    """

    role: Role
    first: int = 0
    """Least depth, the root's is 0."""
    last: int | None = None
    """Greatest depth, itself included; None for no end."""
    question_type: str = ""
    """Name of a task; empty for every question, of a task or not."""

    def __post_init__(self) -> None:
        if self.role not in _CHOSEN:
            raise BadPolicy(f"a row may choose {_listed(_CHOSEN)}, not {str(self.role)[:40]!r}")
        if self.first < 0 or (self.last is not None and self.last < self.first):
            raise BadPolicy(f"no depth is from {self.first} to {self.last}")

    @property
    def catches_all(self) -> bool:
        """Whether every question at every depth matches."""
        return self.first == 0 and self.last is None and not self.question_type

    def matches(self, depth: int, question_type: str) -> bool:
        """Whether the row speaks of this question."""
        if depth < self.first or (self.last is not None and depth > self.last):
            return False
        return self.question_type in ("", question_type)


class Policy(Struct, frozen=True):
    """Who acts where. Every question finds a role.

    Raises:
        BadPolicy: Its parts do not fit together.
    """

    kind: Kind
    bound: float = 0.9
    """Least calibrated confidence with which a cascade takes its student's answer, in [0, 1]."""
    rows: tuple[Row, ...] = ()
    """Of a table: the first that matches counts, and the last matches everything."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            known = _listed(get_args(Kind))
            raise BadPolicy(f"no policy is called {str(self.kind)[:40]!r}; there are {known}")
        if not 0 <= self.bound <= 1:
            raise BadPolicy(f"the bound is a confidence from 0 to 1, not {self.bound}")
        if self.kind == "table":
            _check_rows(self.rows)
        elif self.rows:
            raise BadPolicy(f"only a table has rows, {self.kind} has none")


def route(policy: Policy, depth: int, question_type: str = "") -> Role:
    """The role of whoever acts on a question.

    Args:
        policy: The policy of the session.
        depth: Number of askers above the question.
        question_type: Name of the task that recognises it; empty for none.
    """
    match policy.kind:
        case "direct":
            return "direct"
        case "recurse":
            return "overseer"
        case "amplify":
            return "student" if depth else "overseer"
        case "cascade":
            return "cascade"
        case "table":
            return next(row.role for row in policy.rows if row.matches(depth, question_type))


def leaf(role: str) -> bool:
    """Whether whoever has this role answers without asking."""
    return role in LEAVES


def sure(policy: Policy, confidence: float | None) -> bool:
    """Whether a cascade takes its student's answer; without a stated confidence it does not."""
    return confidence is not None and confidence >= policy.bound


def identity(policy: Policy) -> str:
    """Stable text for keys and records: equal for policies that route alike."""
    roles = {row.role for row in policy.rows}
    bound = f"({float(policy.bound)!r})" if policy.kind == "cascade" or "cascade" in roles else ""
    rows = ";".join(map(_row_identity, policy.rows))
    return f"{policy.kind}{bound}" + (f"[{rows}]" if rows else "")


def _row_identity(row: Row) -> str:
    last = "" if row.last is None else row.last
    return f"{row.first}-{last}:{row.question_type!r}={row.role}"


def _check_rows(rows: tuple[Row, ...]) -> None:
    if not rows or not rows[-1].catches_all:
        raise BadPolicy("the last row of a table must match every depth and question")
    for number, row in enumerate(rows[:-1], 1):
        if row.catches_all:
            raise BadPolicy(f"row {number} matches everything, so the rows after it never count")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
