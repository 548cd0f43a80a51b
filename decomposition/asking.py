"""Asking: one call of an answerer that is not paid, with its tries and its time limit.

What an answerer raises is told apart here: what may pass is waited out, what stops the run is
raised, and a fault of its own becomes the failure of its workspace.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from decomposition.actions import Given
from decomposition.answerers.base import Answerer
from decomposition.answerers.foreign import acted, told
from decomposition.errors import EngineBug, RunStopped, TransientFault
from decomposition.message import Broke, Failure
from decomposition.ports import Clock
from decomposition.view import View

RETRIES: Final = 5
"""How often a call is tried."""
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 60.0
LATE: Final = Failure("timeout", "the answerer took longer than it may")


async def asked(
    answerer: Answerer, views: Sequence[View], limit_s: float | None, clock: Clock
) -> list[Given]:
    """Turns for a batch; faults that may pass are waited out.

    Raises:
        RunStopped: The fault did not pass.
    """
    pause_s = FIRST_PAUSE_S
    for left in reversed(range(RETRIES)):
        try:
            if limit_s is None:
                return await _tried(answerer, views)
            return await _tried_in_time(answerer, views, limit_s)
        except TransientFault as fault:
            if not left:
                raise RunStopped(f"{answerer.identity} does not answer: {fault}") from fault
            await clock.sleep(min(fault.retry_after_s or pause_s, LONGEST_PAUSE_S))
            pause_s *= 2
    raise EngineBug("the last try neither answered nor raised")


async def _tried_in_time(answerer: Answerer, views: Sequence[View], limit_s: float) -> list[Given]:
    """Turns for a batch, or time-outs; foreign code is asked for one view at a time."""
    if answerer.file and len(views) > 1:
        return [(await _tried_in_time(answerer, [view], limit_s))[0] for view in views]
    late: list[Given] = [LATE]
    loop = asyncio.get_running_loop()
    until = loop.time() + limit_s * len(views)
    try:
        async with asyncio.timeout_at(until):
            givens = await _tried(answerer, views, apart=True)
    except TimeoutError:
        return late * len(views)
    return givens if loop.time() <= until else late * len(views)


async def _tried(answerer: Answerer, views: Sequence[View], *, apart: bool = False) -> list[Given]:
    try:
        given = acted(answerer, views, apart=apart) if answerer.file else answerer.act(views)
        givens = list(await given)
    except (TransientFault, RunStopped, EngineBug):
        raise
    # A user's answerer may raise anything, and end neither the run nor the program by it.
    except (Exception, SystemExit, GeneratorExit, asyncio.CancelledError) as error:
        if is_interrupted(error):
            raise
        if len(views) == 1:
            return [broke(answerer, error)]
        return [(await _tried(answerer, [view], apart=apart))[0] for view in views]
    if len(givens) != len(views):
        wrong: Given = Failure("answerer", "the answerer gave too few or too many turns")
        return [wrong] * len(views)
    return givens


def is_interrupted(error: BaseException) -> bool:
    """Whether it is our own task that is cancelled, and not something in the answerer's code."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and (task is None or bool(task.cancelling()))


def broke(answerer: Answerer, error: BaseException) -> Given:
    """The failure that stands for an answerer's own error."""
    kind = type(error).__name__
    return Broke("answerer", f"the answerer broke ({kind})", detail=told(error, answerer.file))
