"""Room: what a view of a capped size still has room for. Pure, and measured on the view itself.

The cap holds for the text of every view, in UTF-8. Of it, `RESERVE_BYTES` are kept for the line
of a refusal, so that whatever is refused can be told why. A reply and a question take at most
their shares of the rest, so that somebody can be asked about every answer and read it.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from decomposition.caps import Caps
from decomposition.errors import IllegalAction
from decomposition.events import Abstained, Event, Failed, Refused, Woken
from decomposition.fuel import LOW
from decomposition.hypertext import parse, write
from decomposition.message import Failure, Message, Pointer
from decomposition.rendering import indented, sight, view
from decomposition.workspace import Shown, Workspace

RESERVE_BYTES: Final = 256
"""Of every view, for the line of a refusal."""
LEAST_VIEW_BYTES: Final = 1024
"""A smaller cap leaves no room to work in."""

_WIDEST: Final = 5
"""Bytes that a character takes in a view at most: a line separator, and its indenting."""
_LINE: Final = len("Refused: \n")
_LOOK: Final = sight("", "", sees_fuel=True)
_ELLIPSIS: Final = "…"


def usable(view_bytes: int) -> int:
    """What a view of a capped size has room for, but for the line of a refusal."""
    return max(0, view_bytes - RESERVE_BYTES)


def answer_room(view_bytes: int) -> int:
    """Bytes of the longest answer, as a view shows it: the rest is for whoever asks about it."""
    return usable(view_bytes) * 3 // 4


def reason_room(view_bytes: int) -> int:
    """Bytes of the longest reason of a failure or an abstention."""
    return usable(view_bytes) // 4


def piece_room(view_bytes: int) -> int:
    """Bytes of the longest piece of a document: a question, an outline and a piece fit together."""
    return usable(view_bytes) // 3


def size(workspace: Workspace) -> int:
    """Bytes of a workspace's view, with a line for its fuel and none for a refusal."""
    bare = replace(workspace, refusal="", fuel=LOW)
    return len(view(bare, _LOOK).text.encode())


def room_for(question: Message) -> int:
    """The least cap on views with which a question can be seen."""
    return size(Workspace("", question, (), LOW)) + RESERVE_BYTES


def check_room(after: Workspace, before: Workspace, view_bytes: int, what: str) -> None:
    """Nothing, if the view after an action has room.

    Args:
        after: The workspace after the action.
        before: The workspace as it is.
        view_bytes: The cap.
        what: What takes the room, and what else can be done, with a place for two numbers.

    Raises:
        IllegalAction: It has not.
    """
    taken = size(after)
    if taken > usable(view_bytes):
        had = size(before)
        left = max(0, usable(view_bytes) - had)
        raise IllegalAction(what.format(taken - had, left))


def check_question(question: Message, view_bytes: int) -> None:
    """Nothing, if the worker of a question would have room to see it.

    Raises:
        IllegalAction: He would not.
    """
    needed = room_for(question)
    if needed > view_bytes:
        raise IllegalAction(
            f"a subquestion of {needed - RESERVE_BYTES} bytes has no room in a view of "
            f"{view_bytes}: ask about less, or point to what it is about"
        )


def check_answer(written: str, view_bytes: int) -> None:
    """Nothing, if whoever asked can read a reply, and what stands in its brackets.

    Raises:
        IllegalAction: A view has no room for it.
    """
    most = answer_room(view_bytes)
    if len(written) * _WIDEST <= most:
        return
    todo = [parse(written, lambda name: Pointer(title=name))]
    while todo:
        message = todo.pop()
        taken = shown_bytes(message)
        if taken > most:
            raise IllegalAction(
                f"a reply of {taken} bytes cannot be read in a view of {view_bytes}: say it in "
                f"{most}, or put parts of it in [brackets], of which each is unlocked by itself"
            )
        todo += [each.message for each in message.pointers() if each.message is not None]


def shown_bytes(message: Message) -> int:
    """Bytes of content as a view shows it, the titles of its pointers not counted."""
    return len(indented(write(message, "$q.1")).encode())


def over(workspace: Workspace, caps: Caps) -> Failure | None:
    """The failure of a workspace whose question, or all it leads to, no view has room for."""
    most = caps.view_bytes
    if most is None or size(workspace) <= usable(most):
        return None
    what = "all that the question leads to" if workspace.shown else "the question"
    return Failure("answerer", f"{what} has no room in a view of {most} bytes")


def within(event: Event, caps: Caps) -> Event:
    """The event, its reason cut so that a view has room for it."""
    most = caps.view_bytes
    if most is None:
        return event
    if type(event) is Refused:
        return replace(event, reason=cut_reason(event.reason, RESERVE_BYTES - _LINE))
    if type(event) is Abstained:
        return replace(event, reason=cut_reason(event.reason, reason_room(most)))
    if type(event) is Failed:
        reason = cut_reason(event.failure.reason, reason_room(most))
        return replace(event, failure=replace(event.failure, reason=reason))
    return event


def woken_by(workspace: Workspace, there: Sequence[Shown], caps: Caps) -> Woken:
    """How an unlock goes on once what it waited for is there: shown, or refused for its size."""
    most = caps.view_bytes
    names = _fitting(workspace, there, most) if most is not None else tuple(n for n, _, _ in there)
    if names or most is None:
        return Woken(names)
    return Woken((), cut_reason(_no_room(workspace, there, most), RESERVE_BYTES - _LINE))


def _fitting(workspace: Workspace, there: Sequence[Shown], view_bytes: int) -> tuple[str, ...]:
    """The names of what is shown: all or none; for `any`, as many as there is room for."""
    names = tuple(name for name, _, _ in there)
    if _fits(workspace, tuple(there), view_bytes):
        return names
    if workspace.wait != "any":
        return ()
    shown: tuple[Shown, ...] = ()
    for each in there:
        if _fits(workspace, (*shown, each), view_bytes):
            shown += (each,)
    return tuple(name for name, _, _ in shown)


def _no_room(workspace: Workspace, there: Sequence[Shown], view_bytes: int) -> str:
    """What is said where content has no room in a view."""
    left = max(0, usable(view_bytes) - size(workspace))
    taken = size(_showing(workspace, tuple(there))) - size(workspace)
    names = [name for name, _, _ in there]
    which = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    verb = "has" if len(names) == 1 else "have"
    less = "" if len(names) == 1 else "unlock fewer of them, or "
    return (
        f"{which} {verb} {taken} bytes, more than the {left} that are left in this view: {less}"
        f"ask a subquestion that points there"
    )


def cut_reason(reason: str, most: int) -> str:
    """A reason that takes at most so many bytes where a view shows it."""
    if len(indented(reason).encode()) <= most:
        return reason
    kept = reason.encode()[: most - len(_ELLIPSIS.encode())].decode("utf-8", "ignore")
    while kept and len(indented(kept + _ELLIPSIS).encode()) > most:
        kept = kept[: -max(1, len(kept) // 16)]
    return kept + _ELLIPSIS


def _fits(workspace: Workspace, shown: tuple[Shown, ...], view_bytes: int) -> bool:
    return size(_showing(workspace, shown)) <= usable(view_bytes)


def _showing(workspace: Workspace, shown: tuple[Shown, ...]) -> Workspace:
    known = {name for name, _, _ in workspace.shown}
    new = tuple(each for each in shown if each[0] not in known)
    return replace(workspace, waiting=(), shown=workspace.shown + new)
