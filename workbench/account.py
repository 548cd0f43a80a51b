"""Accounts: how many calls may still be made."""


class CallLimit:
    """Allows so many calls and no more; None allows any number.

    Args:
        most: Calls in all.
        made: Those of them that were made before.
    """

    def __init__(self, most: int | None, made: int = 0) -> None:
        self._left = None if most is None else max(0, most - made)

    def allow(self, calls: int) -> int:
        """Reserve calls; how many of them may be made."""
        if self._left is None:
            return calls
        allowed = min(calls, self._left)
        self._left -= allowed
        return allowed
