"""Options of runs of rounds, once, with their help; None stands for "as the preset says"."""

from pathlib import Path
from typing import Annotated

import typer

Preset = Annotated[
    str | None,
    typer.Option(
        help="The recipe: small (the default) and demo, minutes for an arm on one core; "
        "medium, up to ten or so; paper, the published size, weeks.",
        show_default=False,
    ),
]
RegimeChoice = Annotated[
    str | None,
    typer.Option(help="online: the teacher is the moving average; frozen: for a round."),
]
Rounds = Annotated[int | None, typer.Option(min=1, help="End after so many rounds.")]
Learner = Annotated[
    str | None, typer.Option(help="transformer, or table: a learner without limits.")
]
Arms = Annotated[
    str | None,
    typer.Option(
        help="amplified, supervised, supervised_uniform, frozen_frontier, self_training; a "
        "list with commas; all (the default)."
    ),
]
RunFolder = Annotated[Path | None, typer.Option(help="The run's folder; else TASK-PRESET-SEED.")]
Size = Annotated[int | None, typer.Option(min=2, max=64, help="Another size than the preset's.")]
MostSteps = Annotated[
    int | None, typer.Option(min=1, max=1_000_000, help="Steps at which training ends.")
]
Offsets = Annotated[
    bool | None,
    typer.Option(
        "--offsets/--no-offsets",
        help="Whether places are moved by a random offset in training; else as the preset.",
    ),
]
PerLevel = Annotated[
    int | None,
    typer.Option(min=1, max=100_000, help="Held-out questions of each level; else 500."),
]
Overseer = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        help="Who decomposes: expert (the default), faulty:P:SPEC, without:TYPE:SPEC, "
        "biased:NAME:SPEC, or FILE.py:NAME, a function (xp, rows, answers) -> TableStep.",
    ),
]
RowStore = Annotated[
    str | None,
    typer.Option(help="Where training rows and recorded trees go; else traces.db in the folder."),
]
RecordShare = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Share of the labels whose trees are recorded as traces, beside a few a round; "
        "else 0.0002. 0 for none at all.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run of the folder.")]
