"""Pieces: a document cut so that every piece of it, and every outline, has room in a view.

Text stays whole and in its order: sections by their headings, what is longer by whole items,
rows, paragraphs and lines, and a line that is longer still by sentences or words. Outlines hold
titles alone; one that would be too long becomes a tree of outlines, as flat as it can be.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from decomposition.message import Message, Pointer

ENTRY_BYTES: Final = 44
"""What a pointer takes in a view beside its title: its name twice, and what stands around it."""
ASK_BYTES: Final = 100
"""What a question about it takes of the same view, if it is short."""
TITLE_BYTES: Final = 72
"""Longest title; a longer heading is cut, and stands whole in its section."""

_ELLIPSIS: Final = "…"
_WIDENED: Final = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_ESCAPED: Final = re.compile(r"[\[\]$\\]")
_MARKER: Final = re.compile(r"\s{0,3}(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_SENTENCE_END: Final = re.compile(r"[.!?][\"')\]]*\s+")
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")


class Unit(Struct, frozen=True):
    """Text that stays in one piece where it can: a line, an item of a list, a row of a table."""

    text: str
    number: int


class Run(Struct, frozen=True):
    """Units of one sort, one behind the other."""

    noun: str
    """`line`, `item` or `row`."""
    units: list[Unit]


class Section(Struct):
    """What stands under one heading, before it is cut: lines by number, and sections."""

    level: int
    title: str
    body: "list[Unit | Section]"


class Entry(Struct, frozen=True):
    """A line of an outline: a pointer, and what it stands for."""

    pointer: Pointer
    noun: str = ""
    """Empty for a section."""
    first: int = 0
    last: int = 0

    @property
    def cost(self) -> int:
        """Bytes of a piece's room that it takes.

        An outline with questions about all that it lists may take twice that room.
        """
        shown = ENTRY_BYTES + len(self.pointer.title.encode())
        return max(shown, (shown + ASK_BYTES) // 2)


def cost(text: str) -> int:
    """The most bytes that a text takes where a view shows it, escaped and indented."""
    escaped = len(_ESCAPED.findall(text))
    return len(text.encode()) + escaped + 2 * len(_WIDENED.findall(text))


def lines(text: str) -> list[Unit]:
    """The lines of a text by number, each with its end."""
    return [Unit(line, number) for number, line in enumerate(_LINE.findall(text), 1)]


def fitted(section: Section, room: int) -> Message:
    """The message tree of a section; nothing in it takes more than `room` bytes of a view."""
    parts = [
        _entry_of(part, room) if isinstance(part, Section) else part
        for part in _alternating(section.body)
    ]
    whole = _inlined(parts, room)
    if whole is not None:
        return whole
    entries: list[Entry] = []
    for part in parts:
        if isinstance(part, Entry):
            entries.append(part)
        else:
            entries += [each for run in _runs(part, room) for each in _cut(run, room)]
    return _outline(entries, room)


def fitted_rows(text: str, room: int, *, header: bool) -> Message:
    """The message tree of a table, a row a line; every piece begins with the header."""
    if cost(text) <= room:
        return Message((text,))
    rows = _whole_rows(lines(text)) if header else [each.text for each in lines(text)]
    head = rows[0] if header and cost(rows[0]) <= room // 4 else ""
    units = [Unit(row, number) for number, row in enumerate(rows[1:] if head else rows, 1)]
    return _outline(list(_cut(Run("row", units), room, head)), room)


def cut_title(title: str) -> str:
    """A title that has room in an outline."""
    if len(title.encode()) <= TITLE_BYTES:
        return title
    most = TITLE_BYTES - len(_ELLIPSIS.encode())
    return title.encode()[:most].decode("utf-8", "ignore").rstrip() + _ELLIPSIS


def _inlined(body: "list[list[Unit] | Entry]", room: int) -> Message | None:
    """A section with its own text in its place; None where that takes too much."""
    parts: list[str | Pointer] = []
    taken = 0
    for part in body:
        if isinstance(part, Entry):
            parts += [part.pointer, "\n"]
            taken += part.cost
        else:
            parts.append("".join(each.text for each in part))
            taken += sum(cost(each.text) for each in part)
        if taken > room:
            return None
    return Message(tuple(parts) or ("",))


def _entry_of(section: Section, room: int) -> Entry:
    """A section as a line of an outline; a heading that is cut there begins its text."""
    title = cut_title(section.title)
    if title != section.title:
        section.body.insert(0, Unit(section.title + "\n", 0))
        section.title = title
    return Entry(Pointer(message=fitted(section, room), title=title))


def _alternating(body: list[Unit | Section]) -> Iterator[list[Unit] | Section]:
    """Stretches of lines, and the sections between them."""
    block: list[Unit] = []
    for part in body:
        if isinstance(part, Unit):
            block.append(part)
            continue
        if block:
            yield block
            block = []
        yield part
    if block:
        yield block


def _runs(block: list[Unit], room: int) -> Iterator[Run]:
    """A stretch of lines as lists that are too long for one piece, and the lines around them."""
    prose: list[Unit] = []
    for stretch, listed in _stretches(block):
        if not listed or sum(cost(each.text) for each in stretch) <= room:
            prose += stretch
            continue
        if prose:
            yield Run("line", prose)
            prose = []
        yield Run("item", _items(stretch))
    if prose:
        yield Run("line", prose)


def _stretches(block: list[Unit]) -> Iterator[tuple[list[Unit], bool]]:
    """Lines of lists, and lines that are of none, by turns."""
    stretch: list[Unit] = []
    listed = after_blank = False
    for line in block:
        blank = not line.text.strip()
        marked = _MARKER.match(line.text) is not None
        goes_on = blank or line.text[0].isspace() or not after_blank
        belongs = marked or (listed and goes_on)
        if belongs != listed and not (blank and not listed):
            if stretch:
                yield stretch, listed
            stretch, listed = [], belongs
        stretch.append(line)
        after_blank = blank
    if stretch:
        yield stretch, listed


def _items(stretch: list[Unit]) -> list[Unit]:
    """The items of a list, each with the lines that belong to it; an inner list stays inside."""
    items: list[list[str]] = []
    for line in stretch:
        if not items or (_MARKER.match(line.text) and not line.text[0].isspace()):
            items.append([])
        items[-1].append(line.text)
    return [Unit("".join(texts), number) for number, texts in enumerate(items, 1)]


def _whole_rows(found: list[Unit]) -> list[str]:
    """The rows of a table, with line breaks that stand in quotation marks."""
    rows: list[str] = []
    quoted = False
    for line in found:
        if quoted:
            rows[-1] += line.text
        else:
            rows.append(line.text)
        quoted ^= line.text.count('"') % 2 == 1
    return rows


def _cut(run: Run, room: int, head: str = "") -> Iterator[Entry]:
    """A run as pieces that have room, each with a title that tells what it holds.

    Args:
        run: What is cut.
        room: Bytes of a piece.
        head: Begins every piece.
    """
    left = room - cost(head)
    held: list[Unit] = []
    taken = 0
    for unit in run.units:
        takes = cost(unit.text)
        while held and taken + takes > left:
            kept = _paragraphs_end(held) if run.noun == "line" else len(held)
            yield _piece(run.noun, held[:kept], head)
            held = held[kept:]
            taken = sum(cost(each.text) for each in held)
        if takes > left:
            yield from _parts(run.noun, unit, left, head)
            continue
        held.append(unit)
        taken += takes
    if held:
        yield _piece(run.noun, held, head)


def _paragraphs_end(held: list[Unit]) -> int:
    """How many lines make whole paragraphs, if those are half of them or more; else all."""
    for kept in range(len(held), len(held) // 2, -1):
        if not held[kept - 1].text.strip():
            return kept
    return len(held)


def _piece(noun: str, units: list[Unit], head: str) -> Entry:
    first, last = units[0].number, units[-1].number
    message = Message((head + "".join(each.text for each in units),))
    return Entry(Pointer(message=message, title=_title(noun, first, last)), noun, first, last)


def _parts(noun: str, unit: Unit, room: int, head: str) -> Iterator[Entry]:
    """A unit that is too long for one piece, in parts."""
    for number, text in enumerate(_split(unit.text, room), 1):
        title = f"{noun} {unit.number}, part {number}"
        pointer = Pointer(message=Message((head + text,)), title=title)
        yield Entry(pointer, noun, unit.number, unit.number)


def _split(text: str, room: int) -> Iterator[str]:
    """A text in parts: at the ends of sentences, else between words, else anywhere."""
    start = 0
    while start < len(text):
        ahead = text[start : start + room]
        end = _longest(ahead, room)
        if start + end < len(text):
            end = _good_end(ahead, end)
        yield ahead[:end]
        start += end


def _longest(text: str, room: int) -> int:
    """How many characters have room; at least one."""
    if cost(text) <= room:
        return len(text)
    least, most = 1, len(text)
    while most - least > 1:
        middle = (least + most) // 2
        if cost(text[:middle]) <= room:
            least = middle
        else:
            most = middle
    return least


def _good_end(text: str, most: int) -> int:
    """Where a part ends that has at most so many characters, and more than half of them."""
    ends = [found.end() for found in _SENTENCE_END.finditer(text, 0, most)]
    if ends and ends[-1] * 2 > most:
        return ends[-1]
    space = max(text.rfind(" ", 0, most), text.rfind("\n", 0, most)) + 1
    return space if space * 2 > most else most


def _title(noun: str, first: int, last: int) -> str:
    return f"{noun} {first}" if first == last else f"{noun}s {first} to {last}"


def _outline(entries: Sequence[Entry], room: int) -> Message:
    """A message of titles; as a tree where they are too many for one."""
    level = list(entries)
    while sum(each.cost for each in level) > room and len(level) > 1:
        fan = max(2, room // max(each.cost for each in level))
        groups = -(-len(level) // fan)
        bounds = [len(level) * place // groups for place in range(groups + 1)]
        level = [_group(level[first:last]) for first, last in pairwise(bounds)]
    return _listed(level)


def _group(entries: list[Entry]) -> Entry:
    if len(entries) == 1:
        return entries[0]
    first, last = entries[0], entries[-1]
    same = first.noun and all(each.noun == first.noun for each in entries)
    if same:
        title = _title(first.noun, first.first, last.last)
        return Entry(
            Pointer(message=_listed(entries), title=title), first.noun, first.first, last.last
        )
    title = cut_title(f"{first.pointer.title} … {last.pointer.title}")
    return Entry(Pointer(message=_listed(entries), title=title))


def _listed(entries: Sequence[Entry]) -> Message:
    parts: list[str | Pointer] = []
    for entry in entries:
        parts += [entry.pointer, "\n"]
    return Message(tuple(parts) or ("",))
