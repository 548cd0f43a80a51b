"""All hands of the Game of 24, solved by decomposition, for each kind of reuse.

    python -m benchmarks.game24 [--reuse KIND,…] [--hands LIST,…] [--every N] [--json]

The overseer is the task's scripted expert. Answers are checked by exact arithmetic: an expression
proves itself, and "impossible" is held against a search of every expression. Shared joins are
worked one puzzle at a time, so that their counts are repeatable.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from decomposition.tasks.game24 import IMPOSSIBLE, hands, solvable
from traces.store import Store
from workbench.batch import accept, batch, results, work
from workbench.batch_summary import Summary, summarise
from workbench.inputs import Line
from workbench.options import Options

KINDS: Final = ("none", "memo", "joins", "joins-shared")
LISTS: Final = ("solvable", "unsolvable")
KNOWN: Final = {"none": 717, "joins": 233, "joins-shared": 32}
"""Workspaces a solvable puzzle, depth first to the first solution, computed without an engine."""


class Arm(Struct, frozen=True):
    """One kind of reuse over one list of hands."""

    reuse: str
    hands: str
    summary: Summary
    impossible: int
    """Lines that were answered so."""
    wall_s: float
    cpu_s: float


def lines(*, solved: bool, every: int) -> list[Line]:
    """The hands that can make 24, or those that cannot, as lines of a batch."""
    chosen = [hand for hand in hands() if solvable(hand) is solved][::every]
    return [Line("-".join(map(str, each)), f"make 24 from {_spaced(each)}") for each in chosen]


def _spaced(hand: tuple[int, ...]) -> str:
    return " ".join(map(str, hand))


def measure(reuse: str, name: str, chosen: list[Line]) -> Arm:
    """Work a list into a new store."""
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        Store.open(Path(folder) / "hands.db") as store,
    ):
        run = accept(store, "hands", batch(chosen, Options(reuse=reuse)))
        wall, cpu = time.perf_counter(), time.process_time()
        work(store, run, concurrency=1 if reuse == "joins-shared" else None)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        impossible = sum(result.answer == IMPOSSIBLE for result, _ in results(store, run))
        return Arm(reuse, name, summarise(store, run), impossible, wall, cpu)


def described(arm: Arm) -> str:
    """An arm in one line."""
    done, known = arm.summary, KNOWN.get(arm.reuse) if arm.hands == "solvable" else None
    return (
        f"{arm.reuse:<13}{arm.hands:<11}{done.total:>6} hands, right {done.correct:>5}, "
        f"impossible {arm.impossible:>4}; a hand: {done.workspaces / done.total:8.2f} workspaces"
        f"{f' (known {known})' if known else ''}, {done.calls / done.total:8.1f} calls, "
        f"{done.joins / done.total:7.1f} joins, {done.memo_hits / done.total:7.1f} memo; "
        f"{arm.cpu_s:6.1f} s CPU, {arm.wall_s:6.1f} s wall"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reuse", default=",".join(KINDS))
    parser.add_argument("--hands", default=",".join(LISTS))
    parser.add_argument("--every", type=int, default=1, help="take only every N-th hand")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for reuse in options.reuse.split(","):
        for name in options.hands.split(","):
            arm = measure(reuse, name, lines(solved=name == "solvable", every=options.every))
            print(
                json.dumps(
                    {
                        "reuse": arm.reuse,
                        "hands": name,
                        "lines": arm.summary.total,
                        "right": arm.summary.correct,
                        "workspaces": arm.summary.workspaces,
                        "calls": arm.summary.calls,
                        "joins": arm.summary.joins,
                        "memo": arm.summary.memo_hits,
                        "cpu_s": arm.cpu_s,
                        "wall_s": arm.wall_s,
                    }
                )
                if options.json
                else described(arm),
                flush=True,
            )


if __name__ == "__main__":
    main()
