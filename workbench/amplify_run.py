"""Amplify: the command's run from its file to its results."""

import re
import sys
import time
from pathlib import Path
from shlex import quote
from typing import Final

import msgspec

from traces.record import RunRecord
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
from workbench.batch_summary import Summary, summarise
from workbench.cli_options import DEFAULT_STORE
from workbench.exits import Interrupted, complain, stop
from workbench.files import check_output
from workbench.inputs import Source, read_lines
from workbench.places import files_of, open_store
from workbench.recorded_traces import traces_at
from workbench.safe_output import many
from workbench.specs import files_of as files_of_spec
from workbench.terminal import BatchProgress
from workbench.wiring import Options, check
from workbench.worker import Reason

FLAGS: Final = {
    "workspaces": "--max-workspaces",
    "timeout_s": "--timeout",
    "rates": "--rate",
}
"""Options whose flags are not their names."""
CHANGEABLE: Final = (
    "max_calls",
    "max_tokens",
    "max_usd",
    "max_seconds",
    "per_question",
    "on_ambiguous",
)
"""Options that `--resume` takes anew."""
PASSWORD: Final = re.compile(r"(//[^:/@]*):[^/]*@")
"""In an address of a store; nothing that is printed has it."""
RUN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def amplify(
    source: Source | None,
    options: Options,
    store_at: str,
    *,
    name: str,
    resume: str,
    out: Path | None,
    force: bool,
    concurrency: int | None,
) -> tuple[Summary, str]:
    """Start or resume a run and write its results; what stopped it, empty for nothing.

    Raises:
        Complaint: The arguments do not fit together.
    """
    if (source is None) == (not resume):
        stop("give either a file of questions or --resume RUN")
    check(options)
    made: Batch | None = None
    if source is not None:
        made = _made(source, options, store_at, out, force=force)
    new_name = "" if resume else _run_name(name)
    with open_store(store_at, make=not resume) as store:
        if made is None:
            say_unused(options, "--run" if name else "")
            run = _found(store, store_at, resume, out, force=force)
        else:
            run = accept(store, new_name, made)
        try:
            reason = _worked(store, run, options.max_calls, concurrency)
        except KeyboardInterrupt as error:
            raise Interrupted(f"go on with: {resuming(run.name, store_at)}") from error
        if out is not None:
            write_results(store, run, out)
        else:
            _print_results(store, run)
        cap = options_of(store.register.find_run(run.name)).max_calls
        return summarise(store, run, votes=True), told_stop(run.name, reason, cap, store_at)


def _worked(store: Store, run: RunRecord, max_calls: int | None, concurrency: int | None) -> Reason:
    """Work what is left of a run, with its progress; how that ended."""
    unfinished = summarise(store, run).unfinished
    if not unfinished:
        return "complete"
    complain(f"run {run.name}: {many(run.total, 'question')}; resume with --resume {run.name}")
    progress = BatchProgress(run.total, run.total - unfinished)
    try:
        ended = work(
            store, run, max_calls=max_calls, concurrency=concurrency, on_end=progress.ended
        )
        return ended.reason
    finally:
        progress.close()


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


def _found(store: Store, store_at: str, wanted: str, out: Path | None, *, force: bool) -> RunRecord:
    """The run that is resumed.

    Raises:
        Complaint: The results may not go where they shall go.
    """
    run = store.register.find_run(wanted)
    if run.kind != "amplify":
        stop(f"{run.name} is a run of `workbench {run.kind}`; it goes on with its folder")
    kept = options_of(run)
    if out is not None:
        own = bool(kept.out) and out.resolve() == Path(kept.out).resolve()
        keep = [*files_of(store_at), *files_of_spec(kept.by), *contexts_of(store, run)]
        check_output(out, force=force or own, keep=keep)
    if run.status == "finished":
        complain(f"{run.name} is already complete")
    return run


def resuming(run: str, store_at: str) -> str:
    """The command that goes on with a run."""
    return f"workbench amplify --resume {run}{in_store(store_at)}"


def in_store(store_at: str) -> str:
    """The option that names a store, where it must be named; its password is not repeated."""
    shown_at = PASSWORD.sub(r"\1:***@", store_at)
    return "" if store_at == DEFAULT_STORE else f" --store {quote(shown_at)}"


def say_unused(options: Options, *others: str) -> None:
    """Name the options that are not used beside `--resume`; others are given by their flags."""
    unused = [flag for flag in others if flag]
    unused += [
        FLAGS.get(field, f"--{field.replace('_', '-')}")
        for field in Options.__struct_fields__
        if field not in CHANGEABLE and getattr(options, field) != getattr(Options(), field)
    ]
    if unused:
        complain(f"what is resumed goes on as it was accepted; not used: {', '.join(unused)}")


def told_stop(run: str, reason: Reason, cap: int | None, store_at: str) -> str:
    """What to say of a run that could not go on: why, and the command that goes on."""
    if reason == "complete":
        return ""
    if reason == "capped" and cap is not None:
        return how_to_go_on(f"amplify --resume {run}", cap, store_at)
    why = {
        "paused": "paused by `workbench run pause`; calls under way have landed",
        "cancelled": "cancelled by `workbench run cancel`; calls under way were given up",
        "halted": "stopped: what is left is halted by `workbench run pause` or `cancel`",
    }.get(reason, "stopped at a cap")
    return f"{why}; what is there is kept\nlift that and go on with: {resuming(run, store_at)}"


def how_to_go_on(command: str, cap: int, store_at: str) -> str:
    """What to say where a cap on calls stopped something: the command that goes on."""
    store = in_store(store_at)
    return (
        f"stopped at the cap of {many(cap, 'call')}; what is there is kept\n"
        f"go on with: workbench {command} --max-calls N{store}   (N more than {cap})"
    )


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
