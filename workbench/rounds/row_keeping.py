"""Row keeping: the training rows of a run, and some of their trees, go into its store.

Rows wait in memory until the next checkpoint, and are committed before it. What the checkpoint does
not reach is forgotten when the run goes on, so a run that was killed ends with the rows and the
digest of one that was not. Nothing that training depends on is touched or drawn from.
"""

from collections.abc import Generator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from decomposition.tasks.base import chance
from distill.answerer import StudentAnswerer
from distill.examples import step_rows, teacher_step
from distill.folder import Loaded, as_teacher
from traces.errors import NameTaken
from traces.gc import remove
from traces.leases import hold
from traces.record import FINISHED, RunRecord
from traces.row_scrub import RecordedRow
from traces.store import Store, now_us
from traces.training_rows import (
    BEGINNING,
    OWN_ARM,
    Packed,
    RowName,
    TrainingRows,
    packed,
    row_name,
    shown_digest,
)
from workbench.account import CallLimit
from workbench.deliberate import Deliberation, Task
from workbench.derive import FUEL, Ground, RowsConfig, config_of, ground
from workbench.exits import Exit, stop
from workbench.going_on import PASSWORD
from workbench.places import file_of, open_store
from workbench.rounds.run_folder import Plan, RunFolder
from workbench.specs import Cast
from workbench.wiring import Posed

if TYPE_CHECKING:
    from distill.training import Trainer

HANDFUL: Final = 4
"""Trees that are recorded of the first step of each round, beside the share."""
SHARE: Final = 0.0002
"""Of the rows whose trees are recorded, unless the run says otherwise."""
KIND: Final = "iterate"


class Kept(Struct, frozen=True):
    """What a run left in its store."""

    rows: int = 0
    rows_digest: str = ""
    recorded: int = 0
    """Rows whose trees stand there as traces."""


NO_ROWS: Final = Kept()
"""Of a run that keeps none."""


class _Chosen(Struct, frozen=True):
    """A row whose tree is recorded at the next checkpoint, with the student that it asked."""

    name: RowName
    seed: int
    question: tuple[int, ...]
    teacher: Loaded
    teacher_step: int


class RowKeeper:
    """Keeps the rows of the amplified arm of a run."""

    def __init__(self, store: Store, run: RunRecord, config: RowsConfig) -> None:
        self._store = store
        self._run = run
        self._config = config
        self._ground: Ground = ground(config)
        self._rows = TrainingRows(store.database)
        self._digest = BEGINNING
        self._packed: list[Packed] = []
        self._chosen: list[_Chosen] = []
        self._teacher: Loaded | None = None
        self._places: tuple[int, ...] = ()

    def begin(self, trainer: "Trainer") -> None:
        """Forget what lies beyond the checkpoint that a run goes on from.

        Raises:
            Complaint: The store lacks rows that the run was trained on.
        """
        _forget(self._store, self._run, trainer.step)
        self._rows.forget(self._run.number, OWN_ARM, trainer.step)
        self._digest = self._rows.digest_at(self._run.number, OWN_ARM, trainer.step)
        if trainer.step and shown_digest(self._digest) != trainer.rows_digest:
            stop(
                f"{self._store.database.place}: these are not the training rows of the "
                f"{trainer.step} steps that the run has taken",
                Exit.STORAGE,
            )

    def before(self, trainer: "Trainer", *, first: bool) -> None:
        """Choose rows of the coming step; `first` if it is the first of a round."""
        self._places = self._choose(trainer, first=first)
        self._teacher = as_teacher(trainer, deepcopy(trainer.teacher)) if self._places else None

    def after(self, trainer: "Trainer") -> None:
        """Take in the rows of the step that was taken."""
        step = packed(step_rows(trainer), self._digest)
        self._digest = step.digest
        self._packed.append(step)
        trainer.rows_digest = shown_digest(step.digest)
        if self._teacher is None or trainer.latest is None:
            return
        questions, _ = trainer.latest
        for place in self._places:
            chosen = _Chosen(
                RowName(OWN_ARM, trainer.step, place),
                questions.seeds[int(questions.contexts[place])],
                tuple(int(number) for number in questions.rows[place]),
                self._teacher,
                teacher_step(trainer.recipe, trainer.step),
            )
            self._chosen.append(chosen)

    def flush(self) -> None:
        """Commit the rows, and record the trees of those that were chosen.

        Raises:
            StoreStopped: The store does not take them.
        """
        if self._packed:
            self._rows.append(self._run.number, OWN_ARM, self._packed)
        self._packed = []
        chosen, self._chosen = self._chosen, []
        if not chosen:
            return
        configs = [
            msgspec.json.encode(RecordedRow(str(each.name), each.teacher_step)).decode()
            for each in chosen
        ]
        rows = self._store.register.open_sessions(
            self._run.number, configs, now_us=now_us(), seed=self._config.seed
        )
        tasks: list[Task] = []
        for row, each in zip(rows, chosen, strict=True):
            posed = Posed(
                self._ground.message(each.seed, each.question), FUEL, self._ground.task.name
            )
            setting = self._ground.setting(StudentAnswerer(each.teacher))
            tasks.append(Task(row, posed, setting, Cast(setting.overseer)))
        work = Deliberation(self._store, CallLimit(None))
        work.run(iter(tasks), at_once=len(tasks), concurrency=1)
        self._store.flush()

    def kept(self) -> Kept:
        """What the run left."""
        rows = self._rows.arms(self._run.number).get(OWN_ARM, (0, 0))[1]
        recorded = self._store.register.progress(self._run.number)
        return Kept(
            rows,
            shown_digest(self._digest) if rows else "",
            sum(recorded.get(status, 0) for status in FINISHED),
        )

    def _choose(self, trainer: "Trainer", *, first: bool) -> tuple[int, ...]:
        batch = trainer.recipe.batch
        draw = chance("recorded trees", self._config.seed, trainer.step)
        share = self._config.record_share
        chosen = {place for place in range(batch) if draw.random() < share}
        if first and share:
            chosen |= set(draw.sample(range(batch), min(HANDFUL, batch)))
        return tuple(sorted(chosen))


@contextmanager
def kept_rows(folder: RunFolder, plan: Plan, store_at: str | None) -> Generator[RowKeeper | None]:
    """The keeper of a run's rows, as long as the block lasts; nobody else works the run then.

    Args:
        folder: Of the run.
        plan: Of the run.
        store_at: Where the store is, if it was named; a password is not kept in the plan.

    Yields:
        None for a run that keeps no rows, or that is finished.

    Raises:
        Complaint: The store is another one than the run's, or has other rows of it.
        Held: Another process works the run.
    """
    if not plan.rows_run or folder.summary.exists():
        yield None
        return
    with open_store(_store_of(folder, plan, store_at), make=True) as store:
        config = _config(plan)
        run = _found(store, plan.rows_run, config)
        with hold(store, f"run:{run.name}"):
            yield RowKeeper(store, run, config)
            store.register.change_run(run.number, "finished", now_us())


def place_of(store_at: str | None) -> str:
    """A store as a plan names it: a file from the root, an address without its password."""
    if store_at is None:
        return ""
    path = file_of(store_at)
    return PASSWORD.sub(r"\1:***@", store_at) if path is None else str(path.absolute())


def _store_of(folder: RunFolder, plan: Plan, store_at: str | None) -> str:
    named = place_of(store_at)
    if store_at is not None and named != plan.store:
        where = plan.store or str(folder.traces)
        stop(f"the run in {folder.path} keeps its rows in {where}, not in {named}")
    if store_at is None and ":***@" in plan.store:
        stop(f"name the store again, with its password: --store {plan.store}")
    return store_at or plan.store or str(folder.traces)


def _config(plan: Plan) -> RowsConfig:
    recipe = plan.recipe
    return RowsConfig(
        task=plan.task,
        size=recipe.size,
        reach=recipe.reach,
        seed=plan.seed,
        recipe_hash=recipe.hash(),
        overseer=plan.overseer,
        overseer_identity=plan.overseer_identity,
        record_share=plan.record_share,
    )


def _found(store: Store, name: str, config: RowsConfig) -> RunRecord:
    text = msgspec.json.encode(config).decode()
    try:
        return store.register.create_run(name, KIND, text, [], now_us=now_us())
    except NameTaken:
        run = store.register.find_run(name)
    if run.kind != KIND or config_of(run) != config:
        stop(
            f"{store.database.place} has a run called {name} that was begun otherwise than the "
            "run.json of the folder says; one of the two was changed",
            Exit.STORAGE,
        )
    return run


def _forget(store: Store, run: RunRecord, step: int) -> None:
    """Remove the trees of rows after a step, and those that were not recorded to their end."""
    gone = [
        session.trace
        for session in store.register.sessions(run.number)
        if session.status not in FINISHED or _step_of(session.config) > step
    ]
    if gone:
        remove(store, traces=gone, force=True, own=(f"run:{run.name}",))


def _step_of(config: str) -> int:
    """The step of the row whose tree a session recorded; 0 where it says none."""
    try:
        name = row_name(msgspec.json.decode(config, type=RecordedRow).row)
    except msgspec.DecodeError:
        return 0
    return 0 if name is None else name.step
