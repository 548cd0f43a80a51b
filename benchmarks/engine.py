"""The engine on a binary tree with an instant answerer.

Everything is on: views, keys, memo, chain, digest, every commit synced. Run as a script it
measures one tree and prints one JSON line.

    python -m benchmarks.engine HEIGHT FOLDER [--width N] [--no-memo]
"""

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from decomposition import tree
from decomposition.actions import Ask, Given, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.caps import Caps
from decomposition.loop import Loop
from decomposition.message import Message
from decomposition.ports import Authorship
from decomposition.routing import Policy
from decomposition.session import Session
from decomposition.setting import Setting
from decomposition.view import View
from traces.store import Store
from workbench.clock import SystemClock

BOTH = Unlock(("$a1", "$a2"))
FUEL = 10**12
WIDTH = 256


class BinaryTree(Answerer):
    """Answers at once: a leaf is its number, an inner question asks two and adds."""

    identity = "benchmark:binary-tree@1"

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """One turn for each view."""
        return [self._turn(view) for view in views]

    def _turn(self, view: View) -> Given:
        height, _, number = view.question.partition(" ")
        if height == "0":
            return (Reply(number),)
        if not view.asked:
            below, first = int(height) - 1, int(number) * 2
            return (Ask((f"{below} {first}", f"{below} {first + 1}")), BOTH)
        left, right = view.shown["$a1"], view.shown["$a2"]
        if isinstance(left, str) and isinstance(right, str):
            return (Reply(str(int(left) + int(right))),)
        raise ValueError("an answer is missing")


def measure(
    height: int, folder: Path, *, width: int = WIDTH, memo: bool = True
) -> dict[str, object]:
    """Deliberate one tree into a new store in a folder, and say what it cost."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    with Store.open(folder / "engine.db") as store:
        row = store.register.open_session(now_us=clock.wall_us())
        engine = Authorship("", "engine", clock.wall_us(), clock.monotonic_us())
        caps = Caps(workspaces=10**9)
        setting = Setting(Policy("recurse"), (BinaryTree(),), caps=caps, memo=memo)
        session = Session(row.number, setting, engine)
        session.begin(Message.of(f"{height} 1"), FUEL)
        loop = Loop(store, clock, width=width, memo=store if memo else None)
        wall, cpu = time.perf_counter(), time.process_time()
        asyncio.run(loop.run(iter([session])))
        outlook = session.outlook()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    wanted = sum(range(2**height, 2 ** (height + 1)))
    if outlook.answer != str(wanted):
        message = f"the tree came to {outlook.answer}, not {wanted}"
        raise ValueError(message)
    size = sum(each.stat().st_size for each in folder.iterdir())
    return {
        "peer": "workbench",
        "compiled": not str(tree.__file__).endswith(".py"),
        "workspaces": outlook.workspaces,
        "wall_s": wall,
        "cpu_s": cpu,
        "durable": True,
        "bytes_on_disk": size,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure one tree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("height", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--no-memo", action="store_true")
    options = parser.parse_args()
    found = measure(options.height, options.folder, width=options.width, memo=not options.no_memo)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
