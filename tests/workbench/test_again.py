"""Lines that are tried again: `--resume RUN --only failed|abstained`."""

import json
from pathlib import Path

from tests.workbench.conftest import Run
from traces.store import Store
from traces.verify import verify
from workbench.testing.provider import Provider

FICKLE = """
from pathlib import Path


def f(question):
    if question == "no" and not Path("better").exists():
        raise ValueError("not today")
    return question.upper()
"""


def test_lines_that_failed_are_tried_again(run: Run) -> None:
    """In new sessions, in their old places; what was recorded before is kept as it was."""
    Path("f.py").write_text(FICKLE)
    Path("f.py").chmod(0o600)
    lines = ('{"question": "yes"}', '{"question": "no"}', '{"question": "too"}')
    Path("q.jsonl").write_text("\n".join(lines))
    ran = run("amplify", "q.jsonl", "--run", "r", "--by", "f.py:f", "--out", "a.jsonl")
    assert ran.code == 0, ran.err
    first = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert [each["status"] for each in first] == ["answered", "failed", "answered"]
    Path("better").touch()
    ran = run("amplify", "--resume", "r", "--only", "failed", "--out", "a.jsonl")
    assert ran.code == 0, ran.err
    assert "1 line of r will be tried again" in ran.err
    again = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert [each["answer"] for each in again] == ["YES", "NO", "TOO"]
    assert [again[place]["trace"] == first[place]["trace"] for place in range(3)] == [
        True,
        False,
        True,
    ]
    assert run("trace", "show", first[1]["trace"]).code == 0
    with Store.open("workbench.db", readonly=True) as store:
        assert not verify(store, refold=True).findings
        assert store.register.find_run("r").status == "finished"
    ran = run("amplify", "--resume", "r", "--only", "failed")
    assert ran.code == 0
    assert "no line of r has failed" in ran.err


def test_what_was_paid_for_an_earlier_try_stays_in_the_account(run: Run) -> None:
    """The ledger still verifies, and the cap of the run counts both tries."""
    Path("q.jsonl").write_text('{"question": "why?"}\n')
    with Provider.here("echo", faults=["400x1"]) as provider:
        Path("c.toml").write_text(f'[chat]\nbase_url = "{provider.url}"\nkey_env = ""\n')
        chat = ("--by", "chat:openai:echo", "--config", "c.toml", "--max-calls", "1")
        ran = run("amplify", "q.jsonl", "--run", "r", *chat)
        assert ran.code == 0, ran.err
        assert '"status":"failed"' in ran.out
        assert run("amplify", "--resume", "r", "--only", "failed").code == 4
        ran = run("amplify", "--resume", "r", "--max-calls", "2")
    assert ran.code == 0, ran.err
    assert '"answer":"why?"' in ran.out
    assert "2 requests" in ran.err
    assert run("trace", "verify").code == 0
    with Store.open("workbench.db", readonly=True) as store:
        assert [line.standing for line in store.ledger.lines()] == ["failed", "answered"]


def test_only_is_for_what_can_be_tried_again(run: Run) -> None:
    """Another word, or no run, is a wrong usage."""
    Path("q.jsonl").write_text('{"question": "1 + 2"}\n')
    assert run("amplify", "q.jsonl", "--only", "failed").code == 2
    assert run("amplify", "q.jsonl", "--run", "r").code == 0
    ran = run("amplify", "--resume", "r", "--only", "answered")
    assert ran.code == 2
    assert "failed, abstained" in ran.err
