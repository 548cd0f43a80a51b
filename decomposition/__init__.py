"""Questions, workspaces and answerers: the engine that takes a question apart. The lowest layer."""
