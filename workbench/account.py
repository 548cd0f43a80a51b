"""Accounts: how many calls may still be made."""


class CallLimit:
    """Allows so many calls and no more; None allows any number."""

    def __init__(self, most: int | None) -> None:
        self.left = most
        self.refused = 0
        """Calls that were asked for and not allowed."""

    def allow(self, calls: int) -> int:
        """Reserve calls; how many of them may be made."""
        if self.left is None:
            return calls
        allowed = min(calls, self.left)
        self.left -= allowed
        self.refused += calls - allowed
        return allowed
