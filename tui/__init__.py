"""Screens: the terminal interface for people who answer. A layer above traces, beside distill."""
