"""Configuration: what is too long for flags, from one TOML file.

    [chat]
    base_url = "http://127.0.0.1:8000/v1"
    temperature = 0.7

    [provider.local]          # chat:local:MODEL
    kind = "openai"
    base_url = "http://127.0.0.1:8080/v1"
    key_env = "LOCAL_KEY"     # the variable that holds the key; never the key

    [rate.local]
    calls_per_minute = 600

    [prices."openai:MODEL"]
    usd_per_million_in = 1.25
    usd_per_million_out = 10

    [caps.run]
    usd = 5

Everything in it is a value that can be kept with a run; a key is none.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Final, Literal, cast, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import fields as struct_fields
from msgspec.structs import replace

from decomposition.answerers.chat_settings import HOMES, Kind, Price, misplaced
from workbench.doctor_config import places_of_keys
from workbench.exits import Exit, stop
from workbench.files import read_capped
from workbench.limits import MAX_COUNT, MAX_SECONDS, MAX_USD, NO_LIMITS, Limits

MAX_BYTES: Final = 1 << 20
MAX_INSTRUCTIONS: Final = 256 << 10
MAX_OUT: Final = 1_000_000
MAX_RATE: Final = 10**9
MAX_PRICE: Final = 1_000_000
MAX_WAIT_S: Final = 86_400

_CAPS: Final = {"calls": MAX_COUNT, "tokens": MAX_COUNT, "usd": MAX_USD, "seconds": MAX_SECONDS}

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_TYPE_AT = re.compile(r" - at `\$\.?(.*)`")


LimitField = Literal["", "max_tokens", "max_completion_tokens"]
"""What a server of OpenAI's protocol calls the limit of a reply; empty for what is usual there."""


class Rate(Struct, frozen=True):
    """How much a provider may be asked in a minute; None is no limit."""

    calls_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """In and out, as they are reserved."""


class Chat(Struct, frozen=True):
    """How chat models are asked."""

    provider: str = "openai"
    """Of `chat:` without a provider."""
    model: str = ""
    """Of `chat:PROVIDER` without a model."""
    base_url: str = ""
    """Empty: what the environment says, else the provider's own."""
    key_env: str | UnsetType = UNSET
    """Name of the variable that holds the key; empty for no key."""
    mode: Literal["tools", "json"] = "tools"
    temperature: float | None = None
    max_output_tokens: int = 4_096
    limit_field: LimitField = ""
    context_tokens: int | None = None
    connect_s: float = 10.0
    read_s: float = 120.0
    total_s: float = 300.0
    eager: bool = True
    sees_fuel: bool = False
    instructions: str = ""
    """A file; seen from the configuration's folder."""


class Provider(Struct, frozen=True):
    """A provider under a name of its own, where it differs from `[chat]`."""

    kind: Kind | UnsetType = UNSET
    """Whose protocol it speaks; needed for a name that is none of these."""
    base_url: str | UnsetType = UNSET
    key_env: str | UnsetType = UNSET
    mode: Literal["tools", "json"] | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET
    limit_field: LimitField | UnsetType = UNSET
    context_tokens: int | UnsetType = UNSET
    connect_s: float | UnsetType = UNSET
    read_s: float | UnsetType = UNSET
    total_s: float | UnsetType = UNSET


class ConfiguredCaps(Struct, frozen=True):
    """What may be spent; flags go before it."""

    run: Limits = NO_LIMITS
    session: Limits = NO_LIMITS
    """Of each question of a run."""


class Config(Struct, frozen=True):
    """A configuration, its files named from the root."""

    chat: Chat = Chat()
    provider: dict[str, Provider] = {}
    rate: dict[str, Rate] = {}
    prices: dict[str, Price] = {}
    """By `PROVIDER:MODEL`; a name that ends in `*` stands for all that begin so."""
    caps: ConfiguredCaps = ConfiguredCaps()
    tracing: bool = False
    """Whether LangSmith may get what LangChain sends it."""
    warnings: tuple[str, ...] = ()
    """What the user should know of the file; never a key."""


NO_CONFIG: Final = Config()


def load_config(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        Complaint: It cannot be read, is no TOML, or holds a key twice, a key that does not exist
            or a value that may not stand there. The code is `REFUSED` for an address that
            nothing may be sent to.
    """
    text, content = _read(path)
    places = places_of_keys(content)
    config = _checked(path, text, _without(content, places, ()))
    return replace(_placed(path, config), warnings=_keys_told(path, places))


def with_prices(config: Config, path: Path) -> Config:
    """The same configuration, with the prices of a file before its own.

    The file holds a table a model, as `[prices]` of a configuration does, with or without
    `prices.` before the name.

    Raises:
        Complaint: As `load_config`.
    """
    text, content = _read(path)
    if set(content) != {"prices"}:
        content = {"prices": content}
    made = _checked(path, text, content)
    return replace(config, prices={**config.prices, **made.prices})


def with_instructions(config: Config, path: Path) -> Config:
    """The same configuration, with the instructions of a file."""
    return replace(config, chat=replace(config.chat, instructions=str(path.absolute())))


def without_keys(config: Config) -> Config:
    """The same configuration, with which no key is looked up or sent."""
    return replace(
        config,
        chat=replace(config.chat, key_env=""),
        provider={name: replace(each, key_env="") for name, each in config.provider.items()},
    )


def price_of(config: Config, provider: str, model: str) -> Price | None:
    """The price of a model; None where nobody said it."""
    name = f"{provider}:{model}"
    if name in config.prices:
        return config.prices[name]
    begun = [each for each in config.prices if each.endswith("*") and name.startswith(each[:-1])]
    return config.prices[max(begun, key=len)] if begun else None


# -- reading ---------------------------------------------------------------------------------


def _read(path: Path) -> tuple[str, dict[str, object]]:
    raw = read_capped(path, MAX_BYTES, "the configuration")
    try:
        text = raw.decode("utf-8-sig")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        stop(f"{path}: not UTF-8 at byte {error.start}", Exit.BAD_DATA)
    except tomllib.TOMLDecodeError as error:
        stop(f"{path}: not TOML: {str(error)[:200]}", Exit.BAD_DATA)
    except RecursionError:
        stop(f"{path}: nested too deep", Exit.BAD_DATA)


def _keys_told(path: Path, places: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """A warning for each key in the file."""
    return tuple(
        f"{path}: {'.'.join(place)} holds what looks like a key; it is not used: put it into a "
        "variable of the environment, name that with key_env, and take the key out of the file"
        for place in places
    )


def _without(value: object, places: Sequence[tuple[str, ...]], at: tuple[str, ...]) -> object:
    """The same tables without what stands at these places."""
    if isinstance(value, list):
        return [_without(each, places, at) for each in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    kept = {
        k: each for k, each in cast("dict[str, object]", value).items() if (*at, k) not in places
    }
    return {name: _without(each, places, (*at, name)) for name, each in kept.items()}


def _known(path: Path, text: str, content: object, kind: object, at: str) -> None:
    """Nothing, if every key of a table exists.

    Raises:
        Complaint: One does not; the message names the nearest.
    """
    fields = _fields(kind)
    if fields is None or not isinstance(content, dict):
        return
    for name, value in cast("dict[str, object]", content).items():
        inner = f"{at}.{name}" if at else name
        if "*" in fields:
            _known(path, text, value, fields["*"], inner)
        elif name in fields:
            _known(path, text, value, fields[name], inner)
        else:
            _unknown(path, text, name, at, list(fields))


def _fields(kind: object) -> dict[str, object] | None:
    """The keys of a table and what stands under them; `*` where any key may stand."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return {each.name: each.type for each in struct_fields(kind) if each.name != "warnings"}
    return {"*": get_args(kind)[1]} if get_origin(kind) is dict else None


def _unknown(path: Path, text: str, name: str, at: str, known: list[str]) -> None:
    near = _nearest(name, known) or _nearest(name, list(_all_keys(Config)))
    hint = f"; did you mean {near!r}?" if near else f": there are {', '.join(known)}"
    where = f" in [{at}]" if at else ""
    stop(f"{_line(path, text, name)}: unknown key {name[:60]!r}{where}{hint}", Exit.BAD_DATA)


def _nearest(name: str, known: list[str]) -> str:
    """The key that was meant: one of the same letters before one that only looks alike."""
    same = [each for each in known if sorted(each) == sorted(name)]
    return next(iter(same or get_close_matches(name, known, 1)), "")


def _all_keys(kind: object) -> Iterator[str]:
    for name, inner in (_fields(kind) or {}).items():
        yield from () if name == "*" else (name,)
        yield from _all_keys(inner)


def _line(path: Path, text: str, name: str) -> str:
    """`FILE:LINE` of a key, or the file alone where its line cannot be told."""
    key = re.compile(rf"""^\s*(?:\[[^\]]*?)?["']?{re.escape(name)}["']?\s*(?:[.=\]]|$)""")
    for number, line in enumerate(text.splitlines(), 1):
        if key.search(line):
            return f"{path}:{number}"
    return str(path)


def _checked(path: Path, text: str, content: object) -> Config:
    """The configuration that tables are.

    Raises:
        Complaint: They are none.
    """
    _known(path, text, content, Config, "")
    config = _converted(path, text, content)
    _check(path, text, config)
    return config


def _converted(path: Path, text: str, content: object) -> Config:
    try:
        return msgspec.convert(content, Config)
    except msgspec.ValidationError as error:
        message = str(error)
        found = _TYPE_AT.search(message)
        place = found[1] if found else ""
        said = _TYPE_AT.sub("", message)
        where = _line(path, text, place.rpartition(".")[2])
        stop(f"{where}: {place or 'the file'}: {said[:200]}", Exit.BAD_DATA)


# -- checking --------------------------------------------------------------------------------


def _check(path: Path, text: str, config: Config) -> None:
    """Nothing, if every value may stand where it stands.

    Raises:
        Complaint: One may not.
    """
    for name, value in _numbers(msgspec.to_builtins(config), ""):
        if not isfinite(value) or value < 0:
            where = _line(path, text, name.rpartition(".")[2])
            stop(f"{where}: {name} must be a number from 0 on, not {value}", Exit.BAD_DATA)
    for at, table in (("chat", config.chat), *_named(config.provider, "provider")):
        _check_chat(path, text, at, table)
    for name, rate in config.rate.items():
        for field in ("calls_per_minute", "tokens_per_minute"):
            _ranged(path, text, f"rate.{name}.{field}", getattr(rate, field), 1, MAX_RATE)
    for name, price in config.prices.items():
        for field in price.__struct_fields__:
            _ranged(path, text, f"prices.{name}.{field}", getattr(price, field), 0, MAX_PRICE)
    for name, provider in config.provider.items():
        if provider.kind is UNSET and name not in HOMES:
            where = _line(path, text, name)
            stop(
                f"{where}: [provider.{name}] needs kind: {', '.join(HOMES)}\n"
                'most servers speak OpenAI\'s protocol: kind = "openai"',
                Exit.BAD_DATA,
            )
    for at, caps in (("run", config.caps.run), ("session", config.caps.session)):
        for field, most in _CAPS.items():
            _ranged(path, text, f"caps.{at}.{field}", getattr(caps, field), 0, most)


def _named(tables: dict[str, Provider], at: str) -> Iterator[tuple[str, Provider]]:
    for name, table in tables.items():
        yield f"{at}.{name}", table


def _check_chat(path: Path, text: str, at: str, table: Chat | Provider) -> None:
    if table.base_url:
        check_address(str(table.base_url), f"{_line(path, text, 'base_url')}: {at}.base_url")
    if table.key_env and not _VARIABLE.fullmatch(str(table.key_env)):
        where = _line(path, text, "key_env")
        stop(f"{where}: {at}.key_env must be the name of a variable", Exit.BAD_DATA)
    _ranged(path, text, f"{at}.max_output_tokens", table.max_output_tokens, 1, MAX_OUT)
    _ranged(path, text, f"{at}.context_tokens", table.context_tokens, 1, 10**8)
    _ranged(path, text, f"{at}.temperature", table.temperature, 0, 10)
    for name in ("connect_s", "read_s", "total_s"):
        _ranged(path, text, f"{at}.{name}", getattr(table, name), 0.001, MAX_WAIT_S)


def _ranged(
    path: Path, text: str, name: str, value: float | UnsetType | None, least: float, most: float
) -> None:
    if value is None or isinstance(value, UnsetType) or least <= value <= most:
        return
    where = _line(path, text, name.rpartition(".")[2])
    stop(f"{where}: {name} must be a number from {least} to {most}, not {value}", Exit.BAD_DATA)


def check_address(address: str, where: str) -> None:
    """Nothing, if requests may be sent to an address.

    Raises:
        Complaint: They may not, with the code `REFUSED`.
    """
    reason = misplaced(address)
    if reason:
        # What stands before an @ may be a password.
        shown = re.sub(r"//[^/]*@", "//…@", address)[:80]
        stop(f"{where}: {reason}: {shown!r}\nnothing was sent", Exit.REFUSED)


def _numbers(value: object, at: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, each in cast("dict[str, object]", value).items():
            yield from _numbers(each, f"{at}.{name}" if at else name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield at, value


def _placed(path: Path, config: Config) -> Config:
    """The same configuration, its files named from the root."""
    if not config.chat.instructions:
        return config
    file = path.absolute().parent / config.chat.instructions
    return replace(config, chat=replace(config.chat, instructions=str(file)))
