"""Calibration: a bound from agreement with oneself, never from the truth."""

from pathlib import Path

import pytest
import torch
from msgspec.structs import replace

from decomposition.tasks.arithmetic import Arithmetic
from distill.calibration import (
    CASCADE_BOUND,
    NEVER,
    UNTOLD,
    bound_of,
    calibrate,
    told_bound,
)
from distill.errors import BadStudent
from distill.folder import described
from distill.training import Trainer
from tests.distill.kit import TINY, trained
from tests.distill.test_truth import poisoned


def test_the_bound_is_the_lowest_that_holds() -> None:
    """Where confident answers agree and unsure ones do not, the bound lies between them."""
    confidence = torch.tensor([0.9] * 500 + [0.5] * 500)
    agreed = torch.tensor([True] * 500 + [False] * 500)
    found = bound_of(confidence, agreed)
    assert found.bound == pytest.approx(0.9)
    assert (found.agreement, found.coverage, found.questions) == (1.0, 0.5, 1000)


def test_too_few_answers_are_no_evidence() -> None:
    """Ten answers that all agree do not show that 98 of 100 would."""
    assert bound_of(torch.full((10,), 0.9), torch.ones(10, dtype=torch.bool)).bound == NEVER


def test_equal_confidence_is_taken_together() -> None:
    """A bound never parts answers that are equally sure."""
    agreed = torch.tensor([True] * 500 + [False] * 500)
    assert bound_of(torch.full((1000,), 0.7), agreed).bound == NEVER


def test_silence_is_never_sure() -> None:
    """Questions without an answer are counted, and under every bound."""
    confidence = torch.tensor([0.8] * 500 + [-1.0] * 500)
    found = bound_of(confidence, torch.tensor([True] * 500 + [False] * 500))
    assert (found.bound, found.coverage) == (pytest.approx(0.8), 0.5)


def test_the_truth_is_not_read() -> None:
    """With right answers poisoned the bound is the same, and the run goes on the same."""
    sound, spoilt = Trainer(TINY, 3), Trainer(TINY, 3, task=poisoned(Arithmetic()))
    for _ in range(12):
        sound.run_step()
        spoilt.run_step()
    before = sound.counts.copy()
    assert calibrate(sound, 64) == calibrate(spoilt, 64)
    assert sound.counts == before
    assert sound.run_step() == spoilt.run_step()


def test_a_record_tells_its_bound(tmp_path: Path) -> None:
    """A student without a calibration has the usual bound; one that is no share is refused."""
    record = described(trained(steps=1))

    assert told_bound(tmp_path, record) == UNTOLD
    assert told_bound(tmp_path, replace(record, metrics={CASCADE_BOUND: 0.5})) == 0.5
    with pytest.raises(BadStudent, match="no share"):
        told_bound(tmp_path, replace(record, metrics={CASCADE_BOUND: 1.5}))
