"""Counting letters by halves: a decomposition of one's own, as one generator.

workbench ask "letters in: to be or not to be" --by docs/examples/letters.py:decompose
"""

from decomposition.answerers.expert import Decomposition


def decompose(question: str) -> Decomposition:
    """Yields subquestions, receives their answers, returns the reply."""
    what, _, text = question.partition(": ")
    words = text.split()
    if len(words) <= 1:
        return str(len(text.strip()))
    half = len(words) // 2
    left, right = yield [f"{what}: {' '.join(words[:half])}", f"{what}: {' '.join(words[half:])}"]
    return str(int(left) + int(right))
