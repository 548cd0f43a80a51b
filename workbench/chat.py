"""Chat: from a spec such as `chat:openai:MODEL` and a configuration to a chat model.

    chat:PROVIDER:MODEL · chat:PROVIDER · chat:

What a spec leaves out stands in `[chat]` of the configuration; a model's name may hold colons.
"""

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from decomposition.answerers.base import Answerer
from decomposition.answerers.chat_settings import HOMES, ChatSettings, Instructions, Kind
from decomposition.view import View
from workbench.config import MAX_INSTRUCTIONS, NO_CONFIG, Chat, Config, check_address, price_of
from workbench.exits import Exit, stop
from workbench.files import read_capped
from workbench.limits import Limits

CHAT: Final = "chat:"
_KEYS: Final[Mapping[str, str]] = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "ollama": "OLLAMA_API_KEY",
}
_PLACES: Final[Mapping[str, str]] = {
    "openai": "OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
    "ollama": "OLLAMA_HOST",
}
"""Variables that say where a provider is asked."""
_NOTHING: Final = View("", b"", "", (), {}, "", "", "")
_PRICED = re.compile(r"chat:([^@]+)@")
_FREE: Final = frozenset({"ollama"})
"""Providers that ask for no key."""


class Named(Struct, frozen=True):
    """What a spec names, completed by a configuration."""

    provider: str
    kind: Kind
    model: str


def chat_answerer(
    spec: str, config: Config = NO_CONFIG, environ: Mapping[str, str] = os.environ
) -> Answerer:
    """The chat model that a spec names; only here is LangChain loaded.

    Raises:
        Complaint: The extra is not installed, the spec or the configuration names nothing that
            can be asked, or the environment holds no key.
    """
    settings, key = chat_settings(spec, config, environ)
    if find_spec("langchain") is None or find_spec("aiohttp") is None:
        stop("chat models need LangChain, which the extra `chat` installs")
    from decomposition.answerers.chat_model import ChatModel

    return ChatModel(settings, key)


def chat_settings(
    spec: str, config: Config = NO_CONFIG, environ: Mapping[str, str] = os.environ
) -> tuple[ChatSettings, str]:
    """The settings of the chat model that a spec names, and its key; empty for none.

    Raises:
        Complaint: As `chat_answerer`.
    """
    named = named_in(spec, config)
    chat = _chat_of(named, config)
    address = chat.base_url or _from_environment(named, environ)
    if address:
        check_address(address, f"the base URL of {named.provider}")
    settings = ChatSettings(
        named.model,
        named.provider,
        named.kind,
        base_url=address,
        mode=chat.mode,
        temperature=chat.temperature,
        max_output_tokens=chat.max_output_tokens,
        limit_field=chat.limit_field,
        context_tokens=chat.context_tokens,
        connect_s=chat.connect_s,
        read_s=chat.read_s,
        total_s=chat.total_s,
        eager=chat.eager,
        sees_fuel=chat.sees_fuel,
        tracing=config.tracing,
        instructions=_instructions(chat.instructions),
        price=price_of(config, named.provider, named.model),
    )
    return settings, _key(named, chat, address, environ)


def named_in(spec: str, config: Config = NO_CONFIG) -> Named:
    """The provider and the model that a spec names.

    Raises:
        Complaint: It names none, or a provider that nobody knows.
    """
    provider, _, model = spec.strip().removeprefix("chat").removeprefix(":").partition(":")
    provider = provider or config.chat.provider
    model = model or config.chat.model
    table = config.provider.get(provider)
    kind: Kind | UnsetType = table.kind if table is not None else UNSET
    if kind is UNSET and provider in HOMES:
        kind = provider  # type: ignore[assignment]
    if isinstance(kind, UnsetType):
        known = [*HOMES, *config.provider]
        near = get_close_matches(provider, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        stop(
            f"no provider is called {provider[:60]!r}; {hint}\n"
            "a server of your own is a table [provider.NAME] of the configuration"
        )
    if not model:
        stop(f"{spec[:80]!r} names no model; write chat:{provider}:MODEL")
    return Named(provider, kind, model)


def require_prices(limits: Sequence[Limits], answerers: Sequence[Answerer], of: str) -> None:
    """Nothing, if no cap on money is there, or every paid answerer has a price.

    Args:
        limits: Of the run and of its questions.
        answerers: All who may be asked.
        of: Where prices come from, for the message.

    Raises:
        Complaint: A model has none, so that its calls could not be held under the cap.
    """
    if all(each.usd is None for each in limits):
        return
    for each in answerers:
        if each.paid and each.estimate(_NOTHING).cost_usd is None:
            named = _PRICED.search(each.identity)
            name = named[1] if named else each.identity[:80]
            stop(
                f"a cap on money needs the price of {name}, and {of} says none\n"
                f'add [prices."{name}"] with usd_per_million_in and usd_per_million_out; '
                "0 for a server that costs nothing",
                Exit.BAD_DATA,
            )


def _chat_of(named: Named, config: Config) -> Chat:
    """What holds for a provider: its own table before `[chat]`."""
    table = config.provider.get(named.provider)
    if table is None:
        return config.chat
    own = {name: each for name, each in asdict(table).items() if each is not UNSET}
    own.pop("kind", None)
    return replace(config.chat, **own)


def _from_environment(named: Named, environ: Mapping[str, str]) -> str:
    """Where the environment says that a provider is asked; only for those known by that name."""
    if named.provider not in _PLACES:
        return ""
    said = environ.get(_PLACES[named.provider], "").strip()
    if said and named.kind == "ollama" and "://" not in said:
        host, _, port = said.partition(":")
        host = "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104 - where it listens
        return f"http://{host}:{port or 11434}"
    return said


def _key(named: Named, chat: Chat, address: str, environ: Mapping[str, str]) -> str:
    """The key of a provider.

    Raises:
        Complaint: The variable that holds it is missing, or holds what is no key.
    """
    variable = _KEYS[named.kind] if isinstance(chat.key_env, UnsetType) else chat.key_env
    key = environ.get(variable, "").strip() if variable else ""
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        stop(f"the variable {variable} holds characters that no key has", Exit.PROVIDER)
    needed = chat.key_env if not isinstance(chat.key_env, UnsetType) else not address
    if not key and needed and variable and (named.kind not in _FREE or chat.key_env):
        stop(
            f"no key for {named.provider}: the variable {variable} is not set\n"
            "set it in the environment, or name another one with key_env in [chat]; "
            'key_env = "" sends none',
            Exit.PROVIDER,
        )
    return key


def _instructions(file: str) -> Instructions | None:
    """The instructions of a user's file.

    Raises:
        Complaint: It cannot be read, is empty or is not text.
    """
    if not file:
        return None
    raw = read_capped(Path(file), MAX_INSTRUCTIONS, "the instructions")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        stop(f"the instructions {file}: not UTF-8 at byte {error.start}", Exit.BAD_DATA)
    if not text.strip():
        stop(f"the instructions {file} are empty", Exit.BAD_DATA)
    return Instructions(Path(file).stem[:64], text)
