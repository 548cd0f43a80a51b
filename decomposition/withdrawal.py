"""Withdrawal: whether a turn can be taken back, and what goes with it.

The deliberation is folded twice, with the turn and without it. The turn can be taken back as long
as nobody but its own workspace would have been shown anything else, and nothing was made of it.
Only one session is seen here: whether another one used the turn, the record knows.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from decomposition.errors import NotWithdrawable
from decomposition.events import (
    Abstained,
    Audited,
    Combined,
    Event,
    Failed,
    Joined,
    Replied,
    Sampled,
    Unlocked,
    Withdrawn,
    Woken,
)
from decomposition.hypertext import addresses
from decomposition.message import Message
from decomposition.ports import Authorship
from decomposition.standing import taken_back
from decomposition.tree import Tree

Signed = tuple[str, Event, Authorship]
"""Path, event, and who gave it."""

PERSON: Final = "human"
"""How the author classes of people begin."""

_CLOSING: Final = (Replied, Abstained, Failed)


class Withdrawal(Struct, frozen=True):
    """A turn that can be taken back."""

    path: str
    first: int
    last: int
    """Numbers of its first and last event."""
    vanishing: frozenset[str]
    """Workspaces that only this turn opened; nobody has acted in them."""
    unusable: tuple[int, ...]
    """Events that neither a memo nor a join may lead to: those of the turn, and where it closed
    its workspace also the closings above, whose digests hold it."""


def withdrawal(entries: Sequence[Signed], number: int, by: Authorship) -> Withdrawal:
    """What taking back a turn comes to.

    Args:
        entries: All events of the session.
        number: Of the first event of the turn.
        by: Who takes it back.

    Raises:
        NotWithdrawable: That cannot be done; the words say why.
    """
    if not by.author.startswith(PERSON):
        raise NotWithdrawable(f"only a person takes a turn back, not {by.author}")
    gone = taken_back([(path, event) for path, event, _ in entries])
    last = _last_of(entries, number, gone)
    path = entries[number][0]
    turn = range(number, last + 1)
    _check_last(entries, last, gone)
    with_it, without = _folded_twice(entries, turn, gone)
    _check_untold(with_it, without, path)
    node = with_it.nodes[path]
    looked = any(type(entries[each][1]) is Unlocked for each in turn)
    if looked and not node.workspace.waiting:
        raise NotWithdrawable("what it unlocked has been shown")
    unusable = (*turn, *_closings_above(entries, path)) if node.workspace.closed else (*turn,)
    vanishing = frozenset(with_it.nodes.keys() - without.nodes.keys())
    return Withdrawal(path, number, last, vanishing, unusable)


def _last_of(entries: Sequence[Signed], number: int, gone: frozenset[int]) -> int:
    """Number of the last event of the turn that begins at an event.

    Raises:
        NotWithdrawable: No person's turn that stands begins there.
    """
    if not 0 <= number < len(entries):
        raise NotWithdrawable(f"there is no event {number}")
    _, event, by = entries[number]
    if number in gone:
        raise NotWithdrawable(f"the turn of event {number} is taken back already")
    if type(event) is Withdrawn or not by.author.startswith(PERSON):
        raise NotWithdrawable(f"event {number} is not of a person's turn")
    if number and _same_turn(entries[number - 1], entries[number]):
        raise NotWithdrawable(f"event {number} is not the first of its turn")
    last = number
    while last + 1 < len(entries) and _same_turn(entries[last], entries[last + 1]):
        last += 1
    return last


def _same_turn(one: Signed, other: Signed) -> bool:
    """Whether two events, one right behind the other, were given at once."""
    if Withdrawn in (type(one[1]), type(other[1])):
        return False
    return (one[0], one[2]) == (other[0], other[2])


def _check_last(entries: Sequence[Signed], last: int, gone: frozenset[int]) -> None:
    """See that nothing happened in the workspace since; that it was audited does not count.

    Raises:
        NotWithdrawable: Something did.
    """
    path = entries[last][0]
    for number, (place, event, _) in enumerate(entries[last + 1 :], last + 1):
        if place == path and number not in gone and type(event) not in (Withdrawn, Audited):
            raise NotWithdrawable(f"it is not the last of its workspace: event {number} follows")


def _closings_above(entries: Sequence[Signed], path: str) -> Iterable[int]:
    """Numbers of the events that closed a workspace above a place."""
    for number, (place, event, _) in enumerate(entries):
        if isinstance(event, _CLOSING) and path.startswith((f"{place}.", f"{place}:")):
            yield number


def _folded_twice(
    entries: Sequence[Signed], turn: range, gone: frozenset[int]
) -> tuple[Tree, Tree]:
    """The trees with a turn and without it.

    Raises:
        NotWithdrawable: Something that followed would not have happened without it.
    """
    with_it, without = Tree(keep=True), Tree(keep=True)
    path = entries[turn.start][0]
    for number, (place, event, _) in enumerate(entries):
        later = number > turn[-1]
        if number in gone or type(event) is Withdrawn or (later and place == path):
            continue
        if later:
            _check_same(with_it, without, place, event)
            _check_unused(without, path, place, event)
        with_it.apply(place, event)
        if number not in turn:
            without.apply(place, event)
    return with_it, without


def _check_same(with_it: Tree, without: Tree, place: str, event: Event) -> None:
    """See that whoever was at work somewhere had the same before him without the turn.

    Raises:
        NotWithdrawable: He had not.
    """
    if isinstance(event, Combined | Sampled):
        slot, other = with_it.slots[place], without.slots.get(place)
        if other is None or other.results != slot.results:
            raise NotWithdrawable(f"what it came to was combined at {place}")
        return
    other_node = without.nodes.get(place)
    if other_node is None:
        raise NotWithdrawable(f"what it opened was worked at {place}")
    if other_node.workspace != with_it.nodes[place].workspace:
        raise NotWithdrawable(f"what it came to was shown at {place}")


def _check_unused(without: Tree, path: str, place: str, event: Event) -> None:
    """See that an event that the engine decided did not read the answer of the turn.

    Raises:
        NotWithdrawable: It did.
    """
    if isinstance(event, Combined | Sampled):
        results = [each for each in without.slots[place].results if isinstance(each, Message)]
        if any(without.pending_within(each) for each in results):
            raise NotWithdrawable(f"what it came to was compared with others at {place}")
    if isinstance(event, Woken):
        there = without.there(without.nodes[place])
        if not set(event.pointers).issubset(there):
            raise NotWithdrawable(f"what it came to was shown at {place}")
    if isinstance(event, Joined):
        question = without.nodes[place].workspace.question
        pending = [each for each in addresses(question) if without.hash_of_answer(each) == each]
        if pending or f"{path}.".startswith(f"{event.origin}."):
            raise NotWithdrawable(f"what it came to was joined at {place}")


def _check_untold(with_it: Tree, without: Tree, path: str) -> None:
    """See that nobody waits to act on what the turn came to.

    Raises:
        NotWithdrawable: Somebody does, or the session is over.
    """
    if with_it.finished or with_it.overrun is not None:
        raise NotWithdrawable("the session is over: its answer was given")
    for place, node in with_it.nodes.items():
        other = without.nodes.get(place)
        if place != path and other is not None and other.workspace != node.workspace:
            raise NotWithdrawable(f"what it came to was shown at {place}")
    for address, slot in with_it.slots.items():
        other_slot = without.slots.get(address)
        if other_slot is None or not other_slot.demanded or address == path:
            continue
        if other_slot.outcome != slot.outcome:
            raise NotWithdrawable(f"what it came to was combined at {address}")
