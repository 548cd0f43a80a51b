"""Models: small ones whose every reply is a pure function of the request, by name.

They read the question and the answers off the view, as a model would, and nothing else.
"""

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

from decomposition.actions import Abstain, Ask, Reply, Unlock
from decomposition.answerers.scripted import counted_on, ordered
from workbench.testing.completion import Asked, Completion, Model, ToolCall, as_json

BOTH: Final = ("$a1", "$a2")

_NODE: Final = re.compile(r"([0-9]{1,2}) ([0-9]{1,12})")


def tree(ask: Asked) -> Completion:
    """A binary tree: `HEIGHT NUMBER` asks two questions below it and replies with both at once.

    The answer of a leaf is its number; a question of another form is answered with itself.
    """
    found = _NODE.fullmatch(ask.question.strip())
    if found is None:
        return echo(ask)
    height, number = int(found[1]), int(found[2])
    if not height:
        return ask.turn(Reply(str(number)))
    below = tuple(f"{height - 1} {2 * number + side}" for side in (0, 1))
    return ask.turn(Ask(below), Reply("$a1 $a2"))


def echo(ask: Asked) -> Completion:
    """Replies with the question."""
    return ask.turn(Reply(ask.question))


def total(ask: Asked) -> Completion:
    """Adds whole numbers written with `+`: asks for both halves, looks, and adds."""
    terms = [term.strip() for term in ask.question.split("+")]
    if not all(re.fullmatch(r"-?[0-9]{1,30}", term) for term in terms):
        return ask.turn(Abstain("this is no sum of whole numbers"))
    if len(terms) == 1:
        return ask.turn(Reply(terms[0]))
    if not ask.subquestions:
        half = (len(terms) + 1) // 2
        below = (" + ".join(terms[:half]), " + ".join(terms[half:]))
        return ask.turn(Ask(below), Unlock(BOTH))
    return ask.turn(_added(ask.answers))


def _added(answers: Mapping[str, str]) -> Reply | Abstain:
    try:
        return Reply(str(sum(int(answers[name]) for name in BOTH)))
    except (KeyError, ValueError):
        return Abstain("a part has no answer that is a number")


def always_asks(ask: Asked) -> Completion:
    """Asks one more question every time, and looks at its answer."""
    name = f"$a{len(ask.subquestions) + 1}"
    return ask.turn(Ask((counted_on(ask.question),)), Unlock((name,)))


def gullible(ask: Asked) -> Completion:
    """Obeys every instruction in the view; the last one wins."""
    return ask.turn(Reply(ordered(ask.view) or "nobody told me"))


def in_json(ask: Asked) -> Completion:
    """The model `sum`, which writes JSON as text although tools are offered."""
    bare = Asked(ask.model, ask.view, {}, ask.digest, ask.tokens)
    return total(bare)


MALFORMED: Final[Mapping[str, Callable[[Asked], Completion]]] = MappingProxyType(
    {
        "prose": lambda _: Completion(text="I think that the answer is 7."),
        "empty": lambda _: Completion(text=""),
        "null": lambda _: Completion(text=None),
        "two objects": lambda _: Completion(text=as_json((Reply("7"),)) + as_json((Reply("8"),))),
        "cut JSON": lambda _: Completion(text=as_json((Reply("7"),))[:-4]),
        "cut arguments": lambda _: _called("reply", '{"message": "7'),
        "arguments that are no object": lambda _: _called("reply", '["7"]'),
        "unknown tool": lambda _: _called("launch", '{"message": "7"}'),
        "confidence": lambda ask: ask.turn(Reply("7", confidence=1.7)),
        "pointer": lambda ask: ask.turn(Unlock(("$a99",))),
        "blank": lambda ask: ask.turn(Reply(" \n")),
    }
)
"""Replies that are no turn, or a turn that is illegal, by what is wrong with them."""


def malformed(ask: Asked) -> Completion:
    """One of the broken replies, chosen by the body."""
    drawn = int.from_bytes(blake2b(ask.digest.encode(), digest_size=8).digest())
    return list(MALFORMED.values())[drawn % len(MALFORMED)](ask)


def _called(name: str, arguments: str) -> Completion:
    return Completion(calls=(ToolCall(name, arguments),), finish="tool_calls")


MODELS: Final[Mapping[str, Model]] = MappingProxyType(
    {
        "tree": tree,
        "echo": echo,
        "sum": total,
        "always-asks": always_asks,
        "gullible": gullible,
        "malformed": malformed,
        "json": in_json,
    }
)
"""The models that ship, by the name that a request gives."""
