"""The codec: every event comes back as it went in, and nothing else does."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import msgspec
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
    Withdrawn,
    Woken,
)
from decomposition.message import Failure, Message, Pointer
from traces.codec import KIND_OF, decode, encode
from traces.errors import CorruptEvent, Unstorable
from traces.husk import husk, texts

ROOT = Path(__file__).parents[2]

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
    st.builds(Withdrawn, COUNT),
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


NEW_KIND = """
import sys
from pathlib import Path

from decomposition import events
from decomposition.events import Event, Noted


class Taken(Event, frozen=True, omit_defaults=True, gc=False):
    event: int


place = sys.argv[1]
known = len(events.KINDS)
if sys.argv[2] == "newer":
    events.KINDS = (*events.KINDS, Taken)

from tests.traces.kit import append, deliberation, recorded
from traces.errors import CorruptEvent
from traces.redact import redact
from traces.retract import retract
from traces.store import Store
from traces.verify import verify

with Store.open(place) as store:
    if sys.argv[2] == "newer":
        session = recorded(store, 5)
        append(store, session, [("0", Taken(3)), ("0", Noted("a secret to take"))])
        assert store.entries(session.number)[5] == ("0", Taken(3))
        assert [r.kind for r in store.records(session.number, 5, 6)] == [known]
        redact(store, session.trace, 6, reason="asked for")
        redact(store, session.trace, 3, reason="asked for", everywhere=False)
        retract(store, session.trace, 2)
        assert verify(store).ok
        assert store.entries(session.number)[5] == ("0", Taken(3))
    else:
        (session,) = store.register.sessions()
        try:
            store.entries(session.number)
        except CorruptEvent as error:
            assert error.number == 5, error
            assert str(known) in str(error)
        else:
            raise AssertionError
        (finding,) = verify(store).findings
        assert finding.number == 5
"""
"""A program that knows one kind more, and one that reads what it left."""


def test_a_new_kind_at_the_end_changes_nothing_before_it(tmp_path: Path) -> None:
    """It is stored, read, verified, redacted; an older program names what it cannot read."""
    for age in ("newer", "older"):
        command = [sys.executable, "-c", NEW_KIND, str(tmp_path / "workbench.db"), age]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr


NO_CONTENT = {"rule", "pointers", "origin", "digest"}
"""Fields whose texts are names and hashes."""
CONTENT = "a text that must go"
SAMPLES: dict[object, object] = {
    str: CONTENT,
    tuple[str, ...]: (CONTENT,),
    Message: Message((CONTENT, Pointer(Message.of(CONTENT), title=CONTENT))),
    Message | None: Message.of(CONTENT),
    Failure: Failure("answerer", CONTENT),
    Failure | None: Failure("answerer", CONTENT),
    tuple[Span, ...]: (Span("$q", 1, 2),),
    tuple[int, ...]: (1,),
    int: 1,
    int | None: 1,
    float: 0.5,
    float | None: 0.5,
    bool: True,
}
"""A value for every type of field; a choice of words has its first one."""


def sample(field: msgspec.structs.FieldInfo) -> object:
    """A value of a field that holds the secret wherever content may stand."""
    if get_args(field.type) and get_args(field.type)[0] in ("", "nothing", "all", "bad_output"):
        return get_args(field.type)[0]
    if field.name in NO_CONTENT:
        return ("$q",) if field.type == tuple[str, ...] else "00" * 32
    return SAMPLES[field.type]


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_of_any_kind_survives_in_its_husk(kind: type[Event]) -> None:
    """Whoever gives a kind a new text must say in `husk` what is left of it."""
    event = kind(**{field.name: sample(field) for field in msgspec.structs.fields(kind)})
    assert CONTENT.encode() not in encode(husk(event))
    assert (CONTENT.encode() in encode(event)) == any(CONTENT in text for text in texts(event))
