"""View sizes: how long the longest view of a recorded session was."""

from collections.abc import Sequence

from decomposition.events import KINDS, Unlocked, Withdrawn
from decomposition.rendering import sight, view
from decomposition.tree import Tree
from traces.record import Record, withdrawn
from workbench.doings import ENVIRONMENT, turns

_LOOK = sight("", "")


def was_capped(records: Sequence[Record]) -> bool:
    """Whether something was unlocked under a cap on views."""
    return any(
        isinstance(event := record.event, Unlocked) and event.wait == "fits"
        for record in records
        if KINDS[record.kind] is Unlocked
    )


def largest_view(records: Sequence[Record]) -> int:
    """Bytes of the longest view on which somebody acted, in UTF-8.

    Told from the events alone, view by view as it was shown; of answerers that see their fuel
    without that line, and without those who look up facts, who read no text.
    """
    gone = withdrawn(records)
    acted = {
        turn.first.number
        for turn in turns(records)
        if not turn.first.authorship.answerer.startswith(ENVIRONMENT)
    }
    tree, largest = Tree(), 0
    for record in records:
        if record.number in gone or KINDS[record.kind] is Withdrawn:
            continue
        node = tree.nodes.get(record.path) if record.number in acted else None
        if node is not None:
            largest = max(largest, len(view(node.workspace, _LOOK).text.encode()))
        tree.apply(record.path, record.event)
    return largest
