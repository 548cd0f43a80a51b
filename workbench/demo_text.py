"""What the demo says: the question, how far it is, what came of it."""

from textwrap import wrap
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from workbench.rounds.level_table import level_table, tenths, whole
from workbench.rounds.rounds_summary import Summary
from workbench.safe_output import many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traces.rounds_record import Round
    from workbench.rounds.arm_run import ArmRun

LIVE_LEGEND: Final = """\
A row: of 100 sums of so many digits, how many X got right, in a test that it is
not trained on. 1st label: just before it was first trained on sums that long."""
LEGEND: Final = """\
before: X untrained. 1st label: X just before it was first trained on sums that
long. twin: the same network, trained on right answers instead. H alone: H takes
one step, an untrained X answers the rest. trivial: says the larger number."""
SEEN: Final = "* There are no others to hold out: training asked these too."
COLUMNS: Final = 80


class Shown(Struct, frozen=True):
    """What the demo came to."""

    folder: str
    report: str
    student: str
    store: str
    question: str
    answer: str
    """The amplified system's: H above, the trained student below."""
    trace: str
    """Of that answer."""
    verified: bool
    """Whether every hash and count of the store was derived again."""
    seconds: float
    """Of the whole command."""
    try_next: tuple[str, ...]
    """Commands that work as they stand here."""
    other_arms: str
    """The command that trains the other arms."""
    summary: Summary


def opening(question: str, size: int, store: str, calls: int, tree: str) -> str:
    """What is asked, who is who, and what will happen."""
    return f"""\
THE QUESTION: {question} = ?

H, the overseer, is a scripted expert here, not a human. It can do one step:
look up the sum of the last digits (from the environment), ask for the sum of
the rest. With H asked again for every rest, it looks like this:

{tree}

Right, but {many(calls, "call")} for one sum. (The tree is in {store}.)

Now X, a small neural network that knows nothing yet, learns to answer at once.
In each round H takes ONE step on many sums, X answers the rest, and X learns
what the two came to. Once X alone says the same as H with X, sums get one digit
longer, up to {size}. Nobody gives X a right answer. A twin of X is given them, to
compare.
"""


def status(run: "ArmRun", seconds: float) -> str:
    """Where a run stands, in a line."""
    asked, latest = run.trainer.curriculum, run.latest
    loss = "" if latest is None else f", loss {latest.loss_nats:.2f}"
    if run.arm != "amplified":
        return f"{seconds:.0f} s: the twin, step {run.trainer.step}{loss}"
    return (
        f"{seconds:.0f} s: round {len(run.rounds)}, sums of up to {many(asked.frontier, 'digit')}, "
        f"step {run.trainer.step}{loss}"
    )


def line(run: "ArmRun", seconds: float) -> str:
    """Where a run stands and what its student could do after the last round."""
    last = run.rounds[-1].student.by_depth.values()
    right = " ".join(whole(each.accuracy) for each in last)
    return f"{status(run, seconds)}; right of 100, from 1 digit up: {right}"


def picture(rounds: "Sequence[Round]", said: str) -> str:
    """The table so far, to be drawn again and again."""
    return "\n".join([said, "", *level_table(rounds), LIVE_LEGEND])


def closing(shown: Shown, rounds: "Sequence[Round]", tree: str) -> str:
    """What came of it, and what to do next."""
    summary = shown.summary
    return "\n".join(
        [
            f"RIGHT ANSWERS OF 100 BY NUMBER OF DIGITS (seed {summary.seed})",
            "",
            *level_table(rounds, summary),
            LEGEND,
            *([SEEN] if summary.seen else []),
            "",
            *_result(summary),
            "",
            "The question again: one step of H, the trained X answers the rest:",
            "",
            tree,
            "",
            *_places(shown),
            "",
            "TRY NEXT",
            *shown.try_next,
            "",
            "Every arm that could explain the score away (takes minutes):",
            shown.other_arms,
        ]
    )


def _result(summary: Summary) -> list[str]:
    """The score that counts, in words, beside what it is to be compared with."""
    student, twin = summary.accuracy["student"], summary.accuracy["supervised_uniform"]
    top = list(student.by_depth)[-1]
    low, high = student.intervals[top]
    labels = summary.spent["supervised_uniform"].task_labels
    told = (
        f"With {top} digits X is right on {tenths(student.by_depth[top])} of 100 (95 % interval "
        f"{tenths(low)} to {tenths(high)}; {student.by_depth_n[top]} sums that it never saw). It "
        f"was given {many(summary.labels_used, 'right answer')}; its twin, right on "
        f"{tenths(twin.by_depth[top])}, was given {labels:,}."
    )
    return wrap(told, COLUMNS)


def _places(shown: Shown) -> list[str]:
    sound = "every hash of it derived again" if shown.verified else "which does NOT verify"
    return [
        f"Report: {shown.report}",
        f"Record: {shown.store}, {sound}",
        f"All in {shown.seconds:.0f} s.",
    ]
