"""The command line: parse and print. The work stands in functions that a test can call.

Heavy imports stand inside the command that needs them.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from workbench import cli_amplify_options as batch
from workbench import cli_options as option
from workbench.cli_deliberation import with_options
from workbench.cli_help import Sectioned
from workbench.cli_rounds import register as register_rounds
from workbench.cli_run import register as register_run
from workbench.cli_trace import trace_app
from workbench.exits import Ended, Exit, Interrupted, ReaderGone, guarded, outermost, stop

if TYPE_CHECKING:
    from workbench.amplify_run import Came
    from workbench.dry_run import Forecast
    from workbench.options import Options


class Edge(TyperGroup):
    """Lets what ends a command from outside or from foreign code reach our own edge."""

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401 - a class that Typer keeps to itself
        """Run the command.

        Raises:
            Interrupted: Ctrl-C was pressed.
            ReaderGone: Nobody reads standard output any more.
            Ended: A user's own code ended the program.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted from error
        except BrokenPipeError as error:
            raise ReaderGone from error
        except (SystemExit, GeneratorExit) as error:
            raise Ended(
                f"code from outside, such as an answerer of your own, ended the program: "
                f"{type(error).__name__}({error})"
            ) from error


app = typer.Typer(
    name="workbench",
    cls=Edge,
    help="Break hard questions into trees of subquestions, record every step, look at it again.",
    epilog="Example: workbench ask 'make 24 from 4 5 6 10'",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
tasks_app = typer.Typer(
    help="The tasks with exact truth.",
    epilog="Example: workbench tasks make game24 --out hands.jsonl",
    no_args_is_help=False,
)
app.add_typer(tasks_app, name="tasks", invoke_without_command=True)
app.add_typer(trace_app, name="trace")
register_rounds(app)
register_run(app)

DEBUG = "--debug"


def main() -> None:
    """Run the command line and exit with its code."""
    debug = DEBUG in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]

    def work() -> None:
        option.check_arguments(arguments)
        app(arguments, prog_name="workbench")

    raise SystemExit(outermost(lambda: guarded(work, debug=debug)))


@app.callback()
def workbench(
    debug: Annotated[
        bool,
        typer.Option(DEBUG, help="Anywhere on the line: show where in the code an error arose."),
    ] = False,
) -> None:
    """Break hard questions into trees of subquestions, record every step, look at it again."""
    # `main` takes the option out of the arguments, so that it may stand behind a command too.
    del debug


@app.command(cls=Sectioned, epilog='Example: workbench ask "487 + 1956"')
@with_options
def ask(
    question: Annotated[
        str, typer.Argument(help="The question; - reads standard input.", show_default=False)
    ] = "",
    resume: Annotated[
        str,
        typer.Option(metavar="TRACE", help="Go on with this trace, which a cap or a kill stopped."),
    ] = "",
    context: Annotated[
        Path | None, typer.Option(help="A Markdown or text file that the question is about.")
    ] = None,
    store: option.StoreOption = option.DEFAULT_STORE,
    ascii_only: option.Ascii = False,
    json: option.Json = False,
    *,
    options: "Options",
) -> None:
    """Answer one question: its tree drawn live, the answer on standard output."""
    from workbench import ask as asking
    from workbench.inputs import read_question

    if resume:
        if question:
            stop("give either a question or --resume TRACE")
        asked = asking.resume(resume, options, context, store, ascii_only=ascii_only)
    else:
        asked = asking.ask(read_question(question), options, context, store, ascii_only=ascii_only)
    if json:
        typer.echo(asking.as_json(asked))
        return
    asking.print_tree(asked, store, ascii_only=ascii_only)
    asking.print_answer(asked)


@app.command(
    cls=Sectioned,
    epilog="Example: workbench amplify puzzles.jsonl --out answers.jsonl --reuse joins",
)
@with_options
def amplify(
    file: batch.File = None,
    form: batch.Format = "",
    mapped: batch.Mapped = None,
    out: batch.Out = None,
    run: batch.Name = "",
    resume: batch.Resume = "",
    dry_run: batch.DryRun = False,
    only: batch.Only = "",
    concurrency: batch.Concurrency = None,
    store: option.StoreOption = option.DEFAULT_STORE,
    force: batch.Force = False,
    json: option.Json = False,
    *,
    options: "Options",
) -> None:
    """Work a file of questions as one run; kill it at any time and resume."""
    from workbench import amplify_run
    from workbench.inputs import Source, mapping

    if file is None and (form or mapped):
        stop("--format and --map are for a file of questions")
    source = None if file is None else Source(file, form, mapping(mapped or ()))
    wish = amplify_run.Wish(source, options, store, run, resume, out, force, concurrency, only)
    if dry_run:
        _print_forecast(amplify_run.dry_run(wish), json=json)
        return
    came = amplify_run.amplify(wish)
    _print_came(came, out, json=json)
    if came.stopped:
        stop(came.stopped, came.code)


def _print_forecast(found: "Forecast", *, json: bool) -> None:
    from workbench.dry_run import as_json, described
    from workbench.safe_output import shown

    typer.echo(as_json(found) if json else shown(described(found)))


def _print_came(came: "Came", out: Path | None, *, json: bool) -> None:
    from workbench.batch_summary import described

    if json and out is not None:
        import msgspec

        typer.echo(msgspec.json.encode(came.summary).decode())
    else:
        typer.echo(described(came.summary), err=True)


@app.command(epilog="Example: workbench demo --out my-demo")
def demo(
    out: Annotated[
        Path | None, typer.Option(help="Folder of the demo; else workbench-demo, -2, ….")
    ] = None,
    seed: option.SeedIfAny = None,
    size: Annotated[
        int | None, typer.Option(min=2, max=8, help="Digits of the longest sums; else 8.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the demo of the folder.")
    ] = False,
    ascii_only: option.Ascii = False,
    json: option.Json = False,
) -> None:
    """The main job in one go, in about a minute: a student learns long sums round by round."""
    from workbench.demo import Wish, as_json, run_demo
    from workbench.safe_output import shown

    wish = Wish(out, seed, size, resume=resume, ascii_only=ascii_only)

    def say(text: str) -> None:
        if not json:
            typer.echo(shown(text))

    came_of_it = run_demo(wish, say)
    if json:
        typer.echo(as_json(came_of_it))


@tasks_app.callback(invoke_without_command=True)
def tasks(context: typer.Context, json: option.Json = False) -> None:
    """List the tasks."""
    if context.invoked_subcommand is not None:
        return
    from workbench.task_files import described

    typer.echo(described(json=json))


@tasks_app.command("make", epilog="Example: workbench tasks make game24 --out hands.jsonl")
def tasks_make(
    task: Annotated[str, typer.Argument(help="Name of the task.")],
    out: Annotated[Path, typer.Option(help="Where the questions go.")],
    count: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="How many; without it all or 100.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Size of the context or question.")] = None,
    seed: option.Seed = 0,
    everything: Annotated[
        bool, typer.Option("--all", help="game24: the hands without a solution too.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    json: option.Json = False,
) -> None:
    """Write a task's questions as JSON Lines."""
    from workbench.task_files import make, said

    written = make(task, out, count=count, size=size, seed=seed, everything=everything, force=force)
    typer.echo(said(task, out, written, json=json), err=not json)


@app.command(epilog="Example: workbench doctor --store workbench.db")
def doctor(
    store: Annotated[str, typer.Option(help="A store to look at too.")] = "",
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A configuration to look for keys in.")
    ] = None,
    json: option.Json = False,
) -> None:
    """Say what is wrong with this machine, a store or a configuration."""
    from workbench.doctor import described, examine

    findings = examine(store, config)
    typer.echo(described(findings, json=json))
    if any(not finding.fine for finding in findings):
        raise typer.Exit(Exit.STORAGE if store else Exit.BUG)
