"""Providers that fail: every attempt is in the ledger, no key is told, nothing goes elsewhere."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.workbench.conftest import Ran, Run
from tests.workbench.hostile.case import BEYOND, STORE, Case
from tests.workbench.hostile.chat import CONFIG, FILES, batch
from workbench.testing.audit import audit
from workbench.testing.kill import PRELOADED, Victim
from workbench.testing.provider import Provider

HTML: Final = "200 with HTML"
NO_CHOICES: Final = "no choices"
CUT: Final = "body cut"
ECHO: Final = "401 that echoes the key"
STALL: Final = "stall"
LATER: Final = "429 with a long Retry-After"
REDIRECT: Final = "redirect to another host"
BOMB: Final = "compressed bomb"
FLOOR: Final = (HTML, NO_CHOICES, CUT, ECHO, STALL, LATER, REDIRECT, BOMB)

KEY: Final = "sk-a-key-of-nobody"
CHAT: Final = ("decomposition.answerers.chat_model", "langchain_openai")
LINE: Final = b'{"question": "0 7"}\n'
GO_ON: Final = "amplify --resume"
IN_THE_FOLDER: Final = (
    "questions.jsonl", "c.toml", "kill.db", "kill.db-wal", "kill.db-shm", "errors.txt",
    "acknowledged.jsonl", "answers.jsonl",
    "output.txt",
)  # fmt: skip
COUNTS: Final = ("provider/requests.jsonl", "provider/strayed.jsonl")


def stopped(floor: str, name: str, fault: str, *says: str) -> Case:
    """A fault that stops the run at once, resumable."""
    return Case(
        floor, name, 7, (*says, GO_ON), leaves=FILES, play=batch("tree", faults=(fault,))
    )  # fmt: skip


def persisting(fault: str) -> Callable[[Run], Ran]:
    """A fault that does not pass: tried again with shortened pauses, in a process of its own."""

    def played(run: Run) -> Ran:
        del run
        with Provider.here("tree", faults=[fault], folder=Path("provider")) as provider:
            config = CONFIG.format(url=provider.url, mode="tools", key_env="")
            config = config.replace("read_s = 2\ntotal_s = 4", "read_s = 0.2\ntotal_s = 0.4")
            victim = Victim(
                Path("victim"), LINE, ["--by", "chat:openai:tree", "--config", "c.toml"],
                counts=provider.counts, preloaded=(*PRELOADED, *CHAT), pauses=0.01,
            )  # fmt: skip
            Path("victim/c.toml").write_text(config)
            ended = victim.attempt()
            found = audit(provider.requests(), victim.kept().ledger)
            assert found.exact
            assert found.requests == 5
            assert not found.unsettled
        return Ran(ended.code, "", ended.err)

    return played


def echoed(run: Run) -> Ran:
    """The key stands neither in what is said nor in what is kept."""
    os.environ["HOSTILE_KEY"] = KEY
    try:
        ran = batch("tree", faults=("401",), key_env="HOSTILE_KEY")(run)
    finally:
        del os.environ["HOSTILE_KEY"]
    assert KEY not in ran.out + ran.err
    assert not any(KEY.encode() in Path(name).read_bytes() for name in STORE if Path(name).exists())
    return ran


def again(floor: str, name: str, fault: str, *says: str) -> Case:
    """A fault that is tried again until the tries end; the run stops, resumable."""
    return Case(
        floor, name, 7, (*says, GO_ON), play=persisting(fault),
        leaves=("victim", "provider", *(f"victim/{name}" for name in IN_THE_FOLDER), *COUNTS),
    )  # fmt: skip


def passing(floor: str, fault: str) -> Case:
    """A fault that passes leaves the answer, and a line of its own."""
    options = {"lines": LINE.decode(), "faults": (f"{fault}x1",)}
    return Case(
        floor, "once", 0, ('"answer":"7"', "2 requests"), leaves=FILES,
        play=batch("tree", **options),  # type: ignore[arg-type]
    )  # fmt: skip


CASES: Final = (
    again(HTML, "always", "html", "no JSON"),
    passing(HTML, "html"),
    again(NO_CHOICES, "always", "no-choices", "no message"),
    again(CUT, "always", "cut-body", "cut off"),
    again(CUT, "in JSON", "cut-json", "JSON"),
    again(CUT, "in a stream", "cut-stream", "JSON"),
    Case(
        ECHO, "key", 7, ("does not take the key (401)", "Incorrect API key provided: [key]", GO_ON),
        leaves=FILES, play=echoed,
    ),
    again(STALL, "before the reply", "stall", "second"),
    again(STALL, "in the reply", "stall-body", "second"),
    stopped(LATER, "an hour", "429-long", "3600"),
    stopped(REDIRECT, "localhost", "redirect", "redirects to", "nothing is sent elsewhere"),
    Case(
        BOMB, "256 MiB", 0, ('"status":"failed"', "cap"), leaves=FILES,
        play=batch("tree", faults=("bomb",)),
    ),
    again(BEYOND, "overloaded", "503", "overloaded"),
    again(BEYOND, "rate limit", "429=0", "429"),
    again(BEYOND, "reset", "reset", "disconnected"),
    stopped(BEYOND, "forbidden", "403", "may not use"),
    stopped(BEYOND, "no such model", "404", "does not exist", "check the name of the model"),
    Case(
        BEYOND, "refused request", 0, ('"status":"failed"', "400"), leaves=FILES,
        play=batch("tree", faults=("400",)),
    ),
)  # fmt: skip
