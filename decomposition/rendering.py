"""Rendering: how a workspace becomes a view, and the key of that sight.

Names are relative, so equal situations give equal text; path, ids, times and readiness never
enter. Content is written with its special characters escaped and its lines indented, so that
no content can pass for a part of the view.
"""

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

from decomposition.fuel import band
from decomposition.hypertext import is_plain, write
from decomposition.message import Failure, Message
from decomposition.view import KEY_BYTES, LOCKED, Seen, Sight, Symbols, View
from decomposition.workspace import Workspace

_BREAK: Final = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_blank: Final = blake2b(digest_size=KEY_BYTES).copy
_NOTHING: Final[Mapping[str, "str | Failure"]] = MappingProxyType({})


def sight(
    role: str,
    identity: str,
    instructions: str = "",
    *,
    sees_fuel: bool = False,
    leaf: bool = False,
    symbolise: Callable[[View], Symbols | None] | None = None,
) -> Sight:
    """The sight of an answerer in a role; `instructions` is their version, empty for none."""
    prefix = f"{role}\0{instructions}\0{identity}\0".encode()
    return Sight(prefix, sees_fuel, leaf, symbolise)


def view(workspace: Workspace, looking: Sight) -> View:
    """The view of an open workspace, as `looking` sees it."""
    question = write(workspace.question, "$q")
    text = f"Question: {indented(question)}\n"
    shown: Mapping[str, str | Failure] = _NOTHING
    asked: tuple[Seen, ...] = ()
    fuel = band(workspace.fuel) if looking.sees_fuel else ""
    if workspace.asks or workspace.note or workspace.refusal or fuel or workspace.shown:
        shown = {name: seen for name, _, seen in workspace.shown}
        asked = _asked(workspace, shown)
        text += _more(asked, shown, workspace.note, workspace.refusal, fuel)
    if not is_plain(workspace.question):
        text += _titles(workspace)
    seen_by = looking.prefix + sample_key(workspace.sample_path) + text.encode()
    return View(
        text,
        _key(seen_by),
        question,
        asked,
        shown,
        workspace.note,
        workspace.refusal,
        fuel,
        looking.leaf,
        looking.symbolise,
    )


def _key(seen_by: bytes) -> bytes:
    state = _blank()
    state.update(seen_by)
    return state.digest()


def sample_key(sample_path: tuple[int, ...]) -> bytes:
    """A sample path as it enters keys: trailing zeros dropped, ended by a zero byte."""
    if not sample_path:
        return b"\0"
    end = len(sample_path)
    while end and not sample_path[end - 1]:
        end -= 1
    return ",".join(map(str, sample_path[:end])).encode() + b"\0"


def _asked(workspace: Workspace, shown: Mapping[str, str | Failure]) -> tuple[Seen, ...]:
    seen: list[Seen] = []
    for number, ask in enumerate(workspace.asks, 1):
        name = f"$a{number}"
        seen.append(Seen(name, ask.written, shown.get(name)))
    return tuple(seen)


def _more(
    asked: tuple[Seen, ...],
    shown: Mapping[str, str | Failure],
    note: str,
    refusal: str,
    fuel: str,
) -> str:
    """The lines after the question."""
    lines: list[str] = []
    others = [name for name in shown if "." in name or name[1] != "a"]
    lines += [f"{name}: {_content(shown[name])}\n" for name in others if name[1] == "q"]
    for each in asked:
        name = each.name
        lines.append(
            f"Subquestion {name}: {indented(each.question)}\n"
            f"Answer {name}: {_content(each.answer)}\n"
        )
    lines += [f"{name}: {_content(shown[name])}\n" for name in others if name[1] != "q"]
    if note:
        lines.append(f"Note: {indented(note)}\n")
    if refusal:
        lines.append(f"Refused: {indented(refusal)}\n")
    if fuel:
        lines.append(f"Fuel: {fuel}\n")
    return "".join(lines)


def _titles(workspace: Workspace) -> str:
    """Lines with the titles of what the visible messages point to."""
    visible = [("$q", workspace.question)]
    for name, content, _ in workspace.shown:
        if isinstance(content, Message):
            visible.append((name, content))
    return "".join(
        f"Title of {name}.{place}: {indented(pointer.title)}\n"
        for name, message in visible
        for place, pointer in enumerate(message.pointers(), 1)
        if pointer.title
    )


def _content(content: str | Failure | None) -> str:
    if isinstance(content, str):
        return "= " + indented(content)
    if content is None:
        return f"({LOCKED})"
    reason = f": {indented(content.reason)}" if content.reason else ""
    return f"({content.kind}{reason})"


def indented(text: str) -> str:
    """Text of which no line, however it is broken, begins where the view's own lines do."""
    return text if text.isprintable() else _BREAK.sub(r"\g<0>  ", text)
