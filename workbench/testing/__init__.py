"""The test kit that ships: doubles, a provider on loopback, kills, and ports in memory.

What is named here is what a user's own tests build on; `docs/testing.md` shows how. The provider
and the kills are imported when they are first named: both also run as programs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from decomposition.answerers.faulty import Faulty
from decomposition.answerers.scripted import Gullible, Looping, Malformed, Scripted
from workbench.testing.completion import Asked, Completion, ToolCall
from workbench.testing.memory import MemorySink, deliberate
from workbench.testing.paid import PaidDouble

if TYPE_CHECKING:
    from workbench.testing.kill import Victim
    from workbench.testing.provider import Provider

__all__ = [
    "Asked",
    "Completion",
    "Faulty",
    "Gullible",
    "Looping",
    "Malformed",
    "MemorySink",
    "PaidDouble",
    "Provider",
    "Scripted",
    "ToolCall",
    "Victim",
    "deliberate",
]

_LATER: Final = {"Provider": "provider", "Victim": "kill"}


def __getattr__(name: str) -> object:
    """Import what was not imported at once."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
