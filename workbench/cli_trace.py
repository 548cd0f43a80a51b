"""The trace commands: parse and print."""

from pathlib import Path
from typing import Annotated

import typer

from workbench import cli_options as option
from workbench.exits import Exit

MOST_EVENTS = (1 << 32) - 1

trace_app = typer.Typer(
    help="Look at what was recorded.",
    epilog="Example: workbench trace show last",
    no_args_is_help=True,
)

Trace = Annotated[
    str, typer.Argument(help="Id of a trace, or enough of its beginning; `last` for the newest.")
]
At = Annotated[
    int | None, typer.Option(help="Number of the event to stop at; without it the last.")
]
Width = Annotated[
    int | None, typer.Option(min=20, max=2000, help="Columns; without it the terminal's.")
]
Lines = Annotated[
    int, typer.Option(min=0, max=1_000_000_000, help="Lines to draw at most, 0 for all.")
]


@trace_app.command("list", epilog="Example: workbench trace list --store workbench.db")
def list_traces(
    run: Annotated[str, typer.Option(help="Only the sessions of this run.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The newest so many.")] = 20,
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """List the recorded sessions, the newest last."""
    from workbench.trace_views import listed

    typer.echo(listed(store, run=run, limit=limit, json=json))


@trace_app.command(epilog="Example: workbench trace show t-1a2b --at 12")
def show(
    trace: Trace,
    at: At = None,
    width: Width = None,
    lines: Lines = 200,
    path: Annotated[
        str,
        typer.Option(
            help="Show one workspace whole, as it was seen: its path, or @ and its line's number, "
            "as the drawing has it at its right edge."
        ),
    ] = "",
    store: option.StoreOption = option.DEFAULT_STORE,
    ascii_only: option.Ascii = False,
    json: option.Json = False,
) -> None:
    """Draw a tree with its states, answers, answerers and costs."""
    from workbench.trace_views import Look, shown_tree

    look = Look(at, width, lines, ascii_only)
    typer.echo(shown_tree(store, trace, look, path=path, json=json))


@trace_app.command(epilog="Example: workbench trace replay t-1a2b --at 12 --json")
def replay(
    trace: Trace,
    at: At = None,
    width: Width = None,
    lines: Lines = 200,
    store: option.StoreOption = option.DEFAULT_STORE,
    ascii_only: option.Ascii = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show what happened event by event; with --at, the tree at that event."""
    from workbench.trace_views import Look, replayed

    for text in replayed(store, trace, Look(at, width, lines, ascii_only), json=json):
        typer.echo(text)


@trace_app.command(epilog="Example: workbench trace verify")
def verify(
    traces: Annotated[list[str] | None, typer.Argument(help="Ids; none for all.")] = None,
    anchor: Annotated[
        str, typer.Option(help="The chain's head as it was noted elsewhere, for one trace.")
    ] = "",
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """Derive every hash, digest and count again; exit 6 where one differs."""
    from workbench.trace_views import verified

    text, sound = verified(store, traces or [], anchor=anchor, json=json)
    typer.echo(text)
    if not sound:
        raise typer.Exit(Exit.DIVERGED)


@trace_app.command(epilog="Example: workbench trace derive 12.5 --store arithmetic/traces.db")
def derive(
    row: Annotated[
        str, typer.Argument(help="A training row, STEP.PLACE: its step and its place in the batch.")
    ] = "",
    run: Annotated[str, typer.Option(help="Its run, where the store has rows of several.")] = "",
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Derive the row of every recorded tree; exit 6 where one differs."
        ),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Record the tree as a trace.")] = False,
    width: Width = None,
    lines: Lines = 200,
    store: option.StoreOption = option.DEFAULT_STORE,
    ascii_only: option.Ascii = False,
    json: option.Json = False,
) -> None:
    """Build the tree of a training row again, from the row alone."""
    from workbench.derive_view import compared, derived
    from workbench.exits import stop
    from workbench.trace_views import Look

    if bool(row) == check or (check and keep):
        stop("name a row, such as 12.5, or give --check alone")
    if not check:
        look = Look(None, width, lines, ascii_only)
        typer.echo(derived(store, row, run=run, look=look, keep=keep, json=json))
        return
    text, sound = compared(store, run=run, json=json)
    typer.echo(text)
    if not sound:
        raise typer.Exit(Exit.DIVERGED)


@trace_app.command(epilog="Example: workbench trace lineage last --path 0.1 --student sums")
def lineage(
    trace: Annotated[str, typer.Argument(help="A trace with a student's answer, or its folder.")],
    path: Annotated[
        str, typer.Option(help="Of the workspace; else the first that a student answered.")
    ] = "",
    student: Annotated[
        Path | None, typer.Option(help="The student's folder, or its run's, if it was moved.")
    ] = None,
    rows: Annotated[
        int, typer.Option(min=0, max=1000, help="Training rows that are shown with their trees.")
    ] = 3,
    width: Width = None,
    lines: Lines = 200,
    store: option.StoreOption = option.DEFAULT_STORE,
    ascii_only: option.Ascii = False,
    json: option.Json = False,
) -> None:
    """Follow a student's answer to its checkpoint, its training rows, and the trees beneath."""
    from workbench.lineage import as_json, as_text
    from workbench.lineage import lineage as followed
    from workbench.trace_views import Look

    found, on = followed(trace, store, path=path, student=student, rows=rows)
    look = Look(None, width, lines, ascii_only)
    typer.echo(as_json(found) if json else as_text(found, on, look))


@trace_app.command(epilog="Example: workbench trace redact t-1a2b --event 7 --reason 'a name'")
def redact(
    trace: Trace,
    event: Annotated[int, typer.Option(min=0, max=MOST_EVENTS, help="Number of the event.")],
    reason: Annotated[str, typer.Option(help="Kept with what is left of it.")] = "",
    only_here: Annotated[
        bool, typer.Option("--only-here", help="Leave the same text elsewhere alone.")
    ] = False,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="One more text to take away wherever it stands."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """Take the content of an event away for good; its hash stays and the chain still verifies."""
    from workbench.removal import Wish, redacted

    wish = Wish(trace, event, reason, not only_here, tuple(also or ()))
    typer.echo(redacted(store, wish, yes=yes, json=json))


@trace_app.command(epilog="Example: workbench trace gc --run old-run")
def gc(
    traces: Annotated[list[str] | None, typer.Argument(help="Ids of traces to remove.")] = None,
    run: Annotated[str, typer.Option(help="Remove this run with all its sessions.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also what other sessions took answers from.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: option.StoreOption = option.DEFAULT_STORE,
    json: option.Json = False,
) -> None:
    """Remove sessions or a run, and give the space back."""
    from workbench.removal import collected

    typer.echo(collected(store, traces or [], run=run, force=force, yes=yes, json=json))
