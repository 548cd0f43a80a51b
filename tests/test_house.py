"""The house: what holds for every file of the project, whatever it does."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("decomposition", "distill", "traces", "tui", "workbench", "tests", "benchmarks")
HEAVY = {
    "aiohttp",
    "httpx",
    "httpx2",
    "langchain",
    "langchain_core",
    "langsmith",
    "matplotlib",
    "openai",
    "sqlalchemy",
    "sqlmodel",
    "textual",
    "torch",
}

HELP = """
import sys
from workbench.cli import main

sys.argv = ["workbench", "--help"]
try:
    main()
except SystemExit as end:
    code = end.code
else:
    code = 0
print(code or 0, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""

MACHINE_PATH = re.compile(
    r"(?<![\w.~$}*])/(?:home|mnt|opt|root|tmp|Users|work)/\w|\b[A-Z]:\\Users\b"
)
MADE = re.compile(r"/(?:\.[a-z]\w*|build|dist|__pycache__|[\w-]+\.egg-info)/|\.so$|\.db(?:-|$)")
"""What commands leave in the project's folder."""
MARKER = re.compile(r"\b(?:TO[D]O|FIX[M]E)\b")


def tracked() -> list[Path]:
    """The files that git knows and that are here; without git every file that nothing made."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        places = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        return [ROOT / place for place in places if not MADE.search(f"/{place}")]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def findings(pattern: re.Pattern[str]) -> list[str]:
    """`file:line: text` for each line of a tracked file that the pattern matches."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_help_loads_nothing_heavy() -> None:
    """`workbench --help` works without loading torch, Textual, LangChain or the database."""
    shown = subprocess.run(
        [sys.executable, "-c", HELP], check=True, capture_output=True, text=True, cwd=ROOT
    )
    code, *loaded = shown.stderr.splitlines()[-1].split()
    assert code == "0"
    assert "workbench" in loaded
    assert "Usage" in shown.stdout
    assert not HEAVY.intersection(loaded)


def test_every_module_opens_with_a_docstring() -> None:
    """Every module says in its first line what it is."""
    modules = [path for package in CODE for path in sorted((ROOT / package).rglob("*.py"))]
    assert modules
    silent = [
        str(path.relative_to(ROOT))
        for path in modules
        if not ast.get_docstring(ast.parse(path.read_bytes()))
    ]
    assert not silent


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """No tracked file contains an absolute path of the machine that it was written on."""
    assert not findings(MACHINE_PATH)


def test_no_file_leaves_work_for_later() -> None:
    """No tracked file contains a marker for unfinished work."""
    assert not findings(MARKER)


@pytest.mark.parametrize("folder", ["home", "root", "Users", "work", "tmp"])
@pytest.mark.parametrize("shape", ["see /{}/a", '"/{}/a"', "--store=/{}/a", "file:///{}/a"])
def test_a_path_of_a_machine_is_found(shape: str, folder: str) -> None:
    """A folder of a machine is recognised in prose, in quotes, in an option and in an address."""
    assert MACHINE_PATH.search(shape.format(folder))


@pytest.mark.parametrize("text", ["#!/usr/bin/env bash", "https://host/home/me", "./tmp/x", "~/a"])
def test_a_path_of_no_machine_is_left_alone(text: str) -> None:
    """Interpreter lines, web addresses and relative paths may stand in a file."""
    assert not MACHINE_PATH.search(text)
