"""The Game of 24 with a student as judge: a cascade over hands, beside the scripted overseer.

    python -m benchmarks.game24_judge STUDENT [--hands LIST,…] [--every N] [--bound B,…]
        [--alone] [--json]

Where the student is sure that a state cannot reach 24 the overseer does not look into it; what it
calls possible, or is not sure of, is decomposed as ever. A wrong "impossible" can lose a hand; a
right one saves all that lies below. Hands whose every state was held out stand apart from those
whose states may have been asked in training. Joins inside a hand, as for the known 233 workspaces.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from benchmarks.game24 import lines
from decomposition.tasks.game24 import IMPOSSIBLE
from decomposition.tasks.game24_closure import hand_held_out
from distill.calibration import CASCADE_BOUND, told_bound
from distill.folder import load_student, save_student
from distill.threads import set_threads
from traces.store import Store
from workbench.batch import Result, accept, batch, results, work
from workbench.inputs import Line
from workbench.options import Options

REUSE: Final = "joins"
SCRIPTED: Final = "scripted"


class Group(Struct):
    """Hands of one kind, as one arm worked them."""

    hands: int = 0
    right: int = 0
    impossible: int = 0
    """Answered so, rightly or not."""
    workspaces: int = 0
    calls: int = 0
    joins: int = 0

    def add(self, result: Result) -> None:
        """Count a hand."""
        self.hands += 1
        self.right += bool(result.correct)
        self.impossible += result.answer == IMPOSSIBLE
        self.workspaces += result.workspaces
        self.calls += result.calls
        self.joins += result.joins


class Arm(Struct):
    """One way of working a list of hands."""

    name: str
    hands: str
    bound: float | None
    """Least confidence of the student; None for the scripted overseer alone."""
    held_out: Group = field(default_factory=Group)
    seen: Group = field(default_factory=Group)
    cpu_s: float = 0.0


def measure(name: str, told: str, chosen: list[Line], options: Options, bound: float | None) -> Arm:
    """Work a list into a new store."""
    arm = Arm(name, told, bound)
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        Store.open(Path(folder) / "hands.db") as store,
    ):
        run = accept(store, "hands", batch(chosen, options))
        began = time.process_time()
        work(store, run)
        arm.cpu_s = time.process_time() - began
        for result, _ in results(store, run):
            hand = tuple(int(card) for card in result.id.split("-"))
            (arm.held_out if hand_held_out(hand) else arm.seen).add(result)
    return arm


def cascades(
    student: Path, told: str, chosen: list[Line], bounds: Sequence[float]
) -> Iterator[Arm]:
    """A cascade for each bound.

    Args:
        student: Its folder.
        told: `solvable` or `unsolvable`: which hands.
        chosen: These hands.
        bounds: Instead of the calibrated one.
    """
    loaded = load_student(student, "game24")
    for bound in bounds or [told_bound(student, loaded.record)]:
        with tempfile.TemporaryDirectory() as folder:
            metrics = {**loaded.record.metrics, CASCADE_BOUND: bound}
            save_student(Path(folder), loaded.student, replace(loaded.record, metrics=metrics))
            options = Options(reuse=REUSE, policy="cascade", student=folder)
            yield measure("cascade", told, chosen, options, bound)


def _chosen(told: str, every: int) -> list[Line]:
    """Every N-th hand, and all that are held out."""
    every_hand = lines(solved=told == "solvable", every=1)
    return [
        line
        for place, line in enumerate(every_hand)
        if place % every == 0 or hand_held_out(tuple(int(card) for card in line.id.split("-")))
    ]


def described(arm: Arm) -> Iterator[str]:
    """An arm, a line for each group."""
    bound = "" if arm.bound is None else f" from {arm.bound:.4f}"
    for name, group in (("held out", arm.held_out), ("others", arm.seen)):
        count = max(1, group.hands)
        yield (
            f"{arm.name + bound:<21}{arm.hands:<11}{name:<9}{group.hands:>5} hands, "
            f"right {group.right:>5} ({group.right / count:.3f}), "
            f"impossible {group.impossible:>4}; a hand: "
            f"{group.workspaces / count:7.2f} workspaces, "
            f"{group.calls / count:7.1f} calls, {group.joins / count:6.1f} joins"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("student", type=Path)
    parser.add_argument("--hands", default="solvable")
    parser.add_argument("--every", type=int, default=1, help="take only every N-th seen hand")
    parser.add_argument("--bound", default="", help="confidences instead of the calibrated one")
    parser.add_argument("--alone", action="store_true", help="without the scripted overseer")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    set_threads()
    bounds = [float(each) for each in options.bound.split(",") if each]
    for told in options.hands.split(","):
        chosen = _chosen(told, options.every)
        worked = cascades(options.student, told, chosen, bounds)
        if not options.alone:
            scripted = measure(SCRIPTED, told, chosen, Options(reuse=REUSE), None)
            worked = chain((scripted,), worked)
        for arm in worked:
            if options.json:
                print(json.dumps(msgspec.to_builtins(arm)), flush=True)
            else:
                print(*described(arm), sep="\n", flush=True)


if __name__ == "__main__":
    main()
