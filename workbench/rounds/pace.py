"""The pace of a run: what an arm in another process is told of the run that it follows.

A line for each stretch of steps, in order. The arm takes a step once it knows that the run took it,
so nothing that it does depends on which of the two is faster.
"""

from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec import Struct, field

from distill.curriculum import Mixture, Promotion, Schedule

if TYPE_CHECKING:
    from workbench.rounds.arm_run import ArmRun

_BEFORE: Final = -1
"""The step before the first, of which nothing happened yet."""


class Told(Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of a run, up to a step."""

    step: int
    """Steps that the run has taken by now."""
    over: bool = False
    """Whether these were all."""
    promotions: list[Promotion] = field(default_factory=list[Promotion])
    mixtures: list[Mixture] = field(default_factory=list[Mixture])
    rounds: list[int] = field(default_factory=list[int])
    """Steps at which rounds ended."""


class Lines(Protocol):
    """Where lines come from."""

    def readline(self) -> bytes:
        """The next line with its end; less where nothing follows."""
        ...


class Teller:
    """Tells of a run as it goes on."""

    def __init__(self) -> None:
        self._step = _BEFORE

    def line(self, run: "ArmRun") -> bytes:
        """What happened since the last line, as a line."""
        since, now = self._step, run.trainer.step
        asked = run.trainer.curriculum
        told = Told(
            step=now,
            over=run.over,
            promotions=[each for each in asked.promotions if since < each.step <= now],
            mixtures=[each for each in asked.mixtures if since <= each.step < now],
            rounds=[each.step for each in run.rounds if since < each.step <= now],
        )
        self._step = now
        return msgspec.json.encode(told) + b"\n"


class Lead:
    """The run that is followed, as far as was told of it."""

    def __init__(self, lines: Lines) -> None:
        self.schedule = Schedule()
        """What it asked; grows."""
        self._lines = lines
        self._step = _BEFORE
        self._ended = False
        self._rounds: set[int] = set()

    def reaches(self, step: int) -> bool:
        """Whether the run takes so many steps; waits until that is told.

        Where the lines break off, so does the run.
        """
        while self._step < step and not self._ended:
            self._hear(self._lines.readline())
        return self._step >= step

    def ends_round(self, step: int) -> bool:
        """Whether a round of the run ended at a step that it reached."""
        return step in self._rounds

    def _hear(self, line: bytes) -> None:
        if not line.endswith(b"\n"):
            self._ended = True
            return
        told = msgspec.json.decode(line, type=Told)
        self._step, self._ended = told.step, told.over
        self.schedule.promotions.extend(told.promotions)
        self.schedule.mixtures.extend(told.mixtures)
        self._rounds.update(told.rounds)
