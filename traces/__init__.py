"""Traces: events of a session, stored, replayed and compared. The layer above decomposition."""
