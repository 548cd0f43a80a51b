"""Kills: real commands ended with SIGKILL, and what their store holds before and after.

Nothing of the product knows of this. The child that is killed runs the command line inside
`child`, which wraps the product in its own process (`points`): what each commit acknowledged is
written down, and the process ends itself at the point that the environment names.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from workbench.testing.points import Where

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

AT: Final = "WORKBENCH_KILL_AT"
"""Read by the child alone: `WHERE:N`, the point at which it kills itself."""
COUNTS: Final = "WORKBENCH_KILL_COUNTS"
"""Read by the child alone: the file in which the provider counts."""
PAUSES: Final = "WORKBENCH_KILL_PAUSES"
"""Read by the child alone: the factor of its pauses between two tries."""
ACKNOWLEDGED: Final = "acknowledged.jsonl"
"""What the children were told to be durable, one commit a line: sessions with their events, calls
whose intents it holds, calls whose receipts it holds."""
READY: Final = b"ready\n"
"""The child's first output: everything is imported, the command begins."""
STORE: Final = "kill.db"
RUN: Final = "killed"
PATIENCE_S: Final = 300.0
ERRORS: Final = "errors.txt"
PRELOADED: Final = ("workbench.amplify_run", "workbench.cli", "workbench.testing.kill")
FILE: Final = "questions.jsonl"
OUT: Final = "answers.jsonl"
UNSETTLED: Final = ("", "ambiguous")
"""Standings of lines whose calls were never seen to end."""
LINES: Final = (
    "SELECT call, standing, session, path, attempt, event, reply FROM ledger "
    "WHERE human_s IS NULL ORDER BY wall_us, call"
)
CHILD: Final = "from workbench.testing.kill import child; child()"


class Line(Struct, frozen=True):
    """What a line of the run came to: all that must not depend on kills."""

    idx: int
    status: str
    answer: str
    digest: str
    workspaces: int
    calls: int
    lookups: int


class Kept(Struct, frozen=True):
    """What a store holds at one moment, read through a connection of its own."""

    ends: dict[int, tuple[int, bytes]]
    """Number of events and head of the chain, by session."""
    events: dict[int, tuple[Any, ...]]
    """Rows of the event table, by number."""
    closed: dict[int, str]
    """Digests of the sessions that are recorded as finished."""
    ledger: dict[str, tuple[Any, ...]] = {}
    """Call, standing, session, path, attempt, event and reply of every paid call, by call."""


class Ended(Struct, frozen=True):
    """How a child ended."""

    code: int
    """Negative: the signal."""
    err: str
    ready_s: float
    """From the beginning of the command to the child's end, imports not counted."""

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.code == -signal.SIGKILL


class Victim:
    """One run in a folder of its own, killed any number of times and resumed.

    Args:
        folder: Holds the questions, the store and the answers; made if absent.
        lines: JSON Lines of questions.
        options: Of `amplify`, for the run's beginning.
        always: Of `amplify`, for the beginning and for every resume.
        environment: What the children find beside what this process has.
        counts: The file in which the provider counts; needed where a child ends as `sent`.
        preloaded: Modules that are imported before a child begins.
        pauses: Factor of the children's pauses between two tries, so that a test need not wait.
    """

    def __init__(
        self,
        folder: Path,
        lines: bytes,
        options: Sequence[str],
        *,
        always: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        counts: Path | None = None,
        preloaded: Sequence[str] = PRELOADED,
        pauses: float = 1.0,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_bytes(lines)
        self.folder = folder
        self.store = folder / STORE
        self._options = tuple(options)
        self._always = tuple(always)
        self._environment = {**(environment or {}), COUNTS: str(counts or ""), PAUSES: str(pauses)}
        self._preloaded = tuple(preloaded)

    def arguments(self, cap: int | None = None) -> list[str]:
        """What goes on with the run: its beginning, as long as no run was accepted."""
        common = ["--store", STORE, "--out", OUT, *self._always]
        if cap is not None:
            common += ["--max-calls", str(cap)]
        if self.accepted:
            return ["amplify", "--resume", RUN, *common]
        return ["amplify", FILE, "--run", RUN, *self._options, *common]

    @property
    def accepted(self) -> bool:
        """Whether the store knows the run."""
        from traces.errors import UnknownId
        from traces.store import Store

        if not self.store.exists():
            return False
        with Store.open(self.store, readonly=True) as store:
            try:
                return store.register.find_run(RUN).name == RUN
            except UnknownId:
                return False

    def attempt(
        self,
        *,
        delay_s: float | None = None,
        at: tuple[Where, int] | None = None,
        cap: int | None = None,
    ) -> Ended:
        """Begin the run, or go on with it, until it is done, killed, or stopped by a cap on calls.

        Args:
            delay_s: Kill the child so long after its command began; None does not.
            at: Have the child kill itself at its commit of this number, from 1.
            cap: The run's cap on calls from now on; None for the one that it has.
        """
        child = self.begin(at=at, cap=cap)
        began = time.monotonic()
        code = child.end(PATIENCE_S if delay_s is None else delay_s)
        return Ended(code, child.errors(), time.monotonic() - began)

    def begin(self, *, at: tuple[Where, int] | None = None, cap: int | None = None) -> "Fork":
        """A child that begins the run, or goes on with it, from now on."""
        return Fork(self.arguments(cap), self.folder, at, self._preloaded, self._environment)

    def kept(self) -> Kept:
        """What the store holds now, through a connection of its own."""
        from traces.record import FINISHED
        from traces.store import Store

        if not self.store.exists():
            return Kept({}, {}, {})
        with Store.open(self.store, readonly=True) as store:
            rows = store.register.sessions()
            events = store.database.rows("SELECT * FROM event ORDER BY id")
            lines = store.database.rows(LINES)
        ends = {row.number: (row.count, bytes(row.head)) for row in rows}
        closed = {row.number: row.digest for row in rows if row.status in FINISHED}
        ledger = {row[0]: row for row in lines}
        return Kept(ends, {row[0]: row for row in events}, closed, ledger)

    def lines(self) -> list[Line]:
        """What every line came to, in the order of the input."""
        from traces.store import Store

        with Store.open(self.store, readonly=True) as store:
            run = store.register.find_run(RUN)
            rows = store.register.sessions(run.number)
        return [
            Line(r.idx, r.status, r.answer, r.digest, r.workspaces, r.calls, r.lookups)
            for r in rows
        ]

    def acknowledged(self) -> dict[int, int]:
        """How many events of each session a child was told to be durable."""
        told: dict[int, int] = {}
        for ends, _, _ in self._notes():
            for session, count in ends:
                told[session] = max(count, told.get(session, 0))
        return told

    def paid_acknowledged(self) -> tuple[set[str], set[str]]:
        """Calls whose intents, and those whose receipts, a child was told to be durable."""
        notes = list(self._notes())
        intents = {call for _, calls, _ in notes for call in calls}
        return intents, {call for _, _, calls in notes for call in calls}

    def _notes(self) -> Iterator[tuple[list[tuple[int, int]], list[str], list[str]]]:
        path = self.folder / ACKNOWLEDGED
        for line in path.read_text().splitlines() if path.exists() else ():
            # A kill can cut the last line; what it says was then not noted in time.
            with suppress(ValueError):
                yield json.loads(line)

    def findings(self) -> list[str]:
        """What a verification of the whole store finds, and whether the answers are whole."""
        from traces.store import Store
        from traces.verify import verify

        with Store.open(self.store, readonly=True) as store:
            found = [str(each) for each in verify(store, refold=True).findings]
        written = len((self.folder / OUT).read_bytes().splitlines())
        asked = len((self.folder / FILE).read_bytes().splitlines())
        return found if written == asked else [*found, f"{written} answers to {asked} questions"]


_ONE_AT_A_TIME: Final = Lock()
"""Starting a process looks whether others have ended, and of two that look at once one reads
nothing where the exit code was."""


class Fork:
    """A child whose command begins now, forked from a process that has imported everything.

    It is a process of its own that shares no open file with this one; it only starts in a moment
    where a new interpreter takes a second.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        at: tuple[Where, int] | None = None,
        preloaded: Sequence[str] = PRELOADED,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(list(preloaded))
        ready, told = context.Pipe(duplex=False)
        point = f"{at[0]}:{at[1]}" if at else ""
        self._errors = folder / ERRORS
        self._process = context.Process(
            target=_forked,
            args=(
                list(arguments),
                str(folder),
                {**(environment or {}), AT: point},
                told,
                preloaded,
            ),
            daemon=True,
        )
        with _ONE_AT_A_TIME:
            self._process.start()
        told.close()
        with suppress(EOFError):
            ready.recv_bytes()
        ready.close()

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return bool(wait([self._process.sentinel], 0))

    def end(self, patience_s: float = 0.0) -> int:
        """The exit code; it is killed if it has not ended by then."""
        wait([self._process.sentinel], patience_s)
        with _ONE_AT_A_TIME:
            code = self._process.exitcode
            if code is None:
                self._process.kill()
        if code is None:
            wait([self._process.sentinel])
            with _ONE_AT_A_TIME:
                self._process.join()
                code = self._process.exitcode
        return int(code or 0)

    def errors(self) -> str:
        """What it wrote to standard error."""
        return self._errors.read_text(errors="replace") if self._errors.exists() else ""


def _forked(
    arguments: list[str],
    folder: str,
    environment: Mapping[str, str],
    told: "Connection",
    preloaded: Sequence[str],
) -> None:
    # Another set of modules than the first of this process is not there yet.
    for module in preloaded:
        import_module(module)
    os.chdir(folder)
    for name, number in ((ERRORS, 2), ("output.txt", 1)):
        to = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(to, number)
        os.close(to)
    os.environ.update(environment)
    sys.argv = ["workbench", *arguments]
    told.send_bytes(READY)
    child()


def start(
    arguments: Sequence[str], folder: Path, at: tuple[Where, int] | None = None
) -> "subprocess.Popen[bytes]":
    """A child whose command begins now: its imports are done.

    Args:
        at: Where it kills itself, see `Victim.attempt`.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment.pop(AT, None)
    if at is not None:
        environment[AT] = f"{at[0]}:{at[1]}"
    child = subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-c", CHILD, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    first = child.stdout.readline() if child.stdout else b""
    if first != READY:
        raise RuntimeError(f"the child did not begin: {child.communicate()[1].decode()}")
    return child


def lost(before: Kept, after: Kept) -> list[str]:
    """What a store held before and does not hold, or holds otherwise, afterwards."""
    gone = [f"event {number}" for number in before.events.keys() - after.events.keys()]
    gone += [
        f"event {number} changed"
        for number, row in before.events.items()
        if number in after.events and after.events[number] != row
    ]
    for session, (count, head) in before.ends.items():
        later, its_head = after.ends.get(session, (-1, b""))
        if later < count or (later == count and its_head != head):
            gone.append(f"session {session}: {count} events became {later}, or another head")
    gone += [
        f"the end of session {session}"
        for session, digest in before.closed.items()
        if after.closed.get(session) != digest
    ]
    return gone


def unpaid(victim: Victim, before: Kept, after: Kept) -> list[str]:
    """Lines of the ledger that were there, or acknowledged, and are not, or say something else."""
    gone = [
        f"line {call} became {after.ledger.get(call)}"
        for call, line in before.ledger.items()
        if (call not in after.ledger) or (line[1] and after.ledger[call] != line)
    ]
    intents, receipts = victim.paid_acknowledged()
    gone += [f"intent {call}" for call in intents - after.ledger.keys()]
    settled = {call for call, line in after.ledger.items() if line[1] not in UNSETTLED}
    return gone + [f"receipt {call}" for call in receipts - settled]


def unkept(told: dict[int, int], kept: Kept) -> list[str]:
    """Sessions of which a child was told more than the store holds."""
    return [
        f"session {session}: {count} acknowledged, {kept.ends.get(session, (0, b''))[0]} kept"
        for session, count in told.items()
        if kept.ends.get(session, (0, b""))[0] < count
    ]


# -- in the child ----------------------------------------------------------------------------


def child() -> None:
    """Run the command line on this process's arguments, and end where the environment says."""
    for module in PRELOADED:
        import_module(module)
    from workbench.cli import main
    from workbench.testing.points import armed

    where, _, number = os.environ.get(AT, "").partition(":")
    counts = os.environ.get(COUNTS, "")
    pauses = float(os.environ.get(PAUSES) or 1)
    armed(where, int(number or 0), Path(ACKNOWLEDGED), Path(counts) if counts else None, pauses)
    os.write(1, READY)
    main()
