"""Workers of one run, killed at random: nothing is lost, and nothing is paid for twice unseen.

    python -m benchmarks.kills_workers [--runs 20] [--kills 8] [--workers 3] [--server] [--seed 0]

In each run some workers share forty questions of four paid calls each; every now and then one of
them is ended with SIGKILL and another one begins. At the end every call must have been made once,
but for those that were under way at a kill: they are made again, and stand as ambiguous.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct

from tests.postgres import made, on, running
from tests.workbench.crowd import PAUSE, crowd, often, worker
from traces.store import Store
from traces.verify import verify
from workbench.testing.kill import Fork

LINES: Final = 40
CALLS: Final = 4 * LINES
PAUSE_S: Final = 0.1
CONCURRENCY: Final = (1, 2, 4)


class Came(Struct):
    """What one run came to."""

    kills: int
    in_flight: int
    """Calls that were under way at kills, at most."""
    extra: int
    """Calls that were made again."""
    ambiguous: int
    unlisted: int
    """Calls that were made again and do not stand as ambiguous."""
    lost: int
    """Questions that were not answered, calls without a turn, and findings of `verify`."""
    codes: list[int]


def shared(site: str, wanted: argparse.Namespace, draw: Random) -> Came:
    """One run in the current folder, worked and killed until it is complete."""
    Path(PAUSE).write_text(str(PAUSE_S))
    found = crowd(site, LINES, paid=True)
    in_flight, kills, codes = 0, 0, list[int]()
    at_work = [_begun(site, draw) for _ in range(wanted.workers)]
    while at_work:
        time.sleep(draw.uniform(0.0, 0.25))
        at_once, one = at_work.pop(draw.randrange(len(at_work)))
        if kills < wanted.kills and not one.ended:
            one.end(0)
            kills, in_flight = kills + 1, in_flight + at_once
            at_work.append(_begun(site, draw))
        elif one.ended:
            codes.append(one.end(0))
        else:
            at_work.append((at_once, one))
    asked = often()
    with Store.open(site, readonly=True) as store:
        came_to = Counter(line.standing for line in store.ledger.lines(run=found.number))
        rows = store.register.sessions(found.number)
        findings = len(verify(store, refold=True).findings)
    unanswered = sum(row.status != "answered" for row in rows)
    extra = sum(asked.values()) - CALLS
    lost = unanswered + findings + abs(came_to["answered"] - CALLS) + CALLS - len(asked)
    ambiguous = came_to["ambiguous"]
    return Came(kills, in_flight, extra, ambiguous, max(0, extra - ambiguous), lost, codes)


def _begun(site: str, draw: Random) -> tuple[int, Fork]:
    """A worker, and how many questions it works at once."""
    at_once = draw.choice(CONCURRENCY)
    return at_once, worker(site, "--concurrency", str(at_once))


@contextmanager
def places(*, server: bool) -> Generator[str]:
    """The address of a server, or nothing for files."""
    if not server:
        yield ""
        return
    with running() as address:
        yield address


def fresh(address: str) -> str:
    """Where a new store can be made."""
    if not address:
        return "workbench.db"
    made(address, "DROP DATABASE IF EXISTS fresh WITH (FORCE)", "CREATE DATABASE fresh")
    return on(address, "fresh")


def main() -> None:
    """Kill, count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--server", action="store_true")
    wanted = parser.parse_args()
    draw = Random(wanted.seed)  # noqa: S311 - repeatable, not secret
    home, came = Path.cwd(), list[Came]()
    with places(server=wanted.server) as address:
        for _ in range(wanted.runs):
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                came.append(shared(fresh(address), wanted, draw))
                os.chdir(home)
    kills, runs = sum(each.kills for each in came), len(came)
    print(
        f"{'PostgreSQL' if wanted.server else 'SQLite'}: {runs} runs, {wanted.workers} workers each"
    )
    print(f"kills {kills}, calls {CALLS * runs}")
    print(f"lost {sum(each.lost for each in came)} (95 % bound {3 / max(1, kills):.2%} a kill)")
    print(
        f"made again {sum(each.extra for each in came)} (under way at kills: at most "
        f"{sum(each.in_flight for each in came)}), of these not listed as ambiguous "
        f"{sum(each.unlisted for each in came)}; ambiguous {sum(each.ambiguous for each in came)}"
    )
    codes = Counter(code for each in came for code in each.codes)
    print(f"exit codes of workers that were not killed: {dict(codes)}")


if __name__ == "__main__":
    main()
