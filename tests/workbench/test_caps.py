"""Caps on calls, tokens, money and time, of a run and of each question, over a paid model."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workbench.conftest import Ran, Run
from traces.store import Store
from workbench.testing.provider import Provider

CONFIG = """
[chat]
base_url = "{url}"
key_env = ""
max_output_tokens = 200

[prices."openai:*"]
usd_per_million_in = 1
usd_per_million_out = 4
"""
BY = ("--by", "chat:openai:sum", "--config", "c.toml")
SUMS = [f"{number} + 2 + 3 + 4" for number in range(1, 7)]


@pytest.fixture
def provider(run: Run) -> Iterator[Provider]:
    """A provider whose model adds; six sums and a configuration that names it stand here."""
    del run
    with Provider.here("sum") as found:
        Path("c.toml").write_text(CONFIG.format(url=found.url))
        Path("q.jsonl").write_text("".join(json.dumps({"question": each}) + "\n" for each in SUMS))
        yield found


def spent() -> tuple[int, int, float]:
    """Calls, tokens and money by the ledger."""
    with Store.open("workbench.db", readonly=True) as store:
        totals = store.ledger.totals()
    return totals.calls, totals.tokens, totals.cost_usd


def answers(ran: Ran) -> list[str | None]:
    """What the lines came to."""
    return [json.loads(line)["answer"] for line in ran.out.splitlines()]


@pytest.mark.parametrize(
    ("flag", "low", "high", "place"),
    [
        ("--max-calls", 5, 1000, 0),
        ("--max-tokens", 9_000, 10_000_000, 1),
        ("--max-usd", 0.01, 5, 2),
    ],
)
def test_a_cap_is_never_passed_and_a_higher_one_goes_on(
    flag: str, low: float, high: float, place: int, provider: Provider, run: Run
) -> None:
    """4 at the cap, with what is there and the command that goes on; then all is answered."""
    ran = run("amplify", "q.jsonl", "--run", "r", *BY, flag, str(low))
    assert ran.code == 4, ran.err
    assert f"workbench amplify --resume r {flag} N" in ran.err
    assert 0 < spent()[place] <= low
    assert len(provider.requests()) == spent()[0]
    assert None in answers(ran)
    ran = run("amplify", "--resume", "r", flag, str(high))
    assert ran.code == 0, ran.err
    assert answers(ran) == [str(number + 9) for number in range(1, 7)]
    assert len(provider.requests()) == spent()[0]
    assert f"{spent()[0]} requests" in ran.err


def test_a_cap_on_time_stops_a_run(provider: Provider, run: Run) -> None:
    """No call leaves once the time is over; without it the run goes on."""
    assert provider.url
    ran = run("amplify", "q.jsonl", "--run", "r", *BY, "--max-seconds", "0")
    assert ran.code == 4, ran.err
    assert "the cap of 0 s" in ran.err
    assert not provider.requests()
    assert run("amplify", "--resume", "r", "--max-seconds", "1000").code == 0


def test_each_question_has_caps_of_its_own(provider: Provider, run: Run) -> None:
    """A question at its cap is left; the others are not held back."""
    Path("q.jsonl").write_text('{"question": "1"}\n{"question": "1 + 2 + 3 + 4"}\n')
    ran = run("amplify", "q.jsonl", "--run", "r", *BY, "--per-question", "calls=2")
    assert ran.code == 4, ran.err
    assert answers(ran) == ["1", None]
    assert "2 calls a question" in ran.err
    assert "--per-question calls=N" in ran.err
    ran = run("amplify", "--resume", "r", "--per-question", "calls=50")
    assert ran.code == 0, ran.err
    assert answers(ran) == ["1", "10"]
    assert provider.url


def test_a_question_asked_alone_says_what_it_spent(provider: Provider, run: Run) -> None:
    """With its cap, its resume, and the same numbers as JSON."""
    ran = run("ask", SUMS[0], *BY, "--max-usd", "0.004")
    assert ran.code == 4, ran.err
    assert "ask --resume t-" in ran.err
    assert "--max-usd N" in ran.err
    ran = run("ask", "--resume", "t-", "--max-usd", "1")
    assert ran.code == 0, ran.err
    assert ran.out == "10\n"
    calls, tokens, usd = spent()
    assert f"paid: {calls} calls, {tokens:,} tokens, ${usd:.4f}" in ran.err
    told = json.loads(run("ask", "--resume", "t-", "--json").out)
    assert (told["requests"], told["tokens"]) == (calls, tokens)
    assert told["cost_usd"] == pytest.approx(usd)
    assert len(provider.requests()) == calls


def test_caps_stand_in_a_configuration_too(provider: Provider, run: Run) -> None:
    """Flags go before them."""
    Path("c.toml").write_text(CONFIG.format(url=provider.url) + "\n[caps.run]\ncalls = 1\n")
    ran = run("amplify", "q.jsonl", "--run", "r", *BY)
    assert ran.code == 4, ran.err
    assert spent()[0] == 1
    assert run("amplify", "q.jsonl", "--run", "s", *BY, "--max-calls", "500").code == 0


def test_a_provider_that_is_gone_stops_a_run_resumable(provider: Provider, run: Run) -> None:
    """7 with the command that goes on, and what was answered stays."""
    assert provider.url
    Path("c.toml").write_text(CONFIG.format(url="http://127.0.0.1:9/v1"))
    ran = run("amplify", "q.jsonl", "--run", "r", *BY, "--max-seconds", "0")
    assert ran.code == 4
    with Provider.here("sum", faults=["404"]) as gone:
        Path("d.toml").write_text(CONFIG.format(url=gone.url))
        ran = run("amplify", "q.jsonl", "--run", "g", *BY[:2], "--config", "d.toml")
    assert ran.code == 7, ran.err
    assert "go on with: workbench amplify --resume g" in ran.err
    assert {json.loads(line)["status"] for line in ran.out.splitlines()} == {"stopped"}


def test_a_run_goes_on_without_the_files_that_began_it(provider: Provider, run: Run) -> None:
    """Configuration, prices and rates stand in the record, keys never; other words are refused."""
    assert provider.url
    Path("mine.md").write_text("Act by calling the tools.")
    options = ("--instructions", "mine.md", "--rate", "openai=60000")
    ran = run("amplify", "q.jsonl", "--run", "r", *BY, *options, "--max-usd", "0.02")
    assert ran.code == 4, ran.err
    Path("c.toml").unlink()
    Path("mine.md").write_text("Never act.")
    ran = run("amplify", "--resume", "r", "--max-usd", "5")
    assert ran.code == 3, ran.err
    assert "who answers has changed since this was accepted" in ran.err
    Path("mine.md").write_text("Act by calling the tools.")
    ran = run("amplify", "--resume", "r", "--max-usd", "5")
    assert ran.code == 0, ran.err
    assert answers(ran) == [str(number + 9) for number in range(1, 7)]
    assert spent()[2] > 0.02
