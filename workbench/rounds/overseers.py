"""Overseers of rounds: the texts that name who decomposes in `iterate`, as steps over arrays.

`expert` · `faulty:P:SPEC` and `faulty:P:MODE:SPEC` · `without:TYPE:SPEC` · `biased:NAME:SPEC` ·
`FILE.py:NAME`, a function `(xp, rows, answers) -> TableStep` of a user's own.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from decomposition.answerers.user_file import named
from decomposition.tasks import overseers as arrays
from workbench.exits import stop

if TYPE_CHECKING:
    from decomposition.tasks.overseers import ArrayStep
    from decomposition.tasks.table import AnyTableTask

_FORMS: Final = "expert, faulty:P:SPEC, without:TYPE:SPEC, biased:NAME:SPEC or FILE.py:NAME"


class Overseer(Struct, frozen=True):
    """Who decomposes in rounds."""

    spec: str
    """As the command line names it; files from the root."""
    identity: str
    """The same with a digest of a user's file."""
    kind: str
    """In words."""
    step: "ArrayStep"


def overseer(spec: str, task: "AnyTableTask", size: int, seed: int) -> Overseer:
    """The overseer that a spec names.

    Args:
        spec: As in the module's docstring.
        task: Whose questions it decomposes.
        size: Of the context, or of the largest question.
        seed: Of its faults.

    Raises:
        Complaint: There is no such overseer.
        BadAnswerer: The task has no such type or bias, or a user's file holds no step.
        UnsafeFile: A user's own file could have been changed by others.
    """
    spec = spec.strip()
    if spec == "expert":
        return Overseer(spec, spec, "scripted expert", task.table_step)
    if spec.rpartition(":")[0].endswith(".py") and not spec.startswith(_WRAPPERS):
        return _own(spec, task, size)
    head, _, rest = spec.partition(":")
    what, _, below = rest.partition(":")
    if head not in _AROUND or not what:
        _unknown(spec)
    if head == "faulty" and below.partition(":")[0] in ("random", "colluding", "fixed"):
        mode, _, below = below.partition(":")
        what = f"{what}:{mode}"
    inner = overseer(below or "expert", task, size, seed)
    made = _AROUND[head](inner, what, task, size, seed)
    return replace(
        made, spec=f"{head}:{what}:{inner.spec}", identity=f"{head}:{what}:{inner.identity}"
    )


def _unknown(spec: str) -> NoReturn:
    stop(f"no overseer of rounds is called {spec[:80]!r}\nname one as {_FORMS}")


def _own(spec: str, task: "AnyTableTask", size: int) -> Overseer:
    """A step of a user's own file."""
    found = named(spec)
    name = spec.rpartition(":")[2]
    if not callable(found.value):
        stop(f"{found.path}: {name} is no function (xp, rows, answers) -> TableStep")
    step = arrays.foreign(task, size, found.value, str(found.path))
    kind = f"user's own rule ({found.path.name}:{name})"
    return Overseer(f"{found.path}:{name}", found.identity, kind, step)


def _faulty(inner: Overseer, what: str, task: "AnyTableTask", size: int, seed: int) -> Overseer:
    chance, _, mode = what.partition(":")
    try:
        p = float(chance)
    except ValueError:
        p = -1.0
    if not 0 <= p <= 1:
        stop(f"faulty:P:SPEC needs a probability from 0 to 1, not {chance[:40]!r}")
    step = arrays.faulty(task, size, inner.step, p, seed, mode or "random")  # type: ignore[arg-type]
    relation = f", {mode}" if mode else ""
    return replace(
        inner, step=step, kind=f"{inner.kind}, each answer wrong with probability {p:g}{relation}"
    )


def _without(inner: Overseer, what: str, task: "AnyTableTask", size: int, seed: int) -> Overseer:
    del size, seed
    step = arrays.without(task, inner.step, what)
    return replace(inner, step=step, kind=f"{inner.kind} without subquestions of type {what}")


def _biased(inner: Overseer, what: str, task: "AnyTableTask", size: int, seed: int) -> Overseer:
    del size, seed
    step = arrays.biased(task, inner.step, what)
    return replace(inner, step=step, kind=f"{inner.kind} {arrays.bias_of(task, what).told}")


_AROUND: Final[dict[str, Callable[[Overseer, str, "AnyTableTask", int, int], Overseer]]] = {
    "faulty": _faulty,
    "without": _without,
    "biased": _biased,
}
_WRAPPERS: Final = tuple(f"{head}:" for head in _AROUND)
