"""Chromium without a window, over the pipe of its DevTools: no library, no port, no network."""

import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from base64 import b64decode
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

NAME: Final = os.environ.get("CHROMIUM", "chromium")
"""The program; another name can stand in the environment."""
PATIENCE_S: Final = 60.0
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)
_CHUNK: Final = 1 << 16

Told = dict[str, Any]
"""A message of the DevTools, as JSON tells it."""


class BrowserFailed(Exception):
    """The browser did not do what it was asked."""


class Browser:
    """One page of a browser, and all that happened in it."""

    def __init__(self, reads: int, writes: int) -> None:
        """A blank page.

        Args:
            reads: The end of a pipe from which the browser's messages come.
            writes: The end of a pipe to which commands go.
        """
        self._reads, self._writes = reads, writes
        self._rest = b""
        self._sent = 0
        self._session = ""
        self.events: list[Told] = []
        """What the page told unasked, in order."""
        target = self._asked("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._asked("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "Security"):
            self._asked(f"{domain}.enable")

    def open(self, address: str, *, width: int, dark: bool = False) -> None:
        """Loads a page at a width in pixels, in one of the two colour schemes; waits until done."""
        self.events.clear()
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._asked("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._asked("Emulation.setEmulatedMedia", {"features": [scheme]})
        self._asked("Page.navigate", {"url": address})
        until = time.monotonic() + PATIENCE_S
        while not self.told("Page.loadEventFired"):
            self.events.append(self._message(until))
        self.value("Promise.all([...document.images].map(each => each.decode())).then(() => 0)")

    def told(self, method: str) -> list[Told]:
        """The parameters of all events of a kind."""
        return [each["params"] for each in self.events if each.get("method") == method]

    def value(self, expression: str) -> Any:  # noqa: ANN401 - whatever JavaScript has
        """What an expression comes to in the page.

        Raises:
            BrowserFailed: It throws.
        """
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        found = self._asked("Runtime.evaluate", asked)
        if "exceptionDetails" in found:
            raise BrowserFailed(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Draws the whole page into a PNG."""
        asked = {"format": "png", "captureBeyondViewport": True}
        path.write_bytes(b64decode(self._asked("Page.captureScreenshot", asked)["data"]))

    def close(self) -> None:
        """Ends the browser."""
        self._session = ""
        with suppress(OSError, BrowserFailed):
            self._asked("Browser.close")

    # -- the pipe ----------------------------------------------------------------------------

    def _asked(self, method: str, parameters: Mapping[str, object] | None = None) -> Told:
        """The result of a command; events that come before it are kept."""
        self._sent += 1
        command: Told = {"id": self._sent, "method": method, "params": dict(parameters or {})}
        if self._session:
            command["sessionId"] = self._session
        with suppress(BrokenPipeError):  # Reading then tells that it ended.
            os.write(self._writes, json.dumps(command).encode() + b"\0")
        until = time.monotonic() + PATIENCE_S
        while True:
            message = self._message(until)
            if message.get("id") == self._sent:
                break
            self.events.append(message)
        if "error" in message:
            raise BrowserFailed(f"{method}: {message['error']}")
        return message["result"]

    def _message(self, until: float) -> Told:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._reads], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(self._reads, _CHUNK) if ready else b""
            if not chunk:
                raise BrowserFailed("the browser ended" if ready else "the browser hangs")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)


def absent() -> str:
    """Why there is no browser, in one line; empty where there is one."""
    if shutil.which(NAME) is not None:
        return ""
    return f"{NAME} is not installed; Debian has it as the package chromium"


@contextmanager
def running() -> Generator[Browser]:
    """A browser with a profile of its own, which ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        child_reads, writes = _high_pipe()
        reads, child_writes = _high_pipe()
        number = os.posix_spawnp(
            NAME,
            [NAME, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            os.environ,
            # The DevTools read from 3 and write to 4.
            file_actions=[
                (os.POSIX_SPAWN_DUP2, child_reads, 3),
                (os.POSIX_SPAWN_DUP2, child_writes, 4),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,
        )
        os.close(child_reads)
        os.close(child_writes)
        try:
            browser = Browser(reads, writes)
            yield browser
            browser.close()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(number, signal.SIGKILL)
            os.waitpid(number, 0)
            os.close(reads)
            os.close(writes)


def _high_pipe() -> tuple[int, int]:
    """A pipe whose ends lie above the numbers that the browser wants."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
