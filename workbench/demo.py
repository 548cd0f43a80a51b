"""The demo: the main job in one go, on a laptop, without a key or a network."""

import json as json_text
import tempfile
import time
from pathlib import Path

import msgspec
import typer

from decomposition.tasks.game24 import hands, solvable
from traces.record import SessionRecord
from workbench.amplify_run import described
from workbench.batch import Summary, accept, batch, summarise, work
from workbench.exits import Exit, stop
from workbench.inputs import Line
from workbench.places import file_of, open_store
from workbench.terminal import BatchProgress, width
from workbench.trace_views import Look, replayed, shown_tree, verified
from workbench.wiring import Options

RUN = "demo"


def run_demo(store_at: str, puzzles: int, *, ascii_only: bool, json: bool) -> None:
    """Solve puzzles, draw one tree, replay a moment of it, verify the store, say what is next.

    Raises:
        Complaint: The store of the demo exists, or its verification finds something.
    """
    place = store_at or str(Path(tempfile.mkdtemp(prefix="workbench-demo-")) / "demo.db")
    path = file_of(place)
    if path is not None and path.exists():
        stop(f"{place} exists; name another store for the demo", Exit.STORAGE)
    began = time.monotonic()
    chosen = _spread(puzzles)
    say = _unsaid if json else _say
    say(f"1. {len(chosen)} puzzles of the Game of 24, each broken into a tree of smaller states:")
    with open_store(place, make=True) as store:
        run = accept(store, RUN, batch(chosen, Options(reuse="joins")))
        progress = BatchProgress(run.total, 0)
        work(store, run, on_end=progress.ended)
        progress.close()
        summary = summarise(store, run)
        say(described(summary))
        row = _readable(store.register.sessions(run.number))
    look = Look(None, None, 40, ascii_only)
    say(f"\n2. One of the trees ({row.trace}), as it was deliberated:")
    say(shown_tree(place, row.trace, look, path="", json=False))
    say("\n3. The same tree as it stood in the middle, replayed from the record:")
    moment = Look(row.count // 2, None, 12, ascii_only)
    for text in replayed(place, row.trace, moment, json=False):
        say(text)
    say("\n4. Every hash, digest and count of the store, derived again:")
    text, sound = verified(place, [], anchor="", json=False)
    say(text)
    if json:
        _say(_as_json(place, summary, row.trace, sound=sound))
    if not sound:
        stop("the store of the demo does not verify", Exit.DIVERGED)
    say(
        f"\nDone in {time.monotonic() - began:.1f} s ({width()} columns). Try next:\n"
        f"  workbench ask 'make 24 from 4 5 6 10' --store {place}\n"
        f"  workbench trace replay {row.trace} --store {place}\n"
        f"  workbench ask '487 + 1956' --by vote:3:faulty:0.05:expert --store {place}"
    )


def _spread(puzzles: int) -> list[Line]:
    """Solvable hands, spread evenly over all of them."""
    every = [hand for hand in hands() if solvable(hand)]
    chosen = every[:: max(1, len(every) // puzzles)][:puzzles]
    return [
        Line("-".join(map(str, hand)), f"make 24 from {' '.join(map(str, hand))}")
        for hand in chosen
    ]


def _readable(rows: list[SessionRecord]) -> SessionRecord:
    """A tree that is worth looking at and fits a screen."""
    answered = [row for row in rows if row.status == "answered"]
    return min(answered, key=lambda row: abs(row.workspaces - 18))


def _say(text: str) -> None:
    typer.echo(text)


def _unsaid(text: str) -> None:
    """Nothing: with `--json` there is one object alone."""
    del text


def _as_json(place: str, summary: Summary, trace: str, *, sound: bool) -> str:
    told = {"store": place, "trace": trace, "verified": sound, **msgspec.to_builtins(summary)}
    return json_text.dumps(told)
