"""Faults: what a provider can do wrong, one at a time, as what goes over the wire instead.

A fault is named `KIND[=VALUE][:CHANCE][xTIMES]`: a chance is drawn by hash from seed, body and how
often that body was asked, so it is the same in every run; `x1` spoils only the first time that a
body is asked.
"""

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import ceil
from types import MappingProxyType
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from decomposition.actions import Reply
from workbench.testing.completion import (
    Asked,
    Completion,
    ToolCall,
    as_json,
    draw,
    encoded,
    events,
)

HUGE: Final = 10_000_000
"""Characters of an answer that is too long for anybody."""
BOMB: Final = 256 << 20
"""Bytes that a reply of some 250 kB unpacks to."""
LONG_S: Final = 3600.0
"""Retry-After of `429-long`."""

Ending = Literal["length", "chunks", "close", "cut", "reset", "never"]
"""How a reply ends: as its length says, with a last chunk, with the connection, before its length
is there, with a reset, or not at all."""


class BadFault(ValueError):
    """A fault that nobody can play; the message says what there is."""


class Fault(Struct, frozen=True):
    """One thing that goes wrong, and when."""

    kind: str
    value: float | None = None
    """Seconds, for those that wait."""
    chance: float = 1.0
    times: int | None = None
    """Only the first so many times that a body is asked; None for always."""


class Wired(Struct, frozen=True):
    """A reply as it goes over the wire."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    ending: Ending = "length"
    delay_s: float = 0.0


class Scene(Struct, frozen=True):
    """Everything that a fault can play with."""

    ask: Asked
    said: Completion
    """What the model says if nothing goes wrong."""
    name: str
    key: str = ""
    """That the client showed."""
    elsewhere: str = ""
    """Address of another host."""
    value: float | None = None


Play = Callable[[Scene], Wired]

_NAMED: Final = re.compile(
    r"(?P<kind>[a-z0-9-]+?)(?:=(?P<value>[0-9]+(?:\.[0-9]+)?))?"
    r"(?::(?P<chance>[0-9]*\.?[0-9]+))?(?:x(?P<times>[0-9]+))?"
)


def fault(named: str) -> Fault:
    """A fault by its name.

    Raises:
        BadFault: There is no such kind, or the name does not hold together.
    """
    found = _NAMED.fullmatch(named.strip())
    if found is None or found["kind"] not in PLAYS:
        raise BadFault(f"no fault is called {named[:60]!r}; the kinds are {', '.join(PLAYS)}")
    value, chance, times = found["value"], float(found["chance"] or 1), found["times"]
    if not 0 <= chance <= 1:
        raise BadFault(f"a chance is from 0 to 1, not {chance}")
    seconds = None if value is None else float(value)
    return Fault(found["kind"], seconds, chance, None if times is None else int(times))


def drawn(faults: Sequence[Fault], digest: str, asked_before: int, seed: int) -> Fault | None:
    """What goes wrong with a request: the first fault whose draw says so; None for nothing.

    Args:
        digest: Of the request's body.
        asked_before: How often the same body was asked before.
    """
    for each in faults:
        if each.times is not None and asked_before >= each.times:
            continue
        if draw(seed, digest, each.kind, asked_before) < each.chance:
            return each
    return None


def whole(scene: Scene) -> Wired:
    """The reply to a request with which nothing is wrong."""
    if not scene.ask.stream:
        return Wired(encoded(scene.ask, scene.said, scene.name))
    return _streamed(b"".join(events(scene.ask, scene.said, scene.name)))


def _streamed(body: bytes, ending: Ending = "chunks") -> Wired:
    return Wired(body, headers=(("Content-Type", "text/event-stream"),), ending=ending)


def latency(seconds: str | float) -> tuple[float, float]:
    """Least and most of a latency, written as `SECONDS` or `LEAST-MOST`.

    Raises:
        BadFault: It is not written so.
    """
    least, _, most = str(seconds).partition("-")
    try:
        return float(least), float(most or least)
    except ValueError:
        raise BadFault(f"latency is SECONDS or LEAST-MOST, not {seconds!r}") from None


def drawn_latency(bounds: tuple[float, float], digest: str, asked_before: int, seed: int) -> float:
    """The seconds that a reply takes, drawn by hash between two bounds."""
    least, most = bounds
    if most <= least:
        return least
    return least + (most - least) * draw(seed, digest, "latency", asked_before)


# -- replies that are no completions ---------------------------------------------------------


def _status(status: int, code: str, message: str) -> Play:
    def played(scene: Scene) -> Wired:  # noqa: ARG001 - every fault is called alike
        return refused(status, code, message)

    return played


def refused(status: int, code: str, message: str, *headers: tuple[str, str]) -> Wired:
    """An error in the form of OpenAI's API."""
    error = {"message": message, "type": code, "param": None, "code": code}
    body = msgspec.json.encode({"error": error})
    return Wired(body, status, (("Content-Type", "application/json"), *headers))


def _limited(default_s: float | None) -> Play:
    def played(scene: Scene) -> Wired:
        wait_s = default_s if scene.value is None else scene.value
        headers: tuple[tuple[str, str], ...] = ()
        if wait_s is not None:
            exact = ("Retry-After-Ms", str(round(wait_s * 1000)))
            headers = (("Retry-After", str(ceil(wait_s))), exact)
        return refused(429, "rate_limit_exceeded", "Rate limit reached for requests.", *headers)

    return played


def _key_echo(scene: Scene) -> Wired:
    message = f"Incorrect API key provided: {scene.key}. You can find your API key elsewhere."
    return refused(401, "invalid_api_key", message)


def _html(scene: Scene) -> Wired:  # noqa: ARG001 - every fault is called alike
    page = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Proxy</body></html>"
    return Wired(page, headers=(("Content-Type", "text/html; charset=utf-8"),))


def _redirect(scene: Scene) -> Wired:
    to = f"{scene.elsewhere}/v1/chat/completions"
    return Wired(b"", 307, (("Location", to), ("Content-Type", "text/plain")))


def _bomb(scene: Scene) -> Wired:  # noqa: ARG001 - every fault is called alike
    headers = (("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
    return Wired(packed_bomb(), headers=headers)


@cache
def packed_bomb() -> bytes:
    """A completion of `BOMB` bytes, packed; the first time takes a second."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = b"0" * (1 << 20)
    parts = [packer.compress(b'{"choices":[{"index":0,"message":{"role":"assistant","content":"')]
    parts += [packer.compress(zeros) for _ in range(BOMB >> 20)]
    parts += [packer.compress(b'"},"finish_reason":"stop"}]}'), packer.flush()]
    return b"".join(parts)


# -- replies that break off ------------------------------------------------------------------


def _cut_body(scene: Scene) -> Wired:
    return replace(whole(scene), ending="cut")


def _cut_stream(scene: Scene) -> Wired:
    """A stream that ends as if it was whole, in the middle; a body likewise, if none was wanted."""
    if not scene.ask.stream:
        body = whole(scene).body
        return Wired(body[: len(body) // 2], ending="close")
    sent = list(events(scene.ask, scene.said, scene.name))
    return _streamed(b"".join(sent[: len(sent) // 2]))


def _cut_json(scene: Scene) -> Wired:
    body = encoded(scene.ask, scene.said, scene.name)
    return Wired(body[: len(body) * 2 // 3])


def _stall(scene: Scene) -> Wired:
    return Wired(ending="never", delay_s=scene.value or 0.0)


def _stall_body(scene: Scene) -> Wired:
    return replace(whole(scene), ending="never", delay_s=scene.value or 0.0)


def _reset(scene: Scene) -> Wired:  # noqa: ARG001 - every fault is called alike
    return Wired(ending="reset")


def _slow(scene: Scene) -> Wired:
    return replace(whole(scene), delay_s=1.0 if scene.value is None else scene.value)


# -- completions that are none ---------------------------------------------------------------


def _saying(change: Callable[[Scene], Completion]) -> Play:
    def played(scene: Scene) -> Wired:
        return whole(replace(scene, said=change(scene)))

    return played


def _without(name: str, instead: object) -> Play:
    """A completion with a part left out, or put otherwise."""

    def played(scene: Scene) -> Wired:
        body = msgspec.json.decode(encoded(scene.ask, scene.said, scene.name))
        del body[name]
        if instead is not None:
            body[name] = instead
        if not scene.ask.stream:
            return Wired(msgspec.json.encode(body))
        chunk = msgspec.json.encode({**body, "object": "chat.completion.chunk", "choices": []})
        return _streamed(b"data: " + chunk + b"\n\ndata: [DONE]\n\n")

    return played


def _half(scene: Scene) -> Completion:
    """The completion as it stands when the tokens run out."""
    text = scene.said.text
    calls = tuple(ToolCall(each.name, _first_half(each.arguments)) for each in scene.said.calls[:1])
    return Completion(None if text is None else _first_half(text), calls, "length")


def _cut_arguments(scene: Scene) -> Completion:
    return replace(_half(scene), finish=scene.said.finish)


def _first_half(text: str) -> str:
    return text[: len(text) // 2]


def _two_objects(scene: Scene) -> Completion:  # noqa: ARG001 - every fault is called alike
    return Completion(text=as_json((Reply("7"),)) + "\n" + as_json((Reply("8"),)))


PLAYS: Final[Mapping[str, Play]] = MappingProxyType(
    {
        "429": _limited(1.0),
        "429-long": _limited(LONG_S),
        "429-bare": _limited(None),
        "400": _status(400, "invalid_request_error", "The request does not hold together."),
        "401": _key_echo,
        "403": _status(403, "permission_denied", "This key may not use this model."),
        "404": _status(404, "model_not_found", "The model does not exist."),
        "408": _status(408, "request_timeout", "The request took too long."),
        "409": _status(409, "conflict", "The request conflicts with another one."),
        "500": _status(500, "server_error", "The server had an error."),
        "502": _status(502, "bad_gateway", "Bad gateway."),
        "503": _status(503, "overloaded", "The engine is overloaded."),
        "html": _html,
        "redirect": _redirect,
        "bomb": _bomb,
        "cut-body": _cut_body,
        "cut-stream": _cut_stream,
        "cut-json": _cut_json,
        "stall": _stall,
        "stall-body": _stall_body,
        "reset": _reset,
        "slow": _slow,
        "no-choices": _without("choices", []),
        "no-usage": _without("usage", None),
        "refusal": _saying(lambda _: Completion(refusal="I cannot help with that.")),
        "length": _saying(_half),
        "filter": _saying(lambda _: Completion(text="", finish="content_filter")),
        "null": _saying(lambda _: Completion()),
        "empty": _saying(lambda _: Completion(text="")),
        "two-objects": _saying(_two_objects),
        "cut-arguments": _saying(_cut_arguments),
        "huge": _saying(lambda scene: scene.ask.turn(Reply("7" * HUGE))),
    }
)
"""How every kind of fault is played."""


def play(each: Fault | None, scene: Scene) -> Wired:
    """The reply to a request, with the fault that was drawn for it."""
    if each is None:
        return whole(scene)
    return PLAYS[each.kind](replace(scene, value=each.value))
