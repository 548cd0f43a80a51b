"""Messages: immutable text with pointers to content that may still be hidden.

The written form is what people and models type: `$a1` names visible content, `[ ... ]` makes
a new nested message that its reader first sees as a locked pointer, and a backslash before
`[`, `]`, `$` or a backslash takes the character literally. A bracket without its partner is text.
"""

import re
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Final
from unicodedata import normalize

from decomposition.errors import IllegalAction
from decomposition.message import (
    FAILURE_KINDS,
    PLACE_BOUND,
    Failure,
    Message,
    Outcome,
    Pointer,
)

__all__ = [
    "FAILURE_KINDS",
    "PLACE_BOUND",
    "Failure",
    "Message",
    "Outcome",
    "Pointer",
]

MAX_NESTING: Final = 32
"""Deepest nesting of brackets in one written message."""

HASH_BYTES: Final = 32
HASH_PREFIX: Final = "b2:"

_NAME = r"\$(?:q|a[1-9][0-9]{0,8}|n)(?:\.[1-9][0-9]{0,8})*(?![A-Za-z0-9_])"
POINTER_NAME: Final = re.compile(_NAME)
_TOKEN = re.compile(rf"\\[\[\]$\\]|{_NAME}|[\[\]]")
_ESCAPED = re.compile(r"[\[\]]|\\(?=[\[\]$\\]|\Z)|\$(?=[qan])")
_BACKSLASHED = re.compile(r"\\([\[\]$\\])")
_SPECIAL = re.compile(r"[\[\]$\\]")
_SIMPLE = re.compile(r"[\x01-#%-Z^-\x7f]+")


def is_simple(text: str) -> bool:
    """Whether a text is ASCII without NUL, pointers, brackets and backslashes, and not empty.

    Most texts are; they mean themselves in every form, so the hot path asks this first.
    """
    return _SIMPLE.fullmatch(text) is not None


def parse(written: str, resolve: Callable[[str], Pointer]) -> Message:
    """The message that a written text stands for.

    Args:
        written: The written form.
        resolve: Gives the pointer that a name such as `$a1` means in the writer's workspace.

    Raises:
        IllegalAction: A name is not visible (raised by `resolve`), or the brackets nest too deep.
    """
    if not _SPECIAL.search(written):
        return Message((written,))
    partners = _partners(written)
    stack: list[list[str | Pointer]] = [[]]
    end = 0
    for token in _TOKEN.finditer(written):
        found = token.group()
        start, stop = token.span()
        _extend(stack[-1], written[end:start])
        end = stop
        if found[0] == "\\":
            _extend(stack[-1], found[1])
        elif found[0] == "$":
            stack[-1].append(resolve(found))
        elif start not in partners:
            _extend(stack[-1], found)
        elif found == "[":
            stack.append([])
        else:
            nested = Message(tuple(stack.pop()))
            stack[-1].append(Pointer(message=nested))
    _extend(stack[-1], written[end:])
    return Message(tuple(stack[0]))


def _extend(parts: list[str | Pointer], text: str) -> None:
    if not text:
        return
    if parts and isinstance(parts[-1], str):
        parts[-1] += text
    else:
        parts.append(text)


def _partners(written: str) -> frozenset[int]:
    """Offsets of the brackets that close; the others are text."""
    open_at: list[int] = []
    paired: set[int] = set()
    for token in _TOKEN.finditer(written):
        if token.group() == "[":
            open_at.append(token.start())
        elif token.group() == "]" and open_at:
            paired |= {open_at.pop(), token.start()}
    depth = 0
    for offset in sorted(paired):
        depth += 1 if written[offset] == "[" else -1
        if depth > MAX_NESTING:
            raise IllegalAction(f"brackets nest deeper than {MAX_NESTING}")
    return frozenset(paired)


def escape(text: str) -> str:
    """The written form of literal text: parsing it gives the text back, without a pointer."""
    return _ESCAPED.sub(_backslashed, text) if _SPECIAL.search(text) else text


def unescape(written: str) -> str:
    """The literal text that a written form without pointers and brackets stands for."""
    return _BACKSLASHED.sub(r"\1", written)


def _backslashed(match: re.Match[str]) -> str:
    return "\\" + match.group()


def write(message: Message, name: str) -> str:
    """The written form in which a reader sees a message: its pointers by name, their content not.

    Args:
        message: What is shown.
        name: What the reader calls the message; its i-th pointer is then `NAME.i`.
    """
    parts = message.parts
    first = parts[0] if len(parts) == 1 else None
    if isinstance(first, str):
        return _ESCAPED.sub(_backslashed, first) if _SPECIAL.search(first) else first
    written: list[str] = []
    count = 0
    for part in parts:
        if isinstance(part, str):
            written.append(escape(part))
            continue
        count += 1
        written.append(f"{name}.{count}")
        if part.title:
            written.append(f" ({escape(part.title)})")
    return "".join(written)


def write_out(message: Message) -> str:
    """The written form with nested content in brackets, as its author would type it.

    Raises:
        IllegalAction: The message points to answers, which only names can do, or has a title.
    """
    written: list[str] = []
    for part in message.parts:
        if isinstance(part, str):
            written.append(escape(part))
        elif part.message is None or part.title:
            raise IllegalAction("a message may nest content, but names pointers as text")
        else:
            written.append(f"[{write_out(part.message)}]")
    return "".join(written)


def content_hash(message: Message, of_answer: Callable[[str], str]) -> str:
    """The structural hash of a message, `b2:` and 64 hexadecimal digits.

    Args:
        message: Nesting is bounded by `MAX_NESTING`, so recursion is too.
        of_answer: Hash of the answer at an address, or the address itself while it is pending.
    """
    state = blake2b(digest_size=HASH_BYTES)
    for part in message.parts:
        if isinstance(part, str):
            state.update(b"s" + _framed(part))
        else:
            state.update(b"p" + _framed(part.title) + _framed(pointer_hash(part, of_answer)))
    return HASH_PREFIX + state.hexdigest()


def pointer_hash(pointer: Pointer, of_answer: Callable[[str], str]) -> str:
    """The hash of what a pointer leads to, or the address of an answer that is pending."""
    if pointer.message is not None:
        return content_hash(pointer.message, of_answer)
    return of_answer(pointer.answer)


def failure_hash(failure: Failure) -> str:
    """The structural hash of a failure, apart from that of every message."""
    state = blake2b(b"f" + _framed(failure.kind) + _framed(failure.reason), digest_size=HASH_BYTES)
    return HASH_PREFIX + state.hexdigest()


def _framed(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(8, "big") + raw


def nested(message: Message) -> Iterator[Message]:
    """Every message that stands inside this one in brackets, at any depth."""
    for part in message.parts:
        if isinstance(part, Pointer) and part.message is not None:
            yield part.message
            yield from nested(part.message)


def addresses(message: Message) -> Iterator[str]:
    """The subquestions whose answers this message points to, nested content included."""
    for part in message.parts:
        if isinstance(part, str):
            continue
        if part.answer:
            yield part.answer
        elif part.message is not None:
            yield from addresses(part.message)


def folded(text: str) -> str:
    """Text as questions are compared: NFC, runs of white space as one space."""
    if not text.isascii():
        text = normalize("NFC", text)
    return " ".join(text.split())


def folded_hash(message: Message, of_answer: Callable[[str], str]) -> str:
    """What tells whether two questions are the same for the cycle check.

    The folded text itself for a message of text only, else a content hash.
    """
    first = message.parts[0] if len(message.parts) == 1 else None
    if type(first) is str:
        return folded(first)
    parts = tuple(folded(part) if isinstance(part, str) else part for part in message.parts)
    return content_hash(Message(parts), of_answer)
