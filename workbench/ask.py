"""Asking: one question deliberated, its tree and its answer."""

import json
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import typer
from msgspec import Struct
from msgspec.structs import replace

from decomposition.answerers.base import Answerer
from decomposition.errors import RunStopped
from decomposition.events import Failed, Opened
from decomposition.hypertext import Failure, write
from decomposition.tree import Tree, fold
from traces.errors import StoreStopped
from traces.leases import hold
from traces.ledger import Totals
from traces.record import FINISHED, Ending, Record, SessionRecord
from traces.store import Store, now_us
from workbench.account import opened
from workbench.ambiguous import to_fail
from workbench.deliberate import Deliberation, Outcome, Task
from workbench.doings import counted, doings
from workbench.drawing import drawn
from workbench.exits import Exit, Interrupted, complain, stop
from workbench.going_on import in_store, say_unused
from workbench.limits import NO_LIMITS, over
from workbench.options import Accepted, Options, check, prepared, recapped
from workbench.places import open_store
from workbench.recorded_files import asking, recorded_answers
from workbench.recorded_traces import recorded_trace, traces_at
from workbench.safe_output import many, shown
from workbench.spend_text import capped, paid
from workbench.terminal import LiveTree, width
from workbench.view_sizes import largest_view, was_capped
from workbench.wiring import accepted, named, pose, setting_as_accepted, setting_of

_ALL: Final = 1_000_000
_REASONS: Final = 4
"""Reasons that are named where there is no answer."""
AT_ONCE: Final = 8
"""Calls of answerers that wait, under way at once."""


class Asked(Struct, frozen=True):
    """A question that was deliberated."""

    question: str
    row: SessionRecord
    ending: Ending
    records: tuple[Record, ...]
    stopped: str = ""
    """How to go on where a cap stopped it; empty where none did."""
    totals: Totals = Totals()
    """What was paid."""

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
    options = prepared(options)
    posed = pose(question, options, context)
    # With the task's name the trace can be resumed without recognising the question again.
    options = replace(options, task=posed.task)
    asked = [asking(posed.message, question)]
    own = recorded_answers(options.by, asked, traces_at(store_at))
    setting, cast = setting_of(options, named(posed.task) if posed.task else None, recorded=own)
    kept = accepted(options, {posed.task: (setting, cast)})
    with open_store(store_at, make=True) as store:
        config = msgspec.json.encode(kept).decode()
        row = store.register.open_session(now_us=now_us(), seed=options.seed, config=config)
        work = _Work(store, store_at, options)
        return work.asked(question, Task(row, posed, setting, cast), ascii_only=ascii_only)


def resume(
    trace: str,
    options: Options,
    context: Path | None,
    store_at: str,
    *,
    ascii_only: bool,
) -> Asked:
    """Go on with a question that a cap, a kill or Ctrl-C stopped.

    Args:
        options: Of these only the cap on calls is used.
        context: Not used: the record has the document.

    Raises:
        Complaint: The trace is none that can go on.
        Held: Another process works it.
    """
    check(options)
    say_unused(options, "--context" if context is not None else "")
    with open_store(store_at) as store:
        row = store.register.find_session(trace)
        question = _question_of(store, row)
        kept = msgspec.json.decode(row.config, type=Accepted)
        if row.status in FINISHED:
            complain(f"{row.trace} is already complete")
            totals = store.ledger.totals(session=row.number)
            records = tuple(store.records(row.number))
            return Asked(question, row, _ending_of(row), records, totals=totals)
        setting, cast = setting_as_accepted(kept, kept.task, _recorded(store, row, kept.by))
        kept = recapped(kept, options)
        store.register.begin(row.number, now_us(), msgspec.json.encode(kept).decode())
        work = _Work(store, store_at, kept)
        with hold(store, f"session:{row.trace}"):
            return work.asked(question, Task(row, None, setting, cast), ascii_only=ascii_only)


def _question_of(store: Store, row: SessionRecord) -> str:
    """The recorded question of a trace that can be resumed.

    Raises:
        Complaint: It belongs to a run, was asked from Python, or nothing of it was recorded.
    """
    if row.run is not None:
        name = next(run.name for run in store.register.runs(_ALL) if run.number == row.run)
        stop(f"{row.trace} is a line of a run: workbench amplify --resume {name}")
    if row.config in ("", "{}"):
        stop(f"{row.trace} was not asked with `workbench ask`, so who answers it is not recorded")
    if not row.count:
        stop(f"{row.trace} was stopped before its question was recorded; ask it again")
    ((_, opened),) = store.entries(row.number, 1)
    return write(opened.question, "$q") if isinstance(opened, Opened) else ""


def _recorded(store: Store, row: SessionRecord, by: str) -> dict[str, Answerer]:
    """The recorded answerers of a spec, for the question that was recorded."""
    ((_, opened),) = store.entries(row.number, 1)
    if not isinstance(opened, Opened):
        return {}
    traces = partial(recorded_trace, store)
    return recorded_answers(by, [asking(opened.question)], traces, quiet=True)


def _ending_of(row: SessionRecord) -> Ending:
    return Ending(**{name: getattr(row, name) for name in Ending.__struct_fields__})


class _Work:
    """One question under way."""

    def __init__(self, store: Store, store_at: str, options: Options) -> None:
        self._store = store
        self._store_at = store_at
        self._options = options

    def asked(self, question: str, task: Task, *, ascii_only: bool) -> Asked:
        """The question as far as it was deliberated."""
        row = task.row
        ending = self._worked(task, LiveTree(ascii_only=ascii_only))
        records = tuple(self._store.records(row.number))
        totals = self._store.ledger.totals(session=row.number)
        return Asked(question, row, ending, records, self._stopped(row, ending), totals)

    def _worked(self, task: Task, live: LiveTree) -> Ending:
        ends: list[Outcome] = []
        number, ledger = task.row.number, self._store.ledger
        made = counted(self._store.records(number)).calls if task.row.count else 0
        made -= ledger.totals(session=number).turns
        options = self._options
        account = opened(
            ledger,
            over(options.limits, options.per_question),
            session=number,
            rates=options.configured.rate,
            made=made,
        )
        deliberation = Deliberation(
            self._store,
            account,
            on_progress=live.update,
            on_end=ends.append,
            keep=True,
            on_ambiguous="fail" if options.on_ambiguous == "fail" else "retry",
            failing=to_fail(self._store, options.on_ambiguous, session=number),
        )
        memo = self._options.reuse == "memo"
        try:
            ends += deliberation.run(iter([task]), at_once=1, concurrency=AT_ONCE, memo=memo)
        except KeyboardInterrupt as error:
            live.close()
            raise Interrupted(*self._interrupted(task.row)) from error
        except StoreStopped:
            raise
        except RunStopped as error:
            live.close()
            stop("\n".join([str(error), *self._interrupted(task.row)]), Exit.PROVIDER)
        finally:
            live.close()
        return ends[0].ending

    def _interrupted(self, row: SessionRecord) -> list[str]:
        """Mark the session as stopped where its record ends; how to go on."""
        records = list(self._store.records(row.number))
        if not records:
            return [f"nothing of {row.trace} was recorded yet; ask again"]
        tree = fold((record.path, record.event) for record in records)
        did = counted(records)
        self._store.register.finish(
            row.number,
            Ending(
                "stopped",
                workspaces=tree.workspaces,
                calls=did.calls,
                lookups=did.lookups,
                memo_hits=did.memo_hits,
                joins=tree.joins,
                tokens=did.tokens,
                cost_usd=did.cost_usd,
                seconds=row.seconds,
            ),
        )
        store = in_store(self._store_at)
        return [
            f"go on with: workbench ask --resume {row.trace}{store}",
            f"look at it: workbench trace show {row.trace}{store}",
        ]

    def _stopped(self, row: SessionRecord, ending: Ending) -> str:
        if ending.status != "stopped":
            return ""
        limits = over(self._options.limits, self._options.per_question)
        store = in_store(self._store_at)
        return capped(f"ask --resume {row.trace}", limits, NO_LIMITS, store)


def print_tree(asked: Asked, store_at: str, *, ascii_only: bool) -> None:
    """The tree on standard error."""
    look = f"workbench trace show {asked.row.trace}{in_store(store_at)}"
    lines = drawn(
        asked.tree,
        doings(asked.records),
        width(),
        ascii_only=ascii_only,
        most=60,
        all_of_it=f"{look} --lines 0",
    )
    for line in lines:
        typer.echo(line, err=True)
    ending = asked.ending
    typer.echo(
        f"{asked.row.trace}: {many(ending.workspaces, 'workspace')}, "
        f"{many(ending.calls, 'call')}, {many(ending.lookups, 'look-up')}, "
        f"{many(ending.joins, 'join')}, {ending.seconds:.2f} s",
        err=True,
    )
    if asked.totals.calls:
        typer.echo(paid(asked.totals), err=True)
    if was_capped(asked.records):
        typer.echo(f"largest view {largest_view(asked.records)} bytes", err=True)
    typer.echo(f"look again: {look}", err=True)


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
        "reason": None if ending.status == "answered" else asked.stopped or ending.answer,
        "status": ending.status,
        "trace": asked.row.trace,
        "digest": ending.digest,
        "workspaces": ending.workspaces,
        "calls": ending.calls,
        "lookups": ending.lookups,
        "joins": ending.joins,
        "requests": asked.totals.calls,
        "tokens": ending.tokens,
        "cost_usd": ending.cost_usd,
        "seconds": round(ending.seconds, 6),
    }
    text = json.dumps(record, ensure_ascii=True)
    if ending.status != "answered":
        typer.echo(text)
        _need_answer(asked)
    return text


def _need_answer(asked: Asked) -> None:
    ending = asked.ending
    if asked.stopped:
        stop(f"no answer yet: {asked.stopped}", Exit.STOPPED)
    if ending.status != "answered":
        why = "\n".join([f"no answer: {ending.answer} ({asked.row.trace})", *_reasons(asked)])
        stop(why, Exit.STOPPED)


def _reasons(asked: Asked) -> list[str]:
    """What broke or ran out below, for whoever asked."""
    events = [(record.path, record.event) for record in asked.records]
    broke = [
        f"at {path}: {event.detail}"
        for path, event in events
        if isinstance(event, Failed) and event.detail
    ]
    slots = fold(events).slots.values()
    starved = [
        slot.address
        for slot in slots
        if any(isinstance(each, Failure) and each.kind == "fuel" for each in slot.results)
    ]
    if starved:
        opened = events[0][1]
        had = opened.fuel[0] if isinstance(opened, Opened) else 0
        broke.append(f"the fuel of {had} steps was too little at {starved[0]}; give --fuel N more")
    return broke[:_REASONS]
