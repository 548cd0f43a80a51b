"""Chat faults: what a provider's refusal means, and texts of it with the key taken out.

Pure: a status, headers and a body in, an error or a failure out.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final, cast

from decomposition.answerers.chat_reply import NotStrict, strict
from decomposition.errors import RunStopped, TransientFault
from decomposition.message import Failure

PASSING: Final = frozenset({408, 409, 425, 429})
"""Statuses beside 5xx that may pass."""
DECIDED: Final = frozenset({400, 413, 414, 422})
"""Statuses that this request gets whenever it is sent."""
REASON: Final = 300
"""Characters of a provider's own words that are told."""

_SECRET = re.compile(
    r"\b(?:sk|gsk|xai|hf|lsv2)[-_][A-Za-z0-9_\-*.]{6,}|(?i:\bbearer\s+)[^\s\"',;]+"
)
_NO_TOOLS = re.compile(
    r"(?i)(?=.*\btool)(?=.*(?:not support|unsupported|not allowed|requires --|enable|unrecognized))"
)


def redacted(text: str, key: str) -> str:
    """A text without the key and without what looks like one."""
    if key:
        text = text.replace(key, "[key]")
    return _SECRET.sub("[key]", text)


def decided(
    status: int, headers: Mapping[str, str], body: bytes, who: str, key: str, now_s: float
) -> Failure:
    """The failure that a refused request is, if it is refused whenever it is sent.

    Args:
        headers: Their names in lower case.
        who: Names the provider in the message.
        key: That no message may hold.
        now_s: Seconds since 1970, for a `Retry-After` that is a date.

    Raises:
        TransientFault: It may pass.
        RunStopped: No request can succeed now.
    """
    why = told(body, key)
    if status in PASSING or status >= 500:
        wait_s = retry_after_s(headers, now_s)
        raise TransientFault(_joined(f"{who} says {status}", why), wait_s)
    if 300 <= status < 400:
        target = redacted(headers.get("location", "")[:100], key)
        raise RunStopped(
            f"{who} redirects to {target!r}, which is not followed: nothing is sent elsewhere\n"
            "put the address that is meant into base_url"
        )
    if status in (401, 403):
        raise RunStopped(
            _joined(f"{who} does not take the key ({status})", why)
            + "\ncheck the key in the environment; the run can be resumed"
        )
    if status in DECIDED and not _NO_TOOLS.match(why):
        return Failure("provider", _joined(f"refused with {status}", why))
    raise RunStopped(_joined(f"{who} refuses every request ({status})", why) + _hint(status))


def _hint(status: int) -> str:
    if status in DECIDED:
        return '\nfor models without tools put mode = "json" into [chat] of the configuration'
    if status == 404:
        return "\ncheck the name of the model and base_url; the run can be resumed"
    return "\nthe run can be resumed"


def told(body: bytes, key: str) -> str:
    """What the body of a refusal says, in one short line without secrets."""
    text = body[: 1 << 16].decode(errors="replace")
    try:
        said = _message(strict(text, ""))
    except NotStrict:
        said = ""
    line = " ".join(redacted(said or text, key).split())
    return line if len(line) <= REASON else line[:REASON] + "…"


def _message(value: object) -> str:
    """The message in the forms that providers have: `error.message`, `error`, `message`."""
    for name in ("error", "message"):
        if isinstance(value, dict):
            fields = cast("dict[str, object]", value)
            value = fields.get(name, fields)
    return value if isinstance(value, str) else ""


def _joined(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """The seconds that a provider asks to wait; None where it says nothing that can be read."""
    exact = _seconds(headers.get("retry-after-ms", ""))
    if exact is not None:
        return exact / 1_000
    text = headers.get("retry-after", "").strip()
    plain = _seconds(text)
    if plain is not None or not text:
        return plain
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return max(0.0, until - now_s)


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and value >= 0 else None
