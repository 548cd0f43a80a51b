"""Drawings of a deliberation as text: one line a workspace, fitted to a width.

The state stands as a glyph and never as colour alone. However deep the tree, the guides take
at most a third of the line; beyond that the depth stands as a number.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from decomposition.hypertext import Failure, Message, Outcome, write
from decomposition.tree import Node, Slot, Tree
from workbench.doings import Doings
from workbench.safe_output import columns, cut, line

GLYPHS: Final = {
    "waiting": "○",
    "working": "◔",
    "answered": "●",
    "failed": "✗",
    "abstained": "∅",
    "locked": "⚿",
    "joined": "↗",
}
ASCII_GLYPHS: Final = {
    "waiting": "o",
    "working": "~",
    "answered": "*",
    "failed": "x",
    "abstained": "-",
    "locked": "#",
    "joined": ">",
}
MAX_LINES: Final = 400
"""Lines after which a drawing is cut, unless more are asked for."""


class Row(Struct):
    """One line of a drawing before it is fitted."""

    depth: int
    state: str
    path: str
    text: str
    beside: str
    last: tuple[bool, ...]
    """For each level above whether it was the last of its siblings."""


def rows(tree: Tree, doings: Mapping[str, Doings]) -> Iterator[Row]:
    """The lines of a tree, depth first; subquestions that nobody demanded stand as locked."""
    todo: list[tuple[Slot, Node | None, tuple[bool, ...]]] = _samples(tree, tree.root, ())
    while todo:
        slot, node, last = todo.pop()
        if node is None:
            asked = _seen(slot.question, "$q")
            outcome = slot.outcome
            state = "locked" if outcome is None else _state_of(outcome)
            yield Row(len(last) - 1, state, slot.address, _text(asked, outcome), "", last)
            continue
        yield _row(tree, node, doings.get(node.path, Doings()), last)
        below: list[tuple[Slot, Node | None, tuple[bool, ...]]] = []
        slots = list(node.slots)
        for place, inner in enumerate(slots):
            below += reversed(_samples(tree, inner, (*last, place == len(slots) - 1)))
        todo += reversed(below)


def _samples(
    tree: Tree, slot: Slot, last: tuple[bool, ...]
) -> list[tuple[Slot, Node | None, tuple[bool, ...]]]:
    """The workspaces of a slot, the last one first; the slot alone where there is none."""
    last = last or (True,)
    if slot.samples == 1:
        return [(slot, tree.nodes.get(slot.address), last)]
    found = [tree.nodes.get(f"{slot.address}:{sample}") for sample in range(slot.samples)]
    nodes = [node for node in found if node is not None]
    if not nodes:
        return [(slot, None, last)]
    return [(slot, node, last) for node in reversed(nodes)]


def _row(tree: Tree, node: Node, did: Doings, last: tuple[bool, ...]) -> Row:
    workspace = node.workspace
    outcome = workspace.outcome
    if did.joined:
        state = "joined"
    elif outcome is not None:
        state = _state_of(outcome)
    else:
        state = "waiting" if workspace.waiting else "working"
    question = _with_answers(tree, workspace.question)
    answer = _with_answers(tree, outcome) if isinstance(outcome, Message) else outcome
    return Row(len(last) - 1, state, node.path, _text(question, answer), _beside(did), last)


def _with_answers(tree: Tree, message: Message) -> str:
    """A message with the content of its pointers in their place, shortened by the caller."""
    return tree.rendered(message, 400) if not _has_context(message) else _seen(message, "$q")


def _has_context(message: Message) -> bool:
    return any(pointer.title for pointer in message.pointers())


def _seen(message: Message, name: str) -> str:
    return write(message, name)


def _state_of(outcome: Outcome) -> str:
    if isinstance(outcome, Message):
        return "answered"
    return "abstained" if outcome.kind == "abstained" else "failed"


def _text(question: str, answer: "str | Outcome | None") -> str:
    if answer is None:
        return question
    if isinstance(answer, Failure):
        reason = f": {answer.reason}" if answer.reason else ""
        return f"{question} → ({answer.kind}{reason})"
    return f"{question} → {answer if isinstance(answer, str) else _seen(answer, '$a')}"


def _beside(did: Doings) -> str:
    if did.joined:
        return f"joined {did.joined}"
    pieces = [did.answerer.partition("@")[0]]
    if did.reused:
        pieces.append("memo")
    if did.duration_us >= 1000:
        pieces.append(f"{did.duration_us / 1e6:.3g} s")
    if did.cost_usd:
        pieces.append(f"${did.cost_usd:.4f}")
    return " · ".join(piece for piece in pieces if piece)


def drawn(
    tree: Tree,
    doings: Mapping[str, Doings],
    width: int,
    *,
    ascii_only: bool = False,
    most: int = MAX_LINES,
) -> list[str]:
    """The drawing of a tree, every line at most `width` columns."""
    glyphs = ASCII_GLYPHS if ascii_only else GLYPHS
    lines: list[str] = []
    left_out = 0
    for row in rows(tree, doings):
        if len(lines) >= most:
            left_out += 1
            continue
        lines.append(_fitted(row, width, glyphs, ascii_only=ascii_only))
    if left_out:
        lines.append(f"… and {left_out} more workspaces (--lines 0 draws all)")
    return lines


def _fitted(row: Row, width: int, glyphs: Mapping[str, str], *, ascii_only: bool) -> str:
    head = _guides(row, width // 3, ascii_only=ascii_only) + glyphs[row.state] + " "
    room = width - columns(head)
    beside = cut(line(row.beside, 48), max(0, min(room // 3, 40)))
    if row.path:
        beside = f"{beside}  " if beside else ""
    text = line(row.text, max(8, room - columns(beside) - 2))
    if not beside:
        return cut(head + text, width)
    gap = " " * max(2, width - columns(head) - columns(text) - columns(beside) + 2)
    return cut(f"{head}{text}{gap}{beside.rstrip()}", width)


def _guides(row: Row, room: int, *, ascii_only: bool) -> str:
    if row.depth == 0:
        return ""
    bar, tee, end = ("| ", "+-", "`-") if ascii_only else ("│ ", "├─", "└─")
    if 2 * row.depth > room:
        label = f"{row.depth}"
        shown = max(0, (room - len(label)) // 2 - 1)
        tail = row.last[-shown - 1 :] if shown else row.last[-1:]
        return (
            f"{label} "
            + "".join("  " if last else bar for last in tail[:-1])
            + (end if tail[-1] else tee)
        )
    above = "".join("  " if last else bar for last in row.last[1:-1])
    return above + (end if row.last[-1] else tee)
