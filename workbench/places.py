"""Places: where a store is, checked before anything is opened or made there."""

from pathlib import Path

from traces.store import Store
from workbench.exits import Exit, stop

_FILE_ADDRESS = "sqlite"


def open_store(place: str, *, make: bool = False, readonly: bool = False) -> Store:
    """The store at a place.

    Args:
        place: A path or an address.
        make: Make a new one where nothing is.
        readonly: Change nothing.

    Raises:
        Complaint: The place can be none, or nothing is there.
        StoreRefused: What is there is no store, or none for this version.
    """
    path = file_of(place)
    if path is not None and not make and not path.exists():
        stop(f"{place}: no store is here", Exit.STORAGE)
    return Store.open(place, readonly=readonly)


def file_of(place: str) -> Path | None:
    """The file of a store; None for one on a server.

    Raises:
        Complaint: The place names no file.
    """
    if not place.strip():
        stop("--store is empty; name a file, such as workbench.db")
    scheme, found, rest = place.partition("://")
    if found and not scheme.startswith(_FILE_ADDRESS):
        return None
    path = rest.removeprefix("/") if found else place
    if path in ("", ":memory:"):
        stop(f"--store {place} would be lost at once: a store is a file, such as workbench.db")
    if "\0" in path:
        stop("--store holds a NUL character")
    return Path(path)


def files_of(place: str) -> list[Path]:
    """The files that hold a store; none for one on a server."""
    path = file_of(place)
    if path is None:
        return []
    return [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
