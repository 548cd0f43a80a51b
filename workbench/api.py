"""From Python: one question deliberated and recorded, in a script or a notebook."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from decomposition.answerers.base import Answerer
from decomposition.answerers.user_file import of_value
from decomposition.tasks import task_named
from traces.store import now_us
from workbench.account import opened
from workbench.deliberate import Deliberation, Outcome, Task
from workbench.limits import NO_LIMITS, Limits
from workbench.options import Options, prepared
from workbench.places import open_store
from workbench.wiring import pose, setting_of


class Answer(Struct, frozen=True):
    """What a question came to."""

    text: str
    """The root's reply with everything it points to, or why there is none."""
    status: str
    """`answered`, `abstained`, `failed`, or `stopped` where a cap was reached."""
    trace: str
    """Id of the trace in the store."""
    digest: str
    workspaces: int
    calls: int
    tokens: int = 0
    """In and out, as far as providers said."""
    cost_usd: float = 0.0
    """As far as prices are known."""


async def amplify(  # noqa: PLR0913 - as the command has options
    question: str,
    *,
    by: Answerer | Callable[[str], Any] | str = "expert",
    policy: str = "recurse",
    fuel: int | None = None,
    seed: int = 0,
    store: str = "workbench.db",
    reuse: str = "none",
    memo_choice: str = "first",
    config: str = "",
    limits: Limits = NO_LIMITS,
) -> Answer:
    """Deliberate one question and record it.

    Args:
        question: As on the command line.
        by: The overseer: a spec such as `expert`, an answerer, or a generator function from the
            question to subquestions and a reply.
        policy: Who acts where.
        fuel: Steps that the tree may take; None for what the task needs.
        seed: Of random draws.
        store: Path of the store.
        reuse: What is used again: none, memo, joins or joins-shared.
        memo_choice: Which of several recorded turns a memo takes.
        config: A file of configuration, for chat models that are named by a spec.
        limits: What may be spent.

    Raises:
        Complaint: An argument is out of range.
        RunStopped: The store or an answerer cannot go on; what was committed stays.
    """
    options = Options(
        by=by if isinstance(by, str) else "expert",
        policy=policy,
        fuel=fuel,
        seed=seed,
        reuse=reuse,
        memo_choice=memo_choice,
        config=config,
        max_calls=limits.calls,
        max_tokens=limits.tokens,
        max_usd=limits.usd,
        max_seconds=limits.seconds,
    )
    return await _answered(question, options, store, by)


async def _answered(
    question: str, given: Options, store: str, by: Answerer | Callable[[str], Any] | str
) -> Answer:
    options = prepared(given)
    posed = pose(question, options)
    task = task_named(posed.task) if posed.task else None
    own = None if isinstance(by, str) else of_value(by)
    setting, cast = setting_of(options, task, own)
    ends: list[Outcome] = []
    with open_store(store, make=True) as kept:
        row = kept.register.open_session(now_us=now_us(), seed=options.seed, config="{}")
        rates = options.configured.rate
        account = opened(kept.ledger, options.limits, session=row.number, rates=rates)
        deliberation = Deliberation(kept, account, on_end=ends.append)
        tasks = iter([Task(row, posed, setting, cast)])
        memo = options.reuse == "memo"
        ends += await deliberation.work(tasks, at_once=1, concurrency=8, memo=memo)
    ending = ends[0].ending
    return Answer(
        ending.answer,
        ending.status,
        row.trace,
        ending.digest,
        ending.workspaces,
        ending.calls,
        ending.tokens,
        ending.cost_usd,
    )
