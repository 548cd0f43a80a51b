"""The trees of training rows as text and JSON: drawn, kept as traces, or compared with records."""

import json as json_text
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from decomposition.tasks.table import DONT_KNOW
from decomposition.tree import fold
from traces.record import FINISHED, RunRecord, SessionRecord
from traces.row_scrub import RecordedRow
from traces.store import Store, now_us
from traces.training_rows import Row, RowName, TrainingRows, row_name
from workbench.account import CallLimit
from workbench.deliberate import Deliberation, Task
from workbench.derive import FUEL, Derived, Ground, as_student, config_of, derive, ground
from workbench.doings import doings
from workbench.drawing import drawn
from workbench.exits import Exit, stop
from workbench.places import open_store
from workbench.row_places import Placed, placed, run_of_rows
from workbench.safe_output import many
from workbench.specs import Cast
from workbench.trace_views import Look
from workbench.wiring import Posed

_LISTED = 20


class Comparison(Struct, frozen=True):
    """Recorded trees beside those that their rows alone come to."""

    run: str
    compared: int
    identical: int
    differing: tuple[tuple[str, str], ...]
    """Row and trace, of another tree or with another answer than the row's label."""
    redacted: int
    """Recorded trees that could not be compared, since something of them was taken away."""


def derived(store_at: str, wanted: str, *, run: str, look: Look, keep: bool, json: bool) -> str:
    """The tree of a row as a drawing or as JSON.

    Raises:
        Complaint: There is no such row, or its numbers were taken away.
    """
    with open_store(store_at, readonly=not keep) as store:
        found = placed(store, wanted, run)
        _refuse_redacted(found)
        on = ground(config_of(found.run))
        tree = next(derive(on, [(str(found.name), found.row)]))
        trace = _kept(store, found, on) if keep else ""
    if json:
        return json_text.dumps(_as_json(found, tree, on, trace))
    return "\n".join([*_heading(found, tree, on, look, trace), *_drawn(tree, look)])


def compared(store_at: str, *, run: str, json: bool) -> tuple[str, bool]:
    """What comes of deriving every recorded tree from its row, and whether all are equal.

    Raises:
        Complaint: The store has no rows.
    """
    with open_store(store_at, readonly=True) as store:
        found = run_of_rows(store, run)
        result = _compared(store, found)
    sound = result.identical == result.compared
    if json:
        return msgspec.json.encode(result).decode(), sound
    lines = [f"{row} differs from {trace}" for row, trace in result.differing[:_LISTED]]
    trees = many(result.compared, "recorded tree")
    lines.append(f"{result.run}: {trees}, {result.identical} identical to those of their rows")
    if result.redacted:
        lines.append(f"{many(result.redacted, 'tree')} not compared: something was redacted")
    return "\n".join(lines), sound


def _compared(store: Store, run: RunRecord) -> Comparison:
    on = ground(config_of(run))
    recorded, redacted = _recorded(store, run)
    differing: list[tuple[str, str]] = []
    rows = [(str(name), row) for name, row, _ in recorded]
    for tree, (_, _, session) in zip(derive(on, rows), recorded, strict=True):
        if tree.digest != session.digest or not says_its_label(on, tree):
            differing.append((tree.name, session.trace))
    count = len(recorded)
    return Comparison(run.name, count, count - len(differing), tuple(differing), redacted)


def says_its_label(on: Ground, tree: Derived) -> bool:
    """Whether the engine came to the label that the batch amplifier gave the row."""
    answered = tree.status == "answered"
    came = on.task.table_answer(on.task.normalise(tree.answer)) if answered else DONT_KNOW
    return came == tree.row.label


def _recorded(store: Store, run: RunRecord) -> tuple[list[tuple[RowName, Row, SessionRecord]], int]:
    """Rows whose trees the run recorded while it trained; and how many are redacted."""
    found: list[tuple[RowName, Row, SessionRecord]] = []
    redacted = 0
    for session in store.register.sessions(run.number, FINISHED):
        told = msgspec.json.decode(session.config, type=RecordedRow)
        name = row_name(told.row)
        if name is None or told.derived:
            continue
        row = TrainingRows(store.database).step(run.number, name.arm, name.step)[name.place]
        if row.redacted or not session.digest:
            redacted += 1
        else:
            found.append((name, row, session))
    return found, redacted


def _kept(store: Store, found: Placed, on: Ground) -> str:
    """The trace of the row's tree, recorded in the store now."""
    told = RecordedRow(str(found.name), found.row.teacher_step, derived=True)
    config = msgspec.json.encode(told).decode()
    row = store.register.open_session(now_us=now_us(), config=config, run=found.run.number)
    setting = on.setting(as_student(on, found.row, str(found.name)))
    posed = Posed(on.message(found.row.seed, found.row.question), FUEL, on.task.name)
    task = Task(row, posed, setting, Cast(setting.overseer))
    Deliberation(store, CallLimit(None)).run(iter([task]), at_once=1, concurrency=1)
    return row.trace


def _refuse_redacted(found: Placed) -> None:
    if found.row.redacted:
        stop(f"the row {found.name} is redacted: its numbers were taken away", Exit.BAD_DATA)


# -- showing -----------------------------------------------------------------------------------


def _heading(found: Placed, tree: Derived, on: Ground, look: Look, trace: str) -> Iterator[str]:
    row = found.row
    question = on.task.render(on.task.table_question(row.question))
    context = f", context from seed {row.seed}" if on.task.has_facts else ""
    yield look.cut(f"{found.run.name} {found.name}: {question}{context}")
    trust = "kept" if row.kept else "not kept"
    audit = "audited" if row.audited else "not audited"
    yield look.cut(
        f"label {_written(on, row.label)} {trust}, {audit}, confidence {row.confidence:.3f}; "
        f"sub-answers of the student after {row.teacher_step} steps"
    )
    yield look.cut(f"digest {tree.digest}")
    if trace:
        yield look.cut(f"kept as {trace}")


def _drawn(tree: Derived, look: Look) -> list[str]:
    whole = fold((record.path, record.event) for record in tree.records)
    did = doings(tree.records)
    return drawn(whole, did, look.columns, ascii_only=look.ascii_only, most=look.most)


def _as_json(found: Placed, tree: Derived, on: Ground, trace: str) -> dict[str, Any]:
    row, task = found.row, on.task
    return {
        "run": found.run.name,
        "row": str(found.name),
        "question": task.render(task.table_question(row.question)),
        "context_seed": row.seed if task.has_facts else None,
        "teacher_step": row.teacher_step,
        "label": _written(on, row.label) if row.label >= 0 else None,
        "subquestions": [
            {
                "question": task.render(task.table_question(asked)),
                "answer": _written(on, answer) if answer >= 0 else None,
                "by": "environment" if task.is_primitive(task.table_question(asked)) else "student",
            }
            for asked, answer in zip(row.subquestions, row.subanswers, strict=True)
        ],
        "confidence": row.confidence,
        "audited": row.audited,
        "kept": row.kept,
        "answer": tree.answer,
        "status": tree.status,
        "digest": tree.digest,
        "trace": trace or None,
        "events": [
            {"path": record.path, "event": json_text.loads(record.payload)}
            for record in tree.records
        ],
    }


def _written(on: Ground, answer: int) -> str:
    return on.task.table_written(answer) if answer >= 0 else "(none: the overseer abstained)"
