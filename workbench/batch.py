"""Batches: a file of questions worked as one run, resumable at any moment."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from decomposition.answerers.base import Answerer
from decomposition.errors import BadTask
from decomposition.setting import Setting
from decomposition.tasks.base import AnyTask
from traces.claims import claiming
from traces.errors import NameTaken
from traces.halts import lift
from traces.leases import hold
from traces.record import FINISHED, NewLine, RunRecord, SessionRecord
from traces.store import Store, now_us
from workbench.account import Account, opened
from workbench.ambiguous import to_fail
from workbench.deliberate import Deliberation, Task
from workbench.doings import counted
from workbench.exits import Complaint, Exit, stop
from workbench.files import write_whole
from workbench.inputs import Line
from workbench.options import Accepted, Options, check, recapped
from workbench.recorded_files import Asking, asking, recorded_answers
from workbench.recorded_traces import Traces, recorded_trace
from workbench.specs import Cast, recorded_in
from workbench.wiring import (
    Nobody,
    Posed,
    accepted,
    comparison_of,
    document,
    named,
    pose,
    setting_as_accepted,
    setting_of,
    task_of,
)
from workbench.worker import NOBODY, Crew, Onlookers, Share, Shared

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


class Batch(Struct, frozen=True):
    """Lines that can be worked, before any store knows them."""

    lines: list[NewLine]
    options: Accepted
    settings: dict[str, tuple[Setting, Cast]] = {}
    """Who answers, by the name of the task."""


def batch(
    lines: Sequence[Line],
    options: Options,
    out: Path | None = None,
    traces: Traces | None = None,
) -> Batch:
    """What a run is made of; nothing is stored yet.

    Args:
        lines: The questions.
        options: Who answers them, and how.
        out: Where the results go.
        traces: Where recorded traces are found.

    Raises:
        Complaint: An option is out of range, or a line cannot be worked.
    """
    check(options)
    new: list[NewLine] = []
    asked: list[Asking] = []
    first: dict[str, Line] = {}
    recorded = bool(recorded_in(options.by))
    for line in lines:
        posed = _posed(line, options)
        first.setdefault(posed.task, line)
        if recorded:
            asked.append(asking(posed.message, line.question, _own_id(line), line.where))
        new.append(NewLine(line.id, _input(line, posed.sha256), line.expected, options.seed))
    found = recorded_answers(options.by, asked, traces)
    settings = {task: _setting(line, options, task, found) for task, line in first.items()}
    return Batch(new, accepted(options, settings, out), settings)


def _own_id(line: Line) -> str:
    return "" if line.numbered else line.id


def accept(store: Store, name: str, made: Batch) -> RunRecord:
    """The run of a batch, accepted once it is committed.

    Raises:
        Complaint: The name is taken.
    """
    config = msgspec.json.encode(made.options).decode()
    try:
        return store.register.create_run(name, "amplify", config, made.lines, now_us=now_us())
    except NameTaken:
        stop(f"a run is called {name!r} already; resume it with --resume {name}", Exit.STORAGE)


def _posed(line: Line, options: Options) -> Posed:
    """A line as a question.

    Raises:
        Complaint: It cannot be one; the message names the line.
    """
    try:
        return pose(line.question, options, _path(line.context))
    except Complaint as error:
        stop(f"{_at(line)}{error}", error.code)
    except BadTask as error:
        stop(f"{_at(line)}{error}", Exit.BAD_DATA)


def _setting(
    line: Line, options: Options, task: str, recorded: Mapping[str, Answerer]
) -> tuple[Setting, Cast]:
    try:
        return setting_of(options, named(task) if task else None, recorded=recorded)
    except Nobody as error:
        stop(f"{_at(line)}{error}", Exit.BAD_DATA)


def _at(line: Line) -> str:
    return f"{line.where}: " if line.where else ""


def work(
    store: Store,
    run: RunRecord,
    *,
    given: Options | None = None,
    concurrency: int | None = None,
    looking: Onlookers = NOBODY,
    joining: bool = False,
) -> Shared:
    """Work what is left of a run, beside others that work it; how that ended here.

    Args:
        given: Their caps are the run's from now on; None for those that it has.
        joining: Work as one of any number of workers. Otherwise this is the one process that
            goes on with the run: it lifts what halted it, and sets its cap.

    Raises:
        Held: Another process goes on with it.
        RunStopped: The store or an answerer cannot go on.
    """
    options = options_of(run)
    if given is not None:
        options = recapped(options, given)
    at_once = concurrency or SESSIONS_AT_ONCE
    with ExitStack() as held:
        if not joining:
            held.enter_context(hold(store, f"run:{run.name}"))
        recorded = recorded_of(store, run, options)
        settings = _unchanged(store, run, options, recorded)
        _begin(store, run, options, joining=joining)
        account = _account(store, run, options, joining=joining)
        looking.on_account(account)
        claims = held.enter_context(claiming(store.database, store.register, run))
        crew = Crew(store, run, claims, looking)
        share = Share(claims, at_once, _tasks(store, run, options, settings, recorded))
        deliberation = _deliberation(store, run, options, account, crew)
        return crew.work(deliberation, share, at_once, memo=options.reuse == "memo")


def _account(store: Store, run: RunRecord, options: Accepted, *, joining: bool) -> Account:
    """What a run may spend, with what it has spent."""
    return opened(
        store.ledger,
        options.limits,
        run=run.number,
        per_session=options.per_question,
        rates=options.configured.rate,
        made=_unpaid_made(store, run),
        sets=not joining or not store.ledger.spent(run=run.number).capped,
    )


def _deliberation(
    store: Store, run: RunRecord, options: Accepted, account: Account, crew: Crew
) -> Deliberation:
    """Works the sessions that a crew claims."""
    return Deliberation(
        store,
        account,
        on_progress=crew.looking.on_progress,
        on_end=crew.ended,
        reins=crew.watch,
        on_ambiguous="fail" if options.on_ambiguous == "fail" else "retry",
        failing=to_fail(store, options.on_ambiguous, run=run.number),
    )


def _begin(store: Store, run: RunRecord, options: Accepted, *, joining: bool) -> None:
    """Note that a run is worked, and how from now on."""
    if joining:
        if store.register.find_run(run.name).status == "stopped":
            store.register.change_run(run.number, "running")
        return
    with store.database.writing() as writer:
        lift(writer, run.number)
    config = msgspec.json.encode(options).decode()
    store.register.change_run(run.number, "running", config=config)


def options_of(run: RunRecord) -> Accepted:
    """What a run was accepted with, and the cap that it was given last."""
    return msgspec.json.decode(run.config, type=Accepted)


def contexts_of(store: Store, run: RunRecord) -> dict[Path, str]:
    """The documents of a run with their hashes."""
    inputs = [json.loads(line.input) for line in store.register.lines(run.number)]
    return {Path(each["context"]): each.get("sha256", "") for each in inputs if "context" in each}


def recorded_of(store: Store, run: RunRecord, options: Accepted) -> dict[str, Answerer]:
    """The recorded answerers of a run, their files read again for its questions."""
    if not recorded_in(options.by):
        return {}
    asked: list[Asking] = []
    for line in store.register.lines(run.number):
        record = json.loads(line.input)
        posed = posed_again(record, options)
        identifier = "" if record.get("numbered") else line.external
        asked.append(asking(posed.message, record["question"], identifier))
    return recorded_answers(options.by, asked, partial(recorded_trace, store), quiet=True)


def _unchanged(
    store: Store, run: RunRecord, options: Accepted, recorded: Mapping[str, Answerer]
) -> dict[str, tuple[Setting, Cast]]:
    """The settings of a run by task, once it is sure that they and its documents are the same.

    Raises:
        Complaint: An answerer or a document has changed.
    """
    for context, sha256 in contexts_of(store, run).items():
        document(context, sha256)
    return {task: setting_as_accepted(options, task, recorded) for task in options.answerers}


def _unpaid_made(store: Store, run: RunRecord) -> int:
    """The calls of a run so far that the ledger does not count.

    Those of a session that did not end stand in its events.
    """
    rows = [row for row in store.register.sessions(run.number) if row.count]
    made = sum(
        row.calls if row.status in FINISHED else counted(store.records(row.number)).calls
        for row in rows
    )
    # Lines that were tried again have left sessions behind, whose lines of the ledger stay.
    own = {row.number for row in rows}
    paid = store.ledger.totals_by("session", run=run.number)
    return made - sum(totals.turns for (session, _), totals in paid.items() if session in own)


def _tasks(
    store: Store,
    run: RunRecord,
    options: Accepted,
    settings: dict[str, tuple[Setting, Cast]],
    recorded: Mapping[str, Answerer],
) -> Callable[[SessionRecord], Task]:
    """What there is to do in a session of a run."""
    lines = {line.idx: line for line in store.register.lines(run.number)}

    def task_of(row: SessionRecord) -> Task:
        posed = posed_again(json.loads(lines[row.idx].input), options)
        if posed.task not in settings:
            settings[posed.task] = setting_as_accepted(options, posed.task, recorded)
        setting, cast = settings[posed.task]
        if row.status != "running":
            store.register.begin(row.number, now_us())
        return Task(row, posed, setting, cast)

    return task_of


def posed_again(record: Mapping[str, Any], options: Options) -> Posed:
    """A question as it was accepted."""
    context = _path(record.get("context", ""))
    return pose(record["question"], options, context, record.get("sha256", ""))


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
            round(row.cost_usd, 9),
            round(row.seconds, 6),
            _correct(question, row.answer if answered else None, labels.get(row.idx), options),
        )
        yield result, row


def _correct(question: str, answer: str | None, label: str | None, options: Options) -> bool | None:
    """Whether an answer is right, by its label or by the task; None where nothing can say."""
    task = task_of(question, options)
    if label is not None:
        compared = compared_by(options, task)
        return answer is not None and compared(answer) == compared(label)
    found = task.parse_root(question) if task is not None else None
    if task is None or found is None:
        return None
    return answer is not None and task.correct(*found, answer)


def compared_by(options: Options, task: AnyTask | None = None) -> Callable[[str], str]:
    """The form in which answers are compared with labels: as was named, else as the task says."""
    if task is not None and not options.compare:
        return task.normalise
    return comparison_of(options)


def write_results(store: Store, run: RunRecord, out: Path) -> None:
    """Write one JSON line a result, all of them or none.

    Raises:
        Complaint: The file cannot be written.
    """
    write_whole(out, (msgspec.json.encode(result) + b"\n" for result, _ in results(store, run)))


def _input(line: Line, sha256: str) -> str:
    """What is kept of a line: all but the label."""
    record: dict[str, Any] = {"question": line.question}
    if line.numbered:
        record["numbered"] = True
    if line.context:
        record |= {"context": str(Path(line.context).absolute()), "sha256": sha256}
    return json.dumps(record, ensure_ascii=False)


def _path(context: str) -> Path | None:
    return Path(context) if context else None
