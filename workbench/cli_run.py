"""The run commands: parse and print."""

from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated

import typer

from workbench import cli_options as option
from workbench.exits import Exit, stop

if TYPE_CHECKING:
    from traces.halts import Kind

run_app = typer.Typer(
    help="Look at runs, and halt them.",
    epilog="Example: workbench run show last",
    no_args_is_help=True,
)

Run = Annotated[
    str, typer.Argument(help="Name of a run, or enough of its beginning; `last` for the newest.")
]
Path = Annotated[
    str,
    typer.Argument(
        metavar="[PATH]",
        help="Only this of it: the id of a line, a TRACE, or TRACE/0.1 for a workspace and all "
        "below it.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Give an application these commands."""
    app.add_typer(run_app, name="run")
    app.command(epilog="Example: workbench worker last --store postgresql://db/team")(worker)


@run_app.command("list", epilog="Example: workbench run list --store workbench.db")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The newest so many.")] = 20,
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """List the runs with their progress and what they spent, the newest last."""
    from workbench.run_views import listed

    typer.echo(listed(store, limit=limit, json=json))


@run_app.command(epilog="Example: workbench run show last --json")
def show(
    run: Run, store: option.StoreOption = option.DEFAULT_STORE, json: option.Json = False
) -> None:
    """Show a run: options, progress, spend by answerer, workers, ambiguous calls and halts."""
    from workbench.run_views import shown_run

    typer.echo(shown_run(store, run, json=json))


@run_app.command(epilog="Example: workbench run ledger last --csv > ledger.csv")
def ledger(
    run: Run,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The newest so many.")] = 50,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="All lines as CSV, for a spreadsheet.")
    ] = False,
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """Print what each paid call of a run was, cost and came to."""
    from workbench.run_views import ledger_csv, ledger_text

    if as_csv and json:
        stop("give either --csv or --json")
    if not as_csv:
        typer.echo(ledger_text(store, run, limit=limit, json=json))
        return
    for text in ledger_csv(store, run):
        typer.echo(text)


@run_app.command(epilog="Example: workbench run pause last t-1a2b3c4d5e6f/0.2")
def pause(
    run: Run,
    path: Path = "",
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """Begin nothing new in a run or a part of it; `amplify --resume` lifts that."""
    _halt(run, path, "pause", store, json=json)


@run_app.command(epilog="Example: workbench run cancel last question-17")
def cancel(
    run: Run,
    path: Path = "",
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """As `pause`, and give up the calls that are under way: they stand as ambiguous."""
    _halt(run, path, "cancel", store, json=json)


@run_app.command(epilog="Example: workbench run ensemble last --figure curve.svg")
def ensemble(
    run: Run,
    figure: Annotated[
        FilePath | None,
        typer.Option(metavar="FILE", help="Draw risk against coverage: .svg or .png."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the figure.")] = False,
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """Say what voting was worth in a run with labels, beside the best member."""
    from workbench.ensemble_view import draw, ensemble_report, printed
    from workbench.safe_output import shown

    found = ensemble_report(store, run)
    if figure is not None:
        draw(found, figure, force=force)
    typer.echo(shown(printed(found, json=json)))


def _halt(run: str, path: str, kind: "Kind", store: str, *, json: bool) -> None:
    from workbench.run_control import halt, told_halt

    halting = halt(store, run, path, kind)
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(halting).decode())
    else:
        typer.echo(told_halt(halting, store), err=True)


def worker(
    run: Run,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Questions worked at once here.")
    ] = None,
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """Work a run together with other processes, on this machine or on others."""
    from workbench.batch_summary import described
    from workbench.run_control import work_beside

    summary, here, stopped = work_beside(store, run, concurrency=concurrency)
    if json:
        import msgspec

        typer.echo(msgspec.json.encode({"summary": summary, "worked_here": here}).decode())
    else:
        typer.echo(f"{described(summary)}\nworked here: {here} of {summary.total}", err=True)
    if stopped:
        stop(stopped, Exit.STOPPED)
