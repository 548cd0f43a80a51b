"""Documents: files as message trees, and cut into pieces for views of a capped size."""

import re
from collections.abc import Iterator
from hashlib import blake2b

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Abstain, Ask, Given, Unlock
from decomposition.answerers.scripted import Scripted
from decomposition.caps import Caps
from decomposition.document import read_document
from decomposition.errors import BadTask
from decomposition.events import Woken
from decomposition.hypertext import content_hash, write
from decomposition.message import Message, Pointer
from decomposition.pieces import TITLE_BYTES, cut_title
from decomposition.rendering import indented
from decomposition.room import piece_room, usable
from decomposition.view import View
from tests.decomposition.kit import Options, answer, deliberate, refusals

ROOM = piece_room(4096)
MARKDOWN = """Before.
# One
Text of one.

## One and a half
- a
- b

# Two
```
# no heading
```
End.
"""


def tree(text: str, name: str = "doc.txt", room: int | None = ROOM) -> Message:
    """The message tree of a text."""
    return read_document(text.encode(), name, room)


def everything(message: Message, title: str = "") -> Iterator[tuple[str, Message]]:
    """All messages of a tree with their titles, each before what it points to."""
    yield title, message
    for pointer in message.pointers():
        assert pointer.message is not None
        yield from everything(pointer.message, pointer.title)


def leaves(message: Message) -> list[tuple[str, str]]:
    """Title and text of all that points to nothing, in order."""
    return [
        (title, "".join(str(part) for part in each.parts))
        for title, each in everything(message)
        if not each.pointers()
    ]


def taken(message: Message, name: str = "$q.1") -> int:
    """Bytes of a view that a message takes, with the titles of what it points to."""
    titles = [
        f"Title of {name}.{number}: {each.title}\n"
        for number, each in enumerate(message.pointers(), 1)
    ]
    return len(indented(write(message, name)).encode()) + len("".join(titles).encode())


def deepest(message: Message) -> int:
    """How many unlocks lead to what lies deepest."""
    inner = [each.message for each in message.pointers() if each.message is not None]
    return 1 + max(map(deepest, inner)) if inner else 0


def test_without_a_cap_documents_are_what_they_were() -> None:
    """Recorded traces hold the hashes of contexts: reading a file again gives them again."""
    plain = "".join(f"Paragraph {n}: {'words ' * 40}\n\n" for n in range(30))
    found = [
        content_hash(tree(text, name, None), str)
        for text, name in ((MARKDOWN, "doc.md"), (plain, "doc.txt"), ("short", "doc.txt"))
    ]
    told = blake2b("".join(found).encode(), digest_size=8).hexdigest()
    assert told == "a043bef6f04692b6"


def test_a_list_of_2000_items_becomes_a_balanced_tree() -> None:
    """All of its items stand in order in pieces named by their numbers, two unlocks deep."""
    text = "".join(f"- item {n} costs {n % 97} and is sold by the dozen\n" for n in range(2000))
    message = tree(text, "list.md")
    found = leaves(message)
    assert "".join(text for _, text in found) == text
    assert max(taken(each) for _, each in everything(message)) <= ROOM
    assert deepest(message) == 2
    titles = [title for title, _ in everything(message)]
    assert titles[1].startswith("items 1 to ")
    assert found[0][0].startswith("items 1 to ")
    assert found[-1][0].endswith(" to 2000")


def test_plain_lines_are_cut_at_line_ends_and_named_by_them() -> None:
    """Where nothing is a list, pieces are named by the lines that they hold."""
    text = "".join(f"line {n} of a log\n" for n in range(1, 501))
    for title, piece in leaves(tree(text, "some.log")):
        first, last = title.removeprefix("lines ").split(" to ")
        rows = piece.splitlines()
        assert (rows[0], rows[-1]) == (f"line {first} of a log", f"line {last} of a log")


def test_paragraphs_stay_whole_where_they_can() -> None:
    """A piece ends with a paragraph, if half of it or more are whole ones."""
    text = "".join(f"{n}. {'word ' * 30}\n{'word ' * 30}\n\n" for n in range(40)).replace(".", "")
    assert all(piece.endswith("\n\n") for _, piece in leaves(tree(text)))


def test_rows_of_a_table_keep_their_header() -> None:
    """Every piece of a CSV begins with its columns; a row in quotation marks stays whole."""
    body = [f'{n},"name {n}\nin two lines",{n * 3}\n' for n in range(300)]
    message = tree("id,name,price\n" + "".join(body), "table.csv")
    found = leaves(message)
    assert all(piece.startswith("id,name,price\n") for _, piece in found)
    assert "".join(piece.removeprefix("id,name,price\n") for _, piece in found) == "".join(body)
    assert found[-1][0].endswith(" to 300")
    assert all(piece.count('"') % 2 == 0 for _, piece in found)


def test_json_lines_are_rows() -> None:
    """A file of JSON Lines is cut between its lines, and has no header."""
    text = "".join(f'{{"id": {n}, "name": "[{n}] $q"}}\n' for n in range(400))
    found = leaves(tree(text, "rows.jsonl"))
    assert "".join(piece for _, piece in found) == text
    assert found[0][0].startswith("rows 1 to ")


def test_an_item_that_is_too_long_is_cut_at_a_sentence() -> None:
    """Its parts are named by its number; each ends where a sentence does."""
    item = "- " + "This sentence stands for many. " * 200 + "\n"
    found = leaves(tree("- short\n" + item + "- last\n", "list.md"))
    titles = [title for title, _ in found]
    assert titles[:3] == ["item 1", "item 2, part 1", "item 2, part 2"]
    assert titles[-1] == "item 3"
    assert all(piece.rstrip().endswith("many.") for title, piece in found if "part" in title)


def test_a_cut_heading_stands_whole_in_its_section() -> None:
    """A title has room in an outline; nothing of a heading is lost."""
    heading = "long " * 60
    message = tree(f"# {heading}\nText.\n# Two\n{'w ' * 1000}\n", "doc.md")
    (first, second) = message.pointers()
    assert len(first.title.encode()) <= TITLE_BYTES
    assert first.message == Message((f"{heading.strip()}\nText.\n",))
    assert second.title == "Two"


def test_sections_that_have_room_stand_as_without_a_cap() -> None:
    """A short document in pieces shows its sections in their places, nested as their headings."""
    message = tree(MARKDOWN, "doc.md")
    titles = [title for title, _ in everything(message)]
    assert titles == ["", "One", "One and a half", "Two"]
    assert message.parts[0] == "Before.\n"


WORDS = st.sampled_from(
    ["# A heading", "## Deeper " + "x" * 90, "- an item", "1. one", "", "plain", "w " * 400,
     "[$q] \\", "é" * 700, "\u2028\u2028", "```", "\tindented", "\r", "* " + "y" * 3000]
)  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(WORDS, max_size=60),
    st.integers(1024, 6000),
    st.sampled_from(["a.md", "a.txt", "a.csv", "a.jsonl"]),
)
def test_every_piece_and_every_outline_has_room(parts: list[str], cap: int, name: str) -> None:
    """However a document is made, nothing of it takes more than its part of a view (150)."""
    message = tree("\n".join(parts), name, piece_room(cap))
    for title, each in everything(message):
        assert taken(each) <= piece_room(cap) + usable(cap) // 12, title
        assert len(title.encode()) <= TITLE_BYTES


def explore(view: View) -> Given | str:
    """Unlock what the question points to; ask about each of its parts; count what was seen."""
    if view.refusal:
        return (Abstain(view.refusal),)
    if not view.shown:
        return (Unlock(("$q.1",)),)
    parts = re.findall(r"(?<!\\)\$q\.1\.\d+", str(view.shown["$q.1"]))
    if parts and not view.asked:
        asks = tuple(f"What is the longest word of this part?\n\nContext: {each}" for each in parts)
        return (Ask(asks), Unlock(tuple(f"$a{n}" for n in range(1, len(asks) + 1))))
    return "pneumonia"


@settings(max_examples=100)
@given(
    st.lists(WORDS, max_size=60),
    st.integers(1024, 6000),
    st.sampled_from(["a.md", "a.txt", "a.csv", "a.jsonl"]),
)
def test_whoever_asks_about_every_part_always_has_room(
    parts: list[str], cap: int, name: str
) -> None:
    """Outline after outline down to the last piece, nobody is refused for want of room (100)."""
    context = Pointer(message=tree("\n".join(parts), name, piece_room(cap)), title=cut_title(name))
    question = Message(("What is the longest word?\n\nContext: ", context))
    told: Options = {"caps": Caps(view_bytes=cap), "fuel": 10**9}
    session, entries = deliberate(question, Scripted("explore", explore), **told)
    assert answer(session) == "pneumonia"
    assert not refusals(entries)
    assert not [event for _, event in entries if isinstance(event, Woken) and event.refused]


@settings(max_examples=100)
@given(st.lists(WORDS, max_size=40), st.integers(1024, 3000))
def test_nothing_of_a_plain_text_is_lost(parts: list[str], cap: int) -> None:
    """The pieces, one behind the other, are the text (100)."""
    text = "\n".join(parts)
    found = leaves(tree(text, "a.txt", piece_room(cap)))
    assert "".join(piece for _, piece in found) == text.replace("\r\n", "\n")


@given(st.text())
def test_a_cut_title_has_its_room(title: str) -> None:
    """However long and in whatever script, a title is cut to its bytes."""
    assert len(cut_title(title).encode()) <= TITLE_BYTES


@pytest.mark.parametrize("room", [None, ROOM])
def test_an_empty_document_is_empty_text(room: int | None) -> None:
    """Nothing in it is nothing to see, with a cap and without."""
    assert tree("", "a.txt", room) == Message(("",))
    assert tree("", "a.md", room) == Message(("",))


def test_what_is_no_text_is_refused_in_words() -> None:
    """Bytes that are no UTF-8 and characters that nothing can store are named with their place."""
    with pytest.raises(BadTask, match="is not UTF-8 at byte 1"):
        read_document(b"a\xff", "a.txt", ROOM)
    with pytest.raises(BadTask, match=r"a\.txt:2: the text holds a NUL"):
        read_document(b"a\n\0", "a.txt", ROOM)


def test_a_large_document_is_cut_in_no_time() -> None:
    """Four megabytes in one line, and as many in a million lines, become trees of pieces."""
    for text in ("x" * 4_000_000, "y\n" * 500_000):
        message = tree(text, "a.txt", 300)
        assert deepest(message) >= 3
        assert isinstance(message.parts[0], Pointer)
