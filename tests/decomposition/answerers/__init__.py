"""Tests of the answerers."""
