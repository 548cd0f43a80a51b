"""Students: models trained from recorded amplification. A layer above traces, beside tui."""
