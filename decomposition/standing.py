"""Standing: the events of a session as they count, without the turns that were taken back.

The record keeps every event; a fold sees only those that stand. So the tree after a withdrawal is
the one that there would be if the turn had not been given.
"""

from collections.abc import Iterable, Sequence

from decomposition.events import Entry, Opened, Withdrawn


def taken_back(entries: Sequence[Entry]) -> frozenset[int]:
    """Numbers of the events of turns that were taken back; the withdrawals are not among them.

    A withdrawal takes back all that happened in its workspace from the event on that it names:
    only the last turn there can be withdrawn.

    Args:
        entries: Events of one session from its first on.
    """
    gone: set[int] = set()
    for number, (path, event) in enumerate(entries):
        if type(event) is Withdrawn:
            turn = range(max(event.event, 0), number)
            gone.update(each for each in turn if _goes(entries[each], path))
    return frozenset(gone)


def standing(entries: Iterable[Entry]) -> Sequence[Entry]:
    """The events that count, in their order: neither withdrawn turns nor the withdrawals."""
    kept = entries if isinstance(entries, list | tuple) else list(entries)
    if not any(type(event) is Withdrawn for _, event in kept):
        return kept
    gone = taken_back(kept)
    numbered = enumerate(kept)
    return [each for number, each in numbered if number not in gone and not _withdraws(each)]


def _goes(entry: Entry, path: str) -> bool:
    return entry[0] == path and type(entry[1]) is not Opened and not _withdraws(entry)


def _withdraws(entry: Entry) -> bool:
    return type(entry[1]) is Withdrawn
