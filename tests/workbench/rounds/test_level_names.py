"""Names of levels."""

import pytest

from workbench.rounds.level_names import level_name


@pytest.mark.parametrize(
    ("task", "level", "name"),
    [
        ("permutation", "0", "1 step"),
        ("permutation", "1", "2 steps"),
        ("permutation", "2", "3 to 4 steps"),
        ("permutation", "4", "9 to 16 steps"),
        ("arithmetic", "1", "1 digit"),
        ("arithmetic", "6", "6 digits"),
        ("game24", "4", "4 numbers"),
        ("game24", "3 yes", "3 numbers, yes"),
        ("arithmetic", "*3", "level *3"),
        ("chess", "2", "level 2"),
        ("permutation", "9" * 400, f"level {'9' * 400}"),
    ],
)
def test_a_level_is_named_by_what_it_holds(task: str, level: str, name: str) -> None:
    """A reader is told steps, digits, numbers; other tasks and foreign levels keep theirs."""
    assert level_name(task, level) == name


@pytest.mark.parametrize(
    ("level", "reach", "name"),
    [
        ("6", 63, "33 to 63 steps"),
        ("5", 63, "17 to 32 steps"),
        ("4", 16, "9 to 16 steps"),
        ("2", 3, "3 steps"),
    ],
)
def test_the_highest_level_ends_where_the_task_does(level: str, reach: int, name: str) -> None:
    """A reach that is no power of two lies within a level."""
    assert level_name("permutation", level, reach) == name
