"""Lines of `rounds.jsonl`: what is written is read again, and nothing else is."""

import json

import msgspec
import pytest

from traces.rounds_record import Measure, Round, Scored, Spent, decode_round, encode_round

HALF = Measure(0.5, 4, 4, 0.15, 0.85)
SCORED = Scored(HALF, 0.75, {"1": HALF})
SPENT = Spent(0, 960, 256, 5, 2000, 900, 800, 1.5)
ROUND = Round("amplified", 1, 10, 2, 3, 0.25, 0.9, 0.8, 1.2, SCORED, SCORED, 3.0, SPENT)
BEGINNING = Round("amplified", 0, 0, 1, None, None, None, None, None, SCORED, None, None, SPENT)


@pytest.mark.parametrize("told", [ROUND, BEGINNING])
def test_a_round_is_read_as_it_was_written(told: Round) -> None:
    """A line gives back the round that it was made from, and is one line."""
    line = encode_round(told)
    assert decode_round(line) == told
    assert b"\n" not in line


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"kept": 1.5}, {"round": -1}, {"extra": 1}, {"arm": None}, {"student": {}}],
)
def test_another_form_is_refused(change: dict[str, object]) -> None:
    """A later format, an impossible share and an unknown field are no rounds of this version."""
    line = json.loads(encode_round(ROUND)) | change
    with pytest.raises(msgspec.ValidationError):
        decode_round(json.dumps(line).encode())


def test_a_torn_line_is_refused() -> None:
    """Half a line is no round."""
    with pytest.raises(msgspec.DecodeError):
        decode_round(encode_round(ROUND)[:-9])
