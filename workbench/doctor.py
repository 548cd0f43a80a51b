"""Doctor: what is wrong with this machine or a store, each finding with what to do."""

import importlib.util
import json as json_text
import sqlite3
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

import decomposition.tree
import traces
from workbench.safe_output import many

SAFE_SQLITE = (3, 51, 3)
"""Earlier versions can corrupt a WAL file that several connections reset at once."""


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    fine: bool
    said: str


def examine(store: str) -> list[Finding]:
    """Look at Python, SQLite, the packages and, if one is named, a store."""
    findings = [_python(), _sqlite(), _postgres(), _traces(), _core()]
    if store:
        findings += [_store(store), *_beside(store)]
    return findings


def described(findings: list[Finding], *, json: bool) -> str:
    """The findings as lines or as JSON."""
    if json:
        return json_text.dumps([{"what": f.what, "fine": f.fine, "said": f.said} for f in findings])
    return "\n".join(f"{'ok ' if f.fine else 'BAD'} {f.what}: {f.said}" for f in findings)


def _python() -> Finding:
    running = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), f"{running}, 3.11 or newer is needed")


def _sqlite() -> Finding:
    old = sqlite3.sqlite_version_info < SAFE_SQLITE
    note = "; several processes on one store are safer with 3.51.3 or newer" if old else ""
    return Finding("sqlite", fine=True, said=f"{sqlite3.sqlite_version}{note}")


def _postgres() -> Finding:
    if importlib.util.find_spec("psycopg") is None:
        said = "no driver; a store on a server needs it: pip install 'psycopg[binary]'"
        return Finding("postgresql", fine=True, said=said)
    return Finding("postgresql", fine=True, said=f"psycopg {version('psycopg')}")


def _traces() -> Finding:
    place = Path(traces.__file__ or "").resolve().parent
    ours = (place / "digest.py").exists()
    return Finding("traces package", ours, "ours" if ours else f"{place} is another package")


def _core() -> Finding:
    compiled = not str(decomposition.tree.__file__).endswith(".py")
    return Finding("engine", fine=True, said="compiled (make fast)" if compiled else "from source")


def _store(place: str) -> Finding:
    from traces.errors import TraceError
    from traces.store import Store
    from traces.verify import verify

    if importlib.util.find_spec("sqlalchemy") is None:
        return Finding("store", fine=False, said="SQLAlchemy is not installed")
    try:
        with Store.open(place, readonly=True) as store:
            report = verify(store)
            unfinished = [run for run in store.register.runs() if run.status != "finished"]
    except TraceError as error:
        return Finding("store", fine=False, said=str(error))
    said = f"{many(report.sessions, 'session')}, {many(report.events, 'event')}"
    if report.findings:
        said += f"; {many(len(report.findings), 'finding')}, first: {report.findings[0]}"
    if unfinished:
        names = ", ".join(f"{run.name} ({run.status})" for run in unfinished[:5])
        said += f"; not finished: {names}; `workbench amplify --resume RUN` goes on"
    return Finding("store", not report.findings, said)


def _beside(place: str) -> Iterator[Finding]:
    """What a killed process left beside a store."""
    if "://" in place:
        return
    from traces.opening import leftovers

    left = leftovers(Path(place))
    if left:
        names = ", ".join(file.name for file in left[:5])
        said = f"{names}: left by a process that died while it made the store; remove them"
        yield Finding("left behind", fine=False, said=said)
