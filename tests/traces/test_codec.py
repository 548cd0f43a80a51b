"""The codec: every event comes back as it went in, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decomposition.events import (
    KINDS,
    Abstained,
    Asked,
    Audited,
    Combined,
    Deferred,
    Event,
    Failed,
    Joined,
    Noted,
    Opened,
    Refused,
    Replied,
    Sampled,
    Span,
    Unlocked,
    Woken,
)
from decomposition.message import Failure, Message, Pointer
from traces.codec import KIND_OF, decode, encode
from traces.errors import CorruptEvent, Unstorable

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
SHARE = st.floats(0, 1)
COUNT = st.integers(0, 1 << 40)
NAMES = st.lists(st.sampled_from(("$q", "$a1", "$a2.1")), max_size=3).map(tuple)
FAILURE = st.builds(Failure, TEXT, TEXT)
MESSAGE = st.recursive(
    st.builds(Message, st.lists(TEXT, min_size=1, max_size=2).map(tuple)),
    lambda inner: st.builds(
        Message,
        st.tuples(
            TEXT, st.builds(Pointer, message=inner, title=TEXT), st.builds(Pointer, answer=TEXT)
        ),
    ),
    max_leaves=4,
)
EVENT: st.SearchStrategy[Event] = st.one_of(
    st.builds(Opened, MESSAGE, st.lists(COUNT, max_size=3).map(tuple), TEXT),
    st.builds(Asked, st.lists(TEXT, max_size=3).map(tuple), st.lists(COUNT, max_size=3).map(tuple)),
    st.builds(Unlocked, NAMES),
    st.builds(Woken, NAMES),
    st.builds(Noted, TEXT),
    st.builds(
        Replied,
        TEXT,
        st.none() | SHARE,
        st.lists(st.builds(Span, TEXT, COUNT, COUNT), max_size=2).map(tuple),
    ),
    st.builds(Abstained, TEXT),
    st.builds(Refused, TEXT),
    st.builds(Failed, FAILURE, TEXT),
    st.builds(Joined, TEXT, TEXT, MESSAGE, st.none()),
    st.builds(Joined, TEXT, TEXT, st.none(), FAILURE),
    st.builds(Combined, st.none() | COUNT, TEXT, st.lists(COUNT).map(tuple), SHARE, st.booleans()),
    st.builds(Sampled, st.booleans()),
    st.builds(Deferred, TEXT, SHARE),
    st.builds(Audited, TEXT, st.booleans()),
)


@given(EVENT)
def test_an_event_comes_back_as_it_went_in(event: Event) -> None:
    """Encoding loses nothing."""
    assert decode(KIND_OF[type(event)], encode(event)) == event


def test_a_whole_number_as_a_share_comes_back() -> None:
    """An answerer may say 1 where a share is meant."""
    assert decode(KIND_OF[Replied], encode(Replied("x", 1))) == Replied("x", 1.0)


@pytest.mark.parametrize(
    "event",
    [
        Deferred("x", float("nan")),
        Replied("x", float("inf")),
        Combined(0, "majority", (0,), float("-inf")),
        Replied("\ud800"),
        Noted("a\udfffb"),
    ],
)
def test_what_would_be_stored_as_something_else_is_refused(event: Event) -> None:
    """Numbers that are not finite and halves of characters have no form in JSON."""
    with pytest.raises(Unstorable):
        encode(event)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (5, b""),
        (5, b"{}"),
        (5, b'{"message":1}'),
        (5, b'{"message":"a"'),
        (5, b'{"message":"a"} x'),
        (5, b'{"message":"a","extra":1}'),
        (5, b'{"message":"\xff"}'),
        (5, b"[" * 100_000),
        (5, b'{"message":"a","confidence":' + b"1" * 5_000 + b"}"),
        (1, b'{"questions":["a"],"fuel":[true]}'),
        (-1, b"{}"),
        (len(KINDS), b"{}"),
        (1 << 40, b"{}"),
    ],
)
def test_what_is_no_event_is_an_error_with_its_number(kind: int, payload: bytes) -> None:
    """Decoding is strict, and says which event it was."""
    with pytest.raises(CorruptEvent, match="event 812") as caught:
        decode(kind, payload, 812)
    assert caught.value.number == 812
