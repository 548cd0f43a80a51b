"""Revisions: one file each, named by its number."""
