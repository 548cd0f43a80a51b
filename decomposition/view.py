"""Views: a workspace exactly as an answerer sees it, and the key of that sight.

Names are relative, so equal situations give equal text; path, ids, times and readiness never
enter. Content is written with its special characters escaped and its lines indented, so that
no content can pass for a part of the view.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from decomposition.fuel import band
from decomposition.hypertext import Failure, Message, Outcome, write
from decomposition.workspace import Workspace

KEY_BYTES: Final = 20
"""Length of a view key: 160 bits, so that nobody finds two views with one key."""

LOCKED: Final = "locked"


class Symbols(Struct, frozen=True):
    """The second face of a view, made by a task; read by students and experts."""

    task: str
    context: str
    """Handle of the context: the structural hash of its facts, empty for none."""
    tokens: tuple[int, ...]


class Seen(Struct, frozen=True):
    """A subquestion as its asker sees it."""

    name: str
    """`$a1` for the first."""
    question: str
    """Written form."""
    answer: str | Failure | None
    """Written form of the unlocked answer, or its failure; None while locked."""


class View(Struct, frozen=True):
    """What an answerer sees of one workspace: all of it, and nothing else."""

    text: str
    key: bytes
    """`KEY_BYTES` bytes: hash of the text, the role, the answerer and the sample path. Random
    draws are taken from it, never from a position in a batch."""
    question: str
    """The own question in written form."""
    asked: tuple[Seen, ...]
    """All subquestions, in the order of their numbers."""
    shown: Mapping[str, str | Failure]
    """Unlocked content in written form, by pointer name."""
    note: str
    refusal: str
    fuel: str
    """`plenty`, `low`, `last`, or empty for answerers that do not see it."""
    leaf: bool = False
    """Whether the answerer may not ask: it answers directly."""
    symbolise: "Callable[[View], Symbols | None] | None" = None

    @property
    def symbols(self) -> Symbols | None:
        """The view as symbols; None where no task recognises the question."""
        return self.symbolise(self) if self.symbolise is not None else None


class Sight(Struct, frozen=True):
    """Who looks: everything about an answerer that its views and their keys depend on."""

    prefix: bytes
    """Role, instruction version and identity, framed."""
    sees_fuel: bool = False
    leaf: bool = False
    symbolise: "Callable[[View], Symbols | None] | None" = None


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
    prefix = "\0".join((role, instructions, identity, "")).encode()
    return Sight(prefix, sees_fuel, leaf, symbolise)


def view(
    workspace: Workspace, looking: Sight, read: tuple[tuple[str, Outcome], ...] = ()
) -> View:
    """The view of a workspace.

    Args:
        workspace: An open workspace.
        looking: Who looks at it.
        read: Content of the question's pointers for answerers that read through them.
    """
    question = write(workspace.question, "$q")
    fuel = band(workspace.fuel) if looking.sees_fuel else ""
    shown: dict[str, str | Failure] = {}
    if workspace.asks or workspace.shown or workspace.note or workspace.refusal or read or fuel:
        for name, outcome in (*read, *workspace.shown):
            shown[name] = write(outcome, name) if isinstance(outcome, Message) else outcome
        asked = _asked(workspace, shown)
        text = _text(question, asked, shown, workspace.note, workspace.refusal, fuel)
    else:
        asked = ()
        text = f"Question: {_indented(question)}\n"
    state = blake2b(looking.prefix, digest_size=KEY_BYTES)
    state.update(sample_key(workspace.sample_path))
    state.update(text.encode())
    return View(
        text,
        state.digest(),
        question,
        asked,
        shown,
        workspace.note,
        workspace.refusal,
        fuel,
        looking.leaf,
        looking.symbolise,
    )


def sample_key(sample_path: tuple[int, ...]) -> bytes:
    """A sample path as it enters keys: trailing zeros dropped, ended by a zero byte."""
    if not sample_path:
        return b"\0"
    end = len(sample_path)
    while end and not sample_path[end - 1]:
        end -= 1
    return ",".join(map(str, sample_path[:end])).encode() + b"\0"


def _asked(workspace: Workspace, shown: Mapping[str, str | Failure]) -> tuple[Seen, ...]:
    return tuple(
        Seen(f"$a{number}", ask.written, shown.get(f"$a{number}"))
        for number, ask in enumerate(workspace.asks, 1)
    )


def _text(
    question: str,
    asked: tuple[Seen, ...],
    shown: Mapping[str, str | Failure],
    note: str,
    refusal: str,
    fuel: str,
) -> str:
    lines = [f"Question: {_indented(question)}"]
    answers = {each.name for each in asked}
    for name, content in shown.items():
        if name not in answers and name[1] == "q":
            lines.append(f"{name}: {_content(content)}")
    for each in asked:
        lines.append(f"Subquestion {each.name}: {_indented(each.question)}")
        lines.append(f"Answer {each.name}: {_content(each.answer)}")
    for name, content in shown.items():
        if name not in answers and name[1] != "q":
            lines.append(f"{name}: {_content(content)}")
    if note:
        lines.append(f"Note: {_indented(note)}")
    if refusal:
        lines.append(f"Refused: {_indented(refusal)}")
    if fuel:
        lines.append(f"Fuel: {fuel}")
    return "\n".join(lines) + "\n"


def _content(content: str | Failure | None) -> str:
    if content is None:
        return f"({LOCKED})"
    if isinstance(content, Failure):
        reason = f": {_indented(content.reason)}" if content.reason else ""
        return f"({content.kind}{reason})"
    return "= " + _indented(content)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ") if "\n" in text else text
