"""Inputs: CSV beside JSON Lines, columns under other names, and every refusal with its place."""

from pathlib import Path

import pytest

from workbench.exits import Complaint, Exit
from workbench.field_paths import Found, lookup, paths_of
from workbench.inputs import Line, mapping, read_lines
from workbench.records import MAX_FIELD_CHARS


def read(
    folder: Path, raw: bytes | str, *maps: str, name: str = "q.csv", form: str = ""
) -> list[Line]:
    """The lines of a file with this content."""
    path = folder / name
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
    return read_lines(path, form, mapping(maps))


def refused(folder: Path, raw: bytes | str, *maps: str, name: str = "q.csv") -> str:
    """What a file is refused with, which is bad data."""
    with pytest.raises(Complaint) as complaint:
        read(folder, raw, *maps, name=name)
    assert complaint.value.code == Exit.BAD_DATA
    return str(complaint.value)


def test_a_table_gives_the_same_lines_as_json(tmp_path: Path) -> None:
    """One row a question, its columns by the names of the header; other columns are not read."""
    table = read(tmp_path, "id,question,expected,mood\na,1 + 2,3,fine\nb,3 + 4,7,\n")
    objects = read(
        tmp_path,
        '{"id": "a", "question": "1 + 2", "expected": "3", "mood": "fine"}\n'
        '{"id": "b", "question": "3 + 4", "expected": "7"}\n',
        name="q.jsonl",
    )
    assert [(line.id, line.question, line.expected) for line in table] == [
        ("a", "1 + 2", "3"),
        ("b", "3 + 4", "7"),
    ]
    assert [line.question for line in table] == [line.question for line in objects]
    assert [line.where for line in table] == ["q.csv:2", "q.csv:3"]


def test_quoted_fields_hold_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    """A row is named by the line on which it begins, whatever the rows before span."""
    raw = 'question,expected\r\n"How much, in ""$""?\r\nSay.",5\r\n\r\n1 + 2,3\r\n'
    lines = read(tmp_path, raw)
    assert lines[0].question == 'How much, in "$"?\r\nSay.'
    assert [line.where for line in lines] == ["q.csv:2", "q.csv:5"]
    assert [line.id for line in lines] == ["2", "5"]
    assert all(line.numbered for line in lines)


def test_an_empty_cell_says_nothing(tmp_path: Path) -> None:
    """No label, no context and no id of its own; rows of nothing but commas are blank."""
    (line,) = read(tmp_path, "id,question,expected,context\n,1 + 2,,\n,,,\n")
    assert (line.id, line.expected, line.context, line.numbered) == ("2", None, "", True)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """As spreadsheets write one."""
    assert read(tmp_path, b"\xef\xbb\xbfquestion\n1 + 2\n")[0].question == "1 + 2"


def test_the_format_can_be_named(tmp_path: Path) -> None:
    """The name of a file need not tell what is in it."""
    assert read(tmp_path, "question\n1 + 2\n", name="data.txt", form="csv")[0].question == "1 + 2"
    with pytest.raises(Complaint, match="--format must be one of jsonl, csv"):
        read(tmp_path, "question\n1 + 2\n", form="xml")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "q.csv holds no question"),
        (b"question\n", "q.csv holds no question"),
        (b"question,id\n1 + 2\n", "q.csv:2: 1 columns, the header has 2"),
        (b"question\n1 + 2,x\n", "q.csv:2: 2 columns, the header has 1"),
        (b"question,question\n1,2\n", "q.csv:1: the column 'question' stands twice"),
        (b"question,\n1,2\n", "q.csv:1: column 2 has no name"),
        (b"id;question\na;1 + 2\n", "q.csv:1: the columns are separated by ';'"),
        (b'question\n"1 + 2\n', "never closed"),
        (b'question\n"1" + 2\n', "q.csv:2: not CSV"),
        (b"question\n1 + 2\0\n", "q.csv:2: the text holds a NUL"),
        (b"question\n1 + 2\ncaf\xe9\n", "q.csv:3: not UTF-8 at byte 3"),
        ("question\n1 + 2\n".encode("utf-16"), "q.csv is UTF-16"),
        (b"question\n" + b"x" * (MAX_FIELD_CHARS + 1) + b"\n", "q.csv:2: a field is longer than"),
        (b"question\n" + b"x" * 2_000_000, "q.csv:2: the line is longer than"),
        (b"question\r1 + 2\r", "carriage return"),
        (b"id,question\na,\n", "q.csv:2: the question is empty"),
        (b"id,question\na,1\na,2\n", "q.csv:3: the id 'a' stands twice, first in line 2"),
        (b"prompt\n1 + 2\n", "--map question=FIELD"),
    ],
)
def test_a_table_is_refused_with_its_place(raw: bytes, words: str, tmp_path: Path) -> None:
    """What does not hold together is bad data of one line, and nothing is guessed."""
    assert words in refused(tmp_path, raw)


def test_fields_stand_under_other_names(tmp_path: Path) -> None:
    """In a table by column, in objects by a path; a name may hold dots itself."""
    (row,) = read(
        tmp_path,
        "nr,prompt,gold\n7,1 + 2,3\n",
        "question=prompt",
        "id=nr",
        "expected = gold",
    )
    assert (row.id, row.question, row.expected) == ("7", "1 + 2", "3")
    (line,) = read(
        tmp_path,
        '{"meta": {"v1.0": {"gold": 3}}, "texts": ["", "1 + 2"], "question": "x"}\n',
        "question=texts.1",
        "expected=meta.v1.0.gold",
        name="q.jsonl",
    )
    assert (line.question, line.expected) == ("1 + 2", "3")


@pytest.mark.parametrize("raw", ['{"prompt": "1 + 2"}\n', "prompt\n1 + 2\n"])
def test_a_column_that_is_not_there_is_named_with_the_nearest(raw: str, tmp_path: Path) -> None:
    """So that a slip of the keyboard is mended at once; a label is needed in some line only."""
    name = "q.jsonl" if raw.startswith("{") else "q.csv"
    said = refused(tmp_path, raw, "question=promt", name=name)
    assert f"{name}:" in said
    assert "did you mean 'prompt'?" in said
    assert "there is: prompt" in said
    assert "no 'gold'" in refused(tmp_path, raw, "question=prompt", "expected=gold", name=name), (
        "a label that stands nowhere is a slip too"
    )


def test_a_label_may_be_missing_in_some_lines(tmp_path: Path) -> None:
    """Only a column that no line has is a slip."""
    raw = '{"question": "1"}\n{"question": "2", "gold": "2"}\n'
    lines = read(tmp_path, raw, "expected=gold", name="q.jsonl")
    assert [line.expected for line in lines] == [None, "2"]


@pytest.mark.parametrize(
    "text", ["question", "=x", "question=", "prompt=x", "questoin=x"], ids=lambda text: text
)
def test_a_mapping_that_is_none_is_wrong_usage(text: str) -> None:
    """FIELD=COLUMN, with a field that lines have."""
    with pytest.raises(Complaint) as complaint:
        mapping([text])
    assert complaint.value.code == Exit.USAGE
    assert "--map" in str(complaint.value)


def test_a_field_is_mapped_once() -> None:
    """Two columns for one field are a contradiction."""
    with pytest.raises(Complaint, match="twice"):
        mapping(["id=a", "id=b"])


def test_of_several_readings_the_longest_name_is_taken() -> None:
    """And where it leads nowhere, a shorter one; null is something found."""
    record = {"a.b": {"c": 1}, "a": {"b": {"c": 2, "d": 3}, "e": None}, "l": [{"x": 4}]}
    assert lookup(record, "a.b.c") == Found(1)
    assert lookup(record, "a.b.d") == Found(3)
    assert lookup(record, "a.e") == Found(None)
    assert lookup(record, "l.0.x") == Found(4)
    assert lookup(record, "l.1.x") is None
    assert lookup(record, "a.e.f") is None
    assert paths_of(record) == ["a.b.c", "a.b.c", "a.b.d", "a.e", "l"]
