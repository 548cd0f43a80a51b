"""Memo: recorded turns used again for equal views.

A memo saves the call of an answerer, the workspace exists; a join saves the workspace. Turns
that depend on their place (they were refused, or saw a failure that belongs to a place) are
not kept.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Literal

from decomposition.actions import Abstain, Action, Ask, Note, Reply, Turn, Unlock
from decomposition.events import Abstained, Asked, Deferred, Entry, Noted, Replied, Unlocked
from decomposition.message import PLACE_BOUND, Bound, Failure
from decomposition.ports import MemoTurn
from decomposition.view import View

Choice = Literal["first", "majority", "sample", "ask"]
"""Which of several observed turns is used; `ask` always asks again."""

_SCALE: Final = 1 << 64


def actions(entries: Sequence[Entry]) -> Turn | None:
    """The turn that these events came from; None where it cannot be read off them.

    What an answerer gave, not what the session's votes made of it: whoever acts it out has
    votes of its own.
    """
    turn: list[Action] = []
    for _, event in entries:
        match event:
            case Asked(questions, _, _, _, _, eager, 0, given, True):
                turn.append(Ask(questions, eager=eager, fuel=given))
            case Asked(questions, _, samples, rule, share, eager, 0, given, False):
                turn.append(Ask(questions, samples, rule, share, eager, given))
            case Unlocked(pointers, wait):
                turn.append(Unlock(pointers, "any" if wait == "any" else "all"))
            case Noted(text):
                turn.append(Note(text))
            case Replied(message, confidence, (), 0):
                turn.append(Reply(message, confidence))
            case Deferred(draft, confidence):
                turn.append(Reply(draft, confidence) if draft else Abstain())
            case Abstained(reason):
                turn.append(Abstain(reason))
            case _:
                return None
    return tuple(turn) or None


def same(one: Sequence[Entry], other: Sequence[Entry]) -> bool:
    """Whether two turns say the same; by their events where no actions can be read off them."""
    acted, other_acted = actions(one), actions(other)
    if acted is None or other_acted is None:
        return [event for _, event in one] == [event for _, event in other]
    return acted == other_acted


def keeps(view: View, bound: Bound) -> bool:
    """Whether a turn for this view may be used elsewhere.

    Args:
        bound: What of its place the workspace was last refused for.
    """
    if bound:
        return False
    for content in view.shown.values():
        if isinstance(content, Failure) and content.kind in PLACE_BOUND:
            return False
    return True


def choose(turns: Sequence[MemoTurn], choice: Choice, seed: int, key: bytes) -> MemoTurn | None:
    """The observed turn to use; None to ask again."""
    if not turns or choice == "ask":
        return None
    if choice == "sample":
        return turns[int(draw(seed, key, "memo") * len(turns))]
    if choice == "majority":
        counts = Counter(actions(turn.entries) for turn in turns)
        best = max(counts.values())
        return next(turn for turn in turns if counts[actions(turn.entries)] == best)
    return turns[0]


def audited(rate: float, seed: int, key: bytes) -> bool:
    """Whether an automated turn with this view key is asked again."""
    return rate > 0 and draw(seed, key, "audit") < rate


def draw(seed: int, key: bytes, purpose: str) -> float:
    """A number in [0, 1) that depends on these three and on nothing else."""
    state = blake2b(f"{seed}\0{purpose}\0".encode() + key, digest_size=8)
    return int.from_bytes(state.digest(), "big") / _SCALE
