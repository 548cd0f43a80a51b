"""Chat replies: what a chat model said, as plain values, and the turn that it comes to.

Nothing is repaired: what is not exactly a turn is `Unreadable`, with a reason that the model can
act on. Why a reply ended is looked at before anything in it is read.
"""

import json
import re
from math import isfinite
from typing import Any, Final, Literal, cast

from msgspec import Struct

from decomposition.actions import Given, Reply, Turn, Unreadable
from decomposition.answerers.chat_tools import BadCall, as_action, as_turn
from decomposition.message import Failure, Message

Mode = Literal["tools", "json", "text"]
"""How a turn is said: by calls of tools, as one JSON object, or as text that is the answer."""

MAX_DIGITS: Final = 4_000
"""Digits of a whole number; Python itself refuses more."""
_TRUNCATED: Final = frozenset(
    {"length", "max_tokens", "model_context_window_exceeded", "MAX_TOKENS"}
)
_FILTERED: Final = frozenset({"content_filter", "SAFETY"})
_REFUSED: Final = frozenset({"refusal"})
_CUT_LITERAL = re.compile(r"(?:t(?:r(?:ue?)?)?|f(?:a(?:l(?:se?)?)?)?|n(?:u(?:ll?)?)?|-)?\Z")
_CUT_ESCAPE = re.compile(r"\\?u?[0-9a-fA-F]{0,4}\Z")


class Called(Struct, frozen=True):
    """One call of a tool."""

    name: object
    arguments: object
    """JSON as text where the provider sends text, else the object itself."""


class Said(Struct, frozen=True):
    """What a model said and why it stopped."""

    text: str = ""
    calls: tuple[Called, ...] = ()
    refusal: str = ""
    """Why it will not answer, in its own words; empty for no refusal."""
    finish: str = ""
    """As the provider names it; empty where it says nothing."""


class NotStrict(ValueError):
    """Text that is not exactly one JSON value.

    Attributes:
        cut: Whether it would be the beginning of one.
    """

    def __init__(self, message: str, *, cut: bool = False) -> None:
        super().__init__(message)
        self.cut = cut


def given(said: Said, mode: Mode, *, eager: bool = True) -> Given:
    """The turn that a reply comes to, or why it comes to none.

    Args:
        mode: How the model was told to say a turn.
        eager: Whether its subquestions start at once.
    """
    ended = _ended(said)
    if ended is not None:
        return ended
    if not said.calls and not said.text.strip():
        return Unreadable("the reply is empty", "empty")
    try:
        if mode == "text":
            return (Reply(Message.of(said.text)),)
        return _from_json(said, eager=eager) if mode == "json" else _from_calls(said, eager=eager)
    except NotStrict as error:
        return Unreadable(str(error), "truncated" if error.cut else "bad_output")
    except BadCall as error:
        return Unreadable(str(error))


def _ended(said: Said) -> Failure | None:
    """The failure that the end of a reply is, whatever it holds."""
    if said.finish in _TRUNCATED:
        return Failure("truncated", "the reply was cut at the limit of its tokens")
    if said.finish in _FILTERED:
        return Failure("refused", "content filter")
    if said.refusal or said.finish in _REFUSED:
        return Failure("refused", _cut(said.refusal or said.text or "the model refused", 2_000))
    return None


def _from_calls(said: Said, *, eager: bool) -> Turn:
    if not said.calls:
        raise BadCall("the reply holds no action: act by calling the tools")
    actions = [
        as_action(call.name, _arguments(call.name, call.arguments), eager=eager)
        for call in said.calls
    ]
    return as_turn(actions)


def _arguments(name: object, arguments: object) -> object:
    if not isinstance(arguments, str):
        return arguments
    return strict(arguments, f"the arguments of {name_of(name)}")


def _from_json(said: Said, *, eager: bool) -> Turn:
    if said.calls:
        raise BadCall("a tool was called where there is none: act by one JSON object")
    value = strict(said.text, "the reply")
    if not isinstance(value, dict):
        raise BadCall('the reply must be one JSON object, {"actions": [ ... ]}')
    whole = cast("dict[str, object]", value)
    others = [name for name in whole if name != "actions"]
    listed = whole.get("actions")
    if others or not isinstance(listed, list) or not listed:
        raise BadCall('the reply must be {"actions": [ ... ]} with at least one action')
    return as_turn([_action(each, eager=eager) for each in cast("list[object]", listed)])


def _action(value: object, *, eager: bool) -> object:
    if not isinstance(value, dict) or "action" not in value:
        raise BadCall('every action must be an object with the key "action"')
    fields = cast("dict[str, object]", value)
    rest = {name: each for name, each in fields.items() if name != "action"}
    return as_action(fields["action"], rest, eager=eager)


def name_of(name: object) -> str:
    """The name of a tool as it may stand in a reason."""
    return _cut(name, 40) if isinstance(name, str) and name.isidentifier() else "a tool"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"


# -- strict JSON -----------------------------------------------------------------------------


def strict(text: str, what: str) -> object:
    """The one JSON value that a text is: no key twice, no NaN, nothing before or after it.

    Args:
        what: Stands first in the reason.

    Raises:
        NotStrict: It is not that.
    """
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        cut = _is_cut(error, text)
        why = "ends in the middle" if cut else _told(error)
        raise NotStrict(f"{what} is not JSON: it {why}", cut=cut) from None
    except RecursionError:
        raise NotStrict(f"{what} is nested too deep") from None
    except ValueError as error:
        raise NotStrict(f"{what} is not JSON: it {error}") from None


def _told(error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data":
        return f"holds more than one value, from character {error.pos + 1} on"
    if error.pos == 0:
        return "begins with something else"
    return f"does not hold together at character {error.pos + 1} ({error.msg})"


def _is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """Whether a text stops where a JSON value could have gone on."""
    if error.msg.startswith("Unterminated string"):
        return True
    rest = text[error.pos :]
    if "escape" in error.msg:
        return bool(_CUT_ESCAPE.fullmatch(rest))
    if error.msg == "Extra data" or not text.strip():
        return False
    return bool(_CUT_LITERAL.fullmatch(rest.rstrip()))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has the key {_cut(twice, 40)!r} twice")
    return found


def _constant(name: str) -> object:
    raise ValueError(f"holds {name}, which is no number")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"holds a number of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise ValueError(f"holds {_cut(digits, 40)}, which is too large a number")
    return value


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_number,
)


# -- bodies ----------------------------------------------------------------------------------


def called(body: object) -> tuple[Called, ...] | None:
    """The calls of tools in the body of a reply, in their order and as they came.

    Bodies of OpenAI's, Anthropic's and Ollama's form are known; None for any other.
    """
    if not isinstance(body, dict):
        return None
    whole = cast("dict[str, object]", body)
    blocks = whole.get("content")
    if isinstance(blocks, list):
        return tuple(_block(each) for each in cast("list[object]", blocks) if _is_use(each))
    message = whole.get("message", _first(whole.get("choices")))
    if not isinstance(message, dict):
        return None
    listed = cast("dict[str, object]", message).get("tool_calls")
    if not isinstance(listed, list):
        return ()
    return tuple(_function(each) for each in cast("list[object]", listed))


def readable(body: dict[str, Any]) -> dict[str, Any]:
    """A body of OpenAI's form as its client can read it: without calls, if one is no call.

    What was called is taken from the body itself.
    """
    if all(_is_call(each) for each in called(body) or ()):
        return body
    choice = body["choices"][0]
    message = {name: each for name, each in choice["message"].items() if name != "tool_calls"}
    return {**body, "choices": [{**choice, "message": message}]}


def _is_call(call: Called) -> bool:
    """Whether a call has a name, and arguments that may be an object."""
    text = call.arguments
    return isinstance(call.name, str) and isinstance(text, str) and text.lstrip().startswith("{")


def _first(choices: object) -> object:
    if not isinstance(choices, list) or not choices:
        return None
    choice = cast("list[object]", choices)[0]
    return cast("dict[str, object]", choice).get("message") if isinstance(choice, dict) else None


def _is_use(block: object) -> bool:
    return isinstance(block, dict) and cast("dict[str, object]", block).get("type") == "tool_use"


def _block(block: object) -> Called:
    fields = cast("dict[str, object]", block)
    return Called(fields.get("name"), fields.get("input"))


def _function(call: object) -> Called:
    outer = cast("dict[str, object]", call) if isinstance(call, dict) else {}
    inner = outer.get("function")
    fields = cast("dict[str, object]", inner) if isinstance(inner, dict) else {}
    return Called(fields.get("name"), fields.get("arguments"))
