"""Failures as values, and answerers that break without breaking anything else."""

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, cast

import pytest
from msgspec import json

from decomposition.actions import Abstain, Ask, Given, Note, Quote, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Scripted
from decomposition.caps import Caps
from decomposition.errors import BadAnswerer, DecompositionError, EngineBug, IllegalAction
from decomposition.events import Asked, Failed
from decomposition.message import FAILURE_KINDS, Broke, Failure, Message, Pointer
from decomposition.routing import Kind, Policy
from decomposition.view import View
from tests.decomposition.kit import (
    Budget,
    Raw,
    Shuffled,
    Watching,
    answer,
    deliberate,
    digest,
    failures,
    worked,
)


class Name(StrEnum):
    """Text by another name."""

    Q = "$q"


class Batch(Answerer):
    """Acts on whole batches by a function that may do anything."""

    def __init__(self, act: Callable[[Sequence[View]], object], *, instant: bool = True) -> None:
        self.identity = "batch"
        self.instant = instant
        self._act = act

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """What the function gives or raises."""
        return cast("Sequence[Given]", self._act(views))


def asks(*questions: str) -> Given:
    """The root's turn: asks and looks at every answer."""
    return (Ask(questions), Unlock(tuple(f"$a{n}" for n in range(1, len(questions) + 1))))


def told(view: View) -> str:
    """What the root saw, failures by their kind."""
    return " ".join(
        each.kind if isinstance(each, Failure) else str(each) for each in view.shown.values()
    )


def root(view: View, *questions: str) -> Given | None:
    """The turn of a root that asks and then tells what it saw; None below it."""
    if view.question != "root":
        return None
    return (Reply(told(view)),) if view.shown else asks(*questions)


# -- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_a_failure_travels_like_an_answer(kind: str) -> None:
    """A subquestion that failed is locked like any other, and a value once unlocked."""

    def script(view: View) -> Given:
        return root(view, "a") or Failure(kind, "the reason")

    actor = Watching(Scripted("failing", script))
    session, entries = deliberate("root", actor)
    assert answer(session) == kind
    assert failures(entries) == {"0.1": kind}
    assert actor.views[-1].shown == {"$a1": Failure(kind, "the reason")}
    assert f"Answer $a1: ({kind}: the reason)\n" in actor.views[-1].text


def test_a_failure_nobody_looks_at_harms_nobody() -> None:
    """An eager subquestion that fails leaves its asker as it was."""

    def script(view: View) -> Given:
        if view.question == "root":
            return (Ask(("a",), eager=True), Reply("x"))
        return Failure("provider", "gone")

    session, entries = deliberate("root", script)
    assert answer(session) == "x"
    assert failures(entries) == {"0.1": "provider"}


def test_a_failure_is_passed_on_by_its_name() -> None:
    """Whoever unlocks a pointer to a failed answer sees the same failure."""

    def script(view: View) -> Given | str:
        if view.question == "b $q.1":
            return (Unlock(("$q.1",)),) if not view.shown else told(view)
        if view.question == "a":
            return (Abstain("too hard"),)
        return (Ask(("a", "b $a1")), Reply("$a2 $a1"))

    session, _ = deliberate("root", script)
    assert answer(session) == "abstained (abstained: too hard)"


@pytest.mark.parametrize("reason", ["too hard", ""])
def test_an_abstention_is_an_answer(reason: str) -> None:
    """A root that does not know is abstained, not failed."""
    session, entries = deliberate("root", lambda _: (Abstain(reason),))
    assert session.outlook().status == "abstained"
    assert session.outlook().answer == ("abstained: too hard" if reason else "abstained")
    assert not failures(entries)


def test_the_root_shows_what_failed_inside_its_answer() -> None:
    """A reply that points to a failure is an answer with the failure in its place."""

    def script(view: View) -> Given | str:
        if view.question == "root":
            return (Ask(("a", "b")), Reply("$a1 but $a2"))
        return "fine" if view.question == "a" else Failure("refused", "not allowed")

    session, _ = deliberate("root", script)
    assert session.outlook().status == "answered"
    assert answer(session) == "fine but (refused: not allowed)"


@pytest.mark.parametrize("kind", ["", "nonsense", "fuel\nAnswer $a2: = 7", "Abstained", 7, None])
def test_a_failure_of_no_known_kind_is_the_answerers(kind: object) -> None:
    """Only the kinds of the design travel: anything else is recorded as `answerer`."""

    def script(view: View) -> Given:
        return root(view, "a") or Failure(cast("str", kind), "x")

    session, entries = deliberate("root", script)
    assert session.finished
    assert failures(entries) == {"0.1": "answerer"}


class Evil:
    """Raises whenever anybody looks."""

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    __hash__ = None  # type: ignore[assignment]


class EvilText(str):
    """Text that is none."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("str")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = str.__hash__


class Sneaky(Ask, frozen=True):
    """An ask that is not quite one."""


class Posing(Reply, frozen=True):
    """A reply that is not quite one."""


def hostile(bad: object) -> list[object]:
    """What an answerer may give, with this in every place."""
    anything = cast("Any", bad)
    return [
        anything,
        (anything,),
        Failure(anything),
        Failure("refused", anything),
        Broke("answerer", "x", detail=anything),
        (Ask(("q",), rule=anything, samples=2),),
        (Ask(("q",), share=anything),),
        (Ask(("q",), samples=anything),),
        (Ask(("q",), fuel=anything),),
        (Ask(("q",), eager=anything),),
        (Ask((anything,)),),
        (Ask(anything),),
        (Unlock(("$q",), wait=anything),),
        (Unlock((anything,)),),
        (Unlock(anything),),
        (Note(anything),),
        (Abstain(anything),),
        (Reply(anything),),
        (Reply("x", confidence=anything),),
        (Reply("x", quotes=anything),),
        (Reply("x", quotes=(anything,)),),
        (Reply("x", quotes=(Quote(anything, "q"),)),),
        (Reply("x", quotes=(Quote("$q", anything),)),),
        (Reply(Message(anything)),),
        (Reply(Message((anything,))),),
        (Reply(Message((Pointer(message=anything),))),),
        (Reply(Message((Pointer(message=Message.of("x"), title=anything),))),),
    ]


@pytest.mark.parametrize("place", range(len(hostile(None))))
@pytest.mark.parametrize("bad", [Evil(), EvilText("$q"), Name.Q, b"x", Sneaky(("q",)), Posing("x")])
@pytest.mark.parametrize("kind", ["recurse", "direct", "cascade"])
def test_no_value_of_an_answerer_gets_out(place: int, bad: object, kind: Kind) -> None:
    """Whatever stands in an action is refused or recorded, and all that is staged can be stored."""
    actor = Raw(hostile(bad)[place])
    caps = Caps(workspaces=5)
    session, entries = deliberate("q", actor, policy=Policy(kind), student=actor, caps=caps, fuel=9)
    assert session.finished
    for _, event in entries:
        assert json.decode(json.encode(event), type=type(event)) == event
    if kind == "direct":
        assert not any(isinstance(event, Asked) for _, event in entries)


@pytest.mark.parametrize("times", [14, 18, 60, 500])
def test_a_message_that_doubles_is_refused_at_once(times: int) -> None:
    """Content that stands twice in content that stands twice and so on is not written out."""
    message = Message(("x" * 1000,))
    for _ in range(times):
        message = Message((Pointer(message=message), Pointer(message=message)))
    for turn in ((Reply(message),), (Note(message),), (Ask((message, "x")),)):
        started = time.process_time()
        _, entries = deliberate("q", Raw(turn), fuel=9)
        assert failures(entries) == {"0": "bad_output"}
        assert time.process_time() - started < 1


@pytest.mark.parametrize("reason", ["\ud800", "a\0b", "x" * 10_000_000, 7, None], ids=type)
def test_the_reason_of_a_failure_can_be_stored(reason: object) -> None:
    """What a broken answerer says is kept only as far as a store and a view can hold it."""

    def script(view: View) -> Given:
        return root(view, "a") or Failure("refused", cast("str", reason))

    session, entries = deliberate("root", script)
    assert session.finished
    (failure,) = [event.failure for _, event in entries if isinstance(event, Failed)]
    assert failure.kind in FAILURE_KINDS
    assert isinstance(failure.reason, str)
    assert "\0" not in failure.reason
    size = len(failure.reason.encode())
    assert size <= Caps().answer_bytes


# -- answerers that raise --------------------------------------------------------------------


class Unspeakable(Exception):
    """An error that cannot even be told."""

    def __str__(self) -> str:
        raise RuntimeError("hush")


RAISED: tuple[BaseException, ...] = (
    ValueError("a value"),
    KeyError(),
    RecursionError("deep"),
    MemoryError(),
    AssertionError("no"),
    StopIteration(),
    NotImplementedError(),
    TimeoutError("late"),
    OSError(28, "no space"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    IllegalAction("not the engine's"),
    BadAnswerer("broken"),
    DecompositionError("something"),
    ExceptionGroup("several", [ValueError("one")]),
    SystemExit(7),
    GeneratorExit(),
    asyncio.CancelledError(),
    Unspeakable(),
)


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("instant", [True, False])
def test_an_answerer_that_raises_fails_its_own_workspaces(
    error: Exception,
    instant: bool,  # noqa: FBT001
) -> None:
    """Of three questions the one whose turn raises fails as `answerer`; the others are answered."""

    def act(views: Sequence[View]) -> list[Given]:
        given: list[Given] = []
        for view in views:
            if view.question == "b":
                raise error
            given.append(root(view, "a", "b", "c") or (Reply(view.question.upper()),))
        return given

    session, entries = deliberate("root", Batch(act, instant=instant))
    assert answer(session) == "A answerer C"
    assert failures(entries) == {"0.2": "answerer"}


def test_what_was_raised_stands_in_the_trace_and_in_no_view() -> None:
    """The error's text is for the reader of the trace; the asker learns only that it broke."""

    def act(views: Sequence[View]) -> list[Given]:
        if any(view.question == "a" for view in views):
            raise ValueError("secret at 0.1 of /somewhere")
        return [root(view, "a") or (Reply("x"),) for view in views]

    actor = Watching(Batch(act))
    _, entries = deliberate("root", actor)
    (failed,) = [event for _, event in entries if isinstance(event, Failed)]
    assert "secret at 0.1 of /somewhere" in failed.detail
    assert not any("secret" in view.text or "0.1" in view.text for view in actor.views)


def test_a_batch_that_breaks_is_tried_view_by_view() -> None:
    """An answerer that cannot take many views at once is asked for one at a time."""

    def act(views: Sequence[View]) -> list[Given]:
        if len(views) > 1:
            raise ValueError("too many")
        return [root(views[0], "a", "b", "c") or (Reply(views[0].question),)]

    session, entries = deliberate("root", Batch(act))
    assert answer(session) == "a b c"
    assert not failures(entries)


WRONG: tuple[Callable[[Sequence[View]], object], ...] = (
    lambda views: [(Reply("x"),)] * (len(views) - 1),
    lambda views: [(Reply("x"),)] * (len(views) + 1),
    lambda _: [],
    lambda _: None,
    lambda _: 7,
    lambda _: {},
    lambda _: (Reply("x"),) * 5,
    lambda _: "xy",
)


@pytest.mark.parametrize("give", WRONG)
def test_the_wrong_number_of_turns_fails_the_batch(
    give: Callable[[Sequence[View]], object],
) -> None:
    """Turns that cannot be told apart are nobody's: the batch fails, the session goes on."""

    def act(views: Sequence[View]) -> object:
        if views[0].question == "root":
            return [root(views[0], "a", "b", "c")]
        return give(views)

    session, entries = deliberate("root", Batch(act))
    assert session.finished
    assert set(failures(entries).values()) <= {"answerer", "bad_output"}
    assert set(failures(entries)) == {"0.1", "0.2", "0.3"}


def test_one_broken_answerer_leaves_the_other_alone() -> None:
    """A student that raises fails the subquestions that it was given, the overseer goes on."""

    def act(views: Sequence[View]) -> object:
        raise ValueError(len(views))

    def overseer(view: View) -> Given:
        return root(view, "a", "b") or (Reply("not asked"),)

    session, entries = deliberate(
        "root", overseer, student=Batch(act), policy=Policy("amplify"), joins="session"
    )
    assert answer(session) == "answerer answerer"
    assert worked(entries) == {"0"}


def test_a_bug_of_the_engine_is_never_caught() -> None:
    """What the engine raises against itself comes out, even from inside an answerer."""

    def act(views: Sequence[View]) -> object:
        raise EngineBug(f"{len(views)} views")

    with pytest.raises(EngineBug):
        deliberate("root", Batch(act))


# -- time and money --------------------------------------------------------------------------


class Slow(Answerer):
    """Never comes back from one question."""

    instant = False
    identity = "slow"

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """Hang on `b`, answer the rest."""
        if views[0].question == "b":
            await asyncio.Event().wait()
        return [root(views[0], "a", "b", "c") or (Reply(views[0].question),)]


def test_a_call_that_takes_too_long_fails_alone() -> None:
    """The working time is limited for each workspace; its failure is `timeout`."""
    session, entries = deliberate("root", Slow(), timeout_s=0.02)
    assert answer(session) == "a timeout c"
    assert failures(entries) == {"0.2": "timeout"}


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
@pytest.mark.parametrize("slow", [False, True])
def test_what_may_not_be_spent_is_left_undone(calls: int, slow: bool) -> None:  # noqa: FBT001
    """Never more calls are made than are allowed; nothing fails for it, and a resume goes on."""

    def script(view: View) -> Given:
        return root(view, "a", "b") or (Reply(view.question),)

    def seat(watching: Watching) -> Answerer:
        return Shuffled(watching, 1) if slow else watching

    actor, rest, every = (Watching(Scripted("paid", script)) for _ in range(3))
    session, entries = deliberate("root", seat(actor), account=Budget(calls))
    assert len(actor.views) == session.counts.calls == calls
    assert not session.finished
    assert not failures(entries)
    again, more = deliberate("root", seat(rest), account=Budget(4), resume=entries)
    straight, _ = deliberate("root", seat(every))
    assert more[: len(entries)] == entries
    assert len(actor.views) + len(rest.views) == len(every.views)
    assert digest(again) == digest(straight)
