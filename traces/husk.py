"""Husks: what is left of an event once its texts are taken away.

A husk keeps what the tree is made of: how many questions were asked, with how much fuel, which
pointers a text names, where its brackets stand. So a redacted trace can still be replayed, and
shows where something was.
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from decomposition.events import (
    Abstained,
    Asked,
    Deferred,
    Event,
    Failed,
    Joined,
    Noted,
    Opened,
    Refused,
    Replied,
    Woken,
)
from decomposition.hypertext import POINTER_NAME, unescape
from decomposition.message import Failure, Message, Pointer

BLANK: Final = "(redacted)"
_NO_DIGEST: Final = "00" * 32
_TOKEN: Final = re.compile(rf"\\[\[\]$\\]|{POINTER_NAME.pattern}|[\[\]]")


def husk(event: Event) -> Event:
    """The event without its texts; without digests too, from which a text could be guessed."""
    match event:
        case Opened():
            return replace(event, question=_emptied(event.question))
        case Asked():
            return replace(event, questions=tuple(map(blanked, event.questions)))
        case Noted():
            return Noted(blanked(event.text))
        case Replied():
            return replace(event, message=blanked(event.message), quotes=())
        case Abstained() | Refused():
            return replace(event, reason=blanked(event.reason))
        case Failed():
            detail = BLANK if event.detail else ""
            return replace(event, failure=_unexplained(event.failure), detail=detail)
        case Joined():
            message = None if event.message is None else _emptied(event.message)
            failure = None if event.failure is None else _unexplained(event.failure)
            return replace(event, digest=_NO_DIGEST, message=message, failure=failure)
        case Deferred():
            return replace(event, draft=blanked(event.draft))
        case Woken():
            return replace(event, refused=blanked(event.refused))
        case _:
            return event


def undigested(event: Joined) -> Joined:
    """The event with its answer, but without the digest, from which a text could be guessed."""
    return replace(event, digest=_NO_DIGEST)


def pieces(written: str) -> list[str]:
    """The literal texts between the pointers and brackets of a written text."""
    found: list[str] = []
    end = begin = 0
    for token in _TOKEN.finditer(written):
        if token.group().startswith("\\"):
            continue
        begin, end = end, token.end()
        found.append(written[begin : token.start()])
    found.append(written[end:])
    return [unescape(piece).strip() for piece in found if piece.strip()]


def blanked(written: str) -> str:
    """A written text of which only the names of pointers and the brackets are left."""
    pieces: list[str] = []
    end = 0
    for token in _TOKEN.finditer(written):
        escaped = token.group().startswith("\\")
        _blank(pieces, token.start() > end or escaped)
        if not escaped:
            pieces.append(token.group())
        end = token.end()
    _blank(pieces, end < len(written))
    return "".join(pieces)


def _blank(pieces: list[str], there: object) -> None:
    if there and pieces[-1:] != [BLANK]:
        pieces.append(BLANK)


def _emptied(message: Message) -> Message:
    return Message(tuple(map(_emptied_part, message.parts)))


def _emptied_part(part: str | Pointer) -> str | Pointer:
    if isinstance(part, str):
        return BLANK
    message = None if part.message is None else _emptied(part.message)
    return Pointer(message, part.answer, BLANK if part.title else "")


def _unexplained(failure: Failure) -> Failure:
    return Failure(failure.kind, BLANK if failure.reason else "")


def texts(event: Event) -> tuple[str, ...]:
    """The texts that a husk of the event lacks, each as it was written."""
    match event:
        case Opened():
            return tuple(_of_message(event.question))
        case Asked():
            return event.questions
        case Noted():
            return (event.text,)
        case Replied():
            return (event.message,)
        case Abstained() | Refused():
            return (event.reason,)
        case Failed():
            return event.failure.reason, event.detail
        case Joined():
            reason = (event.failure.reason,) if event.failure is not None else ()
            return (*_of_message(event.message), *reason)
        case Deferred():
            return (event.draft,)
        case Woken():
            return (event.refused,)
        case _:
            return ()


def _of_message(message: Message | None) -> Iterator[str]:
    for part in message.parts if message is not None else ():
        if isinstance(part, str):
            yield part
        else:
            yield part.title
            yield from _of_message(part.message)
