"""Ensembles: what voting was worth, counted by hand on small examples and read back from runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from decomposition.events import Replied
from tests.workbench.conftest import Run
from traces.store import Store
from workbench.ballots import Ballot, Ensemble
from workbench.ensemble_text import in_full, in_short
from workbench.ensembles import Report, report

SAID: tuple[tuple[str | None, ...], ...] = (
    ("1", "1", "1"),
    ("1", "1", "2"),
    ("2", "2", "1"),
    ("1", None, "2"),
)
"""What three members say on four lines, on each of which "1" is right."""
TAKEN = ("1", "1", "2", None)
"""What a majority makes of it."""


def voted(
    said: Sequence[tuple[str | None, ...]] = SAID,
    taken: Sequence[str | None] = TAKEN,
    rule: str = "majority",
) -> Report:
    """The report of ballots."""
    ballots = tuple(
        Ballot(votes, took, "1", len(votes), unit)
        for unit, (votes, took) in enumerate(zip(said, taken, strict=True))
    )
    return report(Ensemble("r", rule, ("A", "B", "C"), ballots, 0))


def test_each_member_stands_beside_the_ensemble() -> None:
    """Accuracy of all lines, coverage, accuracy of the answered; the best member by name."""
    found = voted()
    shares = [
        (each.accuracy.share, each.coverage.share, each.selective.share)
        for each in (found.ensemble, *found.members)
    ]
    assert shares == [
        (2 / 4, 3 / 4, 2 / 3),
        (3 / 4, 1, 3 / 4),
        (2 / 4, 3 / 4, 2 / 3),
        (0.5, 1, 0.5),
    ]
    assert found.best == "A"


def test_of_equally_good_members_the_first_is_the_best() -> None:
    """So that the report does not depend on chance."""
    assert voted([("1", "1", "2")], ["1"]).best == "A"


def test_errors_correlate_by_phi() -> None:
    """A errs on line 3, B on 3 and 4, C on 2 and 4: phi of 1/sqrt 3, -1/sqrt 3 and 0."""
    found = voted().correlation
    assert found is not None
    assert found.high == pytest.approx(3**-0.5)
    assert found.low == pytest.approx(-(3**-0.5))
    assert found.mean == pytest.approx(0)
    assert found.pairs == 3


def test_members_that_never_err_have_no_correlation() -> None:
    """There is nothing that could."""
    assert voted([("1", "1", "1")], ["1"]).correlation is None


def test_the_curve_of_agreement_falls_in_risk_as_more_agree() -> None:
    """Three of three agree on one line and are right; of two votes each one line in three errs."""
    points = [(point.agree, point.coverage.share, point.selective.share) for point in voted().curve]
    assert points == [(3, 1 / 4, 1), (2, 3 / 4, 2 / 3), (1, 1, 3 / 4)]


def test_at_equal_coverage_the_best_member_is_held_to_the_same_lines() -> None:
    """Or withholds at random, which leaves its accuracy of the answered as it is."""
    equal = voted().equal_coverage
    assert (equal.ensemble.hits, equal.ensemble.n) == (2, 3)
    assert (equal.best_there.hits, equal.best_there.n) == (2, 3)
    assert equal.best_by_chance.share == 3 / 4
    assert (equal.only_ensemble, equal.only_best) == (0, 0)
    assert equal.at_best is not None
    assert equal.at_best.agree == 1


def test_at_equal_cost_calls_are_counted() -> None:
    """Three calls a line for two right answers in four, against one call for three in four."""
    equal = voted().equal_cost
    assert equal.calls_a_line == 3
    assert equal.right_in_100_calls == pytest.approx(100 / 6)
    assert equal.best_right_in_100_calls == 75
    assert equal.accuracy_at_one_call == pytest.approx(1 / 6)


def test_fewer_members_cost_fewer_calls() -> None:
    """Every subset under the same rule: mean of each size, and the best one, by its names."""
    sizes = voted().equal_cost.sizes
    assert [(size.members, size.subsets) for size in sizes] == [(1, 3), (2, 3), (3, 1)]
    assert [size.accuracy for size in sizes] == pytest.approx([7 / 12, 1 / 3, 1 / 2])
    assert [size.coverage for size in sizes] == pytest.approx([11 / 12, 5 / 12, 3 / 4])
    assert [size.best for size in sizes] == [("A",), ("A", "B"), ("A", "B", "C")]


def test_a_rule_of_order_has_no_subsets() -> None:
    """Who is drawn next depends on who came before."""
    assert voted(rule="ahead-2").equal_cost.sizes == ()


def test_nothing_answered_is_said_in_words() -> None:
    """A report of silence has shares of nothing and does not break."""
    found = voted([(None, None, None)], [None])
    assert found.equal_coverage.ensemble.n == 0
    assert "nothing answered" in in_full(found)
    assert "of nothing" in in_short(found)


RIGHT = ("1", "2", "3", "4")
X = ("1", "2", "3", "5")
Y = ("1", "2", "7", "5")
Z = ("1", "8", "3", "9")
THREE = "recorded:r.jsonl:x, recorded:r.jsonl:y, recorded:r.jsonl:z"


def batch(run: Run, by: str, *options: str) -> None:
    """Run what is recorded as X, Y and Z, and the last line twice."""
    rows = [
        {"id": str(number), "question": f"{number}?", "expected": label, "x": x, "y": y, "z": z}
        for number, (label, x, y, z) in enumerate(zip(RIGHT, X, Y, Z, strict=True))
    ]
    rows.append(rows[-1] | {"id": "again"})
    Path("r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = run("amplify", "r.jsonl", "--by", by, "--run", "r", *options)
    assert ran.code in (0, 4), ran.err


def reported(run: Run, *options: str) -> dict[str, Any]:
    """The report of the run, as JSON."""
    ran = run("run", "ensemble", "r", "--json", *options)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_a_run_is_read_back(run: Run) -> None:
    """Every member's answers stand in the record; equal questions count as one unit."""
    batch(run, f"plurality[{THREE}]")
    found = reported(run)
    assert [each["accuracy"]["hits"] for each in found["members"]] == [3, 2, 2]
    assert found["ensemble"]["accuracy"]["hits"] == 3
    assert (found["ensemble"]["accuracy"]["n"], found["ensemble"]["accuracy"]["units"]) == (5, 4)
    assert found["best"] == "recorded:" + str(Path("r.jsonl").absolute()) + ":x"


def test_the_summary_of_a_run_names_the_best_member(run: Run) -> None:
    """A short paragraph, and how to see more."""
    batch(run, f"plurality[{THREE}]")
    ran = run("amplify", "--resume", "r")
    assert "ensemble: plurality of 3, right 60.0 %; its best member x 60.0 %" in ran.err
    assert "more: workbench run ensemble r" in ran.err
    ran = run("run", "ensemble", "r")
    assert "at equal coverage" in ran.out
    assert "at equal cost: the ensemble makes 3.00 calls a line" in ran.out


def test_samples_of_one_answerer_are_members_too(run: Run) -> None:
    """They are numbered."""
    batch(run, "vote:2:recorded:r.jsonl:x")
    assert [each["name"] for each in reported(run)["members"]] == ["sample 1", "sample 2"]


def test_members_that_were_not_needed_are_not_blamed(run: Run) -> None:
    """With `ahead-2` the third of three is not asked where the two before it decide."""
    batch(run, f"ahead-2[{THREE}]")
    third = reported(run)["members"][2]
    assert third["unasked"] == 5
    assert third["accuracy"]["n"] == 0
    assert "never asked" in run("run", "ensemble", "r").out


def test_the_judge_is_no_member(run: Run) -> None:
    """`verify` ends with a judge, who answers another question."""
    batch(run, f"verify[{THREE}]")
    assert [each["name"][-1] for each in reported(run)["members"]] == ["x", "y"]


def test_lines_that_are_not_finished_are_counted_apart(run: Run) -> None:
    """A run that a cap stopped has a report of what there is."""
    batch(run, f"plurality[{THREE}]", "--max-calls", "6", "--concurrency", "1")
    found = reported(run)
    assert (found["lines"], found["left_out"]) == (2, 3)


def test_what_was_redacted_is_no_vote(run: Run) -> None:
    """A line of which content was taken away is left out instead of counted as something else."""
    batch(run, f"plurality[{THREE}]")
    with Store.open("workbench.db", readonly=True) as store:
        row = store.register.sessions()[1]
        numbers = [
            record.number
            for record in store.records(row.number)
            if isinstance(record.event, Replied)
        ]
    redacted = ("trace", "redact", row.trace, "--event", str(numbers[0]), "--only-here", "--yes")
    assert run(*redacted).code == 0
    found = reported(run)
    assert (found["lines"], found["left_out"]) == (4, 1)
    assert "no label, not finished or redacted" in run("run", "ensemble", "r").out


def test_a_run_without_votes_has_no_report(run: Run) -> None:
    """One answerer, or no labels."""
    batch(run, "recorded:r.jsonl:x")
    ran = run("run", "ensemble", "r")
    assert ran.code == 3
    assert "has no votes to report" in ran.err
    Path("n.jsonl").write_text('{"question": "0?"}\n')
    assert run("amplify", "n.jsonl", "--by", f"plurality[{THREE}]", "--run", "n").code == 0
    assert run("run", "ensemble", "n").code == 3


def test_the_curve_is_drawn(run: Run) -> None:
    """Into a picture that is made whole, is the same each time, and replaces nothing unasked."""
    batch(run, f"plurality[{THREE}]")
    assert run("run", "ensemble", "r", "--figure", "c.svg").code == 0
    first = Path("c.svg").read_bytes()
    assert b"<svg" in first
    assert run("run", "ensemble", "r", "--figure", "c.svg").code == 5
    assert run("run", "ensemble", "r", "--figure", "c.svg", "--force").code == 0
    assert Path("c.svg").read_bytes() == first
    assert run("run", "ensemble", "r", "--figure", "c.png").code == 0
    assert Path("c.png").read_bytes().startswith(b"\x89PNG")
    assert run("run", "ensemble", "r", "--figure", "c.pdf").code == 2
