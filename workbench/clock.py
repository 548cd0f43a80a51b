"""The clock: the one place where the workbench reads the time for the record."""

import asyncio
import time


class SystemClock:
    """The clock of this machine."""

    def wall_us(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        """Microseconds since an arbitrary moment of this process."""
        return time.monotonic_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        """Return after this many seconds."""
        await asyncio.sleep(seconds)
