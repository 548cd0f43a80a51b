"""Caps: the limits of one session. Every one is configurable and reported with the run."""

from typing import Final

from msgspec import Struct


class Caps(Struct, frozen=True):
    """Limits of one session; every one is reported with the run."""

    depth: int = 64
    """Askers above a workspace, at most."""
    asks: int = 256
    """Subquestions in one action; the rest is dropped and counted."""
    workspaces: int = 100_000
    """Workspaces of the session."""
    question_bytes: int = 64 * 1024
    answer_bytes: int = 256 * 1024
    """Longer answers are cut and flagged."""
    view_bytes: int | None = None
    """The longest text of a view, in UTF-8 (`room`); None for any."""

    def identity(self) -> str:
        """Stable text of all caps. One that is not set is not in it: keys of answers hold."""
        names = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        return f"Caps({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


DEFAULT_CAPS: Final = Caps()
