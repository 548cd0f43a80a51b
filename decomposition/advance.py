"""Advance: the successors of a workspace, and what names mean in it.

Knows one workspace at a time and nothing of the others.
"""

from typing import Final

from msgspec.structs import replace

from decomposition.errors import EngineBug, IllegalAction
from decomposition.events import (
    Abstained,
    Asked,
    Deferred,
    Event,
    Failed,
    Joined,
    Noted,
    Refused,
    Replied,
    Unlocked,
)
from decomposition.hypertext import POINTER_NAME, is_simple, parse, write
from decomposition.message import Failure, Message, Outcome, Pointer
from decomposition.workspace import Shown, Subquestion, Workspace


def show(name: str, outcome: Outcome) -> Shown:
    """Content under the name by which it was unlocked."""
    return name, outcome, write(outcome, name) if isinstance(outcome, Message) else outcome


def advance(workspace: Workspace, event: Event) -> Workspace:
    """The workspace after an event of its own.

    Raises:
        EngineBug: The event does not belong to a single workspace.
    """
    path, question, samples, fuel, asks, shown, note, noted = (
        workspace.path,
        workspace.question,
        workspace.sample_path,
        workspace.fuel - 1,
        workspace.asks,
        workspace.shown,
        workspace.note,
        workspace.noted,
    )
    match event:
        case Replied():
            outcome = read(workspace, event.message)
            return Workspace(
                path, question, samples, fuel, asks, shown, note, noted, (), "all", outcome,
                event.confidence,
            )  # fmt: skip
        case Asked():
            asks = read_questions(workspace, event.questions)
            fuel -= sum(event.fuel)
            return Workspace(path, question, samples, fuel, asks, shown, note, noted)
        case Unlocked() if event.wait == "fits":
            # Whether it is legal is told when all is there: until then the refusals still count.
            return replace(
                workspace, fuel=fuel, waiting=event.pointers, wait="fits", refusal="", bound=""
            )
        case Unlocked():
            return Workspace(
                path, question, samples, fuel, asks, shown, note, noted, event.pointers, event.wait
            )
        case Noted():
            shown = tuple([each for each in shown if not each[0].startswith("$n")])
            noted = read(workspace, event.text)
            return Workspace(path, question, samples, fuel, asks, shown, event.text, noted)
        case Abstained():
            return replace(workspace, fuel=fuel, outcome=Failure("abstained", event.reason))
        case Refused():
            if workspace.closed:
                return workspace
            # Behind an unlock it is the first in a row: the unlock was legal.
            first = event.late and workspace.waiting
            before = (0, 0) if first else (workspace.refusals, workspace.starved)
            return replace(
                workspace,
                fuel=fuel,
                refusal=event.reason,
                refusals=before[0] + 1,
                bound=event.bound,
                starved=before[1] + (event.bound == "fuel"),
                kind=event.kind,
            )
        case Failed():
            return replace(workspace, outcome=event.failure, waiting=())
        case Joined():
            joined: Outcome | None = event.failure if event.message is None else event.message
            return replace(workspace, outcome=joined)
        case Deferred():
            return replace(workspace, fuel=fuel)
        case _:
            raise EngineBug(f"{type(event).__name__} is no event of a single workspace")


def read(workspace: Workspace, written: str) -> Message:
    """The message that a written text means in a workspace.

    Raises:
        IllegalAction: It names a pointer that is not visible there.
    """
    if is_simple(written):
        return Message((written,))
    return parse(written, lambda name: resolve(workspace, name))


def read_questions(workspace: Workspace, written: tuple[str, ...]) -> tuple[Subquestion, ...]:
    """All subquestions of a workspace once these are added; a later one may name earlier ones.

    Raises:
        IllegalAction: One of them names a pointer that is not visible.
    """
    asks = list(workspace.asks)
    for text in written:
        if is_simple(text):
            asks.append(Subquestion(text, Message((text,))))
        else:
            asks.append(Subquestion(text, read(replace(workspace, asks=tuple(asks)), text)))
    return tuple(asks)


def woken(workspace: Workspace, shown: tuple[Shown, ...], fuel: int) -> Workspace:
    """The workspace once content has arrived and unspent fuel has come back."""
    if workspace.shown:
        known = {name for name, _, _ in workspace.shown}
        shown = workspace.shown + tuple(each for each in shown if each[0] not in known)
    if workspace.refusal:
        return replace(workspace, waiting=(), wait="all", shown=shown, fuel=workspace.fuel + fuel)
    return Workspace(
        workspace.path,
        workspace.question,
        workspace.sample_path,
        workspace.fuel + fuel,
        workspace.asks,
        shown,
        workspace.note,
        workspace.noted,
    )


def unshown(workspace: Workspace, reason: str, fuel: int) -> Workspace:
    """The workspace once an unlock for which its view had no room is refused; it is paid for.

    Args:
        workspace: As it waits.
        reason: Why it is refused.
        fuel: What comes back unspent of the answers that are there.
    """
    return replace(
        workspace,
        fuel=workspace.fuel + fuel,
        waiting=(),
        wait="all",
        refusal=reason,
        refusals=workspace.refusals + 1,
        kind="bad_output",
    )


ANSWER_NUMBERS: Final = {f"$a{number}": number for number in range(1, 1025)}
"""Names of answers and their numbers, so that the common ones need not be parsed."""


def resolve(workspace: Workspace, name: str) -> Pointer:
    """The pointer that a name means here.

    Raises:
        IllegalAction: No such pointer is visible; the words do not tell whether it exists.
    """
    if not POINTER_NAME.fullmatch(name):
        raise _invisible(name)
    head, *inner = name[1:].split(".")
    if not inner:
        return _whole(workspace, head, name)
    container = _container(workspace, "$" + ".".join((head, *inner[:-1])), name)
    pointers = container.pointers()
    index = int(inner[-1])
    if index > len(pointers):
        raise _invisible(name)
    return pointers[index - 1]


def _whole(workspace: Workspace, head: str, name: str) -> Pointer:
    if head == "q":
        return Pointer(message=workspace.question)
    if head == "n":
        if workspace.noted is None:
            raise _invisible(name)
        return Pointer(message=workspace.noted)
    number = int(head[1:])
    if number > len(workspace.asks):
        raise _invisible(name)
    return Pointer(answer=f"{workspace.path}.{number}")


def _container(workspace: Workspace, container: str, name: str) -> Message:
    """The visible message inside which a pointer stands."""
    if container == "$q":
        return workspace.question
    if container == "$n" and workspace.noted is not None:
        return workspace.noted
    for shown, outcome, _ in workspace.shown:
        if shown == container and isinstance(outcome, Message):
            return outcome
    raise _invisible(name)


def _invisible(name: str) -> IllegalAction:
    return IllegalAction(f"no pointer {name[:40]} is visible here")
