"""Hostile and bad inputs as tables, a section a module, for `test_hostile`."""
