"""The benchmark of slow trees: its greedy schedule, and that it works what it times."""

import asyncio

from benchmarks.tree_latency import Tree, greedy_s, ours
from workbench.testing.paid import PaidDouble, tree


def test_the_greedy_schedule_keeps_as_many_calls_under_way_as_are_ready() -> None:
    """Seven levels while the tree is narrow, then full rounds: 21 latencies for 1,023 calls."""
    whole = Tree(height=9, cap=64, latency_s=1.0)
    assert len(whole.graph) == whole.calls == 1023
    assert greedy_s(whole.graph, 64, 1.0) == 21
    assert greedy_s(whole.graph, 1, 1.0) == 1023
    assert greedy_s(whole.graph, 10**6, 1.0) == 10


def test_a_chain_has_no_shorter_schedule_than_itself() -> None:
    """What waits for the call before it gains nothing from a cap."""
    chain = {"a": "", "b": "a", "c": "b"}
    assert greedy_s(chain, 64, 0.5) == 1.5


def test_the_graph_of_our_calls_is_the_tree() -> None:
    """Read off the ledger, it has the schedule of the tree: each question was called once."""
    small = Tree(height=3, cap=4, latency_s=1.0)
    graph = asyncio.run(ours(small, PaidDouble(tree)))
    assert len(graph) == small.calls
    assert greedy_s(graph, 4, 1.0) == greedy_s(small.graph, 4, 1.0)
