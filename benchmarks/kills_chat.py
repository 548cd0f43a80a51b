"""Kills of paid runs: nothing acknowledged is lost, nothing completed is paid for again.

    python -m benchmarks.kills_chat [--kills 1000] [--concurrency 1 4 16] [--over http double]

`amplify` runs trees over a chat model that a provider on loopback plays (`http`), or over a paid
double in the child's own process (`double`). Some calls fail once, so that there are pauses to be
killed in. Half of the kills come at random times, half at named points of paid calls; each run is
resumed until it is done. Judged against the provider's counts, the lines of the ledger, and what
the same batch comes to without kills. Then every kind of fault is played without kills: requests
that the provider counted and lines of the ledger must be the same calls.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct, field

from benchmarks.fault_modes import CHAT, MODES, played
from workbench.testing.audit import DECIDED, Audit, audit
from workbench.testing.kill import PRELOADED, UNSETTLED, Kept, Line, Victim, lost, unkept, unpaid
from workbench.testing.points import PAID, Where
from workbench.testing.provider import Provider
from workbench.testing.tally import Counted, read

HEIGHT: Final = 2
QUESTIONS: Final = tuple(f"{HEIGHT} {number}" for number in range(16, 20))
"""Their numbers are so far apart that no question stands in two of the trees."""
LATENCY: Final = "0.002-0.008"
FAULTS: Final = ("503:0.01x1", "429=0.01:0.02x1")
KEY: Final = "sk-nobody"
OPTIONS: Final = ("--fuel", "1000")
KILLS_OF_A_RUN: Final = 10
DOUBLE: Final = """
from pathlib import Path
from workbench.testing.paid import PaidDouble, tree
double = PaidDouble(tree, latency={latency!r}, faults={faults!r}, counts=Path("counts.jsonl"))
"""


class Stage(Struct, frozen=True):
    """Where runs are worked: over a wire, or with a double."""

    name: str
    concurrency: int
    victim: Callable[[Path], Victim]
    """A fresh run in a folder."""
    counted: Callable[[Victim], list[Counted]]
    """The requests of a run."""


class Reference(Struct, frozen=True):
    """What a batch comes to without kills."""

    lines: list[Line]
    decided: list[tuple[int, str, str]]
    span_s: float
    """From the beginning of the command to its end."""


class Tally(Struct):
    """What the kills came to."""

    kills: int = 0
    runs: int = 0
    resumed: int = 0
    """Runs that were killed at least once and then went on to their end."""
    points: Counter[str] = field(default_factory=Counter[str])
    in_flight: int = 0
    """Most calls that a kill met under way."""
    ambiguous: int = 0
    """Lines whose calls were never seen to end, all of them listed."""
    requests: int = 0
    lines: int = 0
    extra: int = 0
    """Requests whose replies nobody committed."""
    lost: list[str] = field(default_factory=list[str])
    repeated: list[str] = field(default_factory=list[str])
    unexplained: list[str] = field(default_factory=list[str])
    crowded: list[str] = field(default_factory=list[str])
    """Kills that met more calls under way than may be."""
    differing: list[str] = field(default_factory=list[str])
    findings: list[str] = field(default_factory=list[str])

    def add(self, other: "Tally") -> None:
        """Take in what another tally counted."""
        most = max(self.in_flight, other.in_flight)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.in_flight = most

    @property
    def wrong(self) -> list[str]:
        """All that is not as it must be."""
        return (
            self.lost
            + self.repeated
            + self.unexplained
            + self.crowded
            + self.differing
            + self.findings
        )


def as_lines(questions: Sequence[str]) -> bytes:
    """The questions as a file of input."""
    return b"".join(b'{"question": "%s"}\n' % question.encode() for question in questions)


def over_double(concurrency: int, faults: Sequence[str] = FAULTS, latency: str = LATENCY) -> Stage:
    """Runs whose calls a double in the child's own process answers, and counts in a file."""

    def victim(folder: Path) -> Victim:
        folder.mkdir(parents=True)
        text = DOUBLE.format(latency=latency, faults=list(faults))
        (folder / "double.py").write_text(text)
        return Victim(
            folder,
            as_lines(QUESTIONS),
            ["--by", "double.py:double", *OPTIONS],
            always=["--concurrency", str(concurrency)],
            counts=folder / "counts.jsonl",
        )

    return Stage("double", concurrency, victim, lambda victim: read(victim.folder / "counts.jsonl"))


def over_http(provider: Provider, concurrency: int) -> Stage:
    """Runs whose calls go over HTTP to a provider, each run under a place of its own."""

    def victim(folder: Path) -> Victim:
        place = f"{folder.parent.name}-{folder.name}"
        return Victim(
            folder,
            as_lines(QUESTIONS),
            ["--by", "chat:openai:tree", *OPTIONS],
            always=["--concurrency", str(concurrency)],
            environment={"OPENAI_BASE_URL": provider.base(place), "OPENAI_API_KEY": KEY},
            counts=provider.counts,
            preloaded=(*PRELOADED, *CHAT),
        )

    def counted(victim: Victim) -> list[Counted]:
        folder = victim.folder
        return provider.requests(f"{folder.parent.name}-{folder.name}")

    return Stage("http", concurrency, victim, counted)


def reference(folder: Path, stage: Stage) -> Reference:
    """What the batch comes to without kills; each request must be a line."""
    victim = stage.victim(folder)
    ended = victim.attempt()
    kept = victim.kept()
    compared = audit(stage.counted(victim), kept.ledger)
    if ended.code or victim.findings() or not compared.exact or compared.unsettled:
        raise SystemExit(f"the reference failed with {ended.code}: {ended.err} {compared}")
    return Reference(victim.lines(), decided(kept), ended.ready_s)


def decided(kept: Kept) -> list[tuple[int, str, str]]:
    """The lines of the ledger that were decided: session, path, standing."""
    return sorted(
        (line[2], line[3], line[1]) for line in kept.ledger.values() if line[1] in DECIDED
    )


def attacked(folder: Path, stage: Stage, expected: Reference, random: Random, most: int) -> Tally:
    """Kill one fresh run until it is done or was killed often enough, and judge it."""
    victim = stage.victim(folder)
    tally = Tally(runs=1)
    kept = victim.kept()
    while tally.kills < most:
        before = kept
        where = _struck(victim, expected, random)
        if not where:
            break
        tally.kills += 1
        tally.points[where] += 1
        kept = victim.kept()
        judge_kill(victim, stage, tally, before, kept)
    tally.resumed += bool(tally.kills)
    judge_run(victim, stage, tally, expected)
    return tally


def _struck(victim: Victim, expected: Reference, random: Random) -> str:
    """Begin or go on, and be killed; where, or empty if the run was done before.

    A run that was accepted cannot be killed at its acceptance.
    """
    if random.random() < 0.5:
        ended = victim.attempt(delay_s=expected.span_s * random.random() ** 2)
        where = "at a random time"
    else:
        at = random.choice(PAID[2:] if victim.accepted else PAID)
        ended = victim.attempt(at=(at, _number(at, random)))
        where = at
    if ended.code > 0:
        raise SystemExit(f"a run ended with {ended.code}: {ended.err}")
    return where if ended.killed else ""


def _number(at: Where, random: Random) -> int:
    """Which of the moments of a kind; those that are rare come early."""
    return 1 if "accept" in at or at == "retrying" else random.randint(1, 8)


def judge_kill(victim: Victim, stage: Stage, tally: Tally, before: Kept, kept: Kept) -> None:
    """Compare what the store holds with what it held, and with what was acknowledged."""
    tally.lost += lost(before, kept) + unkept(victim.acknowledged(), kept)
    tally.lost += unpaid(victim, before, kept)
    lines = kept.ledger.items()
    # A line that was open before belongs to an earlier kill: this one came before it was told so.
    under_way = [call for call, line in lines if not line[1] and call not in before.ledger]
    tally.in_flight = max(tally.in_flight, len(under_way))
    if len(under_way) > stage.concurrency:
        tally.crowded.append(f"{victim.folder.name}: {len(under_way)} calls were under way")


def judge_run(victim: Victim, stage: Stage, tally: Tally, expected: Reference) -> None:
    """Resume a run to its end, and compare it with the reference and the provider's counts."""
    before = victim.kept()
    ended = victim.attempt()
    name = f"{stage.name} {stage.concurrency} {victim.folder.name}"
    if ended.code:
        tally.differing.append(f"{name}: exit {ended.code}: {ended.err}")
        return
    kept = victim.kept()
    tally.lost += lost(before, kept) + unpaid(victim, before, kept)
    lines = zip(victim.lines(), expected.lines, strict=True)
    tally.differing += [f"{name}: {line} is not {want}" for line, want in lines if line != want]
    if decided(kept) != expected.decided:
        tally.differing.append(f"{name}: another ledger")
    compare(name, audit(stage.counted(victim), kept.ledger), kept, tally)
    tally.findings += victim.findings()


def compare(name: str, compared: Audit, kept: Kept, tally: Tally) -> None:
    """Count what ledger and provider say; what no call under way explains is wrong."""
    tally.requests += compared.requests
    tally.lines += compared.lines
    tally.ambiguous += len(compared.unsettled)
    settled = sum(line[1] not in UNSETTLED for line in kept.ledger.values())
    tally.extra += compared.requests - settled
    tally.repeated += [f"{name}: {each}" for each in compared.repeated]
    tally.unexplained += [f"{name}: {each}" for each in compared.unexplained]
    if any(kept.ledger[call][1] != "ambiguous" for call in compared.unsettled):
        tally.unexplained.append(f"{name}: a call of a finished run is still under way")


def described(stage: Stage, tally: Tally) -> str:
    """A tally in a few lines, with the bound on the chance where nothing happened."""
    bound = f"at most {3 / tally.kills:.4f} a kill at 95 %" if tally.kills else "no kills"
    same = tally.resumed - len({each.split(":")[0] for each in tally.differing})
    where = ", ".join(f"{name} {count}" for name, count in sorted(tally.points.items()))
    return (
        f"{stage.name}, concurrency {stage.concurrency}: {tally.kills} kills in {tally.runs} runs\n"
        f"  {where}\n"
        f"  lost {len(tally.lost)}, repeated {len(tally.repeated)} (each zero: {bound}); "
        f"same digests, answers and ledger {same} of "
        f"{tally.resumed} resumed runs\n"
        f"  most calls under way at a kill {tally.in_flight}; requests {tally.requests}, lines "
        f"{tally.lines}, ambiguous {tally.ambiguous}, requests that nobody committed "
        f"{tally.extra}; unexplained {len(tally.unexplained) + len(tally.crowded)}, "
        f"findings of verify {len(tally.findings)}"
    )


def attack(
    folder: Path,
    stage: Stage,
    kills: int,
    *,
    seed: int = 0,
    jobs: int = 2,
    most: int = KILLS_OF_A_RUN,
) -> tuple[Tally, Reference]:
    """Attack fresh runs on a stage, `most` times each, until so many kills have happened."""
    expected = reference(folder / f"{stage.name}-{stage.concurrency}" / "reference", stage)

    def one(number: int) -> Tally:
        random = Random(f"{seed}-{stage.name}-{stage.concurrency}-{number}")  # noqa: S311
        place = folder / f"{stage.name}-{stage.concurrency}" / f"run-{number}"
        return attacked(place, stage, expected, random, most)

    tally = Tally()
    with ThreadPoolExecutor(jobs) as pool:
        while tally.kills < kills:
            for each in pool.map(one, range(tally.runs, tally.runs + jobs)):
                tally.add(each)
    return tally, expected


def books(folder: Path) -> list[str]:
    """Kinds of faults under which a run without kills is not what it must be, and why."""
    wrong: list[str] = []
    for mode in MODES:
        place = folder / mode.fault
        place.mkdir(parents=True)
        found = played(place, mode.fault)
        compared = found.compared
        if not compared.exact or compared.requests != mode.requests or compared.unsettled:
            wrong.append(f"{mode.fault}: {compared}")
        if found.ended.code != mode.code:
            wrong.append(f"{mode.fault}: exit {found.ended.code}, not {mode.code}")
    print(
        f"without kills, {len(MODES)} kinds of faults: the provider's requests are the ledger's "
        f"lines in {len(MODES) - len(wrong)}",
        flush=True,
    )
    return wrong


def main() -> int:
    """Print the counts; 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="in all")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--over", nargs="+", default=["http", "double"])
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--most", type=int, default=3, help="kills of one run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    share = -(-options.kills // (len(options.concurrency) * len(options.over)))
    whole, wrong = Tally(), list[str]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kills-")))
        stages: list[Stage] = []
        if "http" in options.over:
            provider = Provider.start("tree", latency=LATENCY, faults=FAULTS)
            started = stack.enter_context(provider)
            stages += [over_http(started, each) for each in options.concurrency]
        if "double" in options.over:
            stages += [over_double(each) for each in options.concurrency]
        for stage in stages:
            tally, _ = attack(
                folder, stage, share, seed=options.seed, jobs=options.jobs, most=options.most
            )
            print(described(stage, tally), flush=True)
            whole.add(tally)
            wrong += tally.wrong
        wrong += books(folder / "books")
    print(
        f"in all {whole.kills} kills, {whole.resumed} runs resumed: lost {len(whole.lost)}, "
        f"repeated {len(whole.repeated)}; {time.monotonic() - began:.0f} s"
    )
    for text in wrong[:20]:
        print(f"  {text}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
