"""Bounds: content that doubles or nests with every step stays cheap to hash, show and render.

What may hang runs in a process of its own, so that a failure is a failure and not a wait.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from decomposition.actions import Ask, Given, Note, Reply, Unlock
from decomposition.answerers.scripted import Scripted
from decomposition.caps import Caps
from decomposition.routing import Policy
from decomposition.tree import fold
from decomposition.view import View
from tests.decomposition.kit import Options, answer, deliberate

ROOT: Final = Path(__file__).parents[2]
TIME_S: Final = 10.0
DEEP: Final = 60


def down(reply: str, ask: str = "{}", *, look: bool = False) -> Callable[[View], Given | str]:
    """Counts down to zero: asks the next number, and replies without or after a look."""

    def script(view: View) -> Given | str:
        number = int(view.question.split()[0])
        if not number:
            return "x"
        if look and view.shown:
            return reply
        turn = (Ask((ask.format(number - 1),)),)
        return (*turn, Unlock(("$a1",))) if look else (*turn, Reply(reply))

    return script


def _worked(script: Callable[[View], Given | str], **options: object) -> str:
    chosen: Options = {"caps": Caps(depth=DEEP + 1), **options}  # type: ignore[typeddict-item]
    session, entries = deliberate(f"{DEEP} go", script, **chosen)
    fold(entries)
    return session.outlook().answer


def doubling_answers() -> None:
    """Every answer is two of the one below."""
    shown = _worked(down("$a1 $a1"), caps=Caps(depth=DEEP + 1, answer_bytes=5_000))
    assert 1_000 < len(shown) <= 5_000


def doubling_answers_compared() -> None:
    """Samples whose answers double are compared within the cap."""

    def script(view: View) -> Given | str:
        number = int(view.question.split()[0])
        if number == DEEP:
            return (Ask((str(number - 1),), 3, "plurality"), Reply("$a1"))
        return down("$a1 $a1")(view)

    shown = _worked(script, caps=Caps(depth=DEEP + 1, answer_bytes=5_000))
    assert 1_000 < len(shown) <= 5_000


def doubling_answers_in_questions() -> None:
    """A question points to an answer that doubles: it is hashed for cycles and for joins."""

    def script(view: View) -> Given | str:
        if view.question.startswith("root"):
            if not view.shown:
                return (Ask((str(DEEP),), fuel=1_000_000), Unlock(("$a1",)))
            return (Ask(("about $a1", "about $a1")), Reply("$a2 $a3"))
        return "seen" if view.question.startswith("about") else down("$a1 $a1")(view)

    for joins in ("none", "session"):
        session, entries = deliberate("root", script, caps=Caps(depth=DEEP + 1), joins=joins)
        fold(entries)
        assert answer(session) == "seen seen"


def doubling_answers_read_through() -> None:
    """A student that reads through its question is shown a bounded part of what doubles."""

    def inner(view: View) -> Given | str:
        if "$q.1" in view.question:
            assert len(view.text) < 2_000_000
            return "read"
        return down("$a1 $a1")(view)

    student = Scripted("student", inner, reads_through=True)

    def overseer(view: View) -> Given | str:
        if view.question == "root":
            return (Ask((f"{DEEP} x", "$a1 ?")), Reply("$a2"))
        return inner(view)

    table = Policy("cascade", 0.5)
    session, _ = deliberate(
        "root", overseer, student=student, policy=table, caps=Caps(depth=DEEP + 1)
    )
    assert session.finished


def nesting_answers() -> None:
    """Every answer is the one below in brackets, thirty levels of them."""
    assert _worked(down("[" * 30 + "$a1" + "]" * 30)) == "x"


def nesting_questions() -> None:
    """Every question holds the one above, twenty levels of brackets deeper."""
    assert _worked(down("$a1", "{} " + "[" * 20 + "$q" + "]" * 20)) == "x"


def nesting_questions_joined() -> None:
    """The same with joins, for which questions are hashed whole."""
    assert _worked(down("$a1", "{} " + "[" * 20 + "$q" + "]" * 20), joins="session") == "x"


def doubling_questions() -> None:
    """Every question holds the one above twice."""
    assert _worked(down("$a1", "{} $q $q")) == "x"


def doubling_questions_joined() -> None:
    """The same with joins."""
    assert _worked(down("$a1", "{} $q $q"), joins="session") == "x"


def doubling_questions_given_back() -> None:
    """The answer is the question, which doubled on its way down."""

    def script(view: View) -> Given | str:
        return "$q" if view.question.startswith("0") else down("$a1", "{} $q $q")(view)

    shown = _worked(script, caps=Caps(depth=DEEP + 1, answer_bytes=5_000))
    assert 1_000 < len(shown) <= 5_000


def doubling_notes_and_looks() -> None:
    """Each level looks at the answer below and gives it twice, in brackets."""
    script = down("[$a1] [$a1]", look=True)
    shown = _worked(script, caps=Caps(depth=DEEP + 1, answer_bytes=5_000))
    assert 1_000 < len(shown) <= 5_000


def doubling_notes() -> None:
    """A note holds the note before it twice, sixty times over, and is passed on."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return "$q" if not view.shown else (Unlock(("$q.1",)),)
        notes = [Note("x")] + [Note("[$n] [$n] $n")] * DEEP
        return (*notes, Ask(("about $n", "again $n")), Reply("$a1 $a2"))

    for joins in ("none", "session"):
        session, entries = deliberate("root", script, caps=Caps(answer_bytes=5_000), joins=joins)
        fold(entries)
        assert len(answer(session)) <= 5_000


def wide_rendering() -> None:
    """A root that points ten thousand times to one long answer is rendered up to the cap."""

    def script(view: View) -> Given | str:
        return "y" * 10_000 if view.question == "a" else (Ask(("a",)), Reply("$a1 " * 10_000))

    session, _ = deliberate("root", script)
    assert len(answer(session)) == Caps().answer_bytes


CASES: Final[tuple[Callable[[], None], ...]] = (
    doubling_answers,
    doubling_answers_compared,
    doubling_answers_in_questions,
    doubling_answers_read_through,
    nesting_answers,
    nesting_questions,
    nesting_questions_joined,
    doubling_questions,
    doubling_questions_joined,
    doubling_questions_given_back,
    doubling_notes_and_looks,
    doubling_notes,
    wide_rendering,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_hostile_content_is_worked_in_bounds(case: Callable[[], None]) -> None:
    """Doubling sixty times over, or nesting a thousand levels, ends within seconds."""
    code = f"from tests.decomposition import test_bounds as b; b.{case.__name__}()"
    try:
        ran = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT, capture_output=True, text=True, timeout=TIME_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.fail(f"{case.__name__} took longer than {TIME_S} s")
    assert not ran.returncode, ran.stderr[-800:]


def test_an_answer_that_is_cut_when_rendered_says_so() -> None:
    """What pointers lead to may make an answer longer than the cap, though no part of it is."""

    def script(view: View) -> Given | str:
        return "x" * 60 if view.question != "root" else (Ask(("a",)), Reply("$a1 $a1"))

    for cap, length, cut in ((100, 100, True), (121, 121, False), (120, 120, True)):
        session, _ = deliberate("root", script, caps=Caps(answer_bytes=cap))
        outlook = session.outlook()
        assert (len(outlook.answer), outlook.cut) == (length, cut)
