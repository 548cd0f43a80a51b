"""Memory: the engine's ports without a store, for tests, notebooks and simulations."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from decomposition.loop import Loop
from decomposition.message import Message
from decomposition.ports import ALL_GRANTED, Authorship, Reusable, Ungranted, Written
from decomposition.session import Session
from decomposition.setting import Setting
from decomposition.spend import NO_DUES, Dues
from workbench.clock import SystemClock

if TYPE_CHECKING:
    from decomposition.events import Entry


class MemorySink:
    """Takes events and keeps them, or only counts them."""

    def __init__(self, *, keep: bool = True) -> None:
        self.entries: dict[int, list[Entry]] = {}
        self.events = 0
        self.commits = 0
        self._keep = keep

    async def commit(
        self, written: Sequence[Written], reusable: Reusable, dues: Dues = NO_DUES
    ) -> Ungranted:
        """Keep the events; nothing is durable."""
        del reusable, dues
        self.commits += 1
        for each in written:
            self.events += len(each.entries)
            if self._keep:
                entries = self.entries.setdefault(each.session, [])
                entries += [(path, event) for path, event, _ in each.entries]
        return ALL_GRANTED


def deliberate(
    questions: Sequence[str],
    setting_of: Callable[[int], Setting],
    *,
    fuel: int = 10**9,
    samples: int = 1,
    rule: str = "majority",
    at_once: int = 16,
) -> list[Session]:
    """Work questions in memory and return their sessions, in order.

    Args:
        questions: Taken as text, without pointers.
        setting_of: The setting of the question at a place.
        fuel: Of each sample of a root.
        samples: Of each root.
        rule: Combines them.
        at_once: Sessions in one turn of the loop.
    """
    clock = SystemClock()
    engine = Authorship("", "engine", clock.wall_us(), clock.monotonic_us())
    sessions = [Session(place, setting_of(place), engine) for place in range(len(questions))]
    for session, question in zip(sessions, questions, strict=True):
        session.begin(Message.of(question), fuel, samples, rule)
    asyncio.run(Loop(MemorySink(keep=False), clock).run(iter(sessions), at_once))
    return sessions
