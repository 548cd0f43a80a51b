"""Routing: every question finds a role, and policies that route alike have one identity."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decomposition.errors import BadPolicy
from decomposition.routing import Kind, Policy, Role, Row, identity, leaf, route, sure

TABLE = Policy(
    "table",
    rows=(
        Row("overseer", last=1),
        Row("cascade", first=2, last=3, question_type="path"),
        Row("student"),
    ),
)

rows = st.builds(
    Row,
    role=st.sampled_from(("direct", "overseer", "student", "cascade")),
    first=st.integers(1, 5),
    last=st.none() | st.integers(5, 9),
    question_type=st.sampled_from(("", "path", "scan")),
)


@pytest.mark.parametrize(
    ("kind", "roles"),
    [
        ("direct", ["direct", "direct", "direct"]),
        ("recurse", ["overseer", "overseer", "overseer"]),
        ("amplify", ["overseer", "student", "student"]),
        ("cascade", ["cascade", "cascade", "cascade"]),
    ],
)
def test_a_policy_routes_by_depth(kind: Kind, roles: list[Role]) -> None:
    """The four simple policies, at the root and below it."""
    assert [route(Policy(kind), depth) for depth in range(3)] == roles


@pytest.mark.parametrize(
    ("depth", "question_type", "role"),
    [
        (0, "path", "overseer"),
        (1, "", "overseer"),
        (2, "path", "cascade"),
        (3, "path", "cascade"),
        (4, "path", "student"),
        (2, "", "student"),
        (2, "scan", "student"),
    ],
)
def test_the_first_row_that_matches_counts(depth: int, question_type: str, role: Role) -> None:
    """A table is read from the top, by range of depth and type of question."""
    assert route(TABLE, depth, question_type) == role


@given(st.lists(rows), st.integers(0, 12), st.sampled_from(("", "path", "forest")))
def test_every_question_finds_a_role(table: list[Row], depth: int, question_type: str) -> None:
    """A table that is accepted answers for every depth and type (100 cases)."""
    policy = Policy("table", rows=(*table, Row("overseer")))
    expected = next((row.role for row in table if row.matches(depth, question_type)), "overseer")
    assert route(policy, depth, question_type) == expected


@pytest.mark.parametrize("role", ["direct", "student", "primitive"])
def test_some_roles_may_not_ask(role: Role) -> None:
    """Whoever answers directly is a leaf."""
    assert leaf(role)


@pytest.mark.parametrize("role", ["overseer", "cascade"])
def test_the_others_may(role: Role) -> None:
    """An overseer asks, and a cascade may come to one."""
    assert not leaf(role)


def test_a_cascade_takes_only_a_confident_answer() -> None:
    """The bound itself is enough; an answer without a confidence is not."""
    policy = Policy("cascade", bound=0.8)
    assert [sure(policy, it) for it in (0.9, 0.8, 0.79, None)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"kind": "amplfy"}, "no policy is called 'amplfy'; there are amplify, cascade"),
        ({"kind": "cascade", "bound": 1.5}, "from 0 to 1"),
        ({"kind": "table", "rows": [{"role": "student", "last": 3}]}, "last row"),
        ({"kind": "table"}, "last row"),
        ({"kind": "recurse", "rows": [{"role": "student"}]}, "only a table"),
        ({"kind": "table", "rows": [{"role": "student"}, {"role": "direct"}]}, "row 1"),
        ({"kind": "table", "rows": [{"role": "student", "first": 2, "last": 1}]}, "from 2 to 1"),
        ({"kind": "table", "rows": [{"role": "student", "first": -1}]}, "from -1"),
    ],
)
def test_a_policy_that_does_not_hold_together_is_refused(
    policy: dict[str, object], says: str
) -> None:
    """What is wrong is said, also when the policy comes from a configuration."""
    with pytest.raises(BadPolicy, match=says):
        msgspec.convert({"rows": (), **policy}, Loose).policy()


class LooseRow(msgspec.Struct):
    """A row as a configuration may hold it, of any content."""

    role: str
    first: int = 0
    last: int | None = None
    question_type: str = ""


class Loose(msgspec.Struct):
    """A policy as a configuration may hold it, of any content."""

    kind: str
    bound: float = 0.9
    rows: tuple[LooseRow, ...] = ()

    def policy(self) -> Policy:
        """The policy that this asks for."""
        made = tuple(Row(*msgspec.structs.astuple(row)) for row in self.rows)
        return Policy(self.kind, self.bound, made)  # type: ignore[arg-type]


def test_a_bound_that_is_no_number_is_refused() -> None:
    """Nothing compares with a not-a-number, so no bound is one."""
    with pytest.raises(BadPolicy, match="nan"):
        Policy("cascade", bound=float("nan"))


def test_a_row_cannot_make_a_question_primitive() -> None:
    """Which questions are primitive is the task's to say."""
    with pytest.raises(BadPolicy, match="not 'primitive'"):
        Row("primitive")


def test_policies_that_route_alike_have_one_identity() -> None:
    """The bound counts only where a cascade may meet it; every row counts."""
    assert identity(Policy("recurse", bound=0.5)) == identity(Policy("recurse")) == "recurse"
    assert identity(Policy("cascade", bound=1)) == identity(Policy("cascade", bound=1.0))
    assert identity(Policy("cascade", bound=0.5)) != identity(Policy("cascade"))
    assert identity(TABLE) == ("table(0.9)[0-1:''=overseer;2-3:'path'=cascade;0-:''=student]")
