"""`direct` against `recurse` at an equal number of calls, with an answerer of bounded view.

    python -m benchmarks.policies [--questions N]

Sums: the answerer adds at most `VIEW` numbers of a list; the others it does not see. Split into
halves, every part fits. Recall: the answerer knows a fact or does not, and asking it in parts adds
nothing that it knows. In both every call errs with probability `ERRS`. The flat arm answers the
root as often as the tree made calls, and takes the most frequent answer. The unit is the question.
"""

import argparse
from collections.abc import Callable
from hashlib import blake2b
from math import sqrt
from statistics import mean

from decomposition.actions import Abstain, Ask, Given, Reply, Unlock
from decomposition.answerers.faulty import Faulty
from decomposition.answerers.scripted import Scripted
from decomposition.routing import Policy
from decomposition.setting import Setting
from decomposition.view import View
from workbench.testing import deliberate

VIEW = 4
"""Numbers that the answerer sees at once."""
LENGTH = 32
ERRS = 0.02
KNOWN = 0.6
"""Share of facts that the answerer knows; the others it guesses, always alike."""
BOTH = Unlock(("$a1", "$a2"))

Turn = Callable[[View], Given]


def numbers(question: str) -> list[int]:
    """The list in a question."""
    return [int(word) for word in question.partition(": ")[2].split()]


def summing(view: View) -> Given:
    """Adds what it sees; asks for halves where it may and the list is too long."""
    listed = numbers(view.question)
    if len(listed) <= VIEW or view.leaf:
        return (Reply(str(sum(listed[:VIEW]))),)
    if not view.asked:
        half = len(listed) // 2
        parts = (listed[:half], listed[half:])
        return (Ask(tuple(f"sum: {' '.join(map(str, part))}" for part in parts)), BOTH)
    return _combined(view, lambda left, right: str(int(left) + int(right)))


def recalling(view: View) -> Given:
    """Knows a fact or guesses; in parts it knows no more."""
    fact = view.question.rpartition(" ")[2]
    if view.leaf or "part" in view.question:
        return (Reply(colour(fact) if knows(fact) else guess(fact)),)
    if not view.asked:
        parts = tuple(f"part {part} of the colour of {fact}" for part in ("one", "two"))
        return (Ask(parts), BOTH)
    return _combined(view, lambda left, right: left if left == right else right)


def _combined(view: View, join: Callable[[str, str], str]) -> Given:
    left, right = view.shown["$a1"], view.shown["$a2"]
    if isinstance(left, str) and isinstance(right, str):
        return (Reply(join(left, right)),)
    return (Abstain("a part is missing"),)


def _draw(fact: str, purpose: str) -> int:
    return int.from_bytes(blake2b(f"{purpose} {fact}".encode(), digest_size=4).digest(), "big")


def knows(fact: str) -> bool:
    """Whether the answerer knows a fact."""
    return _draw(fact, "knows") / 2**32 < KNOWN


def colour(fact: str) -> str:
    """The truth."""
    return ("red", "green", "blue", "white")[_draw(fact, "colour") % 4]


def guess(fact: str) -> str:
    """What the answerer says where it does not know."""
    return ("red", "green", "blue", "white")[_draw(fact, "guess") % 4]


def interval(right: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, p = 1.96, right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def measured(name: str, turn: Turn, asked: list[str], truth: list[str]) -> None:
    """Both arms on the same questions, and their paired difference."""
    honest = Scripted(f"{name}@1", turn)

    def setting(policy: str) -> Callable[[int], Setting]:
        def of(place: int) -> Setting:
            return Setting(Policy(policy), (Faulty(honest, ERRS, place, "random"),))  # type: ignore[arg-type]

        return of

    deep = deliberate(asked, setting("recurse"))
    calls = round(mean(session.counts.calls for session in deep))
    flat = deliberate(asked, setting("direct"), samples=min(64, calls), rule="plurality")
    rights: list[list[bool]] = []
    for arm, sessions in (("recurse", deep), ("direct", flat)):
        right = [
            session.outlook().answer == wanted
            for session, wanted in zip(sessions, truth, strict=True)
        ]
        rights.append(right)
        low, high = interval(sum(right), len(right))
        used = mean(session.counts.calls for session in sessions)
        print(
            f"{name:<8} {arm:<8} {sum(right) / len(right):6.3f} [{low:.3f}, {high:.3f}]  "
            f"n = {len(right)}, {used:.1f} calls a question"
        )
    gains = [int(one) - int(other) for one, other in zip(*rights, strict=True)]
    spread = sqrt(sum((gain - mean(gains)) ** 2 for gain in gains) / max(1, len(gains) - 1))
    half = 1.96 * spread / sqrt(len(gains))
    print(f"{name:<8} gain     {mean(gains):+6.3f} ± {half:.3f} (paired, 95 %)")


def main() -> None:
    """Print both tasks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=400)
    options = parser.parse_args()
    lists = [
        [_draw(f"{question} {place}", "number") % 100 for place in range(LENGTH)]
        for question in range(options.questions)
    ]
    asked = [f"sum: {' '.join(map(str, each))}" for each in lists]
    measured("sums", summing, asked, [str(sum(each)) for each in lists])
    facts = [f"thing{number}" for number in range(options.questions)]
    measured("recall", recalling, [f"colour of {fact}" for fact in facts], list(map(colour, facts)))


if __name__ == "__main__":
    main()
