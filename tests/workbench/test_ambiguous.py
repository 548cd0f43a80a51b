"""Calls that were under way at a kill: asked again, failed, or whoever resumes is asked."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workbench.conftest import Run
from traces.store import Store
from workbench.ambiguous import to_fail
from workbench.testing.kill import PRELOADED, RUN, STORE, Victim
from workbench.testing.provider import Provider

CHAT = ("decomposition.answerers.chat_model", "langchain_openai")
RESUME = ("amplify", "--resume", RUN, "--store", STORE)


class Terminal(io.StringIO):
    """Somebody types on it."""

    def isatty(self) -> bool:
        """Whether it is a terminal: it is."""
        return True


@pytest.fixture
def killed(run: Run) -> Iterator[Provider]:
    """A run in this folder that was killed when its only call had been sent."""
    del run
    with Provider.here("echo") as provider:
        victim = Victim(
            Path.cwd(),
            b'{"question": "why?"}\n',
            ["--by", "chat:openai:echo", "--config", "c.toml"],
            counts=provider.counts,
            preloaded=(*PRELOADED, *CHAT),
        )
        Path("c.toml").write_text(f'[chat]\nbase_url = "{provider.url}"\nkey_env = ""\n')
        victim.attempt(at=("sent", 1))
        yield provider


def test_whoever_resumes_is_asked(
    killed: Provider, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal the calls are listed, with 7; on one, each is decided for itself."""
    before = len(killed.requests())
    ran = run(*RESUME, "--on-ambiguous", "ask")
    assert ran.code == 7, ran.err
    assert "1 call under way at a kill, and no terminal to ask on" in ran.err
    assert "at 0 to chat:openai:echo" in ran.err
    assert "--on-ambiguous retry" in ran.err
    assert len(killed.requests()) == before
    with Store.open(STORE) as store:
        number = store.register.find_run(RUN).number
        (line,) = store.ledger.lines()
        for typed, expected in (("n\n", {line.call}), ("y\n", set[str]())):
            monkeypatch.setattr(sys, "stdin", Terminal(typed))
            assert to_fail(store, "ask", run=number) == expected
        assert to_fail(store, "retry", run=number) == set()


@pytest.mark.parametrize(
    ("how", "status", "calls"), [("fail", "failed", 1), ("retry", "answered", 2)]
)
def test_an_ambiguous_call_is_failed_or_asked_again(
    how: str, status: str, calls: int, killed: Provider, run: Run
) -> None:
    """And stays in the ledger with its cost unknown."""
    ran = run(*RESUME, "--on-ambiguous", how)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["status"] == status
    assert len(killed.requests()) == calls
    with Store.open(STORE, readonly=True) as store:
        lines = store.ledger.lines()
    assert [each.standing for each in lines] == ["ambiguous", "answered"][:calls]
    assert lines[0].cost_usd is None
