"""Commands of rounds: iterate, evaluate, report. Parse and print alone."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from workbench import cli_options as option
from workbench import cli_rounds_options as run
from workbench.safe_output import shown

if TYPE_CHECKING:
    from workbench.rounds.iterate import Ended, Wanted


T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(
        epilog="Example: workbench iterate arithmetic --arms supervised_uniform --out sums"
    )(iterate)
    app.command(epilog="Example: workbench evaluate sums/students/final --task arithmetic")(
        evaluate
    )
    app.command(epilog="Example: workbench distill last --out sums-student")(distill)
    app.command(epilog="Example: workbench report sums")(report)


def iterate(
    task: Annotated[str, typer.Argument(help="The task: arithmetic, permutation or game24.")],
    preset: run.Preset = None,
    regime: run.RegimeChoice = None,
    rounds: run.Rounds = None,
    student: run.Learner = None,
    arms: run.Arms = None,
    out: run.RunFolder = None,
    seed: option.SeedIfAny = None,
    size: run.Size = None,
    most_steps: run.MostSteps = None,
    offsets: run.Offsets = None,
    per_level: run.PerLevel = None,
    overseer: run.Overseer = None,
    store: run.RowStore = None,
    record_share: run.RecordShare = None,
    resume: run.Resume = False,
    json: option.Json = False,
) -> None:
    """Train a student from amplification, round after round, beside what could explain it away."""
    from workbench.rounds.iterate import Wanted

    wanted = Wanted(
        task,
        preset,
        regime,
        rounds,
        student,
        arms,
        seed,
        size,
        most_steps,
        offsets,
        per_level,
        overseer,
        store,
        record_share,
    )
    _print_ended(_iterated(wanted, out, resume=resume), json=json)


def _iterated(wanted: "Wanted", out: Path | None, *, resume: bool) -> "Ended":
    from workbench.rounds import iterate as iterating
    from workbench.rounds.rounds_progress import RoundsProgress

    progress = RoundsProgress()
    try:
        return iterating.iterate(wanted, out, resume=resume, tell=progress.stepped)
    finally:
        progress.close()


def _print_ended(ended: "Ended", *, json: bool) -> None:
    from workbench.rounds.reports import write_report
    from workbench.rounds.rounds_text import described

    if not (ended.folder / "report.html").exists():
        write_report(ended.folder)
    if ended.already:
        typer.echo(f"the run in {ended.folder} is already finished", err=True)
    _print(ended.summary, lambda summary: described(ended.folder, summary), json=json)


def distill(
    runs: Annotated[
        list[str], typer.Argument(help="Recorded runs by name; `last` for the newest.")
    ],
    out: Annotated[Path, typer.Option(help="The student's folder.")],
    task: Annotated[str, typer.Option(help="Of the student; else that of the questions.")] = "",
    steps: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Steps of the optimiser.")
    ] = 1000,
    seed: option.Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where this was stopped.")] = False,
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """Fit one student to what recorded runs answered; right answers are never read."""
    from workbench.rounds.distill_run import as_text
    from workbench.rounds.distill_run import distill as fitted

    told = fitted(runs, out, store, task=task, seed=seed, steps=steps, resume=resume)
    _print(told, as_text, json=json)


def evaluate(
    folder: Annotated[Path, typer.Argument(help="A student's folder.")],
    task: Annotated[str, typer.Option(help="The task that it must be a student of.")],
    per_level: Annotated[
        int, typer.Option(min=1, max=100_000, help="Held-out questions of each level.")
    ] = 500,
    seed: option.Seed = 0,
    json: option.Json = False,
) -> None:
    """A student's scores by level on held-out questions, beside the trivial baseline."""
    from workbench.rounds.evaluation import as_text, evaluated

    scores = evaluated(folder, task, seed=seed, per_level=per_level)
    _print(scores, as_text, json=json)


def report(
    folders: Annotated[
        list[Path], typer.Argument(help="A run's folder; or several that differ in the seed.")
    ],
    json: option.Json = False,
) -> None:
    """Make a run's report and figures again, from its rounds and its summary alone.

    Of several runs of one recipe: print the ranges over their seeds, and write nothing.
    """
    if len(folders) > 1:
        _print_ranges(folders, json=json)
        return
    from workbench.rounds.reports import write_report

    written = write_report(folders[0])
    if json:
        import json as json_text

        typer.echo(json_text.dumps({"report": str(written)}))
    else:
        typer.echo(shown(str(written)))


def _print_ranges(folders: list[Path], *, json: bool) -> None:
    from workbench.rounds.several_runs import as_text, over_seeds

    _print(over_seeds(folders), as_text, json=json)


def _print(value: T, as_text: Callable[[T], str], *, json: bool) -> None:
    """A result, for machines or for people."""
    import msgspec

    typer.echo(msgspec.json.encode(value).decode() if json else shown(as_text(value)))
