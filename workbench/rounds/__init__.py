"""Rounds as commands: runs of amplification and distillation, their folders, scores and reports."""
