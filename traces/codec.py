"""The codec: an event as bytes, and back without loss.

A payload is JSON with the default values left out; which kind of event it is stands beside
it. Decoding is strict: what does not come back as it was written is an error.
"""

from math import isfinite
from typing import Final

from msgspec import MsgspecError, json

from decomposition.events import KINDS, Combined, Deferred, Event, Replied
from traces.errors import CorruptEvent, Unstorable

KIND_OF: Final = {kind: number for number, kind in enumerate(KINDS)}
"""The number of an event's type."""

to_json: Final = json.Encoder().encode
"""For the hot path, which does what `encode` does without the call."""
UNENCODABLE: Final = (
    UnicodeEncodeError,
    MsgspecError,
    OverflowError,
    RecursionError,
    TypeError,
)
SHARE_IN: Final[dict[type[Event], str]] = {
    Replied: "confidence",
    Deferred: "confidence",
    Combined: "agreement",
}
"""Where an event holds a number that need not be whole."""

_decoders = tuple(json.Decoder(kind) for kind in KINDS)


def encode(event: Event) -> bytes:
    """The payload of an event.

    Raises:
        Unstorable: It holds text that is not Unicode, or a number that is not finite.
    """
    try:
        payload = to_json(event)
    except UNENCODABLE as error:
        raise Unstorable(f"{type(event).__name__} cannot be stored: {error}") from error
    check_number(event)
    return payload


def check_number(event: Event) -> None:
    """See that a share or a confidence is finite: as JSON it would become null.

    Raises:
        Unstorable: It is not.
    """
    name = SHARE_IN.get(type(event))
    value = getattr(event, name) if name else None
    if value is not None and not isfinite(value):
        raise Unstorable(f"{type(event).__name__} cannot be stored: its {name} is {value}")


def decode(kind: int, payload: bytes, number: int = 0) -> Event:
    """The event that a payload stands for.

    Args:
        number: Of the event, for the error.

    Raises:
        CorruptEvent: The kind is unknown, or the payload is not what `encode` makes of it.
    """
    if not 0 <= kind < len(KINDS):
        raise CorruptEvent(number, f"no kind of event has the number {kind}")
    try:
        return _decoders[kind].decode(payload)
    except (MsgspecError, UnicodeError, OverflowError, RecursionError) as error:
        raise CorruptEvent(number, str(error)[:200]) from error
