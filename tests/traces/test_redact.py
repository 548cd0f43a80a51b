"""Redaction: no byte of what was taken away is left, and everything else still holds."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Ask, Given, Note, Unlock
from decomposition.events import Asked, Joined, Noted, Opened, Replied
from decomposition.hypertext import escape
from decomposition.message import Message, Pointer
from decomposition.ports import Reusable
from decomposition.tree import fold
from decomposition.view import View
from tests.decomposition.kit import deliberate
from tests.decomposition.programs import Program, question, seeds
from tests.traces.engine import deliberated
from tests.traces.kit import append, deliberation, recorded
from traces.errors import Conflict, NotRedactable, UnknownId
from traces.husk import BLANK, blanked, husk, texts
from traces.leases import acquire
from traces.record import Ending, NewLine
from traces.redact import redact
from traces.replay import tree_at
from traces.store import Store
from traces.verify import verify

TOLD = 'the tiger\'s "naïve" pass\\word\n\u2028🐯'
"""Characters that are escaped in JSON, and some that take two bytes or four."""


def left(place: Path, text: str) -> list[str]:
    """In which files, and in which of its forms, a text is left."""
    forms = {
        "UTF-8": text.encode(),
        "UTF-16 LE": text.encode("utf-16-le"),
        "UTF-16 BE": text.encode("utf-16-be"),
        "JSON": json.dumps(text, ensure_ascii=False)[1:-1].encode(),
        "ASCII JSON": json.dumps(text)[1:-1].encode(),
        "its beginning": b"the tiger's",
    }
    return [
        f"{file.name}: {name}"
        for file in sorted(place.parent.iterdir())
        for name, form in forms.items()
        if form in file.read_bytes()
    ]


def asking(view: View) -> Given | str:
    """Asks a subquestion about the secret and repeats its answer."""
    if view.question.startswith("What is"):
        return f"it is {TOLD}"
    if not view.asked:
        return (Note(f"look for {TOLD}"), Ask((f"What is {TOLD}?",)), Unlock(("$a1",)))
    return "see $a1"


def test_no_byte_is_left_in_any_file(place: Path) -> None:
    """Not in events, answers, inputs, labels, indexes, free pages or logs; in no session."""
    with Store.open(place) as store:
        config = json.dumps({"about": [TOLD]})
        line = NewLine(f"id {TOLD}", config, f"label {TOLD}")
        run = store.register.create_run("first", "amplify", config, [line], now_us=5)
        (waiting,) = store.register.sessions(run.number)
        append(store, waiting, [("0", Opened(Message((f"ask {TOLD}",)), (5,)))])
        store.register.finish(waiting.number, Ending("answered", f"so {TOLD}", "b2:1"))
        ask = f"Tell me of {TOLD}"
        deliberated(store, ask, asking, memo=True, joins="shared")
        _, row = deliberated(store, ask, asking, memo=True, joins="shared")
        assert TOLD in row.answer
        store.flush()
        store.reuse.flush()
        assert left(place, TOLD)
        report = redact(store, row.trace, 0, reason=f"because of {TOLD}", also=[TOLD])
        assert report.purged
        assert (report.sessions, report.copies) == (3, ())
        assert left(place, TOLD) == []
        assert verify(store).ok
    assert left(place, TOLD) == []
    with Store.open(place) as store:
        assert verify(store).ok
        assert store.register.find_session(row.trace).answer == f"see {BLANK}"


def test_a_redacted_trace_is_replayed_without_its_texts(store: Store) -> None:
    """The tree keeps its form; only what was taken away is blank."""
    _, row = deliberated(store, "Tell me", asking)
    number = next(
        each.number for each in store.records(row.number) if isinstance(each.event, Asked)
    )
    before = tree_at(store, row.number)
    redact(store, row.trace, number, reason="asked for", also=[TOLD])
    after = tree_at(store, row.number)
    assert after.nodes.keys() == before.nodes.keys()
    record = next(iter(store.records(row.number, number)))
    assert record.redacted
    assert record.event == Asked((BLANK,), record.event.fuel)  # type: ignore[attr-defined]
    assert [each.redacted for each in store.records(row.number)].count(True) == 3


def test_the_chain_goes_on_after_a_redaction(site: str) -> None:
    """The head is the same, later events are added, earlier ones can be redacted too."""
    with Store.open(site) as store:
        session = recorded(store, 20)
        redact(store, session.trace, 7, reason="asked for", everywhere=False)
        assert store.register.session(session.number).head == session.head
        append(store, session, deliberation(30, 20))
        redact(store, session.trace, 3, reason="asked for", everywhere=False)
        redact(store, session.trace, 25, reason="asked for", everywhere=False)
        append(store, session, deliberation(35, 30))
        report = verify(store)
        assert report.ok
        assert (report.events, report.redacted) == (35, 3)
    with Store.open(site) as store:
        assert [r.number for r in store.records(session.number) if r.redacted] == [3, 7, 25]


def test_a_redacted_text_cannot_be_guessed_back(store: Store) -> None:
    """Without its salt the commitment does not say whether a guess is right."""
    session = recorded(store, 20)
    ((seed,),) = store.database.rows("SELECT salt_seed FROM session")
    redact(store, session.trace, 7, reason="asked for", everywhere=False)
    ((now, count),) = store.database.rows("SELECT salt_seed, count FROM session")
    assert now != seed
    rows = store.database.rows("SELECT id & 4294967295, salt, commitment FROM event")
    assert [number for number, salt, _ in rows if salt is None] == [7]
    assert [number for number, _, commitment in rows if commitment is not None] == [7]
    assert len({salt for _, salt, _ in rows}) == count


def test_a_process_that_works_the_session_notices(site: str) -> None:
    """Its next commit is a conflict, not a hole in the chain."""
    with Store.open(site) as one, Store.open(site) as other:
        session = recorded(one, 5)
        append(other, session, deliberation(8, 5))
        one.register.session(session.number)
        redact(one, session.trace, 2, reason="asked for", everywhere=False)
        with pytest.raises(Conflict):
            append(other, session, deliberation(9, 8))
        append(other, session, deliberation(9, 8))
        assert verify(other).ok


def test_what_was_taken_from_it_is_redacted_too(store: Store) -> None:
    """Turns that a memo used again and answers that were joined, however short their text."""
    _, first = deliberated(store, "Go", lambda _: "42", memo=True, joins="shared")
    _, joined = deliberated(store, "Go", lambda _: "42", joins="shared")
    _, again = deliberated(store, "Go", lambda _: "42", memo=True)
    number = next(r.number for r in store.records(first.number) if isinstance(r.event, Replied))
    report = redact(store, first.trace, number, reason="asked for", everywhere=False)
    places = {(trace, number) for trace, number in report.events}
    assert {trace for trace, _ in places} == {first.trace, joined.trace, again.trace}
    events = [
        each.event
        for row in (first, joined, again)
        for each in store.records(row.number)
        if each.redacted
    ]
    assert [type(event) for event in events] == [Replied, Joined, Replied]
    assert all(texts(event) == (BLANK,) for event in events)
    assert verify(store).ok


def test_nothing_redacted_is_used_again(store: Store) -> None:
    """Its rows of the index are gone, in the window and in the file."""
    for flushed in (False, True):
        session = recorded(store, 3)
        key, other = bytes([1 + flushed]) * 20, bytes([9 + flushed]) * 20
        reusable = Reusable([(key, session.number, 3)], [(other, session.number, 3, b"d" * 32)])
        append(store, session, [("0.1", Replied("an answer"))], reusable=reusable)
        assert store.turns([key])[0]
        if flushed:
            store.reuse.flush()
        report = redact(store, session.trace, 3, reason="asked for", everywhere=False)
        assert (report.turns, report.answers) == (1, 1)
        assert store.turns([key]) == [[]]
        assert store.closed(other) is None
        assert verify(store).ok


def test_what_may_depend_on_it_is_marked(store: Store) -> None:
    """Later events of its workspace, of its askers and below it; no others."""
    session = store.register.open_session(now_us=5)
    paths = ["0", "0.1", "0.1.2", "0.1.2:1", "0.1.2.4", "0.2", "0.1.20", "0.1", "0.1.2", "0"]
    append(store, session, [(path, Noted(f"note {number}")) for number, path in enumerate(paths)])
    report = redact(store, session.trace, 2, reason="asked for", everywhere=False)
    assert report.stale == 5
    assert store.stale(session.number) == dict.fromkeys(
        (3, 4, 7, 8, 9), "depends on redacted event 2"
    )


def test_a_rehearsal_changes_nothing(site: str) -> None:
    """And says what would be taken away."""
    with Store.open(site) as store:
        first, second = recorded(store, 10), recorded(store, 10)
        report = redact(store, first.trace, 1, reason="asked for", rehearse=True)
        assert report.events[0] == (first.trace, 1)
        assert {trace for trace, _ in report.events} == {first.trace, second.trace}
        assert not any(r.redacted for r in store.records(first.number))
        assert store.entries(first.number) == deliberation(10)


def test_only_long_texts_are_looked_for_elsewhere(store: Store) -> None:
    """A short answer stands everywhere; a long one is taken out wherever it stands."""
    sessions = [recorded(store, 2) for _ in range(2)]
    for text in ("short", "a long text"):
        for session in sessions:
            append(store, session, [("0", Noted(text)), ("0", Noted(f"and {text} too"))])
    first, second = sessions
    found = redact(store, first.trace, 2, reason="asked for").events
    assert found == ((first.trace, 2),)
    found = redact(store, first.trace, 4, reason="asked for").events
    assert sorted(found) == sorted((s.trace, n) for s in sessions for n in (4, 5))
    assert [r.number for r in store.records(second.number) if r.redacted] == [4, 5]


def test_a_copy_from_before_a_migration_is_named(place: Path) -> None:
    """It still holds everything; the caller must decide."""
    with Store.open(place) as store:
        session = recorded(store, 3)
        copy = place.with_name(f"{place.name}.before-0001")
        copy.touch()
        report = redact(store, session.trace, 1, reason="asked for")
        assert report.copies == (str(copy),)
        assert str(copy) in str(report)


def test_while_somebody_reads_the_file_cannot_be_written_anew(place: Path) -> None:
    """The redaction stands, and says that free pages may hold the text."""
    with Store.open(place, patience_s=0.1) as store:
        session = recorded(store, 300)
        with closing(sqlite3.connect(place, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM event").fetchone()
            report = redact(store, session.trace, 1, reason="asked for")
            assert not report.purged
            assert "free pages" in str(report)
        assert verify(store).ok


def bare(view: View) -> Given | str:
    """Repeats its question as it sees it."""
    return f"the case of {view.question}"


@pytest.mark.parametrize(
    "text", ["Jane Doe [patient 4711]", r"Jane \Doe\ \[4711\]", "Jane Doe $a1"]
)
def test_a_text_is_found_in_its_escaped_form(place: Path, text: str) -> None:
    """Whoever quotes brackets, pointers and backslashes writes them another way."""
    with Store.open(place) as store:
        _, row = deliberated(store, text, bare)
        _, other = deliberated(store, "Go", lambda _: f"it is {escape(text)}")
        report = redact(store, row.trace, 0, reason="asked for")
        assert [number for _, number in report.events] == [0, 1, 1]
        assert other.trace in dict(report.events)
        assert verify(store).ok
    assert b"Jane" not in place.read_bytes()
    assert b"4711" not in place.read_bytes()


CODE = "the code is 7351"


def deriving(view: View) -> Given | str:
    """Derives answers from a secret far below, without repeating it."""
    if view.question == "deep":
        return CODE
    if view.question == "mid":
        return "it is known" if view.asked else (Ask(("deep",)), Unlock(("$a1",)))
    return f"{view.shown['$a1']}!" if view.asked else (Ask(("mid",)), Unlock(("$a1",)))


def test_who_joined_above_the_event_loses_its_digests(site: str) -> None:
    """Or the text could be guessed: the digest of an answer covers all that is below it."""
    with Store.open(site) as store:
        _, first = deliberated(store, "one", deriving, joins="shared")
        _, second = deliberated(store, "two", deriving, joins="shared")
        _, third = deliberated(store, "two", deriving, joins="shared")
        number = next(n.number for n in store.records(first.number) if n.event == Replied(CODE))
        report = redact(store, first.trace, number, reason="asked for")
        assert len(report.events) == 1
        assert (report.digests, report.stale) == (2, 5)
        joins = [
            (session.number, each.number, each.event)
            for session in (second, third)
            for each in store.records(session.number)
            if isinstance(each.event, Joined)
        ]
        assert [event.message for *_, event in joins] == [
            Message.of("it is known"),
            Message.of("it is known!"),
        ]
        assert {event.digest for *_, event in joins} == {"00" * 32}
        assert all(number in store.stale(session) for session, number, _ in joins)
        for session in (first, second, third):
            assert store.register.session(session.number).digest == ""
        assert verify(store, refold=True).ok
        _, later = deliberated(store, "three", deriving, joins="shared")
        assert not any(isinstance(each.event, Joined) for each in store.records(later.number))


def test_a_digest_cannot_be_guessed_from_any_column(place: Path) -> None:
    """No digest that covers the text is left in the file, in bytes or in hexadecimal."""
    with Store.open(place) as store:
        _, first = deliberated(store, "one", deriving, joins="shared")
        tree = fold(store.entries(first.number))
        digests = [tree.nodes[path].digest for path in ("0.1.1", "0.1", "0")]
        deliberated(store, "two", deriving, joins="shared")
        number = next(n.number for n in store.records(first.number) if n.event == Replied(CODE))
        redact(store, first.trace, number, reason="asked for")
    file = place.read_bytes()
    assert not any(form in file for each in digests for form in (each, each.hex().encode()))


def test_what_is_not_reached_is_said(place: Path) -> None:
    """Short texts elsewhere and single words in what depends on it: named, and taken if asked."""

    def script(view: View) -> Given | str:
        if view.question == "the PIN":
            return "zq7"
        if not view.asked:
            return (Ask(("the PIN",)), Unlock(("$a1",)))
        return f"so it is {view.shown['$a1']}"

    with Store.open(place) as store:
        _, first = deliberated(store, "one", script)
        _, second = deliberated(store, "two", script)
        number = next(n.number for n in store.records(first.number) if n.event == Replied("zq7"))
        left_over = [(first.trace, 4), (second.trace, 3), (second.trace, 4)]
        for rehearse in (True, False):
            report = redact(store, first.trace, number, reason="x", rehearse=rehearse)
            assert list(report.left) == left_over
            assert report.left_events == 3
        assert report.left_rows == 1
        assert f"{second.trace} event 3" in str(report)
        assert store.register.session(first.number).answer == f"so it is {BLANK}"
        report = redact(store, first.trace, 4, reason="x", also=["zq7"])
        assert (report.left, report.left_rows) == ((), 0)
        assert "not reached" not in str(report)
        assert verify(store).ok
    assert b"zq7" not in place.read_bytes()


def test_words_of_a_question_in_its_subquestions_are_named(store: Store) -> None:
    """A root that is taken away leaves what its subquestions repeat of it."""

    def script(view: View) -> Given | str:
        return (
            "1987" if view.question.startswith("born") else (Ask(("born? Jane",)), Unlock(("$a1",)))
        )

    _, row = deliberated(store, "When was Jane Roe born?", lambda v: "so" if v.asked else script(v))
    _, other = deliberated(store, "Jane?", lambda _: "who")
    report = redact(store, row.trace, 0, reason="asked for")
    assert report.left == ((row.trace, 1),)
    assert other.trace not in dict(report.left)


def test_a_run_loses_its_name_too(store: Store) -> None:
    """And with it the lease under that name."""
    run = store.register.create_run(f"run {TOLD}", "amplify", "{}", [NewLine("x", "{}")], now_us=5)
    acquire(store.database, f"run:{run.name}")
    session = recorded(store, 2)
    append(store, session, [("0", Noted(TOLD))])
    redact(store, session.trace, 2, reason="asked for")
    assert [each.name for each in store.register.runs()] == [f"run {BLANK} {run.number}"]
    assert store.database.rows("SELECT resource FROM lease") == []
    assert verify(store).ok


@pytest.mark.parametrize("number", [-1, 20, 1 << 40])
def test_an_event_that_is_not_there_cannot_be_redacted(store: Store, number: int) -> None:
    """Nor can one twice."""
    session = recorded(store, 20)
    recorded(store, 20)
    with pytest.raises(NotRedactable):
        redact(store, session.trace, number, reason="asked for")
    redact(store, session.trace, 5, reason="asked for", everywhere=False)
    with pytest.raises(NotRedactable, match="already"):
        redact(store, session.trace, 5, reason="asked for")
    with pytest.raises(UnknownId):
        redact(store, "t-none", 5, reason="asked for")
    assert verify(store).ok


# -- husks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", ""),
        ("text", BLANK),
        ("$a1", "$a1"),
        ("from $a1 to $q.2.", f"{BLANK}$a1{BLANK}$q.2{BLANK}"),
        ("a [nested [deep] one] b", f"{BLANK}[{BLANK}[{BLANK}]{BLANK}]{BLANK}"),
        (r"costs \$a1 \[sic\]", BLANK),
        ("$a1$a2", "$a1$a2"),
        ("$nothing", BLANK),
    ],
)
def test_a_blanked_text_keeps_pointers_and_brackets(written: str, expected: str) -> None:
    """And nothing else."""
    assert blanked(written) == expected


def test_a_blanked_message_keeps_its_pointers() -> None:
    """Titles and nested content are blank too."""
    message = Message(("a", Pointer(Message(("b",)), title="c"), Pointer(answer="0.1")))
    event = husk(Opened(message, (5,)))
    assert event == Opened(
        Message((BLANK, Pointer(Message((BLANK,)), title=BLANK), Pointer(answer="0.1"))), (5,)
    )


@settings(max_examples=60)
@given(seeds, st.data())
def test_whatever_is_redacted_the_rest_still_folds(seed: int, data: st.DataObject) -> None:
    """Any events of any deliberation may be husks: the tree has the same workspaces."""
    _, entries = deliberate(question(), Program(seed))
    chosen = data.draw(st.sets(st.integers(0, len(entries) - 1)))
    husks = [(path, husk(e) if n in chosen else e) for n, (path, e) in enumerate(entries)]
    whole, left_over = fold(entries), fold(husks)
    assert left_over.nodes.keys() == whole.nodes.keys()
    assert left_over.finished == whole.finished
