"""Ensembles: several answerers whose closing answers a rule of consensus combines.

An ensemble is first of all a cast: the session opens one sample for each member, which acts in
its own branch (`member`). Where nobody may ask it is an answerer itself (`act`).
"""

from collections.abc import Sequence
from hashlib import blake2b

from msgspec.structs import replace

from decomposition.actions import Abstain, Given, Reply
from decomposition.answerers.base import Answerer
from decomposition.consensus import (
    closing,
    comparable,
    decide,
    known_rule,
    least_samples,
    verification,
)
from decomposition.errors import BadAnswerer, IllegalAction
from decomposition.hypertext import PLACE_BOUND, Failure, Message, write_out
from decomposition.rendering import indented
from decomposition.view import KEY_BYTES, View


class Ensemble(Answerer):
    """A rule and the members that it combines; for `verify` the last member judges.

    Attributes:
        rule: A rule of consensus.
        members: In the order of their samples.

    Raises:
        BadAnswerer: There is no such rule, or too few members for it to ever take an answer.
    """

    def __init__(self, rule: str, members: Sequence[Answerer]) -> None:
        if not known_rule(rule):
            raise BadAnswerer(f"no rule of consensus is called {rule[:40]!r}")
        if len(members) < least_samples(rule):
            raise BadAnswerer(f"{rule} needs {least_samples(rule)} members, not {len(members)}")
        self.rule = rule
        self.members = tuple(members)
        self.identity = f"{rule}[{', '.join(member.identity for member in members)}]"
        self.instructions = "+".join(filter(None, (member.instructions for member in members)))
        self.sees_fuel = any(member.sees_fuel for member in members)
        self.reads_through = any(member.reads_through for member in members)
        self.reads_symbols = any(member.reads_symbols for member in members)
        self.instant = all(member.instant for member in members)
        self.file = next((member.file for member in members if member.file), "")

    def member(self, sample: int) -> Answerer:
        """Who acts in a sample and in everything below it."""
        return self.members[sample]

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """The members' closing answers, combined view by view.

        Only for leaves: a member that asks, unlocks or notes without closing counts as
        abstaining. All members see the same text, and each draws from a key of its own.
        Without a winner the ensemble abstains, or passes on a failure that belongs to its
        place (no provider, no money), so that nothing remembers it as a verdict.
        """
        judged = self.rule == "verify"
        voters = self.members[:-1] if judged else self.members
        columns = [
            await member.act([_own(view, index) for view in views])
            for index, member in enumerate(voters)
        ]
        ballots: list[tuple[Given, ...]] = list(zip(*columns, strict=True))
        if judged:
            last = len(self.members) - 1
            asked = [
                _own(_judging(view, ballot), last)
                for view, ballot in zip(views, ballots, strict=True)
            ]
            judgements = await self.members[-1].act(asked)
            ballots = [(*b, j) for b, j in zip(ballots, judgements, strict=True)]
        return [self._combined(ballot) for ballot in ballots]

    def _combined(self, ballot: tuple[Given, ...]) -> Given:
        winner = decide(self.rule, [_answer(given) for given in ballot], len(ballot)).winner
        if winner is not None:
            turn, place = ballot[winner], closing(ballot[winner])
            if isinstance(turn, tuple) and place is not None:
                return (turn[place],)
        for given in ballot:
            if isinstance(given, Failure) and given.kind in PLACE_BOUND:
                return given
        return (Abstain(f"{self.rule} took none of {len(ballot)} answers"),)


def _own(view: View, index: int) -> View:
    """The view with a key of this member's own."""
    key = blake2b(view.key, digest_size=KEY_BYTES, salt=index.to_bytes(16)).digest()
    return replace(view, key=key)


def _answer(given: Given) -> str | None:
    """The written form of a closing reply as it is compared; None for anything else."""
    place = closing(given)
    if place is None or not isinstance(given, tuple):
        return None
    action = given[place]
    if not isinstance(action, Reply):
        return None
    message = action.message
    try:
        return comparable(message if isinstance(message, str) else write_out(message)) or None
    except IllegalAction:
        return None


def _judging(view: View, ballot: Sequence[Given]) -> View:
    """The view of the judge: the question is which answers are right, the rest is the same."""
    candidates = [
        Failure("abstained") if text is None else Message((text,)) for text in map(_answer, ballot)
    ]
    # Question and answers are in written form here, so the text put together from them is too.
    asked = verification(Message((view.question,)), candidates, inline_chars=1 << 62).parts
    question = "".join(part for part in asked if isinstance(part, str))
    head = "Question: "
    rest = view.text.removeprefix(head + indented(view.question))
    text = head + indented(question) + rest
    return replace(view, text=text, question=question, symbolise=None)
