"""Every kind of fault that a provider can play, and what a run over it comes to.

Without kills the requests that the provider counted and the lines of the ledger are the same
calls, whatever went wrong.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from workbench.testing.audit import Audit, audit
from workbench.testing.kill import OUT, PRELOADED, Ended, Victim
from workbench.testing.provider import Provider

KEY: Final = "sk-a-key-of-nobody"
CHAT: Final = ("decomposition.answerers.chat_model", "langchain_openai")
READ_S: Final = 30.0
"""How long a reply is waited for; much less where none comes."""
STALLED_S: Final = 0.2
QUESTION: Final = b'{"question": "0 7", "expected": "7"}\n'
HASTE: Final = 0.01
TRIES: Final = 5
PATIENCE_S: Final = 60.0
"""After which a run that has not ended is killed, and has failed."""


class Mode(Struct, frozen=True):
    """A fault that never passes, and what a run of one question comes to under it."""

    fault: str
    code: int
    """Exit code."""
    status: str
    """Of the question."""
    says: str
    """Stands in what is printed, or in the answer."""
    requests: int
    standing: str
    """Of every line of the ledger."""


def _passing(fault: str, says: str) -> Mode:
    return Mode(fault, 7, "running", says, TRIES, "transient")


MODES: Final[tuple[Mode, ...]] = (
    _passing("429=0", "429"),
    _passing("429-bare", "429"),
    Mode("429-long", 7, "running", "3600", 1, "transient"),
    _passing("408", "408"),
    _passing("409", "409"),
    _passing("500", "500"),
    _passing("502", "502"),
    _passing("503", "overloaded"),
    _passing("html", "no JSON"),
    _passing("no-choices", "no message"),
    _passing("cut-body", "cut off"),
    _passing("cut-stream", "JSON"),
    _passing("cut-json", "JSON"),
    _passing("reset", "no connection"),
    _passing("stall", "second"),
    _passing("stall-body", "second"),
    Mode("401", 7, "running", "[key]", 1, "failed"),
    Mode("403", 7, "running", "may not use", 1, "failed"),
    Mode("404", 7, "running", "does not exist", 1, "failed"),
    Mode("redirect", 7, "running", "redirects", 1, "failed"),
    Mode("400", 0, "failed", "400", 1, "failed"),
    Mode("bomb", 0, "failed", "cap", 1, "failed"),
    Mode("refusal", 0, "failed", "refused", 1, "failed"),
    Mode("filter", 0, "failed", "content filter", 1, "failed"),
    Mode("length", 0, "failed", "truncated", 1, "failed"),
    Mode("null", 0, "failed", "empty", 3, "unreadable"),
    Mode("empty", 0, "failed", "empty", 3, "unreadable"),
    Mode("two-objects", 0, "failed", "bad_output", 3, "unreadable"),
    Mode("cut-arguments", 0, "failed", "truncated", 3, "unreadable"),
    Mode("huge", 0, "answered", "7", 1, "answered"),
    Mode("no-usage", 0, "answered", "7", 1, "answered"),
    Mode("slow=0.01", 0, "answered", "7", 1, "answered"),
)
"""All kinds of faults; each is played in every request."""


class Played(Struct, frozen=True):
    """What a run came to."""

    ended: Ended
    status: str
    answer: str
    said: str
    """All that was printed and written."""
    compared: Audit
    standings: list[str]
    strayed: int
    """Requests that arrived where a redirect led."""


def played(
    folder: Path,
    fault: str,
    *,
    lines: bytes = QUESTION,
    options: Sequence[str] = (),
    read_s: float | None = None,
) -> Played:
    """A run over a provider with which something is wrong.

    Args:
        read_s: How long a reply is waited for; None for what suits the fault.
    """
    if read_s is None:
        read_s = STALLED_S if fault.startswith("stall") else READ_S
    with Provider.here("tree", faults=[fault], folder=folder / "provider") as provider:
        victim = Victim(
            folder,
            lines,
            ["--by", "chat:openai:tree", "--config", "workbench.toml", *options],
            environment={"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": KEY},
            counts=provider.counts,
            preloaded=(*PRELOADED, *CHAT),
            pauses=HASTE,
        )
        (folder / "workbench.toml").write_text(f"[chat]\nread_s = {read_s}\n")
        ended = victim.attempt(delay_s=PATIENCE_S)
        kept = victim.kept()
        line = victim.lines()[0]
        out = folder / OUT
        said = ended.err + (out.read_text() if out.exists() else "")
        return Played(
            ended,
            line.status,
            line.answer,
            said,
            audit(provider.requests(), kept.ledger),
            [each[1] for each in kept.ledger.values()],
            len(provider.strayed()),
        )
