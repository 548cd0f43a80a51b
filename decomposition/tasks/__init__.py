"""Tasks: families of questions with exact truth. One file a task; `base` is the interface."""
