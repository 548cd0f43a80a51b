"""Training rows: what is kept comes back, and goes where its run goes."""

from pathlib import Path

import pytest

from decomposition.events import Asked, Noted, Opened
from decomposition.tasks.arithmetic import Arithmetic, Calculation
from tests.traces.kit import append
from tests.traces.rows_kit import CONFIG, LONG, OTHER, SHORT, step_rows
from traces.errors import StoreDamaged
from traces.gc import remove
from traces.record import Ending, RunRecord
from traces.redact import redact
from traces.store import Store
from traces.training_rows import (
    BEGINNING,
    Packed,
    RowName,
    TrainingRows,
    packed,
    row_name,
    rows_of,
    unpacked,
)
from traces.verify import verify

ARM = "amplified"


def chained(first: int, last: int) -> list[Packed]:
    """Steps with the same rows each, after one another."""
    steps: list[Packed] = []
    for step in range(first, last + 1):
        steps.append(packed(step_rows(step), steps[-1].digest if steps else BEGINNING))
    return steps


def trained(store: Store, name: str = "sums", steps: int = 5) -> RunRecord:
    """A run with rows of some steps."""
    run = store.register.create_run(name, "iterate", CONFIG, [], now_us=5)
    TrainingRows(store.database).append(run.number, ARM, chained(1, steps))
    return run


def test_a_row_comes_back_as_it_was(store: Store) -> None:
    """Question, subquestions, answers, label, trust and the step of the teacher."""
    run = trained(store)
    rows = TrainingRows(store.database).step(run.number, ARM, 3)
    assert [row.question for row in rows] == [LONG.question, OTHER.question, SHORT.question]
    first, second, third = rows
    assert (first.subquestions, first.subanswers, first.label) == (LONG.asked, (7, 5859), 58597)
    assert (first.step, first.place, first.teacher_step) == (3, 0, 2)
    assert (first.confidence, first.audited, first.kept) == (0.5, True, True)
    assert (second.confidence, second.audited, second.kept) == (0.25, True, False)
    assert (third.subquestions, third.subanswers, third.label) == ((), (), 7)


def test_rows_are_counted_and_scanned(store: Store) -> None:
    """By arm, and up to a step."""
    run = trained(store)
    rows = TrainingRows(store.database)
    assert rows.arms(run.number) == {ARM: (5, 15)}
    assert [each.step for each in rows.scan(run.number, ARM, until=3)] == [1, 2, 3]
    assert rows.step(run.number, ARM, 6) == []


def test_what_is_forgotten_and_written_again_has_the_same_digest(store: Store) -> None:
    """A run that goes on from an earlier step ends with the rows that it would have had."""
    run = trained(store)
    rows = TrainingRows(store.database)
    before = rows.digest_at(run.number, ARM, 5)
    assert rows.forget(run.number, ARM, 2) == 3
    again = chained(1, 5)[2:]
    assert rows.digest_at(run.number, ARM, 9) == chained(1, 2)[-1].digest
    rows.append(run.number, ARM, again)
    assert rows.digest_at(run.number, ARM, 5) == before
    assert verify(store).ok


def test_a_removed_run_takes_its_rows_along(store: Store) -> None:
    """Those of another run stay."""
    trained(store)
    kept = trained(store, "others", 2)
    report = remove(store, run="sums")
    assert (report.runs, report.rows) == (1, 15)
    assert TrainingRows(store.database).runs() == [kept.number]
    assert verify(store).ok


def test_missing_and_changed_steps_are_found(store: Store) -> None:
    """A gap, a changed row, and rows that were put in the place of others."""
    run = trained(store)
    with store.database.writing() as writer:
        writer.run("DELETE FROM trained WHERE step = 2")
    messages = [str(finding) for finding in verify(store).findings]
    assert any("step 3" in message and "does not follow" in message for message in messages)
    rows = TrainingRows(store.database)
    rows.forget(run.number, ARM, 1)
    rows.append(run.number, ARM, [packed(step_rows(2, (SHORT,)), BEGINNING)])
    assert [finding.kind for finding in verify(store).findings] == ["row"]


def test_what_is_no_packed_step_is_refused() -> None:
    """Neither foreign bytes nor cut ones are read as rows."""
    whole = packed(step_rows(1)).packed
    for wrong in (b"", b"rows", whole[: len(whole) // 2]):
        with pytest.raises(StoreDamaged):
            unpacked(wrong)
    assert rows_of(unpacked(whole))[2].question == SHORT.question


def test_a_row_is_named_in_text() -> None:
    """With its arm or without."""
    assert row_name("amplified/12.5") == row_name("12.5") == RowName(ARM, 12, 5)
    assert row_name("12") is row_name("../12.5") is row_name("12.-5") is None


# -- redaction ---------------------------------------------------------------------------------


def recorded_row(store: Store, run: RunRecord, name: str) -> str:
    """A trace that says of which row it records the tree."""
    config = f'{{"row": "{name}", "teacher_step": 2}}'
    session = store.register.open_session(now_us=5, config=config, run=run.number)
    question = Arithmetic().root(Calculation(31415, 27182))
    asked = Asked(("5 + 2", "3141 + 2718"), (7, 7))
    append(store, session, [("0", Opened(question, (20,))), ("0", asked), ("0.1", Noted("7"))])
    store.register.finish(session.number, Ending("answered", "58597", "b2:12", 3))
    return session.trace


def places_left(store: Store, run: RunRecord) -> list[list[int]]:
    """Places of the rows of each step that still have their numbers."""
    scanned = TrainingRows(store.database).scan(run.number, ARM)
    return [[row.place for row in rows_of(step) if not row.redacted] for step in scanned]


@pytest.mark.parametrize("event", [0, 1, 2])
def test_an_event_of_a_row_s_tree_reaches_all_equal_rows(store: Store, event: int) -> None:
    """However short the text: the rows of that question are emptied, all others stay."""
    run, other = trained(store), trained(store, "others")
    trace = recorded_row(store, run, "amplified/3.0")
    rehearsed = redact(store, trace, event, reason="asked for", everywhere=False, rehearse=True)
    assert rehearsed.training_rows == 5
    assert places_left(store, run) == [[0, 1, 2]] * 5
    report = redact(store, trace, event, reason="asked for", everywhere=False)
    assert report.training_rows == 5
    assert "5 training rows" in str(report)
    assert places_left(store, run) == [[1, 2]] * 5
    assert places_left(store, other) == [[0, 1, 2]] * 5
    assert verify(store).ok


def test_a_text_reaches_the_rows_of_every_run_whose_trees_hold_it(store: Store) -> None:
    """As question or as subquestion."""
    run, other = trained(store), trained(store, "others")
    session = store.register.open_session(now_us=5)
    append(store, session, [("0", Noted("1111 + 2222"))])
    assert redact(store, session.trace, 0, reason="asked for").training_rows == 10
    assert places_left(store, run) == places_left(store, other) == [[0, 2]] * 5


def test_no_number_of_an_emptied_row_is_left(place: Path) -> None:
    """Neither in the row nor, packed as it was, in a free page."""
    with Store.open(place) as store:
        run = trained(store)
        was = [each.packed for each in chained(1, 5)]
        store.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert all(each in place.read_bytes() for each in was)
        trace = recorded_row(store, run, "3.0")
        assert redact(store, trace, 0, reason="asked for").purged
        row = TrainingRows(store.database).step(run.number, ARM, 4)[0]
        assert (row.question, row.subanswers, row.label) == ((0, 0, 0), (0, 0), 0)
    assert not any(each in place.read_bytes() for each in was)


def test_a_rows_digest_outlives_redaction(store: Store) -> None:
    """The student that was trained on the rows still names them."""
    run = trained(store)
    before = TrainingRows(store.database).digest_at(run.number, ARM, 5)
    redact(store, recorded_row(store, run, "3.0"), 0, reason="asked for")
    assert TrainingRows(store.database).digest_at(run.number, ARM, 5) == before
    assert verify(store).ok
