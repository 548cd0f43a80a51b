"""The twin of a run in a process of its own: equal to one in sequence, whatever happens to it."""

import os
import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
import torch

from distill.checkpoint import load_checkpoint
from distill.recipe import Arm
from tests.workbench.rounds.test_rounds import nothing, settled, weights
from tests.workbench.test_resume import until
from workbench.exits import Interrupted
from workbench.rounds.arm_run import ArmRun
from workbench.rounds.iterate import Ended, Wanted, iterate
from workbench.rounds.pace import Lead, Teller
from workbench.rounds.run_folder import RunFolder
from workbench.rounds.twin_process import ARM, TwinProcess, twin_folder

SMALL = Wanted("arithmetic", arms=ARM, size=3, most_steps=40, per_level=20, seed=3)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def in_sequence(tmp_path_factory: pytest.TempPathFactory, _one_thread: None) -> Ended:
    """The run as `workbench iterate` does it."""
    return iterate(SMALL, tmp_path_factory.mktemp("rounds") / "run", resume=False, tell=nothing)


class Beside:
    """Runs the twin beside the amplified arm."""

    def __init__(self, stop_at: int = 0, kill_at: int = 0) -> None:
        self._stop_at, self._kill_at = stop_at, kill_at
        self.twin: TwinProcess | None = None
        self.steps_here = 0
        """Of the twin's, taken in this process."""

    def before(self, folder: RunFolder, arm: Arm, like: ArmRun | None) -> None:
        """Start the twin, or take its work."""
        if like is None:
            self.twin = TwinProcess(folder, save_every_s=0)
        elif self.twin is not None:
            assert arm == ARM
            self.twin.end(like, lambda: None)

    def tell(self, run: ArmRun) -> None:
        """Count a step; kill the twin or press Ctrl-C where that is wanted."""
        self.steps_here += run.arm == ARM
        if run.arm == ARM or self.twin is None:
            return
        self.twin.tell(run)
        step = run.trainer.step
        if step in (self._kill_at, self._stop_at):
            until(twin_folder(run.folder.path).checkpoint(ARM).exists, 300)
        if step == self._kill_at:
            os.kill(self.twin.number, signal.SIGKILL)
        if step == self._stop_at:
            raise KeyboardInterrupt

    def run(self, folder: Path, *, resume: bool) -> Ended:
        """The whole run."""
        wanted = Wanted("arithmetic") if resume else SMALL
        try:
            return iterate(wanted, folder, resume=resume, tell=self.tell, before_arm=self.before)
        finally:
            if self.twin is not None:
                self.twin.leave()


def same(folder: Path, in_sequence: Ended, found: Ended) -> bool:
    """Whether students, rounds, scores and the twin's tensors are those of a run in sequence."""
    twins = [
        load_checkpoint(RunFolder(each).checkpoint(ARM)) for each in (folder, in_sequence.folder)
    ]
    states = [(twin.average.state_dict(), twin.student.state_dict()) for twin in twins]
    equal = [
        torch.equal(one[name], other[name])
        for one, other in zip(*states, strict=True)
        for name in one
    ]
    return (
        all(equal)
        and weights(folder) == weights(in_sequence.folder)
        and settled(folder) == settled(in_sequence.folder)
        and found.summary.accuracy == in_sequence.summary.accuracy
        and found.summary.questions_to_95 == in_sequence.summary.questions_to_95
    )


def test_a_twin_beside_the_run_is_the_twin_after_it(in_sequence: Ended, tmp_path: Path) -> None:
    """Trained at once in two processes, both arms are bit for bit those of a run in sequence."""
    beside = Beside()
    found = beside.run(tmp_path / "run", resume=False)
    assert same(tmp_path / "run", in_sequence, found)
    assert beside.steps_here == 0
    assert not (tmp_path / "run/twin").exists()


def test_a_killed_twin_is_finished_here(
    in_sequence: Ended, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The run says so and takes the steps that the twin did not keep, to the same end."""
    beside = Beside(kill_at=25)
    found = beside.run(tmp_path / "run", resume=False)
    assert (
        "the twin's process was ended by signal 9; its work goes on here" in capfd.readouterr().err
    )
    assert same(tmp_path / "run", in_sequence, found)
    assert 0 < beside.steps_here <= 40


def test_stopped_together_they_go_on_together(in_sequence: Ended, tmp_path: Path) -> None:
    """After Ctrl-C both go on from what they kept, to the same end."""
    with pytest.raises(Interrupted, match="--resume"):
        Beside(stop_at=25).run(tmp_path / "run", resume=False)
    assert twin_folder(tmp_path / "run").checkpoint(ARM).exists()
    beside = Beside()
    found = beside.run(tmp_path / "run", resume=True)
    assert same(tmp_path / "run", in_sequence, found)
    assert beside.steps_here == 0


def test_a_stopped_twin_goes_on_in_sequence_too(in_sequence: Ended, tmp_path: Path) -> None:
    """`workbench iterate --resume` ends a run that was begun with a twin beside it."""
    with pytest.raises(Interrupted):
        Beside(stop_at=25).run(tmp_path / "run", resume=False)
    found = iterate(Wanted("arithmetic"), tmp_path / "run", resume=True, tell=nothing)
    assert same(tmp_path / "run", in_sequence, found)


def test_a_pace_that_breaks_off_ends_the_run() -> None:
    """What was not told whole did not happen."""
    lead = Lead(BytesIO(b'{"step":3,"rounds":[2]}\n{"step":9'))
    assert lead.reaches(3)
    assert lead.ends_round(2)
    assert not lead.reaches(4)
    assert not lead.reaches(4)


def test_a_pace_tells_everything_once(tmp_path: Path) -> None:
    """Told now and then, a run is known as a whole: its levels, its rounds and its end."""
    teller, lines = Teller(), list[bytes]()
    course: list[ArmRun] = []

    def tell(run: ArmRun) -> None:
        course[:] = [run]
        if run.trainer.step % 7 == 0 or run.over:
            lines.append(teller.line(run))

    wanted = msgspec.structs.replace(SMALL, preset="demo", arms="amplified", most_steps=200)
    iterate(wanted, tmp_path / "run", resume=False, tell=tell)
    lead = Lead(BytesIO(b"".join(lines)))
    (run,) = course
    end = run.trainer.step
    assert lead.reaches(end)
    assert not lead.reaches(end + 1)
    assert lead.schedule == run.trainer.curriculum.schedule
    assert lead.schedule.promotions
    steps = {told.step for told in run.rounds}
    assert {step for step in range(end + 1) if lead.ends_round(step)} == steps
