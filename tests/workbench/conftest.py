"""Fixtures of the command line's tests."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from workbench.cli import main


class Ran(NamedTuple):
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


class _Stdin(io.TextIOWrapper):
    """Standard input made of bytes, or of a stream of them."""


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Runs the command line in an empty folder, as a shell would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKBENCH_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def ran(*arguments: str, stdin: bytes | io.RawIOBase = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["workbench", *arguments])
        source = io.BytesIO(stdin) if isinstance(stdin, bytes) else io.BufferedReader(stdin)
        monkeypatch.setattr(sys, "stdin", _Stdin(source))
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        captured = capfdbinary.readouterr()
        return Ran(
            code if isinstance(code, int) else 1,
            captured.out.decode(errors="replace"),
            captured.err.decode(errors="replace"),
        )

    return ran
