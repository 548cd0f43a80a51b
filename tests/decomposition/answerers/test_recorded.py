"""Recorded answerers: the recorded answer, or an abstention."""

import pytest

from decomposition.actions import Abstain, Reply
from decomposition.answerers.recorded import Recorded
from decomposition.hypertext import Message, escape
from tests.decomposition.answerers.sights import abstained, seen, turn


def test_a_recorded_answer_is_given_again() -> None:
    """By question; there is none for another question."""
    answerer = Recorded.from_answers({"What is 6 * 7?": "42"})
    assert turn(answerer, seen("What is 6 * 7?")) == (Reply(Message.of("42")),)
    assert "no answer" in abstained(turn(answerer, seen("What is 6 * 8?")))


@pytest.mark.parametrize("question", ["What is [1] in $q?", r"Is \[ a bracket?", "a\\"])
def test_a_question_is_found_as_text_and_in_written_form(question: str) -> None:
    """Special characters of a data file need no escaping, and may be escaped."""
    for known in (question, escape(question)):
        answerer = Recorded.from_answers({known: "7"})
        assert turn(answerer, seen(question)) == (Reply(Message.of("7")),)


def test_foreign_text_is_not_parsed() -> None:
    """What looks like a pointer or a bracket in a recorded answer is text."""
    answerer = Recorded.from_answers({"?": "see $a1 [or not]"})
    assert turn(answerer, seen("?")) == (Reply(Message.of("see $a1 [or not]")),)


def test_the_identity_holds_a_digest_of_the_table() -> None:
    """Equal tables are equal answerers in whatever order; nothing else is."""
    one = Recorded.from_answers({"a": "1", "b": "2"}, "gsm8k")
    assert one.identity == Recorded.from_answers({"b": "2", "a": "1"}, "gsm8k").identity
    assert one.identity.startswith("recorded:gsm8k@")
    assert one.identity != Recorded.from_answers({"a": "1", "b": "3"}, "gsm8k").identity
    assert one.identity != Recorded.from_answers({"a1": "", "b": "2"}, "gsm8k").identity


def test_why_nothing_is_recorded_is_told() -> None:
    """A table may say of a question why it has no answer; of others nothing is known."""
    answerer = Recorded("f", {"a": "1", "b": Abstain("it was null")}, "not in the file")
    assert abstained(turn(answerer, seen("b"))) == "it was null"
    assert abstained(turn(answerer, seen("c"))) == "not in the file"


def test_a_silence_is_no_answer_with_the_same_words() -> None:
    """Neither in what is given nor in the identity."""
    silent = Recorded("f", {"a": Abstain("no")})
    assert silent.identity != Recorded("f", {"a": "no"}).identity
    assert silent.identity != Recorded("f", {"a": Abstain("none")}).identity
