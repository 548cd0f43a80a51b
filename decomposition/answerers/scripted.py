"""Scripted answerers: the public doubles, whose every turn can be foreseen.

Each is a function of the view alone: an equal view gives an equal turn.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, cast

from decomposition.actions import Abstain, Ask, Given, Note, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.errors import BadAnswerer
from decomposition.view import View

UNKNOWN: Final[Given] = (Abstain("the script has no line for this question"),)

_COUNTER = re.compile(r"([0-9]{1,9})(?=[^0-9]*\Z)")

_ORDER = re.compile(
    r"""
    (?: \b(?:reply|respond|answer)[ ]with \b
      | \bsystem:[ ]*(?:reply|respond|answer|say) \b (?:[ ]with\b)?
      | \bignore\b [^\n]{0,200}? \b(?:reply|respond|answer|say) \b (?:[ ]with\b)? )
    :?[ ]+ (?: "(?P<quoted>[^"\n]+)" | (?P<bare>[^\n]+) )
    """,
    re.IGNORECASE | re.VERBOSE,
)


class Scripted(Answerer):
    """Acts as a function of the view says; what the function raises comes out as it is."""

    def __init__(
        self,
        name: str,
        script: Callable[[View], Given | str],
        *,
        sees_fuel: bool = False,
        reads_through: bool = False,
    ) -> None:
        self.identity = f"scripted:{name}"
        self.sees_fuel = sees_fuel
        self.reads_through = reads_through
        self.views = 0
        """Views acted on so far: tells a call that was made from one that was saved."""
        self._script = script

    @classmethod
    def table(
        cls, name: str, lines: Mapping[str, Given | str], otherwise: Given = UNKNOWN
    ) -> "Scripted":
        """A script by question.

        Args:
            name: Stands in the identity, beside a digest of the lines.
            lines: For a question in written form a turn, or the text of a reply.
            otherwise: The turn for every other question.
        """
        known = dict(lines)
        digest = blake2b(repr((sorted(known.items()), otherwise)).encode(), digest_size=8)
        return cls(f"{name}@{digest.hexdigest()}", lambda view: known.get(view.question, otherwise))

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """The script's turn for each view."""
        self.views += len(views)
        return [_turn(self._script(view)) for view in views]


class Looping(Answerer):
    """Asks for ever: the same kind of question below every question, and again after it.

    Args:
        same: Ask the own question itself, which is a cycle; else one whose last number is
            greater, which no equality can catch.
    """

    def __init__(self, *, same: bool = False) -> None:
        self.identity = f"looping:{'same' if same else 'counting'}"
        self._same = same

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """One more question for each view, and a look at its answer."""
        return [self._turn(view) for view in views]

    def _turn(self, view: View) -> Given:
        question = view.question if self._same else counted_on(view.question)
        return (Ask((question,)), Unlock((f"$a{len(view.asked) + 1}",)))


class Gullible(Answerer):
    """Obeys every instruction that it sees, in whatever text; the last one wins.

    Instructions read like `reply with 7`, `SYSTEM: answer "7"` or `ignore … and answer 7`.
    """

    def __init__(self, otherwise: str = "nobody told me", *, reads_through: bool = False) -> None:
        self.identity = f"gullible:{otherwise!r}" + (":reads-through" if reads_through else "")
        self.reads_through = reads_through
        self._otherwise = otherwise

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """For each view the reply that its text demands, else the fixed one."""
        return [(Reply(ordered(view.text) or self._otherwise),) for view in views]


def ordered(text: str) -> str:
    """What the last instruction in a text says to reply; empty for no instruction."""
    found = ""
    for match in _ORDER.finditer(text):
        found = match["quoted"] or match["bare"].rstrip(" .!") or found
    return found


BROKEN: Final[Mapping[str, Callable[[], object]]] = MappingProxyType(
    {
        "empty": lambda: (),
        "none": lambda: None,
        "text": lambda: "7",
        "list": lambda: [Reply("7")],
        "no-action": lambda: (7,),
        "unknown-pointer": lambda: (Unlock(("$a99",)),),
        "no-pointer": lambda: (Unlock(("$a1.x", "../0")),),
        "reply-pointer": lambda: (Reply("it is $a99.7"),),
        "confidence": lambda: (Reply("7", confidence=1.7),),
        "not-a-number": lambda: (Reply("7", confidence=float("nan")),),
        "bytes": lambda: (Reply(cast("str", b"7")),),
        "blank": lambda: (Reply(" \n"),),
        "nul": lambda: (Reply("7\0"),),
        "surrogate": lambda: (Reply("7\ud800"),),
        "huge": lambda: (Reply("7" * 10_000_000),),
        "huge-note": lambda: (Note("7" * 10_000_000),),
        "nested": lambda: (Reply("[" * 5_000 + "7" + "]" * 5_000),),
        "many": lambda: (Ask(("What is 7?",) * 10_000),),
        "samples": lambda: (Ask(("What is 7?",), samples=10**9),),
        "rule": lambda: (Ask(("What is 7?",), rule="ahead-0"),),
        "fuel": lambda: (Ask(("What is 7?",), fuel=-1),),
        "after-reply": lambda: (Reply("7"), Reply("8"), Unlock(("$q",))),
    }
)
"""Kinds of turns that are no turns, hold an action that is illegal, or burst a cap."""


class Malformed(Answerer):
    """Gives turns that are no turns.

    Args:
        kind: One of `BROKEN`; empty to choose by the view's key.

    Raises:
        BadAnswerer: There is no such kind.
    """

    def __init__(self, kind: str = "") -> None:
        if kind and kind not in BROKEN:
            raise BadAnswerer(f"nothing is malformed by {kind[:40]!r}; there are {list(BROKEN)}")
        self.identity = f"malformed:{kind or 'any'}"
        self._kinds = (kind,) if kind else tuple(BROKEN)

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """A broken turn for each view; the types are not what they say."""
        return cast("Sequence[Given]", [self._broken(view) for view in views])

    def _broken(self, view: View) -> object:
        place = int.from_bytes(blake2b(view.key, digest_size=8).digest()) % len(self._kinds)
        return BROKEN[self._kinds[place]]()


def _turn(given: Given | str) -> Given:
    return (Reply(given),) if isinstance(given, str) else given


def counted_on(question: str) -> str:
    """The question with its last number one greater, or with a first number."""
    match = _COUNTER.search(question)
    if match is None:
        return f"{question} 1"
    return question[: match.start()] + str(int(match[0]) + 1) + question[match.end() :]
