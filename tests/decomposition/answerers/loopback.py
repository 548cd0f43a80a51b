"""A server on loopback that notes every request and replies with the bytes that it is given."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple


class Request(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


Reply = bytes | None
"""Bytes of a whole response; None to say nothing for ever."""


class Server:
    """A server under way.

    Attributes:
        url: Its address, without a path.
        requests: All so far.
    """

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.connections = 0
        self._replies = replies

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reply until the client goes; the last reply is repeated."""
        self.connections += 1
        try:
            while True:
                self.requests.append(await _request(reader))
                place = min(len(self.requests), len(self._replies)) - 1
                reply = self._replies[place]
                if reply is None:
                    await reader.read()
                    break
                writer.write(reply)
                await writer.drain()
                if b"connection: close" in reply.lower():
                    break
        # Cancelled with its loop, a connection has nothing left to say.
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*replies: Reply, port: int = 0) -> AsyncGenerator[Server]:
    """A server that replies to the first request with the first reply, and so on."""
    served = Server(replies)
    server = await asyncio.start_server(served.serve, "127.0.0.1", port)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield served


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = [line.partition(":") for line in head[1:] if line]
    headers = {name.lower(): value.strip() for name, _, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(head[0].split(" ")[1], headers, json.loads(body))


def response(body: bytes | object, status: int = 200, *headers: str) -> bytes:
    """A whole response; a body that is no bytes becomes JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = "".join(f"{each}\r\n" for each in headers)
    return (
        f"HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(raw)}\r\n{named}\r\n"
    ).encode() + raw


def completion(message: dict[str, Any], finish: str = "tool_calls") -> bytes:
    """A reply of OpenAI's protocol."""
    return response(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "served-1",
            "choices": [{"index": 0, "finish_reason": finish, "message": message}],
            "usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150},
        }
    )


def calling(*calls: tuple[str, str]) -> bytes:
    """A reply of OpenAI's protocol that calls tools, their arguments as text."""
    listed = [
        {"id": f"t{place}", "type": "function", "function": {"name": name, "arguments": text}}
        for place, (name, text) in enumerate(calls)
    ]
    return completion({"role": "assistant", "content": None, "tool_calls": listed})


ANSWER = calling(("reply", '{"message": "42"}'))
