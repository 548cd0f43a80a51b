"""Quotations: checked against what was unlocked, in the form in which it is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decomposition.actions import Given, Quote, Reply, Unlock
from decomposition.answerers.scripted import Scripted
from decomposition.document import read_document
from decomposition.events import Replied, Span
from decomposition.hypertext import write
from decomposition.message import Message, Pointer
from decomposition.quoting import literal, place_of
from decomposition.rendering import indented
from decomposition.view import View
from tests.decomposition.kit import deliberate, events_at, refusals

DOCUMENT = """Prices [in euro], \\ and $a1 is text.
# Fruit
An apple costs 3.
A pear costs 4.
## Rare fruit
A quince costs 9.
# Tools
A hammer costs 12.
"""


def about(text: str = DOCUMENT) -> Message:
    """A question about a document, which is behind a pointer."""
    pointer = Pointer(message=read_document(text.encode(), "doc.md"), title="doc.md")
    return Message(("What costs more than 8?\n\nContext: ", pointer))


def quoting(names: tuple[str, ...], *quotes: Quote) -> Scripted:
    """Unlocks one content after the other and replies with quotations."""

    def script(view: View) -> Given | str:
        if view.refusal:
            return "refused"
        ahead = [name for name in names if name not in view.shown]
        return (Unlock((ahead[0],)),) if ahead else (Reply("that", quotes=quotes),)

    return Scripted("quoting", script)


def spans(*quotes: Quote, names: tuple[str, ...] = ("$q.1", "$q.1.1", "$q.1.1.1")) -> object:
    """The recorded spans of a reply, or why it was refused."""
    _, entries = deliberate(about(), quoting(names, *quotes))
    if refusals(entries):
        return refusals(entries)[0]
    (replied,) = [event for event in events_at(entries, "0") if isinstance(event, Replied)]
    return replied.quotes


def test_a_section_is_quoted_by_its_place() -> None:
    """The record holds where the words stand in the section, at every depth of nesting."""
    assert spans(Quote("$q.1.1", "A pear costs 4.")) == (Span("$q.1.1", 18, 33),)
    assert spans(Quote("$q.1.1.1", "quince costs 9")) == (Span("$q.1.1.1", 2, 16),)
    assert spans(Quote("$q", "What costs")) == (Span("$q", 0, 10),)


def test_a_quotation_may_be_as_the_view_shows_it() -> None:
    """Lines that are indented and characters that are escaped there are found all the same."""
    two_lines = spans(Quote("$q.1.1", "An apple costs 3.\n  A pear costs 4."))
    assert two_lines == (Span("$q.1.1", 0, 33),)
    escaped = spans(Quote("$q.1", "Prices \\[in euro\\], \\ and \\$a1 is"))
    assert escaped == spans(Quote("$q.1", "Prices [in euro], \\ and $a1 is"))
    assert escaped == (Span("$q.1", 0, 30),)


@pytest.mark.parametrize(
    ("quote", "words"),
    [
        (Quote("$q.1.1", "A quince costs 9."), "$q.1.1 does not contain the quoted text"),
        (Quote("$q.1.1", "a pear costs 4."), "$q.1.1 does not contain the quoted text"),
        (Quote("$q.1.2", "A hammer"), "$q.1.2 is not unlocked"),
        (Quote("$q.9", "A hammer"), "no pointer $q.9 is visible"),
        (Quote("$q.1", ""), "the quoted text of $q.1 is empty"),
        (Quote("$q.1", "is text.\n$q.1.1"), "does not contain"),
        (Quote("$q", "8?\n\nContext: $q.1"), "does not contain"),
        (Quote("$q.1", "is text.\n$q.1.1\n  $q.1.2"), "does not contain"),
        (Quote("$q.1", "is text.\0\n"), "must not contain NUL"),
    ],
)
def test_a_quotation_that_is_not_there_is_refused_in_words(quote: Quote, words: str) -> None:
    """What was not unlocked, or is not there letter by letter, is no quotation."""
    assert words in str(spans(quote))


def test_a_quotation_does_not_run_over_a_pointer() -> None:
    """Texts on both sides of a pointer are two quotations, and the refusal says so."""
    root = Message(("one ", Pointer(message=Message.of("hidden")), " two"))
    _, entries = deliberate(root, quoting((), Quote("$q", "one $q.1 two")))
    assert refusals(entries) == [
        "a quotation of $q runs over a pointer; quote what stands on one side of it"
    ]


@given(st.text(min_size=1), st.text(), st.text())
def test_whatever_a_view_shows_of_a_text_can_be_quoted(text: str, before: str, after: str) -> None:
    """A text copied from a view is found in its source, whatever characters it has."""
    source = Message((before + text.replace("\0", "") + after,))
    seen = indented(write(Message.of(text.replace("\0", "")), "$q.1"))
    place = place_of(seen, source)
    assert place is not None or not seen
    if place is not None:
        start, end = place
        assert indented(write(Message.of(literal(source)[start:end]), "$q.1")) in (
            seen,
            indented(write(Message.of(seen), "$q.1")),
        )
