"""Doctor: what is wrong with this machine, a store or a configuration, each with what to do."""

import importlib.util
import json as json_text
import os
import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from msgspec import Struct

import decomposition.tree

SAFE_SQLITE: Final = (3, 51, 3)
"""Earlier versions can corrupt a WAL file that several connections reset at once."""
PINNED_TEXTUAL: Final = "8.2.8"
"""Snapshots of screens depend on the exact version."""
LEAST: Final = {
    "langchain-core": ((1, 2, 5), "earlier ones can hand secrets of the environment to data"),
    "torch": ((2, 10), "earlier ones can run code that stands in a file of weights"),
}
"""Packages whose earlier versions are known to be bad, and why."""
EXTRAS: Final = {
    "chat": "langchain",
    "distill": "torch",
    "tui": "textual",
    "postgres": "psycopg",
}
"""Extras and the module by which they are known."""
OURS: Final = {"traces": "digest.py", "tui": "__init__.py"}
"""Packages with names that others use too, and a file by which ours are known."""
TRACING: Final = (
    "LANGSMITH_TRACING",
    "LANGSMITH_TRACING_V2",
    "LANGCHAIN_TRACING",
    "LANGCHAIN_TRACING_V2",
    "LANGSMITH_API_KEY",
    "LANGCHAIN_API_KEY",
    "LANGSMITH_ENDPOINT",
    "LANGCHAIN_ENDPOINT",
    "LANGSMITH_PROJECT",
    "LANGCHAIN_PROJECT",
    "LANGSMITH_RUNS_ENDPOINTS",
)
"""Variables with which LangChain sends what is asked and answered to LangSmith."""


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    fine: bool
    said: str


def examine(store: str, config: Path | None = None) -> list[Finding]:
    """Look at Python, SQLite, the packages and, where they are named, a store and a file.

    Raises:
        Complaint: The configuration cannot be read.
    """
    findings = [
        _python(),
        sqlite(sqlite3.sqlite_version_info),
        *packages(_installed((*LEAST, "textual"))),
        extras([name for name, module in EXTRAS.items() if importlib.util.find_spec(module)]),
        *map(_origin, OURS),
        _core(),
        tracing(os.environ),
    ]
    if config is not None:
        from workbench.doctor_config import keys_in

        findings.append(keys_in(config))
    if store:
        from workbench.doctor_store import examined

        findings += examined(store)
    return findings


def described(findings: Sequence[Finding], *, json: bool) -> str:
    """The findings as lines or as JSON."""
    if json:
        return json_text.dumps([{"what": f.what, "fine": f.fine, "said": f.said} for f in findings])
    return "\n".join(f"{'ok ' if f.fine else 'BAD'} {f.what}: {f.said}" for f in findings)


def _python() -> Finding:
    running = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), f"{running}, 3.11 or newer is needed")


def sqlite(running: tuple[int, ...]) -> Finding:
    """What is to be said of a version of SQLite."""
    said = ".".join(map(str, running))
    if running < SAFE_SQLITE:
        safe = ".".join(map(str, SAFE_SQLITE))
        said += f"; several processes on one store need {safe} or newer, or postgresql://…"
    return Finding("sqlite", fine=True, said=said)


def packages(installed: Mapping[str, str]) -> Iterator[Finding]:
    """What is to be said of packages of which some versions are known to be bad.

    Args:
        installed: Versions by package; without those that are absent.
    """
    for name, found in installed.items():
        if name == "textual":
            fine = found == PINNED_TEXTUAL
            said = found if fine else f"{found}; screens are drawn for {PINNED_TEXTUAL} exactly"
        else:
            least, why = LEAST[name]
            fine = numbers(found) >= least
            wanted = ".".join(map(str, least))
            said = (
                found if fine else f"{found} is known to be bad ({why}); install {wanted} or newer"
            )
        yield Finding(name, fine, said)


def numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, such as (2, 13, 0) of `2.13.0+cpu`."""
    found = re.match(r"\d{1,9}(\.\d{1,9})*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _installed(names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def extras(present: Sequence[str]) -> Finding:
    """Which extras are there, and how to get the others."""
    absent = [name for name in EXTRAS if name not in present]
    said = ", ".join(present) or "none"
    if absent:
        said += f"; not here: {', '.join(absent)} (pip install 'deliberation-workbench[NAME]')"
    return Finding("extras", fine=True, said=said)


def _origin(name: str) -> Finding:
    spec = importlib.util.find_spec(name)
    return origin(name, None if spec is None else spec.origin, Path(__file__).parents[1])


def origin(name: str, file: str | None, beside: Path) -> Finding:
    """Whether a package with a common name is ours.

    Args:
        name: Of the package.
        file: From which it is imported; None where it is not.
        beside: The folder that holds this package.
    """
    what = f"{name} package"
    if file is None:
        return Finding(what, fine=False, said="not importable; install this program again")
    folder = Path(file).parent
    ours = (folder / OURS[name]).exists() and folder.resolve().parent == beside.resolve()
    more = (
        ""
        if ours
        else (
            f" is another package of that name: uninstall it, or put {beside} before it on the path"
        )
    )
    return Finding(what, ours, f"{file}{more}")


def _core() -> Finding:
    compiled = not str(decomposition.tree.__file__).endswith(".py")
    return Finding("engine", fine=True, said="compiled (make fast)" if compiled else "from source")


def tracing(environment: Mapping[str, str]) -> Finding:
    """Which variables would have LangChain send questions and answers away."""
    stray = [name for name in TRACING if environment.get(name)]
    if not stray:
        return Finding("tracing", fine=True, said="no variable asks for uploads")
    said = (
        f"{', '.join(stray)} set: the workbench switches uploads to LangSmith off all the same, "
        "unless a configuration says tracing = true; unset them to be sure of other programs"
    )
    return Finding("tracing", fine=True, said=said)
