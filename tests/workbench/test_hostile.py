"""Hostile and bad inputs: each ends in its exit code, with one screen and no traceback."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.workbench.conftest import Run


class Case(NamedTuple):
    """Arguments, the exit code, and words of the message."""

    name: str
    arguments: tuple[str, ...]
    code: int
    words: str
    stdin: bytes = b""


COMMAND_LINE = (
    Case("negative fuel", ("ask", "1 + 2", "--fuel", "-1"), 2, "whole number ≥ 1"),
    Case("fuel nan", ("ask", "1 + 2", "--fuel", "nan"), 2, "whole number ≥ 1"),
    Case("fuel 1e400", ("ask", "1 + 2", "--fuel", "1e400"), 2, "whole number ≥ 1"),
    Case("fuel zero", ("ask", "1 + 2", "--fuel", "0"), 2, "whole number ≥ 1"),
    Case("deep", ("ask", "1 + 2", "--depth", "999999999"), 2, "--depth must be from 1 to"),
    Case("unknown command", ("aks", "1 + 2"), 2, "ask"),
    Case("unknown option", ("ask", "1 + 2", "--fule", "3"), 2, "--fuel"),
    Case("empty question", ("ask", ""), 2, "empty"),
    Case("blank question", ("ask", " \t "), 2, "empty"),
    Case("huge stdin", ("ask", "-"), 3, "longer than", b"x" * 100_000),
    Case("stdin not UTF-8", ("ask", "-"), 3, "byte 2", b"ab\xff"),
    Case("argument not UTF-8", ("ask", "ab\udcff"), 2, "not UTF-8 at byte 2"),
    Case("unknown reuse", ("ask", "1 + 2", "--reuse", "all"), 2, "none, memo, joins"),
    Case("unknown policy", ("ask", "1 + 2", "--policy", "recurs"), 2, "recurse"),
    Case("unknown rule", ("ask", "1 + 2", "--rule", "most"), 2, "majority"),
    Case("samples 0", ("ask", "1 + 2", "--samples", "0"), 2, "samples"),
    Case("samples 65", ("ask", "1 + 2", "--samples", "65"), 2, "samples"),
    Case("audit 2", ("ask", "1 + 2", "--audit", "2"), 2, "from 0 to 1"),
    Case("unknown answerer", ("ask", "1 + 2", "--by", "exprt"), 2, "did you mean 'expert'"),
    Case("vote of none", ("ask", "1 + 2", "--by", "vote:0:expert"), 2, "K from 1 to"),
    Case("student too early", ("ask", "1 + 2", "--by", "student:x"), 2, "cannot act yet"),
    Case("bad probability", ("ask", "1 + 2", "--by", "faulty:2:expert"), 2, "probability"),
    Case("brackets alone", ("ask", "1 + 2", "--by", "majority[expert,"), 2, "no answerer"),
    Case("missing user file", ("ask", "x", "--by", "none.py:f"), 3, "none.py"),
    Case("nobody knows", ("ask", "why is the sky blue?"), 2, "--by FILE.py:NAME"),
    Case("unknown task", ("ask", "1 + 2", "--task", "arithmetics"), 2, "arithmetic"),
    Case("wrong task", ("ask", "1 + 2", "--task", "game24"), 3, "not a question of"),
    Case("missing context", ("ask", "x", "--context", "none.md"), 3, "cannot read"),
    Case("missing file", ("amplify", "none.jsonl"), 3, "cannot read none.jsonl"),
    Case("a folder", ("amplify", "."), 3, "folder"),
    Case("no file", ("amplify",), 2, "file of questions"),
    Case("run of no store", ("amplify", "--resume", "nobody"), 5, "no store is here"),
    Case("no store", ("trace", "show", "t-ffff"), 5, "no store is here"),
)

RUN_NAMES = ("../../x", "a/b", "x" * 300, "-rf", "a..b", "a b", "")


@pytest.mark.parametrize("case", COMMAND_LINE, ids=lambda case: case.name)
def test_the_command_line_refuses(case: Case, run: Run) -> None:
    """A wrong command line is refused with its code, and leaves no store behind that holds it."""
    ran = run(*case.arguments, stdin=case.stdin)
    assert ran.code == case.code, ran.err
    assert case.words in ran.err
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) <= 24
    assert not ran.out


@pytest.mark.parametrize("name", RUN_NAMES[:-1])
def test_a_run_has_a_tame_name(name: str, run: Run) -> None:
    """A run's name is no path and no option."""
    Path("q.jsonl").write_text('{"question": "1 + 2"}\n')
    ran = run("amplify", "q.jsonl", f"--run={name}")
    assert ran.code == 2, ran.err
    assert "a run's name has" in ran.err


DATA = (
    ("cut", b'{"question": "1 + 2"}\n{"question": "1 +', "q.jsonl:2"),
    ("duplicate key", b'{"question": "1 + 2", "question": "3 + 4"}', "stands twice"),
    ("NaN", b'{"question": "1 + 2", "x": NaN}', "NaN"),
    ("Infinity", b'{"question": "1 + 2", "x": -Infinity}', "Infinity"),
    ("long integer", b'{"question": "1 + 2", "x": ' + b"9" * 5000 + b"}", "5000 digits"),
    ("deep", b'{"x": ' + b"[" * 100_000, "nested too deep"),
    ("surrogate", b'{"question": "\\ud800"}', "surrogate"),
    ("NUL", b'{"question": "1 + 2\\u0000"}', "NUL"),
    ("UTF-16", '{"question": "1 + 2"}'.encode("utf-16"), "UTF-16"),
    ("Latin-1", b'{"question": "caf\xe9"}', "not UTF-8 at byte"),
    ("empty", b"", "no question"),
    ("blank lines", b"\n\n", "no question"),
    ("array", b"[1, 2]", "one JSON object"),
    ("no question", b'{"id": "a"}', "no question"),
    ("blank question", b'{"question": " "}', "empty"),
    ("number", b'{"question": 3}', "no question"),
    ("duplicate ids", b'{"id": "a", "question": "1 + 2"}\n' * 2, "stands twice"),
    ("long line", b'{"question": "' + b"x" * 2_000_000 + b'"}', "longer than"),
    ("long question", b'{"question": "' + b"x" * 70_000 + b'"}', "longer than"),
    ("bad numbers", b'{"numbers": ["x", 2, 3, 4]}', "q.jsonl:1"),
    ("expected list", b'{"question": "1 + 2", "expected": [1]}', "must be text"),
)


@pytest.mark.parametrize(("raw", "words"), [d[1:] for d in DATA], ids=[d[0] for d in DATA])
def test_a_data_file_is_refused(raw: bytes, words: str, run: Run) -> None:
    """A file that does not hold together is refused with its line, and no run is accepted."""
    Path("q.jsonl").write_bytes(raw)
    ran = run("amplify", "q.jsonl")
    assert ran.code == 3, ran.err
    assert words in ran.err
    assert "q.jsonl" in ran.err
    assert "Traceback" not in ran.err
    assert not ran.out
    assert not Path("workbench.db").exists()


def test_a_byte_order_mark_is_accepted(run: Run) -> None:
    """A UTF-8 file may begin with a byte order mark."""
    Path("q.jsonl").write_bytes(b'\xef\xbb\xbf{"question": "1 + 2"}\n')
    ran = run("amplify", "q.jsonl")
    assert ran.code == 0, ran.err
    assert '"answer":"3"' in ran.out


def test_an_answer_inside_its_question_is_named(run: Run) -> None:
    """A question that contains its expected answer draws a warning."""
    Path("q.jsonl").write_text('{"id": "a", "question": "1000 + 2000", "expected": "1000"}\n')
    ran = run("amplify", "q.jsonl")
    assert ran.code == 0
    assert "contain their expected answer" in ran.err


def test_output_is_never_overwritten_unasked(run: Run) -> None:
    """An output that exists stays as it is; so does a folder."""
    Path("q.jsonl").write_text('{"question": "1 + 2"}\n')
    Path("out.jsonl").write_text("mine")
    assert run("amplify", "q.jsonl", "--out", "out.jsonl").code == 5
    assert Path("out.jsonl").read_text() == "mine"
    Path("folder").mkdir()
    assert run("amplify", "q.jsonl", "--out", "folder").code == 5
    assert run("amplify", "q.jsonl", "--out", "none/out.jsonl").code == 5
    assert run("amplify", "q.jsonl", "--out", "out.jsonl", "--force").code == 0


def test_a_user_file_that_others_can_write_does_not_run(run: Run) -> None:
    """A plugin that everybody may change is refused before its code runs."""
    plugin = Path("plugin.py")
    plugin.write_text("open('ran', 'w').close()\ndef f(question):\n    return '1'\n")
    plugin.chmod(0o666)
    ran = run("ask", "x", "--by", "plugin.py:f")
    assert ran.code == 8, ran.err
    assert not Path("ran").exists()


STORES = (
    ("not SQLite", b"hello, this is a text file of some length\n" * 10),
    ("empty", b""),
    ("random", bytes(range(256)) * 16),
)


@pytest.mark.parametrize("raw", [raw for _, raw in STORES], ids=[name for name, _ in STORES])
def test_a_store_that_is_none_is_left_alone(raw: bytes, run: Run) -> None:
    """A file that is no store is refused with 5 and keeps its bytes."""
    Path("mine.db").write_bytes(raw)
    ran = run("ask", "1 + 2", "--store", "mine.db")
    assert ran.code == 5, ran.err
    assert Path("mine.db").read_bytes() == raw
    assert "Traceback" not in ran.err


def test_markup_and_escapes_in_a_question_are_shown(run: Run) -> None:
    """Terminal escapes and markup in foreign text reach the terminal only escaped."""
    hostile = "1\x1b]52;c;AAAA\x07[bold]\u202e + 2"
    Path("echo.py").write_text("def f(question):\n    return question\n")
    Path("echo.py").chmod(0o600)
    ran = run("ask", hostile, "--by", "echo.py:f")
    assert ran.code == 0, ran.err
    assert "\x1b" not in ran.out + ran.err
    assert "\u202e" not in ran.out + ran.err
    assert "[bold]" in ran.out
