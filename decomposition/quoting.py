"""Quoting: where a quotation stands in the content that it is taken from.

Places are counted in the literal text of the content: its texts one behind the other, with a NUL
where a pointer stands, so that no quotation runs over one. Whoever quotes copies what a view
shows, where special characters are escaped and lines are indented; that is found as well.
"""

import re
from collections.abc import Iterator
from typing import Final

from decomposition.hypertext import POINTER_NAME, unescape
from decomposition.message import Message

_INDENTED: Final = re.compile(r"(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])  ")


def literal(source: Message) -> str:
    """The text in which quotations of a content are counted."""
    return "\0".join(part for part in source.parts if isinstance(part, str))


def place_of(text: str, source: Message) -> tuple[int, int] | None:
    """Where the first such text begins and ends in a content; None where it is not there."""
    within = literal(source)
    for form in _forms(text):
        start = within.find(form)
        if start >= 0 and form and "\0" not in form:
            return start, start + len(form)
    return None


def why_not(name: str, text: str, source: Message) -> str:
    """What is said of a quotation that is not there."""
    if not text:
        return f"the quoted text of {name} is empty"
    pieces = [piece for piece in POINTER_NAME.split(text) if piece.strip()]
    if len(pieces) > 1 and all(place_of(piece, source) for piece in pieces):
        return f"a quotation of {name} runs over a pointer; quote what stands on one side of it"
    return f"{name} does not contain the quoted text; copy it letter by letter, or do not quote"


def _forms(text: str) -> Iterator[str]:
    """A quotation as its source may have it: to the letter, or as a view shows it."""
    yield text
    flush = _INDENTED.sub(r"\1", text)
    yield flush
    yield unescape(flush)
