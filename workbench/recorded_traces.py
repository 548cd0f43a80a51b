"""Recorded traces: what was answered in a trace, asked again by the text of its questions.

`recorded:TRACE` knows every question of the trace that was answered or abstained from, the root and
all below it. A question that points to something is none of them: its text says not what it is
about.
"""

from collections.abc import Callable, Iterator

from decomposition.actions import Abstain
from decomposition.answerers.recorded import Recorded
from decomposition.caps import Caps
from decomposition.hypertext import is_plain, write
from decomposition.message import Failure
from decomposition.tree import Tree, fold
from traces.store import Store
from workbench.exits import Exit, stop
from workbench.places import open_store

Traces = Callable[[str], Recorded]
"""Finds what was answered in a trace."""


def traces_at(store_at: str) -> Traces:
    """The traces of a store, which is opened once one is wanted."""

    def found(trace: str) -> Recorded:
        with open_store(store_at, readonly=True) as store:
            return recorded_trace(store, trace)

    return found


def recorded_trace(store: Store, trace: str) -> Recorded:
    """What was answered in a trace, by question.

    Raises:
        Complaint: The trace is not named for good, or some of it was redacted.
        UnknownId: There is no such trace.
    """
    if trace == "last":
        stop("recorded:last would be another trace tomorrow; name the trace")
    row = store.register.find_session(trace)
    if store.reader.husks(row.number):
        stop(f"content of {row.trace} was redacted; it is not answered from", Exit.BAD_DATA)
    tree = fold(store.entries(row.number), keep=True)
    table: dict[str, str | Abstain] = {}
    for question, answer in _answered(tree):
        if table.setdefault(question, answer) != answer:
            table[question] = Abstain(f"{row.trace} has several answers to this question")
    return Recorded(row.trace, table, f"{row.trace} has no answer to this question")


def _answered(tree: Tree) -> Iterator[tuple[str, str | Abstain]]:
    """Each closed question with its answer, whole, or why there is none."""
    for slot in tree.slots.values():
        if slot.outcome is None or not is_plain(slot.question):
            continue
        text = tree.rendered(slot.outcome, Caps().answer_bytes)
        failed = isinstance(slot.outcome, Failure)
        yield write(slot.question, "$q"), Abstain(f"recorded: {text}") if failed else text
