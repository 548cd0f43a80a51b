"""Trace views: what the trace commands print, as text or JSON."""

import json as json_text
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import Struct

from decomposition.events import KINDS
from decomposition.hypertext import write
from decomposition.message import Failure, Message, Outcome
from decomposition.node import Node
from decomposition.tree import Tree, fold
from traces.record import Record, SessionRecord, withdrawn
from traces.verify import verify
from workbench.doings import Doings, doings
from workbench.drawing import drawn, rows
from workbench.exits import Exit, stop
from workbench.places import open_store
from workbench.quotations import Quotation, quotations
from workbench.safe_output import as_ascii, cut, line, many
from workbench.terminal import width as terminal_width
from workbench.view_sizes import largest_view, was_capped

_ANCHOR: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")


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

    def text(self, text: str) -> str:
        """A text as it is printed."""
        return as_ascii(text) if self.ascii_only else text

    def cut(self, text: str) -> str:
        """A line that fits."""
        return cut(self.text(text), self.columns, "..." if self.ascii_only else "…")

    @property
    def most(self) -> int:
        """Lines of the drawing at most."""
        return self.lines if self.lines > 0 else 10**9


class Recorded(Struct, frozen=True):
    """A session as far as it is looked at."""

    row: SessionRecord
    records: list[Record]
    stale: Mapping[int, str]
    """Events that depend on something redacted or retracted, and why."""
    withdrawn: frozenset[int]
    """Events of turns that were taken back."""

    @property
    def tree(self) -> Tree:
        """The tree that the events come to."""
        return fold((record.path, record.event) for record in self.records)

    @property
    def largest_view(self) -> int | None:
        """Bytes of the longest view, where views had a cap; else None."""
        return largest_view(self.records) if was_capped(self.records) else None

    def quotations(self, tree: Tree) -> dict[str, tuple[Quotation, ...]]:
        """What is quoted, by path."""
        return quotations(self.records, tree)

    @property
    def doings(self) -> dict[str, Doings]:
        """What happened, by path."""
        return doings(self.records, self.stale)


def listed(store_at: str, *, run: str, limit: int, json: bool) -> str:
    """The recorded sessions, the newest last."""
    with open_store(store_at, readonly=True) as store:
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
    found = _recorded(store_at, trace, look.at)
    tree = found.tree
    if path:
        node = _workspace_at(tree, path)
        did = found.doings.get(node.path, Doings())
        quoted = found.quotations(tree).get(node.path, ())
        if json:
            return json_text.dumps({"trace": found.row.trace, **_node_json(node, did, quoted)})
        return look.text(_workspace(node, did, quoted))
    if json:
        return json_text.dumps(_tree_json(found, tree))
    return "\n".join([*_heading(found, look), *_drawn(found, tree, look)])


def _drawn(found: Recorded, tree: Tree, look: Look) -> list[str]:
    return drawn(tree, found.doings, look.columns, ascii_only=look.ascii_only, most=look.most)


def _recorded(store_at: str, trace: str, at: int | None) -> Recorded:
    with open_store(store_at, readonly=True) as store:
        row = store.register.find_session(trace)
        records = list(store.records(row.number))
        stale = store.stale(row.number)
    if not records:
        stop(f"{row.trace} has no events yet", Exit.USAGE)
    if at is not None and not 0 <= at < len(records):
        stop(f"{row.trace} has the events 0 to {len(records) - 1}, not {at}", Exit.USAGE)
    seen = records[: None if at is None else at + 1]
    return Recorded(row, seen, stale, withdrawn(seen))


def _heading(found: Recorded, look: Look) -> list[str]:
    row, records = found.row, found.records
    last = records[-1].number
    place = f"event {last} of {row.count - 1}" if look.at is not None else f"{row.count} events"
    lines = [look.cut(f"{row.trace}  {row.status}  {place}  {_time(row.opened_us)}")]
    if (largest := found.largest_view) is not None:
        lines.append(look.cut(f"largest view {largest} bytes"))
    gone = sum(record.redacted for record in records)
    if gone or found.stale:
        marks = f"{gone} redacted, {len(found.stale)} stale (they depend on what was taken away)"
        lines.append(look.cut(marks))
    return lines


def _workspace_at(tree: Tree, path: str) -> Node:
    """The workspace of a path, or of `@` and a line's number in the drawing."""
    number = path.removeprefix("@")
    place = path
    if number != path and number.isascii() and number.isdecimal():
        wanted = islice(rows(tree, {}), int(number[:9]), None)
        place = next((row.path for row in wanted), path)
    node = tree.nodes.get(place)
    if node is None:
        stop(f"no workspace was opened at {path[:80]}", Exit.USAGE)
    return node


def _workspace(node: Node, did: Doings, quoted: Sequence[Quotation]) -> str:
    workspace = node.workspace
    lines = [f"path: {node.path}", f"question: {line(write(workspace.question, '$q'), 2000)}"]
    for number, ask in enumerate(workspace.asks, 1):
        lines.append(f"$a{number}: {line(ask.written, 2000)}")
    for name, _, seen in workspace.shown:
        said = f"({seen.kind}: {seen.reason})" if isinstance(seen, Failure) else seen
        lines.append(f"unlocked {name}: {line(said, 2000)}")
    if workspace.note:
        lines.append(f"note: {line(workspace.note, 2000)}")
    lines.append(f"answerer: {line(did.answerer, 2000)}")
    lines.append(f"fuel left: {workspace.fuel}")
    lines.append(f"outcome: {line(_said(workspace.outcome), 2000)}")
    lines += map(_quotation_line, quoted)
    lines += [f"detail: {line(detail, 2000)}" for detail in did.details]
    if did.marks:
        lines.append(f"marks: {', '.join(did.marks)}")
    return "\n".join(lines)


def _quotation_line(quoted: Quotation) -> str:
    title = f" ({line(quoted.title, 200)})" if quoted.title else ""
    said = f'"{line(quoted.text, 2000)}"' if quoted.text else "(taken away)"
    return f"quotes {quoted.pointer}{title}, {quoted.start} to {quoted.end}: {said}"


def _said(outcome: Outcome | None) -> str:
    if outcome is None:
        return "none yet"
    if isinstance(outcome, Message):
        return write(outcome, "$a")
    return f"({outcome.kind}{': ' if outcome.reason else ''}{outcome.reason})"


def _tree_json(found: Recorded, tree: Tree) -> dict[str, Any]:
    did, quoted = found.doings, found.quotations(tree)
    return {
        "trace": found.row.trace,
        "event": found.records[-1].number,
        "events": found.row.count,
        "status": found.row.status,
        "answer": found.row.answer,
        "digest": found.row.digest,
        "largest_view": found.largest_view,
        "workspaces": [
            _node_json(node, did.get(node.path, Doings()), quoted.get(node.path, ()))
            for node in tree.nodes.values()
        ],
    }


def _node_json(node: Node, did: Doings, quoted: Sequence[Quotation]) -> dict[str, Any]:
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
        "quotes": msgspec.to_builtins(quoted),
        **msgspec.to_builtins(did),
    }


def replayed(store_at: str, trace: str, look: Look, *, json: bool) -> Iterator[str]:
    """The events one by one; with `at`, the tree at that event."""
    found = _recorded(store_at, trace, look.at)
    if look.at is not None:
        tree = found.tree
        if json:
            yield json_text.dumps(_tree_json(found, tree))
            return
        yield from _heading(found, look)
        yield _event_line(found, found.records[-1], look)
        yield from _drawn(found, tree, look)
        return
    if json:
        yield from (_event_json(found, record) for record in found.records)
        return
    yield from _heading(found, look)
    yield from (_event_line(found, record, look) for record in found.records)


def _event_line(found: Recorded, record: Record, look: Look) -> str:
    kind = KINDS[record.kind].__name__
    author = record.authorship.author
    marks = "[redacted] " if record.redacted else ""
    marks += "[withdrawn] " if record.number in found.withdrawn else ""
    if record.number in found.stale:
        marks += f"[stale: {found.stale[record.number]}] "
    payload = line(record.payload.decode())
    text = f"{record.number:>6} {record.path:<12} {kind:<9} {author:<9} {marks}{payload}"
    return look.cut(text)


def _event_json(found: Recorded, record: Record) -> str:
    authorship = record.authorship
    return json_text.dumps(
        {
            "number": record.number,
            "path": record.path,
            "kind": KINDS[record.kind].__name__,
            "event": json_text.loads(record.payload),
            "redacted": record.redacted,
            "stale": found.stale.get(record.number),
            "withdrawn": record.number in found.withdrawn,
            **{name: value for name, value in msgspec.to_builtins(authorship).items() if value},
        }
    )


def verified(store_at: str, traces: Sequence[str], *, anchor: str, json: bool) -> tuple[str, bool]:
    """What a verification found, and whether all is sound.

    Raises:
        Complaint: The anchor is no chain's head.
    """
    if anchor and not _ANCHOR.fullmatch(anchor):
        stop(f"--anchor is a chain's head in hexadecimal digits, not {anchor[:40]!r}")
    with open_store(store_at, readonly=True) as store:
        report = verify(store, traces, anchor=anchor, refold=True)
    if json:
        return msgspec.json.encode(report).decode(), not report.findings
    lines = [str(finding) for finding in report.findings[:40]]
    if len(report.findings) > len(lines):
        lines.append(f"… and {many(len(report.findings) - len(lines), 'more finding')}")
    state = "nothing differs" if not report.findings else many(len(report.findings), "finding")
    lines.append(f"{many(report.sessions, 'session')}, {many(report.events, 'event')}: {state}")
    lines.append(report.guarantee)
    return "\n".join(lines), not report.findings
