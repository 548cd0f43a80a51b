"""Rounds on the command line: what a run leaves, how it goes on, what its report rests on."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import torch

from decomposition.errors import BadTask
from distill.errors import BadCheckpoint
from tests.workbench.conftest import Run
from tests.workbench.test_resume import until
from traces.rounds_record import Round, decode_round
from workbench.exits import Complaint, Exit, Interrupted, code_of
from workbench.rounds.arm_run import ArmRun
from workbench.rounds.iterate import ARMS, Ended, Wanted, iterate, planned
from workbench.rounds.reports import write_report
from workbench.rounds.rounds_summary import Summary
from workbench.rounds.run_folder import RunFolder

SMALL = Wanted("arithmetic", size=3, most_steps=30, per_level=20, seed=3)
BEGUN = ("--size", "3", "--most-steps", "100", "--per-level", "20", "--seed", "3")
KEYS = {
    "task", "preset", "seed", "rounds", "regime", "wall_s", "cpu_s", "overseer_kind",
    "overseer_steps", "overseer_transcripts", "labels_used", "lookups", "student_forwards",
    "accuracy", "before_first_label", "credit", "frontier_by_round", "questions_to_95",
    "cpu_to_95", "calls_per_answer", "recipe_hash", "environment",
}  # fmt: skip
"""What `summary.json` has at least."""


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
    folder = tmp_path_factory.mktemp("rounds") / "run"
    found = iterate(SMALL, folder, resume=False, tell=nothing)
    write_report(folder)
    return found


def rounds(folder: Path) -> list[Round]:
    """The lines of a run."""
    return [decode_round(line) for line in (folder / "rounds.jsonl").read_bytes().splitlines()]


def settled(folder: Path) -> list[Round]:
    """The lines of a run without what no two runs share: CPU seconds."""
    replace = msgspec.structs.replace
    return [replace(told, spent=replace(told.spent, cpu_s=0)) for told in rounds(folder)]


def weights(folder: Path) -> dict[str, bytes]:
    """Every student of a run, by its folder."""
    found = (folder / "students").glob("*/weights.safetensors")
    return {path.parent.name: path.read_bytes() for path in found}


def test_a_run_leaves_everything(ended: Ended) -> None:
    """Rounds, summary, students, report and figures: PNG and SVG with a CSV beside each."""
    left = {str(path.relative_to(ended.folder)) for path in ended.folder.rglob("*")}
    assert {"rounds.jsonl", "summary.json", "report.html", "students/final"} <= left
    assert "students/round-1" in left
    figures = {f"figures/{name}" for name in ("accuracy", "gap", "calls", "kept", "loss")}
    assert {f"{name}.{kind}" for name in figures for kind in ("png", "svg", "csv")} <= left
    assert set(json.loads((ended.folder / "summary.json").read_text())) >= KEYS


def test_every_arm_takes_the_same_steps(ended: Ended) -> None:
    """All arms end their rounds at the same steps, with as many questions."""
    told = rounds(ended.folder)
    steps = {arm: [(r.step, r.spent.questions) for r in told if r.arm == arm] for arm in ARMS}
    assert len(steps["amplified"]) > 1
    assert all(taken == steps["amplified"] for taken in steps.values())


def test_scores_stand_beside_their_baselines(ended: Ended) -> None:
    """Each level has n, an interval, the trivial baseline and the overseer alone."""
    accuracy = ended.summary.accuracy
    assert {"student", "amplified", "h_alone", "trivial"} <= set(accuracy)
    for score in accuracy.values():
        assert score.by_depth_n == {"1": score.by_depth_n["1"], "2": 20, "3": 20}
        assert score.units == score.n == sum(score.by_depth_n.values())
        for level, number in score.by_depth.items():
            low, high = score.intervals[level]
            assert low <= number <= high
    assert accuracy["h_alone"].by_depth["2"] == 1.0
    assert accuracy["trivial"].by_depth["2"] < 0.5


def test_credit_is_over_the_better_arm_without_amplification(ended: Ended) -> None:
    """By level: the student less the better of frozen frontier and self-training."""
    told, credit = ended.summary.accuracy, ended.summary.credit
    assert credit is not None
    for level, own in told["student"].by_depth.items():
        others = (told[arm].by_depth[level] for arm in ("frozen_frontier", "self_training"))
        assert credit[level] == pytest.approx(own - max(others))


def test_arms_take_as_many_steps_as_the_amplified_one(ended: Ended) -> None:
    """Arms are compared at equal steps and questions."""
    rounds = RunFolder(ended.folder).read_rounds()
    ends = {told.arm: (told.step, told.spent.questions) for told in rounds}
    assert set(ends) == set(ARMS)
    assert set(ends.values()) == {(30, 30 * 96)}


def test_the_amplified_arm_takes_no_label(ended: Ended) -> None:
    """Right answers are counted: none in the amplified arm, every question in the twins."""
    spent = ended.summary.spent
    assert ended.summary.labels_used == spent["amplified"].task_labels == 0
    assert spent["supervised"].task_labels == spent["supervised"].questions
    assert spent["frozen_frontier"].task_labels == spent["self_training"].task_labels == 0


class Stopper:
    """Presses Ctrl-C after some steps of an arm."""

    def __init__(self, arm: str, steps: int) -> None:
        self._arm, self._steps = arm, steps

    def __call__(self, run: ArmRun) -> None:
        """Count a step."""
        if run.arm == self._arm and run.trainer.step == self._steps:
            raise KeyboardInterrupt


def at_once(_: ArmRun) -> None:
    """Presses Ctrl-C after the first step."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("save_every_s", [0.0, 1e9])
def test_a_stopped_run_goes_on_bit_for_bit(
    ended: Ended, tmp_path: Path, save_every_s: float
) -> None:
    """Stopped in two arms, a run ends with the same students, rounds and scores."""
    for number, stopper in enumerate((Stopper("amplified", 17), Stopper("self_training", 9))):
        with pytest.raises(Interrupted, match="--resume"):
            iterate(SMALL, tmp_path, resume=bool(number), tell=stopper, save_every_s=save_every_s)
    again = iterate(Wanted("arithmetic"), tmp_path, resume=True, tell=nothing)
    assert weights(tmp_path) == weights(ended.folder)
    assert settled(tmp_path) == settled(ended.folder)
    assert again.summary.accuracy == ended.summary.accuracy
    assert not again.already


def test_a_finished_run_says_so(ended: Ended, run: Run) -> None:
    """Resumed after its end, a run does nothing and exits 0."""
    before = (ended.folder / "summary.json").read_bytes()
    ran = run("iterate", "arithmetic", "--out", str(ended.folder), "--resume", "--json")
    assert ran.code == 0, ran.err
    assert "already finished" in ran.err
    assert msgspec.json.decode(ran.out, type=Summary) == ended.summary
    assert (ended.folder / "summary.json").read_bytes() == before


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C exits 130 and says how to go on; the run then goes on."""
    monkeypatch.chdir(tmp_path)
    asked = ["iterate", "arithmetic", *BEGUN, "--arms", "amplified", "--out", "run"]
    with subprocess.Popen(
        [sys.executable, "-c", "from workbench.cli import main; main()", *asked],
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        until(Path("run/rounds.jsonl").exists)
        child.send_signal(signal.SIGINT)
        told = child.communicate(timeout=60)[1]
    assert child.returncode == 130, told
    assert "workbench iterate arithmetic --out run --resume" in told
    with pytest.raises(Interrupted):
        iterate(Wanted("arithmetic"), Path("run"), resume=True, tell=at_once)
    assert [told.step for told in rounds(Path("run"))] == [0]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("iterate", "arithmetik"), 2, "did you mean arithmetic"),
        (("iterate", "arithmetic", "--preset", "huge"), 2, "no preset"),
        (("iterate", "arithmetic", "--preset", "huge"), 2, "arithmetic small"),
        (("iterate", "arithmetic", "--arms", "amplified,best"), 2, "not 'best'"),
        (("iterate", "arithmetic", "--regime", "warm"), 2, "online, frozen"),
        (("iterate", "arithmetic", "--size", "60"), 2, "sizes from"),
        (("iterate", "permutation", "--size", "4"), 2, "take a larger size"),
        (("iterate", "arithmetic", "--out", "x", "--resume"), 3, "no run to go on with"),
        (("evaluate", "x", "--task", "arithmetic"), 3, "no such folder"),
        (("report", "x"), 3, "x/rounds.jsonl"),
        (("ask", "1 + 23", "--policy", "cascade"), 2, "needs --student"),
        (("ask", "1 + 23", "--student", "x"), 2, "amplify or cascade"),
        (("ask", "1 + 23", "--policy", "cascade", "--student", "x"), 3, "no such folder"),
        (("ask", "1 + 23", "--by", "student:x", "--policy", "direct"), 3, "no such folder"),
    ],
)
def test_wrong_input_is_named(arguments: tuple[str, ...], code: int, told: str, run: Run) -> None:
    """Wrong options end with 2, folders that hold no run or student with 3; both say why."""
    ran = run(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert told in ran.err


def test_other_work_is_never_overwritten(run: Run) -> None:
    """A folder that holds something is left alone, and a resume keeps to how it was begun."""
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    assert run("iterate", "arithmetic", "--out", "full").code == 5
    assert [path.name for path in Path("full").iterdir()] == ["mine.txt"]


def test_a_resume_keeps_to_the_plan(ended: Ended) -> None:
    """A resumed run takes no other seed, size or arms than it was begun with."""
    for other in (Wanted("arithmetic", seed=4), Wanted("arithmetic", arms="amplified")):
        with pytest.raises(Complaint, match="was begun with"):
            iterate(other, ended.folder, resume=True, tell=nothing)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("per_level", -1, "from 1 to 100000 questions"),
        ("per_level", 10**9, "from 1 to 100000 questions"),
        ("arms", [], "begin with the amplified one"),
        ("arms", ["supervised"], "begin with the amplified one"),
        ("arms", ["amplified", "amplified"], "none is named twice"),
        ("rounds", 0, "one round or more"),
        ("record_share", 7.0, "from 0 to 1"),
        ("size", 10**9, "sizes from 2 to 16"),
        ("heads", 7, "not shared by 7 heads"),
    ],
)
def test_an_edited_plan_is_bad_data(
    name: str, value: object, told: str, ended: Ended, tmp_path: Path
) -> None:
    """A `run.json` with values that no option takes is refused before anything is worked."""
    plan = json.loads((ended.folder / "run.json").read_text())
    (plan["recipe"] if name in plan["recipe"] else plan)[name] = value
    (tmp_path / "run.json").write_text(json.dumps(plan))
    with pytest.raises((Complaint, BadTask), match=told) as caught:
        iterate(Wanted("arithmetic"), tmp_path, resume=True, tell=nothing)
    assert code_of(caught.value) == Exit.BAD_DATA
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]


def test_places_move_unless_told_otherwise(ended: Ended) -> None:
    """Whether places are moved is part of the recipe: another hash, and no such resume."""
    still = planned(Wanted("arithmetic", offsets=False)).recipe
    moved = planned(Wanted("arithmetic")).recipe
    assert (still.offsets, moved.offsets) == (False, True)
    assert still.hash() != moved.hash()
    with pytest.raises(Complaint, match="begun with --offsets, not"):
        iterate(Wanted("arithmetic", offsets=False), ended.folder, resume=True, tell=nothing)


def test_the_report_needs_rounds_and_summary_alone(ended: Ended, tmp_path: Path) -> None:
    """From these two files the report and every figure come out the same, byte for byte."""
    for name in ("rounds.jsonl", "summary.json"):
        (tmp_path / name).write_bytes((ended.folder / name).read_bytes())
    write_report(tmp_path)
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(made) == 2 + 1 + 15
    for path in made:
        assert path.read_bytes() == (ended.folder / path.relative_to(tmp_path)).read_bytes()


def test_the_report_loads_nothing(ended: Ended) -> None:
    """The page names who the overseer was, and no address that a browser would fetch."""
    page = (ended.folder / "report.html").read_text()
    assert "scripted expert</b>, not a human" in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!data:image/svg\+xml;base64,)", page)


def test_a_torn_line_is_named(ended: Ended, tmp_path: Path, run: Run) -> None:
    """A line that is no round is named with its number."""
    lines = (ended.folder / "rounds.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "rounds.jsonl").write_bytes(b"".join([*lines[:2], lines[2][:40] + b"\n"]))
    ran = run("report", str(tmp_path))
    assert ran.code == 3
    assert "rounds.jsonl:3" in ran.err


@pytest.mark.parametrize("policy", ["amplify", "cascade"])
def test_a_student_acts_in_the_engine(ended: Ended, run: Run, policy: str) -> None:
    """Beside the overseer a student of the folder answers what the policy leaves to it."""
    student = str(ended.folder / "students" / "final")
    ran = run("ask", "482 + 553", "--policy", policy, "--student", student, "--json")
    told = json.loads(ran.out)
    assert told["calls"] >= 3
    shown = run("trace", "show", "last").out
    assert "expert:arithmetic" in shown
    assert "student:arithmetic" in shown or policy == "cascade"


def test_a_students_scores_are_told_again(ended: Ended, run: Run) -> None:
    """`evaluate` gives a student's accuracy by level with n, interval and baseline."""
    student = str(ended.folder / "students" / "final")
    ran = run("evaluate", student, "--task", "arithmetic", "--seed", "3", "--per-level", "20",
              "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    accuracy = json.loads(ran.out)["accuracy"]
    before = msgspec.to_builtins(ended.summary.accuracy)
    for name in ("student", "amplified", "trivial"):
        assert accuracy[name] == json.loads(json.dumps(before[name]))
    assert run("evaluate", student, "--task", "permutation").code == 3


def test_a_student_that_would_run_code_is_refused(ended: Ended, tmp_path: Path, run: Run) -> None:
    """A folder with a pickle in the place of the weights ends with 8, unread."""
    (tmp_path / "student.json").write_bytes(
        (ended.folder / "students" / "final" / "student.json").read_bytes()
    )
    (tmp_path / "weights.safetensors").write_bytes(b"\x80\x04N.")
    ran = run("ask", "1 + 23", "--policy", "cascade", "--student", str(tmp_path))
    assert ran.code == 8
    assert "pickle" in ran.err


def test_a_table_gets_as_far_as_amplification(run: Run) -> None:
    """A learner without limits is right on one level more after each round, without a label."""
    ran = run("iterate", "arithmetic", "--student", "table", "--size", "4", "--per-level", "20",
              "--out", "table", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    levels = [told.student.by_depth for told in rounds(Path("table"))]
    climbed = [[at.accuracy for at in by_depth.values()] for by_depth in levels]
    assert climbed[:4] == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    told = json.loads(ran.out)
    assert told["labels_used"] == 0
    assert told["questions_to_95"]["amplified"] == rounds(Path("table"))[3].spent.questions
    assert not Path("table/students").exists()
    assert "its table was taught" in Path("table/report.html").read_text()
    assert run("iterate", "arithmetic", "--student", "table", "--arms", "all").code == 2


def test_a_report_of_two_runs_is_refused(ended: Ended, tmp_path: Path, run: Run) -> None:
    """Rounds and a summary that tell of other levels, or of no run, make no report."""
    told = json.loads((ended.folder / "summary.json").read_text())
    (tmp_path / "rounds.jsonl").write_bytes((ended.folder / "rounds.jsonl").read_bytes())
    for score in told["accuracy"].values():
        del score["by_depth"]["3"], score["by_depth_n"]["3"], score["intervals"]["3"]
    (tmp_path / "summary.json").write_text(json.dumps(told))
    assert (ran := run("report", str(tmp_path))).code == 3
    assert "other levels" in ran.err
    del told["accuracy"]["trivial"]
    (tmp_path / "summary.json").write_text(json.dumps(told))
    assert "no whole run" in run("report", str(tmp_path)).err
    assert not (tmp_path / "report.html").exists()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    """A run never goes on from another run's checkpoint."""
    for name, seed in (("one", 1), ("other", 2)):
        with pytest.raises(Interrupted):
            iterate(
                Wanted("arithmetic", size=2, per_level=4, seed=seed), tmp_path / name,
                resume=False, tell=Stopper("amplified", 2), save_every_s=0,
            )  # fmt: skip
    checkpoint = Path("checkpoints/amplified")
    (tmp_path / "one" / checkpoint).write_bytes((tmp_path / "other" / checkpoint).read_bytes())
    with pytest.raises(BadCheckpoint, match="another run"):
        iterate(Wanted("arithmetic"), tmp_path / "one", resume=True, tell=nothing)


@pytest.mark.parametrize("regime", ["online", "frozen"])
def test_rounds_are_counted_in_either_regime(regime: str, tmp_path: Path) -> None:
    """`--rounds` ends a run after as many rounds; a frozen one is as long as the recipe says."""
    wanted = Wanted("arithmetic", regime=regime, rounds=1, size=2, per_level=4, most_steps=120)
    found = iterate(
        msgspec.structs.replace(wanted, arms="amplified"), tmp_path, resume=False, tell=nothing
    )
    (begun, first) = rounds(tmp_path)
    assert (begun.step, found.summary.rounds, found.summary.regime) == (0, 1, regime)
    assert first.step == 100 or regime == "online"
    assert first.step <= 120
