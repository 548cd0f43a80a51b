"""Going on: the commands that take up what was stopped, and what is said of the stop."""

import re
from shlex import quote
from typing import TYPE_CHECKING, Final

from workbench.cli_options import DEFAULT_STORE
from workbench.exits import complain
from workbench.options import Options
from workbench.spend_text import capped

if TYPE_CHECKING:
    from workbench.worker import Reason

FLAGS: Final = {
    "workspaces": "--max-workspaces",
    "timeout_s": "--timeout",
    "rates": "--rate",
}
"""Options whose flags are not their names."""
CHANGEABLE: Final = (
    "max_calls",
    "max_tokens",
    "max_usd",
    "max_seconds",
    "per_question",
    "on_ambiguous",
)
"""Options that `--resume` takes anew."""
PASSWORD: Final = re.compile(r"(//[^:/@]*):[^/]*@")
"""In an address of a store; nothing that is printed has it."""


def resuming(run: str, store_at: str) -> str:
    """The command that goes on with a run."""
    return f"workbench amplify --resume {run}{in_store(store_at)}"


def in_store(store_at: str) -> str:
    """The option that names a store, where it must be named; its password is not repeated."""
    shown_at = PASSWORD.sub(r"\1:***@", store_at)
    return "" if store_at == DEFAULT_STORE else f" --store {quote(shown_at)}"


def say_unused(options: Options, *others: str) -> None:
    """Name the options that are not used beside `--resume`; others are given by their flags."""
    unused = [flag for flag in others if flag]
    unused += [
        FLAGS.get(field, f"--{field.replace('_', '-')}")
        for field in Options.__struct_fields__
        if field not in CHANGEABLE and getattr(options, field) != getattr(Options(), field)
    ]
    if unused:
        complain(f"what is resumed goes on as it was accepted; not used: {', '.join(unused)}")


def told_stop(run: str, reason: "Reason", options: Options, store_at: str) -> str:
    """What to say of a run that could not go on: why, and the command that goes on."""
    if reason == "complete":
        return ""
    if reason == "capped":
        store = in_store(store_at)
        return capped(f"amplify --resume {run}", options.limits, options.per_question, store)
    why = {
        "paused": "paused by `workbench run pause`; calls under way have landed",
        "cancelled": "cancelled by `workbench run cancel`; calls under way were given up",
    }.get(reason, "stopped: what is left is halted by `workbench run pause` or `cancel`")
    return f"{why}; what is there is kept\nlift that and go on with: {resuming(run, store_at)}"
