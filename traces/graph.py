"""The graph: a recorded deliberation as a `networkx.DiGraph`, a tree or, with joins, a DAG.

It is made from the events one after the other, without folding and without recursion, so that
no depth is too deep. Loading this module loads networkx, so only who draws or counts does.
"""

from collections.abc import Iterable
from typing import Any, Final

import networkx as nx

from decomposition.events import (
    KINDS,
    ROOT,
    Abstained,
    Asked,
    Combined,
    Failed,
    Joined,
    Opened,
    Replied,
    Sampled,
    Withdrawn,
)
from decomposition.hypertext import write
from decomposition.message import Failure, Message
from traces.record import Record, withdrawn

Graph = Any
"""A `networkx.DiGraph`, which has no types of its own."""

ASKED: Final = "asked"
JOINED: Final = "joined"


def graph(records: Iterable[Record]) -> Graph:
    """The deliberation of one session.

    Nodes are workspaces by path, and subquestions with several samples by address. Their
    attributes:

    - `question`: in written form;
    - `state`: `waiting` until somebody acts, `open`, `answered`, `abstained`, `failed`, or
      `elsewhere` for the origin of a join in another session;
    - `answer`: in written form, the reason where there is none, empty while it is open;
    - `answerer`, `author`: of who acted last; empty for nobody;
    - `turns`, `tokens`, `cost_usd`, `seconds`: of all that was given there.

    Edges lead from an asker to what it asked (`kind` is `asked`) and from a join to its origin
    (`joined`). Turns that were taken back are left out.
    """
    growing = _Growing()
    for record in _standing(list(records)):
        growing.take(record)
    return growing.graph


def _standing(records: list[Record]) -> list[Record]:
    gone = withdrawn(records)
    return [
        record
        for record in records
        if record.number not in gone and KINDS[record.kind] is not Withdrawn
    ]


class _Growing:
    """A graph that takes the events of a session in their order."""

    def __init__(self) -> None:
        self.graph: Graph = nx.DiGraph()
        self._asked: dict[str, int] = {}
        self._samples: dict[str, int] = {}
        """Samples drawn so far, of what has several."""
        self._turn: object = None

    def take(self, record: Record) -> None:
        """Take the next event."""
        path, event = record.path, record.event
        self._place(path, record)
        match event:
            case Opened():
                self._opened(event)
            case Asked():
                self._subquestions(path, event)
            case Sampled():
                self._sample(path, self._samples[path])
            case Combined():
                self._combined(path, event)
            case Replied(message):
                self._close(path, "answered", message)
            case Abstained(reason):
                self._close(path, "abstained", reason)
            case Failed(failure):
                self._fail(path, failure)
            case Joined():
                self._joined(path, event)
            case _:
                pass

    # -- questions ---------------------------------------------------------------------------

    def _opened(self, event: Opened) -> None:
        self._question(ROOT, write(event.question, "$q"), len(event.fuel))

    def _subquestions(self, path: str, event: Asked) -> None:
        first = self._asked.get(path, 0) + 1
        self._asked[path] = first + len(event.questions) - 1
        for number, question in enumerate(event.questions, first):
            address = f"{path}.{number}"
            self._question(address, question, event.samples)
            self.graph.add_edge(path, address, kind=ASKED)

    def _question(self, address: str, question: str, samples: int) -> None:
        self._node(address, question)
        if samples > 1:
            self._samples[address] = 0
            for sample in range(samples):
                self._sample(address, sample)

    def _sample(self, address: str, sample: int) -> None:
        path = f"{address}:{sample}"
        if path not in self.graph:
            self._node(path, self.graph.nodes[address]["question"])
            self.graph.add_edge(address, path, kind=ASKED)
            self._samples[address] += 1

    def _node(self, path: str, question: str, state: str = "waiting") -> None:
        said = {"question": question, "state": state, "answer": "", "answerer": "", "author": ""}
        self.graph.add_node(path, **said, turns=0, tokens=0, cost_usd=0.0, seconds=0.0)

    # -- what was given ----------------------------------------------------------------------

    def _place(self, path: str, record: Record) -> None:
        """Count what a turn took, once for all of its events."""
        if path not in self.graph:
            self._node(path, "")
        node, by = self.graph.nodes[path], record.authorship
        if node["state"] == "waiting" and not isinstance(record.event, Opened):
            node["state"] = "open"
        turn = (path, by)
        if not by.answerer or turn == self._turn:
            return
        self._turn = turn
        node["answerer"], node["author"] = by.answerer, by.author
        node["turns"] += 1
        node["tokens"] += (by.tokens_in or 0) + (by.tokens_out or 0)
        node["cost_usd"] += by.cost_usd or 0.0
        node["seconds"] += by.duration_us / 1e6

    def _close(self, path: str, state: str, answer: str) -> None:
        self.graph.nodes[path].update(state=state, answer=answer)

    def _outcome(self, path: str, outcome: Message | None) -> None:
        self._close(path, "answered", "" if outcome is None else write(outcome, "$q"))

    def _fail(self, path: str, failure: Failure) -> None:
        state = "abstained" if failure.kind == "abstained" else "failed"
        self._close(path, state, failure.reason)

    def _joined(self, path: str, event: Joined) -> None:
        if event.failure is not None:
            self._fail(path, event.failure)
        else:
            self._outcome(path, event.message)
        if event.origin not in self.graph:
            self._node(event.origin, self.graph.nodes[path]["question"], "elsewhere")
        self.graph.add_edge(path, event.origin, kind=JOINED)

    def _combined(self, address: str, event: Combined) -> None:
        if event.winner is None:
            self._close(address, "abstained", "the samples did not agree")
            return
        winner = self.graph.nodes[f"{address}:{event.winner}"]
        self._close(address, winner["state"], winner["answer"])
