"""The student as an answerer: what its batch path says, view by view."""

from pathlib import Path

import pytest
import torch
from msgspec.structs import replace

from decomposition.actions import Abstain, Reply
from decomposition.hypertext import Failure
from decomposition.tasks.base import FACTS_NAME
from decomposition.view import View
from distill.answerer import StudentAnswerer
from distill.folder import described, load_student, save_student
from distill.questions import about, bare
from distill.training import Trainer
from tests.decomposition.answerers.sights import seen, turns
from tests.distill.kit import JUDGE, trained
from tests.distill.test_checkpoint import PERMUTATION


def answering(trainer: Trainer, folder: Path) -> StudentAnswerer:
    """The averaged student of a run, through a folder."""
    save_student(folder, trainer.average, described(trainer))
    return StudentAnswerer(load_student(folder))


def test_sums_are_answered_as_in_the_batch(tmp_path: Path) -> None:
    """Replies and confidence are the batch path's; what it cannot tell it abstains from."""
    trainer = trained(steps=5)
    student = answering(trainer, tmp_path)
    views = [seen("12 + 34"), seen("why?"), seen("12 * 34"), seen("1234 + 1"), seen("5 + 678 + 1")]
    first, *silent, last = turns(student, views)
    expected = trainer.averaged(bare(torch.tensor([[12, 34, 0], [5, 678, 1]])))
    for turn, value, sure in zip((first, last), expected.values, expected.confidence, strict=True):
        assert isinstance(turn, tuple)
        (reply,) = turn
        assert isinstance(reply, Reply)
        assert reply.message == str(int(value))
        assert reply.confidence == pytest.approx(float(sure))
    assert all(isinstance(turn, tuple) and isinstance(turn[0], Abstain) for turn in silent)
    assert student.identity.startswith("student:arithmetic@")


def walking(task_facts: str | Failure, element: str | Failure) -> View:
    """A walk whose facts and element stand behind pointers."""
    shown: dict[str, str | Failure] = {FACTS_NAME: task_facts, "$q.2": element}
    asked = "Under $q.1, where does $q.2 go in 3 steps?"
    return replace(seen("?"), question=asked, shown=shown)


def test_walks_read_their_facts_behind_pointers(tmp_path: Path) -> None:
    """Views about different contexts share a batch; a failed or strange argument is no question."""
    trainer = trained(PERMUTATION, 5)
    student = answering(trainer, tmp_path)
    task = trainer.task
    made = [task.make(4, seed) for seed in (1, 2)]
    views = [walking(task.render_facts(facts), "2") for facts in made]
    strange = [
        walking(Failure("fuel"), "2"),
        walking(task.render_facts(made[0]), Failure("fuel")),
        walking(task.render_facts(made[0]), "nobody"),
        walking(task.render_facts(made[0]), "7"),
        walking(task.render_facts(task.make(5, 1)), "2"),
    ]
    given = turns(student, [*views, *strange])
    rows = torch.tensor([[2, 3], [2, 3]])
    expected = trainer.averaged(about(task, rows, torch.tensor([0, 1]), made)).values
    for turn, value in zip(given[:2], expected, strict=True):
        assert isinstance(turn, tuple)
        assert isinstance(turn[0], Reply)
        assert turn[0].message == str(int(value))
    assert all(isinstance(turn, tuple) and isinstance(turn[0], Abstain) for turn in given[2:])


@pytest.mark.parametrize("value", [0, 1])
def test_a_judge_says_impossible_or_leaves_a_state_to_others(value: int, tmp_path: Path) -> None:
    """Of a state to be solved only "no" is an answer; asked for a verdict it gives either."""
    trainer = trained(JUDGE, 2)
    with torch.no_grad():
        trainer.average.answer.bias.fill_(-30)
        trainer.average.answer.bias[value] = 30
    student = answering(trainer, tmp_path)
    texts = ["3 8 8", "4 6", "-2/3 5"]
    verdicts = turns(student, [seen(f"can 24 be made from {text}?") for text in texts])
    solved = turns(student, [seen(f"make 24 from {text}") for text in texts])
    for verdict, turn in zip(verdicts, solved, strict=True):
        assert isinstance(verdict, tuple)
        assert isinstance(verdict[0], Reply)
        assert verdict[0].message == ("yes" if value else "no")
        assert isinstance(turn, tuple)
        if value:
            assert isinstance(turn[0], Abstain)
        else:
            assert turn == (Reply("impossible", confidence=verdict[0].confidence),)
    (four,) = turns(student, [seen("make 24 from 1 2 3 4")])
    assert isinstance(four, tuple)
    assert isinstance(four[0], Abstain)
