"""Threads: how many torch works with, which rounding depends on."""

import os
from typing import Final

import torch

VARIABLE: Final = "OMP_NUM_THREADS"
"""What a user says it with."""


def set_threads() -> None:
    """One thread unless the environment says otherwise; then a run repeats bit for bit."""
    if VARIABLE not in os.environ:
        torch.set_num_threads(1)


def threads() -> int:
    """With how many torch works now."""
    return torch.get_num_threads()
