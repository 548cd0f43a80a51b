"""Ballots: what each member of a run's ensemble answered, line by line, beside the label.

They are read back from the record. Labels are for results alone.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from decomposition.caps import Caps
from decomposition.consensus import comparable
from decomposition.message import Message
from decomposition.node import Slot
from decomposition.tree import Tree, fold
from traces.record import FINISHED, RunRecord
from traces.store import Store
from workbench.batch import compared_by, options_of
from workbench.options import Accepted
from workbench.specs import members_in
from workbench.wiring import task_of

_JUDGED: Final = "verify"


class Ballot(Struct, frozen=True):
    """One line: what the members said, what was taken, and what is right."""

    votes: tuple[str | None, ...]
    """Each member's answer in the form in which answers are compared; None for none."""
    taken: str | None
    """The ensemble's answer; None where it gave none."""
    label: str
    calls: int
    unit: int = 0
    """Lines that ask the same are one unit."""
    unasked: tuple[int, ...] = ()
    """Members that the rule did not need."""


class Ensemble(Struct, frozen=True):
    """What a run's members gave."""

    run: str
    rule: str
    members: tuple[str, ...]
    """Their specs; `sample 1` and so on for samples of one answerer."""
    ballots: tuple[Ballot, ...]
    left_out: int
    """Lines without a label, not finished, or of which something was redacted."""


def ensemble_of(store: Store, run: RunRecord) -> Ensemble | None:
    """The ensemble of a run; None where its questions were answered once each, or without labels.

    Raises:
        CorruptEvent: The record cannot be read.
    """
    options = options_of(run)
    labels = store.register.expected(run.number)
    if not labels or not _sampled(options):
        return None
    found = [(slot, ballot) for slot, ballot in _ballots(store, run, options, labels)]
    if not found:
        return None
    rule = found[0][0].asked.rule
    voters = max(len(ballot.votes) for _, ballot in found)
    ballots = tuple(ballot for _, ballot in found)
    names = _names(options, voters)
    return Ensemble(run.name, rule, names, ballots, run.total - len(found))


def units_of(store: Store, run: RunRecord) -> dict[int, int]:
    """The independent unit of each line: lines that ask the same are one."""
    numbers: dict[str, int] = {}
    return {
        each.idx: numbers.setdefault(each.input, len(numbers))
        for each in store.register.lines(run.number)
    }


def _sampled(options: Accepted) -> bool:
    votes = options.by.strip().startswith("vote:")
    return votes or options.samples > 1 or len(members_in(options.by)) > 1


def _names(options: Accepted, voters: int) -> tuple[str, ...]:
    listed = members_in(options.by)
    if len(listed) > 1:
        return tuple(listed[:voters])
    return tuple(f"sample {number}" for number in range(1, voters + 1))


def _ballots(
    store: Store, run: RunRecord, options: Accepted, labels: dict[int, str]
) -> Iterator[tuple[Slot, Ballot]]:
    """Root and ballot of each finished line that has a label and all its content."""
    units = units_of(store, run)
    asked = {each.idx: json.loads(each.input) for each in store.register.lines(run.number)}
    for row in store.register.sessions(run.number, FINISHED):
        label = labels.get(row.idx)
        if label is None or store.reader.husks(row.number):
            continue
        tree = fold(store.entries(row.number), keep=True)
        if tree.root.samples < 2:
            continue
        root = tree.root
        compared = compared_by(options, task_of(asked[row.idx]["question"], options))
        texts = _texts(tree)
        votes = tuple(None if text is None else compared(text) for text in texts)
        taken = root.verdict.winner if root.verdict is not None else None
        yield (
            root,
            Ballot(
                votes,
                None if taken is None or row.status != "answered" else votes[taken],
                compared(label),
                row.calls,
                units[row.idx],
                tuple(range(len(root.results), len(texts))),
            ),
        )


def _texts(tree: Tree) -> Sequence[str | None]:
    """What the members answered; the judge of `verify` is none of them."""
    root = tree.root
    voters = root.samples - (root.asked.rule == _JUDGED)
    texts = [
        comparable(tree.rendered(result, Caps().answer_bytes))
        if isinstance(result, Message)
        else None
        for result in root.results[:voters]
    ]
    return [*texts, *[None] * (voters - len(texts))]
