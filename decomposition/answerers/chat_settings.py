"""Chat settings: everything that the answers of a chat model depend on, and where it is asked.

Values and pure functions; no key is among them.
"""

import re
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import inet_aton, inet_ntoa
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from decomposition.answerers.chat_reply import Mode
from decomposition.answerers.chat_tools import TOOLS
from decomposition.errors import BadAnswerer
from decomposition.spend import Estimate

Kind = Literal["openai", "anthropic", "ollama"]
"""Whose protocol a provider speaks."""

HOMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openai": "https://api.openai.com/v1",
        "anthropic": "https://api.anthropic.com",
        "ollama": "http://127.0.0.1:11434",
    }
)
"""Where a provider is asked if nothing else is said."""

TOKENS_OF_TOOLS: Final = 512
"""What a provider may put around tools, beyond their text."""
TOKENS_A_MESSAGE: Final = 32

_METADATA: Final = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.azure.internal",
        "instance-data",
        "instance-data.ec2.internal",
    }
)
"""Names of the services that hand out the secrets of a machine in a data centre."""
_SECRETIVE: Final = frozenset({"fd00:ec2::254", "100.100.100.200", "168.63.129.16"})
"""Addresses of such services that are not link-local."""
_NUMBERS = re.compile(r"(?:0[xX])?[0-9a-fA-F]+(?:\.(?:0[xX])?[0-9a-fA-F]+){0,3}\.?")


class Price(Struct, frozen=True):
    """What a model costs, in US dollars a million tokens."""

    usd_per_million_in: float
    usd_per_million_out: float
    usd_per_million_cached: float | None = None
    """For tokens that the provider had read before; None: as for all others."""

    def cost(self, tokens_in: int, tokens_out: int, cached: int = 0) -> float:
        """What so many tokens cost, of which `cached` are among `tokens_in`."""
        again = self.usd_per_million_cached
        known = cached if again is not None else 0
        paid = (tokens_in - known) * self.usd_per_million_in + known * (again or 0.0)
        return (paid + tokens_out * self.usd_per_million_out) / 1e6


class Instructions(Struct, frozen=True):
    """What a model is told beside every view."""

    name: str
    text: str
    leaf: str = ""
    """What is said after the text to one who may not ask."""

    @property
    def version(self) -> str:
        """Name and digest; the digest holds the tools too, which are told beside the text."""
        state = blake2b(digest_size=8)
        for text in (self.text, self.leaf, msgspec.json.encode(TOOLS).decode()):
            raw = text.encode()
            state.update(len(raw).to_bytes(8) + raw)
        return f"{self.name}#{state.hexdigest()}"


class ChatSettings(Struct, frozen=True):
    """A chat model, how it is asked and where."""

    model: str
    provider: str = "openai"
    """Under which name limits on rate and prices hold."""
    kind: Kind = "openai"
    base_url: str = ""
    """Empty: the provider's own."""
    mode: Literal["tools", "json"] = "tools"
    temperature: float | None = None
    """None: the model's own."""
    max_output_tokens: int = 4_096
    """Tokens of a reply, at most; sent with every request."""
    limit_field: str = ""
    """What OpenAI's protocol calls that limit here; empty: `max_completion_tokens` where OpenAI
    itself is asked, `max_tokens` elsewhere."""
    context_tokens: int | None = None
    """For Ollama, which cuts longer requests without a word: the context to make; None for its
    own."""
    connect_s: float = 10.0
    read_s: float = 120.0
    """Between two pieces of a reply."""
    total_s: float = 300.0
    eager: bool = True
    """Whether subquestions start at once; else when their answer is unlocked."""
    sees_fuel: bool = False
    """Whether views tell the fuel band. What saw it is not joined."""
    tracing: bool = False
    """Whether LangSmith may get what LangChain sends it, as its own variables say."""
    instructions: Instructions | None = None
    """None: our own for the mode."""
    price: Price | None = None

    @property
    def address(self) -> str:
        """Where it is asked, without a slash at the end."""
        return (self.base_url or HOMES[self.kind]).rstrip("/")

    @property
    def told(self) -> Instructions:
        """What the model is told."""
        return self.instructions or standard(self.mode)

    def identity(self) -> str:
        """Stable text of all that the answers depend on."""
        place = urlsplit(self.address)
        parts = {
            "mode": self.mode,
            "temperature": self.temperature,
            "max_output_tokens": self.max_output_tokens,
            "context_tokens": self.context_tokens,
            "lazy": None if self.eager else True,
            "instructions": self.told.version,
        }
        said = "&".join(f"{name}={each}" for name, each in parts.items() if each is not None)
        return f"chat:{self.provider}:{self.model}@{place.netloc}{place.path}?{said}"

    def check(self) -> None:
        """Nothing, if the settings hold together.

        Raises:
            BadAnswerer: They do not.
        """
        reason = misplaced(self.address)
        if reason:
            raise BadAnswerer(f"{reason}: {self.base_url[:80]!r}")
        if not self.model.strip():
            raise BadAnswerer("a chat model needs a name, as in chat:openai:MODEL")
        if not self.told.text.strip():
            raise BadAnswerer(f"the instructions {self.told.name} are empty")

    def estimate(self, view: str, tools: int) -> Estimate:
        """The most that a call can use: no token is shorter than a byte.

        Args:
            view: Text of the view.
            tools: Bytes of the tools' schemas; 0 for no tools.
        """
        told = len(self.told.text.encode()) + len(self.told.leaf.encode())
        around = 2 * TOKENS_A_MESSAGE + (tools + TOKENS_OF_TOOLS if tools else 0)
        tokens_in = len(view.encode()) + told + around
        out = self.max_output_tokens
        cost = None if self.price is None else self.price.cost(tokens_in, out)
        return Estimate(tokens_in, out, cost)


def standard(mode: Mode) -> Instructions:
    """Our own instructions for a mode."""
    name = "chat-json-1" if mode == "json" else "chat-1"
    return Instructions(name, _packaged(name), _packaged("leaf-1"))


@cache
def _packaged(name: str) -> str:
    folder = files("decomposition.answerers") / "instructions"
    return (folder / f"{name}.md").read_text(encoding="utf-8")


def misplaced(address: str) -> str:
    """Why nothing may be sent to an address; empty if it may."""
    try:
        place = urlsplit(address)
        host, _ = place.hostname, place.port
    except ValueError:
        return "the base URL is none"
    if place.scheme not in ("http", "https"):
        return "the base URL must begin with http:// or https://"
    if not host:
        return "the base URL names no host"
    if place.username is not None or place.password is not None or place.query or place.fragment:
        return "the base URL holds more than a host and a path; a key belongs into the environment"
    return "the base URL is a link-local or metadata address" if is_secretive(host) else ""


def is_secretive(host: str) -> bool:
    """Whether a host is link-local, or a service that hands out secrets of its machine."""
    name = host.rstrip(".").lower()
    if name in _METADATA:
        return True
    address = _address(name)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and (address.is_link_local or str(address) in _SECRETIVE)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is, also where it is written as one number or in hexadecimal."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    if not _NUMBERS.fullmatch(host):
        return None
    try:
        return IPv4Address(inet_ntoa(inet_aton(host)))
    except OSError:
        return None
