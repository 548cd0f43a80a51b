"""Hostile and bad inputs: each ends in its exit code, with one screen and no traceback.

The cases are tables, a section a module, in `tests/workbench/hostile`. Each names the words by
which the list of hostile inputs, the floor, names it, so that a reader can tick them off.
"""

from typing import Final

import pytest

from tests.workbench.conftest import Run
from tests.workbench.hostile import (
    command_line,
    configuration,
    data_files,
    model_output,
    provider,
    store,
)
from tests.workbench.hostile.case import BEYOND, STORE, Case, present

SECTIONS: Final = {
    "command line": command_line,
    "configuration": configuration,
    "data files": data_files,
    "model output": model_output,
    "store": store,
    "provider": provider,
}
CASES: Final = [(name, case) for name, section in SECTIONS.items() for case in section.CASES]
RESULTS: Final = (0, 4, 7)
"""Codes with which results are printed as far as they are there."""
SCREEN: Final = 24
"""Lines of a message, at most."""


@pytest.mark.parametrize(
    "case",
    [case for _, case in CASES],
    ids=[f"{name}: {case.floor}: {case.name}" for name, case in CASES],
)
def test_a_hostile_input_ends_as_it_must(case: Case, run: Run) -> None:
    """Its exit code, its words on one screen; nothing written but the store and what was named."""
    case.before()
    was = present()
    ran = case.played(run)
    assert ran.code == case.code, ran.out + ran.err
    for words in case.says:
        assert words in ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err
    assert "internal error" not in ran.err
    assert "\x1b" not in ran.out + ran.err
    assert len(ran.err.splitlines()) <= SCREEN
    assert case.code in RESULTS or not ran.out
    new = present() - was
    assert new <= set(case.leaves) | ({*STORE} if case.play else set())
    case.after()


@pytest.mark.parametrize("name", SECTIONS)
def test_no_case_of_a_section_is_missing(name: str) -> None:
    """Every words of the floor have a case, and no case has words that are not there."""
    section = SECTIONS[name]
    assert {case.floor for case in section.CASES} - {BEYOND} == set(section.FLOOR)


def test_no_case_stands_twice() -> None:
    """A name tells a case apart from every other."""
    names = [(name, case.floor, case.name) for name, case in CASES]
    assert sorted(set(names)) == sorted(names)
