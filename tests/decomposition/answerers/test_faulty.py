"""Faulty answerers: wrong as often as said, in the way said, and nothing else changed."""

import asyncio
from collections.abc import Sequence
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decomposition.actions import Abstain, Ask, Given, Note, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.answerers.faulty import Faulty, Mode, other_number
from decomposition.answerers.scripted import Scripted
from decomposition.errors import BadAnswerer
from decomposition.hypertext import Failure
from decomposition.spend import Attempt, Estimate, Usage
from decomposition.view import View
from tests.decomposition.answerers.sights import reply_text, seen, turn, turns
from tests.decomposition.kit import answer, deliberate

RIGHT = Scripted("right", lambda _: "7")
VIEWS = [seen(f"Number {number}?") for number in range(10_000)]

modes = pytest.mark.parametrize("mode", ["random", "colluding", "fixed"])


def giving(given: Given) -> Scripted:
    """An answerer that always gives this turn."""
    return Scripted("fixed", lambda _: given)


@modes
@pytest.mark.parametrize("p", [0.0, 0.03, 0.5, 1.0])
def test_the_share_of_wrong_answers_is_p(mode: Mode, p: float) -> None:
    """Over 10,000 views the share lies within its 99.9 % interval; 0 and 1 are exact."""
    given = turns(Faulty(RIGHT, p, 1, mode), VIEWS)
    wrong = sum(each != (Reply("7"),) for each in given)
    assert abs(wrong - p * len(VIEWS)) <= 3.29 * sqrt(len(VIEWS) * p * (1 - p))


def test_the_order_of_a_batch_changes_nothing() -> None:
    """Draws come from the view's key alone."""
    answerer = Faulty(RIGHT, 0.5, 1)
    views = VIEWS[:200]
    backwards = turns(answerer, views[::-1])[::-1]
    assert turns(answerer, views) == backwards == [turn(answerer, view) for view in views]


def test_larger_p_spoils_what_smaller_p_spoilt() -> None:
    """Comparing two rates compares the same draws."""
    few, many = turns(Faulty(RIGHT, 0.1, 1), VIEWS), turns(Faulty(RIGHT, 0.2, 1), VIEWS)
    assert all(one in ((Reply("7"),), other) for one, other in zip(few, many, strict=True))


def test_seeds_and_samples_fail_independently() -> None:
    """Two seeds, or two samples of one question, are both wrong about p squared of the time."""
    p, views = 0.3, VIEWS[:5000]
    samples = [seen(f"Number {number}?", (1,)) for number in range(len(views))]
    first = turns(Faulty(RIGHT, p, 1), views)
    for other in (turns(Faulty(RIGHT, p, 2), views), turns(Faulty(RIGHT, p, 1), samples)):
        both = sum((Reply("7"),) not in pair for pair in zip(first, other, strict=True))
        assert abs(both - p**2 * len(views)) <= 3.29 * sqrt(len(views) * p**2 * (1 - p**2))


def test_random_wrong_answers_do_not_agree() -> None:
    """Each is different from every other, samples of one question included."""
    views = [seen("Why?", (sample,)) for sample in range(500)] + VIEWS[:500]
    texts = [reply_text(given) for given in turns(Faulty(RIGHT, 1, 1), views)]
    assert len(set(texts)) == len(views)


def test_colluding_wrong_answers_agree_for_a_question() -> None:
    """Whatever the seed or the sample; other questions get other wrong answers."""
    views = [seen("Why?", (sample,)) for sample in range(1, 9)]
    texts = {
        reply_text(given)
        for seed in (1, 2)
        for given in turns(Faulty(RIGHT, 1, seed, "colluding"), views)
    }
    assert len(texts) == 1
    assert reply_text(turn(Faulty(RIGHT, 1, 1, "colluding"), seen("How?"))) not in texts


def test_fixed_wrong_answers_are_the_given_text() -> None:
    """Nothing is added to it."""
    assert turn(Faulty(RIGHT, 1, 1, "fixed", "no"), seen("Why?")) == (Reply("no"),)


@modes
@pytest.mark.parametrize(
    "given",
    [
        (Ask(("Why?",)),),
        (Note("n"), Unlock(("$a1",))),
        (Unlock(("$a1",)), Reply("never reached")),
        (),
        Failure("provider", "gone"),
    ],
)
def test_turns_that_close_nothing_pass_unchanged(mode: Mode, given: Given) -> None:
    """Only an answer can be wrong."""
    assert turn(Faulty(giving(given), 1, 1, mode), seen("?")) == given


def test_an_abstention_is_a_closing_answer_too() -> None:
    """A wrong answer takes its place."""
    given = turn(Faulty(giving((Abstain("no"),)), 1, 1, "fixed"), seen("?"))
    assert given == (Reply("wrong"),)


def test_a_wrong_answer_is_as_confident_as_the_right_one() -> None:
    """A fault does not give itself away, and what stands before it in the turn stays."""
    inner = giving((Note("n"), Reply("7", confidence=0.9)))
    given = turn(Faulty(inner, 1, 1, "fixed", "8"), seen("?"))
    assert given == (Note("n"), Reply("8", confidence=0.9))


@given(st.integers(), st.integers(0, 2**63 - 1))
def test_another_number_is_another_number(right: int, draw: int) -> None:
    """A wrong number never is the right one; what is no number gives one (100 cases)."""
    assert int(other_number(str(right), draw)) != right
    assert other_number("no number", draw) == str(draw)


def test_wrong_answers_can_have_a_form_of_their_own() -> None:
    """A function makes them from the right answer; its name is part of the identity."""
    answerer = Faulty(RIGHT, 1, 1, wrong=other_number)
    assert int(reply_text(turn(answerer, seen("?")))) > 7
    assert answerer.identity.endswith(
        "random,decomposition.answerers.faulty.other_number)[scripted:right]"
    )


def test_every_parameter_is_in_the_identity() -> None:
    """Whatever makes answers differ makes identities differ."""
    others = [
        Faulty(Scripted("left", lambda _: "7"), 0.1, 1),
        Faulty(RIGHT, 0.2, 1),
        Faulty(RIGHT, 0.1, 2),
        Faulty(RIGHT, 0.1, 1, "colluding"),
        Faulty(RIGHT, 0.1, 1, "random", "bad"),
        Faulty(RIGHT, 0.1, 1),
    ]
    assert len({each.identity for each in others}) == len(others)


def test_it_shows_and_signs_as_the_inner_answerer() -> None:
    """Views and authorship are those of whoever is made faulty."""
    inner = Scripted("s", lambda _: "7", sees_fuel=True, reads_through=True)
    faulty = Faulty(inner, 0.1, 1)
    assert (faulty.author, faulty.sees_fuel, faulty.reads_through) == ("scripted", True, True)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_p_that_is_no_probability_is_refused(p: float) -> None:
    """Not a number is none either."""
    with pytest.raises(BadAnswerer, match="from 0 to 1"):
        Faulty(RIGHT, p, 1)


def test_a_function_without_a_name_is_refused() -> None:
    """Two lambdas would share one identity."""
    with pytest.raises(BadAnswerer, match="no name of its own"):
        Faulty(RIGHT, 0.1, 1, wrong=lambda right, _: right + "!")


def test_in_a_session_two_probabilities_draw_apart() -> None:
    """The probability is in the identity, so in the key: what fails at 0.3 may hold at 0.5."""
    right: list[tuple[bool, bool]] = []
    for number in range(60):
        asked = f"question {number}"
        one, _ = deliberate(asked, Faulty(RIGHT, 0.3, 1))
        other, _ = deliberate(asked, Faulty(RIGHT, 0.5, 1))
        right.append((answer(one) == "7", answer(other) == "7"))
    assert (False, True) in right


class Paid(Answerer):
    """A paid answerer that is always right."""

    identity = "paid"
    instant = False
    paid = True
    provider = "somebody"
    closed = False

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """Not asked for: a paid answerer is called one by one."""
        raise NotImplementedError

    def estimate(self, view: View) -> Estimate:
        """So many tokens as its text has characters."""
        return Estimate(len(view.text), 5, 0.5)

    async def attempt(self, view: View, call: str) -> Attempt:  # noqa: ARG002 - the protocol
        """The right answer, and what it used."""
        return Attempt((Reply("7"),), Usage(3, 4, 0.25))

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


def test_a_faulty_paid_answerer_is_paid_as_before() -> None:
    """Estimate, usage, provider and closing are those of the one behind it, the answer is not."""
    inner, view = Paid(), seen("Number 1?")
    faulty = Faulty(inner, 1.0, 1, "fixed")
    assert (faulty.paid, faulty.instant, faulty.provider) == (True, False, "somebody")
    assert faulty.estimate(view) == inner.estimate(view)
    made = asyncio.run(faulty.attempt(view, "c-1"))
    assert made == Attempt((Reply("wrong"),), Usage(3, 4, 0.25))
    asyncio.run(faulty.close())
    assert inner.closed
