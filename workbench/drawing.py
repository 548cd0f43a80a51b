"""Drawings of a deliberation as text: one line a workspace, fitted to a width.

The state stands as a glyph and never as colour alone. A line is cut where it hurts least: first
the question, then the answerer, last the answer. At the right edge stands the path, or where
that is too long `@` and the line's number; both name the workspace to `trace show --path`.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from decomposition.hypertext import Failure, Message, Outcome, write
from decomposition.node import Node, Slot
from decomposition.tree import Tree
from workbench.doings import Doings
from workbench.safe_output import as_ascii, columns, cut, line

MAX_LINES: Final = 400
"""Lines after which a drawing is cut, unless more are asked for."""
ROOMY: Final = 34
"""Columns that question and answer of the deepest line have before an answerer stands there."""
LONGEST_PATHS: Final = (24, 16, 12, 8)
"""Longest path that is shown as it is: the first of these that leaves the answerer its room."""
ENOUGH: Final = 20
"""Columns with which an answerer can be told from others."""
WIDEST: Final = 32
"""Columns that the answerer has at most."""


class Pen(Struct, frozen=True):
    """The characters of a drawing."""

    glyphs: Mapping[str, str]
    bar: str
    tee: str
    end: str
    dash: str
    arrow: str
    more: str
    """Stands where something was cut."""
    ascii_only: bool

    def text(self, text: str, width: int) -> str:
        """Foreign text in one line of at most `width` columns."""
        return cut(as_ascii(line(text)) if self.ascii_only else line(text), width, self.more)


FINE: Final = Pen(
    glyphs={
        "waiting": "○",
        "working": "◔",
        "answered": "●",
        "failed": "✗",
        "abstained": "∅",
        "locked": "⚿",
        "joined": "↗",
    },
    bar="│",
    tee="├",
    end="└",
    dash="─",
    arrow="→ ",
    more="…",
    ascii_only=False,
)
PLAIN: Final = Pen(
    glyphs={
        "waiting": "o",
        "working": "~",
        "answered": "*",
        "failed": "x",
        "abstained": "-",
        "locked": "#",
        "joined": ">",
    },
    bar="|",
    tee="+",
    end="`",
    dash="-",
    arrow="-> ",
    more="...",
    ascii_only=True,
)


class Row(Struct):
    """One line of a drawing before it is fitted."""

    state: str
    path: str
    question: str
    answer: str
    """What it came to; empty while it came to nothing."""
    beside: str
    last: tuple[bool, ...]
    """For each level from the root's down whether it is the last of its siblings."""

    @property
    def depth(self) -> int:
        """Askers above it."""
        return len(self.last) - 1


def rows(tree: Tree, doings: Mapping[str, Doings]) -> Iterator[Row]:
    """The lines of a tree, depth first; subquestions that nobody demanded stand as locked."""
    todo = _samples(tree, tree.root, (), last=True)
    while todo:
        slot, node, last = todo.pop()
        if node is None:
            outcome = slot.outcome
            state = "locked" if outcome is None else _state_of(outcome)
            yield Row(state, slot.address, write(slot.question, "$q"), _said(outcome), "", last)
            continue
        yield _row(tree, node, doings.get(node.path, Doings()), last)
        final = len(node.slots) - 1
        for place, inner in reversed(list(enumerate(node.slots))):
            todo += _samples(tree, inner, last, last=place == final)


def _samples(
    tree: Tree, slot: Slot, above: tuple[bool, ...], *, last: bool
) -> list[tuple[Slot, Node | None, tuple[bool, ...]]]:
    """The workspaces of a slot, the last one first; the slot alone where there is none."""
    if slot.samples == 1:
        found = [tree.nodes.get(slot.address)]
    else:
        drawn = (tree.nodes.get(f"{slot.address}:{each}") for each in range(slot.samples))
        found = [node for node in drawn if node is not None] or [None]
    final = len(found) - 1
    return [
        (slot, node, (*above, last and place == final))
        for place, node in reversed(list(enumerate(found)))
    ]


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
    answer = _with_answers(tree, outcome) if isinstance(outcome, Message) else _said(outcome)
    return Row(state, node.path, question, answer, _beside(did), last)


def _with_answers(tree: Tree, message: Message) -> str:
    """A message with the content of its pointers in their place, shortened by the caller."""
    if any(pointer.title for pointer in message.pointers()):
        return write(message, "$q")
    return tree.rendered(message, 400)


def _state_of(outcome: Outcome) -> str:
    if isinstance(outcome, Message):
        return "answered"
    return "abstained" if outcome.kind == "abstained" else "failed"


def _said(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    if isinstance(outcome, Failure):
        return f"({outcome.kind}{': ' if outcome.reason else ''}{outcome.reason})"
    return write(outcome, "$a")


def _beside(did: Doings) -> str:
    if did.joined:
        pieces = [f"joined {did.joined}", *did.marks]
    else:
        pieces = [*did.marks, did.answerer.partition("@")[0]]
        if did.reused:
            pieces.append("memo")
        if did.duration_us >= 1000:
            pieces.append(f"{did.duration_us / 1e6:.3g} s")
        if did.cost_usd:
            pieces.append(f"${did.cost_usd:.4f}")
    return ", ".join(piece for piece in pieces if piece)


def drawn(
    tree: Tree,
    doings: Mapping[str, Doings],
    width: int,
    *,
    ascii_only: bool = False,
    most: int = MAX_LINES,
    all_of_it: str = "--lines 0 draws all",
) -> list[str]:
    """The drawing of a tree, every line at most `width` columns.

    Args:
        tree: What is drawn.
        doings: What happened in its workspaces, by path.
        width: Of the terminal.
        ascii_only: Use ASCII characters only.
        most: Lines of it; what is left out is counted.
        all_of_it: How to see what is left out.
    """
    pen = PLAIN if ascii_only else FINE
    shown: list[Row] = []
    left_out = 0
    for row in rows(tree, doings):
        if len(shown) < most:
            shown.append(row)
        else:
            left_out += 1
    fit = _Fit(shown, width, pen)
    lines = [fit.line(number, row) for number, row in enumerate(shown)]
    if left_out:
        # The command is to be copied, so it stands whole on a line of its own.
        lines.append(pen.text(f"{pen.more} and {left_out} more workspaces:", width))
        lines.append(f"  {all_of_it}")
    return lines


class _Fit:
    """Shares the columns of a line out: guides, question and answer, answerer, path."""

    def __init__(self, shown: list[Row], width: int, pen: Pen) -> None:
        self._width = width
        self._pen = pen
        deepest = max((row.depth for row in shown), default=0)
        self._guides_room = width // 5 if width < 100 else width // 4
        self._step = 2 if 2 * deepest <= self._guides_room else 1
        free = width - min(self._step * deepest, self._guides_room) - ROOMY - 4
        asked = max((columns(line(row.beside)) for row in shown), default=0)
        self._longest_path = self._label_room = 0
        for self._longest_path in LONGEST_PATHS:
            labels = [len(self._label(number, row)) for number, row in enumerate(shown)]
            self._label_room = max(labels, default=0) if width >= 40 else 0
            if free - self._label_room >= min(asked, ENOUGH):
                break
        free -= self._label_room
        self._beside_room = min(asked, WIDEST, free) if free >= 10 else 0
        taken = [room + 2 for room in (self._label_room, self._beside_room) if room]
        self._text_room = width - sum(taken)

    def line(self, number: int, row: Row) -> str:
        """One line of the drawing."""
        pen = self._pen
        head = f"{self._guides(row)}{pen.glyphs[row.state]} "
        text = self._padded(head + self._text(row, self._text_room - columns(head)))
        if self._beside_room:
            beside = pen.text(row.beside, self._beside_room)
            text += "  " + beside + " " * (self._beside_room - columns(beside))
        if self._label_room:
            text += "  " + self._label(number, row)
        return text.rstrip()

    def _padded(self, text: str) -> str:
        fitting = cut(text, self._text_room, self._pen.more)
        return fitting + " " * (self._text_room - columns(fitting))

    def _label(self, number: int, row: Row) -> str:
        return row.path if len(row.path) <= self._longest_path else f"@{number}"

    def _text(self, row: Row, room: int) -> str:
        """Question and answer; the answer keeps at least two thirds, if it needs them."""
        pen = self._pen
        whole = pen.text(row.question, 1000)
        if not row.answer:
            return cut(whole, room, pen.more)
        answer = pen.arrow + pen.text(row.answer, 1000)
        answer = cut(answer, max(2 * room // 3, room - columns(whole) - 1), pen.more)
        question = cut(whole, max(0, room - columns(answer) - 1), pen.more)
        return f"{question} {answer}" if question else answer

    def _guides(self, row: Row) -> str:
        """The lines that lead to a row; where they take too much, its depth as a number."""
        if row.depth == 0:
            return ""
        pen, step = self._pen, self._step
        above = "".join((" " if last else pen.bar).ljust(step) for last in row.last[1:-1])
        whole = above + (pen.end if row.last[-1] else pen.tee).ljust(step, pen.dash)
        if len(whole) <= self._guides_room:
            return whole
        depth = f"{row.depth} "
        return depth + whole[-max(step, self._guides_room - len(depth)) :]
