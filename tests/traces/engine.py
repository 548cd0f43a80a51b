"""The engine at work on a real store, for tests that need whole deliberations."""

import asyncio
from collections.abc import Callable
from typing import Literal

from decomposition.actions import Given
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Scripted
from decomposition.loop import Loop
from decomposition.message import Message
from decomposition.ports import Authorship
from decomposition.routing import Policy
from decomposition.session import Session
from decomposition.setting import Setting
from decomposition.view import View
from tests.decomposition.kit import FakeClock
from traces.record import Ending, SessionRecord
from traces.store import Store


def deliberated(
    store: Store,
    question: str,
    answerer: Answerer | Callable[[View], Given | str],
    *,
    memo: bool = False,
    joins: Literal["none", "session", "shared"] = "none",
    fuel: int = 10_000_000,
) -> tuple[Session, SessionRecord]:
    """A finished deliberation, recorded in the store."""
    actor = answerer if isinstance(answerer, Answerer) else Scripted("test", answerer)
    row = store.register.open_session(now_us=5)
    setting = Setting(Policy("recurse"), (actor,), memo=memo, joins=joins)
    session = Session(row.number, setting, Authorship("", "engine", 1, 2), store)
    session.begin(Message.of(question), fuel)
    asyncio.run(Loop(store, FakeClock(), memo=store).run(iter([session])))
    outlook = session.outlook()
    ending = Ending(
        outlook.status,  # type: ignore[arg-type]
        outlook.answer,
        outlook.digest,
        outlook.workspaces,
        session.counts.calls,
        memo_hits=session.counts.memo_hits,
        joins=outlook.joins,
    )
    store.register.finish(row.number, ending)
    return session, store.register.session(row.number)
