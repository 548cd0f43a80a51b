"""Records: the objects of a JSON Lines or CSV file, read strictly and one at a time.

Every refusal names file and line. Nothing here knows what the fields mean.
"""

import csv
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Final

from msgspec import Struct

from workbench.exits import Exit, stop
from workbench.files import open_regular
from workbench.strict_json import strict_object

MAX_LINE_BYTES: Final = 1024 * 1024
MAX_FIELD_CHARS: Final = 131_072
"""Of a field of CSV."""
FORMATS: Final = ("jsonl", "csv")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_OTHER_SEPARATORS: Final = (";", "\t", "|")


class Row(Struct, frozen=True):
    """One record of a file."""

    where: str
    """`FILE:LINE`, for messages."""
    number: int
    """Of the line on which it begins, from 1."""
    fields: dict[str, Any]
    table: bool = False
    """Whether it is a row of CSV: all fields are text, and an empty one says nothing."""


def rows(path: Path, form: str = "") -> Iterator[Row]:
    """The records of a file; blank lines are skipped.

    Args:
        path: A regular file.
        form: One of `FORMATS`; empty for what the file's name ends with, else JSON Lines.

    Raises:
        Complaint: Something in it does not hold together.
    """
    if form and form not in FORMATS:
        stop(f"--format must be one of {', '.join(FORMATS)}, not {form[:40]!r}")
    table = form == "csv" if form else path.suffix.lower() == ".csv"
    with open_regular(path) as file:
        yield from (_of_csv if table else _of_json)(file, path.name)


def _of_json(file: BinaryIO, name: str) -> Iterator[Row]:
    for number, raw in _lines(file, name):
        if raw.strip():
            where = f"{name}:{number}"
            yield Row(where, number, strict_object(raw.removesuffix(b"\n"), where))


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers and ends, without a byte order mark."""
    for number in count(1):
        raw = file.readline(MAX_LINE_BYTES + 2)
        if not raw:
            return
        if number == 1:
            if raw.startswith(_UTF16):
                stop(f"{name} is UTF-16; save it as UTF-8", Exit.BAD_DATA)
            raw = raw.removeprefix(_BYTE_ORDER_MARK)
        if len(raw.removesuffix(b"\n")) > MAX_LINE_BYTES:
            stop(f"{name}:{number}: the line is longer than {MAX_LINE_BYTES} bytes", Exit.BAD_DATA)
        yield number, raw


def _of_csv(file: BinaryIO, name: str) -> Iterator[Row]:
    header: list[str] = []
    for number, cells in _cells(file, name):
        where = f"{name}:{number}"
        if not header:
            header = _header(cells, where)
        elif len(cells) != len(header):
            stop(f"{where}: {len(cells)} columns, the header has {len(header)}", Exit.BAD_DATA)
        else:
            yield Row(where, number, dict(zip(header, cells, strict=True)), table=True)


def _cells(file: BinaryIO, name: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold anything, each with the number of its first line."""
    csv.field_size_limit(MAX_FIELD_CHARS)
    reader = csv.reader(_texts(file, name), strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            stop(f"{name}:{max(begins, reader.line_num)}: {_said(error)}", Exit.BAD_DATA)
        if any(cell.strip() for cell in cells):
            yield begins, cells


def _texts(file: BinaryIO, name: str) -> Iterator[str]:
    for number, raw in _lines(file, name):
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            stop(f"{name}:{number}: not UTF-8 at byte {error.start}", Exit.BAD_DATA)
        if "\0" in text:
            stop(f"{name}:{number}: the text holds a NUL character", Exit.BAD_DATA)
        yield text


def _said(error: csv.Error) -> str:
    """What is wrong with a row, in our words where the reader's own say little."""
    said = str(error)
    if "field limit" in said:
        return f"a field is longer than {MAX_FIELD_CHARS} characters; is a quotation mark missing?"
    if "unexpected end" in said:
        return "a quotation mark that opens a field is never closed"
    if "new-line" in said:
        return "a line ends with a lone carriage return; save the file with LF or CR LF"
    return f"not CSV: {said}"


def _header(cells: list[str], where: str) -> list[str]:
    """The names of the columns.

    Raises:
        Complaint: One is empty or stands twice, or another separator than the comma was used.
    """
    if len(cells) == 1:
        for separator in _OTHER_SEPARATORS:
            if separator in cells[0]:
                message = f"{where}: the columns are separated by {separator!r}; CSV needs commas"
                stop(message, Exit.BAD_DATA)
    names = [cell.strip() for cell in cells]
    for place, name in enumerate(names, 1):
        if not name:
            stop(f"{where}: column {place} has no name", Exit.BAD_DATA)
        if names.index(name) + 1 != place:
            stop(f"{where}: the column {name[:40]!r} stands twice", Exit.BAD_DATA)
    return names
