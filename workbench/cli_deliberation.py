"""Options of deliberating: what `ask` and `amplify` share, once, with their help and checks.

Names, types and defaults are those of `options.Options`, so that a command gets one value for all.
"""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from workbench.cli_options import Seed, fraction, whole_fuel

if TYPE_CHECKING:
    from workbench.options import Options

_TAKES: Final = "options"
"""The parameter of a command that all options here stand for."""


def whole_count(text: str) -> int:
    """A number of calls or tokens.

    Raises:
        BadParameter: It is not a whole number from 0 on.
    """
    from workbench.limits import MAX_COUNT, count

    value = count(str(text))
    if value is None:
        raise typer.BadParameter(f"must be a whole number ≥ 0, at most {MAX_COUNT}")
    return value


def dollars(text: str) -> float:
    """An amount of money.

    Raises:
        BadParameter: It is no decimal number from 0 on.
    """
    from workbench.limits import MAX_USD, decimal

    value = decimal(str(text).removeprefix("$"), MAX_USD)
    if value is None:
        raise typer.BadParameter(f"must be US dollars such as 2.50, from 0 to {MAX_USD}")
    return value


def seconds(text: str) -> float:
    """A time.

    Raises:
        BadParameter: It is no decimal number of seconds from 0 on.
    """
    from workbench.limits import MAX_SECONDS, decimal

    value = decimal(str(text), MAX_SECONDS)
    if value is None:
        raise typer.BadParameter(f"must be seconds such as 90 or 0.5, from 0 to {MAX_SECONDS}")
    return value


def some_seconds(text: str) -> float:
    """A time of more than nothing.

    Raises:
        BadParameter: It is none.
    """
    value = seconds(text)
    if not value:
        raise typer.BadParameter("must be more than 0 seconds")
    return value


def _option(panel: str, *flags: str, **rest: Any) -> Any:  # noqa: ANN401 - as Typer has it
    return typer.Option(*flags, rich_help_panel=panel, **rest)


class Deliberating:
    """The shared options in the order of `--help`; nothing is ever made of this class."""

    by: Annotated[
        str,
        _option(
            "Who answers",
            metavar="SPEC",
            help="Who acts as overseer: expert, chat:PROVIDER:MODEL, FILE.py:NAME, "
            "recorded:FILE.jsonl:FIELD, student:DIR, vote:K:SPEC, RULE[SPEC, SPEC], faulty:P:SPEC, "
            "gullible, looping, malformed.",
        ),
    ] = "expert"
    policy: Annotated[
        str,
        _option("Who answers", help="Who acts where: direct, recurse, amplify or cascade."),
    ] = "recurse"
    student: Annotated[
        str,
        _option(
            "Who answers",
            metavar="DIR",
            help="Folder of the student that answers subquestions (amplify) or whatever it is "
            "sure of (cascade).",
        ),
    ] = ""
    task: Annotated[
        str,
        _option(
            "Who answers", help="The questions' task; without it the task that recognises them."
        ),
    ] = ""
    config: Annotated[
        str,
        _option(
            "Chat models",
            metavar="FILE",
            help="TOML with what is too long for flags: base URL, model settings, limits, prices.",
        ),
    ] = ""
    prices: Annotated[
        str,
        _option("Chat models", metavar="FILE", help="TOML with prices that go before our own."),
    ] = ""
    instructions: Annotated[
        str,
        _option(
            "Chat models",
            metavar="FILE",
            help="What a chat model is told beside every view; its digest is part of who answers.",
        ),
    ] = ""
    rates: Annotated[
        list[str] | None,
        _option(
            "Chat models",
            "--rate",
            metavar="PROVIDER=N",
            help="Calls a minute that a provider may get, such as openai=300; may be repeated.",
        ),
    ] = None
    max_view: Annotated[
        int | None,
        _option(
            "Chat models",
            parser=whole_count,
            metavar="BYTES",
            help="Longest view; what does not fit stays behind pointers.",
        ),
    ] = None
    samples: Annotated[int, _option("Consensus", help="How often the root is answered.")] = 1
    node_samples: Annotated[
        int, _option("Consensus", help="How often every subquestion is answered.")
    ] = 1
    rule: Annotated[
        str,
        _option(
            "Consensus",
            help="How samples are combined: majority, plurality, plurality-T, unanimous, ahead-K, "
            "verify.",
        ),
    ] = "majority"
    share: Annotated[
        str,
        _option(
            "Consensus",
            help="nothing: samples have subtrees of their own; children: they share them, and are "
            "reported as correlated.",
        ),
    ] = "nothing"
    compare: Annotated[
        str,
        _option(
            "Consensus",
            help="When two answers are equal: exact, casefold or number; without it as the task "
            "says, else exact.",
        ),
    ] = ""
    reuse: Annotated[
        str,
        _option(
            "Reuse",
            help="none, memo (turns), joins (answers, inside a session), joins-shared (over the "
            "store).",
        ),
    ] = "none"
    memo_choice: Annotated[
        str,
        _option(
            "Reuse",
            help="Which of several recorded turns --reuse memo takes: first, majority, sample or "
            "ask (none: ask again).",
        ),
    ] = "first"
    audit: Annotated[
        float,
        _option(
            "Reuse",
            parser=fraction,
            metavar="SHARE",
            help="Share of automated turns that are asked again.",
        ),
    ] = 0.0
    fuel: Annotated[
        int | None,
        _option(
            "Caps",
            parser=whole_fuel,
            metavar="N",
            help="Steps that the tree may take; without it what the task needs at most.",
        ),
    ] = None
    depth: Annotated[int, _option("Caps", help="Cap on the depth of the tree.")] = 64
    workspaces: Annotated[
        int, _option("Caps", "--max-workspaces", help="Cap on a session's workspaces.")
    ] = 100_000
    max_calls: Annotated[
        int | None,
        _option(
            "Caps",
            parser=whole_count,
            metavar="N",
            help="Calls of answerers in all. At a cap the work stops with exit code 4, and "
            "--resume goes on with a higher one.",
        ),
    ] = None
    max_tokens: Annotated[
        int | None,
        _option("Caps", parser=whole_count, metavar="N", help="Tokens in and out in all."),
    ] = None
    max_usd: Annotated[
        float | None,
        _option(
            "Caps",
            parser=dollars,
            metavar="DOLLARS",
            help="Money in all; needs a price for the model.",
        ),
    ] = None
    max_seconds: Annotated[
        float | None,
        _option("Caps", parser=seconds, metavar="SECONDS", help="Time in all, on the clock."),
    ] = None
    per_question: Annotated[
        str,
        _option(
            "Caps",
            metavar="CAPS",
            help="Caps of each question, such as calls=5,tokens=20000,usd=0.10,seconds=60.",
        ),
    ] = ""
    timeout_s: Annotated[
        float | None,
        _option(
            "Caps",
            "--timeout",
            parser=some_seconds,
            metavar="SECONDS",
            help="Longest time of one call.",
        ),
    ] = None
    on_ambiguous: Annotated[
        str,
        _option(
            "Caps",
            help="With --resume, for calls that were under way at a kill, whose cost nobody knows: "
            "retry, fail or ask.",
        ),
    ] = "retry"
    seed: Seed = 0


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every shared option in the place of its parameter `options`."""
    hints = get_type_hints(Deliberating, include_extras=True)
    shared = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=vars(Deliberating)[name], annotation=hint)
        for name, hint in hints.items()
    ]
    own = signature(command).parameters.values()

    @wraps(command)
    def called(**given: Any) -> None:  # noqa: ANN401 - as Typer calls
        options = _options({name: given.pop(name) for name in hints})
        command(options=options, **given)

    parameters: list[Parameter] = []
    for each in own:
        parameters += shared if each.name == _TAKES else [each.replace(kind=Parameter.KEYWORD_ONLY)]
    called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


def _options(given: dict[str, Any]) -> "Options":
    from workbench.limits import parsed
    from workbench.options import Options

    given["per_question"] = parsed(given["per_question"], "--per-question")
    given["rates"] = tuple(given["rates"] or ())
    return Options(**given)
