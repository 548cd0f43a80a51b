"""Training rows of runs: every label leaves one, and its tree follows from it."""

import json
import struct
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from distill.folder import load_student
from distill.recipe import Recipe, preset
from distill.training import Trainer
from tests.distill.kit import TINY, same_weights, trained
from traces.record import FINISHED
from traces.store import Store
from traces.training_rows import (
    OWN_ARM,
    StepRows,
    TrainingRows,
    change,
    rows_of,
    shown_digest,
)
from traces.verify import verify
from workbench.derive import RowsConfig
from workbench.derive_view import compared, derived
from workbench.exits import Complaint
from workbench.rounds.arm_run import ArmRun
from workbench.rounds.iterate import Wanted, iterate
from workbench.rounds.row_keeping import RowKeeper
from workbench.trace_views import Look

RUN = "sums"
LOOK = Look(None, 100, 0, ascii_only=False)
SHORT = Wanted(
    "arithmetic", arms="amplified", size=3, most_steps=40, per_level=20, record_share=0.02
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "rows.db"


def config(trainer: Trainer, overseer: str = "expert") -> RowsConfig:
    """What the run of a trainer says of its rows; every tenth tree is recorded."""
    recipe = trainer.recipe
    return RowsConfig(
        recipe.task,
        recipe.size,
        recipe.reach,
        trainer.seed,
        recipe.hash(),
        overseer,
        overseer,
        record_share=0.1,
    )


def keeper_of(store: Store, trainer: Trainer) -> RowKeeper:
    """A keeper for the only run of a store."""
    told = config(trainer)
    runs = store.register.runs()
    run = runs[0] if runs else store.register.create_run(RUN, "iterate", "{}", [], now_us=5)
    store.register.change_run(run.number, "running", config=msgspec.json.encode(told).decode())
    keeper = RowKeeper(store, store.register.find_run(RUN), told)
    keeper.begin(trainer)
    return keeper


def stepped(trainer: Trainer, keeper: RowKeeper, steps: int) -> None:
    """Some steps with their rows."""
    for _ in range(steps):
        keeper.before(trainer, first=False)
        trainer.run_step()
        keeper.after(trainer)


@pytest.mark.parametrize(
    "recipe",
    [
        TINY,
        replace(TINY, regime="frozen", round_steps=5, begin_above=2),
        replace(preset("permutation", "small"), width=16, batch=32, begin_above=3, audit_share=1.0),
    ],
    ids=["arithmetic", "frozen", "permutation"],
)
def test_a_tree_built_from_its_row_is_the_one_that_was_recorded(
    recipe: Recipe, place: Path
) -> None:
    """The engine with the teacher of the step, and the row alone: the same digests."""
    trainer = Trainer(replace(recipe, begin_above=2), 3)
    with Store.open(place) as store:
        keeper = keeper_of(store, trainer)
        stepped(trainer, keeper, 12)
        keeper.flush()
        kept = keeper.kept()
        assert (kept.rows, kept.recorded > 20) == (12 * recipe.batch, True)
        assert kept.rows_digest == trainer.rows_digest
        sessions = store.register.sessions(statuses=FINISHED)
        assert len({session.digest for session in sessions}) > 10
        assert sum(session.calls for session in sessions) > len(sessions)
        assert verify(store, refold=True).ok
    text, sound = compared(str(place), run="", json=True)
    told = json.loads(text)
    assert sound
    assert told["compared"] == told["identical"] == kept.recorded


def altered(rows: StepRows, column: int) -> StepRows:
    """The rows of a step, each with one number more in a column of theirs."""
    numbers = list(struct.unpack(f"<{len(rows.numbers) // 8}q", rows.numbers))
    for at in range(column * rows.count, (column + 1) * rows.count):
        numbers[at] += 1 if numbers[at] >= 0 else 0
    return replace(rows, numbers=struct.pack(f"<{len(numbers)}q", *numbers))


@pytest.mark.parametrize("column", ["label", "sub-answer"])
def test_a_changed_row_makes_another_tree(column: str, place: Path) -> None:
    """The comparison does not hold by itself: a label or a sub-answer that was another differs."""
    trainer = Trainer(replace(TINY, begin_above=2), 3)
    with Store.open(place) as store:
        keeper = keeper_of(store, trainer)
        stepped(trainer, keeper, 4)
        keeper.flush()
        run = store.register.find_run(RUN).number
        kept = list(TrainingRows(store.database).scan(run, OWN_ARM))
        with store.database.writing() as writer:
            for rows in kept:
                # The second sub-answer is the student's: the first is a look-up, made again.
                which = 1 + rows.fields + (2 if column == "sub-answer" else 0)
                change(writer, run, OWN_ARM, altered(rows, which))
        assert not verify(store).ok
    text, sound = compared(str(place), run="", json=False)
    assert not sound
    assert "differs from t-" in text


def test_rows_change_nothing_of_the_training(place: Path) -> None:
    """Bit for bit the weights of a run without."""
    trainer = Trainer(TINY, 0)
    with Store.open(place) as store:
        keeper = keeper_of(store, trainer)
        stepped(trainer, keeper, 12)
        keeper.flush()
    alone = trained(TINY, 12, 0)
    assert same_weights(trainer.student, alone.student)
    assert same_weights(trainer.average, alone.average)
    assert alone.rows_digest == ""


def test_a_row_is_what_the_label_was_made_of(place: Path) -> None:
    """Questions, labels and sub-answers of the batch, in its order."""
    trainer = Trainer(replace(TINY, begin_above=2), 3)
    with Store.open(place) as store:
        keeper = keeper_of(store, trainer)
        stepped(trainer, keeper, 2)
        keeper.flush()
        run = store.register.find_run(RUN).number
        rows = TrainingRows(store.database).step(run, OWN_ARM, 2)
    assert trainer.latest is not None
    questions, amplified = trainer.latest
    assert [row.question for row in rows] == [tuple(map(int, row)) for row in questions.rows]
    assert [row.label for row in rows] == [int(label) for label in amplified.labels]
    assert [row.kept for row in rows] == [bool(kept) for kept in amplified.kept]
    assert {row.teacher_step for row in rows} == {1}
    for row, answers in zip(rows, amplified.subanswers, strict=True):
        assert row.subanswers == tuple(int(each) for each in answers if int(each) != -2)


# -- runs --------------------------------------------------------------------------------------


def silent(_: object) -> None:
    """Tells nothing."""


def rows_in(folder: Path) -> list[tuple[int, bytes]]:
    """Step and content of all rows of a run's folder."""
    with Store.open(folder / "traces.db", readonly=True) as store:
        return [(int(step), bytes(packed)) for step, packed in store.database.rows(_ROWS)]


_ROWS = "SELECT step, packed FROM trained ORDER BY step"


class Stopped(Exception):
    """Ends a run in the middle."""


def test_a_stopped_run_ends_with_the_same_rows_and_digest(tmp_path: Path) -> None:
    """What lies beyond the checkpoint is forgotten, trees too; nothing is there twice."""
    whole = iterate(SHORT, tmp_path / "whole", resume=False, tell=silent)
    for stop_at in (3, 17, 29):
        folder = tmp_path / f"stopped-{stop_at}"

        def tell(arm: ArmRun, stop_at: int = stop_at) -> None:
            if arm.trainer.step == stop_at:
                assert arm.keeper is not None
                # As if it was killed between its rows and its checkpoint.
                arm.keeper.flush()
                raise Stopped

        with pytest.raises(Stopped):
            iterate(SHORT, folder, resume=False, tell=tell, save_every_s=0.2)
        ended = iterate(SHORT, folder, resume=True, tell=silent)
        assert ended.summary.rows_digest == whole.summary.rows_digest
        assert ended.summary.recorded_trees == whole.summary.recorded_trees
        assert rows_in(folder) == rows_in(tmp_path / "whole")
        assert compared(str(folder / "traces.db"), run="", json=False)[1]
        with Store.open(folder / "traces.db") as store:
            assert verify(store, refold=True).ok


def test_the_student_names_its_rows(tmp_path: Path) -> None:
    """Digest of all rows up to its step; the summary has counts, share and digest."""
    folder = tmp_path / "run"
    summary = iterate(SHORT, folder, resume=False, tell=silent).summary
    record = load_student(folder / "students" / "final").record
    assert record.rows_digest == summary.rows_digest
    assert summary.rows == 40 * preset("arithmetic", "small").batch
    assert (summary.record_share, summary.recorded_trees > 40) == (0.02, True)
    with Store.open(folder / "traces.db") as store:
        rows = TrainingRows(store.database)
        (run,) = rows.runs()
        assert shown_digest(rows.digest_at(run, OWN_ARM, record.step)) == record.rows_digest
        assert sum(len(rows_of(each)) for each in rows.scan(run, OWN_ARM)) == summary.rows


def test_a_run_whose_rows_are_gone_does_not_go_on(tmp_path: Path) -> None:
    """Its student would name rows that nobody has."""
    folder = tmp_path / "run"

    def tell(arm: ArmRun) -> None:
        if arm.trainer.step == 20:
            raise Stopped

    with pytest.raises(Stopped):
        iterate(SHORT, folder, resume=False, tell=tell, save_every_s=0.0)
    for file in folder.glob("traces.db*"):
        file.unlink()
    with pytest.raises(Complaint, match="not the training rows"):
        iterate(SHORT, folder, resume=True, tell=silent)


def test_a_row_is_drawn_and_kept(tmp_path: Path) -> None:
    """By its name; as a trace where that is asked for, which the comparison leaves out."""
    folder = tmp_path / "run"
    iterate(SHORT, folder, resume=False, tell=silent)
    store_at = str(folder / "traces.db")
    before = compared(store_at, run="", json=True)
    text = derived(store_at, "amplified/40.7", run="", look=LOOK, keep=True, json=False)
    assert "sub-answers of the student after 39 steps" in text
    assert "kept as t-" in text
    assert compared(store_at, run="", json=True) == before
    told = json.loads(derived(store_at, "40.7", run="", look=LOOK, keep=False, json=True))
    with Store.open(store_at) as store:
        newest = store.register.find_session("last")
        assert told["digest"] == newest.digest
    for wrong in ("40", "41.0", "40.9999", "self_training/1.1", "../1.1"):
        with pytest.raises(Complaint):
            derived(store_at, wrong, run="", look=LOOK, keep=False, json=False)
