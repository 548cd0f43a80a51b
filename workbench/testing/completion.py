"""Completion: what a model is asked over the wire, what it says, and both as OpenAI's bytes.

Values and pure functions. A model is a function from `Asked` to `Completion`, so a test's own model
is a few lines: read the question, and say a turn in the actions that the engine itself has.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, cast

import msgspec
from msgspec import Struct, field

from decomposition.actions import Abstain, Action, Ask, Note, Reply, Unlock

DIGEST_BYTES: Final = 16
CREATED: Final = 1_700_000_000
"""Seconds since 1970 that every reply names, so that equal requests get equal bytes."""
BYTES_A_TOKEN: Final = 4
"""A rough rule that makes usage a function of the texts."""

_QUESTION: Final = re.compile(r"^Question: (.*(?:\n  .*)*)", re.MULTILINE)
_ANSWER: Final = re.compile(r"^Answer (\$a[0-9]+): = (.*(?:\n  .*)*)", re.MULTILINE)
_ASKED: Final = re.compile(r"^Subquestion (\$a[0-9]+): ", re.MULTILINE)


class ToolCall(Struct, frozen=True):
    """One tool that the model calls."""

    name: str
    arguments: str
    """JSON as text; a broken model breaks it here."""


class Completion(Struct, frozen=True):
    """What a model says."""

    text: str | None = None
    calls: tuple[ToolCall, ...] = ()
    finish: str = "stop"
    refusal: str | None = None


class Body(Struct):
    """The parts of a request's body that are read; all others are allowed and ignored."""

    model: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    tools: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    stream: bool = False
    stream_options: dict[str, Any] | None = None


class Asked(Struct, frozen=True):
    """A request for a completion."""

    model: str
    view: str
    """Text of the last message of the user: a view, where the workbench asks."""
    tools: Mapping[str, Mapping[str, Any]]
    """Schema of the arguments by name of the tool; empty where none are offered."""
    digest: str
    """Of the body, byte by byte."""
    tokens: int
    stream: bool = False
    stream_usage: bool = False

    @property
    def question(self) -> str:
        """The question of the view; the whole text where it holds no view."""
        found = _QUESTION.search(self.view)
        return found[1] if found else self.view.strip()

    @property
    def subquestions(self) -> tuple[str, ...]:
        """Names of the subquestions that were asked in the view, such as `$a1`."""
        return tuple(_ASKED.findall(self.view))

    @property
    def answers(self) -> dict[str, str]:
        """The answers that the view shows, by name."""
        return dict(_ANSWER.findall(self.view))

    def turn(self, *actions: Action) -> Completion:
        """Actions as calls of the tools that the request offers, else as JSON text."""
        if not self.tools:
            return Completion(text=as_json(actions))
        calls = [ToolCall(name, _text(arguments)) for name, arguments in map(_plain, actions)]
        return Completion(calls=tuple(calls), finish="tool_calls")


Model = Callable[[Asked], Completion]


def draw(seed: int, digest: str, *more: object) -> float:
    """A number in [0, 1), the same for the same seed, digest and names."""
    named = "\0".join(map(str, (seed, digest, *more)))
    return int.from_bytes(blake2b(named.encode(), digest_size=8).digest()) / 2**64


def asked(body: bytes) -> Asked:
    """A request, read from its body.

    Raises:
        msgspec.DecodeError: It is not JSON of this form.
    """
    read = _decode(body)
    digest = blake2b(body, digest_size=DIGEST_BYTES).hexdigest()
    said = [_said(message) for message in read.messages if message.get("role") == "user"]
    tools = {name: schema for name, schema in map(_tool, read.tools) if name}
    options = read.stream_options or {}
    usage = options.get("include_usage") is True
    view = said[-1] if said else ""
    return Asked(read.model, view, tools, digest, _tokens(len(body)), read.stream, usage)


_decode: Final = msgspec.json.Decoder(Body).decode


def _said(message: Mapping[str, Any]) -> str:
    """The text of a message, whether it is one string or parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = cast("Sequence[Mapping[str, Any]]", content or ())
    return "".join(str(part.get("text", "")) for part in parts)


def _tool(tool: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    function = cast("Mapping[str, Any]", tool.get("function") or {})
    return str(function.get("name", "")), function.get("parameters") or {}


def _tokens(length: int) -> int:
    return length // BYTES_A_TOKEN + 1


# -- turns as a model writes them ------------------------------------------------------------


def as_json(actions: Sequence[Action]) -> str:
    """A turn as JSON text, for models without tools."""
    return _text({"actions": [{"action": name, **rest} for name, rest in map(_plain, actions)]})


def _plain(action: Action) -> tuple[str, dict[str, Any]]:
    """Name and arguments of an action."""
    match action:
        case Ask(questions):
            return "ask", {"questions": list(questions)}
        case Unlock(pointers):
            return "unlock", {"pointers": list(pointers)}
        case Note(text):
            return "note", {"text": text}
        case Reply(message, confidence):
            known = {} if confidence is None else {"confidence": confidence}
            return "reply", {"message": message, **known}
        case Abstain(reason):
            return "abstain", {"reason": reason}


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


# -- completions as bytes --------------------------------------------------------------------


def usage(ask: Asked, said: Completion) -> dict[str, int]:
    """The numbers of usage: a function of both texts."""
    written = len(said.text or "") + sum(len(call.arguments) for call in said.calls)
    out = _tokens(written)
    return {
        "prompt_tokens": ask.tokens,
        "completion_tokens": out,
        "total_tokens": ask.tokens + out,
    }


def encoded(ask: Asked, said: Completion, name: str) -> bytes:
    """A completion as the body of a reply."""
    choice = {"index": 0, "message": _message(said), "finish_reason": said.finish, "logprobs": None}
    return msgspec.json.encode(
        {**_head(ask, name, "chat.completion"), "choices": [choice], "usage": usage(ask, said)}
    )


def events(ask: Asked, said: Completion, name: str) -> Iterator[bytes]:
    """A completion as events of a stream, the last of which says that it is done."""
    head = _head(ask, name, "chat.completion.chunk")
    for delta in _deltas(said):
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        yield _event({**head, "choices": [choice]})
    ending: dict[str, object] = {"index": 0, "delta": {}, "finish_reason": said.finish}
    yield _event({**head, "choices": [ending]})
    if ask.stream_usage:
        yield _event({**head, "choices": [], "usage": usage(ask, said)})
    yield b"data: [DONE]\n\n"


def _head(ask: Asked, name: str, kind: str) -> dict[str, object]:
    identity = f"chatcmpl-{ask.digest[:24]}"
    return {"id": identity, "object": kind, "created": CREATED, "model": name}


def _message(said: Completion) -> dict[str, object]:
    message: dict[str, object] = {
        "role": "assistant",
        "content": said.text,
        "refusal": said.refusal,
    }
    if said.calls:
        message["tool_calls"] = _calls(said)
    return message


def _calls(said: Completion) -> list[dict[str, object]]:
    return [
        {
            "id": f"call_{place}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for place, call in enumerate(said.calls)
    ]


def _deltas(said: Completion) -> Iterator[dict[str, object]]:
    yield {"role": "assistant", "content": "" if said.text is not None else None}
    for piece in _halves(said.text or ""):
        yield {"content": piece}
    if said.refusal is not None:
        yield {"refusal": said.refusal}
    for place, call in enumerate(said.calls):
        begun = {"name": call.name, "arguments": ""}
        first = {"index": place, "id": f"call_{place}", "type": "function", "function": begun}
        yield {"tool_calls": [first]}
        for piece in _halves(call.arguments):
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def _halves(text: str) -> Iterator[str]:
    middle = len(text) // 2
    yield from filter(None, (text[:middle], text[middle:]))


def _event(value: object) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"
