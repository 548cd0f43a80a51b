"""Lineage: from a student's answer to the student, its training rows, and the trees beneath them.

A student is known by its identity, the hash of its weights. Its folder says which run it came from
and which rows it was trained on; each row's tree is built again from the row, down to the turns of
the overseer and the look-ups of the environment.
"""

import json as json_text
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from decomposition.hypertext import write
from decomposition.message import Message
from decomposition.node import Node
from decomposition.tasks.table import AnyTableTask
from decomposition.tree import fold
from distill.examples import Alike, alike
from distill.folder import RECORD, Loaded, load_student
from traces.record import RunRecord, SessionRecord
from traces.store import Store
from traces.training_rows import RowName, TrainingRows, shown_digest
from workbench.derive import Derived, Ground, config_of, derive, ground
from workbench.doings import doings
from workbench.drawing import drawn
from workbench.exits import Exit, stop
from workbench.places import open_store
from workbench.rounds.run_folder import Plan, RunFolder, read_as
from workbench.safe_output import line, many
from workbench.trace_views import Look

ROWS: Final = 3
"""Rows that are named, unless more are asked for."""
_STUDENT: Final = "student:"


class Answered(Struct, frozen=True):
    """A question that a student answered."""

    trace: str
    path: str
    question: str
    answer: str
    identity: str
    row: tuple[int, ...] | None
    """The question as a row; None where it is none of the student's task."""


class Lineage(Struct, frozen=True):
    """What stands behind a student's answer."""

    answered: Answered | None
    """None where only the student was asked about."""
    folder: str
    identity: str
    arm: str
    round: int
    step: int
    seed: int
    recipe_hash: str
    highest_label: int
    rows_digest: str
    store: str
    run: str
    digest_holds: bool
    """Whether the rows in the store are those that the student names."""
    alike: Alike
    trees: tuple[Derived, ...]


def lineage(
    wanted: str,
    store_at: str,
    *,
    path: str,
    student: Path | None,
    rows: int = ROWS,
) -> tuple[Lineage, Ground]:
    """What stands behind an answer of a trace, or behind a student.

    Args:
        wanted: A trace, or a student's folder.
        store_at: Of the trace.
        path: Of the workspace in the trace; empty for the first that a student answered.
        student: A folder to look for the student in, itself or anywhere below.
        rows: Rows that are named, with their trees.

    Raises:
        Complaint: No student answered there, it cannot be found, or its rows are not there.
    """
    folder = Path(wanted)
    answered = None
    if not (folder / RECORD).is_file():
        answered, near = _answered(wanted, store_at, path)
        folder = _folder_of(answered, near if student is None else student)
    loaded = load_student(folder)
    run, plan = _run_of(folder)
    place = plan.store or str(run.traces)
    with open_store(place, readonly=True) as store:
        return _traced(store, plan, loaded, folder, answered, rows)


def _traced(
    store: Store,
    plan: Plan,
    loaded: Loaded,
    folder: Path,
    answered: Answered | None,
    most: int,
) -> tuple[Lineage, Ground]:
    record = loaded.record
    run = store.register.find_run(plan.rows_run)
    on, kept = ground(config_of(run)), TrainingRows(store.database)
    asked = None if answered is None else answered.row
    steps = kept.scan(run.number, record.arm, record.step)
    like = alike(on.task, steps, asked, most)
    digest = shown_digest(kept.digest_at(run.number, record.arm, record.step))
    named = [RowName(record.arm, step, place) for step, place in like.nearest]
    told = [(str(name), kept.step(run.number, name.arm, name.step)[name.place]) for name in named]
    found = Lineage(
        answered=answered,
        folder=str(folder),
        identity=loaded.identity,
        arm=record.arm,
        round=record.round,
        step=record.step,
        seed=record.seed,
        recipe_hash=record.recipe_hash,
        highest_label=record.highest_label,
        rows_digest=record.rows_digest,
        store=store.database.place,
        run=run.name,
        digest_holds=digest == record.rows_digest,
        alike=like,
        trees=tuple(derive(on, told)),
    )
    return found, on


# -- from a trace to a student -----------------------------------------------------------------


def _answered(wanted: str, store_at: str, path: str) -> tuple[Answered, Path]:
    """The question that a student answered in a trace, and where its folder may be."""
    with open_store(store_at, readonly=True) as store:
        session = store.register.find_session(wanted)
        records = list(store.records(session.number))
        near = _near(store, session, store_at)
    tree = fold((record.path, record.event) for record in records)
    by = {place: did.answerer for place, did in doings(records).items()}
    theirs = [
        place for place, who in by.items() if who.startswith(_STUDENT) and place in tree.nodes
    ]
    if path and path not in theirs:
        stop(f"no student answered at {path[:60]} of {session.trace}; at {_listed(theirs)}")
    if not theirs:
        stop(f"no student answered anything in {session.trace}")
    place = path or theirs[0]
    return _as_answered(session, tree.nodes[place], by[place]), near


def _as_answered(session: SessionRecord, node: Node, identity: str) -> Answered:
    workspace = node.workspace
    outcome = workspace.outcome
    said = write(outcome, "$a") if isinstance(outcome, Message) else "(none)"
    task = _task_of(identity)
    written = write(workspace.question, "$q")
    contents = {name: seen for name, _, seen in workspace.shown if isinstance(seen, str)}
    question = None if task is None else task.recognise(written)
    row = None if task is None or question is None else task.table_row(question, contents)
    return Answered(session.trace, node.path, line(written, 400), said, identity, row)


def _task_of(identity: str) -> AnyTableTask | None:
    from decomposition.tasks import TASKS
    from decomposition.tasks.table import TableTask

    found = TASKS.get(identity.removeprefix(_STUDENT).partition("@")[0])
    return found if isinstance(found, TableTask) else None


def _near(store: Store, session: SessionRecord, store_at: str) -> Path:
    """Where the student of a session may be: as it was named, or beside the store."""
    config = session.config
    if session.run is not None:
        runs = {run.number: run for run in store.register.runs(1_000_000)}
        config = _config_of(session, runs)
    try:
        told = msgspec.json.decode(config or b"{}", type=dict[str, Any])
    except msgspec.DecodeError:
        told = {}
    by = str(told.get("by", ""))
    named = str(told.get("student", "")) or (by.startswith(_STUDENT) and by[len(_STUDENT) :])
    return Path(named) if named else Path(store_at).absolute().parent


def _config_of(session: SessionRecord, runs: dict[int, RunRecord]) -> str:
    """The configuration in which a session was worked: its own or its run's."""
    return session.config or (runs[session.run].config if session.run in runs else "")


def _folder_of(answered: Answered, within: Path) -> Path:
    """The folder of the student with this identity.

    Raises:
        Complaint: It is not there.
    """
    sha256 = answered.identity.partition("@")[2]
    patterns = (RECORD, f"students/*/{RECORD}", f"*/students/*/{RECORD}")
    for record in [each for pattern in patterns for each in sorted(within.glob(pattern))]:
        if record.is_file() and f'"{sha256}"' in record.read_text(errors="replace"):
            return record.parent
    return stop(
        f"{answered.identity[:60]} is in no folder of {within}\n"
        "name its folder, or its run's, with --student",
        Exit.BAD_DATA,
    )


def _run_of(folder: Path) -> tuple[RunFolder, Plan]:
    """The run that a student was kept by.

    Raises:
        Complaint: It stands in no run's folder, or the run kept no rows.
    """
    run = RunFolder(folder.absolute().parent.parent)
    if not run.plan.is_file():
        stop(f"{folder} stands in no run's folder, so nothing leads to its rows", Exit.BAD_DATA)
    plan = read_as(run.plan, Plan)
    if not plan.rows_run:
        stop(f"the run in {run.path} kept no training rows", Exit.BAD_DATA)
    return run, plan


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:8]) + (", …" if len(paths) > 8 else "") if paths else "none"


# -- showing -----------------------------------------------------------------------------------


def as_text(found: Lineage, on: Ground, look: Look) -> str:
    """A lineage for people, the nearest rows' trees below."""
    return "\n".join([*_heading(found, look), *_trees(found, on, look)])


def _heading(found: Lineage, look: Look) -> Iterator[str]:
    if found.answered is not None:
        told = found.answered
        yield look.cut(f"{told.trace} {told.path}: {told.question} → {told.answer}")
    yield look.cut(f"answered by {found.identity}")
    yield look.cut(f"student: {found.folder}")
    yield look.cut(
        f"  round {found.round}, step {found.step}, arm {found.arm}, seed {found.seed}, "
        f"up to level {found.highest_label}, recipe {found.recipe_hash}"
    )
    holds = "as the student names them" if found.digest_holds else "NOT those it names"
    like = found.alike
    yield look.cut(f"rows: {many(like.rows, 'label')} of {found.run}, {like.kept} trained on")
    yield look.cut(f"  {found.store}, {holds}: {found.rows_digest}")
    if found.answered is not None:
        yield look.cut(f"  {like.same} of the same question, {like.level} of the same level")


def _trees(found: Lineage, on: Ground, look: Look) -> Iterator[str]:
    for tree in found.trees:
        question = on.task.render(on.task.table_question(tree.row.question))
        label = on.task.table_written(tree.row.label)
        yield ""
        yield look.cut(
            f"{tree.name}: {question} → {label}; sub-answers of the student after "
            f"{tree.row.teacher_step} steps"
        )
        whole = fold((record.path, record.event) for record in tree.records)
        did = doings(tree.records)
        yield from drawn(whole, did, look.columns, ascii_only=look.ascii_only, most=look.most)


def as_json(found: Lineage) -> str:
    """A lineage for machines."""
    plain = {
        name: getattr(found, name)
        for name in Lineage.__struct_fields__
        if name not in {"answered", "trees", "alike"}
    }
    trees = [
        {
            "row": tree.name,
            "teacher_step": tree.row.teacher_step,
            "answer": tree.answer,
            "digest": tree.digest,
            "events": [
                {
                    "path": record.path,
                    "answerer": record.authorship.answerer,
                    "event": json_text.loads(record.payload),
                }
                for record in tree.records
            ],
        }
        for tree in found.trees
    ]
    answered = None if found.answered is None else msgspec.to_builtins(found.answered)
    like = msgspec.to_builtins(found.alike)
    return json_text.dumps({"answered": answered, **plain, "alike": like, "trees": trees})
