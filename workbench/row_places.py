"""Row places: which row of which run somebody means."""

from typing import Final, NoReturn

from msgspec import Struct

from traces.record import RunRecord
from traces.store import Store
from traces.training_rows import Row, RowName, TrainingRows, row_name
from workbench.exits import Exit, stop

_RUNS: Final = 1_000_000
_NAMED: Final = 5


class Placed(Struct, frozen=True):
    """A row with its run and its name."""

    run: RunRecord
    name: RowName
    row: Row


def run_of_rows(store: Store, wanted: str = "") -> RunRecord:
    """The run with rows that is named, or the only one.

    Raises:
        Complaint: There is none, or several and none is named.
        UnknownId: There is no run of this name.
    """
    if wanted:
        run = store.register.find_run(wanted)
        if not TrainingRows(store.database).arms(run.number):
            stop(f"the run {run.name} has no training rows", Exit.BAD_DATA)
        return run
    numbers = TrainingRows(store.database).runs()
    runs = [run for run in store.register.runs(_RUNS) if run.number in numbers]
    if not runs:
        stop(f"{store.database.place} has no training rows", Exit.BAD_DATA)
    if len(runs) > 1:
        names = ", ".join(run.name for run in runs[:_NAMED])
        stop(f"several runs have training rows; name one with --run: {names}")
    return runs[0]


def placed(store: Store, wanted: str, run: str = "") -> Placed:
    """The row of a name such as `12.5` or `amplified/12.5`.

    Raises:
        Complaint: It is no name, or there is no such row.
    """
    name = row_name(wanted)
    if name is None:
        stop(f"a row is named STEP.PLACE or ARM/STEP.PLACE, as in 12.5, not {wanted[:60]!r}")
    found = run_of_rows(store, run)
    rows = TrainingRows(store.database)
    step = rows.step(found.number, name.arm, name.step)
    if name.place >= len(step):
        _missing(name, len(step), rows.arms(found.number), found.name)
    return Placed(found, name, step[name.place])


def _missing(name: RowName, rows: int, arms: dict[str, tuple[int, int]], run: str) -> NoReturn:
    """Says which rows there are."""
    if rows:
        stop(f"step {name.step} has the rows 0 to {rows - 1}, not {name.place}")
    if name.arm not in arms:
        stop(f"{run} has no rows of an arm {name.arm}; there is {', '.join(arms)}")
    stop(f"{run} has the steps 1 to {arms[name.arm][0]}, not {name.step}")
