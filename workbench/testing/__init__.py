"""The test kit that ships: doubles, a provider on loopback, kills, and ports in memory.

What is named here is what a user's own tests build on; `docs/testing.md` shows how.
"""

from decomposition.answerers.faulty import Faulty
from decomposition.answerers.scripted import Gullible, Looping, Malformed, Scripted
from workbench.testing.completion import Asked, Completion, ToolCall
from workbench.testing.memory import MemorySink, deliberate
from workbench.testing.paid import PaidDouble

__all__ = [
    "Asked",
    "Completion",
    "Faulty",
    "Gullible",
    "Looping",
    "Malformed",
    "MemorySink",
    "PaidDouble",
    "Scripted",
    "ToolCall",
    "deliberate",
]
