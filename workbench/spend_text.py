"""Spend in words: what was used, what is capped, and how long something takes."""

from typing import TYPE_CHECKING

from workbench.limits import Limits
from workbench.safe_output import many

if TYPE_CHECKING:
    from traces.ledger import Totals

_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86_400


def dollars(usd: float) -> str:
    """Money, to the hundredth of a cent where it is little."""
    return f"${usd:,.2f}" if usd >= 100 else f"${usd:,.4f}"


def duration(seconds: float) -> str:
    """Such as `41 s`, `12 min`, `3 h 05 min` or `2 d 04 h`."""
    whole = max(0, round(seconds))
    if whole < 2 * _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S:02} h"


def paid(totals: "Totals") -> str:
    """What the ledger says was paid; empty where nothing was."""
    if not totals.calls:
        return ""
    said = (
        f"paid: {many(totals.calls, 'call')}, {totals.tokens:,} tokens, {dollars(totals.cost_usd)}"
    )
    if totals.unknown and not (totals.reserved_tokens or totals.reserved_usd):
        cost = many(totals.unknown, "call")
        return f"{said[: said.rindex(',')]}; what {cost} cost is not known, for want of a price"
    if totals.unknown:
        said += (
            f"; of {many(totals.unknown, 'call')} not all is known: at most "
            f"{totals.reserved_tokens:,} tokens and {dollars(totals.reserved_usd)} more"
        )
    return said


def caps(limits: Limits) -> list[tuple[str, str]]:
    """The caps that are set: what each is called after `--max-`, and its amount in words."""
    found: list[tuple[str, str]] = []
    if limits.calls is not None:
        found.append(("calls", many(limits.calls, "call")))
    if limits.tokens is not None:
        found.append(("tokens", many(limits.tokens, "token")))
    if limits.usd is not None:
        found.append(("usd", dollars(limits.usd)))
    if limits.seconds is not None:
        found.append(("seconds", f"{limits.seconds:g} s"))
    return found


def capped(command: str, limits: Limits, each: Limits, store: str) -> str:
    """What to say where a cap stopped something: the command that goes on.

    Args:
        command: After `workbench`, without caps.
        limits: Of all of it.
        each: Of each question.
        store: The option that names the store, or nothing.
    """
    whole, single = caps(limits), caps(each)
    if len(whole) == 1 and not single:
        name, words = whole[0]
        amount = f"{getattr(limits, name):g}" if name != "calls" else str(limits.calls)
        # Tokens and money are reserved: the last of them may be too little for any call.
        rest = ", of which too little is left for a call" if name in ("tokens", "usd") else ""
        return (
            f"stopped at the cap of {words}{rest}; what is there is kept\n"
            f"go on with: workbench {command} --max-{name} N{store}   (N more than {amount})"
        )
    told = [words for _, words in whole]
    flags = [f"--max-{name} N" for name, _ in whole]
    if single:
        told.append(f"{', '.join(words for _, words in single)} a question")
        names = ",".join(f"{name}=N" for name, _ in single)
        flags.append(f"--per-question {names}")
    return (
        f"stopped at a cap ({'; '.join(told)}); what is there is kept\n"
        f"go on with: workbench {command} {' '.join(flags)}{store}   (the one that was reached "
        "higher)"
    )
