"""Drawings: what a reader finds in a line, at any width and depth."""

import json
import re
from pathlib import Path

import pytest

from tests.workbench.conftest import Run
from workbench.safe_output import columns

DEEP = """
def f(question):
    n = int(question.rsplit(" ", 1)[1].rstrip("?"))
    if n == 0:
        return "a small brass key"
    found = yield f"Opening one box after another, what lies inside the box with number {n - 1}?"
    return f"In {n}: {found}"[:60]
"""
QUESTION = "Opening one box after another, what lies inside the box with number 32?"


@pytest.fixture
def deep(run: Run) -> Run:
    """A chain of 32 levels with questions of a sentence, recorded."""
    Path("deep.py").write_text(DEEP)
    Path("deep.py").chmod(0o600)
    assert run("ask", QUESTION, "--by", "deep.py:f").code == 0
    return run


def drawn(run: Run, width: int, *options: str) -> list[str]:
    """The lines of the newest trace's drawing without its heading."""
    ran = run("trace", "show", "last", "--width", str(width), *options)
    assert ran.code == 0, ran.err
    return ran.out.splitlines()[1:]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_every_answer_stands_in_a_deep_tree(width: int, deep: Run) -> None:
    """At depth 32 each line still shows question, answer and where it is, and fits."""
    lines = drawn(deep, width)
    assert len(lines) == 33
    for depth, line in enumerate(lines):
        answer = "a small" if depth == 32 else f"In {32 - depth}: "[: width // 8]
        assert f"→ {answer}" in line
        assert re.search(r"● Ope", line)
        assert columns(line) <= width
    assert lines[0].split()[-1] == "0"
    assert lines[32].split()[-1] == "@32"
    assert lines[30].startswith("30 ") or lines[30].startswith(" " * 29)


def test_the_answerer_stands_where_there_is_room(deep: Run) -> None:
    """Beside a narrow drawing no answerer takes the place of an answer."""
    assert not any("deep.py" in line for line in drawn(deep, 60))
    assert all("file:deep.py:f" in line for line in drawn(deep, 80))


def test_a_line_leads_to_its_workspace(deep: Run) -> None:
    """What stands at the right edge names the workspace, as a path or by its line."""
    for line in drawn(deep, 80)[::8]:
        label = line.split()[-1]
        seen = deep("trace", "show", "last", "--path", label, "--json")
        assert seen.code == 0, seen.err
        told = json.loads(seen.out)
        depth = int(label.removeprefix("@")) if "@" in label else label.count(".")
        assert told["path"] == ".".join(["0"] + ["1"] * depth)
        assert told["answerer"].startswith("file:deep.py:f@")
    assert deep("trace", "show", "last", "--path", "@99").code == 2
    assert deep("trace", "show", "last", "--path", "@").code == 2


def test_siblings_end_once(run: Run) -> None:
    """Of the samples of the last subquestion only the last closes the branch."""
    assert run("ask", "48 + 95", "--node-samples", "3").code == 0
    lines = drawn(run, 100)
    assert [line[0] for line in lines] == ["●", *"├" * 5, "└"]
    assert [line.split()[-1] for line in lines[1:]] == [
        f"0.{question}:{sample}" for question in (1, 2) for sample in range(3)
    ]


def test_a_cut_drawing_says_how_to_see_the_rest(run: Run) -> None:
    """What is left out is counted, and the command that shows it exists."""
    ran = run("ask", "make 24 from 4 5 6 10")
    (more,) = re.findall(r"… and \d+ more workspaces:\n  (workbench .*)", ran.err)
    shown = run(*more.split()[1:])
    assert shown.code == 0, shown.err
    assert len(shown.out.splitlines()) > 100
    assert "  --lines 0 draws all" in run("trace", "show", "last", "--lines", "3").out


def test_a_broken_answerer_says_where(run: Run) -> None:
    """What a user's own code raised stands with file and line in the message and the workspace."""
    Path("own.py").write_text("def f(question):\n    return 1 // len(question[9:])\n")
    Path("own.py").chmod(0o600)
    ran = run("ask", "why?", "--by", "own.py:f")
    assert ran.code == 4
    assert re.search(r"at 0: .*zero .*own\.py:2", ran.err)
    seen = run("trace", "show", "last", "--path", "0")
    assert re.search(r"detail: .*zero .*own\.py:2", seen.out)


def test_what_was_taken_away_is_marked(run: Run) -> None:
    """After a redaction the events, the drawing and JSON show what is gone and what depends."""
    assert run("ask", "487 + 1956").code == 0
    taken = ("--event", "4", "--also", "195", "--yes", "--json")
    report = run("trace", "redact", "last", *taken)
    assert report.code == 0, report.err
    assert len(json.loads(report.out)["events"]) > 1
    shown = run("trace", "show", "last").out
    assert "redacted" in shown
    assert "stale" in shown
    replayed = run("trace", "replay", "last", "--json").out.splitlines()
    events = [json.loads(line) for line in replayed]
    assert any(event["redacted"] for event in events)
    assert any(event["stale"] for event in events)
    text = run("trace", "replay", "last").out
    assert "[redacted]" in text
    assert "[stale: " in text
    assert "195" not in shown
    assert run("trace", "verify").code == 0


COMMANDS = (
    ("ask",), ("amplify",), ("demo",), ("doctor",), ("tasks", "make"), ("trace", "list"),
    ("trace", "show"), ("trace", "replay"), ("trace", "verify"), ("trace", "redact"),
    ("trace", "gc"), ("iterate",), ("evaluate",), ("report",),
    ("distill",), ("trace", "derive"), ("trace", "lineage"),
)  # fmt: skip
GROUPS = ((), ("tasks",), ("trace",))


@pytest.mark.parametrize("command", [*GROUPS, *COMMANDS], ids=" ".join)
def test_every_command_has_an_example_and_json(command: tuple[str, ...], run: Run) -> None:
    """Help shows how a command is used; every command prints JSON if asked."""
    ran = run(*command, "--help")
    assert ran.code == 0
    assert "Example: workbench" in ran.out
    assert "--json" in ran.out or command in GROUPS
    assert "--debug" in ran.out or command


def test_json_is_json(run: Run) -> None:
    """With `--json` standard output is JSON and nothing else."""
    asked = run("ask", "487 + 1956", "--store", "sums.db", "--json")
    assert json.loads(asked.out)["answer"] == "2443"
    made = run("tasks", "make", "game24", "--count", "2", "--out", "q.jsonl", "--json")
    assert json.loads(made.out) == {"task": "game24", "out": "q.jsonl", "questions": 2}
    shown = run("trace", "show", "last", "--path", "0", "--json", "--store", "sums.db")
    assert json.loads(shown.out)["path"] == "0"
    removed = run("trace", "gc", "last", "--yes", "--json", "--force", "--store", "sums.db")
    assert json.loads(removed.out)["sessions"] == 1


@pytest.mark.parametrize("choice", ["first", "majority", "sample", "ask"])
def test_the_choice_of_a_memo_can_be_named(choice: str, run: Run) -> None:
    """`--memo-choice ask` asks again; the others use what is recorded."""
    options = ("--reuse", "memo", "--memo-choice", choice, "--json")
    first, second = (run("ask", "487 + 1956", *options) for _ in range(2))
    assert first.code == second.code == 0
    calls = json.loads(second.out)["calls"]
    assert calls == (json.loads(first.out)["calls"] if choice == "ask" else 0)
