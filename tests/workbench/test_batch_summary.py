"""Batch summary: what was paid stands in it as the ledger has it."""

import json
from pathlib import Path

from tests.workbench.conftest import Run
from workbench.batch_summary import Summary, described

PAID = """
from decomposition.actions import Reply
from decomposition.answerers.base import Answerer
from decomposition.spend import Attempt, Estimate, Usage


class Paid(Answerer):
    identity = "paid"
    instant = False
    paid = True

    async def act(self, views):
        raise AssertionError("a paid answerer is called by attempt")

    def estimate(self, view):
        return Estimate(100, 10, 0.5)

    async def attempt(self, view, call):
        known = view.question == "one?"
        usage = Usage(10, 5, 0.25) if known else Usage()
        return Attempt((Reply("1"),), usage)
"""


def test_a_correct_answer_has_its_price(run: Run) -> None:
    """All calls are paid for, right or wrong; what nobody knows is named with its reserve."""
    Path("paid.py").write_text(PAID)
    Path("paid.py").chmod(0o600)
    Path("q.jsonl").write_text(
        '{"question": "one?", "expected": "1"}\n{"question": "two?", "expected": "2"}\n'
    )
    options = ("--by", "paid.py:Paid", "--out", "o", "--json")
    ran = run("amplify", "q.jsonl", *options)
    assert ran.code == 0, ran.err
    summary = json.loads(ran.out)
    assert (summary["attempts"], summary["tokens"], summary["cost_usd"]) == (2, 15, 0.25)
    assert (summary["unknown"], summary["reserved_tokens"], summary["reserved_usd"]) == (
        1,
        110,
        0.5,
    )
    assert summary["per_correct"] == {"calls": 2, "tokens": 15, "cost_usd": 0.25}


def test_the_words_say_what_is_not_known() -> None:
    """Money that nobody can name is not left out in silence."""
    summary = Summary("r", 1, attempts=3, tokens=15, cost_usd=0.25, unknown=1, reserved_usd=0.5)
    assert "3 requests, 15 tokens, $0.2500, and of 1 not all is known" in described(summary)
    assert "$0.5000 more" in described(summary)


def test_what_has_no_price_is_not_free() -> None:
    """Neither in words nor in what a correct answer took."""
    said = described(Summary("r", 1, attempts=3, tokens=15, unknown=3))
    assert "3 requests, 15 tokens; what 3 of them cost is not known, for want of a price" in said
    assert "$" not in said


def test_what_costs_nothing_is_not_spoken_of() -> None:
    """Neither money nor calls."""
    assert "paid" not in described(Summary("r", 1))
