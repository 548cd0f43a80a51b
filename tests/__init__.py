"""Tests: they mirror the packages, and each docstring is the sentence that the test proves."""
