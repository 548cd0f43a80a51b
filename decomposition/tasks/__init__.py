"""Tasks: families of questions with exact truth. One file a task; `base` is the interface."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from decomposition.errors import BadTask
from decomposition.tasks.arithmetic import Arithmetic
from decomposition.tasks.base import AnyTask
from decomposition.tasks.game24 import Game24
from decomposition.tasks.permutation import Permutation

TASKS: Final[Mapping[str, AnyTask]] = MappingProxyType(
    {task.name: task for task in (Permutation(), Arithmetic(), Game24())}
)
"""The tasks by their names."""


def task_named(name: str) -> AnyTask:
    """The task of this name.

    Raises:
        BadTask: There is none.
    """
    if name in TASKS:
        return TASKS[name]
    near = get_close_matches(name[:100], TASKS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(TASKS)}"
    raise BadTask(f"no task is called {name[:40]!r}; {hint}")


def recognising(written: str) -> AnyTask | None:
    """The task that a written question or root belongs to; None if it is nobody's.

    A root of a task's form belongs to it even if a number is out of range: `parse_root` tells.
    """
    return next((task for task in TASKS.values() if _belongs(written, task)), None)


def of_fields(record: Mapping[str, object]) -> str | None:
    """The written question of a batch line that has a task's own fields; None if it has none.

    Raises:
        BadTask: The fields do not hold together.
    """
    for task in TASKS.values():
        written = task.of_fields(record)
        if written is not None:
            return written
    return None


def _belongs(written: str, task: AnyTask) -> bool:
    try:
        return task.recognise(written) is not None or task.parse_root(written) is not None
    except BadTask:
        return True
