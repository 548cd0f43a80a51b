"""Reins: what others halt or take over while the loop runs is left, and all else goes on."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from decomposition.actions import Given
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Scripted
from decomposition.errors import Fenced
from decomposition.loop import Loop
from decomposition.ports import NO_DUES, Dues, Halt, Reusable, Ungranted, Written
from decomposition.session import Session
from decomposition.view import View
from tests.decomposition.kit import (
    FakeClock,
    MemoryStore,
    answer,
    begun,
    deliberate,
    digest,
    worked,
)
from workbench.testing.paid import PaidDouble, tree

TREE = "3 1"


class Reins:
    """Halts what a function says, and all once `stops` is set."""

    def __init__(self, halts: Callable[[int, str], Halt | None] = lambda _, __: None) -> None:
        self._halts = halts
        self.stops: Halt | None = None

    def halted(self, session: int, path: str) -> Halt | None:
        """What the function says."""
        return self._halts(session, path)

    def stopping(self) -> Halt | None:
        """What was set."""
        return self.stops


class Robbed(MemoryStore):
    """A store that refuses a session from its commit of some number on."""

    def __init__(self, session: int, after: int) -> None:
        super().__init__()
        self._lost = session
        self._left = after

    async def commit(
        self, written: Sequence[Written], reusable: Reusable, dues: Dues = NO_DUES
    ) -> Ungranted:
        """As the memory's, unless it is about the session that was taken over."""
        about = {each.session for each in written} | {each.session for each in dues.intents}
        self._left -= self._lost in about
        if self._lost in about and self._left < 0:
            raise Fenced("somebody else works it", frozenset({self._lost}))
        return await super().commit(written, reusable, dues)


class Endless(Answerer):
    """Never answers questions that end with a word, and others at once."""

    identity = "endless"
    instant = False

    def __init__(self, word: str) -> None:
        self._word = word
        self.waits = False

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """A turn, if ever."""
        if views[0].question.endswith(self._word):
            self.waits = True
            await asyncio.Event().wait()
        return [_turn(views[0])]


def _turn(view: View) -> Given:
    given = tree(view)
    assert not isinstance(given, str)
    return given


def run(
    sessions: Sequence[Session], store: MemoryStore, reins: Reins, at_once: int = 8
) -> list[int]:
    """Work sessions; the numbers of those that did not finish."""
    loop = Loop(store, FakeClock())
    return [each.number for each in asyncio.run(loop.run(iter(sessions), at_once, reins))]


def below(path: str) -> Callable[[int, str], Halt | None]:
    """Halts one workspace of session 1, and all below it."""
    return lambda session, at: (
        "paused" if session == 1 and f"{at}.".startswith(f"{path}.") else None
    )


@pytest.mark.parametrize("actor", [Scripted("tree", _turn), PaidDouble(tree)], ids=["free", "paid"])
def test_a_halted_subtree_is_not_worked(actor: Answerer) -> None:
    """All beside it is, and once the halt is lifted the session ends as if there had been none."""
    store = MemoryStore()
    sessions = [begun(TREE, actor, number=number) for number in (1, 2)]
    assert run(sessions, store, Reins(below("0.2"))) == [1]
    paths = worked(store.entries(1))
    assert {"0.1.1", "0.1.2"} <= paths
    assert not [path for path in paths if path.startswith("0.2")]
    assert digest(sessions[1]) == digest(deliberate(TREE, actor)[0])
    later, _ = deliberate(TREE, actor, resume=store.entries(1))
    assert digest(later) == digest(sessions[1])


def test_where_all_is_halted_nothing_more_is_begun() -> None:
    """Sessions that were not begun are not taken, and those that were can go on."""
    store, reins = MemoryStore(), Reins()
    asked: list[str] = []

    def stops(view: View) -> Given:
        asked.append(view.question)
        reins.stops = "paused" if len(asked) == 3 else None
        return _turn(view)

    actor = Scripted("tree", stops)
    sessions = [begun(TREE, actor, number=number) for number in (1, 2)]
    assert run(sessions, store, reins, at_once=1) == [1]
    assert len(asked) == 3
    assert 2 not in store.sessions
    reins.stops = None
    later, _ = deliberate(TREE, Scripted("tree", _turn), resume=store.entries(1))
    assert answer(later)


def test_calls_of_what_is_cancelled_are_given_up() -> None:
    """Where they would never come back; the session of another question ends."""
    store, actor = MemoryStore(), Endless(" 3")

    def halts(session: int, path: str) -> Halt | None:
        under_way = actor.waits and (session, path) == (1, "0.2")
        return "cancelled" if under_way else None

    sessions = [begun(f"1 {number}", actor, number=number) for number in (1, 2)]
    assert run(sessions, store, Reins(halts)) == [1]
    assert actor.waits
    assert sessions[1].finished


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("actor", [Scripted("tree", _turn), PaidDouble(tree)], ids=["free", "paid"])
def test_a_session_that_others_took_over_is_let_go(actor: Answerer, after: int) -> None:
    """Nothing of it is committed from then on, it is not told as left, and the others finish."""
    store = Robbed(1, after)
    sessions = [begun(TREE, actor, number=number) for number in (1, 2, 3)]
    assert run(sessions, store, Reins()) == []
    assert len(store.sessions.get(1, [])) < len(store.entries(2))
    assert digest(sessions[1]) == digest(sessions[2]) == digest(deliberate(TREE, actor)[0])
