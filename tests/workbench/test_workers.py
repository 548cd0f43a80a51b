"""Workers: several processes work one run, and every question is worked by one of them."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.workbench.conftest import Run
from tests.workbench.crowd import (
    MEET,
    RUN,
    STALL,
    asked,
    crowd,
    ends,
    nobody_holds,
    often,
    status,
    until,
    worker,
)
from traces.leases import acquire, release
from traces.store import Store
from workbench.testing.kill import start

ELSEWHERE = "elsewhere:77:1"


@pytest.fixture(params=["file", "server"])
def site(request: pytest.FixtureRequest, run: Run) -> str:
    """Where the run's store is: a file, and a database of a server."""
    assert run
    if request.param == "file":
        return "workbench.db"
    url: str = request.getfixturevalue("url")
    return url


def undisturbed(site: str, run: Run) -> list[tuple[str, str, str]]:
    """What the lines come to where one process works them alone, in a store of its own."""
    with Store.open(site, readonly=True) as store:
        found = store.register.find_run(RUN)
        lines = [json.loads(line.input)["question"] for line in store.register.lines(found.number)]
    Path("q.jsonl").write_text("".join(json.dumps({"question": each}) + "\n" for each in lines))
    ran = run("amplify", "q.jsonl", "--by", "crowd.py:crowd", "--store", "alone.db")
    assert ran.code == 0, ran.err
    return ends("alone.db")


def paid(site: str) -> Counter[str]:
    """How many lines of the ledger came to what."""
    with Store.open(site, readonly=True) as store:
        lines = store.ledger.lines(run=store.register.find_run(RUN).number)
    assert len(lines) == sum(often().values())
    return Counter(line.standing for line in lines)


@pytest.mark.parametrize("costs", [False, True], ids=["free", "paid"])
def test_workers_share_a_run(site: str, run: Run, *, costs: bool) -> None:
    """Each of three gets a part, each question is asked once, and all end when the run does."""
    crowd(site, 18, paid=costs)
    Path(MEET).write_text("3")
    workers = [worker(site, "--concurrency", "2") for _ in range(3)]
    assert [each.end(60) for each in workers] == [0, 0, 0], workers[0].errors()
    assert set(often().values()) == {1}
    assert len(often()) == 18 * 4
    assert len({pid for pid, _ in asked()}) == 3
    assert status(site) == "finished"
    assert nobody_holds(site)
    assert not costs or paid(site) == {"answered": 18 * 4}
    assert ends(site) == undisturbed(site, run)


def test_a_killed_workers_questions_are_taken_over(site: str, run: Run) -> None:
    """At once, on the same machine; only what was under way is asked again, and stands so."""
    crowd(site, 6, paid=True)
    Path(STALL).write_text("right")
    victim = worker(site, "--concurrency", "4")
    until(lambda: sum("right" in what for what in often()) == 4)
    assert victim.end(0) == -signal.SIGKILL
    killed = often()
    Path(STALL).unlink()
    ran = run("worker", RUN, "--store", site)
    assert ran.code == 0, ran.err
    assert "6 answered" in ran.err
    again = [what for what, times in often().items() if times == 2]
    assert sorted(again) == sorted(what for what in killed if "right" in what)
    assert paid(site) == {"answered": 6 * 4, "ambiguous": 4}
    assert ends(site) == undisturbed(site, run)


def test_a_worker_that_woke_up_late_changes_nothing(site: str, run: Run) -> None:
    """Its leases ran out while it was stopped, and somebody else took over: it is told so."""
    crowd(site, 3, paid=True)
    Path(STALL).write_text("right")
    with start(["worker", RUN, "--store", site, "--concurrency", "2"], Path.cwd()) as sleeper:
        until(lambda: sum("right" in what for what in often()) == 2)
        sleeper.send_signal(signal.SIGSTOP)
        with Store.open(site) as store, store.database.writing() as writer:
            writer.run("UPDATE lease SET expires_us = 0 WHERE resource LIKE 'session:%'")
        Path(STALL).unlink()
        ran = run("worker", RUN, "--store", site)
        assert ran.code == 0, ran.err
        taken_over = ends(site)
        sleeper.send_signal(signal.SIGCONT)
        assert sleeper.wait(60) == 0
    assert paid(site) == {"answered": 3 * 4, "ambiguous": 2}
    assert ends(site) == taken_over == undisturbed(site, run)


def test_a_stolen_question_is_let_go(run: Run) -> None:
    """The worker pays for nothing more of it and works the others, until the thief is gone."""
    found = crowd("workbench.db", 3, paid=True)
    Path(STALL).write_text("left of line 1.")
    with start(["worker", RUN, "--concurrency", "3"], Path.cwd()) as robbed:
        until(lambda: "reply right of line 1." in often())
        with Store.open("workbench.db") as store:
            stolen = store.register.sessions(found.number)[1]
            until(lambda: len(store.ledger.open_intents(session=stolen.number)) == 1)
            with store.database.writing() as writer:
                writer.run("UPDATE lease SET expires_us = 0 WHERE resource LIKE 'session:%'")
            lease = acquire(store.database, f"session:{stolen.trace}", ELSEWHERE)
            Path(STALL).unlink()
            until(lambda: store.register.progress(found.number).get("answered") == 2)
            (under_way,) = store.ledger.open_intents(session=stolen.number)
            assert under_way.fence == lease.fence - 1
            assert sum("line 1." in what for what, times in often().items() if times == 1) == 3
            release(store.database, lease)
        assert robbed.wait(60) == 0
    assert often()["reply left of line 1."] == 2
    assert paid("workbench.db") == {"answered": 3 * 4, "ambiguous": 1}
    assert ends("workbench.db") == undisturbed("workbench.db", run)


def test_the_run_itself_is_gone_on_with_by_one(run: Run) -> None:
    """A second `amplify --resume` is told who is at it; a worker may join all the same."""
    crowd("workbench.db", 2)
    with Store.open("workbench.db") as store:
        acquire(store.database, f"run:{RUN}", ELSEWHERE)
    ran = run("amplify", "--resume", RUN)
    assert (ran.code, ran.out) == (5, "")
    assert f"run:{RUN} is held by process {ELSEWHERE}" in ran.err
    assert run("worker", RUN).code == 0
    assert status("workbench.db") == "finished"


def test_workers_join_an_amplify_that_is_at_it(site: str) -> None:
    """It waits for them too: when it ends, all lines are there to be written."""
    crowd(site, 8)
    Path(MEET).write_text("2")
    going_on = ["amplify", "--resume", RUN, "--store", site, "--concurrency", "1"]
    with start(going_on, Path.cwd()) as amplifying:
        helping = worker(site, "--concurrency", "1")
        out, _ = amplifying.communicate(timeout=60)
        assert (amplifying.returncode, helping.end(60)) == (0, 0)
    answers = [json.loads(line)["answer"] for line in out.splitlines()]
    assert answers == [f"LINE {idx}." for idx in range(8)]
    assert set(often().values()) == {1}


def test_a_worker_waits_for_what_others_hold(run: Run) -> None:
    """It says so, and takes it when the holder's lease has run out."""
    found = crowd("workbench.db", 2)
    with Store.open("workbench.db") as store:
        row = store.register.sessions(found.number)[1]
        acquire(store.database, f"session:{row.trace}", ELSEWHERE, ttl_s=0.2)
    ran = run("worker", RUN, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["worked_here"] == 2
    assert "1/2 questions · waiting for 1 question of other workers" in ran.err


def test_ctrl_c_gives_everything_back(site: str) -> None:
    """What was recorded stays, and others can go on at once."""
    crowd(site, 3)
    Path(STALL).write_text("left")
    with start(["worker", RUN, "--store", site], Path.cwd()) as stopped:
        until(lambda: sum("left" in what for what in often()) == 3)
        os.kill(stopped.pid, signal.SIGINT)
        _, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert f"go on with: workbench worker {RUN}" in err.decode()
    assert nobody_holds(site)


def test_a_cap_stops_a_worker(run: Run) -> None:
    """Exit 4, with the command that raises it."""
    crowd("workbench.db", 4, max_calls=3)
    ran = run("worker", RUN, "--concurrency", "1")
    assert ran.code == 4
    assert f"workbench amplify --resume {RUN} --max-calls N" in ran.err
    assert status("workbench.db") == "stopped"
    assert sum(often().values()) == 3
    assert run("amplify", "--resume", RUN, "--max-calls", "100").code == 0
    assert set(often().values()) == {1}


def test_a_cap_holds_over_all_workers(site: str) -> None:
    """Three processes make no more calls together than one may, and each is told so."""
    crowd(site, 12, paid=True, max_calls=20)
    Path(MEET).write_text("3")
    workers = [worker(site, "--concurrency", "4") for _ in range(3)]
    assert [each.end(60) for each in workers] == [4, 4, 4], workers[0].errors()
    assert sum(paid(site).values()) == 20


def test_a_complete_run_says_so(run: Run) -> None:
    """There is nothing left to work, for a worker as for anybody."""
    crowd("workbench.db", 1)
    assert run("worker", RUN).code == 0
    ran = run("worker", "last")
    assert ran.code == 0
    assert f"{RUN} is already complete" in ran.err


def test_only_a_run_of_questions_is_shared(run: Run) -> None:
    """Rounds are one process's; what does not exist is named."""
    with Store.open("workbench.db") as store:
        store.register.create_run("rounds", "iterate", "{}", [], now_us=1)
    ran = run("worker", "rounds")
    assert ran.code == 2
    assert "rounds is a run of `workbench iterate`" in ran.err
    ran = run("worker", "round-s")
    assert ran.code == 2
    assert "near to it: rounds" in ran.err
