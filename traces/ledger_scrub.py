"""Scrubbing the ledger: what went to a model and came back loses what is taken away.

A request or a reply holds a text in many forms: escaped once for the wire, twice inside of an
argument. So both are compared in one form, without any escapes and white space, and a text that
holds what is looked for goes as a whole: what is left of it would tell the rest.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from traces.database import Row, Writer
from traces.digest import seal
from traces.husk import BLANK
from traces.ledger import COLUMNS

_TEXTS: Final = (17, 18, 19, 20, 21)
"""Places of fault, finish, model, request and reply in a row."""
_PAGE: Final = 500
_READ: Final = f"SELECT {COLUMNS} FROM ledger WHERE call > ? ORDER BY call LIMIT ?"  # noqa: S608
_OF_TURN: Final = (
    "SELECT call FROM ledger WHERE session = ? AND event = (SELECT MAX(event) FROM ledger "
    "WHERE session = ? AND path = ? AND event <= ?)"
)
_CHANGE: Final = (
    "UPDATE ledger SET event = ?, fault = ?, finish = ?, model = ?, request = ?, reply = ?, "
    "seal = ? WHERE call = ?"
)
_UNICODE: Final = re.compile(r"\\+u([0-9a-fA-F]{4})")
_ESCAPED: Final = re.compile(r"\\+[nrtbf]|[\\\s/]+")


def scrub(writer: Writer, needles: Iterable[str], turns: Iterable[tuple[int, str, int]]) -> int:
    """Take texts out of the ledger; how many lines were changed.

    Args:
        turns: Session, path and number of events that are taken away: the lines of their turns
            lose everything.
    """
    wanted = {plain(needle) for needle in needles} - {""}
    gone: set[str] = set()
    for session, path, number in turns:
        gone.update(call for (call,) in writer.rows(_OF_TURN, (session, session, path, number)))
    changed, after = 0, ""
    while rows := writer.rows(_READ, (after, _PAGE)):
        after = rows[-1][0]
        for row in rows:
            changed += _scrubbed(writer, row, wanted, whole=row[0] in gone)
    return changed


def empty(writer: Writer, session: int) -> None:
    """Take all but what they cost from the lines of a session."""
    sql = f"SELECT {COLUMNS} FROM ledger WHERE session = ?"  # noqa: S608 - names from our code
    for row in writer.rows(sql, (session,)):
        new = (*row[:16], None, *[""] * 5, *row[22:])
        _change(writer, new)


def _change(writer: Writer, row: Sequence[Any]) -> None:
    writer.run(_CHANGE, (*row[16:22], seal(*row), row[0]))


def _scrubbed(writer: Writer, row: Row, wanted: set[str], *, whole: bool) -> bool:
    new: list[Any] = list(row)
    for place in _TEXTS:
        if row[place] and (whole or _holds(row[place], wanted)):
            new[place] = BLANK
    if new == list(row):
        return False
    _change(writer, new)
    return True


def _holds(text: str, wanted: set[str]) -> bool:
    bare = plain(text)
    return any(each in bare for each in wanted)


def plain(text: str) -> str:
    """A text without escapes, however deep, and without white space: to be compared alone."""
    units = _UNICODE.sub(lambda found: chr(int(found[1], 16)), text)
    whole = units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _ESCAPED.sub("", whole)
