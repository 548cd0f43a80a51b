"""Documents: a file given as context, as a message tree whose sections are locked pointers.

A Markdown heading opens a section that holds everything up to the next heading of its level;
plain text is cut at blank lines into parts. Where views have a cap, everything is cut further,
into pieces that have room in one (`pieces`). Nothing in a document is read as a pointer.
"""

import re
from typing import Final

from msgspec import Struct

from decomposition.errors import BadTask
from decomposition.hypertext import MAX_NESTING, Message, Pointer
from decomposition.pieces import Section, fitted, fitted_rows, lines

MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024
PART_CHARACTERS: Final = 2_000
"""About how long a part of plain text becomes."""

_HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t#]*")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")


class _Section(Struct):
    level: int
    title: str
    parts: list[str | Pointer]


def read_document(raw: bytes, name: str, piece_bytes: int | None = None) -> Message:
    """The message tree of a file; `name` decides what it is read as.

    Args:
        raw: What the file holds.
        name: Its name: with a cap on pieces, tables end in `.csv`, `.tsv` or `.jsonl`.
        piece_bytes: What a piece may take of a view; None for sections as they stand.

    Raises:
        BadTask: It is too long, not UTF-8, or holds NUL; the message names the place.
    """
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise BadTask(f"{name} is longer than {MAX_DOCUMENT_BYTES} bytes")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadTask(f"{name} is UTF-16; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadTask(f"{name} is not UTF-8 at byte {error.start}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise BadTask(f"{name}:{line}: the text holds a NUL character")
    text = text.replace("\r\n", "\n")
    if piece_bytes is not None:
        return in_pieces(text, name, piece_bytes)
    return from_markdown(text) if _is_markdown(name) else from_plain(text)


def _is_markdown(name: str) -> bool:
    return name.lower().endswith((".md", ".markdown"))


def in_pieces(text: str, name: str, piece_bytes: int) -> Message:
    """A text as pieces of which none takes more of a view than it may."""
    kind = name.lower().rpartition(".")[2]
    if kind in ("csv", "tsv", "jsonl", "ndjson"):
        return fitted_rows(text, piece_bytes, header=kind in ("csv", "tsv"))
    if _is_markdown(name):
        return fitted(_sections(text), piece_bytes)
    return fitted(Section(0, "", [*lines(text)]), piece_bytes)


def _sections(text: str) -> Section:
    """The sections of a Markdown text, with their lines."""
    stack = [Section(0, "", [])]
    fences = _Fences()
    for line in lines(text):
        heading = fences.heading(line.text)
        if heading is None:
            stack[-1].body.append(line)
            continue
        level = len(heading.group(1))
        while stack[-1].level >= level:
            stack.pop()
        section = Section(level, heading.group(2), [])
        stack[-1].body.append(section)
        stack.append(section)
    return stack[0]


class _Fences:
    """Fenced code, in which nothing is a heading."""

    def __init__(self) -> None:
        self._open = ""

    def heading(self, line: str) -> re.Match[str] | None:
        """The heading that a line is, if it is one; to be called line by line."""
        fence = _FENCE.match(line)
        if fence and self._open in ("", fence.group(1)):
            self._open = "" if self._open else fence.group(1)
        return None if self._open or fence else _HEADING.fullmatch(line.rstrip("\n"))


def from_markdown(text: str) -> Message:
    """Sections by heading, nested by level; headings inside fenced code are text."""
    stack = [_Section(0, "", [])]
    fences = _Fences()
    for line in text.splitlines(keepends=True):
        heading = fences.heading(line)
        if heading is None:
            _add(stack[-1].parts, line)
            continue
        level = len(heading.group(1))
        while stack[-1].level >= level:
            _close(stack)
        stack.append(_Section(level, heading.group(2), []))
    while len(stack) > 1:
        _close(stack)
    return Message(tuple(stack[0].parts) or ("",))


def from_plain(text: str) -> Message:
    """Parts of whole paragraphs, named by the lines that they span."""
    parts: list[str | Pointer] = []
    block: list[str] = []
    first = number = 1
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        block.append(line)
        if not line.strip() and sum(map(len, block)) >= PART_CHARACTERS:
            parts.append(_part(block, first, number))
            block, first = [], number + 1
    if not parts:
        return Message((text,))
    if block:
        parts.append(_part(block, first, number))
    return Message(tuple(parts))


def sections(message: Message) -> int:
    """How many sections a document has, at all levels."""
    inner = [each.message for each in message.pointers() if each.message is not None]
    return len(inner) + sum(sections(each) for each in inner)


def _part(block: list[str], first: int, last: int) -> Pointer:
    title = f"lines {first} to {last}"
    return Pointer(message=Message(("".join(block),)), title=title)


def _close(stack: list[_Section]) -> None:
    done = stack.pop()
    if len(stack) >= MAX_NESTING:
        raise BadTask(f"headings nest deeper than {MAX_NESTING}")
    pointer = Pointer(message=Message(tuple(done.parts) or ("",)), title=done.title)
    stack[-1].parts.append(pointer)
    stack[-1].parts.append("\n")


def _add(parts: list[str | Pointer], line: str) -> None:
    if parts and isinstance(parts[-1], str):
        parts[-1] += line
    else:
        parts.append(line)
