"""Store examined: its file, the file system below it, and whether what it holds is sound."""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workbench.doctor import SAFE_SQLITE, Finding
from workbench.safe_output import many

if TYPE_CHECKING:
    from traces.store import Store

NETWORK: Final = (
    "9p",
    "afs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "prl_fs",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
)
"""File systems on which two machines do not see each other's locks or shared memory."""
LEAST_FREE: Final = 1 << 30
"""Bytes below which a long run may fill the disk."""
_MIB: Final = 1 << 20


def examined(place: str) -> Iterator[Finding]:
    """Everything about a store.

    Args:
        place: A path or an address.
    """
    from traces.errors import TraceError
    from traces.store import Store
    from workbench.places import file_of

    path = file_of(place)
    if path is not None and path.exists():
        yield from _around(path)
    try:
        with Store.open(place, readonly=True) as store:
            yield _sound(store)
            if path is not None:
                yield from _pages(store)
                yield writers(_writers(store), sqlite3.sqlite_version_info)
    except TraceError as error:
        yield Finding("store", fine=False, said=str(error))
    if path is not None:
        yield from _beside(path)


def _around(path: Path) -> Iterator[Finding]:
    """What the machine says about the file."""
    mounts = Path("/proc/mounts")
    if mounts.exists():
        yield file_system(path.resolve(), mounts.read_text(errors="replace"))
    yield permission(path.stat().st_mode, str(path))
    size = path.stat().st_size
    yield room(shutil.disk_usage(path.absolute().parent).free, size)


def file_system(path: Path, mounts: str) -> Finding:
    """What is to be said of the file system that holds a file.

    Args:
        path: From the root, without links.
        mounts: As in `/proc/mounts`.
    """
    kind = _kind(path, mounts)
    if kind in NETWORK:
        said = (
            f"{kind}: locks and shared memory of SQLite do not hold on a file system of a network; "
            "put the store on a disk of this machine, or use --store postgresql://…"
        )
        return Finding("file system", fine=False, said=said)
    if kind == "overlay":
        kind += (
            ": a layer of a container, which goes with it and which no other container shares; "
            "put a store that shall stay on a volume"
        )
    return Finding("file system", fine=True, said=kind or "not known")


def _kind(path: Path, mounts: str) -> str:
    """The type of the innermost mount above a file; empty for none."""
    found, depth = "", 0
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        # A blank in a name stands as \040.
        point = Path(fields[1].encode().decode("unicode_escape"))
        if path.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = fields[2], len(point.parts)
    return found


def permission(mode: int, name: str) -> Finding:
    """What is to be said of who may read and write the file of a store."""
    shown = f"{mode & 0o777:04o}"
    if mode & 0o002:
        said = f"{shown}: anybody may change the record; chmod o-w {name}"
        return Finding("permission", fine=False, said=said)
    if mode & 0o044:
        shown += f": others on this machine may read it; chmod go-r {name} keeps it to you"
    return Finding("permission", fine=True, said=shown)


def room(free: int, size: int) -> Finding:
    """What is to be said of the free room beside a store of some size, in bytes."""
    # Bringing a store up to date and redacting each write it anew beside itself.
    needed = max(LEAST_FREE, 2 * size)
    said = f"{free // _MIB:,} MiB free, the store has {max(1, size // _MIB):,} MiB"
    if free < needed:
        said += f"; a migration or a redaction may need {needed // _MIB:,} MiB: make room"
    return Finding("disk", free >= needed, said)


def _sound(store: "Store") -> Finding:
    """Whether every hash and count holds; and which runs are not finished."""
    from traces.verify import verify

    report = verify(store)
    unfinished = [run for run in store.register.runs() if run.status != "finished"]
    said = f"{many(report.sessions, 'session')}, {many(report.events, 'event')}"
    if report.findings:
        said += f"; {many(len(report.findings), 'finding')}, first: {report.findings[0]}"
    if unfinished:
        names = ", ".join(f"{run.name} ({run.status})" for run in unfinished[:5])
        said += f"; not finished: {names}; `workbench amplify --resume RUN` goes on"
    return Finding("store", not report.findings, said)


def _pages(store: "Store") -> Iterator[Finding]:
    """What SQLite itself says of the file."""
    (mode,), (free,), (count,) = (
        store.database.rows(f"PRAGMA {name}")[0]
        for name in ("journal_mode", "freelist_count", "page_count")
    )
    yield journal(str(mode))
    yield structure([str(row[0]) for row in store.database.rows("PRAGMA quick_check(5)")])
    yield pages(int(free), int(count))


def journal(mode: str) -> Finding:
    """What is to be said of a journal mode."""
    if mode == "wal":
        return Finding("journal mode", fine=True, said="wal")
    said = (
        f"{mode}: readers and a writer wait for each other; something else changed it, and the "
        "next command that writes here sets wal again"
    )
    return Finding("journal mode", fine=False, said=said)


def structure(rows: Sequence[str]) -> Finding:
    """What is to be said of what `quick_check` gave."""
    if rows == ["ok"]:
        return Finding("structure", fine=True, said="SQLite's quick check found nothing")
    said = f"{'; '.join(rows)[:300]}: workbench trace salvage saves what can be read"
    return Finding("structure", fine=False, said=said)


def pages(free: int, count: int) -> Finding:
    """What is to be said of pages that nothing uses."""
    said = f"{free} of {count} pages are free"
    if count and free > count // 2 and free > 1000:
        said += "; they are used again, and the next redaction writes the file anew without them"
    return Finding("pages", fine=True, said=said)


def writers(count: int, running: tuple[int, ...]) -> Finding:
    """What is to be said of several processes that write a store.

    Args:
        count: Of processes.
        running: The version of SQLite.
    """
    said = f"{count} now" if count else "nobody now"
    if count < 2 or running >= SAFE_SQLITE:
        return Finding("writers", fine=True, said=said)
    safe = ".".join(map(str, SAFE_SQLITE))
    said += (
        f", with SQLite {'.'.join(map(str, running))}: before {safe} a reset of the log by two at "
        f"once can damage the store; work with one process, with {safe}, or on postgresql://…"
    )
    return Finding("writers", fine=False, said=said)


def _writers(store: "Store") -> int:
    """How many processes hold something of the store now."""
    from traces.leases import is_dead

    sql = "SELECT DISTINCT holder FROM lease WHERE holder <> ''"
    return sum(not is_dead(str(holder)) for (holder,) in store.database.rows(sql))


def _beside(path: Path) -> Iterator[Finding]:
    """What a killed process left beside a store."""
    from traces.opening import leftovers

    left = leftovers(path)
    if left:
        names = ", ".join(file.name for file in left[:5])
        said = f"{names}: left by a process that died while it made the store; remove them"
        yield Finding("left behind", fine=False, said=said)
