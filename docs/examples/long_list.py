"""Counting in a list of thousands of items, of which nobody sees more than a few dozen.

Whoever gets an outline asks about each of its parts; whoever gets items counts, and quotes what
was counted. Views have a cap, so nobody can be shown the whole list.

    workbench ask "How many items are a fruit that costs more than 5?" --context list.md \
        --by docs/examples/long_list.py:count --max-view 4096
"""

import re

from decomposition.actions import Quote, Reply, Unlock
from decomposition.answerers.expert import Decomposition
from decomposition.hypertext import POINTER_NAME, unescape
from decomposition.view import View

FRUITS = frozenset({"apple", "pear", "plum", "quince", "cherry", "melon"})
ITEM = re.compile(r"- (\w+) \d+ costs (\d+)")


def count(view: View) -> Decomposition:
    """Adds up the counts of the parts, or counts what it sees."""
    question = view.question.partition("\n\n")[0]
    least = int(question.rpartition(" ")[2].rstrip("?"))
    (seen,) = yield Unlock(("$q.1",))
    parts = POINTER_NAME.findall(seen)
    if parts:
        counts = yield [f"{question}\n\nContext: {part}" for part in parts]
        return str(sum(map(int, counts)))
    lines = [line for line in seen.splitlines() if _counts(line, least)]
    return Reply(str(len(lines)), quotes=tuple(Quote("$q.1", unescape(line)) for line in lines))


def _counts(line: str, least: int) -> bool:
    found = ITEM.match(line)
    return found is not None and found[1] in FRUITS and int(found[2]) > least
