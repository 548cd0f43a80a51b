"""Memos: a recorded turn used again for an equal view, and for no other."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Ask, Given, Quote, Reply, Unlock
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Scripted
from decomposition.errors import TransientFault
from decomposition.events import Asked, Audited, Replied
from decomposition.memo import actions, audited, choose, draw
from decomposition.message import PLACE_BOUND, Failure, Message
from decomposition.ports import MemoTurn
from decomposition.routing import Policy
from decomposition.setting import Environs
from decomposition.view import View
from tests.decomposition.kit import (
    MemoryStore,
    Options,
    Shuffled,
    Watching,
    answer,
    deliberate,
    digest,
    events_at,
    failures,
    written,
)
from tests.decomposition.programs import Program, question, seeds

CASES = 25


def two_leaves(view: View) -> Given | str:
    """A root with two different subquestions and one that is asked twice."""
    if view.question != "root":
        return view.question.upper()
    if view.asked:
        return "done"
    return (Ask(("a", "b", "a")), Unlock(("$a1", "$a2", "$a3")))


class Named(Scripted):
    """A script with a name and instructions of its own."""

    def __init__(self, name: str, instructions: str = "") -> None:
        super().__init__(name, two_leaves)
        self.instructions = instructions


def memo(store: MemoryStore, number: int, **more: object) -> Options:
    """A session of its own over a shared memo."""
    options: Options = {"store": store, "number": number, "memo": True}
    return {**options, **more}  # type: ignore[typeddict-item]


def again(first: Answerer, second: Answerer, **more: object) -> tuple[int, int]:
    """How many calls a second session makes after a first, and how many turns it saves."""
    store = MemoryStore()
    deliberate("root", first, **memo(store, 1, **more))
    session, _ = deliberate("root", second, **memo(store, 2, **more))
    return session.counts.calls, session.counts.memo_hits


# -- using -----------------------------------------------------------------------------------


def test_an_equal_view_takes_the_recorded_turn() -> None:
    """A second session with the same views asks nobody, and comes to the same digest."""
    store = MemoryStore()
    first, before = deliberate("root", Scripted("s", two_leaves), **memo(store, 1))
    actor = Watching(Scripted("s", two_leaves))
    second, after = deliberate("root", actor, **memo(store, 2))
    assert not actor.views
    assert second.counts.calls == 0
    assert second.counts.memo_hits == 5
    assert after == before
    assert digest(second) == digest(first)


def test_an_automated_turn_names_its_origin() -> None:
    """Each event of it says whose memo it is, and where the turn was first given."""
    store = MemoryStore()
    _, entries = deliberate("root", Scripted("s", two_leaves), **memo(store, 1))
    deliberate("root", Scripted("s", two_leaves), **memo(store, 2))
    for (path, _), by in zip(store.entries(2), store.authors(2), strict=True):
        if by.answerer:
            assert by.author == "memo-of-scripted"
            session, _, number = by.origin.partition("#")
            assert session == "1"
            origin_path = entries[int(number)][0]
            assert path in (origin_path, "0.3")


def test_without_the_setting_nothing_is_used_or_kept() -> None:
    """Memos are on request."""
    store = MemoryStore()
    deliberate("root", Scripted("s", two_leaves), store=store)
    assert store.kept == 0
    deliberate("root", Scripted("s", two_leaves), **memo(store, 2))
    assert store.kept == 4
    session, _ = deliberate("root", Scripted("s", two_leaves), store=store, number=3)
    assert session.counts.memo_hits == 0


def test_a_memo_saves_work_inside_one_session() -> None:
    """An equal question later in the same session is not asked again; its workspace exists."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return "leaf"
        if len(view.asked) < 3:
            name = f"$a{len(view.asked) + 1}"
            return (Ask(("same",), fuel=9), Unlock((name,)))
        return "done"

    actor = Watching(Scripted("s", script))
    session, entries = deliberate("root", actor, memo=True)
    assert sum(view.question == "same" for view in actor.views) == 1
    assert session.counts.memo_hits == 2
    assert session.outlook().workspaces == 4
    assert all(len(events_at(entries, f"0.{n}")) == 1 for n in (1, 2, 3))


@settings(max_examples=CASES)
@given(seeds)
def test_memos_change_no_digest(seed: int) -> None:
    """A deliberation has one digest without memos, with a fresh one and with a full one (25)."""
    plain, _ = deliberate(question(), Program(seed))
    store = MemoryStore()
    fresh, _ = deliberate(question(), Program(seed), **memo(store, 1))
    reused, _ = deliberate(question(), Program(seed), **memo(store, 2, width=3))
    assert digest(plain) == digest(fresh) == digest(reused)
    assert fresh.counts.calls >= reused.counts.calls
    assert reused.counts.memo_hits > 0 or fresh.counts.calls == reused.counts.calls


# -- keys ------------------------------------------------------------------------------------


def test_the_same_answerer_is_needed() -> None:
    """Another identity, another version of the instructions or another role finds nothing."""
    same = Named("one", "v1")
    assert again(same, Named("one", "v1")) == (0, 5)
    assert again(same, Named("two", "v1")) == (4, 1)
    assert again(same, Named("one", "v2")) == (4, 1)
    assert again(same, Named("one")) == (4, 1)


def test_the_same_role_is_needed() -> None:
    """What an overseer said is not what it says as a student or directly."""
    store = MemoryStore()
    actor = Scripted("s", two_leaves)
    deliberate("a", actor, **memo(store, 1))
    session, _ = deliberate("a", actor, **memo(store, 2, policy=Policy("direct")))
    assert session.counts.memo_hits == 0
    session, _ = deliberate("a", actor, **memo(store, 3))
    assert session.counts.memo_hits == 1
    session, _ = deliberate(
        "root", actor, **memo(store, 4, policy=Policy("amplify"), student=actor)
    )
    assert session.counts.memo_hits == 1  # the second `a`


def test_samples_are_not_memos_of_each_other() -> None:
    """Each sample is asked, though its text is the same; a second session knows them all."""

    def script(view: View) -> Given | str:
        if view.question == "root":
            return (Ask(("a",), 5, "plurality"), Unlock(("$a1",))) if not view.asked else "x"
        return view.key.hex()

    store = MemoryStore()
    first, _ = deliberate("root", Scripted("s", script), **memo(store, 1))
    assert first.counts.calls == 7
    second, _ = deliberate("root", Scripted("s", script), **memo(store, 2))
    assert (second.counts.calls, second.counts.memo_hits) == (0, 7)


def test_a_primitive_is_looked_up_and_not_remembered() -> None:
    """The environment is the truth about the context; its answers are no memos."""
    environs = Environs(Scripted("e", lambda _: "fact"), lambda text: text == "a", lambda _: "")
    store = MemoryStore()
    calls: list[int] = []
    for number in (1, 2):
        session, _ = deliberate(
            "root", Scripted("s", two_leaves), **memo(store, number, environs=environs)
        )
        assert session.counts.lookups == 2
        calls.append(session.counts.calls)
    assert calls == [3, 0]


def test_the_content_that_is_shown_is_in_the_key() -> None:
    """Equal questions about different content are different views once the content is seen."""

    def script(view: View) -> Given | str:
        if not view.shown:
            return (Unlock(("$q.1",)),)
        return f"saw {view.shown['$q.1']}"

    store = MemoryStore()
    used: list[tuple[int, int]] = []
    for number, content in enumerate(("one", "two", "one"), 1):
        session, _ = deliberate(
            written(f"see [{content}]"), Scripted("s", script), **memo(store, number)
        )
        assert answer(session) == f"saw {content}"
        used.append((session.counts.calls, session.counts.memo_hits))
    assert used == [(2, 0), (1, 1), (0, 2)]


# -- keeping ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [(), (Reply(" "),), (Unlock(("$a9",)),), (Reply("x"), Reply("y"))])
def test_a_turn_with_a_refusal_is_not_kept(bad: Given) -> None:
    """What was refused here may be legal elsewhere: such a turn is asked again."""
    store = MemoryStore()
    deliberate("root", Scripted("s", lambda _: bad), **memo(store, 1))
    assert store.kept == 0


@pytest.mark.parametrize("kind", sorted(PLACE_BOUND))
@pytest.mark.parametrize("inner", [False, True])
def test_a_turn_that_saw_a_failure_of_its_place_is_not_kept(kind: str, inner: bool) -> None:  # noqa: FBT001
    """Cycle, fuel, spend, timeout and provider belong to a place: who saw one is asked again."""

    def script(view: View) -> Given | str:
        match view.question:
            case "root":
                if not view.asked:
                    return (Ask(("wrap" if inner else "bad",), fuel=50), Unlock(("$a1",)))
                if inner and "$a1.1" not in view.shown:
                    return (Unlock(("$a1.1",)),)
                return "saw it"
            case "wrap":
                return (Ask(("bad",)), Reply("see $a1"))
            case _:
                return Failure(kind)

    store = MemoryStore()
    first, entries = deliberate("root", Scripted("s", script), **memo(store, 1))
    assert answer(first) == "saw it"
    assert kind in failures(entries).values()
    second, _ = deliberate("root", Scripted("s", script), **memo(store, 2))
    assert second.counts.calls == 2  # the failing call, and the turn that saw it


@pytest.mark.parametrize("kind", sorted(PLACE_BOUND))
def test_who_reads_through_to_such_a_failure_is_asked_again(kind: str) -> None:
    """The failure may stand behind the question: for a reader that sees it, it is seen."""

    def script(view: View) -> Given | str:
        match view.question:
            case "root":
                return (Ask(("bad", "about $a1", "fine")), Reply("$a2 $a3"))
            case "bad":
                return Failure(kind)
            case _:
                return "answered"

    student = Scripted("s", script, reads_through=True)
    store = MemoryStore()
    deliberate("root", student, **memo(store, 1))
    second, _ = deliberate("root", student, **memo(store, 2))
    assert (second.counts.calls, second.counts.memo_hits) == (2, 2)


def test_other_failures_and_abstentions_are_kept() -> None:
    """An abstention or a refusal of the model is an answer like another."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return Failure("refused", "no")
        return "saw" if view.asked else (Ask(("bad",)), Unlock(("$a1",)))

    store = MemoryStore()
    deliberate("root", Scripted("s", script), **memo(store, 1))
    second, _ = deliberate("root", Scripted("s", script), **memo(store, 2))
    assert (second.counts.calls, second.counts.memo_hits) == (1, 2)


def test_a_turn_that_cannot_be_read_off_its_events_is_asked_again() -> None:
    """A reply with quotations or one that was cut is not guessed at."""
    reply = Reply("it is said", quotes=(Quote("$q", "is"),))
    store = MemoryStore()
    for number in (1, 2):
        session, _ = deliberate("what is it", lambda _: (reply,), **memo(store, number))
        assert session.counts.calls == 1


def test_a_cascades_student_is_remembered_too() -> None:
    """A sure student's answer, and an unsure one's draft, are turns like others."""
    for confidence, calls in ((0.95, 1), (0.2, 2)):
        store = MemoryStore()
        student = Scripted("student", lambda _, sure=confidence: (Reply("guess", sure),))
        policy = Policy("cascade", 0.9)
        first, before = deliberate(
            "q", lambda _: "decided", **memo(store, 1, student=student, policy=policy)
        )
        assert first.counts.calls == calls
        second, after = deliberate(
            "q", lambda _: "decided", **memo(store, 2, student=student, policy=policy)
        )
        assert after == before
        assert (second.counts.calls, second.counts.memo_hits) == (0, calls)


# -- single flight ---------------------------------------------------------------------------


def test_equal_views_of_one_batch_are_asked_once() -> None:
    """Ten equal subquestions that are ready together cost one call."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return view.question
        names = tuple(f"$a{n}" for n in range(1, 12))
        return (Ask(("same",) * 10 + ("other",)), Unlock(names)) if not view.asked else "done"

    actor = Watching(Scripted("s", script))
    session, _ = deliberate("root", actor, memo=True)
    assert [view.question for view in actor.views] == ["root", "same", "other", "root"]
    assert (session.counts.calls, session.counts.memo_hits) == (4, 9)


@pytest.mark.parametrize("seed", range(8))
def test_equal_views_in_flight_are_asked_once(seed: int) -> None:
    """A view whose equal is being answered waits for that answer, however long others take."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return view.question
        names = tuple(f"$a{n}" for n in range(1, 7))
        asks = Ask(("same", "b", "same", "c", "same", "d"))
        return (asks, Unlock(names)) if not view.asked else "done"

    actor = Watching(Scripted("s", script))
    session, _ = deliberate("root", Shuffled(actor, seed), memo=True, concurrency=4)
    assert sum(view.question == "same" for view in actor.views) == 1
    assert (session.counts.calls, session.counts.memo_hits) == (6, 2)


def test_a_flight_that_cannot_be_remembered_is_followed_by_another() -> None:
    """If the first of equal calls is refused, the next is asked, until all have an answer."""
    given: list[Given | str] = [(Reply(" "),), "x"]

    def script(view: View) -> Given | str:
        if view.question == "root":
            asks = (Ask(("same", "same")), Unlock(("$a1", "$a2")))
            return asks if not view.asked else "done"
        return given[1] if view.refusal else given.pop(0) if len(given) > 1 else given[0]

    session, _ = deliberate("root", script, memo=True)
    assert answer(session) == "done"


# -- several turns ---------------------------------------------------------------------------


def turn(origin: str, text: str) -> MemoTurn:
    """A recorded reply."""
    _, entries = deliberate("q", lambda _: text)
    return MemoTurn(origin, "human", tuple(entries[1:]))


TURNS: Sequence[MemoTurn] = [turn("1#1", "a"), turn("2#1", "b"), turn("3#1", "b")]


def test_the_first_turn_is_used_unless_another_is_wanted() -> None:
    """`first` is the oldest, `majority` the most frequent, `ask` none."""
    assert choose(TURNS, "first", 0, b"key") is TURNS[0]
    assert choose(TURNS, "majority", 0, b"key") is TURNS[1]
    assert choose(TURNS, "ask", 0, b"key") is None
    assert choose([], "first", 0, b"key") is None


def test_a_tie_goes_to_the_oldest() -> None:
    """Among equally frequent turns the first observed counts."""
    assert choose([*TURNS, turn("4#1", "a")], "majority", 0, b"key") is TURNS[0]


def test_a_sample_is_drawn_by_seed_and_key() -> None:
    """`sample` draws evenly, equally for equal seed and key, and each turn is drawn some time."""
    drawn = [choose(TURNS, "sample", 7, bytes([n])) for n in range(200)]
    assert drawn == [choose(TURNS, "sample", 7, bytes([n])) for n in range(200)]
    counts = [sum(each is kept for each in drawn) for kept in TURNS]
    assert min(counts) > 40
    assert drawn != [choose(TURNS, "sample", 8, bytes([n])) for n in range(200)]


@pytest.mark.parametrize(
    ("choice", "said"), [("first", "one"), ("majority", "two"), ("ask", "fresh")]
)
def test_the_setting_says_which_turn_is_used(choice: str, said: str) -> None:
    """Several turns observed for one view: the session uses the one that it is told to."""
    store = MemoryStore()
    for number, text in enumerate(("one", "two", "two"), 1):
        deliberate("q", lambda _, t=text: t, **memo(store, number, memo_choice="ask"))
    session, _ = deliberate("q", lambda _: "fresh", **memo(store, 9, memo_choice=choice))
    assert answer(session) == said
    assert session.counts.memo_hits == (choice != "ask")


# -- auditing --------------------------------------------------------------------------------


@given(st.integers(0, 10**6), st.binary(min_size=20, max_size=20))
def test_a_draw_is_a_number_below_one(seed: int, key: bytes) -> None:
    """Draws depend on seed, key and purpose alone (100 cases)."""
    assert 0 <= draw(seed, key, "audit") < 1
    assert draw(seed, key, "audit") == draw(seed, key, "audit")
    assert not audited(0.0, seed, key)
    assert audited(1.0, seed, key)
    assert not audited(0.3, seed, key) or audited(0.5, seed, key)


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_automated_turns_are_asked_again_at_the_stated_rate(rate: float) -> None:
    """Over two thousand keys the share asked again is the rate, within four deviations."""
    keys = [n.to_bytes(20, "big") for n in range(2000)]
    share = sum(audited(rate, 3, key) for key in keys) / len(keys)
    assert abs(share - rate) < 4 * (rate * (1 - rate) / len(keys)) ** 0.5


def audit(first: Answerer, second: Answerer, **more: object) -> tuple[int, int]:
    """How many recorded turns were asked again, and how many of those agreed."""
    store = MemoryStore()
    deliberate("root", first, **memo(store, 1, **more))
    session, entries = deliberate("root", second, **memo(store, 2, audit=1.0, **more))
    recorded = [event for _, event in entries if isinstance(event, Audited)]
    assert len(recorded) == session.counts.audits
    assert sum(event.agreed for event in recorded) == session.counts.audits_agreed
    assert all(event.origin.startswith("1#") for event in recorded)
    return session.counts.audits, session.counts.audits_agreed


ALIKE: tuple[Callable[[View], Given | str], ...] = (
    two_leaves,
    lambda _: (Reply(Message.of("x")),),
    lambda _: (Reply("x", 1),),
    lambda view: "x" if view.shown else (Unlock(("$q", "$q")),),
    lambda view: "x" if view.asked else (Ask((Message.of("a"),)), Reply("$a1")),
)
"""Answerers that say the same again, though the record writes it in its own way."""


@pytest.mark.parametrize("script", ALIKE)
@pytest.mark.parametrize("samples", [1, 3])
def test_an_audit_of_the_same_answerer_agrees(
    script: Callable[[View], Given | str], samples: int
) -> None:
    """Who says the same again is found to say the same, however the record writes it."""
    actor = Scripted("s", script)
    asked, agreed = audit(actor, actor, node_samples=samples)
    assert asked == agreed > 0


def test_an_audit_finds_another_answer() -> None:
    """Who says something else is counted as a disagreement; the fresh answer is used."""
    first = Scripted("s", two_leaves)
    second = Scripted("s", lambda view: "other" if view.question == "b" else two_leaves(view))
    store = MemoryStore()
    deliberate("root", first, **memo(store, 1))
    session, entries = deliberate("root", second, **memo(store, 2, audit=1.0))
    assert session.counts.audits - session.counts.audits_agreed == 1
    assert [path for path, event in entries if isinstance(event, Audited) and not event.agreed] == [
        "0.2"
    ]
    assert events_at(entries, "0.2")[-2].message == "other"  # type: ignore[attr-defined]


def test_an_audit_that_is_not_answered_is_a_disagreement_of_nobody() -> None:
    """A fault during an audit stops nothing: the call is tried again like any other."""
    tries: list[int] = []

    class Flaky(Scripted):
        async def act(self, views: Sequence[View]) -> Sequence[Given]:
            """Fail once."""
            tries.append(len(views))
            if len(tries) == 1:
                raise TransientFault("503")
            return await super().act(views)

    assert audit(Scripted("s", two_leaves), Flaky("s", two_leaves)) == (5, 5)


# -- reading a turn off its events -----------------------------------------------------------


@settings(max_examples=CASES)
@given(seeds)
def test_actions_are_read_off_events(seed: int) -> None:
    """For every turn of a tree, acting out what was read off gives the same events (25 trees)."""
    store = MemoryStore()
    _, entries = deliberate(question(), Program(seed, errs=False), **memo(store, 1))
    replayed, after = deliberate(question(), Program(seed, errs=False), **memo(store, 2, width=1))
    assert sorted(map(repr, after)) == sorted(map(repr, entries))
    assert replayed.counts.calls == 0


def test_what_no_turn_brought_about_is_no_turn() -> None:
    """Events that an answerer did not choose, or chose in part only, are not read as actions."""
    _, entries = deliberate("q", lambda _: (Reply(" "),))
    assert actions(entries[1:2]) is None
    assert actions(entries[-1:]) is None
    assert actions([]) is None
    assert actions([("0", Replied("x", None, (), 3))]) is None
    assert actions([("0", Asked(("x",), (1,), dropped=1))]) is None


# -- the session's votes ---------------------------------------------------------------------


@pytest.mark.parametrize(("before", "now"), [(3, 1), (3, 5), (1, 3), (3, 3)])
def test_a_memo_holds_what_was_given_and_not_the_votes(before: int, now: int) -> None:
    """The answerer asked for one answer; how often the session has it answered is its own."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return "leaf"
        sampled = Ask(("b",), samples=2, rule="plurality", fuel=9)
        turn = (Ask(("a",), fuel=9), sampled, Unlock(("$a1", "$a2")))
        return "done" if view.asked else turn

    store = MemoryStore()
    actor = Scripted("s", script)
    deliberate("root", actor, **memo(store, 1, node_samples=before, node_rule="unanimous"))
    session, entries = deliberate("root", actor, **memo(store, 2, node_samples=now))
    fresh, expected = deliberate("root", actor, node_samples=now)
    assert sorted(map(repr, entries)) == sorted(map(repr, expected))
    assert digest(session) == digest(fresh)
    assert session.counts.memo_hits > 0


def test_turns_that_cannot_be_read_off_are_compared_by_their_events() -> None:
    """An audit of a reply with quotations tells another reply from the same."""
    for second, agreed in (("cause", 0), ("root", 1)):
        words = iter(["root", second])
        store = MemoryStore()

        def script(_: View, words: Iterator[str] = words) -> Given:
            said = next(words)
            return (Reply(f"I quote {said}", quotes=(Quote("$q", said),)),)

        deliberate("root cause", Scripted("s", script), **memo(store, 1))
        session, _ = deliberate("root cause", Scripted("s", script), **memo(store, 2, audit=1.0))
        assert (session.counts.audits, session.counts.audits_agreed) == (1, agreed)


def test_a_memo_does_not_wait_for_a_slow_call() -> None:
    """What a recorded turn leads to goes on while another call is under way."""
    log: list[str] = []

    class Slow(Answerer):
        identity = "slow"
        instant = False

        async def act(self, views: Sequence[View]) -> Sequence[Given]:
            """Take long over one question."""
            (view,) = views
            log.append(view.question)
            if view.question == "slow":
                for _ in range(50):
                    await asyncio.sleep(0)
                log.append("slow ends")
            if view.question == "root" and not view.shown:
                return [(Ask(("known", "slow")), Unlock(("$a1", "$a2")))]
            if view.question == "known" and not view.shown:
                return [(Ask(("below",)), Unlock(("$a1",)))]
            return [(Reply("x"),)]

    class Forgetting(MemoryStore):
        def turns(self, keys: Sequence[bytes]) -> list[list[MemoTurn]]:
            """Only what was asked, not what was answered."""
            found = super().turns(keys)
            return [[t for t in turns if isinstance(t.entries[0][1], Asked)] for turns in found]

    store = Forgetting()
    deliberate("known", Slow(), **memo(store, 1))
    log.clear()
    deliberate("root", Slow(), **memo(store, 2))
    assert log.index("below") < log.index("slow ends")
