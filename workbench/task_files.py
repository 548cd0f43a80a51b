"""Task files: the list of tasks, and their questions as JSON Lines."""

import json as json_text
from collections.abc import Iterator
from pathlib import Path

from decomposition.errors import BadTask
from decomposition.tasks import TASKS
from decomposition.tasks.base import AnyTask
from decomposition.tasks.game24 import hands, solvable
from workbench.exits import stop
from workbench.files import check_output, write_whole
from workbench.wiring import named

DEFAULT_COUNT = 100


def described(*, json: bool) -> str:
    """The tasks, one a line, or as JSON."""
    if json:
        rows = [
            {
                "name": task.name,
                "version": task.version,
                "summary": task.summary,
                "sizes": list(task.sizes),
                "example": example(task),
            }
            for task in TASKS.values()
        ]
        return json_text.dumps(rows, ensure_ascii=True)
    lines = [
        f"{task.name:<12} {task.summary}\n{'':<12} e.g. {example(task)}" for task in TASKS.values()
    ]
    return "\n".join(lines)


def example(task: AnyTask) -> str:
    """A question of the task, as it may be asked."""
    facts = task.make(max(task.sizes[0], min(task.sizes[1], 4)), 0)
    return next(task.write_root(question, facts) for question in task.questions(facts, 1, 0))


def make(
    name: str,
    out: Path,
    *,
    count: int | None,
    size: int | None,
    seed: int,
    everything: bool,
    force: bool,
) -> int:
    """Write questions of a task; how many.

    Raises:
        Complaint: The file exists, or the size is not one of the task's.
    """
    task = named(name)
    if everything and task.name != "game24":
        stop("--all is for game24: the other tasks have no end of questions")
    if size is not None and task.name == "game24":
        stop("--size is for the other tasks: a hand of game24 has four numbers")
    check_output(out, force=force)
    records = (
        _hands(count, everything=everything)
        if name == "game24"
        else _drawn(task, count, size, seed)
    )
    try:
        return write_whole(
            out, (json_text.dumps(each, ensure_ascii=False).encode() + b"\n" for each in records)
        )
    except BadTask as error:
        stop(str(error))


def said(name: str, out: Path, written: int, *, json: bool) -> str:
    """What was written, as a line or as JSON."""
    if json:
        return json_text.dumps({"task": name, "out": str(out), "questions": written})
    return f"{written} question{'' if written == 1 else 's'} in {out}"


def _hands(count: int | None, *, everything: bool) -> Iterator[dict[str, object]]:
    chosen = [hand for hand in hands() if everything or solvable(hand)]
    for numbers in chosen[:count]:
        yield {"id": "-".join(map(str, numbers)), "numbers": list(numbers)}


def _drawn(
    task: AnyTask, count: int | None, size: int | None, seed: int
) -> Iterator[dict[str, object]]:
    facts = task.make(task.sizes[0] * 4 if size is None else size, seed)
    for number, question in enumerate(task.questions(facts, count or DEFAULT_COUNT, seed), 1):
        yield {"id": str(number), "question": task.write_root(question, facts)}
