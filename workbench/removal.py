"""Removal: what is taken out of a store for good, after it was said what goes."""

import sys
from collections.abc import Sequence

import msgspec
import typer
from msgspec import Struct

from decomposition.events import KINDS
from traces.gc import Removed, remove
from traces.redact import Redaction, redact
from traces.store import Store
from workbench.exits import complain, stop
from workbench.places import open_store
from workbench.safe_output import line, many


class Wish(Struct, frozen=True):
    """An event whose content shall go."""

    trace: str
    event: int
    reason: str
    everywhere: bool
    """Also where the same text stands elsewhere."""
    also: tuple[str, ...] = ()
    """More texts that go wherever they stand."""


def redacted(store_at: str, wish: Wish, *, yes: bool, json: bool) -> str:
    """What a redaction took away.

    Raises:
        Complaint: Nobody can be asked, or the answer was no.
        UnknownId: There is no such trace.
        NotRedactable: There is no such event, or its content is gone.
    """
    with open_store(store_at) as store:
        if not yes:
            _confirm(_described(store, wish, _redact(store, wish, rehearse=True)))
        report = _redact(store, wish, rehearse=False)
    if json:
        return msgspec.json.encode(report).decode()
    return f"event {wish.event} of {wish.trace} is gone; {_taken(report)}"


def collected(
    store_at: str, traces: Sequence[str], *, run: str, force: bool, yes: bool, json: bool
) -> str:
    """What was removed.

    Raises:
        Complaint: Nothing is named, nobody can be asked, or the answer was no.
        UnknownId: There is no such trace or run.
        StillNeeded: Others took something from them, and this is not forced.
    """
    if not traces and not run:
        stop("nothing to remove: name traces, or a run with --run")
    with open_store(store_at) as store:
        if not yes:
            plan = remove(store, traces=traces, run=run, force=force, rehearse=True)
            # What others need is refused below, whatever the answer would be.
            if force or not plan.orphaned:
                names = [*traces, *([f"the run {run}"] if run else [])]
                _confirm(f"remove {', '.join(names)} for good: {_counted(plan)}?")
        report = remove(store, traces=traces, run=run, force=force)
    return msgspec.json.encode(report).decode() if json else f"removed: {_counted(report)}"


def _redact(store: Store, wish: Wish, *, rehearse: bool) -> Redaction:
    return redact(
        store,
        wish.trace,
        wish.event,
        reason=wish.reason,
        everywhere=wish.everywhere,
        also=wish.also,
        rehearse=rehearse,
    )


def _described(store: Store, wish: Wish, plan: Redaction) -> str:
    """What a redaction would take away."""
    row = store.register.find_session(wish.trace)
    record = next(iter(store.records(row.number, wish.event, wish.event + 1)))
    what = f"{KINDS[record.kind].__name__} at {record.path}: {record.payload.decode()}"
    events = many(len(plan.events), "event")
    return (
        f"event {wish.event} of {row.trace} is {line(what, 300)}\n"
        f"take its content away for good, from {events} of {many(plan.sessions, 'session')}?"
    )


def _taken(report: Redaction) -> str:
    """What went, and what could not be reached."""
    events, rows = many(len(report.events), "event"), many(report.rows, "other row")
    said = f"{events} of {many(report.sessions, 'session')}, {rows}"
    first = f"{said}; {many(report.stale, 'event')} marked as depending on that"
    return "\n".join([first, *str(report).splitlines()[1:]])


def _counted(report: Removed) -> str:
    parts = [many(report.sessions, "session"), many(report.events, "event")]
    if report.runs:
        parts.insert(0, many(report.runs, "run"))
    if report.rows:
        parts.append(many(report.rows, "training row"))
    if report.orphaned:
        parts.append(f"{many(report.orphaned, 'event')} of others marked as stale")
    return ", ".join(parts)


def _confirm(question: str) -> None:
    """Return if the answer is yes.

    Raises:
        Complaint: There is no terminal to ask on.
        Exit: The answer is no.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if not (sys.stdin and sys.stdin.isatty()):
        stop(f"{question}\nthere is no terminal to ask on: add --yes")
    try:
        if typer.confirm(question, err=True):
            return
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    complain("nothing was changed")
    raise typer.Exit
