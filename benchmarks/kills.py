"""Kills of a running batch: nothing acknowledged is lost, and the results are as without kills.

    python -m benchmarks.kills [--kills N] [--seed N] [--points N]

First a batch runs to its end: the reference. Then fresh runs of it are killed at random times,
begun or resumed each time, until N kills have happened; then a smaller batch is killed before,
inside and after each of its commits in turn (`--points` for the first N commits only). After each
kill everything that was acknowledged or could be read a moment before must be there; at the end
of each run digests, answers and counts must equal the reference, and the store must verify.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct, field

from workbench.testing.kill import Fork, Kept, Line, Victim, Where, lost, unkept

QUESTIONS: Final = (
    "make 24 from 4 5 6 10",
    "487 + 1956",
    "make 24 from 1 3 7 8",
    "12 * 34",
    "99999 + 1",
    "make 24 from 1 2 3 4",
    "31415926 + 27182818",
    "12345 + 67890",
    "make 24 from 4 6 1 1",
    "271 * 8",
    "make 24 from 6 6 6 6",
    "1000000 + 999999 + 1",
)
SMALL: Final = ("487 + 1956", "12 * 34", "99999 + 1")
OPTIONS: Final = ("--by", "faulty:0.05:expert", "--node-samples", "1", "--reuse", "none")
SAMPLED: Final = ("--samples", "3", "--concurrency", "4", "--seed", "11")
WHERES: Final[tuple[Where, ...]] = ("before", "inside", "after")
BATCH: Final = (*OPTIONS, *SAMPLED)
KILLS_OF_A_RUN: Final = 20
LOOKS: Final = 0.5
"""Share of the kills before which a second connection reads."""
NOTHING: Final = Kept({}, {}, {})


class Tally(Struct):
    """What the kills came to."""

    kills: int = 0
    runs: int = 0
    early: int = 0
    """Kills before the run was accepted."""
    during: int = 0
    """Kills that left the run accepted and unfinished."""
    lost: list[str] = field(default_factory=list[str])
    differing: list[str] = field(default_factory=list[str])
    findings: list[str] = field(default_factory=list[str])

    def add(self, other: "Tally") -> None:
        """Take in what another tally counted."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def wrong(self) -> int:
        """How much is not as it must be."""
        return len(self.lost) + len(self.differing) + len(self.findings)


def as_lines(questions: Sequence[str]) -> bytes:
    """The questions as a file of input."""
    return b"".join(b'{"question": "%s"}\n' % question.encode() for question in questions)


def reference(folder: Path, questions: Sequence[str]) -> tuple[list[Line], float]:
    """What the batch comes to without kills, and how long its command takes."""
    victim = Victim(folder, as_lines(questions), BATCH)
    ended = victim.attempt()
    if ended.code or victim.findings():
        raise SystemExit(f"the reference failed with {ended.code}: {ended.err}")
    return victim.lines(), ended.ready_s


def kill_at_random(folder: Path, expected: list[Line], span_s: float, random: Random) -> Tally:
    """Kill one fresh run at random times until it is done, and judge it."""
    victim = Victim(folder, as_lines(QUESTIONS), BATCH)
    tally = Tally(runs=1)
    while tally.kills < KILLS_OF_A_RUN:
        # The square makes early kills likelier, so that a run is killed several times.
        seen, killed = struck(victim, span_s * random.random() ** 2, look=random.random() < LOOKS)
        if not killed:
            break
        judge_kill(victim, tally, seen)
    judge_run(victim, tally, expected)
    return tally


def struck(victim: Victim, delay_s: float, *, look: bool) -> tuple[Kept, bool]:
    """What a second connection saw just before a kill, and whether the kill met anybody.

    Looking takes a moment, by which the kill is late.
    """
    seen = NOTHING
    child = Fork(victim.arguments(), victim.folder)
    time.sleep(delay_s)
    if look:
        seen = victim.kept()
    code = child.end()
    if code > 0:
        raise SystemExit(f"a run ended with {code}: {child.errors()}")
    return seen, code < 0


def judge_kill(victim: Victim, tally: Tally, seen: Kept) -> None:
    """Count a kill, and compare what the store holds with what was seen and acknowledged."""
    tally.kills += 1
    kept = victim.kept()
    tally.early += not kept.ends
    tally.during += bool(kept.ends) and len(kept.closed) < len(kept.ends)
    tally.lost += lost(seen, kept) + unkept(victim.acknowledged(), kept)


def judge_run(victim: Victim, tally: Tally, expected: list[Line]) -> None:
    """Resume a run to its end, and compare it with the reference."""
    kept = victim.kept()
    ended = victim.attempt()
    if ended.code:
        tally.differing.append(f"exit {ended.code}: {ended.err}")
        return
    tally.lost += lost(kept, victim.kept()) + unkept(victim.acknowledged(), victim.kept())
    tally.differing += [
        f"{victim.folder.name}: {line} is not {wanted}"
        for line, wanted in zip(victim.lines(), expected, strict=True)
        if line != wanted
    ]
    tally.findings += victim.findings()


def kill_at_commits(folder: Path, tally: Tally, expected: list[Line], points: int) -> int:
    """Kill fresh runs at each commit in turn; how many commits there were."""
    at = 0
    while at < points:
        at += 1
        for where in WHERES:
            victim = Victim(folder / f"{where}-{at}", as_lines(SMALL), BATCH)
            ended = victim.attempt(at=(where, at))
            if not ended.killed:
                return at - 1
            tally.runs += 1
            judge_kill(victim, tally, NOTHING)
            judge_run(victim, tally, expected)
    return at


def described(name: str, tally: Tally) -> str:
    """A tally in one line, with the bound on the chance of a loss where there was none."""
    bound = f"; at most {3 / tally.kills:.4f} of kills lose, at 95 %" if tally.kills else ""
    return (
        f"{name}: {tally.kills} kills in {tally.runs} runs "
        f"({tally.early} before the run was accepted, {tally.during} with lines unfinished); "
        f"lost {len(tally.lost)}{bound if not tally.lost else ''}; "
        f"differing lines {len(tally.differing)}, findings of verify {len(tally.findings)}"
    )


def main() -> int:
    """Print the counts; 1 if anything was lost or differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kills at random times")
    parser.add_argument("--points", type=int, default=10**6, help="commits to be killed at")
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        folder = Path(place)
        expected, span_s = reference(folder / "reference", QUESTIONS)
        workspaces = sum(line.workspaces for line in expected)
        calls = sum(line.calls for line in expected)
        print(
            f"reference: {len(expected)} lines, {workspaces} workspaces, {calls} calls, "
            f"{span_s:.2f} s from the command's beginning to its end",
            flush=True,
        )

        def one_run(number: int) -> Tally:
            random = Random(f"{options.seed}-{number}")  # noqa: S311 - kills, not secrets
            return kill_at_random(folder / f"random-{number}", expected, span_s, random)

        at_random = Tally()
        with ThreadPoolExecutor(options.jobs) as pool:
            while at_random.kills < options.kills:
                for tally in pool.map(
                    one_run, range(at_random.runs, at_random.runs + options.jobs)
                ):
                    at_random.add(tally)
                print(described("so far", at_random), file=sys.stderr, flush=True)
        print(described("random times", at_random), flush=True)
        at_commits = Tally()
        small, _ = reference(folder / "small", SMALL)
        commits = kill_at_commits(folder / "commits", at_commits, small, options.points)
        print(described(f"before, inside and after {commits} commits", at_commits), flush=True)
    for wrong in (at_random, at_commits):
        for text in (wrong.lost + wrong.differing + wrong.findings)[:20]:
            print(f"  {text}")
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if at_random.wrong or at_commits.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
