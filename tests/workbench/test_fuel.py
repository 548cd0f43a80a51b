"""Fuel of sampled trees: what a task says it needs is enough, and no less is."""

import json

import pytest

from decomposition.tasks import recognising
from tests.workbench.conftest import Ran, Run

EXACT = (
    "48 + 95",
    "487 + 1956",
    "permutation of 8 from seed 7: where does 5 go in 4 steps?",
    "make 24 from 5 7",
)
"""Questions whose trees need all of f*; the last has no solution, so that nothing is left out."""
BOUNDED = (
    "7 * 12",
    "permutation of 8 from seed 7: where does 5 go in 7 steps?",
    "make 24 from 1 2 12",
)


def asked(run: Run, question: str, samples: int, fuel: int | None = None) -> Ran:
    """Ask with samples at every node, of which none may be missing."""
    more = () if fuel is None else ("--fuel", str(fuel))
    votes = ("--node-samples", str(samples), "--rule", "unanimous")
    return run("ask", question, *votes, "--json", *more)


def f_star(question: str, samples: int) -> int:
    """The fuel that the question's task says it needs."""
    task = recognising(question)
    found = task.parse_root(question) if task is not None else None
    assert task is not None
    assert found is not None
    return task.fuel(found[0], samples)


@pytest.mark.parametrize("samples", [1, 3, 5])
@pytest.mark.parametrize("question", [*EXACT, *BOUNDED])
def test_f_star_is_enough_for_sampled_trees(question: str, samples: int, run: Run) -> None:
    """Without `--fuel` a question gets what its samples need."""
    ran = asked(run, question, samples)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["status"] == "answered"


@pytest.mark.parametrize("samples", [1, 3, 5])
@pytest.mark.parametrize("question", EXACT)
def test_a_step_less_than_f_star_is_too_little(question: str, samples: int, run: Run) -> None:
    """f* is exact where nothing is left out, and what came of too little fuel is named."""
    ran = asked(run, question, samples, f_star(question, samples) - 1)
    assert ran.code == 4, ran.out
    assert "--fuel" in ran.err
