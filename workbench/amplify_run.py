"""Amplify: the command's run from its file to its results."""

import re
import sys
import time
from pathlib import Path
from shlex import quote
from typing import Final

import msgspec

from traces.store import Store
from workbench.batch import (
    Summary,
    accept,
    check_output,
    results,
    summarise,
    work,
    write_results,
)
from workbench.cli_options import DEFAULT_STORE
from workbench.exits import complain, stop
from workbench.inputs import read_lines
from workbench.terminal import BatchProgress
from workbench.wiring import Options, check

FLAGS: Final = {"workspaces": "--max-workspaces", "timeout_s": "--timeout"}
"""Options whose flags are not their names."""
PASSWORD: Final = re.compile(r"(//[^:/@]*):[^/]*@")
"""In an address of a store; nothing that is printed has it."""
RUN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def amplify(
    file: Path | None,
    options: Options,
    store_at: str,
    *,
    name: str,
    resume: str,
    out: Path | None,
    force: bool,
    concurrency: int | None,
) -> tuple[Summary, int | None]:
    """Start or resume a run and write its results; the cap on calls that stopped it, else None.

    Raises:
        Complaint: The arguments do not fit together.
    """
    if (file is None) == (not resume):
        stop("give either a file of questions or --resume RUN")
    if out is not None:
        check_output(out, force=force or bool(resume))
    lines = read_lines(file) if file is not None else []
    with Store.open(store_at) as store:
        if resume:
            check(options)
            say_unused(options, "--run" if name else "")
            run = store.register.find_run(resume)
            if run.status == "finished":
                complain(f"{run.name} is already complete")
        else:
            run = accept(store, _run_name(name), lines, options)
        summary = summarise(store, run)
        progress = BatchProgress(run.total, run.total - summary.unfinished)
        cap: int | None = None
        try:
            if summary.unfinished:
                complain(f"run {run.name}: {run.total} questions; resume with --resume {run.name}")
                cap = work(
                    store,
                    run,
                    max_calls=options.max_calls,
                    concurrency=concurrency,
                    on_end=progress.ended,
                )
        finally:
            progress.close()
        if out is not None:
            write_results(store, run, out)
        else:
            for result, _ in results(store, run):
                sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
            sys.stdout.buffer.flush()
        return summarise(store, run), cap


def say_unused(options: Options, *others: str) -> None:
    """Name the options that are not used beside `--resume`; others are given by their flags."""
    unused = [flag for flag in others if flag]
    unused += [
        FLAGS.get(field, f"--{field.replace('_', '-')}")
        for field in Options.__struct_fields__
        if field != "max_calls" and getattr(options, field) != getattr(Options(), field)
    ]
    if unused:
        complain(f"what is resumed goes on as it was accepted; not used: {', '.join(unused)}")


def how_to_go_on(command: str, cap: int, store_at: str) -> str:
    """What to say where a cap on calls stopped something: the command that goes on."""
    shown_at = PASSWORD.sub(r"\1:***@", store_at)
    store = "" if store_at == DEFAULT_STORE else f" --store {quote(shown_at)}"
    return (
        f"stopped at the cap of {cap} calls; what is there is kept\n"
        f"go on with: workbench {command} --max-calls N{store}   (N more than {cap})"
    )


def described(summary: Summary) -> str:
    """A batch in four lines; what is not finished stays in the denominator."""
    counts = [f"{summary.answered} answered"]
    for kind in ("abstained", "failed", "unfinished"):
        number: int = getattr(summary, kind)
        if number:
            counts.append(f"{number} {kind}")
    lines = [f"run {summary.run}: {summary.total} questions, {', '.join(counts)}"]
    if summary.judged:
        share = summary.correct / summary.judged
        lines.append(f"correct: {summary.correct} of {summary.judged} ({share:.1%})")
    per = summary.total or 1
    lines.append(
        f"workspaces: {summary.workspaces} ({summary.workspaces / per:.1f} a question), "
        f"calls {summary.calls}, look-ups {summary.lookups}, joins {summary.joins}, "
        f"memo {summary.memo_hits}"
    )
    return "\n".join(lines)


def _run_name(name: str) -> str:
    """The name of a new run.

    Raises:
        Complaint: It is not of the allowed pattern.
    """
    if not name:
        return time.strftime("run-%Y%m%d-%H%M%S", time.gmtime()) + f"-{time.time_ns() % 1000:03d}"
    if not RUN_NAME.fullmatch(name) or ".." in name:
        stop(
            "a run's name has 1 to 64 letters, digits, dots, dashes and underscores, begins with "
            "a letter or digit and has no two dots in a row"
        )
    return name
