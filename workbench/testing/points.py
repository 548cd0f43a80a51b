"""Points: the moments at which a child ends itself, by wraps around the product in its own process.

Nothing of the product knows of this. Each wrap counts how often its moment came; the process ends
with SIGKILL when the one comes that was asked for. What a commit acknowledges is written down.
"""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from decomposition.ports import Reusable, Ungranted, Written
    from decomposition.spend import Attempt, Dues
    from decomposition.view import View

Where = Literal[
    "before",
    "inside",
    "after",
    "before-accept",
    "after-accept",
    "before-intent",
    "after-intent",
    "sent",
    "replied",
    "committing",
    "committed",
    "retrying",
]
"""Of any commit: before it begins, with rows inserted and not committed, when it has returned.
Of a run: before and after it is accepted. Of a paid call: before and after its intent is
committed, when the provider has counted it and not replied, when the reply is here and nowhere
else, inside the commit that takes it and when that has returned, and in a pause between two tries.
"""
PAID: Final[tuple[Where, ...]] = (
    "before-accept",
    "after-accept",
    "before-intent",
    "after-intent",
    "sent",
    "replied",
    "committing",
    "committed",
    "retrying",
)
LOOK_S: Final = 0.001
"""How often the provider's counts are read."""
TAIL_BYTES: Final = 1 << 16
"""Of the counts: many more requests than can arrive between two looks."""


class Fuse:
    """Ends this process at one moment.

    Args:
        where: The kind of moment; empty for none.
        at: Which of them, from 1.
    """

    def __init__(self, where: str, at: int) -> None:
        self._where = where
        self._at = at
        self._seen: Counter[str] = Counter()

    def reached(self, where: Where) -> None:
        """Count a moment, and end the process if it is the one."""
        self._seen[where] += 1
        if where == self._where and self._seen[where] == self._at:
            os.kill(os.getpid(), signal.SIGKILL)

    def waits_for(self, where: Where, number: int) -> bool:
        """Whether the moment of this number is the one."""
        return (where, number) == (self._where, self._at)


def armed(
    where: str, at: int, acknowledged: Path, counts: Path | None, pauses: float = 1.0
) -> None:
    """Wrap the product, in this process alone.

    Args:
        where: The moment at which to end; empty for none.
        at: Which of them, from 1.
        acknowledged: Where it is noted what was acknowledged.
        counts: Where the provider counts; needed for `sent`.
        pauses: By how much pauses between two tries are shortened.
    """
    fuse = Fuse(where, at)
    _wrap_commits(fuse, acknowledged)
    _wrap_acceptance(fuse)
    _wrap_pauses(fuse, pauses)
    _wrap_calls(fuse, counts)


def _wrap_commits(fuse: Fuse, acknowledged: Path) -> None:
    from decomposition.spend import NO_DUES
    from traces.database import Writer
    from traces.store import NOTHING_REUSABLE, Store

    commit, insert = Store.commit, Writer.insert
    settling = fresh = False

    async def counted(
        self: Store,
        written: "Sequence[Written]",
        reusable: "Reusable" = NOTHING_REUSABLE,
        dues: "Dues" = NO_DUES,
    ) -> "Ungranted":
        nonlocal settling, fresh
        _before(fuse, dues)
        settling, fresh = bool(dues.receipts), True
        ungranted = await commit(self, written, reusable, dues)
        settling = False
        _note(acknowledged, written, dues, ungranted)
        _after(fuse, dues)
        return ungranted

    def inserted(self: Writer, into: str, width: int, flat: list[object]) -> None:
        nonlocal fresh
        insert(self, into, width, flat)
        if fresh and into.startswith("event "):
            fresh = False
            fuse.reached("inside")
            if settling:
                fuse.reached("committing")

    Store.commit = counted
    Writer.insert = inserted


def _before(fuse: Fuse, dues: "Dues") -> None:
    fuse.reached("before")
    if dues.intents:
        fuse.reached("before-intent")


def _after(fuse: Fuse, dues: "Dues") -> None:
    fuse.reached("after")
    if dues.intents:
        fuse.reached("after-intent")
    if dues.receipts:
        fuse.reached("committed")


def _note(to: Path, written: "Sequence[Written]", dues: "Dues", ungranted: "Ungranted") -> None:
    """Write down what was acknowledged, in one call that a kill cannot undo."""
    ends = [(each.session, each.first + len(each.entries)) for each in written]
    intents = [each.call for each in dues.intents if each.call not in ungranted]
    receipts = [each.call for each in dues.receipts]
    file = os.open(to, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, b"\n" + json.dumps([ends, intents, receipts]).encode())
    os.close(file)


def _wrap_acceptance(fuse: Fuse) -> None:
    from traces.register import Register

    create = Register.create_run

    def created(self: Register, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - as it is called
        fuse.reached("before-accept")
        run = create(self, *given, **named)
        fuse.reached("after-accept")
        return run

    Register.create_run = created


def _wrap_pauses(fuse: Fuse, pauses: float) -> None:
    from workbench.clock import SystemClock

    sleep = SystemClock.sleep

    async def slept(self: SystemClock, seconds: float) -> None:
        # What a pause begins with, such as a commit of what failed, is done half-way through it.
        await sleep(self, seconds * pauses / 2)
        fuse.reached("retrying")
        await sleep(self, seconds * pauses / 2)

    SystemClock.sleep = slept


def _wrap_calls(fuse: Fuse, counts: Path | None) -> None:
    """Wrap `attempt` of all kinds of answerers that this process has imported."""
    from decomposition.answerers.base import Answerer

    calls = 0
    for kind in _kinds(Answerer):
        if "attempt" not in vars(kind):
            continue

        def wrapped(kind: type[Answerer] = kind) -> None:
            attempt = kind.attempt

            async def attempted(self: Answerer, view: "View", call: str) -> "Attempt":
                nonlocal calls
                calls += 1
                under_way = asyncio.ensure_future(attempt(self, view, call))
                if counts is not None and fuse.waits_for("sent", calls):
                    await _counted(counts, call)
                    os.kill(os.getpid(), signal.SIGKILL)
                try:
                    done = await under_way
                finally:
                    under_way.cancel()
                fuse.reached("replied")
                return done

            kind.attempt = attempted

        wrapped()


def _kinds(base: type) -> Iterator[type[Any]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


async def _counted(counts: Path, call: str) -> None:
    """Return when the provider has counted a call."""
    while not _holds(counts, call):  # noqa: ASYNC110 - a file tells nobody that it has grown
        await asyncio.sleep(LOOK_S)


def _holds(counts: Path, call: str) -> bool:
    """Whether the end of a file of counts names a call."""
    if not counts.exists():
        return False
    with counts.open("rb") as file:
        file.seek(max(0, counts.stat().st_size - TAIL_BYTES))
        return call.encode() in file.read()
