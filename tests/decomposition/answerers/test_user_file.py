"""User files: what they may hold, what is refused, and how errors name their place."""

import os
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from decomposition.actions import Abstain, Ask, Reply, Unlock
from decomposition.answerers.scripted import Scripted
from decomposition.answerers.user_file import MAX_BYTES, load
from decomposition.errors import BadAnswerer, UnsafeFile
from decomposition.events import Failed
from decomposition.routing import Policy
from tests.decomposition.answerers.sights import abstained, seen, turn
from tests.decomposition.kit import Options, answer, deliberate, failures

SOURCE = """
from collections.abc import Sequence

from decomposition.actions import Abstain, Reply
from decomposition.answerers.base import Answerer
from decomposition.view import View


def decompose(question: str):
    answer = yield f"What is behind {question}"
    return f"It is {answer}"


def looks(view):
    yield from ()
    return view.text


def annotated(it: "View"):
    yield from ()
    return it.text


def shout(question, loud="!"):
    return question.upper() + loud


def silent(question):
    return None


def refuses(view):
    return Abstain(view.question)


def breaks(question):
    return str(1 // 0)


def breaks_later(question):
    yield from ()
    return str(1 // 0)


class Own(Answerer):
    async def act(self, views):
        return [(Reply(self.identity),) for _ in views]


class Named(Own):
    identity = "mine"


class Needy(Own):
    def __init__(self, model):
        self.model = model


class Abstract(Answerer):
    pass


class Frozen(Own):
    identity = property(lambda self: "mine")


made = Own()
number = 7


async def waits(question):
    return "7"


async def streams(question):
    yield "7"


def two(question, context):
    return "7"


def nothing():
    return "7"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `mine.py` in it."""
    (tmp_path / "mine.py").write_text(SOURCE)
    return tmp_path


def test_a_generator_decomposes(folder: Path) -> None:
    """It yields a question and returns the reply."""
    answerer = load(f"{folder}/mine.py:decompose")
    assert turn(answerer, seen("this?")) == (Ask(("What is behind this?",)), Unlock(("$a1",)))


@pytest.mark.parametrize("name", ["looks", "annotated"])
def test_a_function_may_take_the_view(folder: Path, name: str) -> None:
    """By the parameter's name or by its annotation."""
    assert turn(load(f"{folder}/mine.py:{name}"), seen("7?")) == (Reply("Question: 7?\n"),)


def test_a_plain_function_answers(folder: Path) -> None:
    """A text is a reply, None an abstention, an action itself."""
    assert turn(load(f"{folder}/mine.py:shout"), seen("why?")) == (Reply("WHY?!"),)
    assert turn(load(f"{folder}/mine.py:refuses"), seen("why?")) == (Abstain("why?"),)
    assert abstained(turn(load(f"{folder}/mine.py:silent"), seen("why?"))) == "no answer was found"


@pytest.mark.parametrize("name", ["Own", "made"])
def test_an_answerer_may_be_a_class_or_an_instance(folder: Path, name: str) -> None:
    """Either way it acts under the file's identity."""
    answerer = load(f"{folder}/mine.py:{name}")
    assert turn(answerer, seen("?")) == (Reply(answerer.identity),)


def test_the_identity_changes_with_the_source(folder: Path) -> None:
    """File, name and content make it; an answerer's own identity stands behind."""
    before = load(f"{folder}/mine.py:Named").identity
    (folder / "mine.py").write_text(SOURCE + "\n")
    after = load(f"{folder}/mine.py:Named").identity
    assert before.startswith("file:mine.py:Named@")
    assert before.endswith(":mine")
    assert before != after
    assert len(before) == len("file:mine.py:Named@") + 16 + len(":mine")


@pytest.mark.parametrize("name", ["breaks", "breaks_later"])
def test_what_user_code_raises_while_acting_comes_out(folder: Path, name: str) -> None:
    """The session makes a failure of it."""
    answerer = load(f"{folder}/mine.py:{name}")
    with pytest.raises(ZeroDivisionError):
        turn(answerer, seen("?"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent", r"mine\.py:1: nothing there is called absent"),
        ("number", r"mine\.py:1: a int is no answerer"),
        ("waits", r"mine\.py:\d\d: waits must be a plain function"),
        ("streams", r"mine\.py:\d\d: streams must be a plain function"),
        ("two", r"mine\.py:\d\d: two must take one argument"),
        ("nothing", r"mine\.py:\d\d: nothing must take one argument"),
        ("Needy", r"mine\.py:\d: Needy\(\) failed, TypeError"),
        ("Abstract", r"mine\.py:\d: Abstract\(\) failed, TypeError: Can't instantiate"),
        ("Frozen", r"mine\.py:1: its identity cannot be set"),
    ],
)
def test_a_name_of_another_kind_is_refused(folder: Path, name: str, says: str) -> None:
    """The message names the file and the line."""
    with pytest.raises(BadAnswerer, match=says):
        load(f"{folder}/mine.py:{name}")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1\ndef f(:\n", r"mine\.py:2: SyntaxError"),
        ("x = 1\n\ny = 1 // 0\n", r"mine\.py:3: ZeroDivisionError"),
        ("import a_module_that_is_nowhere\n", r"mine\.py:1: ModuleNotFoundError"),
        ("\n\nraise SystemExit(3)\n", r"mine\.py:3: SystemExit: 3"),
        ("x = '\0'\n", r"mine\.py:\d: (Syntax|Value)Error"),
        ("# -*- coding: odd -*-\n", r"mine\.py:\d: SyntaxError"),
        ("x = 1\nimport json\njson.loads('{')\n", r"mine\.py:3: JSONDecodeError"),
        ("(" * 500, r"mine\.py:\d: \w*Error"),
    ],
)
def test_a_file_that_does_not_run_names_its_line(tmp_path: Path, source: str, says: str) -> None:
    """The innermost line of the file itself, also when a library raises; nothing is left."""
    (tmp_path / "mine.py").write_text(source)
    before = set(sys.modules)
    with pytest.raises(BadAnswerer, match=says) as error:
        load(f"{tmp_path}/mine.py:f")
    assert error.value.where.startswith(str(tmp_path))
    assert not any(name.startswith("workbench_user_file") for name in set(sys.modules) - before)


@pytest.mark.parametrize("spec", ["mine.py", "mine.py:", "mine.txt:f", ":f", "mine.py:a-b", ""])
def test_what_is_no_file_and_name_is_refused(spec: str) -> None:
    """The message says the form."""
    with pytest.raises(BadAnswerer, match=r"FILE\.py:NAME"):
        load(spec)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    """So is a file that is too long to have been written by hand."""
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "long.py").write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(BadAnswerer, match=r"absent\.py: the file cannot be read"):
        load(f"{tmp_path}/absent.py:f")
    with pytest.raises(BadAnswerer, match="no file"):
        load(f"{tmp_path}/folder.py:f")
    with pytest.raises(BadAnswerer, match=f"more than {MAX_BYTES}"):
        load(f"{tmp_path}/long.py:f")


def test_the_file_is_run_without_a_trace_on_disk(folder: Path) -> None:
    """No compiled copy is left behind, and none is read."""
    load(f"{folder}/mine.py:shout")
    assert [path.name for path in folder.iterdir()] == ["mine.py"]


def test_a_class_knows_its_module(tmp_path: Path) -> None:
    """Dataclasses and annotations look their module up by name."""
    source = """
        from __future__ import annotations
        from dataclasses import dataclass, KW_ONLY

        @dataclass
        class Pair:
            one: int
            _: KW_ONLY
            other: int = 0

        def f(question):
            return str(Pair(1, other=6))
    """
    (tmp_path / "mine.py").write_text(dedent(source))
    assert turn(load(f"{tmp_path}/mine.py:f"), seen("?")) == (Reply("Pair(one=1, other=6)"),)


# -- files that others may have written --------------------------------------------------------


def test_a_file_that_everybody_may_write_is_not_run(folder: Path) -> None:
    """The message says which place it is and what to do."""
    (folder / "mine.py").chmod(0o646)
    with pytest.raises(UnsafeFile, match=r"mine\.py can be written by everybody.*chmod o-w") as it:
        load(f"{folder}/mine.py:shout")
    assert it.value.path == str(folder / "mine.py")


@pytest.mark.parametrize("levels", [0, 1])
def test_a_folder_on_the_way_that_everybody_may_write_is_refused(
    tmp_path: Path, levels: int
) -> None:
    """Whoever may rename a folder on the way may put another file there."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "mine.py").write_text(SOURCE)
    open_to_all = inner.parents[levels - 1] if levels else inner
    open_to_all.chmod(0o777)
    with pytest.raises(UnsafeFile) as error:
        load(f"{inner}/mine.py:shout")
    assert error.value.path == str(open_to_all)


def test_a_link_out_of_an_open_folder_is_refused(folder: Path) -> None:
    """The link can be replaced, though what it leads to cannot."""
    shared = folder / "shared"
    shared.mkdir()
    (shared / "link.py").symlink_to(folder / "mine.py")
    load(f"{shared}/link.py:shout")
    shared.chmod(0o777)
    with pytest.raises(UnsafeFile):
        load(f"{shared}/link.py:shout")


def test_a_link_into_an_open_folder_is_refused(folder: Path) -> None:
    """Nor does a private link make an open folder private."""
    shared = folder / "shared"
    shared.mkdir()
    (shared / "mine.py").write_text(SOURCE)
    (folder / "link").symlink_to(shared)
    shared.chmod(0o777)
    with pytest.raises(UnsafeFile):
        load(f"{folder}/link/mine.py:shout")


def test_a_shared_folder_with_the_sticky_bit_is_no_danger(folder: Path) -> None:
    """There nobody can replace the file of somebody else."""
    folder.chmod(0o1777)
    assert turn(load(f"{folder}/mine.py:shout"), seen("a")) == (Reply("A!"),)


def test_a_strangers_file_in_a_shared_folder_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sticky bit does not say who wrote the file."""
    folder.chmod(0o1777)
    if os.geteuid() == 0:
        os.chown(folder / "mine.py", 12345, 12345)
    else:
        # Only root can give a file away; for anybody else this process is the stranger.
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(UnsafeFile, match="belongs to somebody else"):
        load(f"{folder}/mine.py:shout")


# -- in a session ----------------------------------------------------------------------------

LIVE = """
import sys
import time

from decomposition.actions import Reply
from decomposition.answerers.base import Answerer


def breaks(question):
    print("about to break")
    raise ValueError("a bad value")


def decompose(question):
    print("thinking")
    yield from ()
    raise ValueError("a bad value")


def leaves(question):
    sys.exit(7)


def sleeps(question):
    time.sleep(0 if question == "quick" else 20)
    return "woke up"


def asks_much(question):
    answers = yield [f"question {n}" for n in range(10_000)] if question == "root" else []
    return str(len(answers))


class Waits(Answerer):
    instant = False

    async def act(self, views):
        print("before")
        await __import__("asyncio").sleep(0)
        print("after")
        return [(Reply("waited"),) for _ in views]
"""


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A file whose functions do what they should not."""
    path = tmp_path / "live.py"
    path.write_text(LIVE)
    return path


@pytest.mark.parametrize(("name", "line"), [("breaks", 11), ("decompose", 17)])
def test_a_bug_in_a_users_file_is_told_with_its_place(
    live: Path, name: str, line: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Message and FILE:LINE stand in the trace and in no view; what it prints is on stderr."""
    session, entries = deliberate("q", load(f"{live}:{name}"))
    (failed,) = [event for _, event in entries if isinstance(event, Failed)]
    assert failed.detail == f"a bad value ({live}:{line})"
    assert answer(session) == "answerer: the answerer broke (ValueError)"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err in ("about to break\n", "thinking\n")


def test_what_a_waiting_answerer_prints_is_on_stderr_and_nothing_else(
    live: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it waits, stdout is that of the others."""
    actor = load(f"{live}:Waits")
    session, _ = deliberate("q", actor, on_commit=lambda _: print("a result"))  # noqa: T201
    assert answer(session) == "waited"
    printed = capsys.readouterr()
    assert printed.err == "before\nafter\n"
    assert set(printed.out.splitlines()) == {"a result"}


@pytest.mark.parametrize("timeout_s", [None, 5.0])
def test_a_users_file_cannot_end_the_program(live: Path, timeout_s: float | None) -> None:
    """`sys.exit` in it is a failure of the workspace."""
    options: Options = {} if timeout_s is None else {"timeout_s": timeout_s}
    session, entries = deliberate("q", load(f"{live}:leaves"), **options)
    assert failures(entries) == {"0": "answerer"}
    assert answer(session) == "answerer: the answerer broke (SystemExit)"


def test_a_users_function_that_sleeps_is_not_waited_for(live: Path) -> None:
    """The limit holds though it never gives control back; a quick one beside it is in time."""
    overseer = Scripted(
        "o", lambda view: "$a1 $a2" if view.asked else (Ask(("slow", "quick")), Reply("$a1 $a2"))
    )
    started = time.monotonic()
    session, entries = deliberate(
        "q", overseer, student=load(f"{live}:sleeps"), policy=Policy("amplify"), timeout_s=0.5
    )
    assert time.monotonic() - started < 10
    assert failures(entries) == {"0.1": "timeout"}
    assert answer(session).endswith("woke up")


def test_more_questions_than_are_opened_are_counted(live: Path) -> None:
    """A generator that asks for more than the cap of one action fails, and is told why."""
    session, entries = deliberate("root", load(f"{live}:asks_much"))
    assert failures(entries) == {"0": "answerer"}
    assert answer(session) == "answerer: asked 10000, 256 opened"
