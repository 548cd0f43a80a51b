"""Options: what several commands take, once, with their help and their checks."""

from typing import Annotated

import typer

from workbench.exits import stop


def whole_fuel(text: str) -> int:
    """A number of steps.

    Raises:
        BadParameter: It is not a whole number of at least 1.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 12 and int(text) >= 1):
        raise typer.BadParameter("fuel must be a whole number ≥ 1, at most 12 digits")
    return int(text)


def whole_seed(text: str) -> int:
    """A seed, as a store can keep it.

    Raises:
        BadParameter: It is no whole number of 64 bits.
    """
    digits = str(text).removeprefix("-")
    value = int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= 19 else None
    if value is None or not -(1 << 63) <= value < 1 << 63:
        raise typer.BadParameter("a seed is a whole number of at most 64 bits")
    return value


def share(text: str) -> float:
    """A share from 0 to 1.

    Raises:
        BadParameter: It is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise typer.BadParameter("must be a number from 0 to 1")
    return value


By = Annotated[
    str,
    typer.Option(
        help="Who acts as overseer: expert, FILE.py:NAME, vote:K:SPEC, RULE[SPEC, SPEC], "
        "student:DIR, faulty:P:SPEC, gullible, looping, malformed. Not yet: chat:, human:, "
        "recorded:.",
        rich_help_panel="Deliberation",
    ),
]
PolicyOption = Annotated[
    str,
    typer.Option(
        help="Who acts where: direct, recurse, amplify or cascade.", rich_help_panel="Deliberation"
    ),
]
Student = Annotated[
    str,
    typer.Option(
        metavar="DIR",
        help="Folder of the student that answers subquestions (amplify) or whatever it is sure of "
        "(cascade).",
        rich_help_panel="Deliberation",
    ),
]
TaskOption = Annotated[
    str,
    typer.Option(
        help="The questions' task; without it the task that recognises them.",
        rich_help_panel="Deliberation",
    ),
]
Fuel = Annotated[
    int | None,
    typer.Option(
        parser=whole_fuel,
        metavar="N",
        help="Steps that the tree may take; without it what the task needs at most.",
        rich_help_panel="Deliberation",
    ),
]
Samples = Annotated[
    int, typer.Option(help="How often the root is answered.", rich_help_panel="Consensus")
]
NodeSamples = Annotated[
    int,
    typer.Option(help="How often every subquestion is answered.", rich_help_panel="Consensus"),
]
Rule = Annotated[
    str,
    typer.Option(
        help="How samples are combined: majority, plurality, plurality-T, unanimous, ahead-K, "
        "verify.",
        rich_help_panel="Consensus",
    ),
]
Share = Annotated[
    str,
    typer.Option(
        help="nothing: samples have subtrees of their own; children: they share them, and are "
        "reported as correlated.",
        rich_help_panel="Consensus",
    ),
]
ReuseOption = Annotated[
    str,
    typer.Option(
        help="none, memo (turns), joins (answers, inside a session), joins-shared (over the "
        "store).",
        rich_help_panel="Reuse",
    ),
]
MemoChoice = Annotated[
    str,
    typer.Option(
        help="Which of several recorded turns --reuse memo takes: first, majority, sample or ask "
        "(none: ask again).",
        rich_help_panel="Reuse",
    ),
]
Audit = Annotated[
    float,
    typer.Option(
        parser=share,
        metavar="SHARE",
        help="Share of automated turns that are asked again.",
        rich_help_panel="Reuse",
    ),
]
Depth = Annotated[int, typer.Option(help="Cap on the depth of the tree.", rich_help_panel="Caps")]
Workspaces = Annotated[
    int,
    typer.Option("--max-workspaces", help="Cap on a session's workspaces.", rich_help_panel="Caps"),
]
MaxCalls = Annotated[
    int | None,
    typer.Option(
        help="Calls of answerers in all; at the cap the work stops, and --resume goes on with a "
        "higher one.",
        rich_help_panel="Caps",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", help="Longest time of one call.", rich_help_panel="Caps"
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        parser=whole_seed, metavar="N", help="Makes every random draw repeatable; 64 bits."
    ),
]
SeedIfAny = Annotated[
    int | None,
    typer.Option(parser=whole_seed, metavar="N", help="Makes every draw repeatable; else 0."),
]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="WORKBENCH_STORE",
        help="The store: a SQLite file, made when it is absent, or postgresql://… (extra "
        "`postgres`).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Ascii = Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")]

DEFAULT_STORE = "workbench.db"


def check_arguments(arguments: list[str]) -> None:
    """Nothing, if every argument is UTF-8.

    Raises:
        Complaint: One is not; the message names the byte.
    """
    for number, argument in enumerate(arguments, 1):
        for place, character in enumerate(argument):
            if "\udc80" <= character <= "\udcff":
                at = len(argument[:place].encode("utf-8", "surrogateescape"))
                stop(f"argument {number} is not UTF-8 at byte {at}")
