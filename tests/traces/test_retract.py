"""Retraction: what depends on an event is marked in every session, and not used again."""

import pytest

from decomposition.actions import Ask, Given, Unlock
from decomposition.events import Joined, Replied
from decomposition.view import View
from tests.traces.engine import deliberated
from tests.traces.kit import recorded
from traces.errors import NotRetractable, UnknownId
from traces.record import SessionRecord
from traces.retract import retract
from traces.store import Store
from traces.verify import verify


class Script:
    """Derives an answer from one far below, and counts how often it is asked what."""

    def __init__(self, deep: str) -> None:
        self.deep = deep
        self.asked: list[str] = []

    def __call__(self, view: View) -> Given | str:
        """The turn for a view."""
        self.asked.append(view.question)
        match view.question:
            case "deep":
                return self.deep
            case "else":
                return "something else"
            case "mid":
                return "seen" if view.asked else (Ask(("deep",)), Unlock(("$a1",)))
            case _:
                return "so" if view.asked else (Ask(("else", "mid")), Unlock(("$a1", "$a2")))


def number_of(store: Store, session: SessionRecord, text: str) -> int:
    """The event of a session that answers with this text."""
    return next(r.number for r in store.records(session.number) if r.event == Replied(text))


def test_dependants_are_marked_through_memos_and_joins(site: str) -> None:
    """The joined answer, what was made of it, and nothing beside it; the record stays whole."""
    with Store.open(site) as store:
        _, first = deliberated(store, "one", Script("42"), joins="shared")
        _, second = deliberated(store, "two", Script("42"), joins="shared")
        number = number_of(store, first, "42")
        rehearsed = retract(store, first.trace, number, rehearse=True)
        assert store.stale(first.number) == {}
        report = retract(store, first.trace, number, reason="he was wrong")
        assert report == rehearsed
        joins = {
            record.path: record.number
            for record in store.records(second.number)
            if isinstance(record.event, Joined)
        }
        assert sorted(joins) == ["0.1", "0.2"]
        root = number_of(store, second, "so")
        assert report.stale[second.trace] == (joins["0.2"], root)
        assert set(store.stale(second.number)) == {joins["0.2"], root}
        own = store.stale(first.number)
        assert own[number] == "retracted: he was wrong"
        assert set(own) == {number, *report.stale[first.trace]}
        assert set(own.values()) == {
            "retracted: he was wrong",
            f"depends on retracted event {number} of {first.trace}",
        }
        assert number_of(store, first, "42") == number
        assert verify(store, refold=True).ok


@pytest.mark.parametrize("flushed", [False, True])
def test_only_what_depends_is_asked_again(store: Store, *, flushed: bool) -> None:
    """Its turns and answers are not used again, in the window and in the file; others are."""
    _, first = deliberated(store, "one", Script("42"), memo=True, joins="shared")
    if flushed:
        store.reuse.flush()
    retract(store, first.trace, number_of(store, first, "42"))
    script = Script("43")
    deliberated(store, "two", script, joins="shared")
    assert set(script.asked) == {"two", "mid", "deep"}
    script = Script("43")
    deliberated(store, "one", script, memo=True)
    assert script.asked.count("else") == 0
    assert script.asked.count("deep") == 1


def test_an_event_that_is_not_there_cannot_be_retracted(store: Store) -> None:
    """Nor one of a session that is not."""
    session = recorded(store, 5)
    with pytest.raises(NotRetractable):
        retract(store, session.trace, 5)
    with pytest.raises(UnknownId):
        retract(store, "t-none", 1)
