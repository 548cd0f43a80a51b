"""Hypertext: the written form, its escapes, pointers and hashes, as properties."""

import re
from collections.abc import Callable
from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from decomposition.errors import IllegalAction
from decomposition.hypertext import (
    HASH_PREFIX,
    MAX_NESTING,
    POINTER_NAME,
    addresses,
    content_hash,
    cut_written,
    escape,
    failure_hash,
    folded,
    folded_hash,
    parse,
    write,
    write_out,
)
from decomposition.message import Failure, Message, Pointer
from tests.decomposition.kit import written

CASES = 100

texts = st.text(
    st.one_of(st.sampled_from("[]$\\$$\\qan.120_ (\n"), st.characters(exclude_categories=["Cs"])),
    max_size=12,
)
"""Any text that can be stored, with much of what is special in it."""


def messages(pointers: st.SearchStrategy[Pointer], least: int = 1) -> st.SearchStrategy[Message]:
    """Messages whose texts are not empty and never stand side by side, as `parse` makes them."""
    parts = st.lists(st.one_of(texts.filter(bool), pointers), min_size=least, max_size=4)
    return parts.map(lambda each: Message(_merged(each)))


def _merged(parts: list[str | Pointer]) -> tuple[str | Pointer, ...]:
    merged: list[str | Pointer] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, str) and isinstance(last, str):
            merged[-1] = last + part
        else:
            merged.append(part)
    return tuple(merged)


answers = st.builds(Pointer, answer=st.sampled_from(["0.1", "0.2", "0.1.1"]))
contents = st.recursive(
    messages(st.nothing(), 0),
    lambda inner: messages(st.builds(Pointer, message=inner), 0),
    max_leaves=6,
)
nestings = messages(st.builds(Pointer, message=contents))
mixed = messages(st.one_of(answers, st.builds(Pointer, message=contents)))
tiny = st.lists(st.sampled_from(["$q.1", "$", "q", ".", "1", "[", "\\", Pointer(answer="0.1")]))
tiny = tiny.filter(bool).map(lambda each: Message(_merged(each)))
"""Messages of so few kinds of pieces that many look almost alike."""


def reader(message: Message, name: str) -> Callable[[str], Pointer]:
    """How a reader who calls the message by this name resolves the names that it sees."""
    known = {f"{name}.{place}": each for place, each in enumerate(message.pointers(), 1)}
    return lambda found: known[found]


def where(address: str) -> str:
    """An answer that is pending: its hash is its address."""
    return address


# -- text ------------------------------------------------------------------------------------


@settings(max_examples=CASES)
@given(texts)
@example("\\")
@example("ends with \\")
@example("\\$a1 [\\] $q.1")
def test_an_escaped_text_is_read_back_as_itself(text: str) -> None:
    """Whatever a text contains, its escaped form means exactly that text (100 cases)."""
    assert written(escape(text)) == Message.of(text)


@settings(max_examples=CASES)
@given(texts, texts)
def test_different_texts_have_different_escaped_forms(one: str, other: str) -> None:
    """Escaping loses nothing (100 cases)."""
    assert (escape(one) == escape(other)) == (one == other)


@pytest.mark.parametrize("text", ["[", "]", "][", "a [ b", "a ] b", "[ [", "]]", "\\", "\\x", "$"])
def test_what_does_not_close_or_begin_anything_is_text(text: str) -> None:
    """A bracket without its partner, a lone backslash and a lone dollar are text."""
    assert written(text) == Message.of(text)


def test_an_unclosed_bracket_leaves_the_closed_one_alone() -> None:
    """Of several brackets only those without a partner are text."""
    inner = Pointer(message=Message.of("x"))
    assert written("[[x]").parts == ("[", inner)
    assert written("[x]]").parts == (inner, "]")
    assert written("] [x] [").parts == ("] ", inner, " [")


@pytest.mark.parametrize("text", ["\\[x]", "[x\\]", "\\[x\\]"])
def test_an_escaped_bracket_has_no_partner(text: str) -> None:
    r"""`\[` and `\]` are literal, and do not pair with a bracket that is not escaped."""
    assert written(text) == Message.of(text.replace("\\", ""))


def test_an_escaped_dollar_names_nothing() -> None:
    r"""`\$a1` is three characters of text."""
    assert written(r"costs \$a1") == Message.of("costs $a1")


@pytest.mark.parametrize(
    "text",
    [
        "$quit", "$5", "$", "$$", "$a", "$a0", "$a01", "$A1", "$Q", "$q1", "$q_", "$n2", "$nq",
        "$a1b", "$a1_", "$a1234567890", "$b1", "$ q", "q", "a1", "$-1", "${q}", "$é", "$a٣",
    ],
)  # fmt: skip
def test_what_is_no_name_is_text(text: str) -> None:
    """Only `$q…`, `$aN…` and `$n` are pointers; `$quit` and `$5` are text."""
    assert written(text) == Message.of(text)


@pytest.mark.parametrize(
    "name", ["$q", "$n", "$a1", "$a10", "$q.1", "$a2.1", "$a2.1.3", "$n.1", "$a123456789.12"]
)
@pytest.mark.parametrize("after", ["", " ", ".", ". ", ".0", ",", "é", "-x", "$", "\n", "]"])
def test_a_name_is_a_pointer_whatever_ends_it(name: str, after: str) -> None:
    """A name stands for its pointer at the end of a text and before what cannot continue it."""
    target = Pointer(answer="0.9")
    found: list[str] = []

    def resolve(each: str) -> Pointer:
        found.append(each)
        return target

    message = parse(f"see {name}{after}", resolve)
    assert found == [name]
    assert message.parts == ("see ", target, *([after] if after else []))


@settings(max_examples=CASES)
@given(
    st.sampled_from(["$q", "$n", "$a"]),
    st.lists(st.integers(1, 999_999_999), min_size=1, max_size=4),
)
def test_every_name_is_found_as_a_whole(head: str, numbers: list[int]) -> None:
    """A name is read as one pointer, never as a shorter one and text (100 cases)."""
    name = head + ("" if head == "$a" else ".") + ".".join(map(str, numbers))
    assert POINTER_NAME.fullmatch(name)
    target = Pointer(answer="0.9")
    assert parse(name, lambda each: target if each == name else Pointer()).parts == (target,)


# -- brackets --------------------------------------------------------------------------------


@pytest.mark.parametrize("deep", [1, MAX_NESTING])
def test_brackets_nest_up_to_the_cap(deep: int) -> None:
    """As many levels as the cap says are read, each as one pointer inside the one before."""
    message = written("[" * deep + "x" + "]" * deep)
    for _ in range(deep):
        (pointer,) = message.pointers()
        assert pointer.message is not None
        message = pointer.message
    assert message == Message.of("x")


@pytest.mark.parametrize("deep", [MAX_NESTING + 1, 5_000, 100_000])
def test_brackets_beyond_the_cap_are_refused(deep: int) -> None:
    """Deeper nesting is an illegal action, however deep, and never a RecursionError."""
    with pytest.raises(IllegalAction, match="nest"):
        written("[" * deep + "x" + "]" * deep)


def test_brackets_that_never_close_do_not_nest() -> None:
    """A hundred thousand opening brackets are a text."""
    assert written("[" * 100_000) == Message.of("[" * 100_000)


@settings(max_examples=CASES)
@given(st.text("[]x\\$", max_size=40))
def test_every_text_of_brackets_means_something(text: str) -> None:
    """Any text without names is read, and writing it out and reading it again changes nothing.

    100 cases.
    """
    try:
        message = written(text)
    except IllegalAction:
        assert text.count("[") > MAX_NESTING
        return
    assert written(write_out(message)) == message or text == ""


def test_reading_takes_time_in_proportion_to_length() -> None:
    """Four times the text takes about four times as long to read, not sixteen times."""

    def seconds(size: int) -> float:
        text = "x[" * size
        best = 1e9
        for _ in range(2):
            started = process_time()
            written(text)
            best = min(best, process_time() - started)
        return best

    assert seconds(120_000) < 8 * seconds(30_000)


# -- messages --------------------------------------------------------------------------------


@settings(max_examples=CASES)
@given(nestings)
@example(Message((Pointer(message=Message(())), "2")))
def test_what_an_author_writes_out_is_read_back(message: Message) -> None:
    """Text and nested content survive the way through the written form (100 cases)."""
    assert written(write_out(message)) == message


@settings(max_examples=CASES)
@given(mixed, st.sampled_from(["$q", "$a1", "$a2.3"]))
@example(Message((Pointer(answer="0.1"), "2")), "$q")
@example(Message((Pointer(answer="0.1"), "x")), "$q")
@example(Message((Pointer(answer="0.1"), ".1")), "$q")
@example(Message((Pointer(answer="0.1"), "_")), "$q")
@example(Message(("\\", Pointer(answer="0.1"))), "$q")
@example(Message(("$", Pointer(answer="0.1"))), "$q")
@example(Message((Pointer(answer="0.1"), "\\", Pointer(answer="0.2"))), "$q")
def test_what_a_reader_copies_means_what_it_saw(message: Message, name: str) -> None:
    """The form in which a reader sees a message, put into its own text, is that message again.

    100 cases.
    """
    assert parse(write(message, name), reader(message, name)) == message


@settings(max_examples=3 * CASES)
@given(tiny, tiny)
@example(Message((Pointer(answer="0.1"), "2")), Message((Pointer(answer="0.1"),)))
def test_messages_that_read_alike_are_alike(one: Message, other: Message) -> None:
    """Two messages look the same only if their texts are the same with pointers between them.

    300 cases.
    """
    shapes = [[part if isinstance(part, str) else None for part in m.parts] for m in (one, other)]
    assert (write(one, "$q") == write(other, "$q")) == (shapes[0] == shapes[1])


def test_a_title_is_no_part_of_the_written_form() -> None:
    """A section is written as a locked pointer; the view says its title on a line of its own."""
    message = Message(("see ", Pointer(message=Message.of("x"), title="On $q [1]")))
    assert write(message, "$q") == "see $q.1"


def test_no_text_passes_for_a_title() -> None:
    """Text after a pointer is not taken for a title: titles are no part of the written form."""
    content = Message.of("x")
    titled = Message((Pointer(message=content, title="official"),))
    spoof = Message((Pointer(message=content), " (official)"))
    assert (write(titled, "$q"), write(spoof, "$q")) == ("$q.1", "$q.1 (official)")


@pytest.mark.parametrize("cut", [("$", "q"), ("\\", "["), ("$a", "1"), ("a", "b"), ("\\", "$q")])
def test_a_text_is_a_text_however_it_is_cut(cut: tuple[str, ...]) -> None:
    """Two texts side by side mean the same as one: no name or escape arises between them."""
    assert written(write_out(Message(cut))) == Message.of("".join(cut))


@pytest.mark.parametrize(
    "pointer",
    [Pointer(answer="0.1"), Pointer(message=Message.of("x"), title="t"), Pointer()],
)
def test_an_address_or_a_title_cannot_be_written_by_an_author(pointer: Pointer) -> None:
    """Only names lead to answers: a message with an address in it is refused."""
    with pytest.raises(IllegalAction):
        write_out(Message(("x", pointer)))


def test_pointers_and_addresses_are_found_in_order() -> None:
    """`pointers` are those of the message itself, `addresses` those inside brackets too."""
    first, second = Pointer(answer="0.1"), Pointer(answer="0.2")
    inside = Pointer(message=Message(("in ", second)))
    message = Message(("a ", first, " b ", inside))
    assert message.pointers() == (first, inside)
    assert list(addresses(message)) == ["0.1", "0.2"]
    assert not message.plain
    assert Message.of("$a1 [x]").plain


# -- hashes ----------------------------------------------------------------------------------


@settings(max_examples=CASES)
@given(mixed, mixed)
@example(Message.of("ab"), Message(("a", Pointer(message=Message.of("b")))))
@example(Message((Pointer(message=Message.of("x")),)), Message.of("x"))
def test_equal_content_and_nothing_else_has_an_equal_hash(one: Message, other: Message) -> None:
    """A hash tells messages apart by their text, their pointers and what these lead to.

    100 cases.
    """
    assert (content_hash(one, where) == content_hash(other, where)) == (one == other)


def test_a_hash_looks_through_pointers() -> None:
    """What a pointer leads to counts, not by what name, nor whether it was nested or answered."""
    said = content_hash(Message.of("5"), where)
    by_answer = content_hash(Message(("is ", Pointer(answer="0.1"))), lambda _: said)
    by_nesting = content_hash(Message(("is ", Pointer(message=Message.of("5")))), where)
    assert by_answer == by_nesting
    assert by_answer != content_hash(Message.of("is 5"), where)


def test_a_hash_has_a_prefix_and_64_digits() -> None:
    """`b2:` says which algorithm made it."""
    assert re.fullmatch(f"{HASH_PREFIX}[0-9a-f]{{64}}", content_hash(Message.of(""), where))


@settings(max_examples=CASES)
@given(texts, texts, texts, texts)
def test_a_failure_hashes_apart(kind: str, reason: str, kind2: str, reason2: str) -> None:
    """Failures differ by kind and reason, and none has the hash of a message (100 cases)."""
    one, other = Failure(kind, reason), Failure(kind2, reason2)
    assert (failure_hash(one) == failure_hash(other)) == (one == other)
    assert failure_hash(one) != content_hash(Message.of(kind + reason), where)


# -- questions -------------------------------------------------------------------------------


@settings(max_examples=CASES)
@given(texts)
def test_folding_twice_is_folding_once(text: str) -> None:
    """The form in which questions are compared is stable (100 cases)."""
    assert folded(folded(text)) == folded(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a b", " a \n\t b "),
        ("caf\u00e9", "cafe\u0301"),
        ("\ud55c", "\u1112\u1161\u11ab"),
        ("a\u00a0b", "a b"),
    ],
)
def test_white_space_and_composition_do_not_make_a_question(one: str, other: str) -> None:
    """Questions are compared after NFC, with runs of white space as one space."""
    assert folded_hash(Message.of(one)) == folded_hash(Message.of(other))


@pytest.mark.parametrize(("one", "other"), [("a", "A"), ("ab", "a b"), ("1", "\uff11")])
def test_other_differences_make_a_question(one: str, other: str) -> None:
    """Case, a space that is there or not, and compatibility forms are differences."""
    assert folded_hash(Message.of(one)) != folded_hash(Message.of(other))


def test_questions_with_equal_text_differ_by_what_they_point_to() -> None:
    """A question is the same only if its pointers lead to the same content."""
    five = Message(("is ", Pointer(message=Message.of("5"))))
    six = Message(("is  ", Pointer(message=Message.of("6"))))
    other_five = Message((" is\n", Pointer(message=Message.of("5"))))
    assert folded_hash(five) != folded_hash(six)
    assert folded_hash(five) == folded_hash(other_five)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("q [a  b]", "q [a b]", True),
        ("q [ a\n[b  c ]]", "q  [a [b c]]", True),
        ("a b [x]", "a b[x]", False),
        ("[x] a", "[x]a", False),
        (" [x] ", "[x]", True),
        ("[x] [y]", "[x][y]", False),
        ("[x]  [y]", "[x] [y]", True),
    ],
)
def test_white_space_is_folded_inside_and_kept_beside_pointers(
    one: str,
    other: str,
    same: bool,  # noqa: FBT001
) -> None:
    """Nested content is folded like the question; a space beside a pointer is a space."""
    assert (folded_hash(written(one)) == folded_hash(written(other))) is same


@settings(max_examples=CASES)
@given(st.text("ab [[]]]$.1\\é", max_size=40), st.integers(1, 40))
def test_a_cut_is_a_beginning(text: str, limit: int) -> None:
    """Whatever is cut, it fits, and it says and points to the beginning of what the whole does.

    100 cases.
    """

    def named(name: str) -> Pointer:
        return Pointer(answer=name)

    kept = cut_written(text, limit)
    assert len(kept.encode()) <= limit
    assert _begins(parse(kept, named), parse(text, named))


def _begins(part: Message, whole: Message) -> bool:
    """Whether a message is the beginning of another, the last nested one too."""
    mine, theirs = list(part.parts), list(whole.parts)
    if mine in ([], [""]):
        return True
    *before, last = mine
    if before != theirs[: len(before)] or len(theirs) < len(mine):
        return False
    other = theirs[len(before)]
    if isinstance(last, str):
        return isinstance(other, str) and other.startswith(last)
    if not isinstance(other, Pointer) or last.message is None or other.message is None:
        return last == other
    return _begins(last.message, other.message)
