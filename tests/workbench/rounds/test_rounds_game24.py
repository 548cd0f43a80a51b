"""Rounds of the Game of 24: a judge is trained, scored class by class, and cuts a cascade short."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import torch

from distill.calibration import CASCADE_BOUND
from distill.folder import load_student, save_student
from tests.workbench.conftest import Run
from workbench.rounds.arm_run import ArmRun
from workbench.rounds.iterate import ARMS, Ended, Wanted, iterate
from workbench.rounds.reports import write_report

CLASSES = ["1 no", "1 yes", "2 no", "2 yes", "3 no", "3 yes"]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def nothing(_: ArmRun) -> None:
    """Whoever is told and does not care."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, _one_thread: None) -> Ended:
    """A finished run with every arm and its report."""
    folder = tmp_path_factory.mktemp("judge") / "run"
    wanted = Wanted("game24", most_steps=15, per_level=40, seed=3)
    found = iterate(wanted, folder, resume=False, tell=nothing)
    write_report(folder)
    return found


def test_a_run_tells_both_classes_of_every_level(ended: Ended) -> None:
    """Every arm stands beside the trivial one, which says no; single numbers are marked as seen."""
    accuracy = ended.summary.accuracy
    assert {"student", "amplified", "h_alone", "trivial", *ARMS[1:]} <= set(accuracy)
    for score in accuracy.values():
        assert list(score.by_depth) == CLASSES
        assert score.by_depth_n["3 no"] == score.by_depth_n["3 yes"] == 20
    assert accuracy["trivial"].by_depth == {name: float("no" in name) for name in CLASSES}
    assert accuracy["h_alone"].by_depth["2 yes"] == 1.0
    assert ended.summary.seen == ("1 no", "1 yes")
    assert {"1 no", "1 yes"} <= set(ended.summary.before_first_label) <= {"1 no", "1 yes", "2", "3"}
    assert ended.summary.labels_used == 0
    assert (ended.folder / "figures" / "accuracy.png").exists()


def test_a_judge_is_evaluated(ended: Ended, run: Run) -> None:
    """Its scores stand class by class."""
    folder = ended.folder / "students" / "final"
    ran = run("evaluate", str(folder), "--task", "game24", "--per-level", "20")
    assert ran.code == 0, ran.err
    assert "3 yes" in ran.out
    assert "1 no*" in ran.out


def bent(ended: Ended, folder: Path, bound: float) -> Path:
    """The same student with another bound and a verdict that is always no."""
    loaded = load_student(ended.folder / "students" / "final")
    with torch.no_grad():
        loaded.student.answer.bias[:2] = torch.tensor([30.0, -30.0])
    metrics = {**loaded.record.metrics, CASCADE_BOUND: bound}
    save_student(folder, loaded.student, msgspec.structs.replace(loaded.record, metrics=metrics))
    return folder


def test_a_cascade_takes_a_sure_no_and_works_out_the_rest(
    ended: Ended, tmp_path: Path, run: Run
) -> None:
    """A judge that always says no ends a state at once; unsure, it leaves all to the overseer."""
    asked = ("ask", "make 24 from 3 8 8", "--policy", "cascade", "--student")
    sure = run(*asked, str(bent(ended, tmp_path / "sure", 0.9)))
    assert (sure.code, sure.out.strip()) == (0, "impossible")
    unsure = run(*asked, str(bent(ended, tmp_path / "unsure", 1.0)), "--reuse", "joins")
    assert unsure.code == 0, unsure.err
    again = run("ask", "can 24 be made from 3 8 8?", "--by", "expert")
    assert (again.code, again.out.strip()) == (0, "no")
