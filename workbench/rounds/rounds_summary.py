"""Summaries: what a run of rounds came to, each score beside its n, interval and baseline."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from traces.rounds_record import Round, Scored, Spent
from workbench.rounds.foretold import Foretold

if TYPE_CHECKING:
    from distill.rounds import Reached
    from workbench.rounds.run_folder import Plan
    from workbench.rounds.scoring import Examiner

STUDENT_CALLS: Final = 1.0
"""Calls that a student's own answer takes."""


class ArmScore(Struct, frozen=True, forbid_unknown_fields=True):
    """The score of one arm at its end, as plain numbers."""

    overall: float
    n: int
    units: int
    """Independent units: contexts where questions share them, else questions."""
    answered: float
    by_depth: dict[str, float]
    by_depth_n: dict[str, int]
    intervals: dict[str, tuple[float, float]]
    """Ends of the 95 % interval, by depth and for `overall`."""


class Cost(Struct, frozen=True, forbid_unknown_fields=True):
    """What it took to reach the goal at the highest level; None where it was not reached."""

    amplified: float | None
    supervised: float | None
    """Of the twin with a uniform stream of its own."""
    ratio: float | None


class Calls(Struct, frozen=True, forbid_unknown_fields=True):
    """Turns for one answer."""

    amplified: float | None
    student: float


class Summary(Struct, frozen=True, forbid_unknown_fields=True):
    """`summary.json`."""

    task: str
    preset: str
    size: int
    seed: int
    rounds: int
    """Of the amplified arm."""
    regime: str
    student: str
    arms: tuple[str, ...]
    wall_s: float
    """Of all arms, with their measurements."""
    cpu_s: float
    """Of the amplified arm: drawing, amplifying, probing and training; measurements and the keeping
    of rows are no part of it."""
    overseer_kind: str
    overseer_steps: int
    overseer_transcripts: int
    """Recorded deliberations that an imitation of the overseer was trained on."""
    labels_used: int
    """Right answers that the amplified arm took from the task."""
    lookups: int
    student_forwards: int
    accuracy: dict[str, ArmScore]
    before_first_label: dict[str, float]
    """Accuracy by level before the first label on it."""
    credit: dict[str, float] | None
    """Student less the better of the two arms without amplification; None where none ran."""
    frontier_by_round: list[int]
    questions_to_95: Cost
    cpu_to_95: Cost
    calls_per_answer: Calls
    recipe_hash: str
    environment: dict[str, str]
    spent: dict[str, Spent]
    """By arm."""
    seen: tuple[str, ...]
    """Levels whose questions also occur in training: too few to hold any out."""
    foretold: Foretold | None = None
    """What task and overseer alone tell of the run, beside what came."""
    rows: int = 0
    """Training rows of the amplified arm that its store keeps: one for each label."""
    rows_digest: str = ""
    """Running over all of them; the student names it."""
    record_share: float = 0.0
    """Share of the rows whose trees are recorded as traces, beside a handful a round."""
    recorded_trees: int = 0
    """Rows whose trees are recorded."""
    reach: int = 0
    """The furthest question, where a task has a reach beside its size; 0 for its own."""
    format: Literal[1] = 1


class Finished(Struct, frozen=True):
    """An arm at its end."""

    arm: str
    rounds: tuple[Round, ...]
    goal: "Reached | None"
    """What it took to be right at the highest level; None where that was not reached."""
    wall_s: float


def summarise(
    plan: "Plan", runs: Sequence[Finished], examiner: "Examiner", alone: Scored
) -> Summary:
    """What a run came to.

    Args:
        plan: Of the run.
        runs: The arms, the amplified one first.
        examiner: What they were measured with.
        alone: The overseer over a student that has learnt nothing.
    """
    first, last = runs[0], runs[0].rounds[-1]
    ends = {run.arm: run.rounds[-1] for run in runs}
    goals = {run.arm: run.goal for run in runs}
    amplified, uniform = goals["amplified"], goals.get("supervised_uniform")
    return Summary(
        task=plan.task,
        preset=plan.preset,
        size=plan.recipe.size,
        reach=plan.recipe.reach,
        seed=plan.seed,
        rounds=last.round,
        regime=plan.recipe.regime,
        student=plan.student,
        arms=plan.arms,
        wall_s=sum(run.wall_s for run in runs),
        cpu_s=last.spent.cpu_s,
        overseer_kind=plan.overseer_kind,
        overseer_steps=last.spent.overseer_steps,
        overseer_transcripts=0,
        labels_used=last.spent.task_labels,
        lookups=last.spent.lookups,
        student_forwards=last.spent.student_forwards,
        accuracy=_accuracy(ends, examiner, alone),
        before_first_label=_before(first.rounds, examiner),
        credit=_credit(ends),
        frontier_by_round=[each.frontier for each in first.rounds[1:]],
        questions_to_95=_cost(_questions(amplified), _questions(uniform)),
        cpu_to_95=_cost(_cpu(amplified), _cpu(uniform)),
        calls_per_answer=Calls(last.calls_per_answer, STUDENT_CALLS),
        recipe_hash=plan.recipe.hash(),
        environment=environment(),
        spent={arm: told.spent for arm, told in ends.items()},
        seen=tuple(sorted(examiner.exam.seen)),
    )


def arm_score(scored: Scored) -> ArmScore:
    """A score as plain numbers."""
    whole = scored.overall
    parts = {"overall": whole, **scored.by_depth}
    return ArmScore(
        overall=whole.accuracy,
        n=whole.n,
        units=whole.units,
        answered=scored.answered,
        by_depth={name: each.accuracy for name, each in scored.by_depth.items()},
        by_depth_n={name: each.n for name, each in scored.by_depth.items()},
        intervals={name: (each.low, each.high) for name, each in parts.items()},
    )


def environment() -> dict[str, str]:
    """What a run's seconds and rounding depend on."""
    from distill.threads import threads

    return {
        "python": platform.python_version(),
        "torch": version("torch"),
        "workbench": version("deliberation-workbench"),
        "system": f"{sys.platform} {platform.machine()}",
        "cpus": str(os.cpu_count()),
        "threads": str(threads()),
    }


def _accuracy(
    ends: Mapping[str, Round], examiner: "Examiner", alone: Scored
) -> dict[str, ArmScore]:
    last = ends["amplified"]
    scores = {"student": last.student}
    if last.amplified is not None:
        scores["amplified"] = last.amplified
    scores["h_alone"] = alone
    scores["trivial"] = examiner.trivial()
    scores |= {arm: told.student for arm, told in ends.items() if arm != "amplified"}
    return {name: arm_score(scored) for name, scored in scores.items()}


def _before(rounds: Sequence[Round], examiner: "Examiner") -> dict[str, float]:
    """By level: the untrained student's accuracy up to the first frontier, then as promoted."""
    begun = rounds[0]
    level_of = dict(zip(examiner.exam.classes, map(int, examiner.exam.levels), strict=True))
    first = {
        name: scored.accuracy
        for name, scored in begun.student.by_depth.items()
        if level_of[name] <= begun.frontier
    }
    promoted = {
        str(each.promoted_to): each.before_first_label
        for each in rounds
        if each.before_first_label is not None
    }
    return first | promoted


def _credit(ends: Mapping[str, Round]) -> dict[str, float] | None:
    others = [ends[arm].student for arm in ("frozen_frontier", "self_training") if arm in ends]
    if not others:
        return None
    return {
        name: own.accuracy - max(other.by_depth[name].accuracy for other in others)
        for name, own in ends["amplified"].student.by_depth.items()
    }


def _questions(reached: "Reached | None") -> float | None:
    return None if reached is None else float(reached.questions)


def _cpu(reached: "Reached | None") -> float | None:
    return None if reached is None else reached.cpu_s


def _cost(amplified: float | None, supervised: float | None) -> Cost:
    if amplified is None or supervised is None or not supervised:
        return Cost(amplified, supervised, None)
    return Cost(amplified, supervised, amplified / supervised)
