"""Commands of rounds: iterate, evaluate, report. Parse and print alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench import cli_options as option
from workbench.safe_output import shown

if TYPE_CHECKING:
    from workbench.rounds.iterate import Ended, Wanted


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
    preset: Annotated[
        str | None,
        typer.Option(
            help="The recipe: small (the default) and demo, minutes for an arm on one core; "
            "medium, up to ten or so; paper, the published size, weeks.",
            show_default=False,
        ),
    ] = None,
    regime: Annotated[
        str | None,
        typer.Option(help="online: the teacher is the moving average; frozen: for a round."),
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="End after so many rounds.")] = None,
    student: Annotated[
        str | None, typer.Option(help="transformer, or table: a learner without limits.")
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            help="amplified, supervised, supervised_uniform, frozen_frontier, self_training; a "
            "list with commas; all (the default)."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; else TASK-PRESET-SEED.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            parser=option.whole_seed, metavar="N", help="Makes every draw repeatable; else 0."
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=2, max=64, help="Another size than the preset's.")
    ] = None,
    most_steps: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Steps at which training ends.")
    ] = None,
    offsets: Annotated[
        bool | None,
        typer.Option(
            "--offsets/--no-offsets",
            help="Whether places are moved by a random offset in training; else as the preset.",
        ),
    ] = None,
    per_level: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="Held-out questions of each level; else 500."),
    ] = None,
    overseer: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Who decomposes: expert (the default), faulty:P:SPEC, without:TYPE:SPEC, "
            "biased:NAME:SPEC, or FILE.py:NAME, a function (xp, rows, answers) -> TableStep.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Where training rows and recorded trees go; else traces.db in the folder."
        ),
    ] = None,
    record_share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of the labels whose trees are recorded as traces, beside a few a round; "
            "else 0.0002. 0 for none at all.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run of the folder.")
    ] = False,
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
    import msgspec

    from workbench.rounds.reports import write_report
    from workbench.rounds.rounds_text import described

    if not (ended.folder / "report.html").exists():
        write_report(ended.folder)
    if ended.already:
        typer.echo(f"the run in {ended.folder} is already finished", err=True)
    if json:
        typer.echo(msgspec.json.encode(ended.summary).decode())
    else:
        typer.echo(shown(described(ended.folder, ended.summary)))


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
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(told).decode())
    else:
        typer.echo(shown(as_text(told)))


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
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(scores).decode())
    else:
        typer.echo(shown(as_text(scores)))


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

    ranges = over_seeds(folders)
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(ranges).decode())
    else:
        typer.echo(shown(as_text(ranges)))
