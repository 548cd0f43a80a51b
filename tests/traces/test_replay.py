"""Replay: a recorded session comes back as the tree that it was."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Ask, Given, Unlock
from decomposition.tree import Tree, fold
from decomposition.view import View
from tests.decomposition.programs import Program, question, seeds
from tests.traces.engine import deliberated
from traces.replay import Replay, tree_at
from traces.store import Store
from traces.verify import verify

CASES = 20


def halves(view: View) -> Given | str:
    """Adds numbers by halves."""
    numbers = view.question.split()[2::2]
    if len(numbers) == 1:
        return numbers[0]
    if not view.asked:
        middle = len(numbers) // 2
        parts = (numbers[:middle], numbers[middle:])
        return (
            Ask(tuple(f"How much: {' + '.join(part)}" for part in parts)),
            Unlock(("$a1", "$a2")),
        )
    return str(sum(int(str(seen.answer)) for seen in view.asked))


SUM = "How much: 1 + 2 + 3 + 4 + 1 + 2 + 3 + 4"


def state(tree: Tree) -> dict[str, object]:
    """Everything that two equal trees have in common."""
    return dict(tree.state())


@settings(max_examples=CASES)
@given(seeds, st.data())
def test_a_replay_is_the_deliberation(seed: int, data: st.DataObject) -> None:
    """Whatever happened: the same tree at every event, the same digest at the end."""
    with TemporaryDirectory() as folder, Store.open(Path(folder, "workbench.db")) as store:
        session, row = deliberated(store, question(), Program(seed))
        entries = store.entries(row.number)
        assert row.count == len(entries)
        at = data.draw(st.integers(1, len(entries)))
        assert state(tree_at(store, row.number, at)) == state(fold(entries[:at]))
        assert tree_at(store, row.number).finish() == row.digest == session.outlook().digest
        assert verify(store, refold=True).ok


def test_a_replay_goes_to_and_fro(store: Store) -> None:
    """Every position shows the tree of that moment, in whatever order they are visited."""
    _, row = deliberated(store, SUM, halves)
    replay = Replay(store, row.number)
    assert (replay.position, replay.count, replay.last) == (0, row.count, None)
    entries = store.entries(row.number)
    for position in (5, 3, 20, 1, row.count, 0, 7):
        assert state(replay.seek(position)) == state(fold(entries[:position]))
        assert replay.position == position
        assert replay.last == (entries[position - 1] if position else None)
    replay.seek(10**9)
    assert replay.position == row.count
    replay.seek(-5)
    assert replay.position == 0


def test_the_engine_uses_recorded_turns_again(site: str) -> None:
    """A second deliberation of the same question asks nobody, in a later process too."""
    for opened in range(3):
        with Store.open(site) as store:
            _, row = deliberated(store, SUM, halves, memo=True)
            assert row.answer == "20"
            assert (row.calls, row.memo_hits) == ((0, 22) if opened else (12, 10))
            authors = {record.authorship.author for record in store.records(row.number)}
            assert authors == {"engine", "scripted", "memo-of-scripted"} - (
                {"scripted"} if opened else set()
            )
            assert verify(store, refold=True).ok


def test_the_engine_joins_recorded_answers(site: str) -> None:
    """The answer of a closed workspace is taken by reference, across sessions too."""
    for opened in range(2):
        with Store.open(site) as store:
            _, row = deliberated(store, SUM, halves, joins="shared")
            assert row.answer == "20"
            assert (row.workspaces, row.joins) == ((0, 1) if opened else (15, 0))
            assert verify(store, refold=True).ok
