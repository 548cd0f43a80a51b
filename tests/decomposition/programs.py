"""Programs: overseers drawn at random from a seed, for properties over whole deliberations.

A program is deterministic: every choice is drawn from the seed and the view's key. It does what
answerers may do: asks with samples, pointers between siblings, notes, replies with pointers
that are still pending, abstentions, eager asks, and now and then something illegal, or something
behind an unlock.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from random import Random
from typing import Final

from hypothesis import strategies as st

from decomposition.actions import Abstain, Action, Ask, Given, Note, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.view import View

RULES: Final = ("majority", "plurality", "unanimous", "ahead-1", "ahead-2", "verify")
TOPICS: Final = "ABCD"

_LEVEL = re.compile(r"level ([0-9]+)")
_INNER = re.compile(r"(?<!\\)\$(?:q|n|a[0-9]+)(?:\.[0-9]+)*\.([0-9]+)(?![0-9])")

seeds = st.integers(0, 2**32 - 1)


def question(topic: str = "A", level: int = 2) -> str:
    """A root question for a program; its tree is at most `level` deep."""
    return f"{topic} at level {level}"


def enough(level: int) -> int:
    """Fuel with which a program's tree below a question of this level is sure to finish."""
    return 100 * 60**level


class Program(Answerer):
    """Acts at random, equally for equal views.

    Args:
        seed: Which program.
        endless: Ask below level 0 too, and the own question again: ends by cycle or fuel only.
        errs: Do something illegal now and then.
        samples: Ask for several samples now and then.
        rich: Name the fuel of each subquestion, enough for all that may be below it; else
            leave it to equal parts, which soon run out.
    """

    def __init__(
        self,
        seed: int,
        *,
        endless: bool = False,
        errs: bool = True,
        samples: bool = True,
        rich: bool = True,
    ) -> None:
        self.identity = f"program:{seed}:{endless:d}{errs:d}{samples:d}{rich:d}"
        self._seed = seed
        self._endless = endless
        self._errs = errs
        self._samples = samples
        self._rich = rich

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """A turn for each view."""
        return [self._turn(view) for view in views]

    def _turn(self, view: View) -> Given:
        drawn = blake2b(f"{self._seed}\0".encode() + view.key, digest_size=8).digest()
        rng = Random(int.from_bytes(drawn, "big"))  # noqa: S311 - a test's choice
        found = _LEVEL.search(view.question)
        level = int(found.group(1)) if found else 0
        if self._errs and rng.random() < 0.06:
            return (rng.choice((Unlock(("$a99",)), Reply(" "), Ask(("x",), samples=0))),)
        turn: list[Action] = []
        if rng.random() < 0.2:
            names = [name for name in visible(view) if not name.startswith("$n")]
            turn.append(Note(f"noted {rng.choice(names)} and [{rng.randrange(3)}]"))
        deeper = level > 0 or self._endless
        if deeper and len(view.asked) < 3 and rng.random() < 0.8:
            turn.append(self._ask(view, level, rng))
        asked = len(view.asked) + sum(len(a.questions) for a in turn if isinstance(a, Ask))
        hidden = [name for name in visible(view, asked) if name not in view.shown and name != "$q"]
        if hidden and rng.random() < 0.7:
            chosen = rng.sample(hidden, rng.randint(1, min(3, len(hidden))))
            turn.append(Unlock(tuple(chosen)))
            return (*turn, *self._too_late(rng))
        if len(view.asked) < asked and rng.random() < 0.5:
            return tuple(turn)
        return (*turn, _closing(view, asked, rng))

    def _too_late(self, rng: Random) -> tuple[Action, ...]:
        """Now and then an action behind an unlock, which has ended the turn."""
        if not self._errs or rng.random() < 0.8:
            return ()
        return (rng.choice((Note("too late"), Reply("too late"), Unlock(("$q",)))),)

    def _ask(self, view: View, level: int, rng: Random) -> Ask:
        questions: list[str] = []
        below = level if self._endless and rng.random() < 0.5 else max(level - 1, 0)
        for _ in range(rng.randint(1, 2)):
            text = question(rng.choice(TOPICS), below)
            if rng.random() < 0.5:
                names = visible(view, len(view.asked) + len(questions))
                text += f" with {rng.choice(names)} "
            if rng.random() < 0.2:
                text += f" and [a fact: {rng.choice(TOPICS)}]"
            questions.append(text)
        eager = rng.random() < 0.3
        fuel = enough(below) if self._rich else None
        if not self._samples or rng.random() < 0.6:
            return Ask(tuple(questions), eager=eager, fuel=fuel)
        share = "children" if rng.random() < 0.3 else "nothing"
        return Ask(tuple(questions), rng.randint(2, 4), rng.choice(RULES), share, eager, fuel)


def visible(view: View, asked: int = 0) -> list[str]:
    """The pointer names that may be used in a view, with at least so many subquestions."""
    names = ["$q", *_inside("$q", view.question)]
    names += [f"$a{number}" for number in range(1, max(asked, len(view.asked)) + 1)]
    for name, content in view.shown.items():
        if isinstance(content, str) and not name.startswith("$n"):
            names += _inside(name, content)
    return [*dict.fromkeys(names), *(["$n"] if view.note else [])]


def _inside(name: str, written: str) -> list[str]:
    """Names of the pointers that stand in a content shown under a name."""
    found = _INNER.finditer(written)
    return [each.group() for each in found if each.group().rpartition(".")[0] == name]


def _closing(view: View, asked: int, rng: Random) -> Reply | Abstain:
    if rng.random() < 0.1:
        return Abstain(rng.choice(("too hard", "")))
    text = f"{rng.choice(TOPICS)} it is"
    names = visible(view, asked)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        text += f" see {rng.choice(names)} "
    if rng.random() < 0.2:
        text += f"[because {rng.choice(names)} ]"
    return Reply(text, rng.choice((None, 0.5, 1.0)))
