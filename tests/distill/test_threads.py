"""Threads: one unless the user says otherwise."""

import pytest

from distill.threads import VARIABLE, set_threads, threads


def test_one_thread_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training is repeatable by default, and what the environment says is left alone."""
    monkeypatch.setenv(VARIABLE, "2")
    before = threads()
    set_threads()
    assert threads() == before
    monkeypatch.delenv(VARIABLE)
    set_threads()
    assert threads() == 1
