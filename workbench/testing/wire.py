"""Wire: a listener of HTTP/1.1 on loopback, no more of it than a client of chat models needs.

One request at a time on a connection, kept open; what is replied, and how it breaks off, is the
service's choice.
"""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, cast

from msgspec import Struct

from workbench.testing.faults import Wired, refused

MOST: Final = 64 << 20
"""Longest request that is read."""
HOST: Final = "127.0.0.1"


class Request(Struct, frozen=True):
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By name in small letters."""
    body: bytes


Service = Callable[[Request], Wired]


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._buffer = bytearray()
        self._waiting: asyncio.TimerHandle | None = None
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was still to be replied."""
        del exc
        self._transport = None
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request."""
        self._buffer += data
        if not self._busy:
            self._next()

    def _next(self) -> None:
        """Serve the next request, if all of it is there."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        method, path, headers = _head(bytes(self._buffer[:end]))
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST or "transfer-encoding" in headers:
            self._send(refused(411, "bad_length", "A request has a length of at most 64 MiB."))
            self._close()
            return
        until = end + 4 + int(length)
        if len(self._buffer) < until:
            return
        request = Request(method, path, headers, bytes(self._buffer[end + 4 : until]))
        del self._buffer[:until]
        self._busy = True
        self._answer(self._service(request))

    def _answer(self, reply: Wired) -> None:
        if not reply.delay_s or reply.ending == "never":
            self._finish(reply)
        else:
            loop = asyncio.get_running_loop()
            self._waiting = loop.call_later(reply.delay_s, self._finish, reply)

    def _finish(self, reply: Wired) -> None:
        """Send a reply in the way in which it ends."""
        if self._transport is None:
            return
        match reply.ending:
            case "reset":
                self._transport.abort()
            case "never":
                self._stall(reply)
            case "cut" | "close":
                self._send(reply)
                self._close()
            case "length" | "chunks":
                self._send(reply)
                self._busy = False
                self._next()

    def _send(self, reply: Wired) -> None:
        if self._transport is not None:
            self._transport.write(_bytes(reply))

    def _stall(self, reply: Wired) -> None:
        """Send half of what there is, and no more; close after the delay, if there is one."""
        if reply.body:
            self._send(reply)
        if reply.delay_s:
            loop = asyncio.get_running_loop()
            self._waiting = loop.call_later(reply.delay_s, self._close)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _head(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return method, rest.partition(" ")[0], headers


def _bytes(reply: Wired) -> bytes:
    """A reply as bytes; of one that breaks off, as much as is sent."""
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    body = reply.body
    if reply.ending == "chunks":
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    elif reply.ending == "close":
        lines.append("Connection: close")
    else:
        lines.append(f"Content-Length: {len(body)}")
    if reply.ending in {"cut", "never"}:
        body = body[: len(body) // 2]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def listen(service: Service, port: int = 0) -> tuple[asyncio.Server, int]:
    """A listener on loopback, and its port.

    Raises:
        OSError: The port is taken.
    """
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(service), HOST, port, backlog=1024)
    return server, server.sockets[0].getsockname()[1]
