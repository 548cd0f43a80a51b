"""The step function: a workspace and an action in, an event out.

Nothing here reads a clock, draws a random number, waits or stores. That is what makes a
replay exact: folding the same events gives the same tree.
"""

from typing import Final, TypeGuard, TypeVar, cast

from msgspec import Struct, ValidationError, convert, to_builtins
from msgspec.structs import replace

from decomposition.actions import (
    MAX_SAMPLES,
    Abstain,
    Action,
    Ask,
    Note,
    Quote,
    Reply,
    Text,
    Unlock,
)
from decomposition.advance import ANSWER_NUMBERS, advance, read, read_questions, resolve
from decomposition.caps import DEFAULT_CAPS, Caps
from decomposition.consensus import known_rule, least_samples
from decomposition.errors import FuelExhausted, IllegalAction, TooDeep
from decomposition.events import (
    Abstained,
    Asked,
    Event,
    Failed,
    Noted,
    Replied,
    Span,
    Unlocked,
)
from decomposition.fuel import RESERVE, allot
from decomposition.hypertext import (
    Failure,
    Message,
    Outcome,
    Pointer,
    cut_written,
    is_simple,
    write_out,
)
from decomposition.quoting import place_of, why_not
from decomposition.room import answer_room, check_answer, check_question, check_room
from decomposition.workspace import MAX_REFUSALS, Workspace

_Acted = TypeVar("_Acted", bound=Struct)

NO_QUOTES: Final = Reply("").quotes
"""What a reply holds that quotes nothing: told by identity, whatever else may stand there."""

_LONG_NOTE: Final = "a note that takes {} bytes more, and {} are left in this view: shorten it"
_LONG_ASK: Final = (
    "these subquestions take {} bytes, and {} are left in this view: ask fewer or shorter ones, "
    "and point to content instead of copying it"
)

MAX_PARTS: Final = 65_536
"""Texts and pointers in the messages of one action, however much of their content is shared."""
MAX_CHARACTERS: Final = 1 << 24
"""Characters in them; a text that stands alone is cut or refused by its cap."""


def step(workspace: Workspace, action: Action, caps: Caps = DEFAULT_CAPS) -> Event:
    """Decide what an action does, without doing it.

    Raises:
        IllegalAction: The workspace is closed or waits, a pointer is not visible in it, a
            value is out of range, or (as `FuelExhausted`) the action spends more than is left.
    """
    _acts(workspace)
    # By type, not by instance: a subclass may say anything of itself, so it is no action.
    if type(action) is Reply:
        return _replied(workspace, action, caps)
    if type(action) is Unlock:
        return _unlocked(workspace, action.pointers, action.wait, caps)
    if type(action) is Ask:
        return asked(workspace, action, caps)
    if type(action) is Note:
        return _noted(workspace, action, caps)
    if type(action) is Abstain:
        return Abstained(_cut(_text(action.reason, "reason"), caps.question_bytes)[0])
    raise IllegalAction(f"{type(action).__name__} is not an action")


def _noted(workspace: Workspace, note: Note, caps: Caps) -> Noted:
    _needs_two(workspace)
    note = _well_formed(note, (note.text,))
    text = _bounded(_written(note.text), caps.answer_bytes, "note")
    noted = Noted(_readable(workspace, text))
    if caps.view_bytes is not None:
        check_room(advance(workspace, noted), workspace, caps.view_bytes, _LONG_NOTE)
    return noted


def _well_formed(action: _Acted, texts: tuple[Text, ...]) -> _Acted:
    """The action made anew, so that every field is of its type, however deep.

    Args:
        texts: Its texts, which must not be too large to look at.

    Raises:
        IllegalAction: One is not: an answerer is free to build anything.
    """
    _sized(texts)
    try:
        made = convert(to_builtins(action), type(action))
        same = bool(made == action)  # bytes, dates and the like come back as text
    except ValidationError as error:
        name = type(action).__name__
        raise IllegalAction(f"a {name} of the wrong text or numbers: {str(error)[:200]}") from None
    # What an answerer built may raise anything when it is looked at.
    except Exception:  # noqa: BLE001
        name = type(action).__name__
        raise IllegalAction(f"a {name} of something that is no text or number") from None
    if not same:
        name = type(action).__name__
        raise IllegalAction(f"a {name} of something that only reads like text")
    return made


def _sized(texts: tuple[Text, ...]) -> None:
    """Nothing, if messages are small enough to be written out.

    Content that stands in several places counts in each, as it will be written.

    Raises:
        IllegalAction: They have too many parts or characters in all.
    """
    todo: list[object] = list(texts)
    parts = size = 0
    while todo:
        piece = todo.pop()
        parts += 1
        if type(piece) is str:
            size += len(piece)
        elif type(piece) is Message and type(piece.parts) is tuple:
            todo += piece.parts[: MAX_PARTS + 1]
        elif type(piece) is Pointer:
            todo.append(piece.message)
        if parts > MAX_PARTS or (size > MAX_CHARACTERS and parts > len(texts)):
            raise IllegalAction(f"a message of more than {MAX_PARTS} parts or too much text")


def _acts(workspace: Workspace) -> None:
    if workspace.outcome is not None:
        raise IllegalAction("this workspace is already closed")
    if workspace.waiting:
        raise IllegalAction("an unlock ends the turn; wait for what it shows")


def overdue(workspace: Workspace) -> Failed | None:
    """The failure that a workspace has run into, or None while it may go on."""
    if workspace.outcome is not None:
        return None
    if workspace.refusals >= MAX_REFUSALS:
        if workspace.starved >= MAX_REFUSALS:
            return Failed(Failure("fuel", "too little fuel was left for what was tried"))
        return Failed(Failure(workspace.kind, f"{MAX_REFUSALS} refused actions in a row"))
    if workspace.fuel <= 0:
        return Failed(Failure("fuel", "no fuel was left to answer"))
    return None


def asked(workspace: Workspace, ask: Ask, caps: Caps) -> Asked:
    """What an ask does.

    Raises:
        IllegalAction: As `step`.
    """
    _acts(workspace)
    _needs_two(workspace)
    if type(ask.questions) is not tuple or not ask.questions:
        raise IllegalAction("an ask needs at least one question")
    if not all([_is_short(text, caps.question_bytes) for text in ask.questions]):
        ask = _well_formed(ask, ask.questions)
    _check_ask(workspace, ask, caps)
    questions = tuple([_question(text, caps) for text in ask.questions[: caps.asks]])
    if not all([is_simple(text) for text in questions]):
        read_questions(workspace, questions)
    event = Asked(
        questions,
        _shares(workspace, ask, len(questions)),
        ask.samples,
        ask.rule,
        ask.share,
        ask.eager,
        len(ask.questions) - len(questions),
        ask.fuel,
    )
    if caps.view_bytes is not None:
        _check_seen(workspace, event, caps.view_bytes)
    return event


def _check_seen(workspace: Workspace, event: Asked, view_bytes: int) -> None:
    """Nothing, if the asker and all who are asked have room for the questions."""
    after = advance(workspace, event)
    check_room(after, workspace, view_bytes, _LONG_ASK)
    for each in after.asks[len(workspace.asks) :]:
        check_question(each.question, view_bytes)


def _is_short(text: object, limit: int) -> TypeGuard[str]:
    """Whether a text needs no further look: simple, not blank, under its cap."""
    return type(text) is str and len(text) <= limit and is_simple(text) and not text.isspace()


def _question(text: Text, caps: Caps) -> str:
    if _is_short(text, caps.question_bytes):
        return text
    written = _written(text)
    if not written.strip():
        raise IllegalAction("a subquestion is blank")
    return _bounded(written, caps.question_bytes, "question")


def _check_ask(workspace: Workspace, ask: Ask, caps: Caps) -> None:
    if len(workspace.path) > caps.depth and workspace.depth >= caps.depth:
        raise TooDeep(f"no subquestions below depth {caps.depth}; answer or abstain")
    if type(ask.samples) is not int or not 1 <= ask.samples <= MAX_SAMPLES:
        raise IllegalAction(f"samples must be a whole number from 1 to {MAX_SAMPLES}")
    if type(ask.eager) is not bool:
        raise IllegalAction("eager must be true or false")
    if type(ask.rule) is not str or ask.rule != "majority":
        _check_rule(ask.rule, ask.samples)
    if type(ask.share) is not str or ask.share not in ("nothing", "children"):
        raise IllegalAction("share must be 'nothing' or 'children'")


def _check_rule(rule: object, samples: int) -> None:
    if type(rule) is not str or not known_rule(rule):
        name = f"{rule[:40]!r}" if type(rule) is str else f"a {type(rule).__name__}"
        raise IllegalAction(f"no rule of consensus is called {name}")
    if samples < least_samples(rule):
        raise IllegalAction(f"{rule} needs at least {least_samples(rule)} samples, not {samples}")


def _shares(workspace: Workspace, ask: Ask, questions: int) -> tuple[int, ...]:
    left = workspace.fuel - 1
    parts = questions * ask.samples
    if ask.fuel is None:
        return allot(left, parts)
    if type(ask.fuel) is not int or ask.fuel < 1:
        raise IllegalAction("fuel must be a whole number of at least 1")
    if ask.fuel * parts > left - RESERVE:
        raise FuelExhausted(f"{parts} parts of {ask.fuel} fuel are more than is left to give")
    return (ask.fuel,) * parts


def _unlocked(workspace: Workspace, pointers: tuple[str, ...], wait: str, caps: Caps) -> Unlocked:
    _needs_two(workspace)
    if type(pointers) is not tuple or not pointers:
        raise IllegalAction("an unlock needs at least one pointer")
    if type(wait) is not str or wait not in ("all", "any"):
        raise IllegalAction("wait must be 'all' or 'any'")
    for name in pointers:
        number = ANSWER_NUMBERS.get(name, 0) if type(name) is str else 0
        if not 0 < number <= len(workspace.asks):
            resolve(workspace, _text(name, "pointer"))
    if len(pointers) > 1:
        pointers = tuple(dict.fromkeys(pointers))
    if wait == "any":
        return Unlocked(pointers, "any")
    return Unlocked(pointers, "all" if caps.view_bytes is None else "fits")


def _replied(workspace: Workspace, reply: Reply, caps: Caps) -> Replied:
    confidence = reply.confidence
    plain = confidence is None and reply.quotes is NO_QUOTES
    if plain and _is_short(reply.message, _always_read(caps)):
        return Replied(reply.message)
    if confidence is not None and not _is_probability(confidence):
        raise IllegalAction("confidence must be a number from 0 to 1")
    if isinstance(cast("object", reply.quotes), list):
        reply = replace(reply, quotes=tuple(reply.quotes))
    reply = _well_formed(reply, (reply.message,))
    spans = tuple(_span(workspace, quote) for quote in reply.quotes)
    text, cut = _cut(_written(reply.message), caps.answer_bytes)
    if not text.strip():
        raise IllegalAction("a reply is empty; to say that you do not know, abstain")
    text = _readable(workspace, text)
    if caps.view_bytes is not None:
        check_answer(text, caps.view_bytes)
    return Replied(text, confidence, spans, cut)


def _always_read(caps: Caps) -> int:
    """Characters of simple text that any view has room for."""
    most = caps.answer_bytes
    # Of each line break, indenting makes three bytes.
    return most if caps.view_bytes is None else min(most, answer_room(caps.view_bytes) // 3)


def _is_probability(value: object) -> bool:
    return (type(value) is int or type(value) is float) and 0 <= value <= 1


def _span(workspace: Workspace, quote: Quote) -> Span:
    """Where a quotation stands in its source.

    Raises:
        IllegalAction: The pointer is not unlocked, or the text is not there.
    """
    name, text = quote.pointer, _text(quote.text, "quotation")
    if name == "$q":
        source: Outcome | None = workspace.question
    else:
        resolve(workspace, _text(name, "pointer"))
        source = {shown: content for shown, content, _ in workspace.shown}.get(name)
    if not isinstance(source, Message):
        raise IllegalAction(f"{name} is not unlocked, so nothing can be quoted from it")
    place = place_of(text, source)
    if place is None:
        raise IllegalAction(why_not(name, text, source))
    return Span(name, *place)


def _needs_two(workspace: Workspace) -> None:
    if workspace.fuel <= 1:
        raise FuelExhausted("one fuel is left: only a reply or an abstention is possible")


def _written(text: Text) -> str:
    return write_out(text) if isinstance(text, Message) else _text(text, "message")


def _readable(workspace: Workspace, text: Text) -> str:
    """A written text of which every pointer is visible in the workspace."""
    written = _written(text)
    read(workspace, written)
    return written


def _text(value: object, what: str) -> str:
    """A string that can be stored and shown.

    Raises:
        IllegalAction: It is no string, or holds a NUL or half of a surrogate pair.
    """
    if type(value) is not str:
        raise IllegalAction(f"a {what} must be text, not {type(value).__name__}")
    if "\0" in value:
        raise IllegalAction(f"a {what} must not contain NUL")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise IllegalAction(f"a {what} contains half of a surrogate pair") from None
    return value


def _cut(text: str, limit: int) -> tuple[str, int]:
    """At most so many bytes of a text, and the number of characters that were cut."""
    if len(text) * 4 <= limit:
        return text, 0
    kept = cut_written(text, limit)
    return kept, len(text) - len(kept)


def _bounded(text: str, limit: int, what: str) -> str:
    """The text, if it is no longer than the cap in bytes."""
    if len(text) * 4 > limit and (size := len(text.encode())) > limit:
        raise IllegalAction(f"a {what} of {size} bytes is over the cap of {limit}")
    return text
