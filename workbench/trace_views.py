"""Trace views: what the trace commands print, as text or JSON."""

import json as json_text
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from decomposition.events import KINDS
from decomposition.hypertext import write
from decomposition.message import Failure, Message, Outcome
from decomposition.tree import Node, Tree, fold
from traces.gc import remove
from traces.record import Record, SessionRecord
from traces.redact import redact
from traces.store import Store
from traces.verify import verify
from workbench.doings import doings
from workbench.drawing import drawn
from workbench.exits import Exit, stop
from workbench.safe_output import line
from workbench.terminal import width as terminal_width


class Look(Struct, frozen=True):
    """How a tree is looked at."""

    at: int | None
    """Number of the event to stop at, itself included; None for the last."""
    width: int | None
    lines: int
    ascii_only: bool

    @property
    def columns(self) -> int:
        """Columns of the drawing."""
        return max(20, self.width or terminal_width())

    @property
    def most(self) -> int:
        """Lines of the drawing at most."""
        return self.lines if self.lines > 0 else 10**9


def listed(store_at: str, *, run: str, limit: int, json: bool) -> str:
    """The recorded sessions, the newest last."""
    with Store.open(store_at, readonly=True) as store:
        register = store.register
        if run:
            rows = register.sessions(register.find_run(run).number)[-limit:]
        else:
            rows = register.newest(limit)[::-1]
        names = {each.number: each.name for each in register.runs(10_000)}
    if json:
        return json_text.dumps([_row_json(row, names) for row in rows])
    if not rows:
        return "nothing is recorded here yet; ask something: workbench ask '487 + 1956'"
    return "\n".join(_row_line(row, names) for row in rows)


def _row_json(row: SessionRecord, names: dict[int, str]) -> dict[str, Any]:
    return {
        "trace": row.trace,
        "run": names.get(row.run) if row.run is not None else None,
        "status": row.status,
        "answer": row.answer,
        "opened": _time(row.opened_us) if row.opened_us else None,
        "events": row.count,
        "workspaces": row.workspaces,
        "calls": row.calls,
        "digest": row.digest,
    }


def _row_line(row: SessionRecord, names: dict[int, str]) -> str:
    run = f" {names.get(row.run, '')}" if row.run is not None else ""
    return line(
        f"{row.trace}  {row.status:<9} {row.workspaces:>6} ws {row.count:>7} events  "
        f"{line(row.answer, 40)}{run}",
        terminal_width(),
    )


def _time(wall_us: int) -> str:
    return datetime.fromtimestamp(wall_us / 1e6, UTC).isoformat(timespec="milliseconds")


def shown_tree(store_at: str, trace: str, look: Look, *, path: str, json: bool) -> str:
    """A tree as a drawing or as JSON; with a path one workspace of it."""
    row, records = _recorded(store_at, trace, look.at)
    tree = fold((record.path, record.event) for record in records)
    if path:
        return _workspace(tree, path)
    if json:
        return json_text.dumps(_tree_json(row, records, tree))
    lines = drawn(tree, doings(records), look.columns, ascii_only=look.ascii_only, most=look.most)
    return "\n".join([_heading(row, records, look), *lines])


def _recorded(store_at: str, trace: str, at: int | None) -> tuple[SessionRecord, list[Record]]:
    with Store.open(store_at, readonly=True) as store:
        row = store.register.find_session(trace)
        records = list(store.records(row.number))
    if not records:
        stop(f"{row.trace} has no events yet", Exit.USAGE)
    if at is not None and not 0 <= at < len(records):
        stop(f"{row.trace} has the events 0 to {len(records) - 1}, not {at}", Exit.USAGE)
    return row, records[: None if at is None else at + 1]


def _heading(row: SessionRecord, records: Sequence[Record], look: Look) -> str:
    last = records[-1].number
    place = f"event {last} of {row.count - 1}" if look.at is not None else f"{row.count} events"
    return f"{row.trace}  {row.status}  {place}  {_time(row.opened_us)}"


def _workspace(tree: Tree, path: str) -> str:
    node = tree.nodes.get(path)
    if node is None:
        stop(f"no workspace was opened at {path[:80]}", Exit.USAGE)
    workspace = node.workspace
    lines = [f"path: {path}", f"question: {line(write(workspace.question, '$q'), 2000)}"]
    for number, ask in enumerate(workspace.asks, 1):
        lines.append(f"$a{number}: {line(ask.written, 2000)}")
    for name, _, seen in workspace.shown:
        said = f"({seen.kind}: {seen.reason})" if isinstance(seen, Failure) else seen
        lines.append(f"unlocked {name}: {line(said, 2000)}")
    if workspace.note:
        lines.append(f"note: {line(workspace.note, 2000)}")
    lines.append(f"fuel left: {workspace.fuel}")
    lines.append(f"outcome: {line(_said(workspace.outcome), 2000)}")
    return "\n".join(lines)


def _said(outcome: Outcome | None) -> str:
    if outcome is None:
        return "none yet"
    if isinstance(outcome, Message):
        return write(outcome, "$a")
    return f"({outcome.kind}{': ' if outcome.reason else ''}{outcome.reason})"


def _tree_json(row: SessionRecord, records: Sequence[Record], tree: Tree) -> dict[str, Any]:
    did = doings(records)
    return {
        "trace": row.trace,
        "event": records[-1].number,
        "events": row.count,
        "status": row.status,
        "answer": row.answer,
        "digest": row.digest,
        "workspaces": [
            {**_node_json(node), **msgspec.to_builtins(did[node.path])}
            if node.path in did
            else _node_json(node)
            for node in tree.nodes.values()
        ],
    }


def _node_json(node: Node) -> dict[str, Any]:
    workspace = node.workspace
    return {
        "path": workspace.path,
        "question": write(workspace.question, "$q"),
        "subquestions": [ask.written for ask in workspace.asks],
        "unlocked": {name: _said(outcome) for name, outcome, _ in workspace.shown},
        "note": workspace.note,
        "waiting": list(workspace.waiting),
        "fuel": workspace.fuel,
        "refusal": workspace.refusal,
        "outcome": None if workspace.outcome is None else _said(workspace.outcome),
        "failed": isinstance(workspace.outcome, Failure),
    }


def replayed(store_at: str, trace: str, look: Look, *, json: bool) -> Iterator[str]:
    """The events one by one; with `at`, the tree at that event."""
    if look.at is not None:
        row, records = _recorded(store_at, trace, look.at)
        tree = fold((record.path, record.event) for record in records)
        if json:
            yield json_text.dumps(_tree_json(row, records, tree))
            return
        yield _heading(row, records, look)
        yield _event_line(records[-1], look.columns)
        yield from drawn(
            tree, doings(records), look.columns, ascii_only=look.ascii_only, most=look.most
        )
        return
    row, records = _recorded(store_at, trace, None)
    if not json:
        yield _heading(row, records, look)
    for record in records:
        yield _event_json(record) if json else _event_line(record, look.columns)


def _event_line(record: Record, columns: int) -> str:
    kind = KINDS[record.kind].__name__
    author = record.authorship.author
    return line(
        f"{record.number:>6} {record.path:<12} {kind:<9} {author:<9} {record.payload.decode()}",
        columns,
    )


def _event_json(record: Record) -> str:
    authorship = record.authorship
    return json_text.dumps(
        {
            "number": record.number,
            "path": record.path,
            "kind": KINDS[record.kind].__name__,
            "event": json_text.loads(record.payload),
            "redacted": record.redacted,
            **{name: value for name, value in msgspec.to_builtins(authorship).items() if value},
        }
    )


def verified(store_at: str, traces: Sequence[str], *, anchor: str, json: bool) -> tuple[str, bool]:
    """What a verification found, and whether all is sound."""
    with Store.open(store_at, readonly=True) as store:
        report = verify(store, traces, anchor=anchor, refold=True)
    if json:
        return msgspec.json.encode(report).decode(), not report.findings
    lines = [str(finding) for finding in report.findings[:40]]
    if len(report.findings) > len(lines):
        lines.append(f"… and {len(report.findings) - len(lines)} more findings")
    state = "nothing differs" if not report.findings else f"{len(report.findings)} findings"
    lines.append(f"{report.sessions} sessions, {report.events} events: {state}")
    lines.append(report.guarantee)
    return "\n".join(lines), not report.findings


def redacted(
    store_at: str, trace: str, event: int, *, reason: str, everywhere: bool, json: bool
) -> str:
    """What a redaction took away."""
    with Store.open(store_at) as store:
        report = redact(store, trace, event, reason=reason, everywhere=everywhere)
    if json:
        return msgspec.json.encode(report).decode()
    return f"event {event} of {trace} is gone; {report}"


def collected(store_at: str, traces: Sequence[str], *, run: str, force: bool, json: bool) -> str:
    """What was removed."""
    if not traces and not run:
        stop("name traces, or a run with --run")
    with Store.open(store_at) as store:
        report = remove(store, traces=traces, run=run, force=force)
    return msgspec.json.encode(report).decode() if json else str(report)
