"""Deliberating: a task's overseer run to the end in plain Python, without the engine."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from decomposition.actions import Abstain, Ask, Reply
from decomposition.answerers.expert import Answers, Plan, Wish
from decomposition.fuel import allot
from decomposition.hypertext import POINTER_NAME
from decomposition.tasks.base import FACTS_NAME, AnyTask, Facts

PLENTY = 1 << 60


class Starved(Exception):
    """Fuel ran out somewhere in the tree."""


class Done(Struct, frozen=True):
    """What a question came to, and what it took."""

    answer: str
    left: int
    """Unspent fuel."""
    workspaces: int
    actions: int
    height: int
    """Longest way to a leaf below."""


def truth_told(task: AnyTask, question: Struct, facts: Facts, fuel: int = PLENTY) -> Done:
    """The overseer's answer of a root question."""
    contents = {FACTS_NAME: task.render_facts(facts)} if task.has_facts else {}
    return deliberate(task, task.render(question), contents, fuel)


def deliberate(
    task: AnyTask,
    written: str,
    contents: Mapping[str, str],
    fuel: int = PLENTY,
    spoil: Callable[[str, str], str] | None = None,
) -> Done:
    """The overseer's answer of a question as its reader sees it.

    Args:
        task: Whose overseer and environment answer.
        written: The question.
        contents: What is behind its pointers.
        fuel: What may be spent; the reserve and the shares are the engine's.
        spoil: Turns a subquestion and its answer into the answer that is handed up.
    """
    question = task.recognise(written)
    assert question is not None, written
    if task.is_primitive(question):
        _spend(fuel, 1)
        answer = task.environment(question, contents, task.facts_among(contents))
        return Done(answer, fuel - 1, 1, 1, 0)
    answers: list[str] = []
    workspaces, actions, height = 1, 0, 0
    overseer = task.decompose(question, written)
    try:
        wish = next(overseer)
        while True:
            questions, shown, alone = _wanted(wish)
            _spend(fuel, 2)
            shares = allot(fuel - 1, len(questions))
            fuel -= 1 + sum(shares)
            first = len(answers)
            for asked, share in zip(questions, shares, strict=True):
                sub, behind = _read(asked, {**contents, **_named(answers)})
                done = deliberate(task, sub, behind, share, spoil)
                answers.append(spoil(sub, done.answer) if spoil else done.answer)
                fuel += done.left
                workspaces += done.workspaces
                actions += done.actions
                height = max(height, done.height + 1)
            _spend(fuel, 1)
            fuel, actions = fuel - 1, actions + 2
            given = [answers[first + place] for place in shown]
            wish = overseer.send(_handed(given, alone=alone))
    except StopIteration as stop:
        _spend(fuel, 1)
        return Done(_text(stop.value), fuel - 1, workspaces, actions + 1, height)


def subquestions(task: AnyTask, question: Struct, facts: Facts) -> list[str]:
    """What the overseer of a root question asks itself, as its readers see it."""
    contents = {FACTS_NAME: task.render_facts(facts)} if task.has_facts else {}
    asked: list[str] = []
    overseer = task.decompose(question, task.render(question))
    answers: list[str] = []
    try:
        wish = next(overseer)
        while True:
            questions, shown, alone = _wanted(wish)
            first = len(answers)
            for each in questions:
                sub, behind = _read(each, {**contents, **_named(answers)})
                asked.append(sub)
                answers.append(deliberate(task, sub, behind).answer)
            wish = overseer.send(_handed([answers[first + p] for p in shown], alone=alone))
    except StopIteration:
        return asked


def _spend(fuel: int, needed: int) -> None:
    if fuel < needed:
        raise Starved


def _named(answers: list[str]) -> dict[str, str]:
    return {f"$a{number}": answer for number, answer in enumerate(answers, 1)}


def _read(asked: str, known: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """A question as its reader sees it: pointers named by the place where they stand."""
    names = [found.group() for found in POINTER_NAME.finditer(asked)]
    places = iter(range(1, len(names) + 1))
    seen = POINTER_NAME.sub(lambda _: f"$q.{next(places)}", asked)
    return seen, {f"$q.{place}": known[name] for place, name in enumerate(names, 1)}


def _wanted(wish: Wish) -> tuple[list[str], list[int], bool]:
    """The questions, the places of those to look at, and whether one bare text is expected."""
    if isinstance(wish, str):
        return [wish], [0], True
    if isinstance(wish, Plan):
        return [str(each) for each in wish.ask.questions], list(wish.show), False
    questions = wish.questions if isinstance(wish, Ask) else wish
    assert isinstance(questions, list | tuple)
    texts = [str(each) for each in questions]
    return texts, list(range(len(texts))), isinstance(wish, Ask) and len(texts) == 1


def _handed(given: list[str], *, alone: bool) -> Answers:
    return given[0] if alone else given


def _text(value: object) -> str:
    if isinstance(value, Reply):
        return str(value.message)
    if isinstance(value, Abstain) or value is None:
        return "(abstained)"
    return str(value)
