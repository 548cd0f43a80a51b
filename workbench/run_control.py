"""Run control: work a run beside others, pause or cancel it, or a part of it."""

import re
import socket
from getpass import getuser
from typing import Final

from msgspec import Struct

from decomposition.errors import RunStopped
from traces.claims import seated
from traces.errors import StoreStopped, UnknownId
from traces.halts import Halted, Kind, put_halt
from traces.leases import holder_of
from traces.record import FINISHED, RunRecord, SessionRecord
from traces.store import Store, now_us
from workbench.batch import options_of, work
from workbench.batch_progress import BatchProgress
from workbench.batch_summary import Summary, summarise
from workbench.exits import Exit, Interrupted, complain, stop
from workbench.going_on import in_store, resuming, told_stop
from workbench.places import open_store
from workbench.safe_output import line, many
from workbench.worker import Onlookers, Waiting

_PATH: Final = re.compile(r"0(:\d{1,9})?(\.\d{1,9}(:\d{1,9})?){0,512}")


class Halting(Struct, frozen=True):
    """A halt that was put, or why it was not."""

    run: str
    where: str
    """`TRACE` or `TRACE/PATH`; empty for the whole run."""
    kind: Kind
    workers: int
    """Processes that work the run and will find it."""
    finished: bool
    """Whether there was nothing left to halt."""


# -- working ---------------------------------------------------------------------------------


def work_beside(store_at: str, wanted: str, *, concurrency: int | None) -> tuple[Summary, int, str]:
    """Work a run beside others until it is complete; the run, what ended here, what stopped it.

    Raises:
        Complaint: It is no run that can be shared, or the provider failed.
        Interrupted: Ctrl-C was pressed; what this process held can be claimed at once.
    """
    with open_store(store_at) as store:
        run = _shareable(store, wanted)
        if run.status == "finished":
            complain(f"{run.name} is already complete")
            return summarise(store, run), 0, ""
        again = f"workbench worker {run.name}{in_store(store_at)}"
        complain(f"working run {run.name}: {many(run.total, 'question')}")
        progress = BatchProgress(run.total, _finished(store, run))
        waiting = Waiting(run.total)
        looking = Onlookers(progress.watch, progress.tick, progress.ended, waiting.tell)
        try:
            ended = work(store, run, concurrency=concurrency, looking=looking, joining=True)
        except KeyboardInterrupt as error:
            raise Interrupted(f"go on with: {again}") from error
        except StoreStopped:
            raise
        except RunStopped as error:
            stop(f"{error}\nwhat is there is kept; go on with: {again}", Exit.PROVIDER)
        finally:
            progress.close()
        kept = options_of(store.register.find_run(run.name))
        told = told_stop(run.name, ended.reason, kept, store_at)
        return summarise(store, run), ended.worked, told


def _shareable(store: Store, wanted: str) -> RunRecord:
    run = store.register.find_run(wanted)
    if run.kind != "amplify":
        stop(f"{run.name} is a run of `workbench {run.kind}`, which one process works alone")
    return run


def _finished(store: Store, run: RunRecord) -> int:
    counts = store.register.progress(run.number)
    return sum(counts.get(status, 0) for status in FINISHED)


# -- halting ---------------------------------------------------------------------------------


def halt(store_at: str, wanted: str, path: str, kind: Kind) -> Halting:
    """Halt a run, a session or a subtree, until `amplify --resume` lifts it.

    Raises:
        Complaint: There is nothing such.
    """
    with open_store(store_at) as store:
        run = _shareable(store, wanted)
        session, below = _place(store, run, path) if path else (None, "")
        where = "" if session is None else f"{session.trace}/{below}" if below else session.trace
        over = run.status == "finished" if session is None else session.status in FINISHED
        workers = len(seated(store.database, run))
        if not over:
            number = 0 if session is None else session.number
            halted = Halted(run.number, number, below, kind, _asker(), now_us())
            put_halt(store.database, halted)
            if session is None and not (workers or _held(store, run)):
                store.register.change_run(run.number, "stopped")
        return Halting(run.name, where, kind, workers, over)


def _asker() -> str:
    """Who halts something, for those who find it halted."""
    try:
        return f"{getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()


def _held(store: Store, run: RunRecord) -> bool:
    return bool(holder_of(store.database, f"run:{run.name}"))


def _place(store: Store, run: RunRecord, text: str) -> tuple[SessionRecord, str]:
    """A session of a run, and the workspace in it; empty for all of the session.

    Raises:
        Complaint: The run has none such.
    """
    head, found, below = text.partition("/")
    if found and not _PATH.fullmatch(below):
        stop(f"{line(text, 80)}: a workspace is named as TRACE/0.1.2, as `trace show` has it")
    session = _line_called(store, run, text if not found else head)
    if session is None:
        session = _trace_of(store, run, head)
    return session, below


def _line_called(store: Store, run: RunRecord, external: str) -> SessionRecord | None:
    """The session of the line that a user calls so."""
    lines = store.register.lines(run.number)
    idx = next((each.idx for each in lines if each.external == external), None)
    rows = store.register.sessions(run.number) if idx is not None else []
    return next((row for row in rows if row.idx == idx), None)


def _trace_of(store: Store, run: RunRecord, wanted: str) -> SessionRecord:
    try:
        session = store.register.find_session(wanted)
    except UnknownId as error:
        stop(f"run {run.name} has no line {line(wanted, 80)!r}, and there is {error}")
    if session.run != run.number:
        stop(f"{session.trace} is no session of run {run.name}")
    return session


def told_halt(halting: Halting, store_at: str) -> str:
    """What a halt came to, and how to go on."""
    what = f"{halting.where} of run {halting.run}" if halting.where else f"run {halting.run}"
    if halting.finished:
        return f"{what} is already complete"
    done = "paused" if halting.kind == "pause" else "cancelled"
    effect = (
        "calls under way land, no new ones are made"
        if halting.kind == "pause"
        else "calls under way are given up and stand as ambiguous in the ledger"
    )
    who = "nobody works it now"
    if halting.workers:
        who = f"{many(halting.workers, 'worker')} of it will follow within a second"
    go_on = f"lift that and go on with: {resuming(halting.run, store_at)}"
    return f"{what} is {done}: {effect}; {who}\n{go_on}"
