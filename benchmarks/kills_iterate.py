"""Kills of a run of rounds: resumed, it ends with the same students, bit for bit on one thread.

    python -m benchmarks.kills_iterate [--kills N] [--seed N]

First a small run goes to its end: the reference. Then fresh runs are killed with SIGKILL at random
times, begun or resumed each time, until N kills have happened. At its end each run must have the
reference's weights of every student, its rounds and scores (seconds apart), and as many training
rows with the same digest; its store must verify.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from traces.rounds_record import decode_round, encode_round
from traces.store import Store
from traces.verify import verify
from workbench.testing.kill import PATIENCE_S, Fork

RUN: Final = "run"
OPTIONS: Final = ("--size", "3", "--most-steps", "30", "--per-level", "5", "--seed", "3")
ARMS: Final = ("--arms", "amplified,self_training")
PRELOADED: Final = (
    "torch._dynamo",
    "workbench.rounds.iterate",
    "workbench.rounds.reports",
    "workbench.rounds.figures",
    "workbench.rounds.rounds_progress",
    "workbench.rounds.rounds_text",
    "workbench.amplify_run",
    "workbench.cli",
    "workbench.testing.kill",
)
KILLS_OF_A_RUN: Final = 12
TIMES: Final = ("wall_s", "cpu_s", "cpu_to_95", "environment", "spent")
"""What no two runs share."""


class Left(Struct, frozen=True):
    """What a finished run comes to: all that must not depend on kills."""

    students: dict[str, str]
    """sha256 of the weights of each."""
    rounds: tuple[bytes, ...]
    """Lines, without seconds."""
    summary: dict[str, object]
    """Without seconds."""
    findings: tuple[str, ...]
    """Of a verification of the store."""


class Tally(Struct):
    """What the kills came to."""

    kills: int = 0
    runs: int = 0
    places: Counter[str] = field(default_factory=Counter[str])
    """Where the runs stood when they were killed."""
    differing: list[str] = field(default_factory=list[str])


def arguments(folder: Path) -> list[str]:
    """What begins the run of a folder, or goes on with it."""
    if (folder / RUN / "run.json").exists():
        return ["iterate", "arithmetic", "--out", RUN, "--resume"]
    return ["iterate", "arithmetic", *OPTIONS, *ARMS, "--out", RUN]


def place(folder: Path) -> str:
    """How far a run has come."""
    run = folder / RUN
    stages = (
        ("run.json", "before the run was begun"),
        ("checkpoints/amplified", "before the first checkpoint"),
        ("checkpoints/self_training", "in the amplified arm"),
        ("students/final", "in the second arm"),
        ("summary.json", "at the end"),
    )
    return next((told for name, told in stages if not (run / name).exists()), "after the end")


def attempt(folder: Path, patience_s: float = PATIENCE_S) -> int:
    """Begin or go on with a run for so long; the exit code, negative if it was killed.

    Raises:
        RuntimeError: It ended with an error of its own.
    """
    if (folder / RUN / "run.json").exists():
        # Drawing takes longer than the run; a report that is there is not drawn again.
        (folder / RUN / "report.html").touch()
    child = Fork(arguments(folder), folder, preloaded=PRELOADED)
    code = child.end(patience_s)
    if code > 0:
        raise RuntimeError(f"a run ended with {code}: {child.errors()}")
    return code


def left(folder: Path) -> Left:
    """What a finished run came to."""
    run = folder / RUN
    weights = sorted((run / "students").glob("*/weights.safetensors"))
    told = [decode_round(line) for line in (run / "rounds.jsonl").read_bytes().splitlines()]
    summary = msgspec.json.decode((run / "summary.json").read_bytes(), type=dict[str, object])
    with Store.open(run / "traces.db", readonly=True) as store:
        findings = tuple(str(each) for each in verify(store, refold=True).findings)
    return Left(
        {each.parent.name: sha256(each.read_bytes()).hexdigest() for each in weights},
        tuple(encode_round(replace(each, spent=replace(each.spent, cpu_s=0))) for each in told),
        {name: value for name, value in summary.items() if name not in TIMES},
        findings,
    )


def differences(expected: Left, found: Left) -> list[str]:
    """What of a finished run is not as in the reference."""
    pairs = zip(asdict(expected).items(), asdict(found).values(), strict=True)
    return [f"{name}: {theirs} is not {own}" for (name, own), theirs in pairs if own != theirs]


def kill_at_random(
    folder: Path, expected: Left, span_s: float, random: Random, most: int = KILLS_OF_A_RUN
) -> Tally:
    """Kill one fresh run at random times until it is done, and compare its end."""
    folder.mkdir(parents=True)
    tally = Tally(runs=1)
    while tally.kills < most and attempt(folder, span_s * random.random()) < 0:
        tally.kills += 1
        tally.places[place(folder)] += 1
    attempt(folder)
    tally.differing += [f"{folder.name}: {each}" for each in differences(expected, left(folder))]
    return tally


def reference(folder: Path) -> tuple[Left, float]:
    """What the run comes to without kills, and how long it takes up to its report."""
    folder.mkdir(parents=True)
    # The first child waits until everything is imported, which is no part of its run.
    Fork(["--help"], folder, preloaded=PRELOADED).end(PATIENCE_S)
    began = time.monotonic()
    attempt(folder)
    drawn_s = time.time() - (folder / RUN / "summary.json").stat().st_mtime
    span_s = time.monotonic() - began - drawn_s
    found = left(folder)
    if found.findings:
        raise RuntimeError(f"the reference does not verify: {found.findings}")
    return found, span_s


def described(tally: Tally) -> str:
    """A tally in words, with the bound on the chance of a difference where there was none."""
    places = ", ".join(f"{count} {name}" for name, count in sorted(tally.places.items()))
    bound = f"; at most {3 / max(1, tally.kills):.4f} of kills change anything, at 95 %"
    return (
        f"{tally.kills} kills in {tally.runs} runs ({places}); "
        f"differing {len(tally.differing)}{'' if tally.differing else bound}"
    )


def main(given: Sequence[str] | None = None) -> int:
    """Print the counts; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="kills at random times")
    parser.add_argument("--seed", type=int, default=0, help="of the times")
    options = parser.parse_args(given)
    os.environ["OMP_NUM_THREADS"] = "1"
    began = time.monotonic()
    whole = Tally()
    with tempfile.TemporaryDirectory(prefix="kills-") as where:
        expected, span_s = reference(Path(where) / "reference")
        print(
            f"reference: {len(expected.students)} students, {len(expected.rounds)} rounds, "
            f"{expected.summary.get('rows', 0)} training rows, {span_s:.2f} s",
            flush=True,
        )
        while whole.kills < options.kills:
            random = Random(f"{options.seed}-{whole.runs}")  # noqa: S311 - kills, not secrets
            most = min(KILLS_OF_A_RUN, options.kills - whole.kills)
            folder = Path(where) / f"run-{whole.runs}"
            tally = kill_at_random(folder, expected, span_s, random, most)
            whole.kills += tally.kills
            whole.runs += tally.runs
            whole.places += tally.places
            whole.differing += tally.differing
            print(f"so far: {described(whole)}", file=sys.stderr, flush=True)
    print(described(whole))
    for text in whole.differing[:20]:
        print(f"  {text[:400]}")
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if whole.differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
