"""Recorded answerers: answers given before, replayed by question."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from decomposition.actions import Abstain, Given, Reply
from decomposition.answerers.base import Answerer
from decomposition.hypertext import Message, escape
from decomposition.view import View


class Recorded(Answerer):
    """Closes with the recorded answer of a question, and abstains where there is none.

    Recorded text is foreign: nothing in it is read as a pointer or a bracket.
    """

    def __init__(
        self,
        name: str,
        answers: Mapping[str, str | Abstain],
        otherwise: str = "no answer to this question is recorded",
    ) -> None:
        self.identity = f"recorded:{name}@{_digest(answers)}"
        self._otherwise: Given = (Abstain(otherwise),)
        self._turns: dict[str, Given] = {
            escape(question): (
                answer if isinstance(answer, Abstain) else Reply(Message.of(answer)),
            )
            for question, answer in answers.items()
        }
        self._turns |= {question: self._turns[escape(question)] for question in answers}

    @classmethod
    def from_answers(
        cls, answers: Mapping[str, str | Abstain], name: str = "answers"
    ) -> "Recorded":
        """Replays a table.

        Args:
            answers: Answers by question, or why there is none. A question is matched as it
                stands, in written form (`What is $q.1?`), and as literal text.
            name: Stands in the identity, beside a digest of the table.
        """
        return cls(name, answers)

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """For each view the recorded reply, or an abstention."""
        return [self._turns.get(view.question, self._otherwise) for view in views]


def _digest(answers: Mapping[str, str | Abstain]) -> str:
    """The first 16 hexadecimal digits of a hash of the table, whatever its order."""
    state = blake2b(digest_size=8)
    for question, answer in sorted(answers.items(), key=lambda pair: pair[0]):
        silent = isinstance(answer, Abstain)
        for text in (question, answer.reason if silent else answer):
            raw = text.encode()
            state.update(len(raw).to_bytes(8) + raw)
        if silent:
            state.update(b"abstained")
    return state.hexdigest()
