"""Flights: calls under way, and pauses that end by themselves.

What has landed is known without looking at what is still in the air, however much that is.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

from msgspec import Struct

from decomposition.actions import Given
from decomposition.node import Node
from decomposition.ports import MemoTurn
from decomposition.session import Seat, Session
from decomposition.spend import Intent, Standing, Usage
from decomposition.view import View


class Job(Struct, eq=False):
    """One workspace to ask for."""

    session: Session
    node: Node
    seat: Seat
    view: View
    audit: MemoTurn | None = None
    """The recorded turn that this call is compared with."""
    attempt: int = 1
    """Over the faults that may pass."""


class Call(Struct, eq=False):
    """A call that is about to leave, once what it rests on is committed."""

    job: Job
    intent: Intent | None = None
    """None for a call that is not paid."""


class Came(Struct, frozen=True):
    """What one attempt of a paid call came to."""

    standing: Standing
    given: Given | None
    """None where nothing was decided."""
    usage: Usage
    fault: str = ""
    retry_after_s: float | None = None
    """Seconds that the other side asked to wait; None where it did not."""
    stopped: BaseException | None = None
    """Why the run must stop."""


class Landing(Struct, frozen=True):
    """What came of a flight."""

    givens: Sequence[Given] = ()
    duration_us: int = 0
    came: Came | None = None
    """Of a paid call."""


class Flight(Struct, eq=False):
    """Something that takes a while and then lands."""

    place: int
    """In the order of leaving."""
    task: "asyncio.Task[Landing]"
    job: Job | None = None
    """None for a pause of a provider."""
    intent: Intent | None = None
    """Of a paid call that is under way."""
    provider: str = ""
    """Whose new calls wait until this has landed; empty for none."""

    @property
    def calling(self) -> bool:
        """Whether it is a call, and not a pause."""
        return self.job is not None and not self.resting

    resting: bool = False
    """Whether it is the pause before the next try of its job."""


class Flights:
    """All that is under way."""

    def __init__(self) -> None:
        self._all: dict[int, Flight] = {}
        self._landed: dict[int, Flight] = {}
        self._arrival = asyncio.Event()
        self._next = 0
        self.calls = 0
        """Calls among them."""
        self.paid = 0
        """Paid calls among them."""

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._all.values()))

    def launch(
        self,
        coming: Coroutine[Any, Any, Landing],
        job: Job | None = None,
        *,
        intent: Intent | None = None,
        provider: str = "",
        resting: bool = False,
    ) -> None:
        """Begin something that lands by itself."""
        place = self._next = self._next + 1
        task = asyncio.create_task(coming)
        flight = Flight(place, task, job, intent, provider, resting)
        self._all[place] = flight
        self._count(flight, 1)

        def land(_: "asyncio.Task[Landing]") -> None:
            self._land(flight)

        task.add_done_callback(land)

    def _land(self, flight: Flight) -> None:
        if flight.place in self._all:
            self._landed[flight.place] = flight
            self._arrival.set()

    def _count(self, flight: Flight, by: int) -> None:
        self.calls += by * flight.calling
        self.paid += by * (flight.intent is not None)

    async def arrival(self, limit_s: float | None) -> None:
        """Return when something has landed, or after so long; None is for ever."""
        if limit_s == 0 or self._landed:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(limit_s):
                await self._arrival.wait()
        except TimeoutError:
            return

    def landed(self, most: int) -> list[Flight]:
        """What has landed, in the order of leaving; what is more than `most` waits its turn."""
        landed = [self._landed.pop(place) for place in sorted(self._landed)[:most]]
        if not self._landed:
            self._arrival.clear()
        for flight in landed:
            self._remove(flight)
        return landed

    def look(self) -> None:
        """Take in what has landed and not said so yet: a task does that a moment later."""
        self._landed.update((each.place, each) for each in self if each.task.done())

    def _remove(self, flight: Flight) -> None:
        if self._all.pop(flight.place, None) is not None:
            self._count(flight, -1)

    async def give_up(self, flights: Sequence[Flight]) -> None:
        """End what is under way; nobody learns what came of it."""
        for flight in flights:
            self._remove(flight)
            self._landed.pop(flight.place, None)
            flight.task.cancel()
        await asyncio.gather(*(flight.task for flight in flights), return_exceptions=True)
