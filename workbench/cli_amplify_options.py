"""Options of a batch, once, with their help: where questions come from and results go."""

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[
    Path | None,
    typer.Argument(help="JSON Lines or CSV with a question, or a task's fields, each."),
]
Format = Annotated[
    str, typer.Option("--format", help="jsonl or csv; without it as the file's name ends.")
]
Mapped = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=COLUMN",
        help="Where id, question, context or expected stand under another name, such as "
        "question=prompt or expected=meta.gold; may be repeated.",
    ),
]
Out = Annotated[Path | None, typer.Option(help="Where the results go; else stdout.")]
Name = Annotated[str, typer.Option(help="Name of the run; else one is made.")]
Resume = Annotated[
    str, typer.Option(metavar="RUN", help="Go on with this run; `last` for the newest.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what it would take; nothing is sent, spent or stored."),
]
Only = Annotated[
    str,
    typer.Option(
        metavar="WHICH",
        help="With --resume: try lines again, those that `failed` or those that were `abstained`.",
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, max=4096, help="Questions worked, and calls under way, at once."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an output file.")]
