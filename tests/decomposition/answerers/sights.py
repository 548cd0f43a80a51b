"""Sights: views and turns for tests, without a session."""

from collections.abc import Sequence

from decomposition.actions import Abstain, Given, Reply
from decomposition.answerers.base import Answerer
from decomposition.hypertext import Message
from decomposition.rendering import sight, view
from decomposition.view import View
from decomposition.workspace import Workspace

LOOKING = sight("overseer", "test")


def seen(question: str, sample_path: tuple[int, ...] = ()) -> View:
    """The first view of a question's workspace."""
    return view(_workspace(question, sample_path), LOOKING)


def turns(answerer: Answerer, views: Sequence[View]) -> list[Given]:
    """What an answerer that never waits gives for the views; no event loop is needed."""
    acting = answerer.act(views)
    try:
        acting.send(None)
    except StopIteration as end:
        return list(end.value)
    raise AssertionError("it waited")


def turn(answerer: Answerer, view: View) -> Given:
    """What the answerer gives for one view."""
    return turns(answerer, [view])[0]


def abstained(given: Given) -> str:
    """The reason of a turn that is one abstention."""
    assert isinstance(given, tuple)
    (action,) = given
    assert isinstance(action, Abstain)
    return action.reason


def reply_text(given: Given) -> str:
    """The text of a turn that is one reply."""
    assert isinstance(given, tuple)
    (action,) = given
    assert isinstance(action, Reply)
    assert isinstance(action.message, str)
    return action.message


def _workspace(question: str, sample_path: tuple[int, ...]) -> Workspace:
    return Workspace(path="0", question=Message.of(question), sample_path=sample_path, fuel=20)
