"""Sights: views and turns for tests, without a session."""

import asyncio
from collections.abc import Sequence

from decomposition.actions import Given, Reply
from decomposition.answerers.base import Answerer
from decomposition.hypertext import Message
from decomposition.view import View, sight, view
from decomposition.workspace import Workspace

LOOKING = sight("overseer", "test")


def seen(question: str, sample_path: tuple[int, ...] = ()) -> View:
    """The first view of a question's workspace."""
    return view(_workspace(question, sample_path), LOOKING)


def turns(answerer: Answerer, views: Sequence[View]) -> list[Given]:
    """What the answerer gives for the views."""
    return list(asyncio.run(_acted(answerer, views)))


def turn(answerer: Answerer, view: View) -> Given:
    """What the answerer gives for one view."""
    return turns(answerer, [view])[0]


def reply_text(given: Given) -> str:
    """The text of a turn that is one reply."""
    assert isinstance(given, tuple)
    (action,) = given
    assert isinstance(action, Reply)
    assert isinstance(action.message, str)
    return action.message


def _workspace(question: str, sample_path: tuple[int, ...]) -> Workspace:
    return Workspace(path="0", question=Message.of(question), sample_path=sample_path, fuel=20)


async def _acted(answerer: Answerer, views: Sequence[View]) -> Sequence[Given]:
    return await answerer.act(views)
