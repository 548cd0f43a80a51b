"""Replay: the tree of a recorded session at any of its events. Nobody is asked anything."""

from decomposition.events import Entry, Withdrawn
from decomposition.ports import TraceReader
from decomposition.tree import Tree, fold


def tree_at(reader: TraceReader, session: int, until: int | None = None) -> Tree:
    """The tree after `until` events, None for all of them.

    Raises:
        UnknownId: There is no such session.
        CorruptEvent: An event is missing or cannot be read.
    """
    return fold(reader.entries(session, until))


class Replay:
    """Steps to and fro through a recorded session."""

    def __init__(self, reader: TraceReader, session: int) -> None:
        self._entries = tuple(reader.entries(session))
        self.position = 0
        """Events that the tree shows."""
        self.tree = Tree(keep=True)

    @property
    def count(self) -> int:
        """Events of the session."""
        return len(self._entries)

    @property
    def last(self) -> Entry | None:
        """The event that was folded last; None before the first."""
        return self._entries[self.position - 1] if self.position else None

    def seek(self, position: int) -> Tree:
        """The tree after so many events; beyond either end, the end."""
        wanted = min(max(position, 0), self.count)
        ahead = self._entries[self.position : wanted]
        if wanted < self.position or any(type(event) is Withdrawn for _, event in ahead):
            self.tree = fold(self._entries[:wanted])
        else:
            for path, event in ahead:
                self.tree.apply(path, event)
        self.position = wanted
        return self.tree
