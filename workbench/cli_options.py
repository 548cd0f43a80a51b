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


def fraction(text: str) -> float:
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
