"""Run views: what the run commands print, as text, JSON or CSV."""

import csv
import io
import json as json_text
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from traces.claims import seated, session_resource
from traces.errors import UnknownId
from traces.halts import Halted, halts
from traces.leases import free, holder_of, known
from traces.ledger import Line, Totals
from traces.record import FINISHED, RunRecord
from traces.spending import Spent
from traces.store import Store
from workbench.batch import options_of
from workbench.options import Options
from workbench.places import open_store
from workbench.safe_output import columns, cut, line, many, shown
from workbench.terminal import width

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""
_CSV: Final = (
    "call", "time", "session", "path", "answerer", "attempt", "standing", "duration_s",
    "reserved_in", "reserved_out", "reserved_usd", "tokens_in", "tokens_out", "cost_usd",
    "human_s", "event", "finish", "model", "fault", "holder", "fence",
)  # fmt: skip
_NAMED: Final = 20
"""Calls, halts and workers that are named at most."""


def listed(store_at: str, *, limit: int, json: bool) -> str:
    """The runs of a store, the newest last."""
    with open_store(store_at, readonly=True) as store:
        found = [_run_json(store, run) for run in store.register.runs(limit)[::-1]]
    if json:
        return json_text.dumps(found)
    if not found:
        return "no run is here yet; begin one: workbench amplify FILE.jsonl"
    rows = [
        (
            each["run"],
            each["kind"],
            each["status"],
            f"{each['finished']}/{each['total']}" if each["total"] else "",
            many(each["calls"], "paid call") if each["calls"] else "",
            _money(each["usd"]) if each["calls"] else "",
        )
        for each in found
    ]
    return "\n".join(_table(rows))


def _run_json(store: Store, run: RunRecord) -> dict[str, Any]:
    counts = store.register.progress(run.number)
    spent = store.ledger.spent(run=run.number)
    return {
        "run": run.name,
        "kind": run.kind,
        "status": status_of(store, run),
        "created": _time(run.created_us),
        "total": run.total,
        "finished": sum(counts.get(status, 0) for status in FINISHED),
        "progress": counts,
        "calls": spent.calls,
        "tokens": spent.tokens,
        "usd": spent.usd,
    }


def status_of(store: Store, run: RunRecord) -> str:
    """How a run stands; `interrupted` where it should be worked and nobody is at it."""
    if run.status != "running" or run.kind != "amplify":
        return run.status
    at_it = seated(store.database, run) or holder_of(store.database, f"run:{run.name}")
    if any(not halt.session for halt in halts(store.database, run.number)):
        return "pausing" if at_it else "paused"
    return "running" if at_it else "interrupted"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows with their columns below each other, cut to the terminal."""
    safe = [[line(cell) for cell in row] for row in rows]
    widths = [max(columns(row[place]) for row in safe) for place in range(len(safe[0]))]
    padded = (
        "  ".join(
            cell + " " * (wide - columns(cell)) for cell, wide in zip(row, widths, strict=True)
        )
        for row in safe
    )
    return [line_of(text) for text in padded]


def line_of(text: str) -> str:
    """A line that fits the terminal, its spaces kept."""
    return cut(text.rstrip(), width())


# -- one run ---------------------------------------------------------------------------------


def shown_run(store_at: str, wanted: str, *, json: bool) -> str:
    """A run: its options, progress and spend, who works it, what is ambiguous or halted."""
    with open_store(store_at, readonly=True) as store:
        run = store.register.find_run(wanted)
        under_way, ambiguous = _without_receipt(store, run)
        found = _run_json(store, run) | {
            "options": _options(run),
            "workers": seated(store.database, run),
            "caps": _caps(store.ledger.spent(run=run.number)),
            "by_answerer": {
                who: msgspec.to_builtins(totals)
                for (_, who), totals in store.ledger.totals_by("answerer", run=run.number).items()
            },
            "by_standing": {
                standing or "without receipt": totals.lines
                for (_, standing), totals in store.ledger.totals_by(
                    "standing", run=run.number
                ).items()
            },
            "under_way": [_call(store, each) for each in under_way],
            "ambiguous": [_call(store, each) for each in ambiguous],
            "halts": [_halt_json(store, halt) for halt in halts(store.database, run.number)],
        }
    return json_text.dumps(found) if json else "\n".join(_told(found))


def _options(run: RunRecord) -> dict[str, Any]:
    """The options of a run that are not the usual ones."""
    if run.kind != "amplify":
        return {}
    kept, usual = options_of(run), Options()
    return {
        name: msgspec.to_builtins(getattr(kept, name))
        for name in Options.__struct_fields__
        if name == "by" or getattr(kept, name) != getattr(usual, name)
    }


def _without_receipt(store: Store, run: RunRecord) -> tuple[list[Line], list[Line]]:
    """Calls under way in a process that holds their session, and those of unknown outcome."""
    lines = store.ledger.open_intents(run=run.number)
    traces = {each.session: _trace(store, each.session) for each in lines}
    names = {number: session_resource(trace) for number, trace in traces.items()}
    held = known(store.database, list(names.values()))
    vacant = free(store.database, list(names.values()))
    under_way = [
        each
        for each in lines
        if (name := names[each.session]) not in vacant
        and held[name][:2] == (each.holder, each.fence)
    ]
    left = [each for each in lines if each not in under_way]
    return under_way, left + store.ledger.ambiguous(run=run.number)


def _trace(store: Store, number: int) -> str:
    """The trace of a session; what was paid for one that was removed stays."""
    try:
        return store.register.session(number).trace
    except UnknownId:
        return f"removed-{number}"


def _caps(spent: Spent) -> dict[str, float]:
    caps = {
        "calls": spent.max_calls,
        "tokens": spent.max_tokens,
        "usd": None if spent.max_nano_usd is None else spent.max_nano_usd / 1e9,
        "seconds": None if spent.max_us is None else spent.max_us / 1e6,
    }
    return {name: cap for name, cap in caps.items() if cap is not None}


def _call(store: Store, each: Line) -> dict[str, Any]:
    return {
        "call": each.call,
        "trace": _trace(store, each.session),
        "path": each.path,
        "answerer": each.answerer,
        "time": _time(each.wall_us),
        "reserved_usd": each.reserved_usd,
    }


def _halt_json(store: Store, halt: Halted) -> dict[str, Any]:
    trace = _trace(store, halt.session) if halt.session else ""
    where = f"{trace}/{halt.path}" if halt.path else trace
    return {"where": where, "kind": halt.kind, "by": halt.asker, "time": _time(halt.wall_us)}


def _told(found: dict[str, Any]) -> Iterator[str]:
    """A run in lines of text."""
    yield line(f"run {found['run']} ({found['kind']}): {found['status']}, {found['created']}")
    counts = ", ".join(f"{count} {status}" for status, count in sorted(found["progress"].items()))
    yield line(f"lines: {found['total']} ({counts or 'none'})")
    for name, value in found["options"].items():
        yield _inner(f"{name}: {value}")
    yield line(
        f"spent: {many(found['calls'], 'paid call')}, {found['tokens']} tokens, "
        f"{_money(found['usd'])}, reserves of calls under way included"
    )
    if found["caps"]:
        yield line("caps: " + ", ".join(f"{name} {cap:g}" for name, cap in found["caps"].items()))
    for who, totals in found["by_answerer"].items():
        yield _inner(f"{_spend(msgspec.convert(totals, Totals))}, {who}")
    if found["by_standing"]:
        calls = ", ".join(f"{count} {name}" for name, count in found["by_standing"].items())
        yield line(f"calls: {calls}")
    yield from _named("workers", (f"{seat}: {who}" for seat, who in found["workers"].items()))
    yield from _named(
        "calls under way",
        (f"{each['call']} {each['trace']}/{each['path']}" for each in found["under_way"]),
    )
    yield from _named(
        "ambiguous calls",
        (f"{each['call']} {each['trace']}/{each['path']}" for each in found["ambiguous"]),
    )
    yield from _named(
        "halts",
        (
            f"{each['kind']} of {each['where'] or 'the run'}, {each['by']}"
            for each in found["halts"]
        ),
    )


def _inner(text: str) -> str:
    """A line that belongs to the one above it."""
    return f"  {line(text, width() - 2)}"


def _named(noun: str, texts: Iterable[str]) -> Iterator[str]:
    every = list(texts)
    if every:
        yield f"{noun}: {len(every)}"
    for text in every[:_NAMED]:
        yield _inner(text)
    if len(every) > _NAMED:
        yield f"  and {len(every) - _NAMED} more"


def _spend(totals: Totals) -> str:
    unknown = f" ({totals.unknown} of unknown cost)" if totals.unknown else ""
    return (
        f"{many(totals.calls, 'call')}{unknown}, {totals.tokens_in} + {totals.tokens_out} tokens, "
        f"{_money(totals.cost_usd)}"
    )


# -- the ledger of a run ---------------------------------------------------------------------


def ledger_text(store_at: str, wanted: str, *, limit: int, json: bool) -> str:
    """The newest lines of a run's ledger, the latest last."""
    with open_store(store_at, readonly=True) as store:
        run = store.register.find_run(wanted)
        lines = store.ledger.newest(limit, run=run.number)
        if json:
            return msgspec.json.encode(lines).decode()
        traces = {number: _trace(store, number) for number in {each.session for each in lines}}
    if not lines:
        return f"run {line(run.name)} has no paid call"
    rows = [
        (
            _time(each.wall_us),
            each.standing or "no receipt",
            f"{traces[each.session]}/{each.path}",
            f"#{each.attempt}",
            f"{_number(each.tokens_in)}+{_number(each.tokens_out)}",
            "?" if each.cost_usd is None else _money(each.cost_usd),
            each.fault,
            each.answerer,
        )
        for each in lines
    ]
    return "\n".join(_table(rows))


def ledger_csv(store_at: str, wanted: str) -> Iterator[str]:
    """All lines of a run's ledger as CSV, with the names of the columns first."""
    with open_store(store_at, readonly=True) as store:
        run = store.register.find_run(wanted)
        yield _csv(_CSV)
        for each in store.ledger.each(run=run.number):
            values = msgspec.structs.asdict(each) | {
                "time": _time(each.wall_us),
                "duration_s": each.duration_us / 1e6,
            }
            yield _csv([values[name] for name in _CSV])


def _csv(cells: Iterable[object]) -> str:
    to = io.StringIO()
    csv.writer(to, lineterminator="").writerow([_cell(cell) for cell in cells])
    return to.getvalue()


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if value is None else value if isinstance(value, str) else f"{value}"
    dangerous = isinstance(value, str) and text.startswith(_FORMULA)
    return shown(f"'{text}" if dangerous else text)


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)


def _money(usd: float) -> str:
    return f"${usd:.6f}".rstrip("0").rstrip(".") if usd < 1 else f"${usd:,.4f}"


def _time(wall_us: int) -> str:
    return datetime.fromtimestamp(wall_us / 1e6, UTC).isoformat(timespec="seconds")
