"""Foreign code: how an answerer from a user's file is called, and what is told of its faults.

What such code prints goes to stderr, since stdout is for results. Where its time is limited and
it does not wait, it runs in a thread: nothing else can go on while it does not come back.
"""

import asyncio
import sys
from collections.abc import Generator, Sequence
from contextlib import redirect_stdout, suppress
from threading import Thread
from traceback import extract_tb
from typing import Any

from decomposition.actions import Given
from decomposition.answerers.base import Answerer
from decomposition.view import View


async def acted(
    answerer: Answerer, views: Sequence[View], *, apart: bool = False
) -> Sequence[Given]:
    """The turns of a foreign answerer, whose prints go to stderr; it may raise anything.

    Args:
        apart: Call one that does not wait in a thread. Cancelled, the thread is left behind: it
            keeps no process alive, and what it still comes to is dropped.
    """
    if apart and answerer.instant:
        with redirect_stdout(sys.stderr):
            return await _in_thread(answerer, views)
    return await _Aside(answerer, views)


def told(error: BaseException, file: str = "") -> str:
    """What an error says, and `FILE:LINE` for the innermost of the file's own lines."""
    try:
        text = str(error)
    except Exception as worse:  # noqa: BLE001 - even this is foreign code
        text = f"an error that cannot be told ({type(worse).__name__})"
    own = [each.lineno for each in extract_tb(error.__traceback__) if each.filename == file]
    return f"{text} ({file}:{own[-1]})" if own else text


async def _called(answerer: Answerer, views: Sequence[View]) -> Sequence[Given]:
    return await answerer.act(views)


class _Aside:
    """A call during each step of which stdout is stderr, and between steps is not."""

    def __init__(self, answerer: Answerer, views: Sequence[View]) -> None:
        self._call = _called(answerer, views)

    def __await__(self) -> Generator[Any, None, Sequence[Given]]:
        raised: BaseException | None = None
        while True:
            with redirect_stdout(sys.stderr):
                try:
                    waits_for = self._call.throw(raised) if raised else self._call.send(None)
                except StopIteration as stop:
                    return stop.value
            try:
                yield waits_for
                raised = None
            # Whatever the event loop throws in, a cancellation too, is the call's to see.
            except BaseException as thrown:  # noqa: BLE001
                raised = thrown


async def _in_thread(answerer: Answerer, views: Sequence[View]) -> Sequence[Given]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Sequence[Given], BaseException | None]] = loop.create_future()

    def settle(turns: Sequence[Given], error: BaseException | None) -> None:
        if not done.done():
            done.set_result((turns, error))

    def work() -> None:
        turns: Sequence[Given] = ()
        fault: BaseException | None = None
        try:
            turns = asyncio.run(_called(answerer, views))
        # It is raised where the call is awaited; a thread has nobody to raise it to.
        except BaseException as error:  # noqa: BLE001
            fault = error
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(settle, turns, fault)

    Thread(target=work, name="foreign answerer", daemon=True).start()
    turns, error = await done
    if error is not None:
        raise error
    return turns
