"""Configurations that do not hold together, or that would send something where it must not go."""

import os
from pathlib import Path
from typing import Final

from tests.workbench.conftest import Ran, Run
from tests.workbench.hostile.case import BEYOND, STORE, Case, absent, all_of, put
from tests.workbench.hostile.chat import BY, QUESTION
from workbench.testing.provider import Provider

UNKNOWN: Final = "unknown key `modle`"
TWICE: Final = "duplicate key"
KEYS: Final = "a key or token in the file"
ADDRESS: Final = "base URL `file://` or a link-local address"
MONEY: Final = "money limit without a price for the model"
WRITABLE: Final = "expert plugin file that is world-writable"
FLOOR: Final = (UNKNOWN, TWICE, KEYS, ADDRESS, MONEY, WRITABLE)

PLUGIN: Final = "open('ran', 'w').close()\ndef f(question):\n    return '1'\n"
KEY: Final = "sk-abcdefghijklmnopqrstuvwxyz"
FILE: Final = ("--config", "c.toml")


def refused(
    floor: str,
    name: str,
    config: str | bytes,
    *says: str,
    code: int = 3,
    options: tuple[str, ...] = (),
) -> Case:
    """A configuration with which nothing begins."""
    return Case(
        floor, name, code, says, ("ask", "1 + 2", *FILE, *options), before=put("c.toml", config),
        after=absent(*STORE),
    )  # fmt: skip


def a_key_in_the_file(run: Run) -> Ran:
    """It draws a warning, is not sent, and stands in nothing that is written."""
    Path("q.jsonl").write_text(QUESTION)
    with Provider.here("echo") as provider:
        text = f'[chat]\nbase_url = "{provider.url}"\nkey_env = ""\napi_key = "{KEY}"\n'
        Path("c.toml").write_text(text)
        ran = run("amplify", "q.jsonl", *BY)
    for name in STORE:
        assert not Path(name).exists() or KEY.encode() not in Path(name).read_bytes()
    assert KEY not in ran.out + ran.err
    return ran


def a_link(run: Run) -> Ran:
    """A configuration behind a pipe is not waited for."""
    os.mkfifo("c.toml", 0o600)
    return run("ask", "1 + 2", *FILE)


CASES: Final = (
    refused(UNKNOWN, "table", '[chat]\nmodle = "x"\n', "c.toml:2", "did you mean 'model'"),
    refused(UNKNOWN, "top", "tracng = true\n", "c.toml:1", "did you mean 'tracing'"),
    refused(TWICE, "key", '[chat]\nmodel = "x"\nmodel = "y"\n', "c.toml", "line 3"),
    refused(TWICE, "table", "[chat]\n[chat]\n", "c.toml", "chat"),
    Case(
        KEYS, "in a table", 0, ("warning: ", "chat.api_key holds what looks like a key"),
        play=a_key_in_the_file, leaves=("q.jsonl", "c.toml"),
    ),
    refused(ADDRESS, "file", '[chat]\nbase_url = "file:///etc/passwd"\n', "sent", code=8),
    refused(
        ADDRESS, "link-local", '[chat]\nbase_url = "http://169.254.169.254/v1"\n', "c.toml:2",
        "nothing was sent", code=8,
    ),
    refused(
        ADDRESS, "link-local, IPv6", '[chat]\nbase_url = "http://[fe80::1]/v1"\n', "c.toml:2",
        code=8,
    ),
    Case(
        MONEY, "run", 3, ("a cap on money needs the price of openai:m", "usd_per_million_in"),
        ("ask", "What is it?", *BY, "--max-usd", "1"),
        before=put("c.toml", '[chat]\nbase_url = "http://127.0.0.1:9/v1"\nkey_env = ""\n'),
        after=absent(*STORE),
    ),
    Case(
        MONEY, "question", 3, ("a cap on money needs the price of openai:m",),
        ("ask", "What is it?", *BY, "--per-question", "usd=0.1"),
        before=put("c.toml", '[chat]\nbase_url = "http://127.0.0.1:9/v1"\nkey_env = ""\n'),
        after=absent(*STORE),
    ),
    Case(
        WRITABLE, "file", 8, ("plugin.py",), ("ask", "x", "--by", "plugin.py:f"),
        before=put("plugin.py", PLUGIN, 0o666), after=absent("ran", *STORE),
    ),
    refused(BEYOND, "no TOML", "= 1", "c.toml"),
    refused(BEYOND, "not UTF-8", b'x = "\xff"', "not UTF-8 at byte 5"),
    refused(BEYOND, "nested", "x = " + "[" * 50_000, "c.toml"),
    refused(BEYOND, "number", "[chat]\ntemperature = nan\n", "temperature must be a number"),
    refused(BEYOND, "range", "[chat]\nmax_output_tokens = 0\n", "max_output_tokens"),
    refused(BEYOND, "type", '[chat]\nmax_output_tokens = "many"\n', "c.toml:2"),
    refused(BEYOND, "provider", "[provider.mine]\nbase_url = 'http://x/v1'\n", "needs kind"),
    Case(BEYOND, "pipe", 3, ("pipe",), play=a_link, leaves=("c.toml",)),
    Case(
        BEYOND, "no prices", 3, ("cannot read",), ("ask", "1 + 2", "--prices", "none.toml"),
        after=absent(*STORE),
    ),
    Case(
        BEYOND, "no provider", 2, ("no provider is called 'opnai'", "did you mean 'openai'"),
        ("ask", "What is it?", "--by", "chat:opnai:m"), after=absent(*STORE),
    ),
    Case(
        BEYOND, "rate", 2, ("--rate is PROVIDER=CALLS_A_MINUTE",),
        ("ask", "1 + 2", "--rate", "openai=fast"), after=absent(*STORE),
    ),
    Case(
        BEYOND, "no key", 7, ("OPENAI_API_KEY",),
        ("ask", "What is it?", "--by", "chat:openai:m"),
        before=all_of(lambda: os.environ.pop("OPENAI_API_KEY", None)), after=absent(*STORE),
    ),
)  # fmt: skip
