"""Rounds under another overseer: who it was is told, and what it must come to comes."""

from html import escape
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.workbench.conftest import Run
from tests.workbench.rounds.test_rounds import at_once, nothing, settled
from workbench.exits import Complaint, Interrupted
from workbench.rounds.iterate import Ended, Wanted, iterate
from workbench.rounds.rounds_summary import Summary

OWN = """
from decomposition.tasks.table import TableStep

def low(xp, rows, answers):
    "Adds without a carry, however large the numbers are."
    left, right, carry = rows[:, 0], rows[:, 1], rows[:, 2]
    every = left >= 0
    if not answers.shape[1]:
        return TableStep(every, xp.stack((left % 10, right % 10, carry), 1), every, ~every, left)
    if answers.shape[1] == 1:
        asked = xp.stack((left // 10, right // 10, carry * 0), 1)
        return TableStep(answers[:, 0] >= 0, asked, every, ~every, left)
    reply = answers[:, 1] * 10 + answers[:, 0] % 10
    return TableStep(~every, rows, every, answers[:, 1] >= 0, reply.clip(0))

number = 3
"""


def table(task: str, overseer: str, out: Path, size: int = 4) -> Ended:
    """A run of a table under an overseer."""
    wanted = Wanted(task, student="table", size=size, per_level=40, seed=2, overseer=overseer)
    return iterate(wanted, out, resume=False, tell=nothing)


@pytest.mark.parametrize(
    ("task", "size", "overseer", "rounds"),
    [
        ("arithmetic", 5, "expert", {"1": 1, "2": 1, "3": 2, "4": 3, "5": 4}),
        ("permutation", 6, "expert", {"0": 1, "1": 1, "2": 2, "3": 3, "4": 4}),
        ("arithmetic", 5, "biased:no-carry:expert", {"1": 1, "2": 1, "3": 2, "4": 3, "5": 4}),
        ("permutation", 6, "biased:one-too-few", {"0": 1, "1": 1, "2": 2, "3": 3, "4": 4}),
        ("permutation", 6, "biased:one-too-far", {"0": 1, "1": 1, "2": 2, "3": 3, "4": 4}),
        ("arithmetic", 5, "faulty:0.3", {"1": 1, "2": 1, "3": 2, "4": 3, "5": 4}),
        ("permutation", 6, "without:odd", {"0": 1, "1": 1, "2": 2, "3": 3, "4": 4}),
    ],
)
def test_a_table_ends_where_its_overseer_leads(
    task: str, size: int, overseer: str, rounds: dict[str, int], tmp_path: Path
) -> None:
    """Round by round as foretold; every answer in the end is the overseer's, right or wrong."""
    foretold = table(task, overseer, tmp_path / "run", size).summary.foretold
    assert foretold is not None
    assert foretold.rounds is not None
    assert foretold.answers is not None
    print(task, overseer, foretold.rounds, foretold.answers)  # noqa: T201 - shown beside a failure
    assert {level: pair.foretold for level, pair in foretold.rounds.items()} == rounds
    assert {level: pair.came for level, pair in foretold.rounds.items()} == rounds
    assert foretold.answers.came == foretold.answers.foretold > 100


def test_who_the_overseer_was_is_told(run: Run) -> None:
    """Summary, text and report name the overseer; a file of the user's own is one."""
    Path("mine.py").write_text(OWN)
    ran = run("iterate", "arithmetic", "--student", "table", "--size", "3", "--per-level", "20",
              "--overseer", "faulty:0.25:mine.py:low", "--out", "run")  # fmt: skip
    assert ran.code == 0, ran.err
    kind = "user's own rule (mine.py:low), each answer wrong with probability 0.25"
    assert f"overseer: {kind}, not a human" in ran.out
    assert "rounds to each level, foretold/came: 1: 1/1, 2: 1/1, 3: 2/2" in ran.out
    summary = msgspec.json.decode(Path("run/summary.json").read_bytes(), type=Summary)
    assert summary.overseer_kind == kind
    assert escape(kind) in Path("run/report.html").read_text()


def test_a_users_step_is_as_good_as_a_bias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An overseer from a file that does what a bias does comes to the same, round by round."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(OWN)
    own = table("arithmetic", "mine.py:low", Path("own"))
    bias = table("arithmetic", "biased:no-carry", Path("bias"))
    assert settled(Path("own")) == settled(Path("bias"))
    assert own.summary.foretold == bias.summary.foretold
    assert own.summary.accuracy["student"].by_depth["4"] < 0.5


def test_a_resume_keeps_to_its_overseer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another overseer, or one whose file has changed, does not go on with a run."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(OWN)
    wanted = Wanted("arithmetic", size=2, per_level=4, overseer="mine.py:low", arms="amplified")
    with pytest.raises(Interrupted):
        iterate(wanted, Path("run"), resume=False, tell=at_once)
    for other in ("expert", "faulty:0.1:mine.py:low"):
        with pytest.raises(Complaint, match="was begun with --overseer"):
            iterate(replace(wanted, overseer=other), Path("run"), resume=True, tell=at_once)
    with pytest.raises(Interrupted):
        iterate(Wanted("arithmetic"), Path("run"), resume=True, tell=at_once)
    Path("mine.py").write_text(f"{OWN}\n# changed\n")
    with pytest.raises(Complaint, match="has changed since"):
        iterate(Wanted("arithmetic"), Path("run"), resume=True, tell=at_once)


@pytest.mark.parametrize(
    ("overseer", "code", "told"),
    [
        ("best", 2, "name one as expert, faulty"),
        ("human", 2, "name one as expert, faulty"),
        ("faulty:2:expert", 2, "a probability from 0 to 1"),
        ("faulty:0.1:sometimes:expert", 2, "'sometimes:expert'"),
        ("without:odd:expert", 3, "there are last, leading, carry, level-N"),
        ("biased:odd:expert", 3, "there are no-carry"),
        ("faulty:0.1:faulty:0.1:best", 2, "'best'"),
        ("none.py:low", 3, "cannot be read"),
        ("mine.py:high", 3, "nothing there is called high"),
        ("mine.py:number", 2, "is no function (xp, rows, answers)"),
    ],
)
def test_a_wrong_overseer_is_named(overseer: str, code: int, told: str, run: Run) -> None:
    """What is no overseer of this task ends the command before there is a folder."""
    Path("mine.py").write_text(OWN)
    ran = run("iterate", "arithmetic", "--overseer", overseer, "--out", "run")
    assert (ran.code, ran.out) == (code, "")
    assert told in ran.err
    assert not Path("run").exists()


def test_a_shared_file_is_not_run(run: Run) -> None:
    """A file that others could have written ends with 8."""
    Path("mine.py").write_text(OWN)
    Path("mine.py").chmod(0o666)
    assert run("iterate", "arithmetic", "--overseer", "mine.py:low").code == 8
