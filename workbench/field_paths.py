"""Field paths: dotted names such as `answers.gpt4`, found in a record.

Names of fields may hold dots themselves; of several readings the one with the longest names is
taken. In a list a whole number names an entry, from 0.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final, NamedTuple, cast

MOST_NAMED: Final = 30
"""Fields that a message names."""
_DEEPEST: Final = 8


class Found(NamedTuple):
    """A value, which may be null."""

    value: object


def lookup(value: object, path: str) -> Found | None:
    """What a path leads to; None where it leads nowhere."""
    if not path:
        return Found(value)
    if isinstance(value, list):
        return _entry(cast("list[object]", value), path)
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, object]", value)
    for name, rest in _cuts(path):
        if name in fields and (found := lookup(fields[name], rest)) is not None:
            return found
    return None


def _entry(entries: list[object], path: str) -> Found | None:
    name, _, rest = path.partition(".")
    if not (name.isascii() and name.isdecimal() and len(name) < 10) or int(name) >= len(entries):
        return None
    return lookup(entries[int(name)], rest)


def _cuts(path: str) -> Iterator[tuple[str, str]]:
    """A path as first name and rest, the longest name first."""
    end = len(path)
    while end >= 0:
        if path[:end]:
            yield path[:end], path[end + 1 :]
        end = path.rfind(".", 0, end)


def paths_of(fields: Mapping[str, object], depth: int = 0) -> list[str]:
    """The paths of all values in a record that are no records themselves."""
    paths: list[str] = []
    for name, value in fields.items():
        if isinstance(value, dict) and value and depth < _DEEPEST:
            inner = paths_of(cast("dict[str, object]", value), depth + 1)
            paths += [f"{name}.{each}" for each in inner]
        else:
            paths.append(name)
    return paths


def unknown(path: str, known: Iterable[str]) -> str:
    """What to say of a path that leads nowhere: the nearest, and all that there are."""
    names = list(dict.fromkeys(known))
    near = get_close_matches(path, names, 1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
    return f"there is no {path[:80]!r}{hint}\nthere is: {listed or 'nothing'}"
