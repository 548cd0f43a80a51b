"""Strict JSON: one object from bytes, or a refusal that says where it does not hold together."""

import json
from collections.abc import Iterator
from math import isfinite
from typing import Any, Final, cast

from workbench.exits import Exit, stop

MAX_DIGITS: Final = 4_000


def strict_object(raw: bytes, where: str) -> dict[str, Any]:
    """The JSON object of a line: one object, no key twice, no NaN, no half characters.

    Raises:
        Complaint: It is not that; the message begins with `where`.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        stop(f"{where}: not UTF-8 at byte {error.start}", Exit.BAD_DATA)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        stop(f"{where}: not JSON at column {error.colno}: {error.msg}", Exit.BAD_DATA)
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error)
        stop(f"{where}: {why}", Exit.BAD_DATA)
    if not isinstance(value, dict):
        stop(f"{where}: a line must be one JSON object", Exit.BAD_DATA)
    record = cast("dict[str, Any]", value)
    for found in _texts(record):
        if "\0" in found:
            stop(f"{where}: the text holds a NUL character", Exit.BAD_DATA)
        try:
            found.encode()
        except UnicodeEncodeError:
            stop(f"{where}: the text holds half of a surrogate pair", Exit.BAD_DATA)
    return record


def _texts(value: object) -> Iterator[str]:
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            pairs = cast("dict[str, object]", each)
            todo += [*pairs, *pairs.values()]
        elif isinstance(each, list):
            todo += cast("list[object]", each)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            message = f"the key {key[:40]!r} stands twice"
            raise ValueError(message)
        found[key] = value
    return found


def _constant(name: str) -> object:
    message = f"{name} is not a number that JSON knows"
    raise ValueError(message)


def _finite(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        message = f"the number {digits[:40]} is too large"
        raise ValueError(message)
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        message = f"a number of {len(digits)} digits is too long"
        raise ValueError(message)
    return int(digits)
