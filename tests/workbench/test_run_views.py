"""Run views: what of runs and their ledgers is printed, for people, programs and spreadsheets."""

import csv
import json

import pytest

from decomposition.spend import Dues, Estimate, Intent, Receipt, Usage
from tests.workbench.conftest import Run
from tests.workbench.crowd import RUN, crowd
from traces.record import RunRecord
from traces.store import Store

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1")


@pytest.fixture
def paid(run: Run) -> RunRecord:
    """A run with one line, which took four calls."""
    found = crowd("workbench.db", 1, paid=True, max_calls=9)
    assert run("worker", RUN).code == 0
    return found


def called(found: RunRecord, fault: str, model: str = "m") -> None:
    """One more call of a run's only line, of which came a fault."""
    with Store.open("workbench.db") as store:
        (row,) = store.register.sessions(found.number)
        count = store.ledger.totals(run=found.number).lines
        intent = Intent(f"c-{count:016}", row.number, "0", "chat:m", 1, Estimate(9, 9, 0.1), 9)
        store.commit_now([], dues=Dues([intent]))
        usage = Usage(7, 1, 0.05, "went", "came", "stop", model)
        receipt = Receipt(intent.call, "failed", usage, 10, 5, None, fault)
        store.commit_now([], dues=Dues((), [receipt]))


def test_runs_are_listed(run: Run, paid: RunRecord) -> None:
    """With their progress and what they spent."""
    assert paid.name == RUN
    assert run("run", "list").out == "shared  amplify  finished  1/1  4 paid calls  $0\n"
    (told,) = json.loads(run("run", "list", "--json").out)
    assert (told["run"], told["finished"], told["calls"]) == (RUN, 1, 4)


def test_no_run_says_how_to_begin_one(run: Run) -> None:
    """The list of an empty store names the command."""
    Store.open("workbench.db").close()
    assert "begin one: workbench amplify" in run("run", "list").out


def test_a_run_is_shown(run: Run, paid: RunRecord) -> None:
    """Options, progress, spend by answerer and caps, in text and as JSON."""
    called(paid, "it broke")
    text = run("run", "show", RUN).out
    for said in (
        "run shared (amplify): finished",
        "lines: 1 (1 answered)",
        "crowd.py:crowd",
        "max_calls: 9",
        "5 paid calls",
        "caps: calls 9",
        "1 call, 7 + 1 tokens, $0.05, chat:m",
        "4 answered",
        "1 failed",
    ):
        assert said in text
    told = json.loads(run("run", "show", "last", "--json").out)
    assert told["by_standing"] == {"answered": 4, "failed": 1}
    assert told["caps"] == {"calls": 9}


def test_a_ledger_is_printed(run: Run, paid: RunRecord) -> None:
    """The newest calls as text, with all that is known of them as JSON."""
    called(paid, "it \x1b[31mbroke")
    lines = run("run", "ledger", RUN).out.splitlines()
    assert len(lines) == 5
    assert all("/0" in line for line in lines)
    assert "it ␛[31mbroke" in lines[0]
    (told,) = json.loads(run("run", "ledger", RUN, "--json", "--limit", "1").out)
    assert told["standing"] == "answered"
    assert run("run", "ledger", RUN, "--json", "--csv").code == 2


def test_what_was_paid_for_a_removed_question_is_still_shown(run: Run, paid: RunRecord) -> None:
    """Its lines stand in the ledger of the run."""
    with Store.open("workbench.db") as store:
        (row,) = store.register.sessions(paid.number)
    assert run("trace", "gc", row.trace, "--yes").code == 0
    assert "4 paid calls" in run("run", "show", RUN).out
    assert run("run", "ledger", RUN).out.count(f"removed-{row.number}/0") == 4


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("where", ["fault", "model"])
def test_no_cell_is_a_formula(formula: str, where: str, run: Run, paid: RunRecord) -> None:
    """What a spreadsheet would run is prefixed; numbers stay numbers."""
    called(paid, **{"fault": "", where: formula})
    rows = list(csv.DictReader(run("run", "ledger", RUN, "--csv").out.splitlines()))
    assert len(rows) == 5
    row = next(each for each in rows if each["answerer"] == "chat:m")
    assert row[where].startswith("'")
    assert (row["tokens_in"], row["cost_usd"], row["reserved_usd"]) == ("7", "0.05", "0.1")
