"""The demo: what it says and leaves, and that what it names to try next works."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import torch

from tests.workbench.conftest import Run
from tests.workbench.rounds.test_rounds import settled
from tests.workbench.test_resume import until
from traces.rounds_record import Measure, Round, Scored, Spent
from workbench.demo import Wish, as_json, run_demo
from workbench.demo_text import Shown
from workbench.exits import Interrupted
from workbench.rounds.level_table import level_table, tenths, whole
from workbench.rounds.rounds_summary import ArmScore
from workbench.rounds.rounds_text import score_table

SMALL = Wish(size=3, most_steps=60, per_level=20, seed=3)


class Ran(NamedTuple):
    """A demo that was run."""

    shown: Shown
    parts: list[str]
    """What it said."""


def made(out: Path, *, beside: bool | None = None) -> Ran:
    """A small demo in a folder."""
    parts: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["workbench", "demo"])
        patch.setenv("COLUMNS", "80")
        wish = Wish(out, SMALL.seed, SMALL.size, SMALL.most_steps, SMALL.per_level)
        return Ran(run_demo(wish, parts.append, beside=beside), parts)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, _one_thread: None) -> Ran:
    """A small demo."""
    return made(tmp_path_factory.mktemp("demo") / "run")


def test_it_begins_with_the_question_and_its_tree(demo: Ran) -> None:
    """Before training: what is asked, who the overseer is, and the recorded tree."""
    text = demo.parts[0]
    assert "THE QUESTION: 482 + 55 = ?" in text
    assert "scripted expert here, not a human" in text
    assert "482 + 55 → 537" in text
    assert "8 + 5 → 13" in text


def test_it_ends_with_what_came_of_it(demo: Ran) -> None:
    """After training: the table, the counts of right answers, the tree, the report, what next."""
    text = demo.parts[1]
    for name in ("before", "label", "after round", "twin", "alone", "trivial"):
        assert name in text
    assert "given 0 right answers" in text
    assert "student:arithmetic" in text
    assert f"Report: {demo.shown.report}" in text
    for command in (*demo.shown.try_next, demo.shown.other_arms):
        assert command in text.splitlines()


def test_its_text_fits_a_terminal(demo: Ran) -> None:
    """No line but those with paths and commands is wider than 80 columns."""
    named = (demo.shown.folder, "workbench ")
    lines = "\n".join(demo.parts).splitlines()
    assert [each for each in lines if len(each) > 80 and not any(n in each for n in named)] == []


def test_what_it_names_works_as_printed(demo: Ran, run: Run) -> None:
    """Each command to try next does what it says; the one of all arms is only shortened."""
    assert len(demo.shown.try_next) == 3
    for command in demo.shown.try_next:
        name, *words = shlex.split(command)
        assert name == "workbench"
        ran = run(*words)
        assert ran.code == 0, ran.err
        assert ran.out
    words = shlex.split(demo.shown.other_arms)[1:]
    ran = run(*words, "--most-steps", "2", "--per-level", "4")
    assert ran.code == 0, ran.err
    assert "self_training" in ran.out


def test_the_answer_to_try_next_is_the_sum(demo: Ran, run: Run) -> None:
    """The cascade answers the question of the demo."""
    assert run(*shlex.split(demo.shown.try_next[0])[1:]).out.strip().isdecimal()


def test_its_folder_is_that_of_a_run(demo: Ran, run: Run) -> None:
    """The report is made again from it, and the record verifies."""
    folder = Path(demo.shown.folder)
    left = {path.name for path in folder.iterdir()}
    assert {"rounds.jsonl", "summary.json", "report.html", "figures", "students"} <= left
    assert "twin" not in left
    assert run("report", str(folder)).code == 0
    assert demo.shown.verified
    assert run("trace", "verify", "--store", demo.shown.store).code == 0


def test_it_tells_machines_everything(demo: Ran) -> None:
    """One JSON object names folder, report, trace, commands and the whole summary."""
    told = json.loads(as_json(demo.shown))
    assert told["summary"]["arms"] == ["amplified", "supervised_uniform"]
    assert told["summary"]["labels_used"] == 0
    assert told["try_next"] == list(demo.shown.try_next)
    assert Path(told["report"]).exists()


def test_with_one_core_the_twin_comes_after(demo: Ran, tmp_path: Path) -> None:
    """Without a second core the demo comes to the same, bit for bit."""
    after = made(tmp_path / "run", beside=False)
    assert settled(tmp_path / "run") == settled(Path(demo.shown.folder))
    assert after.shown.summary.accuracy == demo.shown.summary.accuracy


def pressed(part: str) -> None:
    """Presses Ctrl-C as soon as something is said."""
    raise KeyboardInterrupt(part[:0])


def test_a_stopped_demo_goes_on(demo: Ran, tmp_path: Path) -> None:
    """Stopped and resumed, a demo comes to the same; resumed after its end, it says so again."""
    out = tmp_path / "run"
    wish = msgspec.structs.replace(SMALL, out=out)
    with pytest.raises(Interrupted, match="--resume"):
        run_demo(wish, pressed)
    parts: list[str] = []
    again = msgspec.structs.replace(wish, resume=True)
    found = run_demo(again, parts.append)
    assert len(parts) == 2
    assert settled(out) == settled(Path(demo.shown.folder))
    assert found.summary.accuracy == demo.shown.summary.accuracy
    assert run_demo(again, parts.append).summary == found.summary
    assert len(parts) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("traitor",), 2, "traitor"),
        (("--size", "9"), 2, "size"),
        (("--resume",), 2, "--out"),
        (("--out", "full"), 5, "full exists"),
        (("--out", "none", "--resume"), 3, "no run to go on with"),
    ],
)
def test_wrong_input_is_named(arguments: tuple[str, ...], code: int, told: str, run: Run) -> None:
    """Wrong usage ends with 2, a folder that holds something with 5, one without a run with 3."""
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    ran = run("demo", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert told in ran.err


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C exits 130, ends the twin too, and says how to go on."""
    monkeypatch.chdir(tmp_path)
    asked = ["demo", "--size", "2", "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", "from workbench.cli import main; main()", *asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        until(Path("workbench-demo/twin/.lock").exists, 300)
        until(Path("workbench-demo/rounds.jsonl").exists, 300)
        child.send_signal(signal.SIGINT)
        out, told = child.communicate(timeout=300)
    assert (child.returncode, out) == (130, ""), told
    assert "demo --out workbench-demo --resume" in told


# -- the table -------------------------------------------------------------------------------------


def test_shares_are_never_rounded_up() -> None:
    """100 means that every answer was right."""
    assert (whole(0.9999), whole(1.0), whole(0.29), whole(0.0)) == ("99", "100", "29", "0")
    assert (tenths(0.9999), tenths(1.0), tenths(0.997)) == ("99.9", "100.0", "99.7")


def test_nearly_all_is_neither_all_nor_nothing() -> None:
    """In the table of arms too, 1.00 means that every answer was right."""
    shares = {"1": 0.9997, "2": 1.0, "3": 0.0}
    ends = dict.fromkeys((*shares, "overall"), (0.0, 1.0))
    counted = dict.fromkeys(shares, 9)
    score = ArmScore(0.9997, 27, 27, 1.0, shares, counted, ends)
    cells = score_table({"student": score})[1].split()[1:]
    assert [cell.partition("±")[0] for cell in cells] == [".999", "1.00", ".000", ".999"]


def test_the_table_grows_with_the_rounds() -> None:
    """A column for each round; a level that was never asked has no first label."""
    begun = told(0, 1, (0.0, 0.0, 0.0))
    first = told(1, 1, (0.99, 0.25, 0.0), promoted_to=2)
    assert [row.split() for row in level_table([begun])] == [
        ["1st"],
        ["digits", "n", "before", "label"],
        ["1", "500", "0", "0"],
        ["2", "500", "0", "-"],
        ["3", "500", "0", "-"],
    ]
    assert [row.split() for row in level_table([begun, first])[1:]] == [
        ["digits", "n", "before", "label", "1"],
        ["1", "500", "0", "0", "99"],
        ["2", "500", "0", "25", "25"],
        ["3", "500", "0", "-", "0"],
    ]


def told(
    number: int, frontier: int, right: tuple[float, ...], promoted_to: int | None = None
) -> Round:
    """A round with so much right at each level."""
    by_depth = {str(level): Measure(each, 500, 500, 0, 1) for level, each in enumerate(right, 1)}
    return Round(
        arm="amplified",
        round=number,
        step=100 * number,
        frontier=frontier,
        promoted_to=promoted_to,
        before_first_label=None if promoted_to is None else right[promoted_to - 1],
        agreement=None,
        kept=None,
        loss_nats=None,
        student=Scored(Measure(0, 1500, 1500, 0, 1), 1, by_depth),
        amplified=None,
        calls_per_answer=None,
        spent=Spent(0, 0, 0, 0, 0, 0, 0, 0),
    )
