"""Paid doubles: answerers whose calls are lines of the ledger, and which cost nothing.

The same faults as the provider's, without a wire: what a call comes to is a function of its view,
the seed, and how often that view was asked.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from decomposition.actions import Ask, Given, Reply, Unreadable
from decomposition.answerers.base import Answerer, Author
from decomposition.errors import RunStopped, TransientFault
from decomposition.message import Failure
from decomposition.spend import Attempt, Estimate, Usage
from decomposition.view import View
from workbench.testing.faults import BadFault, Fault, drawn, drawn_latency, fault
from workbench.testing.faults import latency as parsed_latency
from workbench.testing.tally import Tally

LETTERS_A_TOKEN: Final = 4
MOST_OUT: Final = 256
"""Tokens of a reply at most, by which a call is reserved."""

Script = Callable[[View], Given | str]

PASSING: Final = frozenset(
    {"429", "429-long", "429-bare", "408", "409", "500", "502", "503"}
    | {"reset", "html", "no-choices", "cut-body", "cut-stream", "cut-json"}
)
"""Faults that may pass."""
STOPPING: Final = frozenset({"401", "403"})
COMING_TO: Final[Mapping[str, Given]] = MappingProxyType(
    {
        "400": Failure("provider", "the request does not hold together"),
        "404": Failure("provider", "the model does not exist"),
        "refusal": Failure("refused", "I cannot help with that."),
        "filter": Failure("refused", "content filter"),
        "length": Failure("truncated", "the reply ended for want of tokens"),
        "null": Unreadable("there is no text and no tool call", "empty"),
        "empty": Unreadable("the text is empty", "empty"),
        "two-objects": Unreadable("there are two objects where one is wanted"),
        "cut-arguments": Unreadable("the arguments end in the middle", "truncated"),
    }
)
"""What the other faults come to."""


class PaidDouble(Answerer):
    """A paid answerer that acts as a function of the view says, after a while.

    Args:
        script: From the view to a turn, or to the text of a reply.
        name: Stands in the identity.
        latency: Seconds that a call takes, or `LEAST-MOST`, drawn by hash.
        faults: Named as in `workbench.testing.faults`; those of `PASSING`, `STOPPING`,
            `COMING_TO`, `stall` and `slow`.
        seed: Of all draws.
        counts: A file in which every call is noted when it leaves; None for none.
        usd_a_token: Price of tokens, in and out.
        provider: Under which limits on rate hold.

    Raises:
        BadFault: A fault that cannot be played without a wire.
    """

    author: Author = "model"
    instant = False
    paid = True

    def __init__(
        self,
        script: Script,
        name: str = "double",
        *,
        latency: str | float = 0.0,
        faults: Sequence[str] = (),
        seed: int = 0,
        counts: Path | None = None,
        usd_a_token: float = 0.0,
        provider: str = "",
    ) -> None:
        self.identity = f"paid:{name}"
        self.provider = provider
        self.calls = 0
        """Calls that have left so far."""
        self._script = script
        self._latency_s = parsed_latency(latency)
        self._faults = tuple(map(_playable, faults))
        self._seed = seed
        self._tally = None if counts is None else Tally(counts)
        self._usd = usd_a_token
        self._before: Counter[str] = Counter()

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """What a call comes to, for each view."""
        return [(await self.attempt(view, "")).given for view in views]

    def estimate(self, view: View) -> Estimate:
        """All tokens of the view, and as many as a reply may have."""
        tokens = _tokens(view.text)
        return Estimate(tokens, MOST_OUT, (tokens + MOST_OUT) * self._usd)

    async def attempt(self, view: View, call: str) -> Attempt:
        """One call: counted, then as late as it is late, then what it comes to.

        Raises:
            TransientFault: A fault that may pass was drawn.
            RunStopped: The key was refused.
        """
        digest = view.key.hex()
        before = self._before[digest]
        self._before[digest] += 1
        wrong = drawn(self._faults, digest, before, self._seed)
        self.calls += 1
        if self._tally is not None:
            self._tally.count(call, digest, fault=wrong.kind if wrong else "")
        await asyncio.sleep(drawn_latency(self._latency_s, digest, before, self._seed))
        if wrong is None:
            return self._attempt(view, self._script(view))
        return await self._spoilt(view, wrong)

    async def _spoilt(self, view: View, wrong: Fault) -> Attempt:
        if wrong.kind in PASSING:
            raise TransientFault(f"{wrong.kind}, as the script says", wrong.value)
        if wrong.kind in STOPPING:
            raise RunStopped(f"{self.identity} refuses the key ({wrong.kind})")
        if wrong.kind in {"stall", "slow"}:
            await asyncio.sleep(3600.0 if wrong.value is None else wrong.value)
            return self._attempt(view, self._script(view))
        return self._attempt(view, COMING_TO[wrong.kind])

    def _attempt(self, view: View, given: Given | str) -> Attempt:
        turn = (Reply(given),) if isinstance(given, str) else given
        reply = repr(turn)
        came, went = _tokens(reply[: MOST_OUT * LETTERS_A_TOKEN - 1]), _tokens(view.text)
        usage = Usage(went, came, (went + came) * self._usd, view.text, reply, "stop", "double")
        return Attempt(turn, usage)


def _playable(named: str) -> Fault:
    wanted = fault(named)
    if wanted.kind not in PASSING | STOPPING | COMING_TO.keys() | {"stall", "slow"}:
        raise BadFault(f"{wanted.kind} needs a wire: play it with a provider")
    return wanted


def _tokens(text: str) -> int:
    return len(text) // LETTERS_A_TOKEN + 1


def tree(view: View) -> Given:
    """A binary tree: `HEIGHT NUMBER` asks two questions below it and replies with both at once.

    The answer of a leaf is its number.
    """
    height, _, number = view.question.partition(" ")
    if height == "0":
        return (Reply(number),)
    below = (f"{int(height) - 1} {2 * int(number)}", f"{int(height) - 1} {2 * int(number) + 1}")
    return (Ask(below), Reply("$a1 $a2"))
