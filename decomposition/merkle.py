"""Digests: what a deliberation was, without when, where, by whom and at what cost.

The digest of a workspace covers its question as it was seen, its actions in written form, the
content that each unlock showed, and the digests of its subquestions by number and sample.
Names are relative, so equal deliberations in different places have equal digests. A sampled
root counts with its rule and its winner. A session that reached its cap of workspaces has the
digest of its question and of having reached it: how far it came by then depends on the order.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from decomposition.events import (
    Abstained,
    Asked,
    Combined,
    Deferred,
    Event,
    Failed,
    Noted,
    Opened,
    Refused,
    Replied,
    Unlocked,
)
from decomposition.hypertext import Failure

_blank: Final = blake2b(digest_size=32).copy
UNWORKED: Final = b"\0" * 32
"""Stands for a sample that nobody demanded."""


def mark(event: Event) -> str:
    """An action as it enters the digest. Texts hold no NUL, so NUL separates."""
    match event:
        case Replied(message):
            return "R" + message
        case Asked():
            return asked(event)
        case Unlocked():
            return unlocked(event)
        case Noted(text):
            return "N" + text
        case Abstained(reason):
            return "X" + reason
        case Refused(reason):
            return "!" + reason
        case Failed(failure):
            return f"F{failure.kind} {failure.reason}"
        case Deferred(draft):
            return "D" + draft
        case _:
            return ""


def asked(event: Asked) -> str:
    """An ask as it enters the digest."""
    options = f"{event.samples} {event.rule} {event.share}" if event.samples > 1 else ""
    return f"A{len(event.questions)} {options}\0" + "\0".join(event.questions)


def combined(opened: Opened, verdict: Combined | None) -> str:
    """A sampled root's votes as they enter the digest."""
    winner = "none" if verdict is None or verdict.winner is None else verdict.winner
    return f"C{len(opened.fuel)} {opened.rule} {opened.share} {winner}"


def unlocked(event: Unlocked) -> str:
    """An unlock as it enters the digest."""
    wait = "any" if event.wait == "any" else "all"
    return f"U{wait} {' '.join(event.pointers)}"


def sight_of(name: str, seen: str | Failure) -> str:
    """Shown content as it enters the digest."""
    if isinstance(seen, str):
        return f"={name} {seen}"
    return f"f{name} {seen.kind} {seen.reason}"


def digest(question: str, trail: Iterable[str], children: Iterable[bytes]) -> bytes:
    """The digest of a workspace.

    Args:
        question: The question as seen; for a root with its content's hash.
        trail: Marks and sights in their order.
        children: Digests of its samples, by subquestion number and sample.
    """
    text = "\0".join([question, *trail])
    state = _blank()
    state.update(b"".join([text.encode(), b"\0\0", *children]))
    return state.digest()
