"""Chat models of the tables: a provider on loopback, a configuration that names it, one batch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.workbench.conftest import Ran, Run
from traces.store import Store
from workbench.testing.completion import Model
from workbench.testing.provider import Provider

CONFIG: Final = """
[chat]
base_url = "{url}"
key_env = "{key_env}"
mode = "{mode}"
read_s = 2
total_s = 4
"""
BY: Final = ("--by", "chat:openai:m", "--config", "c.toml")
QUESTION: Final = '{"id": "a", "question": "What is it?"}\n'
FILES: Final = ("q.jsonl", "c.toml")


def batch(
    model: str | Model,
    *options: str,
    mode: str = "tools",
    faults: Sequence[str] = (),
    lines: str = QUESTION,
    key_env: str = "",
) -> Callable[[Run], Ran]:
    """Plays a batch over a provider; every request of it is a line of the ledger."""

    def played(run: Run) -> Ran:
        Path("q.jsonl").write_text(lines)
        with Provider.here(model, faults=faults) as provider:
            text = CONFIG.format(url=provider.url, mode=mode, key_env=key_env)
            Path("c.toml").write_text(text)
            ran = run("amplify", "q.jsonl", *BY, *options)
            assert sorted(each.call for each in provider.requests()) == lines_of_the_ledger()
            assert not provider.strayed()
        return ran

    return played


def lines_of_the_ledger() -> list[str]:
    """The ids of all calls that were paid, or may have been."""
    with Store.open("workbench.db", readonly=True) as store:
        return sorted(line.call for line in store.ledger.lines())
