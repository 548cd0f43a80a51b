"""The chain: every part of every event is in it, and it goes on from wherever it stands."""

from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from decomposition.ports import Authorship
from tests.traces.kit import EXPERT, MODEL
from traces.digest import (
    Chain,
    commitment,
    genesis,
    mark,
    meta,
    new_seed,
    pointer_seal,
    salt,
    seal,
)

SEED = bytes(range(32))
EVENTS = st.lists(
    st.tuples(st.text("0123456789.:", max_size=12), st.integers(0, 20), st.binary(max_size=40)),
    max_size=12,
)
FIELD = st.one_of(
    st.none(), st.text(max_size=5), st.integers(), st.floats(allow_nan=False), st.binary(max_size=5)
)


def chained(
    events: list[tuple[str, int, bytes]], cuts: tuple[int, ...] = ()
) -> tuple[Chain, list[int]]:
    """The chain over events, in commits that end at the cuts; and the marks."""
    chain = Chain(genesis("t-000000000001"), 0, SEED)
    marks: list[int] = []
    who = meta(EXPERT)
    for first, last in zip((0, *cuts), (*cuts, len(events)), strict=True):
        marks += [chain.go_on(*event, who) for event in events[first:last]]
    return chain, marks


@given(EVENTS, st.data())
def test_the_chain_does_not_depend_on_how_commits_were_grouped(
    events: list[tuple[str, int, bytes]], data: st.DataObject
) -> None:
    """One commit or many: the same head, the same marks."""
    cut = data.draw(st.integers(0, len(events)))
    whole, marks = chained(events)
    parts, same = chained(events, (cut,))
    assert (parts.head, parts.count, same) == (whole.head, whole.count, marks)


@given(EVENTS)
def test_a_chain_can_be_followed_from_salts_and_payloads(
    events: list[tuple[str, int, bytes]],
) -> None:
    """What `verify` does event by event is what a commit did at once."""
    whole, marks = chained(events)
    chain = Chain(genesis("t-000000000001"), 0, SEED)
    for number, (path, kind, payload) in enumerate(events):
        committed = commitment(salt(SEED, number), payload)
        assert chain.link(path, kind, committed, meta(EXPERT)) == marks[number]
    assert (chain.head, chain.count) == (whole.head, whole.count)


@given(EVENTS, st.data())
def test_a_change_anywhere_changes_the_head(
    events: list[tuple[str, int, bytes]], data: st.DataObject
) -> None:
    """Changing, removing, repeating or swapping events gives another chain."""
    changed = list(events)
    at = data.draw(st.integers(0, len(events)))
    match data.draw(st.sampled_from(("change", "remove", "insert", "swap"))):
        case "change" if at < len(changed):
            path, kind, payload = changed[at]
            changed[at] = (path, kind, payload + b"x")
        case "remove" if at < len(changed):
            del changed[at]
        case "swap" if at < len(changed):
            changed[0], changed[at] = changed[at], changed[0]
        case _:
            changed.insert(at, ("0", 0, b"{}"))
    assert (chained(changed)[0].head == chained(events)[0].head) == (changed == events)


def test_texts_cannot_move_between_the_parts_of_an_event() -> None:
    """Path and payload are framed: moving a character from one to the other shows."""
    one, _ = chained([("0.1", 1, b"23")])
    other, _ = chained([("0.12", 1, b"3")])
    assert one.head != other.head


@dataclass
class Change:
    """One field of an authorship and another value for it."""

    name: str
    value: object


@pytest.mark.parametrize(
    "change",
    [
        Change("answerer", "expert:sum@2"),
        Change("author", "student"),
        Change("wall_us", 1),
        Change("monotonic_us", 1),
        Change("duration_us", 1),
        Change("tokens_in", 0),
        Change("tokens_in", None),
        Change("tokens_out", None),
        Change("cost_usd", 0.0025000001),
        Change("cost_usd", None),
        Change("origin", "t-000000000001#4"),
    ],
    ids=lambda change: f"{change.name}={change.value}",
)
def test_all_of_an_authorship_is_in_the_chain(change: Change) -> None:
    """Who gave a turn, when, and at what cost cannot be changed unseen."""
    changed = replace(MODEL, **{change.name: change.value})
    assert meta(changed) != meta(MODEL)


def test_tokens_in_and_out_are_told_apart() -> None:
    """A count that is missing on one side is not the count of the other."""
    plain = Authorship("a", "model", 1, 2)
    assert meta(replace(plain, tokens_in=5)) != meta(replace(plain, tokens_out=5))


@pytest.mark.parametrize("wrong", [1 << 63, cast("int", 1.5)])
def test_a_time_that_is_no_number_is_refused(wrong: int) -> None:
    """What has no canonical bytes has no meta."""
    with pytest.raises(ValueError, match=r"."):
        meta(replace(EXPERT, wall_us=wrong))


def test_salts_differ_and_depend_on_the_seed() -> None:
    """A payload cannot be guessed back from its commitment without the seed."""
    seeds = [new_seed() for _ in range(4)]
    salts = {salt(seed, number) for seed in seeds for number in range(100)}
    assert len(salts) == 400
    assert all(len(each) == 16 for each in salts)


def test_a_mark_is_the_beginning_of_a_link() -> None:
    """Four bytes, as a signed number that fits any database."""
    head = bytes.fromhex("ff000001") + bytes(28)
    assert mark(head) == int.from_bytes(head[:4], "big", signed=True)


@given(st.lists(FIELD, min_size=1, max_size=6), st.data())
def test_a_seal_tells_rows_apart(
    row: list[str | float | bytes | None], data: st.DataObject
) -> None:
    """Another value or another type of a value gives another seal."""
    at = data.draw(st.integers(0, len(row) - 1))
    changed = [*row]
    changed[at] = data.draw(FIELD)
    if (type(changed[at]), changed[at]) != (type(row[at]), row[at]):
        assert seal(*changed) != seal(*row)


def test_a_pointer_is_sealed_with_all_it_leads_to() -> None:
    """Key, session, number and digest of an index row cannot be changed unseen."""
    seals = {
        pointer_seal(b"k" * 20, 1, 2),
        pointer_seal(b"l" * 20, 1, 2),
        pointer_seal(b"k" * 20, 2, 2),
        pointer_seal(b"k" * 20, 1, 3),
        pointer_seal(b"k" * 20, 1, 2, b"d" * 32),
    }
    assert len(seals) == 5
