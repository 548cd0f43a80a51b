"""The server of the tests: where none can be had, the tests that need one fail and say why."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WITHOUT = """
import sys
import pytest
from tests import postgres

def programs():
    raise postgres.NoServer(postgres.MISSING)

postgres._programs = programs
test = "tests/traces/test_server.py::test_an_answer_with_a_nul_stops_nothing"
sys.exit(pytest.main([test, "-q", "-p", "no:cacheprovider"]))
"""


def test_without_a_server_its_tests_fail_in_one_line() -> None:
    """They are not skipped, and the line says what to install; those on files run."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout
    assert "1 passed, 1 error" in done.stdout
    assert "skipped" not in done.stdout
    said = [line for line in done.stdout.splitlines() if "no PostgreSQL here" in line]
    assert said
    assert all("initdb and pg_ctl on PATH" in line for line in said[:1])
