"""The graph: every workspace and every way between two of them, however deep."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import networkx as nx

from decomposition.actions import Abstain, Ask, Given, Unlock
from decomposition.events import Asked, Event, Joined, Opened, Replied
from decomposition.message import Message
from decomposition.ports import Authorship
from decomposition.view import View
from tests.traces.engine import deliberated
from tests.traces.kit import MODEL
from traces.codec import KIND_OF, encode
from traces.graph import graph
from traces.record import Record
from traces.store import Store

DEEP = 20_000


def record(path: str, event: Event, by: Authorship = MODEL) -> Record:
    """An event as it is stored."""
    return Record(0, path, KIND_OF[type(event)], encode(event), by)


def script(view: View) -> Given | str:
    """Asks three: one is answered, one is not, and one is never looked at."""
    match view.question:
        case "one":
            return "42"
        case "two":
            return (Abstain("no idea"),)
        case _:
            asks = (Ask(("one", "two", "three")), Unlock(("$a1", "$a2")))
            return "see [it] and $a1" if view.asked else asks


def test_nodes_are_workspaces_and_edges_are_questions(store: Store) -> None:
    """With what was asked, what came of it, who acted and what it took."""
    _, row = deliberated(store, "root", script)
    found = graph(store.records(row.number))
    assert nx.is_arborescence(found)
    said = {
        path: (node["question"], node["state"], node["answer"])
        for path, node in found.nodes.items()
    }
    assert said == {
        "0": ("root", "answered", "see [it] and $a1"),
        "0.1": ("one", "answered", "42"),
        "0.2": ("two", "abstained", "no idea"),
        "0.3": ("three", "waiting", ""),
    }
    assert {kind for *_, kind in found.edges(data="kind")} == {"asked"}
    assert [found.nodes[path]["turns"] for path in found] == [2, 1, 1, 0]
    assert found.nodes["0.1"]["answerer"].startswith("scripted:test")
    assert found.nodes["0.3"]["answerer"] == ""


def test_costs_are_counted_once_for_a_turn() -> None:
    """All events of a turn share its authorship; another turn adds to it."""
    ask = [("0", Asked(("one",), (5,))), ("0", Asked(("two",), (5,)))]
    records = [record("0", Opened(Message.of("root"), (9,)), Authorship("", "engine", 1, 2))]
    records += [record(path, event) for path, event in ask]
    once = graph(records).nodes["0"]
    assert (once["turns"], once["cost_usd"]) == (1, MODEL.cost_usd)
    later = Authorship("model:m", "model", 9, 9, 1_000_000, 3, 4, 0.5)
    twice = graph([*records, record("0", Replied("done"), later)]).nodes["0"]
    assert twice["turns"] == 2
    assert twice["cost_usd"] == (MODEL.cost_usd or 0) + 0.5
    assert (twice["answerer"], twice["author"]) == ("model:m", "model")


def test_joins_make_it_a_dag(store: Store) -> None:
    """An edge leads to the origin, in this session or in another one."""

    def twice(view: View) -> Given | str:
        if view.question == "one":
            return "42"
        if len(view.asked) == 2:
            return "done"
        return (Ask(("one",), fuel=50), Unlock((f"$a{len(view.asked) + 1}",)))

    _, first = deliberated(store, "root", twice, joins="shared")
    _, second = deliberated(store, "other", twice, joins="shared")
    found = graph(store.records(first.number))
    assert list(found.edges(data="kind")) == [
        ("0", "0.1", "asked"),
        ("0", "0.2", "asked"),
        ("0.2", "0.1", "joined"),
    ]
    assert nx.is_directed_acyclic_graph(found)
    origin = f"{first.trace}/0.1"
    abroad = graph(store.records(second.number))
    assert abroad.nodes[origin]["state"] == "elsewhere"
    assert abroad.edges["0.1", origin]["kind"] == "joined"
    assert abroad.nodes["0.1"]["answer"] == "42"


def test_samples_stand_below_their_question(store: Store) -> None:
    """Each is a workspace; the combined answer stands at the address."""

    def sampling(view: View) -> Given | str:
        if view.question == "one":
            return "42"
        return "done" if view.asked else (Ask(("one",), samples=3), Unlock(("$a1",)))

    _, row = deliberated(store, "root", sampling)
    found = graph(store.records(row.number))
    assert sorted(found.successors("0.1")) == ["0.1:0", "0.1:1", "0.1:2"]
    assert [found.nodes[path]["answer"] for path in sorted(found)][1:] == ["42"] * 4


def chain(depth: int) -> Iterator[Record]:
    """A chain of questions, the last of which joins the answer of the first."""
    yield record("0", Opened(Message.of("root"), (depth,)))
    path = "0"
    for _ in range(depth):
        yield record(path, Asked(("deeper",), (1,)))
        path += ".1"
    yield record(path, Joined("t-0/0", "ab" * 32, Message.of("42")))


def test_no_chain_is_too_deep() -> None:
    """20,000 questions below each other, without recursion."""
    found = graph(chain(DEEP))
    assert found.number_of_nodes() == DEEP + 2
    assert found.number_of_edges() == DEEP + 1
    assert all(found.has_edge(*pair) for pair in pairwise(list(found)[:-1]))


def test_help_does_not_load_networkx() -> None:
    """Who draws no graph does not wait for it."""
    code = (
        "import sys; from workbench.cli import main; sys.argv = ['workbench', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('loaded:', 'networkx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded: False" in done.stdout
