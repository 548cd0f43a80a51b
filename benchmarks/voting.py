"""Voting at every node of a binary tree against the exact formula, cell by cell.

    python -m benchmarks.voting [--nodes N] [--json]

Every workspace answers wrongly with probability p, independently by sample path; every
subquestion is answered k times and combined by majority. A cell passes if the number of wrong
roots lies inside the central 99.9 % of the binomial distribution that the formula predicts. Seeds
are fixed beforehand: the root's number.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from math import exp, lgamma, log

from msgspec import Struct, to_builtins

from decomposition.actions import Abstain, Ask, Given, Reply, Unlock
from decomposition.answerers.faulty import Faulty
from decomposition.answerers.scripted import Scripted
from decomposition.consensus import tree_failure
from decomposition.routing import Policy
from decomposition.setting import Setting
from decomposition.step import Caps
from decomposition.view import View
from workbench.testing import deliberate

HEIGHTS = {1: 6, 3: 4, 5: 3}
"""Greatest height for each number of votes."""
CELLS = [(k, height) for k, most in HEIGHTS.items() for height in range(1, most + 1)]
CHANCES = (0.01, 0.05, 0.1)
NODES = 150_000
"""Workspaces spent on a cell; the number of roots follows."""
ALPHA = 0.001


class Cell(Struct):
    """One cell of the table."""

    p: float
    k: int
    height: int
    roots: int
    wrong: int
    expected: float
    low: int
    high: int
    inside: bool
    workspaces: int


def turn(view: View) -> Given:
    """A binary tree of the height that the question names; every leaf is worth one.

    Every node has a number, so that no two questions of a tree are equal: draws of equal
    questions in equal samples would be equal.
    """
    _, high, _, number, _, _, root = view.question.split()
    height, node = int(high), int(number)
    if height == 0:
        return (Reply("1"),)
    if not view.asked:
        below = (_question(height - 1, 2 * node + side, root) for side in (0, 1))
        return (Ask(tuple(below)), _BOTH)
    answers = [view.shown[name] for name in ("$a1", "$a2")]
    values = [int(answer) for answer in answers if isinstance(answer, str)]
    return (Reply(str(sum(values))),) if len(values) == 2 else (Abstain("an answer is missing"),)


def _question(height: int, node: int, root: int | str) -> str:
    return f"height {height} node {node} of root {root}"


_BOTH = Unlock(("$a1", "$a2"))
CAPS = Caps(workspaces=10**9)


def nodes(k: int, height: int) -> int:
    """Workspaces of one root whose every question is answered k times."""
    return k * sum((2 * k) ** level for level in range(height + 1))


def wrong_roots(
    p: float, k: int, height: int, roots: int, mode: str = "random", share: str = "nothing"
) -> tuple[int, int, int]:
    """Roots that were answered wrongly or not at all, wrongly, and workspaces in all."""
    honest = Scripted("tree@1", turn)

    def setting(root: int) -> Setting:
        faulty = Faulty(honest, p, root, mode)  # type: ignore[arg-type]
        return Setting(
            Policy("recurse"),
            (faulty,),
            caps=CAPS,
            node_samples=k,
            share=share,  # type: ignore[arg-type]
        )

    sessions = deliberate(
        [_question(height, 1, root) for root in range(roots)],
        setting,
        fuel=10**15,
        samples=k,
    )
    looks = [session.outlook() for session in sessions]
    right = sum(look.answer == str(2**height) and look.status == "answered" for look in looks)
    answered = sum(look.status == "answered" for look in looks)
    return roots - right, answered - right, sum(look.workspaces for look in looks)


def bounds(n: int, p: float) -> tuple[int, int]:
    """The central 99.9 % of a binomial distribution, both ends included."""
    low, high = 0, n
    below = above = 0.0
    probabilities = [_chance(n, wrong, p) for wrong in range(n + 1)]
    while below + probabilities[low] <= ALPHA / 2:
        below += probabilities[low]
        low += 1
    while above + probabilities[high] <= ALPHA / 2:
        above += probabilities[high]
        high -= 1
    return low, high


def _chance(n: int, wrong: int, p: float) -> float:
    if p in (0.0, 1.0):
        return float(wrong == n * p)
    ways = lgamma(n + 1) - lgamma(wrong + 1) - lgamma(n - wrong + 1)
    return exp(ways + wrong * log(p) + (n - wrong) * log(1 - p))


def cells(budget: int) -> Iterator[Cell]:
    """Every cell of the table, measured."""
    for p in CHANCES:
        for k, height in CELLS:
            roots = max(20, budget // nodes(k, height))
            wrong, _, workspaces = wrong_roots(p, k, height, roots)
            expected = tree_failure(height, 2, p, k)
            low, high = bounds(roots, expected)
            yield Cell(
                p, k, height, roots, wrong, expected, low, high, low <= wrong <= high, workspaces
            )


def main() -> int:
    """Print the table; 1 if a cell lies outside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODES, help="workspaces spent on a cell")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began = time.monotonic()
    outside = 0
    if not options.json:
        print("    p  k height  roots  wrong    rate  exact   99.9 % of counts")
    for cell in cells(options.nodes):
        outside += not cell.inside
        if options.json:
            print(json.dumps(to_builtins(cell)))
            continue
        state = "inside" if cell.inside else "OUTSIDE"
        print(
            f"{cell.p:5.2f} {cell.k:2d} {cell.height:6d} {cell.roots:6d} {cell.wrong:6d} "
            f"{cell.wrong / cell.roots:7.4f} {cell.expected:6.4f}   {cell.low}..{cell.high} {state}"
        )
        sys.stdout.flush()
    if not options.json:
        for line in colluding(options.nodes):
            print(line)
        print(f"{time.monotonic() - began:.0f} s, {outside} cells outside")
    return 1 if outside else 0


def colluding(budget: int) -> Iterator[str]:
    """Where voting hurts, and what shared subtrees cost."""
    height, p, k = 3, 0.2, 3
    alone = tree_failure(height, 2, p, 1)
    roots = max(50, budget // 15)
    bad, wrong, _ = wrong_roots(p, 1, height, roots, "colluding")
    yield f"\ncolluding copies, p = {p}, height {height}, no vote: {bad / roots:.3f} not right"
    yield f"  ({wrong / roots:.3f} confidently wrong; exact {alone:.3f}, {roots} roots)"
    roots = max(50, budget // nodes(k, height))
    bad, wrong, _ = wrong_roots(p, k, height, roots, "colluding")
    exact = tree_failure(height, 2, p, k)
    yield f"  a vote of {k} at every node: {bad / roots:.3f} not right (exact {exact:.3f}), "
    yield f"  {wrong / roots:.3f} confidently wrong, {roots} roots"
    for share in ("nothing", "children"):
        bad, _, workspaces = wrong_roots(0.05, k, height, roots, "random", share)
        yield (
            f"share={share!r}, p = 0.05, k = {k}, height {height}: {bad / roots:.3f} not right, "
            f"{workspaces // roots} workspaces a root"
            + (" (correlated)" if share == "children" else "")
        )


if __name__ == "__main__":
    raise SystemExit(main())
