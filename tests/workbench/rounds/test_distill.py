"""Distilling from recorded runs, and the way back from a student's answer to its rows."""

import json
from pathlib import Path

import pytest

from decomposition.tasks.arithmetic import Arithmetic
from distill.errors import BadCheckpoint
from distill.folder import load_student
from tests.distill.kit import same_weights
from traces.record import RunRecord
from traces.redact import redact
from traces.store import Store
from traces.training_rows import TrainingRows
from workbench import batch as batches
from workbench.ask import ask
from workbench.exits import Complaint, Exit, Interrupted
from workbench.inputs import Line
from workbench.lineage import as_json, lineage
from workbench.lineage import as_text as traced
from workbench.options import Options
from workbench.rounds.distill_run import CHECKPOINT, as_text, distill
from workbench.rounds.iterate import Wanted, iterate
from workbench.rounds.recorded_examples import gathered, task_of_runs
from workbench.trace_views import Look

LOOK = Look(None, 200, 0, ascii_only=False)
SUMS = [f"{left} + {right}" for left in range(10, 50, 3) for right in range(11, 50, 9)]
WALKS = [
    f"permutation of 8 from seed {seed}: where does {seed % 8} go in {steps} steps?"
    for seed in range(40)
    for steps in (2, 3, 4)
]


def recorded(store: Store, name: str, questions: list[str], **given: object) -> RunRecord:
    """A finished run of these questions, each with a wrong label."""
    lines = [Line(str(place), each, expected="7") for place, each in enumerate(questions)]
    run = batches.accept(store, name, batches.batch(lines, Options(**given)))  # type: ignore[arg-type]
    batches.work(store, run)
    return run


@pytest.fixture
def store_at(tmp_path: Path) -> str:
    """A store with a run of sums and one of walks."""
    place = str(tmp_path / "runs.db")
    with Store.open(place) as store:
        recorded(store, "sums", SUMS)
        recorded(store, "walks", WALKS)
    return place


def test_examples_are_what_workspaces_came_to(store_at: str) -> None:
    """Every workspace once, its context and arguments read through pointers; labels unread."""
    with Store.open(store_at, readonly=True) as store:
        for name, questions in (("sums", SUMS), ("walks", WALKS)):
            run = store.register.find_run(name)
            task = task_of_runs(store, [run], "")
            found = gathered(store, [run], task)
            sessions = store.register.sessions(run.number)
            assert found.sessions == len(questions)
            assert len(found.examples) == sum(session.workspaces for session in sessions)
            assert found.left_out == {}
            for example in found.examples:
                question = task.table_question(example.row)
                assert task.table_written(example.answer) == task.truth(question, example.facts)
                assert example.weight == 1.0


def test_agreement_is_the_weight_and_what_came_to_nothing_is_left_out(tmp_path: Path) -> None:
    """Votes that do not agree weigh less; failures and what rests on redacted texts not at all."""
    with Store.open(tmp_path / "runs.db") as store:
        run = recorded(store, "votes", SUMS[:20], by="vote:3:faulty:0.3:expert", seed=5)
        task = task_of_runs(store, [run], "")
        found = gathered(store, [run], task)
        weights = {round(example.weight, 2) for example in found.examples}
        assert weights > {1.0}
        assert weights & {0.67, 0.33}
        assert {"failed", "abstained"} & found.left_out.keys()
        trace = store.register.sessions(run.number)[0].trace
        redact(store, trace, 0, reason="asked for", everywhere=False)
        left_out = gathered(store, [run], task).left_out
        assert left_out["redacted or stale"] > 0


def test_a_fitted_student_loads_and_agrees(store_at: str, tmp_path: Path) -> None:
    """Its folder is a student's; agreement with the record is told, of held out contexts too."""
    fitted = distill(["sums"], tmp_path / "student", store_at, steps=200, seed=1)
    loaded = load_student(tmp_path / "student", "arithmetic")
    assert loaded.identity == fitted.student
    assert (loaded.record.arm, loaded.record.rows_digest) == ("recorded", fitted.rows_digest)
    assert fitted.agreement is not None
    assert fitted.agreement > 0.3
    assert fitted.levels[1] + fitted.levels[2] == fitted.examples
    assert not (tmp_path / "student" / CHECKPOINT).exists()
    assert "held out" in as_text(fitted)


def test_no_held_out_context_is_trained_on(store_at: str, tmp_path: Path) -> None:
    """Examples are told apart by their contexts, all questions of one together."""
    fitted = distill(["walks"], tmp_path / "student", store_at, steps=2)
    assert (fitted.task, fitted.size) == ("permutation", 8)
    assert fitted.held_out > 0
    assert fitted.held_out_agreement is not None
    with Store.open(store_at, readonly=True) as store:
        run = store.register.find_run("walks")
        found = gathered(store, [run], task_of_runs(store, [run], ""))
    assert fitted.examples + fitted.held_out == len(found.examples)


def test_a_stopped_fit_ends_with_the_same_weights(
    store_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit; other examples, steps or seeds do not go on with it."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    distill(["sums"], whole, store_at, steps=20)

    class Pressed:
        """A clock at which Ctrl-C is pressed."""

        count = 0

        def monotonic(self) -> float:
            """Seconds."""
            self.count += 1
            if self.count == 12:
                raise KeyboardInterrupt
            return 0.0

    monkeypatch.setattr("workbench.rounds.distill_run.time", Pressed())
    with pytest.raises(Interrupted, match="--resume"):
        distill(["sums"], stopped, store_at, steps=20)
    monkeypatch.undo()
    with pytest.raises(BadCheckpoint):
        distill(["sums"], stopped, store_at, steps=21, resume=True)
    distill(["sums"], stopped, store_at, steps=20, resume=True)
    assert same_weights(load_student(whole).student, load_student(stopped).student)


def test_what_does_not_fit_is_refused(store_at: str, tmp_path: Path) -> None:
    """Runs of two tasks, a task that nothing is of, a folder that is taken."""
    with pytest.raises(Complaint, match="--task"):
        distill(["sums", "walks"], tmp_path / "one", store_at)
    with pytest.raises(Complaint, match="no workspace") as refused:
        distill(["sums"], tmp_path / "two", store_at, task="permutation")
    assert refused.value.code == Exit.BAD_DATA
    with pytest.raises(Complaint, match="exists"):
        distill(["sums"], Path(store_at).parent, store_at)
    assert not (tmp_path / "one").exists()


# -- lineage -----------------------------------------------------------------------------------


def test_an_answer_leads_to_its_rows_and_their_trees(tmp_path: Path) -> None:
    """From the trace to the folder, its round and rows, and the overseer's turns beneath."""
    folder = tmp_path / "run"
    wanted = Wanted("arithmetic", arms="amplified", size=2, most_steps=60, per_level=4)
    summary = iterate(wanted, folder, resume=False, tell=lambda _: None).summary
    student = folder / "students" / "final"
    with Store.open(folder / "traces.db", readonly=True) as store:
        rows = TrainingRows(store.database).step(1, "amplified", 40)
    row = next(row for row in rows if row.kept and row.subquestions)
    question = Arithmetic().render(Arithmetic().table_question(row.question))
    asked = ask(
        question,
        Options(by=f"student:{student}", policy="direct"),
        None,
        str(tmp_path / "ask.db"),
        ascii_only=True,
    )
    found, on = lineage(asked.row.trace, str(tmp_path / "ask.db"), path="", student=None)
    assert found.answered is not None
    assert (found.answered.question, found.answered.row) == (question, row.question)
    assert found.identity == load_student(student).identity
    assert (found.rows_digest, found.digest_holds) == (summary.rows_digest, True)
    assert found.alike.rows == summary.rows
    assert found.alike.same > 0
    assert found.trees[0].row.question == row.question
    text = traced(found, on, LOOK)
    assert "as the student names them" in text
    assert "environment:arithmetic" in text
    alone, _ = lineage(str(student), "unused.db", path="", student=None)
    told = json.loads(as_json(alone))
    assert told["answered"] is None
    assert told["trees"][0]["events"][0]["path"] == "0"


def test_a_lineage_that_leads_nowhere_says_so(store_at: str, tmp_path: Path) -> None:
    """No student answered; the student is in no run's folder."""
    with pytest.raises(Complaint, match="no student answered"):
        lineage("last", store_at, path="", student=None)
    fitted = distill(["sums"], tmp_path / "student", store_at, steps=1)
    with pytest.raises(Complaint, match="no run's folder"):
        lineage(fitted.folder, store_at, path="", student=None)
