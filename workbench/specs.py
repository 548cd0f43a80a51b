"""Specs: the short texts that name answerers on the command line, as objects.

`expert` · `FILE.py:NAME` · `vote:K:SPEC` · `RULE[SPEC, SPEC, …]` · `faulty:P:SPEC` and
`faulty:P:MODE:SPEC` · `student:DIR` · `recorded:FILE:FIELD` · `recorded:TRACE` ·
`chat:PROVIDER:MODEL` · `gullible` · `looping` · `malformed`.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

from msgspec import Struct

from decomposition.answerers.base import Answerer
from decomposition.answerers.ensemble import Ensemble
from decomposition.answerers.faulty import Faulty
from decomposition.answerers.scripted import Gullible, Looping, Malformed
from decomposition.answerers.user_file import load
from decomposition.consensus import known_rule
from workbench.exits import stop

LATER: Final = {
    "human": "people",
}
MAX_VOTES: Final = 64
NOTHING_RECORDED: Final[Mapping[str, Answerer]] = {}
RECORDED: Final = "recorded:"

_ENSEMBLE = re.compile(r"([a-z]+(?:-[0-9]+)?)\[(.*)\]", re.DOTALL)
_RECORDED_FILE = re.compile(r"(.*?\.(?:jsonl|ndjson|csv))(?::(.*))?", re.DOTALL)
_DOUBLES: Final[dict[str, Callable[[], Answerer]]] = {
    "gullible": Gullible,
    "looping": Looping,
    "malformed": Malformed,
}


class Cast(Struct, frozen=True):
    """Who acts as overseer, and how the root's samples are combined."""

    members: tuple[Answerer, ...]
    samples: int = 1
    rule: str = "majority"


class Trained(Struct, frozen=True):
    """A student, ready to act."""

    answerer: Answerer
    bound: float
    """Least confidence with which a cascade takes its answer."""


def cast(
    spec: str,
    expert: Callable[[], Answerer],
    seed: int,
    recorded: Mapping[str, Answerer] = NOTHING_RECORDED,
) -> Cast:
    """The cast that a spec names.

    Args:
        spec: As in the module's docstring.
        expert: Makes the task's scripted overseer, for `expert`.
        seed: Of the faulty doubles.
        recorded: Those of `recorded_in` and of `chats_in` the spec, by their own specs.

    Raises:
        Complaint: There is no such answerer.
        BadAnswerer: A user's own file does not hold one.
        UnsafeFile: A user's own file could have been changed by others.
    """
    spec = spec.strip()
    if spec.startswith("vote:"):
        count, _, inner = spec.removeprefix("vote:").partition(":")
        return Cast((answerer(inner, expert, seed, recorded),), _votes(count, spec), "majority")
    found = _ENSEMBLE.fullmatch(spec)
    if found:
        rule, inside = found.groups()
        if not known_rule(rule):
            stop(f"no rule of consensus is called {rule!r}: majority, plurality, unanimous, …")
        members = [answerer(each, expert, seed, recorded) for each in _listed(inside)]
        return Cast(Ensemble(rule, members).members, len(members), rule)
    return Cast((answerer(spec, expert, seed, recorded),))


def answerer(
    spec: str,
    expert: Callable[[], Answerer],
    seed: int,
    recorded: Mapping[str, Answerer] = NOTHING_RECORDED,
) -> Answerer:
    """The single answerer that a spec names.

    Raises:
        Complaint: There is no such answerer.
    """
    spec = spec.strip()
    if spec.startswith("vote:") or _ENSEMBLE.fullmatch(spec):
        stop(
            f"votes do not nest: vote:K:… and RULE[…] stand outermost, {spec[:60]!r} does not\n"
            "for samples of every subquestion there is --node-samples"
        )
    if spec == "expert":
        return expert()
    if spec in _DOUBLES:
        return _DOUBLES[spec]()
    head = spec.partition(":")[0]
    if head == "faulty":
        return _faulty(spec, expert, seed, recorded)
    if head == "student":
        return trained(spec.partition(":")[2]).answerer
    if spec in recorded:
        return recorded[spec]
    if spec.rpartition(":")[0].endswith(".py"):
        return load(spec)
    if spec.startswith(RECORDED):
        stop(f"recorded answers are for `ask` and `amplify`; {spec[:80]!r} cannot act here")
    if head == "chat":
        from workbench.chat import chat_answerer

        return chat_answerer(spec)
    if head in LATER:
        stop(f"{LATER[head]} ({head}:…) cannot act yet in this version; see CHANGELOG.md")
    return _nobody(spec, head)


def _nobody(spec: str, head: str) -> NoReturn:
    names = ["expert", "vote", "faulty", "student", "recorded", "chat", *_DOUBLES]
    near = get_close_matches(head, names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    stop(
        f"no answerer is called {spec[:80]!r}{hint}\n"
        "name one as expert, chat:PROVIDER:MODEL, FILE.py:NAME, recorded:FILE.jsonl:FIELD, "
        "student:DIR, vote:K:SPEC or RULE[SPEC, SPEC]"
    )


def trained(folder: str, task: str | None = None) -> Trained:
    """The student of a folder; only here is torch loaded.

    Args:
        folder: With `student.json` and the weights.
        task: That it must be a student of; None for any.

    Raises:
        Complaint: Students need an extra that is not installed.
        BadStudent: The folder does not hold together.
        UnsafeStudent: It would run code.
    """
    if find_spec("torch") is None:
        stop("students need torch, which the extra `distill` installs")
    from distill.answerer import StudentAnswerer
    from distill.calibration import told_bound
    from distill.folder import load_student
    from distill.threads import set_threads

    set_threads()
    loaded = load_student(Path(folder), task)
    return Trained(StudentAnswerer(loaded), told_bound(Path(folder), loaded.record))


def absolute(spec: str) -> str:
    """The same spec, its files named from the root, so that it holds in any folder."""
    spec = spec.strip()
    found = _ENSEMBLE.fullmatch(spec)
    if found:
        return _absolute_list(found[1], [absolute(each) for each in _listed(found[2])])
    if spec.startswith("vote:"):
        _, count, inner = spec.split(":", 2) if spec.count(":") > 1 else (spec, "", "")
        return f"vote:{count}:{absolute(inner)}"
    if spec.startswith("faulty:"):
        chance, mode, inner = _faulty_parts(spec)
        return f"faulty:{chance}:{mode}:{absolute(inner)}" if inner else spec
    if spec.startswith("student:"):
        return f"student:{Path(spec.partition(':')[2]).absolute()}"
    if spec.startswith(RECORDED):
        file, field = recorded_parts(spec)
        return f"{RECORDED}{Path(file).absolute()}:{field}" if field else spec
    return str(Path(spec).absolute()) if spec.rpartition(":")[0].endswith(".py") else spec


def _absolute_list(rule: str, members: list[str]) -> str:
    """`RULE[…]` of these members, which must be found in it again.

    Raises:
        Complaint: The path of a file cannot stand in a list.
    """
    spec = f"{rule}[{', '.join(members)}]"
    if members_in(spec) != members:
        stop(f"a file in {rule}[…] lies in a folder with a comma or a bracket in its name: {spec}")
    return spec


def files_of(spec: str) -> list[Path]:
    """The users' own files that a spec names, a student's and recorded answers among them."""
    return [path for leaf in _leaves(spec) for path in _files_of_leaf(leaf)]


def _files_of_leaf(spec: str) -> list[Path]:
    if spec.startswith("student:"):
        folder = Path(spec.partition(":")[2])
        return [folder / "student.json", folder / "weights.safetensors"]
    if spec.startswith(RECORDED):
        file, field = recorded_parts(spec)
        return [Path(file)] if field else []
    file = spec.rpartition(":")[0]
    return [Path(file)] if file.endswith(".py") else []


def recorded_in(spec: str) -> list[str]:
    """The specs of recorded answers in a spec, each once."""
    return list(dict.fromkeys(leaf for leaf in _leaves(spec) if leaf.startswith(RECORDED)))


def chats_in(spec: str) -> list[str]:
    """The specs of chat models in a spec, each once."""
    leaves = [leaf for leaf in _leaves(spec) if leaf == "chat" or leaf.startswith("chat:")]
    return list(dict.fromkeys(leaves))


def recorded_parts(spec: str) -> tuple[str, str]:
    """File and field of `recorded:FILE:FIELD`; an empty field for `recorded:TRACE`.

    A field may hold colons and dots where the file's name ends like a file of such answers.

    Raises:
        Complaint: A file is named and no field.
    """
    named = spec.removeprefix(RECORDED)
    found = _RECORDED_FILE.fullmatch(named)
    file, field = found.groups() if found else named.rpartition(":")[::2]
    if (file or found) and not field:
        stop(f"{spec[:80]!r} names no field; write recorded:FILE.jsonl:FIELD")
    return (file, field) if file else (named, "")


def members_in(spec: str) -> list[str]:
    """The members of `RULE[SPEC, SPEC, …]`; the spec alone where it is none."""
    found = _ENSEMBLE.fullmatch(spec.strip())
    return [each.strip() for each in _listed(found[2])] if found else [spec.strip()]


def _leaves(spec: str) -> list[str]:
    """The specs inside a spec that name a single answerer with nothing inside."""
    spec = spec.strip()
    if _ENSEMBLE.fullmatch(spec):
        return [leaf for each in members_in(spec) for leaf in _leaves(each)]
    if spec.startswith("vote:"):
        return _leaves(spec.removeprefix("vote:").partition(":")[2])
    if spec.startswith("faulty:"):
        return _leaves(_faulty_parts(spec)[2])
    return [spec]


def _faulty_parts(spec: str) -> tuple[str, str, str]:
    """Probability, mode and answerer of `faulty:P:SPEC` or `faulty:P:MODE:SPEC`."""
    chance, _, inner = spec.removeprefix("faulty:").partition(":")
    for known in ("random", "colluding", "fixed"):
        if inner.startswith(known + ":"):
            return chance, known, inner.removeprefix(known + ":")
    return chance, "random", inner


def _faulty(
    spec: str,
    expert: Callable[[], Answerer],
    seed: int,
    recorded: Mapping[str, Answerer],
) -> Answerer:
    chance, mode, inner = _faulty_parts(spec)
    try:
        p = float(chance)
    except ValueError:
        p = -1.0
    if not 0 <= p <= 1:
        stop(f"faulty:P:SPEC needs a probability from 0 to 1, not {chance[:40]!r}")
    behind = answerer(inner or "expert", expert, seed, recorded)
    return Faulty(behind, p, seed, mode)  # type: ignore[arg-type]


def _votes(count: str, spec: str) -> int:
    if not count.isdecimal() or not 1 <= int(count[:9]) <= MAX_VOTES:
        stop(f"vote:K:SPEC needs K from 1 to {MAX_VOTES}, as in vote:3:expert, not {spec[:60]!r}")
    return int(count)


def _listed(inside: str) -> list[str]:
    """The specs between brackets, cut at commas that stand outside further brackets.

    Raises:
        Complaint: One of them is empty, or a bracket stands alone.
    """
    parts = [""]
    depth = 0
    for character in inside:
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if depth or not all(part.strip() for part in parts):
        stop(f"cannot read the list of answerers in [{inside[:80]}]")
    return parts
