"""The doctor: it names what is wrong and what to do, and changes nothing."""

import json
from pathlib import Path

from tests.workbench.conftest import Run


def findings(run: Run, *arguments: str) -> tuple[int, dict[str, tuple[bool, str]]]:
    """The exit code, and for each thing that was looked at whether it is fine and what is said."""
    ran = run("doctor", "--json", *arguments)
    return ran.code, {each["what"]: (each["fine"], each["said"]) for each in json.loads(ran.out)}


def test_a_sound_machine_is_fine(run: Run) -> None:
    """Python, SQLite, the driver of PostgreSQL, the packages and the engine are named."""
    code, found = findings(run)
    assert code == 0
    assert list(found) == ["python", "sqlite", "postgresql", "traces package", "engine"]
    assert all(fine for fine, _ in found.values())
    assert found["postgresql"][1].startswith("psycopg 3.")


def test_what_a_killed_process_left_beside_a_store_is_named(run: Run) -> None:
    """With what to do about it; the files stay."""
    assert run("ask", "1 + 2").code == 0
    left = Path(".workbench.db.0123abcd.new-journal")
    left.write_bytes(b"half")
    code, found = findings(run, "--store", "workbench.db")
    assert code == 5
    assert found["store"][0]
    assert left.name in found["left behind"][1]
    assert left.exists()
    left.unlink()
    assert findings(run, "--store", "workbench.db")[0] == 0


def test_a_run_that_a_cap_stopped_is_named(run: Run) -> None:
    """It is no fault, and the command that goes on stands beside it."""
    Path("q.jsonl").write_text('{"question": "487 + 1956"}\n')
    assert run("amplify", "q.jsonl", "--run", "cap", "--max-calls", "3").code == 4
    code, found = findings(run, "--store", "workbench.db")
    assert code == 0
    assert "cap (stopped)" in found["store"][1]
    assert "amplify --resume" in found["store"][1]


def test_a_server_that_does_not_answer_is_named(run: Run) -> None:
    """As a store that cannot be used, in one line."""
    code, found = findings(run, "--store", "postgresql://nobody@127.0.0.1:1/none")
    assert code == 5
    assert not found["store"][0]
    assert "127.0.0.1" in found["store"][1]
