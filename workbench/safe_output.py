"""Safe output: foreign text made harmless for a terminal. Nothing else prints such text."""

import re
import unicodedata
from typing import Final

_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_PLAIN = re.compile(r"[\n\x20-\x7e]*")


def shown(text: str) -> str:
    r"""Text with every control, escape and direction character made visible.

    Newlines stay; a tab becomes a space; ESC is shown as `␛`, other C0 characters by their
    picture, the rest as `\u{...}`.
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    code = ord(character)
    if character == "\n" or 0x20 <= code < 0x7F:
        return character
    if character == "\t":
        return " "
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if character in _BIDI or unicodedata.category(character) in ("Cc", "Cs", "Co", "Zl", "Zp"):
        return f"\\u{{{code:x}}}"
    return character


def many(number: int, noun: str) -> str:
    """Such as "1 session" or "2 sessions"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def line(text: str, width: int | None = None) -> str:
    """One line of at most `width` columns."""
    single = " ".join(shown(text).split())
    return single if width is None else cut(single, width)


def as_ascii(text: str) -> str:
    r"""Text with every character that is not ASCII as `\xe9`, `\u2192` or `\U0001f600`."""
    return text.encode("ascii", "backslashreplace").decode()


def cut(text: str, width: int, more: str = "…") -> str:
    """Text cut to a width in columns, with `more` where something is missing."""
    if len(text) <= width and text.isascii():
        return text
    columns = 0
    for place, character in enumerate(text):
        columns += columns_of(character)
        if columns > width:
            return _shortened(text[:place], width, more)
    return text


def _shortened(text: str, width: int, more: str) -> str:
    more = more[: max(0, width)]
    while text and columns(text) > width - len(more):
        text = text[:-1]
    return text + more


def columns(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(columns_of, text))


def columns_of(character: str) -> int:
    """0 for combining marks and joiners, 2 for wide characters, else 1."""
    if unicodedata.combining(character) or character in "\u200b\u200c\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
