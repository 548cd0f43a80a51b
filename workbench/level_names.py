"""Names of levels: what a level of a task holds, in a reader's words."""


def level_name(task: str, level: str) -> str:
    """Such as "9 to 16 steps"; "level 4" where the task has no words for its levels."""
    if not level.isdecimal() or len(level) > 2:
        return f"level {level}"
    number = int(level)
    if task == "arithmetic":
        return _counted(number, number, "digit")
    if task == "permutation":
        return _counted(2**number // 2 + 1, 2**number, "step")
    if task == "game24":
        return _counted(number, number, "number")
    return f"level {level}"


def _counted(least: int, most: int, noun: str) -> str:
    """Such as "1 step" and "3 to 4 steps"."""
    number = str(most) if least == most else f"{least} to {most}"
    return f"{number} {noun}{'' if most == 1 else 's'}"
