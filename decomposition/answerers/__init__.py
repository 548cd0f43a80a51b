"""Answerers: whatever acts in a workspace. One file a kind; `base` is the protocol."""
