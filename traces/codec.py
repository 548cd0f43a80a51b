"""The codec: an event as bytes, and back without loss.

A payload is JSON with the default values left out; which kind of event it is stands beside
it. Decoding is strict: what does not come back as it was written is an error.
"""

from typing import Final

from msgspec import DecodeError, MsgspecError, json

from decomposition.events import KINDS, Event
from traces.errors import CorruptEvent, Unstorable

KIND_OF: Final = {kind: number for number, kind in enumerate(KINDS)}
"""The number of an event's type."""

_encoder = json.Encoder()
_decoders = tuple(json.Decoder(kind) for kind in KINDS)
_values = json.Decoder()


def encode(event: Event) -> bytes:
    """The payload of an event.

    Raises:
        Unstorable: It holds text that is not Unicode, or a number that is not finite.
    """
    try:
        payload = _encoder.encode(event)
    except (UnicodeEncodeError, MsgspecError, OverflowError, RecursionError) as error:
        raise Unstorable(f"{type(event).__name__} cannot be stored: {error}") from error
    # Numbers that are not finite become null, and so does nothing else by mistake.
    if b"null" in payload:
        _check_nulls(event, payload)
    return payload


def _check_nulls(event: Event, payload: bytes) -> None:
    try:
        same = _decoders[KIND_OF[type(event)]].decode(payload) == event
    except DecodeError:
        same = False
    if not same:
        raise Unstorable(f"{type(event).__name__} cannot be stored: a number is not finite")


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
        event = _decoders[kind].decode(payload)
        if _encoder.encode(event) == payload or _values.decode(payload) == _values.decode(
            _encoder.encode(event)
        ):
            return event
    except (MsgspecError, UnicodeError, OverflowError, RecursionError) as error:
        raise CorruptEvent(number, str(error)[:200]) from error
    raise CorruptEvent(number, f"fields that {KINDS[kind].__name__} does not have")
