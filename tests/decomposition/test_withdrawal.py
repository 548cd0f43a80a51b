"""Withdrawal: a person's turn taken back counts as never given, while nothing was made of it."""

from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Ask, Note
from decomposition.errors import EngineBug, NotWithdrawable
from decomposition.events import (
    Asked,
    Audited,
    Combined,
    Entry,
    Event,
    Joined,
    Noted,
    Opened,
    Refused,
    Replied,
    Sampled,
    Unlocked,
    Withdrawn,
    Woken,
)
from decomposition.message import Message
from decomposition.ports import Authorship
from decomposition.session import Session
from decomposition.standing import standing, taken_back
from decomposition.tree import Tree, fold
from decomposition.withdrawal import Signed, withdrawal
from tests.decomposition.kit import ENGINE, MemoryStore, Shuffled, begun, deliberate, digest
from tests.decomposition.programs import Program, question, seeds

CASES = 40
ANNA = Authorship("human:anna", "human", 9_999, 9_999)
OPENED = ("0", Opened(Message.of("root"), (100,)))


class Record:
    """A session's events as people and the engine give them, turn by turn."""

    def __init__(self) -> None:
        self.entries: list[Signed] = [(*OPENED, ENGINE)]

    def turn(self, path: str, *events: Event, author: str = "human") -> int:
        """A turn; the number of its first event."""
        first = len(self.entries)
        by = Authorship(f"{author}:anna", author, first, first)
        self.entries += [(path, event, by) for event in events]
        return first

    def engine(self, path: str, event: Event) -> None:
        """Something that the engine decided."""
        self.entries.append((path, event, ENGINE))

    def withdraw(self, number: int) -> None:
        """Take a turn back."""
        self.entries.append((withdrawal(self.entries, number, ANNA).path, Withdrawn(number), ANNA))

    @property
    def tree(self) -> Tree:
        """What the events come to."""
        return fold(plain(self.entries))


def plain(entries: Sequence[Signed]) -> list[Entry]:
    """Events without who gave them."""
    return [(path, event) for path, event, _ in entries]


# -- random programs -------------------------------------------------------------------------


class Meddler:
    """Takes random turns back as the loop commits, and holds the trees against each other."""

    def __init__(self, store: MemoryStore, seed: int, tries: int = 30) -> None:
        self.taken = 0
        self.refused: list[str] = []
        self._store = store
        self._random = Random(seed)  # noqa: S311 - a test's choice
        self._tries = tries

    def __call__(self, sessions: Sequence[Session]) -> None:
        """What the loop calls after each commit."""
        for session in sessions:
            rows = self._store.sessions[session.number]
            assert state(session.tree) == state(fold(plain(rows), keep=False))
            firsts = [
                number
                for number, row in enumerate(rows)
                if row[2].author == "human"
                and not isinstance(row[1], Withdrawn)
                and (row[0], row[2]) != (rows[number - 1][0], rows[number - 1][2])
            ]
            if firsts and self._tries and self._random.random() < 0.4:
                self._tries -= 1
                self._meddle(session, rows, self._random.choice(firsts[-4:]))

    def _meddle(self, session: Session, rows: list[Signed], number: int) -> None:
        before = state(session.tree)
        try:
            taken = session.withdraw(number, rows, ANNA)
        except NotWithdrawable as refusal:
            self.refused.append(str(refusal))
            assert state(session.tree) == before
            assert not session.staged
            return
        self.taken += 1
        gone = {*taken_back(plain(rows)), *range(number, taken.last + 1)}
        never = [
            entry
            for each, entry in enumerate(plain(rows))
            if each not in gone and not isinstance(entry[1], Withdrawn)
        ]
        assert state(session.tree) == state(fold(never, keep=False))


def state(tree: Tree) -> dict[str, object]:
    """All that a tree holds, without what was evicted."""
    return dict(tree.state())


def person(seed: int, *, samples: bool = True) -> Program:
    """A random program whose turns are a person's."""
    actor = Program(seed, samples=samples)
    actor.author = "human"
    return actor


@settings(max_examples=CASES)
@given(seeds, seeds, st.sampled_from(["none", "session"]), st.sampled_from([1, 3, 1024]))
def test_a_withdrawn_turn_counts_as_never_given(
    seed: int, meddling: int, joins: str, width: int
) -> None:
    """Random turns of random programs: the state without them at once, the same digest (40)."""
    expected, _ = deliberate(question(), person(seed), joins=joins)
    store = MemoryStore()
    meddler = Meddler(store, meddling)
    session, entries = deliberate(
        question(), person(seed), store=store, on_commit=meddler, joins=joins, width=width
    )
    assert digest(session) == digest(expected)
    assert fold(entries).finish() == digest(expected)
    assert sum(isinstance(event, Withdrawn) for _, event in entries) == meddler.taken


@settings(max_examples=CASES)
@given(seeds, seeds, st.integers(1, 12), st.sampled_from(["none", "session"]))
def test_calls_under_way_go_on_after_a_withdrawal(
    seed: int, meddling: int, concurrency: int, joins: str
) -> None:
    """Calls that come back later find their workspaces, readers through pointers too (40)."""
    inner = person(seed)
    inner.reads_through = meddling % 3 == 0
    expected, _ = deliberate(question(), inner)
    store = MemoryStore()
    actor = Shuffled(inner, meddling)
    actor.author = "human"
    meddler = Meddler(store, meddling)
    session, entries = deliberate(
        question(), actor, store=store, on_commit=meddler, concurrency=concurrency, joins=joins
    )
    assert digest(session) == digest(expected)
    assert fold(entries).finish() == digest(expected)


@settings(max_examples=CASES)
@given(seeds, seeds, st.floats(0, 1))
def test_a_resume_goes_on_without_what_was_withdrawn(seed: int, meddling: int, at: float) -> None:
    """Cut off after any commit, it comes to the digest that it had come to (40 programs)."""
    store = MemoryStore()
    meddler = Meddler(store, meddling)
    session, entries = deliberate(question(), person(seed), store=store, on_commit=meddler)
    cut = store.commits[int(at * (len(store.commits) - 1))]
    resumed, _ = deliberate(question(), person(seed), resume=entries[:cut])
    assert digest(resumed) == digest(session)


def test_random_programs_have_turns_of_both_kinds() -> None:
    """The properties above take turns back, and meet every reason why others cannot be."""
    taken = 0
    refused: list[str] = []
    for seed in range(40):
        store = MemoryStore()
        meddler = Meddler(store, seed)
        deliberate(question(), person(seed), store=store, on_commit=meddler, width=1)
        taken += meddler.taken
        refused += meddler.refused
    assert taken > 40
    for reason in ("worked", "shown", "combined", "not the last"):
        assert any(reason in each for each in refused), reason


# -- what goes with it -----------------------------------------------------------------------


def test_fuel_and_numbers_come_back() -> None:
    """The next subquestion is `$a1` again, and has the fuel that the first one had."""
    record = Record()
    first = record.turn("0", Asked(("a", "b"), (40, 40)))
    record.withdraw(first)
    assert record.tree.nodes["0"].workspace.fuel == 100
    record.turn("0", Asked(("c",), (90,), eager=True))
    assert record.tree.nodes["0.1"].workspace.question == Message.of("c")


def test_turns_are_taken_back_one_by_one_from_the_last() -> None:
    """Once the last is gone, the one before it is the last; none is taken back twice."""
    record = Record()
    one, two = record.turn("0", Noted("a")), record.turn("0", Noted("b"))
    with pytest.raises(NotWithdrawable, match=f"not the last of its workspace: event {two}"):
        record.withdraw(one)
    record.withdraw(two)
    record.withdraw(one)
    assert standing(plain(record.entries)) == [OPENED]
    for number in (one, two):
        with pytest.raises(NotWithdrawable, match="already"):
            record.withdraw(number)


def test_a_prefix_shows_the_turn_as_long_as_it_stood() -> None:
    """A replay at an event before the withdrawal has the turn, at the withdrawal it has not."""
    record = Record()
    record.withdraw(record.turn("0", Noted("a")))
    assert fold(plain(record.entries)[:2]).nodes["0"].workspace.note == "a"
    assert record.tree.nodes["0"].workspace.note == ""


def test_an_audit_goes_with_its_turn() -> None:
    """That a turn was compared with a recorded one is no use of it."""
    record = Record()
    number = record.turn("0", Noted("a"))
    record.engine("0", Audited("t-1#4", agreed=True))
    record.withdraw(number)
    assert standing(plain(record.entries)) == [OPENED]


def test_a_question_that_two_wanted_stays_open() -> None:
    """Another one demanded it too: only the wish that was taken back is gone."""
    record = Record()
    record.turn("0", Asked(("a",), (10,)))
    record.turn("0", Asked(("b $a1", "c $a1"), (20, 20), eager=True))
    number = record.turn("0.2", Unlocked(("$q.1",)))
    record.turn("0.3", Unlocked(("$q.1",)))
    record.turn("0.1", Noted("at work"))
    record.withdraw(number)
    assert record.tree.nodes["0.2"].workspace.waiting == ()
    assert record.tree.nodes["0.1"].workspace.note == "at work"


# -- what was made of it ---------------------------------------------------------------------


def opened_and_worked(record: Record) -> int:
    """The turn opened a question in which somebody has acted."""
    number = record.turn("0", Asked(("a",), (40,)), Unlocked(("$a1",)))
    record.turn("0.1", Noted("x"), author="model")
    return number


def shown_to_the_asker(record: Record) -> int:
    """The asker waited for the answer."""
    record.turn("0", Asked(("a",), (40,)), Unlocked(("$a1",)))
    return record.turn("0.1", Replied("x"))


def shown_later(record: Record) -> int:
    """The asker unlocked the answer after it had come."""
    record.turn("0", Asked(("a",), (40,), eager=True))
    number = record.turn("0.1", Replied("x"))
    record.turn("0", Unlocked(("$a1",)))
    record.turn("0", Noted("seen"))
    return number


def shown_at_a_race(record: Record) -> int:
    """The asker waited for any of several."""
    record.turn("0", Asked(("a", "b"), (40, 40)), Unlocked(("$a1", "$a2"), "any"))
    number = record.turn("0.1", Replied("x"))
    record.engine("0", Woken(("$a1",)))
    return number


def unlocked_and_shown(record: Record) -> int:
    """The turn's own unlock has shown what it asked for."""
    record.turn("0", Asked(("a",), (40,), eager=True))
    record.turn("0.1", Replied("x"))
    return record.turn("0", Unlocked(("$a1",)), Refused("late", late=True))


def combined(record: Record) -> int:
    """The answer was one of the votes."""
    record.turn("0", Asked(("a",), (20, 20), 2, eager=True))
    number = record.turn("0.1:0", Replied("x"))
    record.turn("0.1:1", Replied("x"))
    record.engine("0.1", Combined(0, "majority", (0, 0), 1.0))
    return number


def drawn_because_of(record: Record) -> int:
    """Another sample was drawn because of the answer."""
    record.turn("0", Asked(("a",), (20, 20), 2, "ahead-1", eager=True))
    number = record.turn("0.1:0", Replied("x"))
    record.engine("0.1", Sampled())
    return number


def compared_behind_a_pointer(record: Record) -> int:
    """A vote was an answer that points to this one."""
    record.turn("0", Asked(("a",), (20, 20), 2, eager=True))
    record.turn("0.1:0", Asked(("deep",), (5,)), Replied("see $a1"))
    record.turn("0.1:1", Replied("no"))
    number = record.turn("0.1:0.1", Replied("x"))
    record.engine("0.1", Combined(None, "majority", (0, 1), 0.5))
    return number


def joined(record: Record) -> int:
    """An equal question took the answer over."""
    record.turn("0", Asked(("a", "a"), (40, 40), eager=True))
    number = record.turn("0.1", Replied("x"))
    record.engine("0.2", Joined("0.1", "00" * 32, Message.of("x")))
    return number


def joined_above(record: Record) -> int:
    """The answer is part of one that was taken over."""
    record.turn("0", Asked(("a", "a"), (40, 40), eager=True))
    record.turn("0.1", Asked(("deep",), (5,), eager=True), Replied("x"))
    number = record.turn("0.1.1", Replied("y"))
    record.engine("0.2", Joined("0.1", "00" * 32, Message.of("x")))
    return number


def joined_for_its_content(record: Record) -> int:
    """That two questions are equal showed by this answer."""
    record.turn("0", Asked(("a", "b $a1"), (40, 40), eager=True))
    number = record.turn("0.1", Replied("x"))
    record.engine("0.2", Joined("t-1/0.4", "00" * 32, Message.of("z")))
    return number


def given_out(record: Record) -> int:
    """It is the root's answer."""
    return record.turn("0", Replied("x"))


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (opened_and_worked, "worked at 0.1"),
        (shown_to_the_asker, "shown at 0"),
        (shown_later, "shown at 0"),
        (shown_at_a_race, "shown at 0"),
        (unlocked_and_shown, "unlocked has been shown"),
        (combined, "combined at 0.1"),
        (drawn_because_of, "combined at 0.1"),
        (compared_behind_a_pointer, "compared with others at 0.1"),
        (joined, "joined at 0.2"),
        (joined_above, "joined at 0.2"),
        (joined_for_its_content, "joined at 0.2"),
        (given_out, "over"),
    ],
)
def test_a_turn_of_which_something_was_made_stays(
    made: Callable[[Record], int], reason: str
) -> None:
    """The words say what was made of it, and where."""
    record = Record()
    number = made(record)
    with pytest.raises(NotWithdrawable, match=reason):
        record.withdraw(number)


@pytest.mark.parametrize(
    "made", [combined, drawn_because_of, joined, joined_above, shown_at_a_race]
)
def test_what_was_not_used_yet_can_be_taken_back(made: Callable[[Record], int]) -> None:
    """One event earlier nothing had been made of the turn."""
    record = Record()
    number = made(record)
    record.entries.pop()
    record.withdraw(number)
    assert taken_back(plain(record.entries)) == {number}


@pytest.mark.parametrize("author", ["human", "human-after-draft", "human-approved"])
def test_people_withdraw(author: str) -> None:
    """Whatever they had before them when they gave the turn."""
    record = Record()
    number = record.turn("0", Noted("a"), author=author)
    by = Authorship("human:anna", author, 50, 50)
    assert withdrawal(record.entries, number, by).unusable == (number,)


@pytest.mark.parametrize("author", ["scripted", "model", "student", "engine", "memo-of-human"])
def test_nobody_but_a_person_withdraws_and_nothing_but_a_persons_turn(author: str) -> None:
    """Answerers that are no people neither take back nor are taken back."""
    record = Record()
    number = record.turn("0", Noted("a"))
    with pytest.raises(NotWithdrawable, match="only a person"):
        withdrawal(record.entries, number, Authorship("x", author, 50, 50))
    other = record.turn("0", Noted("b"), author=author)
    with pytest.raises(NotWithdrawable, match="not of a person's turn"):
        record.withdraw(other)


def test_a_turn_is_named_by_its_first_event() -> None:
    """No other event of it, no event that is not there, no withdrawal."""
    record = Record()
    number = record.turn("0", Noted("a"), Asked(("b",), (40,)))
    for wrong, reason in ((number + 1, "not the first"), (99, "no event"), (-1, "no event")):
        with pytest.raises(NotWithdrawable, match=reason):
            record.withdraw(wrong)
    record.withdraw(number)
    with pytest.raises(NotWithdrawable, match="not of a person's turn"):
        record.withdraw(number + 2)


# -- a session under way ---------------------------------------------------------------------


def test_nothing_is_withdrawn_while_events_wait() -> None:
    """A withdrawal that came in the middle of a commit would be lost."""
    session = begun("root", person(1))
    with pytest.raises(NotWithdrawable, match="on their way"):
        session.withdraw(0, [], ANNA)


def test_a_live_tree_does_not_unfold() -> None:
    """Only a fold takes a turn back: whoever applies a withdrawal alone has a bug."""
    with pytest.raises(EngineBug, match="folding anew"):
        Tree().apply("0", Withdrawn(1))


def test_what_somebody_looks_at_is_not_taken_from_him() -> None:
    """Whose view is with an answerer was shown, though he has not acted yet."""
    rows: list[Signed] = [(*OPENED, ENGINE)]
    session = begun("root", person(1), resume=plain(rows))
    session.absorb(ENGINE)
    (root,) = session.take(1)
    session.act(root, (Ask(("a",), eager=True),), Authorship("human:anna", "human", 1, 1))
    session.absorb(ENGINE)
    rows += session.staged
    session.committed, session.staged = len(rows), []
    session.put_back(next(node for node in session.take(2) if node.path == "0"))
    with pytest.raises(NotWithdrawable, match=r"shown at 0\.1"):
        session.withdraw(1, rows, ANNA)
    session.put_back(session.tree.nodes["0.1"])
    session.withdraw(1, rows, ANNA)
    assert set(session.tree.nodes) == {"0"}


def test_a_turn_for_a_view_that_was_taken_back_is_left() -> None:
    """Who was shown what followed on the turn acts on nothing that is."""
    rows: list[Signed] = [(*OPENED, ENGINE)]
    session = begun("root", person(1), resume=plain(rows))
    session.absorb(ENGINE)
    (root,) = session.take(1)
    session.act(root, (Note("a"),), Authorship("human:anna", "human", 1, 1))
    rows += session.staged
    session.committed, session.staged = len(rows), []
    session.absorb(ENGINE)
    (shown,) = session.take(1)
    session.withdraw(1, rows, ANNA)
    session.act(shown, (Note("b"),), Authorship("human:anna", "human", 2, 2))
    assert [event for _, event, _ in session.staged] == [Withdrawn(1)]
    session.absorb(ENGINE)
    (again,) = session.take(1)
    assert session.view_of(again).note == ""
