"""Hostile and bad inputs: each ends in its exit code, with one screen and no traceback."""

import os
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
    Case("chat too early", ("ask", "1 + 2", "--by", "chat:x:y"), 2, "cannot act yet"),
    Case("student nowhere", ("ask", "1 + 2", "--by", "student:x"), 3, "no such folder"),
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
    Case("question of no store", ("ask", "--resume", "t-ff"), 5, "no store is here"),
    Case("gc of no store", ("trace", "gc", "t-ff", "--yes"), 5, "no store is here"),
    Case("gc of nothing", ("trace", "gc"), 2, "nothing to remove"),
    Case(
        "redact of no store",
        ("trace", "redact", "t-ff", "--event", "1", "--yes"),
        5,
        "no store is here",
    ),
    Case("empty store", ("ask", "1 + 2", "--store", ""), 2, "--store is empty"),
    Case("store in memory", ("ask", "1 + 2", "--store", ":memory:"), 2, "a store is a file"),
    Case("address in memory", ("ask", "1 + 2", "--store", "sqlite://"), 2, "a store is a file"),
    Case("huge seed", ("ask", "1 + 2", "--seed", "1" + "0" * 20), 2, "64 bits"),
    Case("seed is no number", ("ask", "1 + 2", "--seed", "x"), 2, "64 bits"),
    Case("huge limit", ("trace", "list", "--limit", "1" + "0" * 20), 2, "--limit"),
    Case("task for make", ("tasks", "make", "gam24", "--out", "x"), 2, "did you mean game24"),
    Case("size of make", ("tasks", "make", "arithmetic", "--size", "999", "--out", "x"), 2, "999"),
    Case("size of a hand", ("tasks", "make", "game24", "--size", "3", "--out", "x"), 2, "--size"),
    Case("out is too long", ("tasks", "make", "game24", "--out", "x" * 300), 5, "too long"),
    Case("out is a device", ("tasks", "make", "game24", "--out", "/dev/full", "--force"), 5, "dev"),
    Case("rule of nobody", ("ask", "1 + 2", "--by", "majority[]"), 2, "list of answerers"),
    Case("vote in a vote", ("ask", "1 + 2", "--by", "vote:3:vote:3:expert"), 2, "do not nest"),
    Case("vote in a rule", ("ask", "1 + 2", "--by", "majority[vote:3:expert]"), 2, "do not nest"),
    Case("table", ("ask", "1 + 2", "--policy", "table"), 2, "direct, recurse, amplify, cascade,"),
    Case("width", ("trace", "show", "last", "--width", "-5"), 2, "--width"),
    Case("lines", ("trace", "show", "last", "--lines", "-3"), 2, "--lines"),
    Case("anchor", ("trace", "verify", "--anchor", "xx"), 2, "hexadecimal"),
    Case("choice", ("ask", "1 + 2", "--reuse", "memo", "--memo-choice", "best"), 2, "majority"),
    Case("choice of none", ("ask", "1 + 2", "--memo-choice", "ask"), 2, "--reuse memo"),
    Case("endless file", ("amplify", "/dev/zero"), 3, "not a file"),
    Case("endless context", ("ask", "x", "--context", "/dev/zero"), 3, "not a file"),
)

RUN_NAMES = ("last", "../../x", "a/b", "x" * 300, "-rf", "a..b", "a b", "")


@pytest.mark.parametrize("case", COMMAND_LINE, ids=lambda case: case.name)
def test_the_command_line_refuses(case: Case, run: Run) -> None:
    """A wrong command line is refused with its code, and leaves no store behind that holds it."""
    ran = run(*case.arguments, stdin=case.stdin)
    assert ran.code == case.code, ran.err
    assert case.words in ran.err
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) <= 24
    assert not ran.out
    assert not Path("workbench.db").exists()


@pytest.mark.parametrize("name", RUN_NAMES[:-1])
def test_a_run_has_a_tame_name(name: str, run: Run) -> None:
    """A run's name is no path and no option."""
    Path("q.jsonl").write_text('{"question": "1 + 2"}\n')
    ran = run("amplify", "q.jsonl", f"--run={name}")
    assert ran.code == 2, ran.err
    assert "a run's" in ran.err


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
    ("too large", b'{"question": "1 + 2", "expected": 1e999}', "q.jsonl:1: the number 1e999"),
    ("nobody knows", b'{"question": "1 + 2"}\n{"question": "why?"}', "q.jsonl:2: no task knows"),
    ("same id", b'{"id": "a", "question": "1"}\n{"id": "a", "question": "2"}', "q.jsonl:2: the id"),
    ("no context", b'{"question": "x", "context": "none.md"}', "q.jsonl:1: cannot read"),
    ("endless context", b'{"question": "x", "context": "/dev/zero"}', "q.jsonl:1: the context"),
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


def test_a_pipe_is_not_waited_for(run: Run) -> None:
    """A pipe that nobody writes to is refused as a file and as a context."""
    os.mkfifo("pipe", 0o600)
    for arguments in (("amplify", "pipe"), ("ask", "x", "--context", "pipe")):
        ran = run(*arguments)
        assert ran.code == 3, ran.err
        assert "pipe" in ran.err


@pytest.mark.parametrize("expected", ["3", "3.0", '"3"', "3e0"])
def test_an_expected_number_is_compared_as_a_number(expected: str, run: Run) -> None:
    """Whole numbers are equal however they are written."""
    Path("q.jsonl").write_text(f'{{"question": "1 + 2", "expected": {expected}}}\n')
    assert '"correct":true' in run("amplify", "q.jsonl").out


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
    for own in ("q.jsonl", "workbench.db"):
        before = Path(own).read_bytes()
        ran = run("amplify", "q.jsonl", "--out", own, "--force")
        assert ran.code == 5, ran.err
        assert "what this command reads" in ran.err
        assert Path(own).read_bytes() == before


def test_a_file_of_questions_is_replaced_whole_or_not_at_all(run: Run) -> None:
    """`tasks make --force` that fails leaves what was there, and nothing beside it."""
    Path("q.jsonl").write_text("mine")
    assert (
        run("tasks", "make", "arithmetic", "--size", "0", "--out", "q.jsonl", "--force").code == 2
    )
    assert Path("q.jsonl").read_text() == "mine"
    assert [path.name for path in Path.cwd().iterdir()] == ["q.jsonl"]
    made = run("tasks", "make", "arithmetic", "--count", "3", "--out", "q.jsonl", "--force")
    assert made.code == 0
    assert len(Path("q.jsonl").read_text().splitlines()) == 3


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
