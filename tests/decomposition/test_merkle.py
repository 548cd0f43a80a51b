"""Digests: equal for equal deliberations, different for any difference that was seen or done."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from decomposition.actions import Abstain, Ask, Given, Note, Reply, Share, Unlock
from decomposition.answerers.scripted import Scripted
from decomposition.merkle import UNWORKED, digest
from decomposition.message import Failure
from decomposition.view import View
from tests.decomposition.kit import MemoryStore, Shuffled, deliberate, written
from tests.decomposition.kit import digest as digest_of

Script = Callable[[View], Given | str]


class Small(Struct, frozen=True):
    """A small deliberation, with every choice a parameter."""

    first: str = "a"
    second: str = "b"
    said: str = "leaf"
    note: str = "noted"
    final: str = "x"
    look: tuple[str, ...] = ("$a1", "$a2")
    samples: int = 1
    rule: str = "majority"
    share: Share = "nothing"
    refused: int = 0
    leaf: Given | None = None

    def script(self) -> Script:
        """Who acts in it."""
        bad = [True] * self.refused

        def act(view: View) -> Given | str:
            if not view.question.startswith("root"):
                return (self.leaf or self.said) if view.question == self.first else "other"
            if view.asked:
                return self.final
            if bad:
                bad.pop()
                return (Reply(" "),)
            asks = Ask((self.first, self.second), self.samples, self.rule, self.share)
            return (Note(self.note), asks, Unlock(self.look))

        return act


def base() -> Script:
    """The one that the others differ from."""
    return Small().script()


DIFFERENT: dict[str, Small] = {
    "base": Small(),
    "question": Small(first="A"),
    "second-question": Small(second="B"),
    "answer": Small(said="Leaf"),
    "answer-nested": Small(said="[leaf]"),
    "note": Small(note="Noted"),
    "reply": Small(final="y"),
    "reply-pointer": Small(final="$a1"),
    "reply-nested": Small(final="[x]"),
    "look": Small(look=("$a1",)),
    "look-order": Small(look=("$a2", "$a1")),
    "samples": Small(samples=2),
    "rule": Small(samples=2, rule="plurality"),
    "share": Small(samples=2, share="children"),
    "refused": Small(refused=1),
    "refused-twice": Small(refused=2),
    "abstained": Small(leaf=(Abstain("leaf"),)),
    "abstained-otherwise": Small(leaf=(Abstain("Leaf"),)),
    "failed": Small(leaf=Failure("refused", "leaf")),
    "failed-otherwise": Small(leaf=Failure("empty", "leaf")),
    "failed-for-another-reason": Small(leaf=Failure("refused", "")),
    "more-steps": Small(leaf=(Note("n"), Reply("leaf"))),
    "more-questions": Small(leaf=(Ask(("unwanted",)), Reply("leaf"))),
}


def test_every_difference_in_what_was_done_is_a_difference_of_digests() -> None:
    """Another question, act, look, answer, vote or refusal anywhere is another digest."""
    found = {
        name: digest_of(deliberate("root", each.script())[0]) for name, each in DIFFERENT.items()
    }
    assert len(set(found.values())) == len(found)
    roots = {
        digest_of(deliberate(written(text), base())[0]) for text in ("root", "root x", "root [x]")
    }
    assert len(roots) == 3


def test_who_when_where_and_how_dear_do_not_enter() -> None:
    """Another answerer, session, store, order, width or amount of fuel: the same digest."""
    expected = digest_of(deliberate("root", base())[0])
    others = [
        deliberate("root", Scripted("another", base()))[0],
        deliberate("root", base(), fuel=500)[0],
        deliberate("root", base(), number=7, store=MemoryStore())[0],
        deliberate("root", base(), width=1)[0],
        deliberate("root", Shuffled(Scripted("s", base()), 3))[0],
        deliberate("root", base(), memo=True)[0],
        deliberate("root", base(), joins="session")[0],
    ]
    assert {digest_of(session) for session in others} == {expected}


@pytest.mark.parametrize("confidence", [None, 0.3, 1.0])
def test_what_an_answerer_thinks_of_itself_does_not_enter(confidence: float | None) -> None:
    """A stated confidence is data about an answer, not the answer."""
    session, _ = deliberate("root", lambda _: (Reply("x", confidence),))
    assert digest_of(session) == digest_of(deliberate("root", lambda _: "x")[0])


def test_an_eager_start_does_not_enter() -> None:
    """When a question was begun is a matter of time, not of what was deliberated."""

    def script(*, eager: bool) -> Script:
        def act(view: View) -> Given | str:
            if view.question != "root":
                return "leaf"
            return "x" if view.asked else (Ask(("a",), eager=eager), Unlock(("$a1",)))

        return act

    assert digest_of(deliberate("root", script(eager=True))[0]) == digest_of(
        deliberate("root", script(eager=False))[0]
    )


def test_a_digest_is_a_prefix_and_64_digits() -> None:
    """`b2:` says which algorithm made it."""
    text = digest_of(deliberate("root", base())[0])
    assert text.startswith("b2:")
    assert len(bytes.fromhex(text[3:])) == 32


marks = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
trails = st.lists(marks.map(lambda text: "N" + text), max_size=4)
children = st.lists(st.sampled_from([UNWORKED, b"\1" * 32, b"\0" * 31 + b"\1"]), max_size=3)


@settings(max_examples=200)
@given(marks, trails, children, marks, trails, children)
def test_a_digest_tells_its_parts_apart(
    question: str,
    trail: list[str],
    below: list[bytes],
    question2: str,
    trail2: list[str],
    below2: list[bytes],
) -> None:
    """Nothing moves unseen from the question to the acts, or from one act to the next (200)."""
    one, other = (question, trail, below), (question2, trail2, below2)
    assert (digest(*one) == digest(*other)) == (one == other)


def test_a_sampled_root_counts_with_its_votes() -> None:
    """Equal samples under another rule, number or sharing are another deliberation."""

    def script(view: View) -> Given | str:
        return "b" if int(view.key.hex(), 16) % 3 else "a"

    found = {
        digest_of(deliberate("root", script, samples=samples, rule=rule, share=share)[0])
        for samples, rule, share in (
            (3, "majority", "nothing"),
            (3, "unanimous", "nothing"),
            (3, "majority", "children"),
            (4, "majority", "nothing"),
        )
    }
    assert len(found) == 4


def test_the_winner_of_a_sampled_root_counts() -> None:
    """The same samples, compared in another way, are another verdict."""
    words = ("One", "one", "two")
    keys: dict[bytes, str] = {}

    def script(view: View) -> Given | str:
        return keys.setdefault(view.key, words[len(keys) % 3])

    found = {
        digest_of(deliberate("root", script, samples=3, width=1, normalise=how)[0])
        for how in (str.lower, str)
    }
    assert len(found) == 2
