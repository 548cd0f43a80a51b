"""The dry run: what a batch would take, told without sending, spending or storing anything."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.workbench.conftest import Run
from workbench.dry_run import Forecast, Sum, described

CONFIG = """
[chat]
base_url = "http://127.0.0.1:9/v1"
max_output_tokens = 100

[prices."openai:m"]
usd_per_million_in = 1
usd_per_million_out = 10
"""
CHAT = ("--by", "chat:openai:m", "--config", "c.toml")
LINES = '{"question": "What is the sky?"}\n{"question": "And why?"}\n'


@pytest.fixture(autouse=True)
def _no_socket(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Whoever opens a connection fails; no key is there."""

    def refused(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def forecast(run: Run, *arguments: str) -> dict[str, Any]:
    """A dry run as JSON."""
    ran = run("amplify", "q.jsonl", "--dry-run", "--json", *arguments)
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_a_chat_model_is_priced_before_it_is_asked(run: Run) -> None:
    """By the first request of each question as it would be sent; nothing is there afterwards."""
    Path("q.jsonl").write_text(LINES)
    Path("c.toml").write_text(CONFIG)
    found = forecast(run, *CHAT, "--max-usd", "0.5", "--per-question", "calls=7")
    first, most = found["first"], found["most"]
    assert first["calls"] == 2
    # A hundred tokens out for each at the most, and in what instructions, tools and view take.
    assert first["usd"] == pytest.approx(first["tokens"] / 1e6 + 2 * 100 * 9 / 1e6)
    assert most == {"calls": 14, "tokens": None, "usd": 0.5}
    assert found["likely"] is None
    assert not Path("workbench.db").exists()
    longer = LINES.replace("sky", "sky" * 100)
    Path("q.jsonl").write_text(longer)
    second = forecast(run, *CHAT)["first"]
    assert second["tokens"] > first["tokens"]


def test_earlier_questions_of_the_same_answerers_say_what_is_likely(run: Run) -> None:
    """The median of those that were finished, without others; the store is as it was."""
    Path("q.jsonl").write_text('{"question": "487 + 1956"}\n{"question": "12 + 34"}\n')
    assert run("amplify", "q.jsonl").code == 0
    assert run("ask", "1111 + 2222").code == 0
    assert run("ask", "1111 + 2222", "--by", "faulty:0:expert").code == 0
    before = Path("workbench.db").read_bytes()
    found = forecast(run)
    assert found["earlier"] == 3
    assert found["where"] == "workbench.db"
    results = json.loads(run("ask", "487 + 1956", "--store", "other.db", "--json").out)
    assert found["likely"] == {"calls": 2 * results["calls"], "tokens": 0, "usd": 0.0}
    assert Path("workbench.db").read_bytes() == before


def test_a_forecast_says_what_it_rests_on() -> None:
    """And where nobody knows, it says that."""
    nothing = Forecast(2, ("chat:m",), Sum(2, 400, None), None, 0, "", Sum(2000))
    said = described(nothing)
    assert "first calls              2               400       not known" in said
    assert "likely: not known" in said
    assert said.endswith("nothing was sent, spent or stored")
    told = Forecast(2, ("m",), Sum(2, 400, 0.1), Sum(6, 900, 0.2), 9, "w.db", Sum(20, 5000, 1.0))
    assert "at the median of the 9 questions in w.db" in described(told)


def test_a_run_that_goes_on_has_no_dry_run(run: Run) -> None:
    """Its options are those of the record."""
    ran = run("amplify", "--resume", "r", "--dry-run")
    assert ran.code == 2
    assert "for a file of questions" in ran.err
