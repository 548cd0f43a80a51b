"""The twin: an arm that is trained in a process of its own, beside the run that it follows.

Started by `workbench.rounds.twin_process`; standard input is the pace of the run that it follows.
It works in a folder inside that folder, and changes nothing else there.
"""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from distill.recipe import Arm
from distill.threads import set_threads
from workbench.rounds.arm_run import ArmRun
from workbench.rounds.iterate import examiner_of
from workbench.rounds.pace import Lead
from workbench.rounds.run_folder import Plan, RunFolder, read_as
from workbench.rounds.twin_process import ARM, twin_folder

if TYPE_CHECKING:
    from distill.training import StepReport
    from workbench.rounds.scoring import Examiner


class TwinRun(ArmRun):
    """An arm that waits for each step until the run that it follows has taken it."""

    def __init__(
        self, folder: RunFolder, plan: Plan, arm: Arm, examiner: "Examiner", lead: Lead
    ) -> None:
        self._lead = lead
        super().__init__(folder, plan, arm, examiner)
        self.trainer.follows = lead.schedule

    @property
    def over(self) -> bool:
        """Whether the run takes no further step."""
        return not self._lead.reaches(self.trainer.step + 1)

    def _ends_round(self, report: "StepReport") -> bool:
        return self._lead.ends_round(report.step)


def work(path: Path, lead: Lead, save_every_s: float) -> None:
    """Trains the twin of a run for as long as the run goes on.

    Args:
        path: Of the run's folder.
        lead: The run.
        save_every_s: Seconds between two checkpoints.
    """
    set_threads()
    plan = read_as(RunFolder(path).plan, Plan)
    own = twin_folder(path)
    with own.held():
        TwinRun(own, plan, ARM, examiner_of(plan), lead).work([], _silent, save_every_s)


def _silent(run: ArmRun) -> None:
    """Nothing: the run that is followed tells for both."""
    del run


if __name__ == "__main__":
    # Ctrl-C is for the run, whose end ends the twin with everything kept.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work(Path(sys.argv[1]), Lead(sys.stdin.buffer), float(sys.argv[2]))
