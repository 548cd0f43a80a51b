"""Output: streams that are full, closed or of another encoding, questions, interruptions."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workbench.conftest import Run
from tests.workbench.test_resume import until
from traces.store import Store
from workbench.testing.kill import start

WORKBENCH = (sys.executable, "-c", "from workbench.cli import main; main()")
SLOW = """
import time


def f(question):
    a = yield question + "?" if len(question) < 40 else "end"
    time.sleep(0.05)
    return a
"""


def shell(folder: Path, command: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command line; `workbench` is this one."""
    quoted = " ".join(f"'{part}'" for part in WORKBENCH)
    done = subprocess.run(
        ["bash", "-c", f'workbench() {{ {quoted} "$@"; }}; {command}'],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


@pytest.mark.parametrize(
    "command",
    [
        "workbench tasks >/dev/full",
        "workbench --help >/dev/full",
        "workbench ask '1 + 1' >/dev/full",
        "workbench ask '1 + 1' 2>/dev/full",
        "workbench ask '1 + 1' >/dev/full 2>&1",
    ],
)
def test_output_that_cannot_be_written_is_5(command: str, tmp_path: Path) -> None:
    """A full disk under the output is named, not reported as a bug."""
    code, _, errors = shell(tmp_path, command)
    assert code == 5, errors
    assert "internal error" not in errors
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("workbench ask - <&-", 2),
        ("workbench ask '1 + 1' >&-", 0),
        ("workbench ask '1 + 1' 2>&-", 0),
        ("workbench ask '1 + 1' <&- >&- 2>&-", 0),
    ],
)
def test_a_closed_stream_is_no_bug(command: str, expected: int, tmp_path: Path) -> None:
    """Closed streams end in their exit code, and the store does not take their place."""
    code, _, errors = shell(tmp_path, command)
    assert code == expected, errors
    assert "internal error" not in errors
    assert shell(tmp_path, "test ! -e workbench.db || workbench trace verify")[0] == 0


def test_another_encoding_is_no_bug(tmp_path: Path) -> None:
    """Where the output cannot show a character it stands escaped."""
    ask = "workbench ask '487 + 1956'"
    code, out, errors = shell(tmp_path, ask, PYTHONIOENCODING="latin-1")
    assert (code, out) == (0, "2443\n"), errors
    for options in ("", "--ascii", "--ascii --path 0"):
        show = f"workbench trace show last {options}"
        code, out, errors = shell(tmp_path, show, PYTHONIOENCODING="ascii")
        assert code == 0, errors
        assert "2443" in out


def test_ascii_is_ascii(run: Run) -> None:
    """With `--ascii` no other character is drawn, whatever the question holds."""
    Path("own.py").write_text("def f(question):\n    return 'caf\\u00e9 \\u2192 \\u4e16'\n")
    Path("own.py").chmod(0o600)
    ran = run("ask", "na\u00efve \u2026 \u00b7 " + "\u4e16" * 90, "--by", "own.py:f", "--ascii")
    assert ran.code == 0
    assert ran.err.isascii(), ran.err
    for options in ([], ["--path", "0"], ["--width", "40"]):
        shown = run("trace", "show", "last", "--ascii", *options)
        assert shown.code == 0
        assert shown.out.isascii(), shown.out
    for at in ([], ["--at", "0"]):
        assert run("trace", "replay", "last", "--ascii", *at).out.isascii()


def confirming(folder: Path, typed: bytes, *arguments: str) -> tuple[int, str]:
    """A command on a terminal on which somebody types; its exit code and what it said."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*WORKBENCH, *arguments], cwd=folder, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
        start_new_session=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as child:  # fmt: skip
        assert child.stderr
        said = b""
        while b"[y/N]" not in said:
            said += os.read(child.stderr.fileno(), 4096)
        if typed:
            os.write(ours, typed)
        else:
            _interrupt(child)
        code = child.wait(60)
        said += child.stderr.read()
    os.close(ours)
    os.close(theirs)
    return code, said.decode()


def _interrupt(child: "subprocess.Popen[bytes]") -> None:
    """Ctrl-C, again where the first came a moment before the child began to read."""
    for _ in range(60):
        child.send_signal(signal.SIGINT)
        try:
            child.wait(1)
        except subprocess.TimeoutExpired:
            continue
        return


def test_what_goes_is_said_before_it_goes(run: Run) -> None:
    """A confirmation says what goes; no leaves everything, Ctrl-C is 130, yes does it."""
    folder = Path.cwd()
    assert run("ask", "1 + 2").code == 0
    for arguments in (("trace", "gc", "last"), ("trace", "redact", "last", "--event", "0")):
        ran = run(*arguments)
        assert ran.code == 2
        assert "add --yes" in ran.err
        code, said = confirming(folder, b"n\n", *arguments)
        assert code == 0, said
        assert "nothing was changed" in said
        code, said = confirming(folder, b"", *arguments)
        assert code == 130, said
        assert "Traceback" not in said
    code, said = confirming(folder, b"y\n", "trace", "gc", "last")
    assert code == 0, said
    assert "1 session, 2 events" in said
    assert run("trace", "gc", "t-ffff").code == 2
    assert "nothing is recorded here" in run("trace", "list").out


def test_an_interrupted_question_says_how_to_go_on(tmp_path: Path, run: Run) -> None:
    """Ctrl-C ends a question with 130; it is marked as stopped and goes on from there."""
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "slow.py").chmod(0o600)
    with start(["ask", "why", "--by", "slow.py:f"], tmp_path) as child:
        until(lambda: _events(tmp_path) > 6)
        child.send_signal(signal.SIGINT)
        code = child.wait(20)
        errors = child.stderr.read().decode() if child.stderr else ""
    assert code == 130, errors
    (trace,) = re.findall(r"workbench ask --resume (t-[0-9a-f]+)", errors)
    with Store.open(tmp_path / "workbench.db", readonly=True) as store:
        (row,) = store.register.sessions()
        assert (row.trace, row.status) == (trace, "stopped")
        assert row.workspaces > 1
    ran = run("ask", "--resume", trace)
    assert (ran.code, ran.out) == (4, "")
    assert run("trace", "verify").code == 0


def _events(folder: Path) -> int:
    if not (folder / "workbench.db").exists():
        return 0
    with Store.open(folder / "workbench.db", readonly=True) as store:
        return sum(row.count for row in store.register.sessions())


def test_code_that_ends_the_program_ends_in_a_message(run: Run) -> None:
    """Whatever a user's own file raises, no traceback reaches the user."""
    plugin = Path("own.py")
    for body in ("import sys; sys.exit(0)", "raise GeneratorExit", "raise SystemExit('x')"):
        plugin.write_text(f"{body}\ndef f(question):\n    return '1'\n")
        plugin.chmod(0o600)
        ran = run("ask", "x", "--by", "own.py:f")
        assert ran.code == 3, ran.err
        plugin.write_text(f"def f(question):\n    {body}\n")
        ran = run("ask", "x", "--by", "own.py:f")
        assert ran.code in (3, 4), ran.err
        assert "Traceback" not in ran.err


def test_debug_shows_where_an_error_arose(run: Run) -> None:
    """`--debug` adds the place in the code; the exit code stays what it is."""
    for arguments in (("--debug", "ask", ""), ("ask", "", "--debug")):
        ran = run(*arguments)
        assert ran.code == 2
        assert "Traceback" in ran.err
        assert ran.err.endswith("workbench: the question is empty\n")
