"""Amplify: the command's run from its file to its results."""

import re
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from decomposition.errors import RunStopped
from traces.errors import StoreStopped
from traces.leases import hold
from traces.record import FINISHED, RunRecord, Status
from traces.store import Store
from workbench.batch import (
    Batch,
    accept,
    batch,
    contexts_of,
    options_of,
    results,
    work,
    write_results,
)
from workbench.batch_progress import BatchProgress
from workbench.batch_summary import Summary, summarise
from workbench.config import without_keys
from workbench.dry_run import Forecast, forecast
from workbench.exits import Exit, Interrupted, complain, stop
from workbench.files import check_output
from workbench.going_on import resuming, say_unused, told_stop
from workbench.inputs import Source, read_lines
from workbench.options import Options, check, prepared
from workbench.places import files_of, open_store
from workbench.recorded_traces import traces_at
from workbench.safe_output import many
from workbench.specs import files_of as files_of_spec
from workbench.worker import Onlookers, Waiting

AGAIN: Final[dict[str, tuple[Status, ...]]] = {"failed": ("failed",), "abstained": ("abstained",)}
"""Which lines `--only` tries again."""
AGAIN_TOLD: Final = {"failed": "has failed", "abstained": "was abstained"}
RUN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Wish(Struct, frozen=True):
    """What should be worked, and where its results go."""

    source: Source | None
    """The questions of a new run; None for one that goes on."""
    options: Options
    store_at: str
    name: str = ""
    resume: str = ""
    out: Path | None = None
    force: bool = False
    concurrency: int | None = None
    only: str = ""
    """Of a run that goes on: `failed` or `abstained`, the lines that are tried again."""


class Came(Struct, frozen=True):
    """What a run came to."""

    summary: Summary
    stopped: str = ""
    """Why it stopped, and how it goes on; empty if it is complete."""
    code: Exit = Exit.DONE


def amplify(wish: Wish) -> Came:
    """Start or resume a run and write its results.

    Raises:
        Complaint: The arguments do not fit together.
    """
    if (wish.source is None) == (not wish.resume):
        stop("give either a file of questions or --resume RUN")
    if wish.only and wish.only not in AGAIN:
        stop(f"--only must be one of {', '.join(AGAIN)}, not {wish.only[:40]!r}")
    if wish.only and not wish.resume:
        stop("--only is for --resume RUN")
    options = wish.options if wish.resume else prepared(wish.options)
    check(options)
    made = None
    if wish.source is not None:
        made = _made(wish.source, options, wish.store_at, wish.out, force=wish.force)
    new_name = "" if wish.resume else _run_name(wish.name)
    with open_store(wish.store_at, make=not wish.resume) as store:
        if made is None:
            say_unused(options, "--run" if wish.name else "")
            run = _found(store, wish)
        else:
            run = accept(store, new_name, made)
        return _came(store, run, wish)


def dry_run(wish: Wish) -> Forecast:
    """What a batch would take; nothing is sent, spent or stored.

    Raises:
        Complaint: The arguments do not fit together.
    """
    if wish.source is None:
        stop("--dry-run is for a file of questions")
    options = prepared(wish.options)
    # Nothing is sent, so no key is needed.
    options = replace(options, configured=without_keys(options.configured))
    made = _made(wish.source, options, wish.store_at, wish.out, force=wish.force)
    return forecast(made, wish.store_at)


def _came(store: Store, run: RunRecord, wish: Wish) -> Came:
    """Work what is left of a run, and write its results."""
    code, stopped = _worked(store, run, wish)
    if wish.out is not None:
        write_results(store, run, wish.out)
    else:
        _print_results(store, run)
    return Came(summarise(store, run, votes=True), stopped, code)


def _worked(store: Store, run: RunRecord, wish: Wish) -> tuple[Exit, str]:
    """Work what is left of a run, with its progress; how that ended, and what to say of it."""
    finished = _finished(store, run)
    if finished == run.total:
        return Exit.DONE, ""
    again = resuming(run.name, wish.store_at)
    complain(f"run {run.name}: {many(run.total, 'question')}; resume with --resume {run.name}")
    progress = BatchProgress(run.total, finished)
    waiting = Waiting(run.total)
    looking = Onlookers(progress.watch, progress.tick, progress.ended, waiting.tell)
    try:
        given = wish.options if wish.resume else None
        ended = work(store, run, given=given, concurrency=wish.concurrency, looking=looking)
    except KeyboardInterrupt as error:
        raise Interrupted(f"go on with: {again}") from error
    except StoreStopped:
        raise
    except RunStopped as error:
        store.register.change_run(run.number, "stopped")
        return Exit.PROVIDER, f"{error}\nwhat is there is kept; go on with: {again}"
    finally:
        progress.close()
    kept = options_of(store.register.find_run(run.name))
    stopped = told_stop(run.name, ended.reason, kept, wish.store_at)
    return Exit.STOPPED if stopped else Exit.DONE, stopped


def _finished(store: Store, run: RunRecord) -> int:
    counts = store.register.progress(run.number)
    return sum(counts.get(status, 0) for status in FINISHED)


def _print_results(store: Store, run: RunRecord) -> None:
    for result, _ in results(store, run):
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
    sys.stdout.buffer.flush()


def _made(
    source: Source, options: Options, store_at: str, out: Path | None, *, force: bool
) -> Batch:
    """The batch of a new run.

    Raises:
        Complaint: The file does not hold together, or the results may not go where they shall go.
    """
    lines = read_lines(source.path, source.form, source.mapped)
    if out is not None:
        read = {Path(line.context) for line in lines if line.context}
        keep = [source.path, *files_of(store_at), *files_of_spec(options.by), *read]
        check_output(out, force=force, keep=keep)
    return batch(lines, options, out, traces_at(store_at))


def _found(store: Store, wish: Wish) -> RunRecord:
    """The run that is resumed.

    Raises:
        Complaint: The results may not go where they shall go.
    """
    run, out = store.register.find_run(wish.resume), wish.out
    if run.kind != "amplify":
        stop(f"{run.name} is a run of `workbench {run.kind}`; it goes on with its folder")
    kept = options_of(run)
    if out is not None:
        own = bool(kept.out) and out.resolve() == Path(kept.out).resolve()
        keep = [*files_of(wish.store_at), *files_of_spec(kept.by), *contexts_of(store, run)]
        check_output(out, force=wish.force or own, keep=keep)
    if wish.only:
        return _again(store, run, wish.only)
    if run.status == "finished":
        complain(f"{run.name} is already complete")
    return run


def _again(store: Store, run: RunRecord, only: str) -> RunRecord:
    """The run with new sessions for the lines that failed, or for those that were abstained."""
    with hold(store, f"run:{run.name}"):
        count = store.register.again(run.number, AGAIN[only])
    if not count:
        complain(f"no line of {run.name} {AGAIN_TOLD[only]}")
    else:
        lines = many(count, "line")
        complain(f"{lines} of {run.name} will be tried again; what was recorded of them is kept")
    return store.register.find_run(run.name)


def _run_name(name: str) -> str:
    """The name of a new run.

    Raises:
        Complaint: It is not of the allowed pattern.
    """
    if not name:
        return time.strftime("run-%Y%m%d-%H%M%S", time.gmtime()) + f"-{time.time_ns() % 1000:03d}"
    if name == "last":
        stop("`last` stands for the newest run and cannot be a run's own name")
    if not RUN_NAME.fullmatch(name) or ".." in name:
        stop(
            "a run's name has 1 to 64 letters, digits, dots, dashes and underscores, begins with "
            "a letter or digit and has no two dots in a row"
        )
    return name
