"""Scripted experts: an overseer written as a generator that yields subquestions.

The generator is driven afresh for every view, with the answers that the view shows, so it
holds no state between turns: an equal view gives an equal turn.
"""

from collections.abc import Callable, Generator, Sequence

from msgspec import Struct

from decomposition.actions import Abstain, Ask, Given, Reply, Turn, Unlock
from decomposition.answerers.base import Answerer
from decomposition.hypertext import Failure, Message
from decomposition.view import View


class Plan(Struct, frozen=True):
    """An ask of which only some answers are looked at; the others travel as pointers."""

    ask: Ask
    show: tuple[int, ...]
    """Positions in the ask, from 0."""


class SubquestionFailed(Exception):
    """Thrown into the generator where an answer was expected; uncaught, it abstains.

    Attributes:
        failure: What the subquestion came to.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.reason}")
        self.failure = failure


class AskedTooMany(Exception):
    """A generator asked more subquestions at once than the session opens."""

    def __init__(self, asked: int, opened: int) -> None:
        super().__init__(f"asked {asked}, {opened} opened")


Wish = str | Sequence[str] | Ask | Plan | Unlock
"""What a generator yields: questions to ask and look at, or pointers to unlock."""

Answers = str | list[str]
"""What it gets back: one written text for one question, else a list of them."""

Decomposition = Generator[Wish, Answers, "str | Message | Reply | Abstain | None"]
"""Returns the reply; None abstains. Texts that it receives are in written form, so putting
them into a question or a reply is safe whatever they contain."""


class Expert(Answerer):
    """Acts as a generator says."""

    def __init__(self, identity: str, decompose: Callable[[View], Decomposition]) -> None:
        self.identity = identity
        self._decompose = decompose

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """One turn for each view.

        A generator that raises, or asks more at once than is opened, gives `Failure("answerer")`.
        """
        return [self._turn(view) for view in views]

    def _turn(self, view: View) -> Given:
        try:
            return drive(self._decompose(view), view)
        except AskedTooMany as many:
            return Failure("answerer", str(many))
        except SubquestionFailed as failed:
            return (Abstain(f"a subquestion came to nothing ({failed.failure.kind})"),)


def drive(decomposition: Decomposition, view: View) -> Turn:
    """The next turn of a generator: replayed over the answers that the view shows.

    Raises:
        SubquestionFailed: The generator did not handle a failed answer.
        AskedTooMany: Of the questions of one ask only the first were opened.
    """
    asked = 0
    try:
        wish = next(decomposition)
        while True:
            ask, names, single = _wanted(wish, asked)
            if ask is not None:
                if asked >= len(view.asked):
                    return (ask, Unlock(names)) if names else (ask,)
                if len(view.asked) < asked + len(ask.questions):
                    raise AskedTooMany(len(ask.questions), len(view.asked) - asked)
                asked += len(ask.questions)
            missing = tuple(name for name in names if name not in view.shown)
            if missing:
                return (Unlock(missing),)
            wish = _handed(decomposition, [view.shown[name] for name in names], single=single)
    except StopIteration as stop:
        return (_reply(stop.value),)


def _wanted(wish: Wish, asked: int) -> tuple[Ask | None, tuple[str, ...], bool]:
    """The ask, the pointers to look at, and whether one bare text is expected back."""
    if isinstance(wish, str):
        return Ask((wish,)), (f"$a{asked + 1}",), True
    if isinstance(wish, Unlock):
        return None, wish.pointers, False
    if isinstance(wish, Plan):
        return wish.ask, tuple(f"$a{asked + 1 + place}" for place in wish.show), False
    ask = wish if isinstance(wish, Ask) else Ask(tuple(wish))
    names = tuple(f"$a{asked + 1 + place}" for place in range(len(ask.questions)))
    return ask, names, isinstance(wish, Ask) and len(names) == 1


def _handed(decomposition: Decomposition, contents: list[str | Failure], *, single: bool) -> Wish:
    for content in contents:
        if isinstance(content, Failure):
            return decomposition.throw(SubquestionFailed(content))
    texts = [content for content in contents if isinstance(content, str)]
    return decomposition.send(texts[0] if single else texts)


def _reply(value: "str | Message | Reply | Abstain | None") -> Reply | Abstain:
    if isinstance(value, Reply | Abstain):
        return value
    return Abstain("no answer was found") if value is None else Reply(value)
