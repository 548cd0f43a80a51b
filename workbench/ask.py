"""Asking: one question deliberated, its tree and its answer."""

import json
from pathlib import Path
from typing import Final

import msgspec
import typer
from msgspec import Struct

from decomposition.tasks import task_named
from decomposition.tree import Tree, fold
from traces.record import Ending, Record, SessionRecord
from traces.store import Store, now_us
from workbench.account import CallLimit
from workbench.deliberate import Deliberation, Outcome, Task
from workbench.doings import doings
from workbench.drawing import drawn
from workbench.exits import Exit, stop
from workbench.safe_output import shown
from workbench.terminal import LiveTree, width
from workbench.wiring import Options, check, pose, setting_of

AT_ONCE: Final = 8
"""Calls of answerers that wait, under way at once."""


class Asked(Struct, frozen=True):
    """A question that was deliberated."""

    question: str
    row: SessionRecord
    ending: Ending
    records: tuple[Record, ...]

    @property
    def tree(self) -> Tree:
        """The whole tree, folded from the record."""
        return fold((record.path, record.event) for record in self.records)


def ask(
    question: str,
    options: Options,
    context: Path | None,
    store_at: str,
    *,
    ascii_only: bool,
) -> Asked:
    """Deliberate one question.

    Raises:
        Complaint: The options or the question do not hold together.
    """
    check(options)
    posed = pose(question, options, context)
    task = task_named(posed.task) if posed.task else None
    setting, cast = setting_of(options, task)
    live = LiveTree(ascii_only=ascii_only)
    ends: list[Outcome] = []
    with Store.open(store_at) as store:
        config = msgspec.json.encode(options).decode()
        row = store.register.open_session(now_us=now_us(), seed=options.seed, config=config)
        deliberation = Deliberation(
            store,
            CallLimit(options.max_calls),
            on_progress=live.update,
            on_end=ends.append,
            keep=True,
        )
        try:
            deliberation.run(
                iter([Task(row, posed, setting, cast)]),
                at_once=1,
                concurrency=AT_ONCE,
                memo=options.reuse == "memo",
            )
        finally:
            live.close()
        records = tuple(store.records(row.number))
    return Asked(question, row, ends[0].ending, records)


def print_tree(asked: Asked, *, ascii_only: bool) -> None:
    """The tree on standard error."""
    for line in drawn(asked.tree, doings(asked.records), width(), ascii_only=ascii_only, most=60):
        typer.echo(line, err=True)
    ending = asked.ending
    typer.echo(
        f"{asked.row.trace}: {ending.workspaces} workspaces, {ending.calls} calls, "
        f"{ending.lookups} look-ups, {ending.joins} joins, {ending.seconds:.2f} s\n"
        f"look again: workbench trace show {asked.row.trace}",
        err=True,
    )


def print_answer(asked: Asked) -> None:
    """The answer on standard output.

    Raises:
        Complaint: There is none; the reason stands in the message.
    """
    _need_answer(asked)
    typer.echo(shown(asked.ending.answer))


def as_json(asked: Asked) -> str:
    """The answer with its counts, as one JSON object.

    Raises:
        Complaint: There is no answer; the object was printed all the same.
    """
    ending = asked.ending
    record = {
        "question": asked.question,
        "answer": ending.answer if ending.status == "answered" else None,
        "reason": None if ending.status == "answered" else ending.answer,
        "status": ending.status,
        "trace": asked.row.trace,
        "digest": ending.digest,
        "workspaces": ending.workspaces,
        "calls": ending.calls,
        "lookups": ending.lookups,
        "joins": ending.joins,
        "seconds": round(ending.seconds, 6),
    }
    text = json.dumps(record, ensure_ascii=True)
    if ending.status != "answered":
        typer.echo(text)
        _need_answer(asked)
    return text


def _need_answer(asked: Asked) -> None:
    ending = asked.ending
    if ending.status != "answered":
        stop(f"no answer: {ending.answer} ({asked.row.trace})", Exit.STOPPED)
