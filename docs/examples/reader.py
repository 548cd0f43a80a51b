"""Finding a sentence in a document whose sections are seen one at a time.

No workspace sees more than one section: the root reads the titles and passes each section on
as a pointer; a child unlocks what it was given and quotes the sentence, which is checked.

    workbench ask "Which sentence says: durable" --context README.md \
        --by docs/examples/reader.py:search
"""

import re

from decomposition.actions import Abstain, Quote, Reply, Unlock
from decomposition.answerers.expert import Decomposition, SubquestionFailed
from decomposition.hypertext import POINTER_NAME, unescape
from decomposition.view import View


def search(view: View) -> Decomposition:
    """Unlocks the document it was given; asks about its sections; quotes the first hit."""
    wanted = view.question.partition("says: ")[2].split("\n")[0].strip()
    (document,) = yield Unlock(("$q.1",))
    for sentence in re.split(r"(?<=[.!?])\s+", POINTER_NAME.sub("", document)):
        if wanted in sentence:
            quoted = sentence.strip()
            return Reply(quoted, quotes=(Quote("$q.1", unescape(quoted)),))
    for section in POINTER_NAME.findall(document):
        try:
            return (yield f"Which sentence says: {wanted}\n\nContext: {section}")
        except SubquestionFailed:
            continue
    return Abstain("no sentence here says so")
