"""Inputs: JSON Lines of questions, read strictly, every refusal with its file and line."""

import json
import sys
from collections.abc import Iterator
from itertools import count
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from msgspec import Struct

from decomposition.errors import BadTask
from decomposition.tasks import of_fields
from workbench.exits import Exit, complain, stop
from workbench.files import open_regular

MAX_LINE_BYTES: Final = 1024 * 1024
MAX_QUESTION_BYTES: Final = 64 * 1024
MAX_DIGITS: Final = 4_000
MAX_LINES: Final = 1_000_000
KNOWN: Final = ("id", "question", "context", "expected")


class Line(Struct, frozen=True):
    """One question of a batch."""

    id: str
    question: str
    context: str = ""
    """Path of a file, empty for none."""
    expected: str | None = None
    """The label. It is compared with the answer at the very end and goes nowhere else."""
    where: str = ""
    """`FILE:LINE`, for messages."""


def read_lines(path: Path) -> list[Line]:
    """The questions of a file.

    Raises:
        Complaint: Something in it does not hold together; the message names file and line.
    """
    with open_regular(path) as file:
        lines = list(_lines(file, path.name))
    if not lines:
        stop(f"{path.name} holds no question", Exit.BAD_DATA)
    _check_ids(lines)
    _warn_of_answers(lines)
    return lines


def read_question(argument: str) -> str:
    """The question of an argument; `-` reads standard input, up to its cap.

    Raises:
        Complaint: The text on standard input is too long or is not UTF-8.
    """
    if argument != "-":
        return argument
    stream: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if stream is None:
        stop("standard input is closed; give the question as an argument")
    try:
        raw = stream.read(MAX_QUESTION_BYTES + 1)
    except OSError as error:
        stop(f"cannot read standard input: {error.strerror}", Exit.BAD_DATA)
    if len(raw) > MAX_QUESTION_BYTES:
        stop(f"the question is longer than {MAX_QUESTION_BYTES} bytes", Exit.BAD_DATA)
    try:
        return raw.decode("utf-8-sig").strip("\n")
    except UnicodeDecodeError as error:
        stop(f"the question is not UTF-8 at byte {error.start}", Exit.BAD_DATA)


def _lines(file: BinaryIO, name: str) -> Iterator[Line]:
    found = 0
    for number in count(1):
        raw = file.readline(MAX_LINE_BYTES + 2)
        if not raw:
            return
        if number == 1:
            if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
                stop(f"{name} is UTF-16; save it as UTF-8", Exit.BAD_DATA)
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if raw.strip():
            found += 1
            yield _line(raw.removesuffix(b"\n"), f"{name}:{number}", str(number))
        if found > MAX_LINES:
            stop(f"{name}:{number}: more than {MAX_LINES} questions", Exit.BAD_DATA)


def _line(raw: bytes, where: str, number: str) -> Line:
    if len(raw) > MAX_LINE_BYTES:
        stop(f"{where}: the line is longer than {MAX_LINE_BYTES} bytes", Exit.BAD_DATA)
    record = strict_object(raw, where)
    identifier = record.get("id", number)
    if not isinstance(identifier, str | int) or isinstance(identifier, bool):
        stop(f"{where}: id must be text or a whole number", Exit.BAD_DATA)
    question = record.get("question")
    if question is None:
        try:
            question = of_fields(record)
        except BadTask as error:
            stop(f"{where}: {error}", Exit.BAD_DATA)
    if not isinstance(question, str):
        stop(f"{where}: there is no question, and no task has these fields", Exit.BAD_DATA)
    if not question.strip():
        stop(f"{where}: the question is empty", Exit.BAD_DATA)
    if len(question.encode()) > MAX_QUESTION_BYTES:
        stop(f"{where}: the question is longer than {MAX_QUESTION_BYTES} bytes", Exit.BAD_DATA)
    context = _text(record, "context", where) or ""
    return Line(str(identifier), question, context, _expected(record, where), where)


def _expected(record: dict[str, Any], where: str) -> str | None:
    value = record.get("expected")
    if isinstance(value, int | float) and not isinstance(value, bool):
        # 2.0 and 2 are one number; as text they would be two.
        return str(int(value) if isinstance(value, float) and value.is_integer() else value)
    return _text(record, "expected", where)


def _text(record: dict[str, Any], field: str, where: str) -> str | None:
    value = record.get(field)
    if value is not None and not isinstance(value, str):
        stop(f"{where}: {field} must be text", Exit.BAD_DATA)
    return value


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


def _check_ids(lines: list[Line]) -> None:
    seen: dict[str, str] = {}
    for line in lines:
        if line.id in seen:
            first = seen[line.id].rpartition(":")[2]
            stop(
                f"{line.where}: the id {line.id[:40]!r} stands twice, first in line {first}",
                Exit.BAD_DATA,
            )
        seen[line.id] = line.where


def _warn_of_answers(lines: list[Line]) -> None:
    """Say where a question already holds its expected answer."""
    found = [
        line.id
        for line in lines
        if line.expected and len(line.expected) > 3 and line.expected in line.question
    ]
    if found:
        complain(
            f"warning: questions that contain their expected answer: {len(found)}, first {found[0]}"
        )
