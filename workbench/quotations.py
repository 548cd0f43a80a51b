"""Quotations: what replies quote, from where, as the record has it."""

from collections.abc import Iterable

from msgspec import Struct

from decomposition.advance import resolve
from decomposition.errors import IllegalAction
from decomposition.events import KINDS, Replied, Span
from decomposition.message import Message
from decomposition.quoting import literal
from decomposition.tree import Tree
from decomposition.workspace import Workspace
from traces.record import Record


class Quotation(Struct, frozen=True):
    """A span of a source that a reply quotes."""

    pointer: str
    """The source's name in the workspace."""
    title: str
    """The source's title; empty for none."""
    start: int
    end: int
    text: str
    """Empty where the source was taken away."""


def quotations(records: Iterable[Record], tree: Tree) -> dict[str, tuple[Quotation, ...]]:
    """What is quoted, by the path of the workspace whose reply quotes it.

    Args:
        records: The events of a session.
        tree: Their fold, with all of its workspaces.
    """
    found: dict[str, tuple[Quotation, ...]] = {}
    for record in records:
        if KINDS[record.kind] is not Replied:
            continue
        event, node = record.event, tree.nodes.get(record.path)
        if isinstance(event, Replied) and event.quotes and node is not None:
            found[record.path] = tuple(_quotation(node.workspace, span) for span in event.quotes)
    return found


def _quotation(workspace: Workspace, span: Span) -> Quotation:
    contents = {name: content for name, content, _ in workspace.shown}
    source = workspace.question if span.pointer == "$q" else contents.get(span.pointer)
    within = literal(source) if isinstance(source, Message) else ""
    text = within[span.start : span.end] if span.end <= len(within) else ""
    return Quotation(span.pointer, _title(workspace, span.pointer), span.start, span.end, text)


def _title(workspace: Workspace, name: str) -> str:
    try:
        return resolve(workspace, name).title
    except IllegalAction:
        return ""
