"""Dry run: what a batch would take, told before anything is sent, spent or stored.

The first call of every question is made up to the point where it would leave. What comes after it
nobody knows: it is told from earlier questions that the same answerers worked, and from the caps.
"""

import json
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

import msgspec
from msgspec import Struct

from decomposition.ports import Authorship
from decomposition.session import Session
from decomposition.setting import Setting
from decomposition.spend import Estimate
from traces.errors import TraceError
from traces.record import FINISHED, NewLine, SessionRecord
from traces.store import Store
from workbench.batch import Batch, posed_again
from workbench.options import Accepted, Options
from workbench.places import file_of
from workbench.safe_output import many
from workbench.specs import Cast
from workbench.spend_text import dollars
from workbench.wiring import Posed, identities

_NOBODY: Final = Authorship("", "engine", 0, 0)
_AT_ONCE: Final = 4096
_RUNS: Final = 1_000
"""Newest runs, and newest questions asked alone, that are looked at."""
_ALIKE: Final = ("policy", "samples", "node_samples", "share", "max_view")
"""Options that earlier questions must have in common with these."""


class Sum(Struct, frozen=True):
    """What some work takes; None is not known, or without a cap."""

    calls: float | None = None
    tokens: float | None = None
    usd: float | None = None


class Forecast(Struct, frozen=True):
    """What a batch would take."""

    questions: int
    answerers: tuple[str, ...]
    first: Sum
    """The first call of every question; tokens and money are what is reserved for it."""
    likely: Sum | None
    """By earlier questions; None where there are none."""
    earlier: int
    """How many earlier questions that was told from."""
    where: str
    """The store that was looked at; empty for none."""
    most: Sum
    """What the caps and the fuel allow."""


class Item(Struct, frozen=True):
    """A question, and who would answer it."""

    posed: Posed
    setting: Setting
    cast: Cast


def forecast(made: Batch, store_at: str) -> Forecast:
    """What a batch would take.

    Args:
        made: Its questions, and who answers them.
        store_at: Where earlier questions may be; a store on a server is not looked at, as
            nothing is sent anywhere.
    """
    options = made.options
    items = [_item(made, line) for line in made.lines]
    first = _total([_first(item) for item in items])
    who = {item.posed.task: identities(item.setting) for item in items}
    earlier = _earlier(store_at, options, who)
    return Forecast(
        len(items),
        tuple(dict.fromkeys(name for names in who.values() for name in names)),
        first,
        _likely(earlier, items, priced=first.usd is not None) if earlier else None,
        len(earlier),
        store_at if _is_file(store_at) else "",
        _most(items, options),
    )


def _item(made: Batch, line: NewLine) -> Item:
    posed = posed_again(json.loads(line.input), made.options)
    return Item(posed, *made.settings[posed.task])


def _first(item: Item) -> Sum:
    """The calls with which a question begins, made up to where they would leave."""
    session = Session(1, item.setting, _NOBODY)
    session.begin(item.posed.message, item.posed.fuel, item.cast.samples, item.cast.rule)
    session.absorb(_NOBODY)
    nodes = [*session.take(_AT_ONCE), *session.take_waiting(_AT_ONCE)]
    asked = [node for node in nodes if node.seat.role != "primitive"]
    return _sum(
        [
            node.seat.answerer.estimate(session.view_of(node))
            if node.seat.answerer.paid
            else Estimate()
            for node in asked
        ]
    )


def _sum(estimates: Sequence[Estimate]) -> Sum:
    usd = [each.cost_usd for each in estimates]
    return Sum(
        len(estimates),
        sum(each.tokens_in + each.tokens_out for each in estimates),
        None if None in usd else sum(each or 0.0 for each in usd),
    )


def _total(sums: Sequence[Sum]) -> Sum:
    usd = [each.usd for each in sums]
    return Sum(
        sum(each.calls or 0 for each in sums),
        sum(each.tokens or 0 for each in sums),
        None if None in usd else sum(each or 0.0 for each in usd),
    )


# -- earlier questions -----------------------------------------------------------------------


def _is_file(store_at: str) -> bool:
    path = file_of(store_at)
    return path is not None and path.exists()


def _earlier(store_at: str, options: Options, who: dict[str, list[str]]) -> list[SessionRecord]:
    """Finished questions of the store that the same answerers worked in the same way."""
    if not _is_file(store_at):
        return []
    try:
        with Store.open(store_at, readonly=True) as store:
            return list(_alike(store, options, who))
    except TraceError:
        return []


def _alike(store: Store, options: Options, who: dict[str, list[str]]) -> Iterator[SessionRecord]:
    for run in store.register.runs(_RUNS):
        if run.kind == "amplify" and _same(run.config, options, who):
            yield from store.register.sessions(run.number, FINISHED)
    for row in store.register.newest(_RUNS):
        if row.run is None and row.status in FINISHED and _same(row.config, options, who):
            yield row


def _same(config: str, options: Options, who: dict[str, list[str]]) -> bool:
    try:
        kept = msgspec.json.decode(config, type=Accepted)
    except msgspec.DecodeError:
        return False
    alike = all(getattr(kept, name) == getattr(options, name) for name in _ALIKE)
    return alike and any(names == who.get(task) for task, names in kept.answerers.items())


def _likely(rows: Sequence[SessionRecord], items: Sequence[Item], *, priced: bool) -> Sum:
    """The medians of earlier questions, for these."""
    usd = median(row.cost_usd for row in rows) * len(items)
    return Sum(
        median(row.calls for row in rows) * len(items),
        median(row.tokens for row in rows) * len(items),
        usd if priced else None,
    )


# -- caps ------------------------------------------------------------------------------------


def _most(items: Sequence[Item], options: Options) -> Sum:
    """What caps and fuel allow: every call takes a step."""
    each = options.per_question
    steps = [item.posed.fuel * max(item.cast.samples, len(item.cast.members)) for item in items]
    calls = [count if each.calls is None else min(count, each.calls) for count in steps]
    limits = options.limits
    return Sum(
        _least(sum(calls), limits.calls),
        _least(None if each.tokens is None else each.tokens * len(items), limits.tokens),
        _least(None if each.usd is None else each.usd * len(items), limits.usd),
    )


def _least(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return min(known, default=None)


# -- words -----------------------------------------------------------------------------------


def as_json(found: Forecast) -> str:
    """A forecast as one JSON object."""
    return json.dumps(msgspec.to_builtins(found) | {"dry_run": True})


def described(found: Forecast) -> str:
    """A forecast for people."""
    lines = [
        f"dry run: {many(found.questions, 'question')} for {', '.join(found.answerers)}",
        _row("", "calls", "tokens", "money"),
        _line("first calls", found.first),
    ]
    if found.likely is not None:
        lines.append(_line("likely", found.likely))
    lines.append(_line("at most", found.most, "no cap"))
    lines.append(
        "first calls: one for each question and sample; tokens and money are what is reserved for "
        "it: its text as it would be sent, and the longest reply"
    )
    if found.likely is not None:
        lines.append(
            f"likely: {many(found.questions, 'question')} at the median of the "
            f"{many(found.earlier, 'question')} in {found.where} that the same answerers finished"
        )
    else:
        lines.append(
            "likely: not known; no store here has a question that these answerers finished"
        )
    lines.append("at most: the caps that are set, and of calls the fuel, as each call takes a step")
    lines.append("nothing was sent, spent or stored")
    return "\n".join(lines)


def _line(name: str, found: Sum, unknown: str = "not known") -> str:
    calls, tokens, usd = found.calls, found.tokens, found.usd
    return _row(
        name,
        unknown if calls is None else f"{calls:,.0f}",
        unknown if tokens is None else f"{tokens:,.0f}",
        unknown if usd is None else dollars(usd),
    )


def _row(name: str, calls: str, tokens: str, usd: str) -> str:
    return f"{name:<12}{calls:>14}{tokens:>18}{usd:>16}".rstrip()
