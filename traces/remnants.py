"""Remnants: what still holds words of a text that is taken away.

A long text is taken away wherever it stands as it is. Short ones stand everywhere, and single
words of long ones too: those are looked for here, so that somebody can decide.
"""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct, json

from decomposition.hypertext import POINTER_NAME
from traces.codec import decode
from traces.dependants import Rows
from traces.husk import BLANK, texts
from traces.tables import EVENT_BITS

LISTED: Final = 100
"""Events that are named; the others are counted."""

_MOST_WORDS: Final = 2_000
_PAGE: Final = 5_000
_NUMBER: Final = (1 << EVENT_BITS) - 1
_WORD: Final = re.compile(r"[^\W_]{4,}|[^\W_]*\d[^\W_]+|[^\W_]+\d")
"""What says something by itself: four letters or more, or two signs with a digit."""
_SCAN: Final = (
    "SELECT id, kind, payload FROM event WHERE id > ? AND payload IS NOT NULL ORDER BY id LIMIT ?"
)
_ROWS: Final = (
    "SELECT answer, config FROM session",
    "SELECT external, input FROM line",
    "SELECT text FROM expected",
    "SELECT name, config FROM run",
    "SELECT identity FROM answerer",
    "SELECT reason FROM redacted",
    "SELECT fault, finish, model, request, reply FROM ledger",
    "SELECT asker FROM halt",
)

Place = tuple[int, int]
"""A session and the number of one of its events."""


class Remnants(Struct, frozen=True):
    """What still holds words of a text."""

    events: tuple[Place, ...]
    """The first `LISTED`."""
    total: int
    """All events."""
    rows: int
    """Rows beside events."""


def remnants(rows: Rows, gone: Iterable[str], concerned: set[int], but: set[Place]) -> Remnants:
    """Look for texts as whole words everywhere, and for their single words in some sessions.

    Args:
        gone: The texts.
        concerned: Sessions in which single words are looked for too.
        but: Events that are known.
    """
    whole = {text.strip() for text in gone} - {"", BLANK}
    if not whole:
        return Remnants((), 0, 0)
    bare = (POINTER_NAME.sub(" ", text) for text in whole)
    words = {word for text in bare for word in _WORD.findall(text)}
    anywhere, here = _pattern(whole), _pattern(whole | set(sorted(words)[:_MOST_WORDS]))
    raw = re.compile(b"|".join(re.escape(json.encode(each)[1:-1]) for each in whole | words))
    found: list[Place] = []
    after = -1
    while page := rows.rows(_SCAN, (after, _PAGE)):
        after = page[-1][0]
        for key, kind, payload in page:
            place = (key >> EVENT_BITS, key & _NUMBER)
            if place in but or not raw.search(payload):
                continue
            pattern = here if place[0] in concerned else anywhere
            if any(map(pattern.search, texts(decode(kind, payload, place[1])))):
                found.append(place)
    return Remnants(tuple(found[:LISTED]), len(found), _rows(rows, anywhere))


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")


def _rows(rows: Rows, pattern: re.Pattern[str]) -> int:
    return sum(any(pattern.search(text) for text in row) for sql in _ROWS for row in rows.rows(sql))
