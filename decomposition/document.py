"""Documents: a file given as context, as a message tree whose sections are locked pointers.

A Markdown heading opens a section that holds everything up to the next heading of its level;
plain text is cut at blank lines into parts. Nothing in a document is read as a pointer.
"""

import re
from typing import Final

from msgspec import Struct

from decomposition.errors import BadTask
from decomposition.hypertext import MAX_NESTING, Message, Pointer

MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024
PART_CHARACTERS: Final = 2_000
"""About how long a part of plain text becomes."""

_HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t#]*")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")


class _Section(Struct):
    level: int
    title: str
    parts: list[str | Pointer]


def read_document(raw: bytes, name: str) -> Message:
    """The message tree of a file; `name` decides whether it is Markdown.

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
    markdown = name.lower().endswith((".md", ".markdown"))
    return from_markdown(text) if markdown else from_plain(text)


def from_markdown(text: str) -> Message:
    """Sections by heading, nested by level; headings inside fenced code are text."""
    stack = [_Section(0, "", [])]
    fenced = ""
    for line in text.splitlines(keepends=True):
        fence = _FENCE.match(line)
        if fence and fenced in ("", fence.group(1)):
            fenced = "" if fenced else fence.group(1)
        heading = None if fenced or fence else _HEADING.fullmatch(line.rstrip("\n"))
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
