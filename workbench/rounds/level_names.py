"""Names of levels: what a level of a task holds, in a reader's words."""


def level_name(task: str, level: str, reach: int = 0) -> str:
    """Such as "9 to 16 steps" or "3 numbers, yes"; "level 4" where a task has no words for it.

    Args:
        task: Its name.
        level: As summaries name it.
        reach: The furthest question, which may lie within the highest level; 0 for none.
    """
    number, _, verdict = level.partition(" ")
    if verdict in {"yes", "no"}:
        return f"{level_name(task, number, reach)}, {verdict}"
    if not level.isdecimal() or len(level) > 2:
        return f"level {level}"
    number = int(level)
    if task == "arithmetic":
        return _counted(number, number, "digit")
    if task == "permutation":
        most = 2**number
        least = most // 2 + 1
        return _counted(least, min(most, max(least, reach)) if reach else most, "step")
    if task == "game24":
        return _counted(number, number, "number")
    return f"level {level}"


def _counted(least: int, most: int, noun: str) -> str:
    """Such as "1 step" and "3 to 4 steps"."""
    number = str(most) if least == most else f"{least} to {most}"
    return f"{number} {noun}{'' if most == 1 else 's'}"
