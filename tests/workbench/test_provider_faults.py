"""Each fault of a provider, through `amplify` over real HTTP: what the run comes to."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.fault_modes import KEY, MODES, Mode, played
from workbench.testing.faults import PLAYS, fault


def test_the_table_holds_every_fault() -> None:
    """None is left out."""
    assert {fault(mode.fault).kind for mode in MODES} == set(PLAYS)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.fault)
def test_a_fault_comes_to_what_it_must(mode: Mode, tmp_path: Path) -> None:
    """Exit, status, message; every request is a line; no key, no traceback, nobody elsewhere."""
    found = played(tmp_path, mode.fault)
    assert (found.ended.code, found.status) == (mode.code, mode.status), found.ended.err
    assert mode.says in found.said + found.answer
    assert found.compared.exact
    assert not found.compared.unsettled
    assert found.compared.requests == mode.requests
    assert found.standings == [mode.standing] * mode.requests
    assert KEY not in found.said + found.answer
    assert "Traceback" not in found.said
    assert found.strayed == 0


@pytest.mark.parametrize(
    "kind", ["429=0", "503", "reset", "cut-body", "html", "no-choices", "cut-json", "stall"]
)
def test_a_fault_that_passes_leaves_the_answer(kind: str, tmp_path: Path) -> None:
    """It is a line of its own, and the answer is the one of a run without it."""
    found = played(tmp_path, f"{kind}x1", read_s=2.0 if kind == "stall" else None)
    assert (found.ended.code, found.status, found.answer) == (0, "answered", "7"), found.ended.err
    assert found.standings == ["transient", "answered"]
    assert found.compared.exact


def test_the_example_of_the_guide_holds(tmp_path: Path) -> None:
    """What stands there as a user's own test passes as it stands."""
    guide = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    example = guide.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(compile(example, "testing.md", "exec"), names)  # noqa: S102 - our own text
    names["test_one_bad_reply_is_not_the_end"](tmp_path)


def test_many_questions_and_many_faults_keep_the_books(tmp_path: Path) -> None:
    """Forty calls, a third of which fail once: each request is a line, each line a request."""
    lines = b"".join(b'{"question": "2 %d"}\n' % number for number in range(16, 22))
    options = ("--fuel", "1000", "--concurrency", "8")
    found = played(tmp_path, "503:0.33x1", lines=lines, options=options)
    assert (found.ended.code, found.status) == (0, "answered"), found.ended.err
    assert found.compared.exact
    assert found.standings.count("answered") == 42
    assert found.standings.count("transient") > 5
