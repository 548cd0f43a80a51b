"""A crowd: a run that several processes work, whose answerer notes who was asked what."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from traces.claims import seated
from traces.record import RunRecord
from traces.store import Store
from traces.verify import verify
from workbench.batch import accept, batch
from workbench.inputs import Line
from workbench.options import Options
from workbench.testing.kill import Fork

RUN: Final = "shared"
ASKED: Final = "asked.txt"
MEET: Final = "meet"
"""A file with a number: nobody answers before so many processes were asked."""
PAUSE: Final = "pause"
"""A file with how many seconds an answer takes."""
STALL: Final = "stall"
"""A file with a word: questions with it are not answered as long as it is there."""
ANSWERER: Final = """
import asyncio
import os
from pathlib import Path

from decomposition.actions import Ask, Reply, Unlock
from decomposition.answerers.base import Answerer


def asked():
    return Path("asked.txt").read_text().splitlines()


class Crowd(Answerer):
    identity = "crowd:1"
    instant = False
    paid = {paid}

    async def act(self, views):
        (view,) = views
        step = "ask" if not view.asked and view.question.startswith("line") else "reply"
        to = os.open("asked.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(to, f"{{os.getpid()}} {{step}} {{view.question}}\\n".encode())
        os.close(to)
        while (meet := Path("meet")).exists():
            if len({{line.split()[0] for line in asked()}}) >= int(meet.read_text()):
                break
            await asyncio.sleep(0.02)
        if (pause := Path("pause")).exists():
            await asyncio.sleep(float(pause.read_text()))
        while (stall := Path("stall")).exists() and stall.read_text() in view.question:
            await asyncio.sleep(0.02)
        if step == "ask":
            below = (f"left of {{view.question}}", f"right of {{view.question}}")
            return [(Ask(below), Unlock(("$a1", "$a2")))]
        return [(Reply(view.question.upper()),)]


crowd = Crowd()
"""


def crowd(site: str, lines: int, *, paid: bool = False, **options: object) -> RunRecord:
    """A run that was accepted and not begun, its answerer's file in the current folder."""
    Path("crowd.py").write_text(ANSWERER.format(paid=paid))
    Path("crowd.py").chmod(0o600)
    wanted = Options(by="crowd.py:crowd", **options)  # type: ignore[arg-type]
    made = batch([Line(f"l{idx}", f"line {idx}.") for idx in range(lines)], wanted)
    with Store.open(site) as store:
        return accept(store, RUN, made)


def asked() -> list[tuple[int, str]]:
    """Who was asked, and for what: the process, and the step with its question."""
    path = Path(ASKED)
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(pid), what) for pid, _, what in (line.partition(" ") for line in lines)]


def often() -> Counter[str]:
    """How often which step of which question was asked for."""
    return Counter(what for _, what in asked())


def worker(site: str, *options: str) -> Fork:
    """A process that works the run."""
    return Fork(["worker", RUN, "--store", site, *options], Path.cwd())


def until(true: Callable[[], object], patience_s: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ends(site: str) -> list[tuple[str, str, str]]:
    """What every line came to, once nothing in the store differs from what was recorded."""
    with Store.open(site, readonly=True) as store:
        assert not verify(store, refold=True).findings
        return [(row.status, row.answer, row.digest) for row in store.register.sessions()]


def status(site: str) -> str:
    """How the run stands."""
    with Store.open(site, readonly=True) as store:
        return store.register.find_run(RUN).status


def nobody_holds(site: str) -> bool:
    """Whether no lease is held."""
    with Store.open(site, readonly=True) as store:
        held = store.database.rows("SELECT resource FROM lease WHERE holder <> ''")
        return not held and not seated(store.database, store.register.find_run(RUN))
