"""Messages: immutable text with pointers to content that may still be hidden.

The written form is what people and models type: `$a1` names visible content, `[ ... ]` makes
a new nested message that its reader first sees as a locked pointer, and a backslash before
`[`, `]`, `$` or a backslash takes the character literally, one after a name ends the name. A
bracket without its partner is text.
"""

import re
from collections.abc import Callable, Iterator, Mapping
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
_LENGTHENS = re.compile(r"[A-Za-z0-9_]|\.[0-9]|\\[A-Za-z0-9_.\\]")
_TOKEN = re.compile(rf"\\[\[\]$\\]|{_NAME}(?:\\(?=[A-Za-z0-9_.\\]))?|[\[\]]")
_NAMED_LAST = re.compile(rf"(?:{_NAME}|\\)\Z")
_NAME_ENDED = re.compile(rf"{_NAME}\\\Z")
_ESCAPED = re.compile(r"[\[\]]|\\(?=[\[\]$\\]|\Z)|\$(?=[qan])")
_BACKSLASHED = re.compile(r"\\([\[\]$\\])")


def is_simple(text: str) -> bool:
    """Whether a text is ASCII without NUL, pointers, brackets and backslashes, and not empty.

    Most texts are; they mean themselves in every form, so the hot path asks this first.
    """
    return text.isascii() and text != "" and "\0" not in text and not _is_marked(text)


def _is_marked(text: str) -> bool:
    """Whether a text holds a character that the written form gives a meaning."""
    return "$" in text or "[" in text or "]" in text or "\\" in text


def is_plain(message: Message) -> bool:
    """`message.plain`, for the hot path."""
    parts = message.parts
    return len(parts) == 1 and type(parts[0]) is str


def parse(written: str, resolve: Callable[[str], Pointer]) -> Message:
    """The message that a written text stands for.

    Args:
        written: The written form.
        resolve: Gives the pointer that a name such as `$a1` means in the writer's workspace.

    Raises:
        IllegalAction: A name is not visible (raised by `resolve`), or the brackets nest too deep.
    """
    if not _is_marked(written):
        return Message((written,))
    partners = _partners(written)
    stack: list[_Parts] = [_Parts()]
    end = 0
    for token in _TOKEN.finditer(written):
        found = token.group()
        start, stop = token.span()
        stack[-1].add(written[end:start])
        end = stop
        if found[0] == "\\":
            stack[-1].add(found[1])
        elif found[0] == "$":
            stack[-1].point(resolve(found.removesuffix("\\")))
        elif start not in partners:
            stack[-1].add(found)
        elif found == "[":
            stack.append(_Parts())
        else:
            inner = stack.pop().message()
            stack[-1].point(Pointer(message=inner))
    stack[-1].add(written[end:])
    return stack[0].message()


class _Parts:
    """A message under construction; neighbouring pieces of text become one part."""

    def __init__(self) -> None:
        self._parts: list[str | Pointer] = []
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        if text:
            self._texts.append(text)

    def point(self, pointer: Pointer) -> None:
        self._end_text()
        self._parts.append(pointer)

    def message(self) -> Message:
        self._end_text()
        return Message(tuple(self._parts))

    def _end_text(self) -> None:
        if self._texts:
            self._parts.append("".join(self._texts))
            self._texts = []


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
    return _ESCAPED.sub(_backslashed, text) if _is_marked(text) else text


def unescape(written: str) -> str:
    """The literal text that a written form without pointers and brackets stands for."""
    return _BACKSLASHED.sub(r"\1", written)


def _backslashed(match: re.Match[str]) -> str:
    return "\\" + match.group()


def write(message: Message, name: str) -> str:
    """The written form in which a reader sees a message: its pointers by name, their content not.

    What a reader copies from it means what it saw: a backslash ends a name that the text after
    it would lengthen.

    Args:
        message: What is shown.
        name: What the reader calls the message; its i-th pointer is then `NAME.i`.
    """
    parts = message.parts
    first = parts[0] if len(parts) == 1 else None
    if isinstance(first, str):
        return _ESCAPED.sub(_backslashed, first) if _is_marked(first) else first
    written: list[str] = []
    count = 0
    for part in _joined(message):
        if isinstance(part, Pointer):
            count += 1
            written.append(f"{name}.{count}")
        else:
            written.append(_after_name(part) if count else escape(part))
    return "".join(written)


def _after_name(text: str) -> str:
    written = escape(text)
    return "\\" + written if _LENGTHENS.match(written) else written


def _joined(message: Message) -> Iterator[str | Pointer]:
    """The parts, with neighbouring texts as one."""
    texts: list[str] = []
    for part in message.parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        if texts:
            yield "".join(texts)
            texts = []
        yield part
    if texts:
        yield "".join(texts)


def write_out(message: Message, nesting: int = MAX_NESTING) -> str:
    """The written form with nested content in brackets, as its author would type it.

    Raises:
        IllegalAction: The message points to answers, which only names can do, has a title, or
            nests deeper than `nesting`.
    """
    if nesting < 0:
        raise IllegalAction(f"brackets nest deeper than {MAX_NESTING}")
    written: list[str] = []
    for part in _joined(message):
        if isinstance(part, str):
            written.append(escape(part))
        elif type(part) is not Pointer or part.message is None:
            raise IllegalAction("a message holds text and nested messages, nothing else")
        elif part.title or part.answer:
            raise IllegalAction("a message may nest content, but names pointers as text")
        else:
            written.append(f"[{write_out(part.message, nesting - 1)}]")
    return "".join(written)


def content_hash(message: Message, of_answer: Callable[[str], str], *, folds: bool = False) -> str:
    """The structural hash of a message, `b2:` and 64 hexadecimal digits.

    Messages share content, so what is nested is hashed once however often and however deep it
    stands.

    Args:
        message: What is hashed.
        of_answer: Hash of the answer at an address, or the address itself while it is pending.
        folds: Fold texts as the cycle check does.
    """
    done: dict[int, str] = {}
    todo = [message]
    while todo:
        current = todo[-1]
        ahead = [
            part.message
            for part in current.parts
            if isinstance(part, Pointer) and part.message is not None
            if id(part.message) not in done
        ]
        if ahead:
            todo += ahead
            continue
        todo.pop()
        if id(current) not in done:
            done[id(current)] = _hash(current, done, of_answer, folds=folds)
    return done[id(message)]


def _hash(
    message: Message, done: Mapping[int, str], of_answer: Callable[[str], str], *, folds: bool
) -> str:
    state = blake2b(digest_size=HASH_BYTES)
    for part in _folded_parts(message) if folds else _joined(message):
        if isinstance(part, str):
            state.update(b"s" + _framed(part))
            continue
        inner = of_answer(part.answer) if part.message is None else done[id(part.message)]
        state.update(b"p" + _framed(part.title) + _framed(inner))
    return HASH_PREFIX + state.hexdigest()


def failure_hash(failure: Failure) -> str:
    """The structural hash of a failure, apart from that of every message."""
    state = blake2b(b"f" + _framed(failure.kind) + _framed(failure.reason), digest_size=HASH_BYTES)
    return HASH_PREFIX + state.hexdigest()


def _framed(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(8, "big") + raw


def addresses(message: Message) -> Iterator[str]:
    """The subquestions whose answers this message points to, nested content included."""
    if is_plain(message):
        return
    seen: set[int] = set()
    todo = [message]
    while todo:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        for part in current.parts:
            if isinstance(part, str):
                continue
            if part.message is None:
                yield part.answer
            else:
                todo.append(part.message)


def storable(text: object, limit: int = 2_000) -> str:
    """Foreign text as it may be recorded: without NUL and half characters, at most so long."""
    raw = str(text)[:limit].replace("\0", "\ufffd")
    return raw.encode("utf-8", "replace").decode()


def folded(text: str) -> str:
    """Text as questions are compared: NFC, runs of white space as one space."""
    if not text.isascii():
        text = normalize("NFC", text)
    return " ".join(text.split())


def folded_hash(message: Message) -> str:
    """What tells whether two questions are the same for the cycle check.

    The folded text itself for a message of text only, else a content hash of folded texts, those
    of nested content too. Pointers to answers count by address, whether the answer has arrived
    or not, so that the check does not depend on time.
    """
    first = message.parts[0] if len(message.parts) == 1 else None
    if type(first) is str:
        return folded(first)
    return content_hash(message, str, folds=True)


def _folded_parts(message: Message) -> Iterator[str | Pointer]:
    """The parts with folded texts; beside a pointer white space is kept, as one space."""
    parts = list(_joined(message))
    last = len(parts) - 1
    for place, part in enumerate(parts):
        if isinstance(part, str):
            text = folded(part)
            before = " " if place and part[0].isspace() and (text or place < last) else ""
            after = " " if place < last and text and part[-1].isspace() else ""
            if spaced := before + text + after:
                yield spaced
        else:
            yield part


def cut_written(written: str, limit: int) -> str:
    """The longest beginning of at most `limit` bytes that means a beginning of the whole.

    A cut falls neither inside a name or an escape nor between brackets that close, unless nothing
    else is left: then it falls inside them and they are closed behind it.
    """
    kept = written.encode()[:limit].decode("utf-8", "ignore")
    if len(kept) == len(written):
        return written
    partners = _partners(written)
    end, opened, depth, after = len(kept), 0, 0, 0
    for token in _TOKEN.finditer(written):
        start, stop = token.span()
        if start >= end:
            break
        if stop > end:
            end = start
            break
        after = stop
        if start in partners:
            if written[start] == "[":
                opened = start if not depth else opened
                depth += 1
            else:
                depth -= 1
    kept = written[: opened if depth else _sound_end(written, after, end)]
    return kept if kept.strip() else _cut_inside(written, limit, partners)


def _sound_end(written: str, start: int, end: int) -> int:
    """The end of a text that begins at `start`, or the place where the cut would make a name.

    What only ends a name before the next one is not kept either.
    """
    if start == end:
        return end - 1 if _NAME_ENDED.search(written, 0, end) else end
    found = _NAMED_LAST.search(written, start, end)
    return end if found is None else found.start()


def _cut_inside(written: str, limit: int, partners: frozenset[int]) -> str:
    """The longest beginning of at most `limit` bytes, its open brackets closed."""
    end = depth = closing = size = room = 0
    for token in _TOKEN.finditer(written):
        start, stop = token.span()
        size += len(written[end:stop].encode())
        if start in partners:
            depth += 1 if written[start] == "[" else -1
        if size + depth > limit:
            break
        end, closing, room = stop, depth, limit - size - depth
    rest = written[end:].encode()[:room].decode("utf-8", "ignore")
    following = _TOKEN.search(written, end)
    stop = end + len(rest)
    if following is not None:
        stop = min(stop, following.start())
    return written[: _sound_end(written, end, stop)] + "]" * closing
