"""Iterating: rounds of amplification and distillation, arm after arm, in one folder."""

from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final, get_args

from msgspec import Struct
from msgspec.structs import replace

from decomposition.errors import BadTask
from distill.batch_amplifier import over_tensors
from distill.evaluate import PER_LEVEL, exam
from distill.recipe import Arm, Recipe, Regime, preset
from distill.table_student import TableStudent
from distill.threads import set_threads
from distill.training import table_task
from traces.training_rows import OWN_ARM
from workbench.exits import Exit, Interrupted, stop
from workbench.files import is_part
from workbench.rounds.arm_run import SAVE_EVERY_S, ArmRun
from workbench.rounds.foretold import Foretold, of_frontier
from workbench.rounds.overseers import Overseer, overseer
from workbench.rounds.rounds_summary import Finished, Summary, summarise
from workbench.rounds.row_keeping import NO_ROWS, SHARE, Kept, RowKeeper, kept_rows, place_of
from workbench.rounds.run_folder import Plan, RunFolder, read_as, write_json
from workbench.rounds.scoring import Examiner
from workbench.rounds.table_run import TableRun

if TYPE_CHECKING:
    from decomposition.tasks.table import AnyTableTask
    from traces.rounds_record import Round, Scored

ARMS: Final[tuple[Arm, ...]] = get_args(Arm)


class Wanted(Struct, frozen=True):
    """What the command line asks for; None where it says nothing."""

    task: str
    preset: str | None = None
    regime: str | None = None
    rounds: int | None = None
    student: str | None = None
    arms: str | None = None
    seed: int | None = None
    size: int | None = None
    most_steps: int | None = None
    offsets: bool | None = None
    per_level: int | None = None
    overseer: str | None = None
    store: str | None = None
    record_share: float | None = None


class Ended(Struct, frozen=True):
    """A run that is finished."""

    folder: Path
    summary: Summary
    already: bool
    """Whether it was finished before."""


Told = Callable[[ArmRun], None]
Before = Callable[[RunFolder, Arm, ArmRun | None], None]
"""Called before an arm, with the amplified one where that is done."""


def iterate(
    wanted: Wanted,
    out: Path | None,
    *,
    resume: bool,
    tell: Told,
    save_every_s: float = SAVE_EVERY_S,
    before_arm: Before | None = None,
    task: "AnyTableTask | None" = None,
) -> Ended:
    """Begins a run or goes on with one, to its end.

    Args:
        wanted: Beside `resume`, what is said must be what the run was begun with.
        out: The run's folder; None for one named by task, preset and seed.
        resume: Go on with the run of the folder.
        tell: Called after each step.
        save_every_s: Seconds between two checkpoints.
        before_arm: May put the arm's work, done elsewhere, into the folder.
        task: Instead of the one that the recipe names; its questions are the same.

    Raises:
        Complaint: The folder is another run's, or none to go on with.
        BadRecipe: There is no such preset.
        Interrupted: Ctrl-C was pressed; the message says how to go on.
    """
    set_threads()
    plan = planned(wanted)
    folder = RunFolder(out or Path(f"{plan.task}-{plan.preset}-{plan.seed}"))
    plan = _resumed(folder, wanted) if resume else _begun(folder, plan)
    if folder.summary.exists():
        return Ended(folder.path, read_as(folder.summary, Summary), already=True)
    try:
        with folder.held(), kept_rows(folder, plan, wanted.store) as keeper:
            examiner = examiner_of(plan, task)
            return _worked(folder, plan, examiner, tell, save_every_s, before_arm, keeper)
    except KeyboardInterrupt as error:
        again = f"workbench iterate {plan.task} --out {folder.path} --resume"
        raise Interrupted(f"go on with: {again}") from error


def planned(wanted: Wanted) -> Plan:
    """The plan of a new run.

    Raises:
        Complaint: An option is none of those that there are.
        BadRecipe: There is no such preset, or its values do not hold together.
    """
    named = wanted.preset or "small"
    student = _one_of("--student", wanted.student or "transformer", ("transformer", "table"))
    table = student == "table"
    told = wanted.regime or ("frozen" if table else "online")
    regime = _one_of("--regime", told, get_args(Regime))
    arms = _arms(wanted.arms or ("amplified" if table else "all"))
    if table and (regime != "frozen" or len(arms) > 1):
        stop("a table learns in frozen rounds (--regime frozen), in the amplified arm alone")
    _known_task(wanted.task)
    recipe = replace(
        preset(wanted.task, named),
        regime=regime,
        **_given(size=wanted.size, most_steps=wanted.most_steps, offsets=wanted.offsets),
    )
    seed = wanted.seed or 0
    who = _overseer(wanted.overseer or "expert", recipe, seed)
    # Where nothing can be held out, this is told before there is a folder.
    exam(table_task(recipe.task, recipe.reach), recipe.size, seed, 1, recipe.per_context)
    return Plan(
        task=wanted.task,
        preset=named,
        seed=seed,
        recipe=recipe,
        arms=arms,
        rounds=wanted.rounds,
        per_level=wanted.per_level or PER_LEVEL,
        student=student,  # type: ignore[arg-type]
        overseer=who.spec,
        overseer_identity=who.identity,
        overseer_kind=who.kind,
        store="" if table else place_of(wanted.store),
        record_share=0.0 if table else _share(wanted.record_share),
    )


def _share(wanted: float | None) -> float:
    if wanted is not None and not 0 <= wanted <= 1:
        stop("--record-share is from 0 to 1")
    return SHARE if wanted is None else wanted


def _overseer(spec: str, recipe: Recipe, seed: int) -> Overseer:
    """The overseer of a run; the size of its task is checked on the way."""
    task = table_task(recipe.task, recipe.reach)
    try:
        return overseer(spec, task, task.checked_size(recipe.size), seed)
    except BadTask as wrong:
        stop(str(wrong))


def _known_task(name: str) -> None:
    """Nothing, if there is such a task; else which one was meant, before any preset is looked for.

    Raises:
        Complaint: There is none.
    """
    try:
        table_task(name)
    except BadTask as wrong:
        stop(str(wrong))


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _arms(text: str) -> tuple[Arm, ...]:
    """The arms that a list names, the amplified one first."""
    names = {name.strip() for name in text.split(",")}
    if names == {"all"}:
        return ARMS
    for name in sorted(names):
        _one_of("--arms", name, ("all", *ARMS))
    return tuple(arm for arm in ARMS if arm == "amplified" or arm in names)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        stop(f"{name} must be one of {', '.join(known)}, not {value[:40]!r}")
    return value


# -- folders -----------------------------------------------------------------------------------


def _begun(folder: RunFolder, plan: Plan) -> Plan:
    if folder.path.exists() and _holds_something(folder.path):
        stop(f"{folder.path} exists; go on with --resume or name another with --out", Exit.STORAGE)
    folder.path.mkdir(parents=True, exist_ok=True)
    if plan.student != "table":
        # A store may hold the rows of many runs, so the name is nobody else's.
        named = f"{plan.task}-{plan.preset}-{plan.seed}-{token_hex(4)}"
        plan = replace(plan, rows_run=named)
    write_json(folder.plan, plan)
    return plan


def _holds_something(path: Path) -> bool:
    """Whether something is there, but for the first file of a run that was killed at once."""
    if not path.is_dir():
        return True
    return any(not is_part(each) for each in path.iterdir())


def _resumed(folder: RunFolder, wanted: Wanted) -> Plan:
    if not folder.plan.exists():
        stop(f"{folder.path} holds no run to go on with", Exit.BAD_DATA)
    plan = read_as(folder.plan, Plan)
    recipe = plan.recipe
    # A size that no option could have asked for is a fault of the file.
    table_task(recipe.task, recipe.reach).checked_size(recipe.size)
    begun = {
        "preset": plan.preset,
        "regime": recipe.regime,
        "rounds": plan.rounds,
        "student": plan.student,
        "seed": plan.seed,
        "size": recipe.size,
        "most_steps": recipe.most_steps,
        "offsets": recipe.offsets,
        "per_level": plan.per_level,
        "task": plan.task,
    }
    for name, before in begun.items():
        now = getattr(wanted, name)
        if now not in (None, before):
            begun_with = f"the run in {folder.path} was begun with {_option(name, before)}"
            stop(f"{begun_with}, not {_option(name, now)}")
    if wanted.arms is not None and _arms(wanted.arms) != plan.arms:
        stop(f"the run in {folder.path} was begun with --arms {','.join(plan.arms)}")
    if wanted.record_share not in (None, plan.record_share):
        stop(f"the run in {folder.path} was begun with --record-share {plan.record_share:g}")
    _same_overseer(folder, plan, wanted.overseer)
    return plan


def _option(name: str, value: object) -> str:
    """As it would stand on the command line."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    return f"{flag} {value}" if name == "task" else f"--{flag} {value}"


def _same_overseer(folder: RunFolder, plan: Plan, spec: str | None) -> None:
    """Nothing, if who decomposes is who the run was begun with, a user's file unchanged."""
    if spec is None and folder.summary.exists():
        return
    now = _overseer(spec or plan.overseer, plan.recipe, plan.seed)
    begun = f"the run in {folder.path} was begun with --overseer {plan.overseer}"
    if now.spec != plan.overseer:
        stop(f"{begun}, not {now.spec}")
    if now.identity != plan.overseer_identity:
        stop(f"{begun}, whose file has changed since; begin a new run with it", Exit.BAD_DATA)


# -- work --------------------------------------------------------------------------------------


def examiner_of(plan: Plan, task: "AnyTableTask | None" = None) -> Examiner:
    """What every arm of a run is measured with; the same each time it is made."""
    task = task or table_task(plan.recipe.task, plan.recipe.reach)
    grouped = plan.recipe.per_context
    examined = exam(task, plan.recipe.size, plan.seed, plan.per_level, grouped)
    who = _overseer(plan.overseer, plan.recipe, plan.seed)
    return Examiner(examined, task, plan.recipe.size, over_tensors(who.step))


def _worked(
    folder: RunFolder,
    plan: Plan,
    examiner: Examiner,
    tell: Told,
    save_every_s: float,
    before_arm: Before | None,
    keeper: RowKeeper | None,
) -> Ended:
    if plan.student == "table":
        table = TableRun(folder, plan, examiner)
        alone = examiner.amplified(TableStudent()).scored
        return _summed(folder, plan, [table.work()], examiner, alone, table.foretold)
    runs: list[ArmRun] = []
    told: list[Round] = []
    for arm in plan.arms:
        like = runs[0] if runs else None
        if before_arm is not None:
            before_arm(folder, arm, like)
        run = ArmRun(folder, plan, arm, examiner, like, keeper if arm == OWN_ARM else None)
        run.work(told, tell, save_every_s)
        runs.append(run)
        told += run.rounds
    runs[0].keep_final()
    alone = examiner.alone(plan.recipe, plan.seed)
    told_before = of_frontier(plan, runs[0].rounds[-1], examiner)
    ends = [run.finished for run in runs]
    kept = NO_ROWS if keeper is None else keeper.kept()
    return _summed(folder, plan, ends, examiner, alone, told_before, kept)


def _summed(
    folder: RunFolder,
    plan: Plan,
    runs: list[Finished],
    examiner: Examiner,
    alone: "Scored",
    foretold: Foretold,
    kept: Kept = NO_ROWS,
) -> Ended:
    summary = replace(
        summarise(plan, runs, examiner, alone),
        foretold=foretold,
        rows=kept.rows,
        rows_digest=kept.rows_digest,
        record_share=plan.record_share,
        recorded_trees=kept.recorded,
    )
    write_json(folder.summary, summary)
    return Ended(folder.path, summary, already=False)
