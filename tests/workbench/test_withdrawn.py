"""Withdrawn turns on the command line: seen where they stood, gone from the tree."""

import json
from pathlib import Path

from decomposition.events import Noted, Opened
from decomposition.message import Message
from decomposition.ports import Authorship
from tests.traces.kit import ENGINE, append
from tests.workbench.conftest import Run
from traces.store import Store
from traces.withdraw import withdraw
from workbench.doings import counted

ANNA = Authorship("human:anna", "human", 9, 9)


def test_a_withdrawn_turn_is_marked(run: Run) -> None:
    """Drawing, events and JSON say so; before the withdrawal the note is there, then it is not."""
    with Store.open(Path("workbench.db")) as store:
        session = store.register.open_session(now_us=1, seed=0, config="{}")
        append(store, session, [("0", Opened(Message.of("why?"), (100,)))], ENGINE)
        append(store, session, [("0", Noted("because"))], ANNA)
        withdraw(store, session.trace, 1, ANNA)
        assert counted(store.records(session.number)).calls == 1
    assert "withdrawn" in run("trace", "show", "last").out
    lines = run("trace", "replay", "last").out.splitlines()
    assert [("[withdrawn]" in line) for line in lines[-3:]] == [False, True, False]
    events = [
        json.loads(line) for line in run("trace", "replay", "last", "--json").out.splitlines()
    ]
    assert [event["withdrawn"] for event in events] == [False, True, False]
    assert events[2]["kind"] == "Withdrawn"
    for at, note in (("1", "because"), ("2", "")):
        shown = json.loads(run("trace", "replay", "last", "--at", at, "--json").out)
        assert shown["workspaces"][0]["note"] == note
    assert run("trace", "verify").code == 0
