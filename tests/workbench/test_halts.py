"""Halts: a run or a part of it is paused or cancelled, and goes on when that is lifted."""

import json
import time
from pathlib import Path

import pytest

from tests.workbench.conftest import Run
from tests.workbench.crowd import (
    RUN,
    STALL,
    crowd,
    ends,
    nobody_holds,
    often,
    status,
    until,
    worker,
)
from traces.store import Store
from workbench.halts import LOOK_S
from workbench.testing.kill import start


@pytest.fixture(params=["file", "server"])
def site(request: pytest.FixtureRequest, run: Run) -> str:
    """Where the run's store is: a file, and a database of a server."""
    assert run
    if request.param == "file":
        return "workbench.db"
    url: str = request.getfixturevalue("url")
    return url


def statuses(site: str) -> list[str]:
    """How the lines stand."""
    with Store.open(site, readonly=True) as store:
        return [row.status for row in store.register.sessions()]


def trace(site: str, idx: int) -> str:
    """The trace of a line."""
    with Store.open(site, readonly=True) as store:
        return store.register.sessions()[idx].trace


def test_a_paused_run_lands_its_calls(site: str, run: Run) -> None:
    """Nothing new is begun, the process ends with 4, and `--resume` asks for nothing again."""
    crowd(site, 4)
    Path(STALL).write_text("left")
    resume = ["amplify", "--resume", RUN, "--store", site]
    with start([*resume, "--concurrency", "2"], Path.cwd()) as working:
        until(lambda: sum("left" in what for what in often()) == 2)
        ran = run("run", "pause", RUN, "--store", site)
        assert ran.code == 0, ran.err
        assert "1 worker of it will follow" in ran.err
        told = json.loads(run("run", "show", RUN, "--store", site, "--json").out)
        assert (told["status"], told["halts"][0]["kind"]) == ("pausing", "pause")
        under_way = often()
        time.sleep(3 * LOOK_S)
        Path(STALL).unlink()
        _, err = working.communicate(timeout=60)
    assert working.returncode == 4
    assert "paused by `workbench run pause`" in err.decode()
    assert f"go on with: workbench amplify --resume {RUN}" in err.decode()
    assert often().keys() == under_way.keys()
    assert nobody_holds(site)
    assert run("worker", RUN, "--store", site).code == 4
    assert often().keys() == under_way.keys()
    assert run(*resume).code == 0
    assert set(often().values()) == {1}
    assert {each[0] for each in ends(site)} == {"answered"}


def test_a_cancelled_run_gives_up_its_calls(site: str, run: Run) -> None:
    """The process ends while an answerer would go on for ever; the calls stand as ambiguous."""
    crowd(site, 2, paid=True)
    Path(STALL).write_text("left")
    working = worker(site)
    until(lambda: sum("left" in what for what in often()) == 2)
    ran = run("run", "cancel", RUN, "--store", site, "--json")
    assert json.loads(ran.out) == {
        "run": RUN, "where": "", "kind": "cancel", "workers": 1, "finished": False,
    }  # fmt: skip
    assert working.end(60) == 4
    assert "cancelled by `workbench run cancel`" in working.errors()
    assert status(site) == "stopped"
    told = json.loads(run("run", "show", RUN, "--store", site, "--json").out)
    assert [each["path"] for each in told["ambiguous"]] == ["0.1", "0.1"]
    Path(STALL).unlink()
    assert run("amplify", "--resume", RUN, "--store", site).code == 0
    again = {what for what, times in often().items() if times == 2}
    assert again == {"reply left of line 0.", "reply left of line 1."}
    assert {each[0] for each in ends(site)} == {"answered"}


@pytest.mark.parametrize("by", ["id", "trace"])
def test_a_halted_line_is_left(by: str, run: Run) -> None:
    """All others are worked; then the run stops and says how that line goes on."""
    crowd("workbench.db", 3)
    where = "l1" if by == "id" else trace("workbench.db", 1)
    assert run("run", "pause", RUN, where).code == 0
    ran = run("worker", RUN)
    assert ran.code == 4
    assert "what is left is halted" in ran.err
    assert statuses("workbench.db") == ["answered", "stopped", "answered"]
    assert not [what for what in often() if "line 1." in what]
    assert run("amplify", "--resume", RUN).code == 0
    assert set(often().values()) == {1}


def test_a_halted_subtree_is_left(run: Run) -> None:
    """What stands beside it is worked, and nothing below it."""
    crowd("workbench.db", 2)
    assert run("run", "cancel", RUN, f"{trace('workbench.db', 0)}/0.2").code == 0
    assert run("worker", RUN).code == 4
    assert statuses("workbench.db") == ["stopped", "answered"]
    assert "reply left of line 0." in often()
    assert "reply right of line 0." not in often()
    told = json.loads(run("run", "show", RUN, "--json").out)
    assert [each["where"] for each in told["halts"]] == [f"{trace('workbench.db', 0)}/0.2"]
    assert run("amplify", "--resume", RUN).code == 0
    assert set(often().values()) == {1}
    assert json.loads(run("run", "show", RUN, "--json").out)["halts"] == []


def test_a_halt_reaches_a_subtree_under_way(run: Run) -> None:
    """A call below it that is cancelled is given up while the others go on."""
    crowd("workbench.db", 2)
    Path(STALL).write_text("left of line 1.")
    working = worker("workbench.db")
    until(lambda: "reply left of line 1." in often())
    assert run("run", "cancel", RUN, "l1/0.1").code == 0
    assert working.end(60) == 4
    assert statuses("workbench.db") == ["answered", "stopped"]


def test_a_run_that_nobody_works_is_paused_until_it_is_resumed(run: Run) -> None:
    """It is listed as stopped, with how far it is."""
    crowd("workbench.db", 2)
    assert "interrupted  0/2" in run("run", "list").out
    ran = run("run", "pause", "last")
    assert ran.code == 0
    assert "nobody works it now" in ran.err
    assert "stopped  0/2" in run("run", "list").out
    assert run("amplify", "--resume", RUN).code == 0
    assert "finished  2/2" in run("run", "list").out
    assert "already complete" in run("run", "pause", RUN).err
    assert "already complete" in run("run", "cancel", RUN, "l1").err


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("l9", "has no line 'l9'"),
        ("l1/../0", "a workspace is named as TRACE/0.1.2"),
        ("l1/1", "a workspace is named as TRACE/0.1.2"),
        ("t-000000000000/0", "no session"),
    ],
)
def test_what_does_not_exist_is_not_halted(path: str, said: str, run: Run) -> None:
    """The message says what there could be."""
    crowd("workbench.db", 2)
    ran = run("run", "pause", RUN, path)
    assert ran.code == 2
    assert said in ran.err
    told = json.loads(run("run", "show", RUN, "--json").out)
    assert told["halts"] == []
