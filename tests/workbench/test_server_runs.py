"""Runs on a server: the command line does there what it does with a file."""

import json
from pathlib import Path

import pytest

from tests.workbench.conftest import Run
from traces.store import Store
from traces.verify import verify
from workbench.testing.kill import start

LINES = "".join(
    json.dumps({"question": text}) + "\n"
    for text in ("487 + 1956", "12 * 34", "make 24 from 1 2 3 4", "make 24 from 4 5 6 10")
)


@pytest.mark.parametrize("reuse", ["none", "memo", "joins-shared"])
def test_a_run_on_a_server_ends_like_one_in_a_file(reuse: str, url: str, run: Run) -> None:
    """Capped, killed and resumed there, it comes to the same answers, calls and digests."""
    Path("q.jsonl").write_text(LINES)
    options = ("--run", "batch", "--reuse", reuse, "--concurrency", "1")
    assert run("amplify", "q.jsonl", *options).code == 0
    at = ("--store", url, "--concurrency", "1")
    assert run("amplify", "q.jsonl", *options, *at, "--max-calls", "30").code == 4
    with start(["amplify", "--resume", "batch", *at, "--max-calls", "100000"], Path.cwd()) as child:
        with Store.open(url, readonly=True) as watching:
            before = watching.database.rows("SELECT COUNT(*) FROM event")
            while watching.database.rows("SELECT COUNT(*) FROM event") == before:
                assert child.poll() is None
        child.kill()
    ran = run("amplify", "--resume", "batch", *at)
    assert ran.code == 0, ran.err
    ends: list[list[tuple[str, int, str]]] = []
    for place in ("workbench.db", url):
        with Store.open(place, readonly=True) as store:
            assert not verify(store, refold=True).findings
            ends.append([(r.answer, r.calls, r.digest) for r in store.register.sessions()])
    assert ends[0] == ends[1]


def test_a_question_on_a_server_is_looked_at_again(url: str, run: Run) -> None:
    """Ask, list, show, verify, redact and the doctor work on its address."""
    asked = run("ask", "487 + 1956", "--store", url)
    assert (asked.code, asked.out) == (0, "2443\n"), asked.err
    for command in ("list", "show last", "verify", "redact last --event 0 --reason asked --yes"):
        ran = run("trace", *command.split(), "--store", url)
        assert ran.code == 0, ran.err
    assert "1 session," in run("doctor", "--store", url).out


def test_how_to_go_on_tells_no_password(url: str, run: Run) -> None:
    """The command that is shown has the address without it."""
    at = url.replace("postgres@", "postgres:secret@")
    ran = run("ask", "487 + 1956", "--max-calls", "2", "--store", at)
    assert ran.code == 4
    assert "--store 'postgresql+psycopg://postgres:***@" in ran.err
    assert "secret" not in ran.err
