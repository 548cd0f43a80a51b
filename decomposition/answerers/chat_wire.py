"""Chat wire: requests to a provider and its replies, over one pool of connections.

It follows no redirect, tries nothing twice and reads no further than a cap. It knows addresses,
headers and bytes, and nothing of models. The only module that imports aiohttp.
"""

import asyncio
import socket
import ssl
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
from aiohttp.abc import ResolveResult
from msgspec import Struct, json

from decomposition.answerers.chat_faults import decided, redacted, told
from decomposition.answerers.chat_reply import NotStrict, strict
from decomposition.answerers.chat_settings import ChatSettings, is_secretive
from decomposition.errors import RunStopped, TransientFault
from decomposition.message import Failure

MAX_BODY: Final = 32 << 20
"""Bytes of a reply, unpacked; what is longer is not read on."""
CALL_HEADER: Final = "X-Client-Request-Id"
SHORTEST_KEY: Final = 8
"""What is shorter could stand in any text by chance."""
IDLE_S: Final = 4.0
"""How long an idle connection is kept: less than common servers keep theirs."""


class Exchange(Struct):
    """One request and what came back, as far as it came."""

    call: str = ""
    """The ledger's id, which goes along."""
    status: int = 0
    """0 while nothing came."""
    raw: bytes = b""
    body: object = None
    """The reply, decoded; None where it is none."""


under_way: Final[ContextVar[Exchange]] = ContextVar("under_way")
"""The exchange of the call that runs; what carries a request finds it here."""


class Decided(Exception):
    """A reply that is a failure before anybody reads it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class _Resolver(aiohttp.ThreadedResolver):
    """Looks names up, and refuses those that lead where no model is."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            RunStopped: One of them is link-local or gives out a machine's secrets.
        """
        found = await super().resolve(host, port, family)
        if any(is_secretive(each["host"]) for each in found):
            raise RunStopped(f"{host} is a link-local or metadata address; nothing was sent")
        return found


class Wire:
    """One pool of connections to one provider, for the event loop that runs."""

    def __init__(self, settings: ChatSettings, key: str) -> None:
        self._settings = settings
        self._key = key
        self._host = urlsplit(settings.address).netloc
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "deliberation-workbench",
            **_authorization(settings, key),
        }
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._proxy: str | None = None

    async def post(self, path: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request: exactly one, never tried again.

        Raises:
            TransientFault: No reply came, or one that may be another the next time.
            RunStopped: No request can succeed now.
            Decided: This request fails whenever it is sent.
        """
        exchange = under_way.get()
        headers = self._headers
        if exchange.call:
            headers = {**headers, CALL_HEADER: exchange.call}
        session = await self._open()
        try:
            async with session.post(
                self._settings.address + path,
                data=json.encode(payload),
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
            ) as reply:
                raw = self._without_key(await _read(reply))
                exchange.status, exchange.raw = reply.status, raw
        except aiohttp.ClientError as error:
            raise self._broken(error) from error
        except (OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        if not 200 <= reply.status < 300:
            lower = {name.lower(): value for name, value in reply.headers.items()}
            raise Decided(
                decided(reply.status, lower, raw, self._host, self._key, time.time()),
            )
        return self._decoded(exchange)

    def _without_key(self, raw: bytes) -> bytes:
        """A reply in which the key does not stand, wherever a provider repeats it."""
        key = self._key.encode()
        return raw.replace(key, b"[key]") if len(key) >= SHORTEST_KEY and key in raw else raw

    def _decoded(self, exchange: Exchange) -> dict[str, Any]:
        """The JSON object that a reply is.

        Raises:
            TransientFault: It is none, such as a page for people.
        """
        try:
            value = strict(exchange.raw.decode(), "the reply")
        except (UnicodeDecodeError, NotStrict):
            value = None
        if not isinstance(value, dict):
            why = told(exchange.raw, self._key)
            raise TransientFault(f"{self._host} sent what is no JSON object: {why}"[:400])
        body = cast("dict[str, Any]", value)
        exchange.body = body
        return body

    def _broken(self, error: aiohttp.ClientError) -> Exception:
        """What an error of the connection means."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
            return RunStopped(f"{self._host} shows no certificate that can be trusted: {error}")
        if isinstance(error, aiohttp.ServerTimeoutError):
            return self._unreachable(error)
        if isinstance(error, aiohttp.InvalidURL):
            return RunStopped(f"{self._host} is no address")
        if isinstance(error, aiohttp.ClientPayloadError):
            return TransientFault(f"the reply of {self._host} was cut off")
        told = redacted(str(error), self._key)[:200]
        return TransientFault(f"no connection to {self._host}: {told or type(error).__name__}")

    def _unreachable(self, error: Exception) -> TransientFault:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return TransientFault(
                f"{self._host} took no connection within {self._settings.connect_s:g} seconds"
            )
        if isinstance(error, TimeoutError):
            return TransientFault(
                f"{self._host} sent nothing for {self._settings.read_s:g} seconds"
            )
        return TransientFault(f"no connection to {self._host}: {type(error).__name__}")

    async def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is not None and self._loop is loop:
            return self._session
        await self.close()
        if self._session is not None:
            return self._session  # opened by another call meanwhile
        address = urlsplit(self._settings.address)
        self._proxy = _proxy(address.scheme, address.hostname or "")
        self._loop = loop
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                resolver=_Resolver(),
                keepalive_timeout=IDLE_S,
                ssl=_trusted() if address.scheme == "https" else True,
            ),
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=self._settings.connect_s,
                sock_read=self._settings.read_s,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self._session

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            # Of an event loop that does not run any more nothing is left to wait for.
            with suppress(RuntimeError):
                await session.close()


def _authorization(settings: ChatSettings, key: str) -> dict[str, str]:
    """The headers that say who asks."""
    if settings.kind == "anthropic":
        return {"anthropic-version": "2023-06-01", **({"x-api-key": key} if key else {})}
    return {"Authorization": f"Bearer {key}"} if key else {}


async def _read(reply: aiohttp.ClientResponse) -> bytes:
    """The body of a reply, unpacked, no further than the cap.

    Raises:
        TransientFault: It is packed in a way that cannot be read.
        Decided: It is longer than the cap.
    """
    unpack = _unpacker(reply.headers.get("Content-Encoding", "").strip().lower())
    pieces: list[bytes] = []
    size = 0
    while piece := await reply.content.readany():
        piece = unpack(piece, MAX_BODY - size + 1)
        size += len(piece)
        if size > MAX_BODY:
            reply.close()
            raise Decided(Failure("provider", f"the reply is over the cap of {MAX_BODY} bytes"))
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """A function that unpacks a piece, to at most so many bytes."""
    if encoding in ("", "identity"):
        return lambda piece, _: piece
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise TransientFault(f"the reply is packed as {encoding[:40]!r}, which nobody asked for")
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def unpacked(piece: bytes, most: int) -> bytes:
        try:
            return unpacking.decompress(piece, most)
        except zlib.error:
            raise TransientFault("the reply is packed and cannot be unpacked") from None

    return unpacked


def _trusted() -> ssl.SSLContext:
    """Certificates of the system, and those that come with Python's packages."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host."""
    return None if proxy_bypass(host) else getproxies().get(scheme)
