"""The test kit that ships: the public doubles, and the engine's ports in memory."""

from decomposition.answerers.faulty import Faulty
from decomposition.answerers.scripted import Gullible, Looping, Malformed, Scripted
from workbench.testing.memory import MemorySink, deliberate

__all__ = ["Faulty", "Gullible", "Looping", "Malformed", "MemorySink", "Scripted", "deliberate"]
