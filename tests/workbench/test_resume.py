"""Runs that are resumed, stopped, interrupted, held by somebody, or read by nobody."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from decomposition.events import Failed, Opened
from decomposition.message import Message
from decomposition.ports import Authorship, Written
from tests.workbench.conftest import Run
from traces.store import Store, now_us
from traces.verify import verify
from workbench.testing.kill import start

QUESTIONS = ("487 + 1956", "12 * 34", "make 24 from 1 2 3 4", "1 + 2", "make 24 from 4 5 6 10")
SLOW = """
import time


def slow(question):
    time.sleep(0.02)
    return question.upper()
"""
APPENDS = 150
APPENDER = """
import sys
from pathlib import Path
from tests.workbench.test_resume import append

append(Path(sys.argv[1]), int(sys.argv[2]))
"""


def questions(name: str = "q.jsonl", *, times: int = 1) -> None:
    """Write the questions here."""
    Path(name).write_text(
        "".join(json.dumps({"question": text}) + "\n" for text in QUESTIONS * times)
    )


def slow_batch(folder: Path, lines: int) -> list[str]:
    """The arguments of a batch that takes its time, one line after the other."""
    (folder / "slow.py").write_text(SLOW)
    (folder / "slow.py").chmod(0o600)
    asked = "".join(f'{{"question": "line {number}"}}\n' for number in range(lines))
    (folder / "q.jsonl").write_text(asked)
    return ["amplify", "q.jsonl", "--run", "slow", "--by", "slow.py:slow", "--concurrency", "2"]


def statuses(folder: Path) -> list[str]:
    """How the lines of the only run stand, read through a connection of its own."""
    path = folder / "workbench.db"
    if not path.exists():
        return []
    with Store.open(path, readonly=True) as store:
        return [row.status for row in store.register.sessions()]


def events(folder: Path) -> int:
    """How many events of the only question are committed."""
    path = folder / "workbench.db"
    if not path.exists():
        return 0
    with Store.open(path, readonly=True) as store:
        return sum(row.count for row in store.register.sessions())


def until(true: Callable[[], bool], patience_s: float = 20) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_finished_run_is_already_complete(run: Run) -> None:
    """Resuming a finished run says so, gives the results again and is no failure."""
    questions()
    first = run("amplify", "q.jsonl", "--run", "done")
    assert first.code == 0, first.err
    again = run("amplify", "--resume", "done")
    assert again.code == 0, again.err
    assert "done is already complete" in again.err
    assert again.out == first.out


def test_output_stands_in_the_order_of_the_input(run: Run) -> None:
    """Lines come out as they went in, whichever was answered first."""
    questions()
    for at_once in ("1", "64"):
        ran = run("amplify", "q.jsonl", "--run", f"run{at_once}", "--concurrency", at_once)
        assert ran.code == 0, ran.err
        assert [json.loads(line)["question"] for line in ran.out.splitlines()] == list(QUESTIONS)


def test_a_run_that_somebody_works_is_held(run: Run) -> None:
    """While one process works a run another is sent away with 5 and the holder's name."""
    folder = Path.cwd()
    with start(slow_batch(folder, 400), folder) as first:
        until(lambda: "answered" in statuses(folder))
        ran = run("amplify", "--resume", "slow")
        assert first.poll() is None
        first.kill()
    assert ran.code == 5, ran.err
    assert f":{first.pid}:" in ran.err
    assert "Traceback" not in ran.err
    assert not ran.out


def digests(run: str, store: str = "workbench.db") -> list[tuple[str, int, str]]:
    """What the lines of a run came to: answer, calls, digest."""
    with Store.open(store, readonly=True) as opened:
        rows = opened.register.sessions(opened.register.find_run(run).number)
        assert not verify(opened, refold=True).findings
    return [(row.answer, row.calls, row.digest) for row in rows]


def test_a_cap_on_calls_stops_a_run_and_keeps_what_is_there(run: Run) -> None:
    """At the cap the run ends with 4 and says how to go on; every line has its result."""
    questions()
    ran = run("amplify", "q.jsonl", "--run", "cap", "--max-calls", "20", "--concurrency", "1")
    assert ran.code == 4, ran.err
    assert "workbench amplify --resume cap --max-calls N" in ran.err
    assert "cap of 20 calls" in ran.err
    results = [json.loads(line) for line in ran.out.splitlines()]
    assert [result["question"] for result in results] == list(QUESTIONS)
    assert results[0]["answer"] == "2443"
    assert sum(result["calls"] for result in results) == 20
    assert {result["status"] for result in results} == {"answered", "stopped"}
    assert all(result["answer"] is None for result in results if result["status"] == "stopped")
    assert "correct: 1 of 5" in ran.err
    with Store.open("workbench.db", readonly=True) as store:
        assert store.register.find_run("cap").status == "stopped"
        rows = store.register.sessions()
        assert [row.status for row in rows] == ["answered", "stopped", *["waiting"] * 3]
        assert not verify(store, refold=True).findings
        for record in store.records(rows[1].number):
            assert not isinstance(record.event, Failed)


@pytest.mark.parametrize("reuse", ["none", "memo", "joins", "joins-shared"])
def test_a_capped_run_goes_on_and_ends_like_one_without_a_cap(reuse: str, run: Run) -> None:
    """Raised again and again, the cap leaves no trace in answers, calls or digests."""
    questions()
    sampled = ("--reuse", reuse, "--samples", "2", "--by", "faulty:0.1:expert")
    options = (*sampled, "--concurrency", "1")
    assert run("amplify", "q.jsonl", "--run", "straight", *options, "--store", "s.db").code == 0
    expected = digests("straight", "s.db")
    assert run("amplify", "q.jsonl", "--run", "cap", *options, "--max-calls", "0").code == 4
    total = sum(calls for _, calls, _ in expected)
    for cap in (1, 7, total // 3, total - 1):
        ran = run("amplify", "--resume", "cap", "--max-calls", str(cap), "--concurrency", "1")
        assert ran.code == 4, ran.err
        made = sum(json.loads(line)["calls"] for line in ran.out.splitlines())
        assert made == cap
    ran = run("amplify", "--resume", "cap", "--max-calls", str(total), "--concurrency", "1")
    assert ran.code == 0, ran.err
    assert digests("cap") == expected
    with Store.open("workbench.db", readonly=True) as store:
        assert store.register.find_run("cap").status == "finished"


def test_the_cap_of_a_run_is_the_one_that_was_given_last(run: Run) -> None:
    """A resume without a cap keeps to it and makes no call; other options are named and ignored."""
    questions()
    assert run("amplify", "q.jsonl", "--run", "cap", "--max-calls", "5").code == 4
    assert run("amplify", "--resume", "cap", "--max-calls", "9").code == 4
    again = run("amplify", "--resume", "cap", "--by", "looping", "--seed", "3", "--run", "x")
    assert again.code == 4
    assert "cap of 9 calls" in again.err
    assert "not used: --run, --by, --seed" in again.err
    assert sum(json.loads(line)["calls"] for line in again.out.splitlines()) == 9
    assert run("amplify", "--resume", "cap", "--max-calls", "-1").code == 2


def test_a_capped_question_shows_its_tree_and_goes_on(run: Run) -> None:
    """`ask` ends with 4, the partial tree and how to go on; the end is as without a cap."""
    assert run("ask", QUESTIONS[4], "--store", "s.db").code == 0
    ran = run("ask", QUESTIONS[4], "--max-calls", "12")
    assert ran.code == 4
    assert not ran.out
    assert "make 24 from 10 15 → impossible" in ran.err
    (trace,) = re.findall(r"workbench ask --resume (t-[0-9a-f]+) --max-calls N", ran.err)
    ran = run("ask", "--resume", trace, "--max-calls", "20", "--json", "--fuel", "7")
    assert ran.code == 4
    assert "not used: --fuel" in ran.err
    told = json.loads(ran.out)
    assert (told["status"], told["answer"], told["calls"]) == ("stopped", None, 20)
    assert "--max-calls" in told["reason"]
    ran = run("ask", "--resume", trace, "--max-calls", "1000")
    assert (ran.code, ran.out) == (0, "(4 * 5) - (6 - 10)\n")
    again = run("ask", "--resume", trace)
    assert (again.code, again.out) == (0, ran.out)
    assert "already complete" in again.err
    ends: list[tuple[str, int]] = []
    for store_at in ("s.db", "workbench.db"):
        with Store.open(store_at, readonly=True) as store:
            ends += [(row.digest, row.calls) for row in store.register.sessions()]
            assert not verify(store, refold=True).findings
    assert ends[0] == ends[1]


HALVES = """
import time


def halves(question):
    time.sleep(0.01)
    words = question.split()
    if len(words) == 1:
        return words[0].upper()
    middle = len(words) // 2
    left, right = yield [" ".join(words[:middle]), " ".join(words[middle:])]
    return f"{left} {right}"
"""


def test_a_question_that_was_killed_goes_on(tmp_path: Path) -> None:
    """`ask --resume` does only what is left, and its digest is that of a question never killed."""
    (tmp_path / "halves.py").write_text(HALVES)
    (tmp_path / "halves.py").chmod(0o600)
    words = " ".join(f"w{number}" for number in range(32))
    asked = ["ask", words, "--by", "halves.py:halves"]
    with start(asked, tmp_path) as child:
        until(lambda: events(tmp_path) > 20)
        child.kill()
    assert statuses(tmp_path) == ["running"]
    for arguments in (["ask", "--resume", "last"], asked):
        with start(arguments, tmp_path) as child:
            out, err = child.communicate(timeout=60)
        assert (child.returncode, out.decode()) == (0, words.upper() + "\n"), err
    with Store.open(tmp_path / "workbench.db", readonly=True) as store:
        resumed, straight = store.register.sessions()
        assert (resumed.digest, resumed.calls) == (straight.digest, straight.calls)
        assert not verify(store, refold=True).findings


def test_only_a_question_that_was_asked_alone_is_resumed_alone(run: Run) -> None:
    """A line of a run, an unknown trace, and a question beside `--resume` are refused."""
    questions()
    assert run("amplify", "q.jsonl", "--run", "cap", "--max-calls", "5").code == 4
    ran = run("ask", "--resume", "last")
    assert ran.code == 2
    assert "workbench amplify --resume cap" in ran.err
    assert run("ask", "--resume", "t-none").code == 2
    assert run("ask", "1 + 2", "--resume", "last").code == 2
    assert run("ask").code == 2


def test_an_interrupted_run_keeps_everything(tmp_path: Path) -> None:
    """Ctrl-C ends a run with 130; a resume does only what is left."""
    arguments = slow_batch(tmp_path, 60)
    with start(arguments, tmp_path) as child:
        until(lambda: statuses(tmp_path).count("answered") >= 5)
        child.send_signal(signal.SIGINT)
        code = child.wait(20)
        errors = child.stderr.read().decode() if child.stderr else ""
    assert code == 130, errors
    assert "interrupted; everything acknowledged is kept" in errors
    assert "Traceback" not in errors
    answered = statuses(tmp_path).count("answered")
    assert 5 <= answered < 60
    with Store.open(tmp_path / "workbench.db", readonly=True) as store:
        before = [row for row in store.register.sessions() if row.status == "answered"]
    with start(["amplify", "--resume", "slow"], tmp_path) as child:
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    with Store.open(tmp_path / "workbench.db", readonly=True) as store:
        after = store.register.sessions()
        assert not verify(store, refold=True).findings
    assert {row.trace: row for row in before}.items() <= {row.trace: row for row in after}.items()
    assert [json.loads(line)["answer"] for line in out.splitlines()] == [
        f"LINE {number}" for number in range(60)
    ]


@pytest.mark.parametrize("times", [1, 200])
def test_a_reader_that_goes_away_is_no_error(times: int, tmp_path: Path) -> None:
    """`workbench amplify … | head -1` ends quietly, however much is left unread."""
    lines = "".join(f'{{"question": "{n} + 2"}}\n' for n in range(5 * times))
    (tmp_path / "q.jsonl").write_text(lines)
    with start(["amplify", "q.jsonl", "--run", "piped"], tmp_path) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.close()
        errors = child.stderr.read().decode()
        code = child.wait(60)
    assert code == 0, errors
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors
    assert set(statuses(tmp_path)) == {"answered"}


def append(path: Path, times: int) -> None:
    """Append to one session, commit by commit, as another process does at the same time."""
    engine = Authorship("", "engine", 1, 1)
    with Store.open(path) as store:
        for _ in range(times):
            session = store.register.open_session(now_us=now_us())
            opened = Opened(Message.of("who writes?"), (9,), "majority")
            store.commit_now([Written(session.number, 0, [("", opened, engine)])])


def test_two_processes_append_to_one_store_and_lose_nothing(tmp_path: Path) -> None:
    """Two processes that write at the same time wait for each other; every event is there."""
    path = tmp_path / "both.db"
    command = [sys.executable, "-c", APPENDER, str(path), str(APPENDS)]
    both = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(2)]
    assert [each.wait(120) for each in both] == [0, 0]
    with Store.open(path, readonly=True) as store:
        assert [row.count for row in store.register.sessions()] == [1] * 2 * APPENDS
        assert store.database.rows("SELECT COUNT(*) FROM event") == [(2 * APPENDS,)]
        assert not verify(store).findings


def test_two_runs_at_once_in_one_store_lose_nothing(tmp_path: Path) -> None:
    """Two batches that share a store both end with all their lines."""
    both: list[subprocess.Popen[bytes]] = []
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps({"question": text}) + "\n" for text in QUESTIONS)
        )
        both.append(start(["amplify", f"{name}.jsonl", "--run", name], tmp_path))
    outs = [child.communicate(timeout=60) for child in both]
    assert [child.returncode for child in both] == [0, 0], outs
    for out, _ in outs:
        assert [json.loads(line)["status"] for line in out.splitlines()] == ["answered"] * 5
    with Store.open(tmp_path / "workbench.db", readonly=True) as store:
        assert not verify(store, refold=True).findings
