"""From Python: answers with their cost, caps, and answerers of one's own that are paid."""

import asyncio
from pathlib import Path

import pytest

from tests.workbench.conftest import Run
from traces.store import Store
from workbench.api import amplify
from workbench.limits import Limits
from workbench.testing.provider import Provider


def test_a_question_is_capped_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reached cap is a status, not an error."""
    monkeypatch.chdir(tmp_path)
    answer = asyncio.run(amplify("487 + 1956", limits=Limits(calls=3)))
    assert (answer.status, answer.calls) == ("stopped", 3)
    answer = asyncio.run(amplify("487 + 1956"))
    assert (answer.text, answer.status) == ("2443", "answered")


def test_a_chat_model_answers_from_python(run: Run) -> None:
    """With the tokens and the money that the ledger has."""
    with Provider.here("sum") as provider:
        Path("c.toml").write_text(
            f'[chat]\nbase_url = "{provider.url}"\nkey_env = ""\n'
            '[prices."openai:sum"]\nusd_per_million_in = 1\nusd_per_million_out = 2\n'
        )
        asked = amplify("5 + 6 + 7", by="chat:openai:sum", config="c.toml")
        answer = asyncio.run(asked)
    assert (answer.text, answer.status) == ("18", "answered")
    with Store.open("workbench.db", readonly=True) as store:
        totals = store.ledger.totals()
    assert (answer.calls, answer.tokens) == (totals.calls, totals.tokens)
    assert answer.cost_usd == pytest.approx(totals.cost_usd)
    assert run("trace", "show", answer.trace).code == 0
