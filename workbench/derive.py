"""Deriving: the tree of a training row, built again from the row alone.

The engine works the row's question with the run's overseer, the task's environment and, in the
student's place, the answers that the row kept. Nothing else of the run is needed, not even the
student.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from decomposition.answerers.base import Answerer
from decomposition.errors import BadTask
from decomposition.events import KINDS, Event
from decomposition.loop import Loop
from decomposition.message import Message
from decomposition.ports import ALL_GRANTED, Authorship, Reusable, Ungranted, Written
from decomposition.routing import Policy
from decomposition.session import Session
from decomposition.setting import Environs, Setting
from decomposition.spend import NO_DUES, Dues
from decomposition.tasks import task_named
from decomposition.tasks.base import NO_FACTS
from decomposition.tasks.table import AnyTableTask, TableTask
from decomposition.tasks.tabled import Tabled
from traces.codec import encode
from traces.record import Record, RunRecord
from traces.training_rows import Row
from workbench.clock import SystemClock
from workbench.exits import Exit, stop

FUEL: Final = 1_000
"""Of each recorded and derived tree, one overseer deep: no overseer of rows needs as much."""
AT_ONCE: Final = 64
EXPERT: Final = "expert"


class RowsConfig(Struct, frozen=True):
    """What a run of rounds says of its rows, as its configuration in the store."""

    task: str
    size: int
    reach: int
    seed: int
    recipe_hash: str
    overseer: str = EXPERT
    """As it was named; files from the root."""
    overseer_identity: str = EXPERT
    record_share: float = 0.0
    """Share of the rows whose trees are recorded, beside a handful a round."""


class Ground(Struct, frozen=True):
    """What all trees of a run's rows share."""

    task: AnyTableTask
    size: int
    overseer: Answerer

    def message(self, seed: int, question: Sequence[int]) -> Message:
        """The root question of a row, with its facts behind a pointer."""
        facts = self.task.make(self.size, seed) if self.task.has_facts else NO_FACTS
        return self.task.root(self.task.table_question(question), facts)

    def setting(self, student: Answerer) -> Setting:
        """The overseer decomposes once, the student answers."""
        task, environment = self.task, self.task.primitives()
        return Setting(
            policy=Policy("amplify"),
            overseer=(self.overseer,),
            student=student,
            environs=Environs(environment, environment.covers, lambda _: task.name),
            normalise=task.normalise,
            symbolise=task.symbols,
        )


class Derived(Struct, frozen=True):
    """A tree that was built from a row."""

    row: Row
    name: str
    """`ARM/STEP.PLACE`."""
    records: tuple[Record, ...]
    answer: str
    status: str
    digest: str


def config_of(run: RunRecord) -> RowsConfig:
    """What a run says of its rows.

    Raises:
        Complaint: It is no run of rounds.
    """
    try:
        return msgspec.json.decode(run.config, type=RowsConfig)
    except msgspec.DecodeError:
        stop(f"the run {run.name} says nothing of training rows", Exit.BAD_DATA)


def ground(config: RowsConfig) -> Ground:
    """The task and the overseer of a run's rows.

    Raises:
        Complaint: The task is not known here, or the overseer is no longer who it was.
    """
    try:
        named = task_named(config.task)
        task = named.reaching(config.reach) if isinstance(named, TableTask) else None
    except BadTask as wrong:
        stop(str(wrong), Exit.BAD_DATA)
    if task is None:
        stop(f"{config.task} has no rows", Exit.BAD_DATA)
    return Ground(task, config.size, _overseer(config, task))


def _overseer(config: RowsConfig, task: AnyTableTask) -> Answerer:
    if config.overseer == EXPERT:
        return task.overseer()
    from distill.batch_amplifier import over_tensors
    from distill.step_overseer import StepOverseer
    from workbench.rounds.overseers import overseer

    found = overseer(config.overseer, task, config.size, config.seed)
    if found.identity != config.overseer_identity:
        stop(
            f"the overseer {config.overseer} has changed since the run: it was "
            f"{config.overseer_identity}, it is {found.identity}",
            Exit.BAD_DATA,
        )
    return StepOverseer(f"overseer:{found.identity}", task, over_tensors(found.step))


def derive(on: Ground, rows: Sequence[tuple[str, Row]]) -> Iterator[Derived]:
    """The trees of rows, in their order.

    Args:
        on: What they share.
        rows: With their names.
    """
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        sink, clock = _Kept(), SystemClock()
        engine = Authorship("", "engine", clock.wall_us(), clock.monotonic_us())
        sessions = [
            Session(place, on.setting(as_student(on, row, name)), engine)
            for place, (name, row) in enumerate(some)
        ]
        for session, (_, row) in zip(sessions, some, strict=True):
            session.begin(on.message(row.seed, row.question), FUEL)
        asyncio.run(Loop(sink, clock).run(iter(sessions), AT_ONCE))
        for session, (name, row) in zip(sessions, some, strict=True):
            end = session.outlook()
            records = sink.records(session.number)
            yield Derived(row, name, records, end.answer, end.status, end.digest)


def as_student(on: Ground, row: Row, name: str) -> Tabled:
    """The answers of a row in the place of the student that gave them."""
    answers = dict(zip(row.subquestions, row.subanswers, strict=True))
    return Tabled(f"row:{on.task.name}@{name}", on.task, answers)


class _Kept:
    """Takes events and keeps them with their authorship; nothing is durable."""

    def __init__(self) -> None:
        self._entries: dict[int, list[tuple[str, Event, Authorship]]] = {}

    async def commit(
        self, written: Sequence[Written], reusable: Reusable, dues: Dues = NO_DUES
    ) -> Ungranted:
        """Keep the events."""
        del reusable, dues
        for each in written:
            self._entries.setdefault(each.session, []).extend(each.entries)
        return ALL_GRANTED

    def records(self, session: int) -> tuple[Record, ...]:
        """The events of a session as a store would give them back."""
        return tuple(
            Record(number, path, KINDS.index(type(event)), encode(event), authorship)
            for number, (path, event, authorship) in enumerate(self._entries[session])
        )
