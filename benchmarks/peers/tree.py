"""The tree of questions that a peer answers: a heap of numbered workspaces.

Workspace n asks 2n and 2n + 1 and adds their answers; a leaf answers its own number at once. The
answers differ, so a recorder that stores equal values once gains nothing from the toy.
"""


def question(number: int) -> str:
    """What workspace `number` is asked."""
    return f"Sum the leaves below workspace {number}."


def is_leaf(number: int, workspaces: int) -> bool:
    """Whether the workspace answers without asking, in a tree of this many."""
    return 2 * number > workspaces


def expected_answers(workspaces: int) -> dict[int, int]:
    """The answer of every workspace by its number, worked out without a recorder."""
    answers: dict[int, int] = {}
    for number in range(workspaces, 0, -1):
        asked = not is_leaf(number, workspaces)
        answers[number] = answers[2 * number] + answers[2 * number + 1] if asked else number
    return answers
