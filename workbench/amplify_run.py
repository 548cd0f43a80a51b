"""Amplify: the command's run from its file to its results."""

import re
import sys
import time
from pathlib import Path
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
from workbench.exits import complain, stop
from workbench.inputs import read_lines
from workbench.terminal import BatchProgress
from workbench.wiring import Options

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
) -> tuple[Summary, bool]:
    """Start or resume a run and write its results; whether a cap stopped it.

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
            if options != Options():
                complain("a resumed run goes on as it was accepted; other options are not used")
            run = store.register.find_run(resume)
            if run.status == "finished":
                complain(f"{run.name} is already complete")
        else:
            run = accept(store, _run_name(name), lines, options)
        summary = summarise(store, run)
        progress = BatchProgress(run.total, run.total - summary.unfinished)
        stopped = False
        try:
            if summary.unfinished:
                complain(f"run {run.name}: {run.total} questions; resume with --resume {run.name}")
                stopped = work(store, run, concurrency=concurrency, on_end=progress.ended)
        finally:
            progress.close()
        if out is not None:
            write_results(store, run, out)
        else:
            for result, _ in results(store, run):
                sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
            sys.stdout.buffer.flush()
        return summarise(store, run), stopped


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
