"""Command lines that are wrong, whole or in one word."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.workbench.conftest import Ran, Run
from tests.workbench.hostile.case import BEYOND, STORE, Case, absent, all_of, holds, put, then
from tests.workbench.test_output import shell
from traces.leases import acquire
from traces.store import Store

FUEL: Final = "`--fuel -1`, `nan`, `1e400`"
DEPTH: Final = "`--depth 999999999`"
UNKNOWN: Final = "unknown command or option"
EMPTY: Final = "empty or blank question"
HUGE: Final = "question of 100 MB on stdin"
NOT_UTF8: Final = "argument that is not UTF-8"
RUN_NAME: Final = "run name `../../x`, `a/b`, 300 characters, `-rf`"
UNKNOWN_ID: Final = "unknown id"
FINISHED: Final = "resume of a finished run"
TWICE: Final = "the same run resumed twice at once"
HEAD: Final = "stdout closed by `| head`"
OUTPUT: Final = "output exists, is a folder, is read-only"
TUI: Final = "`tui` without a terminal"
FLOOR: Final = (
    FUEL, DEPTH, UNKNOWN, EMPTY, HUGE, NOT_UTF8, RUN_NAME, UNKNOWN_ID, FINISHED, TWICE, HEAD,
    OUTPUT, TUI,
)  # fmt: skip

MIB: Final = 1 << 20
LINE: Final = '{"question": "1 + 2"}\n'
LINES: Final = put("q.jsonl", LINE)
LONG: Final = put("q.jsonl", '{"question": "487 + 1956"}\n')
WHOLE: Final = ("whole number ≥ 1",)
RANGE: Final = ("a whole number ≥ 0",)
CALLED: Final = ("a run's name has 1 to 64 letters",)


class Endless(io.RawIOBase):
    """Text without an end; a reader that does not stop is told apart by how much it took."""

    def __init__(self) -> None:
        self.given = 0

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Give as much as is wanted, up to 100 MB."""
        size = min(len(buffer), 100 * MIB - self.given)
        buffer[:size] = b"x" * size
        self.given += size
        return size


def endless(run: Run) -> Ran:
    """A question without an end."""
    source = Endless()
    ran = run("ask", "-", stdin=source)
    assert source.given <= MIB
    return ran


def held(run: Run) -> Ran:
    """A run that another process holds."""
    assert run("amplify", "q.jsonl", "--run", "cap", "--max-calls", "1").code == 4
    with Store.open("workbench.db") as store:
        acquire(store.database, "run:cap", "elsewhere:4711:1")
    return run("amplify", "--resume", "cap")


def mistyped(run: Run) -> Ran:
    """A trace's id with one digit that is another."""
    assert run("ask", "1 + 2").code == 0
    trace = str(json.loads(run("trace", "list", "--json").out)[0]["trace"])
    return run("trace", "show", trace[:-1] + ("0" if trace[-1] != "0" else "1"))


def headed(run: Run) -> Ran:
    """A reader that takes one line and goes."""
    assert run("amplify", "q.jsonl", "--run", "done").code == 0
    command = "set -o pipefail; workbench amplify --resume done | head -1 >/dev/null"
    code, out, err = shell(Path.cwd(), command)
    return Ran(code, out, err)


UNPRIVILEGED: Final = """
import ctypes, os
if os.geteuid() == 0:
    nothing = (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), nothing) == 0
from workbench.cli import main
main()
"""
"""Runs the command line; root first gives up what lets it pass over modes."""


def unprivileged(*arguments: str) -> Ran:
    """A command of a user whom the modes of files and folders hold."""
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def read_only(run: Run) -> Ran:
    """A folder that takes no file."""
    del run
    Path("closed").mkdir()
    Path("closed").chmod(0o555)
    return unprivileged("amplify", "q.jsonl", "--out", "closed/out.jsonl")


def refused(name: str, *arguments: str, says: str, code: int = 2, floor: str = BEYOND) -> Case:
    """A command line that is refused without anything being made."""
    return Case(floor, name, code, (says,), arguments, after=absent(*STORE))


def asked(name: str, *options: str, says: str, code: int = 2, floor: str = BEYOND) -> Case:
    """A question that is refused for its options."""
    return refused(name, "ask", "1 + 2", *options, says=says, code=code, floor=floor)


FROM_THE_FLOOR: Final = (
    *(
        asked(f"fuel {value}", f"--fuel={value}", says=WHOLE[0], floor=FUEL)
        for value in ("-1", "nan", "1e400", "0", "1.5", "inf", "9" * 400, "\u0663")
    ),
    asked("depth", "--depth", "999999999", says="--depth must be from 1 to", floor=DEPTH),
    asked("depth 0", "--depth", "0", says="default cap is 64", floor=DEPTH),
    refused("command", "aks", "1 + 2", says="ask", floor=UNKNOWN),
    asked("option", "--fule", "3", says="--fuel", floor=UNKNOWN),
    refused("command of trace", "trace", "shwo", says="show", floor=UNKNOWN),
    refused("empty", "ask", "", says="empty", floor=EMPTY),
    refused("blank", "ask", " \t ", says="empty", floor=EMPTY),
    Case(EMPTY, "empty on stdin", 2, ("empty",), ("ask", "-"), stdin=b"\n"),
    Case(HUGE, "100 MB", 3, ("longer than 65536 bytes",), play=endless, after=absent(*STORE)),
    Case(HUGE, "100 kB", 3, ("longer than",), ("ask", "-"), stdin=b"x" * 100_000),
    refused("argument", "ask", "ab\udcff", says="not UTF-8 at byte 2", floor=NOT_UTF8),
    Case(NOT_UTF8, "stdin", 3, ("byte 2",), ("ask", "-"), stdin=b"ab\xff"),
    *(
        Case(
            RUN_NAME, name[:10], 2, CALLED, ("amplify", "q.jsonl", f"--run={name}"), before=LINES,
            after=absent(*STORE),
        )
        for name in ("../../x", "a/b", "x" * 300, "-rf", "a..b", "a b", ".", "\u00e9")
    ),
    Case(
        RUN_NAME, "last", 2, ("`last` stands for",), ("amplify", "q.jsonl", "--run=last"),
        before=LINES, after=absent(*STORE),
    ),
    Case(
        UNKNOWN_ID, "run", 2, ("no run 'hadns'", "near to it: hands"), before=LINES, leaves=STORE,
        play=then(("amplify", "q.jsonl", "--run", "hands"), ("amplify", "--resume", "hadns")),
    ),
    Case(
        UNKNOWN_ID, "trace", 2, ("no session 't-", "near to it: t-"), play=mistyped, leaves=STORE,
    ),
    Case(
        UNKNOWN_ID, "question", 2, ("no session",), leaves=STORE,
        play=then(("ask", "1 + 2"), ("ask", "--resume", "t-000000000000")),
    ),
    Case(
        FINISHED, "run", 0, ("done is already complete", '"answer":"3"'), before=LINES,
        leaves=STORE,
        play=then(("amplify", "q.jsonl", "--run", "done"), ("amplify", "--resume", "done")),
    ),
    Case(
        FINISHED, "question", 0, ("is already complete", "3"), leaves=STORE,
        play=then(("ask", "1 + 2"), ("ask", "--resume", "t-")),
    ),
    Case(TWICE, "run", 5, ("held by", "elsewhere:4711:1"), before=LONG, play=held, leaves=STORE),
    Case(HEAD, "results", 0, (), before=LINES, play=headed, leaves=STORE),
    Case(
        OUTPUT, "exists", 5, ("out.jsonl exists; --force replaces it",),
        ("amplify", "q.jsonl", "--out", "out.jsonl"),
        before=all_of(LINES, put("out.jsonl", "mine")),
        after=all_of(holds("out.jsonl", b"mine"), absent(*STORE)),
    ),
    Case(
        OUTPUT, "folder", 5, ("is a folder; name a file",),
        ("amplify", "q.jsonl", "--out", "folder", "--force"),
        before=all_of(LINES, Path("folder").mkdir), after=absent(*STORE),
    ),
    Case(
        OUTPUT, "no folder", 5, ("does not exist",), ("amplify", "q.jsonl", "--out", "none/out"),
        before=LINES, after=absent(*STORE),
    ),
    Case(OUTPUT, "read-only", 5, ("read-only",), before=LINES, play=read_only, leaves=("closed",)),
    *(
        Case(
            OUTPUT, f"own {own}", 5, ("what this command reads",),
            ("amplify", "q.jsonl", "--out", own, "--force"), before=LINES,
            after=all_of(holds("q.jsonl", LINE.encode()), absent(*STORE)),
        )
        for own in ("q.jsonl",)
    ),
    refused("not here yet", "tui", says="No such command 'tui'", floor=TUI),
)  # fmt: skip

LIMITS: Final = (
    *(
        asked(f"{flag} {value}", f"--{flag}={value}", says=says)
        for flag, says in (
            ("max-calls", RANGE[0]),
            ("max-tokens", RANGE[0]),
            ("max-usd", "US dollars such as 2.50"),
            ("max-seconds", "seconds such as 90 or 0.5"),
            ("timeout", "seconds such as 90 or 0.5"),
        )
        for value in ("nan", "inf", "-1", "1e400", "1e3", "")
    ),
    asked("timeout 0", "--timeout", "0", says="more than 0 seconds"),
    asked("cap on view", "--max-view", "7", says="max view must be a whole number"),
    asked("caps of a question", "--per-question", "cals=3", says="write it as calls=5"),
    asked("money with a sign", "--per-question", "usd=-1", says="usd at most"),
    asked("what is ambiguous", "--on-ambiguous", "guess", says="retry, fail, ask"),
)

ANSWERERS: Final = (
    asked("nobody", "--by", "exprt", says="did you mean 'expert'"),
    asked("vote of none", "--by", "vote:0:expert", says="K from 1 to"),
    asked("student nowhere", "--by", "student:x", says="no such folder", code=3),
    asked("bad probability", "--by", "faulty:2:expert", says="probability"),
    asked("probability nan", "--by", "faulty:nan:expert", says="probability"),
    asked("brackets alone", "--by", "majority[expert,", says="no answerer"),
    asked("rule of nobody", "--by", "majority[]", says="list of answerers"),
    asked("vote in a vote", "--by", "vote:3:vote:3:expert", says="do not nest"),
    asked("vote in a rule", "--by", "majority[vote:3:expert]", says="do not nest"),
    refused("missing user file", "ask", "x", "--by", "none.py:f", says="none.py", code=3),
    refused("nobody knows", "ask", "why is the sky blue?", says="--by FILE.py:NAME"),
)

OTHERS: Final = (
    asked("reuse", "--reuse", "all", says="none, memo, joins"),
    asked("policy", "--policy", "recurs", says="recurse"),
    asked("table", "--policy", "table", says="direct, recurse, amplify, cascade,"),
    asked("rule", "--rule", "most", says="majority"),
    asked("samples 0", "--samples", "0", says="samples"),
    asked("samples 65", "--samples", "65", says="samples"),
    asked("audit 2", "--audit", "2", says="from 0 to 1"),
    asked("audit nan", "--audit", "nan", says="from 0 to 1"),
    asked("task", "--task", "arithmetics", says="arithmetic"),
    asked("wrong task", "--task", "game24", says="not a question of", code=3),
    asked("choice", "--reuse", "memo", "--memo-choice", "best", says="majority"),
    asked("choice of none", "--memo-choice", "ask", says="--reuse memo"),
    asked("huge seed", "--seed", "1" + "0" * 20, says="64 bits"),
    asked("seed is no number", "--seed", "x", says="64 bits"),
    asked("store without a name", "--store", "", says="--store is empty"),
    asked("store in memory", "--store", ":memory:", says="a store is a file"),
    asked("address in memory", "--store", "sqlite://", says="a store is a file"),
    refused("context", "ask", "x", "--context", "none.md", says="cannot read", code=3),
    refused("endless context", "ask", "x", "--context", "/dev/zero", says="not a file", code=3),
    refused("file", "amplify", "none.jsonl", says="cannot read none.jsonl", code=3),
    refused("folder", "amplify", ".", says="folder", code=3),
    refused("endless file", "amplify", "/dev/zero", says="not a file", code=3),
    refused("no file", "amplify", says="file of questions"),
    refused("run of no store", "amplify", "--resume", "nobody", says="no store is here", code=5),
    refused("no store", "trace", "show", "t-ffff", says="no store is here", code=5),
    refused("question of no store", "ask", "--resume", "t-ff", says="no store is here", code=5),
    refused("gc of no store", "trace", "gc", "t-ff", "--yes", says="no store is here", code=5),
    refused("gc of nothing", "trace", "gc", says="nothing to remove"),
    refused(
        "redact of no store", "trace", "redact", "t-ff", "--event", "1", "--yes",
        says="no store is here", code=5,
    ),
    refused("limit", "trace", "list", "--limit", "1" + "0" * 20, says="--limit"),
    refused("width", "trace", "show", "last", "--width", "-5", says="--width"),
    refused("lines", "trace", "show", "last", "--lines", "-3", says="--lines"),
    refused("anchor", "trace", "verify", "--anchor", "xx", says="hexadecimal"),
    refused("task of make", "tasks", "make", "gam24", "--out", "x", says="did you mean game24"),
    refused("size", "tasks", "make", "arithmetic", "--size", "999", "--out", "x", says="999"),
    refused("hand", "tasks", "make", "game24", "--size", "3", "--out", "x", says="--size"),
    refused("long out", "tasks", "make", "game24", "--out", "x" * 300, says="too long", code=5),
    refused("out", "tasks", "make", "game24", "--out", "/dev/full", "--force", says="dev", code=5),
)  # fmt: skip

ECHO: Final = put("echo.py", "def f(question):\n    return question\n")
ESCAPES: Final = "1\x1b]52;c;AAAA\x07[bold]\u202e + 2"
WHOLE_FILES: Final = (
    Case(
        BEYOND, "escapes are shown", 0, ("[bold]", "\u241b]52", "\\u{202e}"),
        ("ask", ESCAPES, "--by", "echo.py:f"), before=ECHO, leaves=STORE,
    ),
    Case(
        BEYOND, "questions that cannot be made", 2, ("a size of arithmetic is from 2",),
        ("tasks", "make", "arithmetic", "--size", "0", "--out", "q.jsonl", "--force"),
        before=put("q.jsonl", "mine"), after=holds("q.jsonl", b"mine"),
    ),
    Case(
        BEYOND, "questions in the place of others", 0, ("3",),
        ("tasks", "make", "arithmetic", "--count", "3", "--out", "q.jsonl", "--force"),
        before=put("q.jsonl", "mine"),
    ),
)  # fmt: skip

CASES: Final = (*WHOLE_FILES, *FROM_THE_FLOOR, *LIMITS, *ANSWERERS, *OTHERS)
