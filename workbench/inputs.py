"""Inputs: the questions of a file, read strictly, every refusal with its file and line."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import Struct

from decomposition.errors import BadTask
from decomposition.tasks import of_fields
from workbench.exits import Exit, complain, stop
from workbench.field_paths import lookup, paths_of, unknown
from workbench.records import Row, rows

MAX_QUESTION_BYTES: Final = 64 * 1024
MAX_LINES: Final = 1_000_000
KNOWN: Final = ("id", "question", "context", "expected")
"""Fields of a line; others are not read."""
_NEEDED: Final = ("id", "question")
"""Fields that every line must have once they are mapped."""
_AS_NAMED: Final[Mapping[str, str]] = {}


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
    numbered: bool = False
    """Whether the id is the line's number, because the file has none."""


class Source(Struct, frozen=True):
    """Where questions come from."""

    path: Path
    form: str = ""
    """`jsonl` or `csv`; empty for what the file's name says."""
    mapped: Mapping[str, str] = _AS_NAMED
    """As of `mapping`."""


def read_lines(path: Path, form: str = "", mapped: Mapping[str, str] = _AS_NAMED) -> list[Line]:
    """The questions of a file.

    Args:
        path: JSON Lines or CSV.
        form: `jsonl` or `csv`; empty for what the file's name says.
        mapped: Where a field of `KNOWN` stands under another name, as of `mapping`.

    Raises:
        Complaint: Something in it does not hold together; the message names file and line.
    """
    columns = _Columns(mapped)
    lines: list[Line] = []
    for row in rows(path, form):
        lines.append(_line(row, columns))
        if len(lines) > MAX_LINES:
            stop(f"{row.where}: more than {MAX_LINES} questions", Exit.BAD_DATA)
    if not lines:
        stop(f"{path.name} holds no question", Exit.BAD_DATA)
    columns.check()
    _check_ids(lines)
    _warn_of_answers(lines)
    return lines


def mapping(texts: Sequence[str]) -> dict[str, str]:
    """Fields of a line by the names under which they stand in a file.

    Args:
        texts: Such as `question=prompt` or `expected=meta.gold`.

    Raises:
        Complaint: One is not of that form, or a field is named twice or is none.
    """
    found: dict[str, str] = {}
    for text in texts:
        field, equals, column = (part.strip() for part in text.partition("="))
        if not (field and equals and column):
            stop(f"--map is FIELD=COLUMN, such as question=prompt, not {text[:60]!r}")
        if field not in KNOWN:
            stop(f"--map {text[:60]}: {unknown(field, KNOWN)}")
        if field in found:
            stop(f"--map names {field} twice")
        found[field] = column
    return found


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


class _Columns:
    """Where the fields of a line stand in its record."""

    def __init__(self, mapped: Mapping[str, str]) -> None:
        self._mapped = mapped
        self._met: set[str] = set()
        self._first: Row | None = None

    def value(self, row: Row, field: str) -> object:
        """What a record has for a field; None for nothing.

        Raises:
            Complaint: A field that every line needs was mapped to a column that this line lacks.
        """
        self._first = self._first or row
        column = self._mapped.get(field)
        if column is None:
            value: object = row.fields.get(field)
        else:
            found = lookup(row.fields, column)
            if found is None and field in _NEEDED:
                stop(f"{row.where}: {self._lacking(row, field)}", Exit.BAD_DATA)
            if found is not None:
                self._met.add(field)
            value = found and found.value
        return None if row.table and value == "" else value

    def check(self) -> None:
        """Nothing, if every column that a field was mapped to stands in some line.

        Raises:
            Complaint: One does not.
        """
        for field in self._mapped:
            if field not in self._met and self._first is not None:
                stop(f"{self._first.where}: {self._lacking(self._first, field)}", Exit.BAD_DATA)

    def maps(self, field: str) -> bool:
        """Whether a field stands under another name."""
        return field in self._mapped

    def _lacking(self, row: Row, field: str) -> str:
        column = self._mapped[field]
        return f"--map {field}={column[:60]}: {unknown(column, paths_of(row.fields))}"


def _line(row: Row, columns: _Columns) -> Line:
    where = row.where
    question = _question(row, columns)
    identifier = columns.value(row, "id")
    absent = row.table or not (columns.maps("id") or "id" in row.fields)
    numbered = identifier is None and absent
    if numbered:
        identifier = row.number
    if not isinstance(identifier, str | int) or isinstance(identifier, bool):
        stop(f"{where}: id must be text or a whole number", Exit.BAD_DATA)
    context = _text(columns.value(row, "context"), "context", where) or ""
    expected = _expected(columns.value(row, "expected"), where)
    return Line(str(identifier), question, context, expected, where, numbered)


def _question(row: Row, columns: _Columns) -> str:
    question = columns.value(row, "question")
    if question is None and not columns.maps("question"):
        try:
            question = of_fields(row.fields)
        except BadTask as error:
            stop(f"{row.where}: {error}", Exit.BAD_DATA)
    if row.table and question is None and ("question" in row.fields or columns.maps("question")):
        question = ""
    if not isinstance(question, str):
        have = ", ".join(paths_of(row.fields)[:8])
        stop(
            f"{row.where}: there is no question, and no task has these fields: {have}\n"
            "name the field that has it with --map question=FIELD",
            Exit.BAD_DATA,
        )
    if not question.strip():
        stop(f"{row.where}: the question is empty", Exit.BAD_DATA)
    if len(question.encode()) > MAX_QUESTION_BYTES:
        stop(f"{row.where}: the question is longer than {MAX_QUESTION_BYTES} bytes", Exit.BAD_DATA)
    return question


def _expected(value: object, where: str) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        # 2.0 and 2 are one number; as text they would be two.
        return str(int(value) if isinstance(value, float) and value.is_integer() else value)
    return _text(value, "expected", where)


def _text(value: object, field: str, where: str) -> str | None:
    if value is not None and not isinstance(value, str):
        stop(f"{where}: {field} must be text", Exit.BAD_DATA)
    return value


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
