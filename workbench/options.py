"""Options: what the command line, a configuration or a record say, checked and put together."""

from pathlib import Path
from typing import Final, Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from decomposition.caps import Caps
from decomposition.comparison import COMPARISONS
from decomposition.consensus import known_rule
from decomposition.memo import Choice
from decomposition.room import LEAST_VIEW_BYTES
from decomposition.routing import Kind
from workbench.config import (
    MAX_RATE,
    NO_CONFIG,
    Config,
    ConfiguredCaps,
    Rate,
    load_config,
    with_instructions,
    with_prices,
)
from workbench.exits import complain, stop
from workbench.limits import MAX_SECONDS, NO_LIMITS, Limits, check_limits, count, over

Reuse = Literal["none", "memo", "joins", "joins-shared"]

MAX_FUEL: Final = 10**12
MAX_DEPTH: Final = 10_000
_WITH_STUDENT: Final = ("amplify", "cascade")
"""Policies that have a student."""


class Options(Struct, frozen=True):
    """What the command line, a configuration or a recorded run say about deliberating."""

    by: str = "expert"
    policy: str = "recurse"
    task: str = ""
    """Empty: the task that recognises the question."""
    fuel: int | None = None
    """None: the task's f*, or `DEFAULT_FUEL`, more for a document in many pieces."""
    samples: int = 1
    rule: str = "majority"
    node_samples: int = 1
    share: str = "nothing"
    reuse: str = "none"
    seed: int = 0
    depth: int = Caps().depth
    workspaces: int = Caps().workspaces
    audit: float = 0.0
    timeout_s: float | None = None
    max_calls: int | None = None
    memo_choice: str = "first"
    student: str = ""
    """The folder of X, where the policy has one."""
    max_tokens: int | None = None
    max_usd: float | None = None
    max_seconds: float | None = None
    per_question: Limits = NO_LIMITS
    """Of each question of a run; the four above are those of all of it."""
    compare: str = ""
    """When two answers are equal; empty: as the task says, else exactly."""
    max_view: int | None = None
    """Bytes of the longest view; None for any."""
    config: str = ""
    """The file that holds what is too long for flags; empty for none."""
    prices: str = ""
    """The file of prices that go before our own; empty for none."""
    instructions: str = ""
    """The file of what a chat model is told beside every view; empty for our own."""
    rates: tuple[str, ...] = ()
    """`PROVIDER=N`: calls a minute."""
    on_ambiguous: str = "retry"
    """What becomes of calls that were under way at a kill: retry, fail or ask."""
    configured: Config = NO_CONFIG
    """What the three files and the rates say, once they were read (`prepared`)."""

    @property
    def limits(self) -> Limits:
        """What the run, or the question asked alone, may spend."""
        return Limits(self.max_calls, self.max_tokens, self.max_usd, self.max_seconds)


class Accepted(Options, frozen=True):
    """Options as a run or a question was accepted with, and what must not change until its end."""

    answerers: dict[str, list[str]] = {}
    """Identities of whoever acts, by the name of the task; empty for no task."""
    out: str = ""
    """Where the results go; empty for standard output."""


def prepared(options: Options) -> Options:
    """The options with what the files that they name say; flags go before files.

    Raises:
        Complaint: A file cannot be read or does not hold together, or a rate is none.
    """
    check(options)
    config = load_config(Path(options.config)) if options.config else NO_CONFIG
    for warning in config.warnings:
        complain(f"warning: {warning}")
    if options.prices:
        config = with_prices(config, Path(options.prices))
    if options.instructions:
        config = with_instructions(config, Path(options.instructions))
    caps = over(options.limits, config.caps.run)
    return replace(
        options,
        max_calls=caps.calls,
        max_tokens=caps.tokens,
        max_usd=caps.usd,
        max_seconds=caps.seconds,
        per_question=over(options.per_question, config.caps.session),
        configured=replace(
            config,
            rate={**config.rate, **rates_of(options.rates)},
            caps=ConfiguredCaps(),
            warnings=(),
        ),
    )


def rates_of(texts: tuple[str, ...]) -> dict[str, Rate]:
    """Rates by provider.

    Raises:
        Complaint: One is no `PROVIDER=N`.
    """
    found: dict[str, Rate] = {}
    for text in texts:
        provider, _, number = text.partition("=")
        calls = count(number)
        if not provider or not calls or calls > MAX_RATE:
            stop(f"--rate is PROVIDER=CALLS_A_MINUTE, such as openai=300, not {text[:60]!r}")
        found[provider] = Rate(calls_per_minute=calls)
    return found


def recapped(kept: Accepted, options: Options) -> Accepted:
    """What was accepted, with the caps that are given anew."""
    caps = over(options.limits, kept.limits)
    return replace(
        kept,
        max_calls=caps.calls,
        max_tokens=caps.tokens,
        max_usd=caps.usd,
        max_seconds=caps.seconds,
        per_question=over(options.per_question, kept.per_question),
        on_ambiguous=options.on_ambiguous,
    )


def check(options: Options) -> None:
    """Nothing, if every option is in its range.

    Raises:
        Complaint: One is not; the message says what it may be.
    """
    _whole("--fuel", options.fuel, 1, MAX_FUEL)
    _whole("--samples", options.samples, 1, 64)
    _whole("--node-samples", options.node_samples, 1, 64)
    _whole("--max-view", options.max_view, LEAST_VIEW_BYTES, MAX_FUEL)
    check_limits(options.limits)
    check_limits(options.per_question, "--per-question ")
    _whole("--max-workspaces", options.workspaces, 1, MAX_FUEL)
    _whole("--seed", options.seed, -(1 << 63), (1 << 63) - 1)
    if not 1 <= options.depth <= MAX_DEPTH:
        stop(f"--depth must be from 1 to {MAX_DEPTH}; the default cap is {Caps().depth}")
    if not 0 <= options.audit <= 1:
        stop("--audit must be a share from 0 to 1")
    if options.timeout_s is not None and not 0 < options.timeout_s <= MAX_SECONDS:
        stop(f"--timeout must be more than 0 seconds, at most {MAX_SECONDS}")
    _one_of("--on-ambiguous", options.on_ambiguous, ("retry", "fail", "ask"))
    _one_of("--reuse", options.reuse, get_args(Reuse))
    # A table has rows, which no option can say.
    _one_of("--policy", options.policy, tuple(kind for kind in get_args(Kind) if kind != "table"))
    _one_of("--memo-choice", options.memo_choice, get_args(Choice))
    learnt = options.policy in _WITH_STUDENT
    if learnt != bool(options.student):
        stop(
            f"--policy {options.policy} needs --student DIR"
            if learnt
            else f"--student is for --policy {' or '.join(_WITH_STUDENT)}"
        )
    if options.memo_choice != "first" and options.reuse != "memo":
        stop("--memo-choice is for --reuse memo")
    _one_of("--share", options.share, ("nothing", "children"))
    if options.compare:
        _one_of("--compare", options.compare, tuple(COMPARISONS))
    if not known_rule(options.rule):
        stop("--rule must be majority, plurality, plurality-T, unanimous, ahead-K or verify")


def _whole(name: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        stop(f"{name[2:].replace('-', ' ')} must be a whole number ≥ {least}, at most {most}")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        stop(f"{name} must be one of {', '.join(known)}, not {value[:40]!r}")
