"""Configuration examined: whether a key stands in it."""

import re
import tomllib
from pathlib import Path
from typing import Final, cast

from workbench.doctor import Finding
from workbench.exits import Exit, stop
from workbench.files import read_capped

MAX_BYTES: Final = 1 << 20
_NAME = re.compile(r"(?i)(api_?key|secret|token|password|authorization)$")
"""What a key is called; not `max_tokens`."""
_VALUE = re.compile(r"\b(sk-[A-Za-z0-9_-]{8,}|lsv2_[A-Za-z0-9_]{8,}|Bearer\s+\S{8,})")
_NAMES_A_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{2,63}")
"""The name of a variable of the environment, which holds the key instead."""


def keys_in(path: Path) -> Finding:
    """Whether a key or a token stands in a file of configuration.

    Raises:
        Complaint: It cannot be read.
    """
    try:
        content = tomllib.loads(read_capped(path, MAX_BYTES, "the configuration").decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        stop(f"{path}: not TOML: {error}", Exit.BAD_DATA)
    return said_of_keys(str(path), content)


def said_of_keys(name: str, content: dict[str, object]) -> Finding:
    """What is to be said of keys in a configuration; their values are not repeated."""
    found = [".".join(place) for place in places_of_keys(content)]
    if not found:
        return Finding("keys", fine=True, said=f"{name} holds none")
    said = (
        f"{name} holds what looks like a key at {', '.join(found[:5])}: put it into a variable of "
        "the environment such as OPENAI_API_KEY, take it out of the file, and replace the key if "
        "others could read it"
    )
    return Finding("keys", fine=False, said=said)


def places_of_keys(content: dict[str, object]) -> list[tuple[str, ...]]:
    """The places in a configuration that hold what looks like a key, in order."""
    return sorted(set(_keys(content, ())))


def _keys(value: object, at: tuple[str, ...]) -> list[tuple[str, ...]]:
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return [found for name, each in table.items() for found in _keys(each, (*at, name))]
    if isinstance(value, list):
        entries = cast("list[object]", value)
        return [found for each in entries for found in _keys(each, at)]
    if not isinstance(value, str) or not value:
        return []
    named = bool(at and _NAME.search(at[-1])) and not _NAMES_A_VARIABLE.fullmatch(value)
    return [at] if named or _VALUE.search(value) else []
