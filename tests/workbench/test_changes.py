"""What changes under a run that was accepted: nothing is mixed, nothing is overwritten."""

import json
import os
from pathlib import Path

import pytest

from tests.workbench.conftest import Ran, Run
from tests.workbench.test_resume import statuses, until
from workbench.testing.kill import start

ANSWERER = """
import time


def f(view):
    time.sleep(0.05)
    return "{answer}"
"""
SPECS = ("b.py:f", "vote:1:b.py:f", "faulty:0:b.py:f", "majority[b.py:f, b.py:f, b.py:f]")


def prepare(folder: Path) -> None:
    """An answerer, a document and twenty questions about it."""
    answer(folder, "old")
    (folder / "c.md").write_text("# One\nold\n")
    line = json.dumps({"question": "what?", "context": "c.md", "expected": "old"})
    (folder / "q.jsonl").write_text(f"{line}\n" * 20)


def answer(folder: Path, text: str) -> None:
    """Write the answerer, whose answer this is."""
    (folder / "b.py").write_text(ANSWERER.replace("{answer}", text))
    (folder / "b.py").chmod(0o600)


def begun(folder: Path, by: str) -> None:
    """A run that was killed when some of it was done."""
    prepare(folder)
    asked = ["amplify", "q.jsonl", "--run", "r", "--by", by, "--concurrency", "1"]
    with start(asked, folder) as child:
        until(lambda: statuses(folder).count("answered") >= 2)
        child.kill()
    assert statuses(folder).count("answered") < 20


@pytest.mark.parametrize("by", SPECS)
def test_a_changed_answerer_stops_a_resume(by: str, run: Run) -> None:
    """A run never goes on with other code than it was accepted with, wherever it stands."""
    begun(Path.cwd(), by)
    before = statuses(Path.cwd())
    answer(Path.cwd(), "new")
    ran = run("amplify", "--resume", "r")
    assert ran.code == 3, ran.err
    assert "b.py" in ran.err
    assert "has changed" in ran.err
    assert statuses(Path.cwd()) == before
    answer(Path.cwd(), "old")
    assert answers(run("amplify", "--resume", "r")) == {"old"}


def test_a_changed_document_stops_a_resume(run: Run) -> None:
    """A run never goes on with another document; put back, it goes on, from any folder."""
    begun(Path.cwd(), "b.py:f")
    Path("c.md").write_text("# One\nnew\n")
    ran = run("amplify", "--resume", "r")
    assert ran.code == 3, ran.err
    assert str(Path("c.md").absolute()) in ran.err
    Path("c.md").write_text("# One\nold\n")
    store = Path("workbench.db").absolute()
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")
    assert answers(run("amplify", "--resume", "r", "--store", str(store))) == {"old"}


def answers(ran: Ran) -> set[str]:
    """The different answers of a batch that ended well."""
    assert ran.code == 0, ran.err
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert len(lines) == 20
    return {line["answer"] for line in lines}


def test_a_changed_answerer_stops_a_question(run: Run) -> None:
    """A question that a cap stopped does not go on with other code either."""
    prepare(Path.cwd())
    capped = run("ask", "what?", "--by", "b.py:f", "--context", "c.md", "--max-calls", "0")
    assert capped.code == 4
    answer(Path.cwd(), "new")
    Path("c.md").unlink()
    ran = run("ask", "--resume", "last", "--max-calls", "9")
    assert ran.code == 3, ran.err
    assert "b.py" in ran.err
    answer(Path.cwd(), "old")
    ran = run("ask", "--resume", "last", "--max-calls", "9")
    assert (ran.code, ran.out) == (0, "old\n"), ran.err


def test_a_resume_overwrites_its_own_output_alone(run: Run) -> None:
    """Where the results of a run go is recorded; any other file needs `--force`."""
    Path("q.jsonl").write_text('{"question": "1 + 2"}\n')
    assert run("amplify", "q.jsonl", "--run", "r", "--out", "r.jsonl").code == 0
    Path("mine.txt").write_text("mine")
    ran = run("amplify", "--resume", "r", "--out", "mine.txt")
    assert ran.code == 5, ran.err
    assert Path("mine.txt").read_text() == "mine"
    Path("r.jsonl").write_text("")
    assert run("amplify", "--resume", "r", "--out", "r.jsonl").code == 0
    assert '"answer":"3"' in Path("r.jsonl").read_text()
    assert run("amplify", "--resume", "r", "--out", "workbench.db", "--force").code == 5
