"""Chat tools: the actions as tools that a chat model may call, and a call as an action.

The schemas are what the model is told; the structs are what is taken, and take nothing else.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

from msgspec import Struct, ValidationError, convert

from decomposition.actions import Abstain, Action, Ask, Note, Quote, Reply, Turn, Unlock

Tool = dict[str, Any]


class BadCall(ValueError):
    """A call that is no action; its message goes to the model."""


class _Ask(Struct, forbid_unknown_fields=True):
    questions: tuple[str, ...]


class _Unlock(Struct, forbid_unknown_fields=True):
    pointers: tuple[str, ...]


class _Note(Struct, forbid_unknown_fields=True):
    text: str


class _Quote(Struct, forbid_unknown_fields=True):
    pointer: str
    text: str


class _Reply(Struct, forbid_unknown_fields=True):
    message: str
    confidence: float | None = None
    quotes: tuple[_Quote, ...] = ()


class _Abstain(Struct, forbid_unknown_fields=True):
    reason: str = ""


_CALLS: Final[Mapping[str, type[Struct]]] = MappingProxyType(
    {"ask": _Ask, "unlock": _Unlock, "note": _Note, "reply": _Reply, "abstain": _Abstain}
)


def as_action(name: object, arguments: object, *, eager: bool) -> Action:
    """The action that a call of a tool is.

    Args:
        name: Of the tool.
        arguments: Decoded.
        eager: Whether what is asked starts at once.

    Raises:
        BadCall: There is no such tool, or an argument is missing, unknown or of a wrong type.
    """
    wanted = _CALLS.get(name) if isinstance(name, str) else None
    if wanted is None:
        called = repr(name[:40]) if isinstance(name, str) else "nothing"
        raise BadCall(f"no tool is called {called}: there are {', '.join(_CALLS)}")
    try:
        call = convert(arguments, wanted)
    except ValidationError as error:
        raise BadCall(f"{name}: {str(error)[:200]}") from None
    return _action(call, eager=eager)


def _action(call: Struct, *, eager: bool) -> Action:
    match call:
        case _Ask(questions):
            return Ask(questions, eager=eager)
        case _Unlock(pointers):
            return Unlock(pointers)
        case _Note(text):
            return Note(text)
        case _Reply(message, confidence, quotes):
            spans = tuple(Quote(each.pointer, each.text) for each in quotes)
            return Reply(message, confidence, spans) if spans else Reply(message, confidence)
        case _Abstain(reason):
            return Abstain(reason)
        case _:
            raise BadCall("this is no action")


def as_turn(actions: Sequence[object]) -> Turn:
    """The actions as one turn: asks that follow each other, notes between them, become one ask.

    What comes after an action that ends the turn stays where it is, for the engine to refuse.
    """
    turn: list[Action] = []
    open_ask: int | None = None
    for action in cast("Sequence[Action]", actions):
        if isinstance(action, Ask) and open_ask is not None:
            first = cast("Ask", turn[open_ask])
            turn[open_ask] = Ask(first.questions + action.questions, eager=first.eager)
            continue
        if isinstance(action, Ask):
            open_ask = len(turn)
        elif not isinstance(action, Note):
            open_ask = None
        turn.append(action)
    return tuple(turn)


def _tool(name: str, told: str, fields: dict[str, Any], required: Sequence[str]) -> Tool:
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": told,
            "parameters": {
                "type": "object",
                "properties": fields,
                "required": list(required),
                "additionalProperties": False,
            },
        },
    }


def _texts(told: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": told}


def _text(told: str) -> dict[str, Any]:
    return {"type": "string", "description": told}


_QUOTES: Final[dict[str, Any]] = {
    "type": "array",
    "description": "Spans that stand to the letter in content that you see.",
    "items": {
        "type": "object",
        "properties": {"pointer": _text("Name of the content."), "text": _text("The span.")},
        "required": ["pointer", "text"],
        "additionalProperties": False,
    },
}

_UNLOCK: Final = _tool(
    "unlock",
    "See what pointers lead to. You act again when it is there. Ends the turn.",
    {"pointers": _texts("Names such as $a1 or $q.1.")},
    ["pointers"],
)

CLOSING: Final[tuple[Tool, ...]] = (
    _tool(
        "reply",
        "Answer the question and close the workspace.",
        {
            "message": _text("The answer. It may name visible content, such as $a1."),
            "confidence": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "Probability that the answer is right.",
            },
            "quotes": _QUOTES,
        },
        ["message"],
    ),
    _tool(
        "abstain",
        "Say that you do not know, and close the workspace.",
        {"reason": _text("What is missing.")},
        [],
    ),
)
"""What an answerer may do that may not ask and to whom nothing is hidden."""

READING: Final[tuple[Tool, ...]] = (_UNLOCK, *CLOSING)
"""What an answerer may do that may not ask, and whose question points to something."""

TOOLS: Final[tuple[Tool, ...]] = (
    _tool(
        "ask",
        "Ask subquestions. Somebody answers each of them alone, seeing nothing but its text and "
        "what its pointers lead to.",
        {"questions": _texts("Each a complete question; $a1 names what you see, [ ... ] nests.")},
        ["questions"],
    ),
    _UNLOCK,
    _tool("note", "Replace your note.", {"text": _text("The new note.")}, ["text"]),
    *CLOSING,
)
"""What an answerer may do."""
