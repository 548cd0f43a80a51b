"""Batches: a file of questions worked as one run, resumable at any moment."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from decomposition.session import Session
from decomposition.tasks import task_named
from traces.errors import NameTaken
from traces.leases import hold
from traces.record import FINISHED, NewLine, RunRecord, SessionRecord
from traces.store import Store, now_us
from workbench.account import CallLimit
from workbench.deliberate import Deliberation, Outcome, Task
from workbench.doings import counted
from workbench.exits import Exit, stop
from workbench.inputs import Line
from workbench.wiring import Options, check, pose, setting_of, task_of

SESSIONS_AT_ONCE: Final = 64
"""Sessions that share a turn of the loop, unless `--concurrency` says otherwise."""


class Result(Struct, frozen=True):
    """One line of output."""

    id: str
    question: str
    answer: str | None
    status: str
    trace: str
    workspaces: int
    calls: int
    joins: int
    tokens: int
    cost_usd: float
    seconds: float
    correct: bool | None


class Summary(Struct):
    """What a batch came to."""

    run: str
    total: int
    answered: int = 0
    abstained: int = 0
    failed: int = 0
    unfinished: int = 0
    correct: int = 0
    judged: int = 0
    """Lines whose answer could be compared with a label or checked by the task."""
    workspaces: int = 0
    calls: int = 0
    lookups: int = 0
    joins: int = 0
    memo_hits: int = 0
    seconds: float = 0.0


def accept(store: Store, name: str, lines: Sequence[Line], options: Options) -> RunRecord:
    """The run of these lines, accepted once it is committed.

    Raises:
        Complaint: The name is taken, or an option is out of range.
    """
    check(options)
    posed = {pose(line.question, options, _context(line)).task for line in lines}
    for name_of_task in posed:
        setting_of(options, task_named(name_of_task) if name_of_task else None)
    new = [
        NewLine(line.id, json.dumps(_input(line), ensure_ascii=False), line.expected, options.seed)
        for line in lines
    ]
    config = msgspec.json.encode(options).decode()
    try:
        return store.register.create_run(name, "amplify", config, new, now_us=now_us())
    except NameTaken:
        stop(f"a run is called {name!r} already; resume it with --resume {name}", Exit.STORAGE)


def work(
    store: Store,
    run: RunRecord,
    *,
    max_calls: int | None = None,
    concurrency: int | None = None,
    on_progress: Callable[[Sequence[Session]], None] | None = None,
    on_end: Callable[[Outcome], None] | None = None,
) -> int | None:
    """Work what is left of a run; the cap on calls that stopped it, None if it is finished.

    Args:
        max_calls: The run's cap from now on; None for the one that it has.

    Raises:
        Held: Another process works it.
        RunStopped: The store or an answerer cannot go on.
    """
    options = options_of(run)
    if max_calls is not None:
        options = replace(options, max_calls=max_calls)
    at_once = concurrency or SESSIONS_AT_ONCE
    register = store.register
    with hold(store, f"run:{run.name}"):
        register.change_run(run.number, "running", config=msgspec.json.encode(options).decode())
        account = CallLimit(options.max_calls, _calls_made(store, run))
        deliberation = Deliberation(store, account, on_progress=on_progress, on_end=on_end)
        tasks = _tasks(store, run, options)
        deliberation.run(tasks, at_once=at_once, concurrency=at_once, memo=options.reuse == "memo")
        if register.progress(run.number).keys() <= set(FINISHED):
            register.change_run(run.number, "finished", now_us())
            return None
        register.change_run(run.number, "stopped")
    return options.max_calls


def options_of(run: RunRecord) -> Options:
    """What a run was accepted with, and the cap that it was given last."""
    return msgspec.json.decode(run.config, type=Options)


def _calls_made(store: Store, run: RunRecord) -> int:
    """The calls of a run so far; those of a session that did not end stand in its events."""
    return sum(
        row.calls if row.status in FINISHED else counted(store.records(row.number)).calls
        for row in store.register.sessions(run.number)
        if row.count
    )


def _tasks(store: Store, run: RunRecord, options: Options) -> Iterator[Task]:
    """The sessions that are not finished, in the order of their lines."""
    settings: dict[str, Any] = {}
    lines = {line.idx: line for line in store.register.lines(run.number)}
    for row in store.register.sessions(run.number):
        if row.status in FINISHED:
            continue
        record = json.loads(lines[row.idx].input)
        posed = pose(record["question"], options, _path(record.get("context", "")))
        if posed.task not in settings:
            task = task_named(posed.task) if posed.task else None
            settings[posed.task] = setting_of(options, task)
        setting, cast = settings[posed.task]
        if row.status != "running":
            store.register.begin(row.number, now_us())
        yield Task(row, posed, setting, cast)


def results(store: Store, run: RunRecord) -> Iterator[tuple[Result, SessionRecord]]:
    """One result a line, in the order of the input."""
    options = options_of(run)
    lines = {line.idx: line for line in store.register.lines(run.number)}
    labels = store.register.expected(run.number)
    for row in store.register.sessions(run.number):
        line = lines[row.idx]
        question: str = json.loads(line.input)["question"]
        finished = row.status in FINISHED
        answered = row.status == "answered"
        result = Result(
            line.external,
            question,
            row.answer if finished else None,
            row.status if finished else "stopped",
            row.trace,
            row.workspaces,
            row.calls,
            row.joins,
            row.tokens,
            row.cost_usd,
            round(row.seconds, 6),
            _correct(question, row.answer if answered else None, labels.get(row.idx), options),
        )
        yield result, row


def _correct(question: str, answer: str | None, label: str | None, options: Options) -> bool | None:
    """Whether an answer is right, by its label or by the task; None where nothing can say."""
    task = task_of(question, options)
    if label is not None:
        normalise = task.normalise if task is not None else str.strip
        return answer is not None and normalise(answer) == normalise(label)
    found = task.parse_root(question) if task is not None else None
    if task is None or found is None:
        return None
    return answer is not None and task.correct(*found, answer)


def summarise(store: Store, run: RunRecord) -> Summary:
    """Counts over a run's lines; what is not finished stays in the denominator."""
    summary = Summary(run.name, run.total)
    for result, row in results(store, run):
        kind = result.status if result.status in FINISHED else "unfinished"
        setattr(summary, kind, getattr(summary, kind) + 1)
        if result.correct is not None:
            summary.judged += 1
            summary.correct += result.correct
        summary.workspaces += row.workspaces
        summary.calls += row.calls
        summary.lookups += row.lookups
        summary.joins += row.joins
        summary.memo_hits += row.memo_hits
        summary.seconds += row.seconds
    return summary


def write_results(store: Store, run: RunRecord, out: Path) -> None:
    """Write one JSON line a result, through a temporary file, so that no half file stays.

    Raises:
        Complaint: The file cannot be written.
    """
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            for result, _ in results(store, run):
                file.write(msgspec.json.encode(result) + b"\n")
        temporary.replace(out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        stop(f"cannot write {out}: {error.strerror}", Exit.STORAGE)


def check_output(out: Path, *, force: bool) -> None:
    """Nothing, if results may be written there.

    Raises:
        Complaint: It is a folder, exists already, or its folder does not.
    """
    if out.is_dir():
        stop(f"{out} is a folder; name a file", Exit.STORAGE)
    if out.exists() and not force:
        stop(f"{out} exists; --force replaces it", Exit.STORAGE)
    if not out.absolute().parent.is_dir():
        stop(f"the folder of {out} does not exist", Exit.STORAGE)
    if not os.access(out.absolute().parent, os.W_OK):
        stop(f"the folder of {out} is read-only", Exit.STORAGE)


def _input(line: Line) -> dict[str, str]:
    record = {"question": line.question}
    if line.context:
        record["context"] = line.context
    return record


def _context(line: Line) -> Path | None:
    return _path(line.context)


def _path(context: str) -> Path | None:
    return Path(context) if context else None
