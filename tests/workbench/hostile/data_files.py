"""Data files that do not hold together, or that hold what they should not."""

import csv
import json
import os
from pathlib import Path
from typing import Final

from tests.workbench.conftest import Ran, Run
from tests.workbench.hostile.case import BEYOND, STORE, Case, absent, all_of, put
from workbench.rounds.curves import Row
from workbench.rounds.figures import table

CUT: Final = "line cut in the middle"
KEY_TWICE: Final = "duplicate JSON key"
NAN: Final = "NaN or Infinity"
DIGITS: Final = "5,000-digit integer"
DEEP: Final = "`[` \N{MULTIPLICATION SIGN} 100,000"
SURROGATE: Final = "lone surrogate `\\ud800`"
NUL: Final = "NUL in text"
ENCODING: Final = "UTF-8 BOM accepted, UTF-16 named"
FIELD: Final = "CSV field over the cap"
IDS: Final = "duplicate ids"
NOTHING: Final = "empty file"
BOTH: Final = "the same question in train and test"
GOLD: Final = "gold answer inside the question"
FORMULA: Final = "export cell that begins with `=`"
FLOOR: Final = (
    CUT, KEY_TWICE, NAN, DIGITS, DEEP, SURROGATE, NUL, ENCODING, FIELD, IDS, NOTHING, BOTH, GOLD,
    FORMULA,
)  # fmt: skip

NO_STORE: Final = absent(*STORE)
STUDENT: Final = ("student", "student/student.json", "student/weights.safetensors")
LINE: Final = b'{"question": "1 + 2"}\n'


def refused(floor: str, name: str, raw: bytes, *says: str, file: str = "q.jsonl") -> Case:
    """A file that is refused with its line, and of which no run is made."""
    written = put(file, raw)
    return Case(floor, name, 3, (*says, file), ("amplify", file), before=written, after=NO_STORE)


def accepted(floor: str, name: str, raw: bytes, *says: str, file: str = "q.jsonl") -> Case:
    """A file that is taken."""
    return Case(floor, name, 0, says, ("amplify", file), before=put(file, raw), leaves=STORE)


def both_sides(run: Run) -> Ran:
    """One student of two runs that share every question."""
    sums = [f"{left} + {right}" for left in range(10, 40, 3) for right in (11, 25, 38)]
    Path("q.jsonl").write_text("".join(json.dumps({"question": each}) + "\n" for each in sums))
    for name in ("one", "two"):
        assert run("amplify", "q.jsonl", "--run", name).code == 0
    return run("distill", "one", "two", "--out", "student", "--steps", "1")


def a_formula(run: Run) -> Ran:
    """A cell that a spreadsheet would compute, on its way out."""
    names = ("=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1")
    raw = table([Row(name, "", 1, 2, 0.5) for name in names]).decode()
    cells = [row[0] for row in list(csv.reader(raw.splitlines()))[1:]]
    assert cells == [f"'{name}" for name in names]
    del run
    return Ran(0, raw, "")


CASES: Final = (
    refused(CUT, "last line", LINE + b'{"question": "1 +', "q.jsonl:2", "not JSON"),
    refused(CUT, "first line", b'{"question"\n' + LINE, "q.jsonl:1", "not JSON"),
    refused(CUT, "quotation mark", b'question\n"1 + 2\n', "q.csv:2", "never closed", file="q.csv"),
    refused(KEY_TWICE, "question", b'{"question": "1 + 2", "question": "3 + 4"}', "stands twice"),
    refused(KEY_TWICE, "below", b'{"question": "1", "x": {"a": 1, "a": 2}}', "stands twice"),
    refused(KEY_TWICE, "column", b"question,question\n1 + 2,3\n", "stands twice", file="q.csv"),
    refused(NAN, "NaN", b'{"question": "1 + 2", "x": NaN}', "q.jsonl:1: NaN"),
    refused(NAN, "Infinity", b'{"question": "1 + 2", "x": -Infinity}', "Infinity"),
    refused(NAN, "too large", b'{"question": "1 + 2", "expected": 1e999}', "the number 1e999"),
    refused(DIGITS, "x", b'{"question": "1 + 2", "x": ' + b"9" * 5000 + b"}", "5000 digits"),
    refused(DEEP, "open", b'{"x": ' + b"[" * 100_000, "nested too deep"),
    refused(DEEP, "closed", b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deep"),
    refused(SURROGATE, "question", b'{"question": "\\ud800"}', "half of a surrogate pair"),
    refused(SURROGATE, "key", b'{"question": "1 + 2", "\\udfff": 1}', "surrogate"),
    refused(NUL, "escaped", b'{"question": "1 + 2\\u0000"}', "NUL"),
    refused(NUL, "in a table", b"question\n1 + 2\0\n", "NUL", file="q.csv"),
    accepted(ENCODING, "byte order mark", b"\xef\xbb\xbf" + LINE, '"answer":"3"'),
    accepted(ENCODING, "in a table", b"\xef\xbb\xbfquestion\n1 + 2\n", '"3"', file="q.csv"),
    refused(ENCODING, "UTF-16", LINE.decode().encode("utf-16"), "UTF-16; save it as UTF-8"),
    refused(ENCODING, "UTF-16 table", "question\n1\n".encode("utf-16"), "UTF-16", file="q.csv"),
    refused(ENCODING, "Latin-1", b'{"question": "caf\xe9"}', "not UTF-8 at byte 17"),
    refused(FIELD, "cap", b'question\n"' + b"x" * 200_000 + b'"\n', "q.csv:2", file="q.csv"),
    refused(FIELD, "line", b"question\n" + b"x" * 2_000_000 + b"\n", "longer than", file="q.csv"),
    refused(IDS, "named", b'{"id": "a", "question": "1 + 2"}\n' * 2, "q.jsonl:2: the id 'a'"),
    refused(IDS, "in a table", b"id,question\na,1 + 2\na,3 + 4\n", "stands twice", file="q.csv"),
    refused(NOTHING, "no byte", b"", "holds no question"),
    refused(NOTHING, "blank lines", b"\n\n", "holds no question"),
    refused(NOTHING, "header alone", b"id,question\n", "holds no question", file="q.csv"),
    Case(
        BOTH, "runs that share questions", 0, ("trained on", "held out"), play=both_sides,
        leaves=(*STORE, "q.jsonl", *STUDENT),
    ),
    accepted(
        GOLD, "sum", b'{"id": "a", "question": "1000 + 2000", "expected": "1000"}\n',
        "warning: questions that contain their expected answer: 1, first a",
    ),
    *(
        accepted(
            BEYOND, f"expected {text}", f'{{"question": "1 + 2", "expected": {text}}}'.encode(),
            '"correct":true',
        )
        for text in ("3", "3.0", '"3"', "3e0")
    ),
    Case(FORMULA, "figures", 0, (), play=a_formula),
    refused(BEYOND, "array", b"[1, 2]", "one JSON object"),
    refused(BEYOND, "no question", b'{"id": "a"}', "there is no question"),
    refused(BEYOND, "blank question", b'{"question": " "}', "the question is empty"),
    refused(BEYOND, "number", b'{"question": 3}', "no question"),
    refused(BEYOND, "long line", b'{"question": "' + b"x" * 2_000_000 + b'"}', "longer than"),
    refused(BEYOND, "long question", b'{"question": "' + b"x" * 70_000 + b'"}', "longer than"),
    refused(BEYOND, "bad numbers", b'{"numbers": ["x", 2, 3, 4]}', "q.jsonl:1"),
    refused(BEYOND, "expected list", b'{"question": "1 + 2", "expected": [1]}', "must be text"),
    refused(BEYOND, "nobody knows", LINE + b'{"question": "why?"}', "q.jsonl:2: no task knows"),
    refused(BEYOND, "no context", b'{"question": "x", "context": "none.md"}', "1: cannot read"),
    refused(BEYOND, "endless context", b'{"question": "x", "context": "/dev/zero"}', "not a file"),
    refused(BEYOND, "columns", b"question,x\n1 + 2\n", "1 columns, the header has 2", file="q.csv"),
    refused(BEYOND, "semicolons", b"id;question\na;1 + 2\n", "CSV needs commas", file="q.csv"),
    Case(
        BEYOND, "pipe as file", 3, ("pipe",), ("amplify", "pipe"),
        before=lambda: os.mkfifo("pipe", 0o600), after=NO_STORE,
    ),
    Case(
        BEYOND, "pipe as context", 3, ("pipe",), ("ask", "x", "--context", "pipe"),
        before=lambda: os.mkfifo("pipe", 0o600), after=NO_STORE,
    ),
    Case(
        BEYOND, "recorded answers cut", 3, ("r.jsonl:1",),
        ("amplify", "q.jsonl", "--by", "recorded:r.jsonl:a"),
        before=all_of(put("q.jsonl", LINE), put("r.jsonl", b'{"id": "1", "a')),
        after=NO_STORE,
    ),
)  # fmt: skip
