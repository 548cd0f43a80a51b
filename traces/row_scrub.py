"""Scrubbing of training rows: a row that would tell what is taken away loses its numbers.

A row holds no text, but its question, its answers and its tree follow from it. So it is written
out as its tree would be, and looked at. Rows that a recorded tree was made of go with an event of
that tree, and so do rows of the same question about the same context.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import DecodeError, Struct, json

from decomposition.errors import BadTask
from decomposition.events import Opened
from decomposition.tasks import task_named
from decomposition.tasks.base import NO_FACTS, Facts
from decomposition.tasks.table import AnyTableTask, TableTask
from traces.database import Writer
from traces.dependants import Rows
from traces.husk import texts
from traces.training_rows import Row, StepRows, blanked, change, row_name, rows_of, unpacked

_RUNS: Final = "SELECT DISTINCT t.run, r.config FROM trained t JOIN run r ON r.id = t.run"
_SCAN: Final = (
    "SELECT arm, step, packed FROM trained WHERE run = ? AND (arm, step) > (?, ?) "
    "ORDER BY arm, step LIMIT 200"
)
_SESSION: Final = "SELECT run, config FROM session WHERE id = ?"


class Rested(Struct, frozen=True):
    """What the rows of a run are about, as its configuration says."""

    task: str
    size: int
    reach: int = 0


class RecordedRow(Struct, frozen=True):
    """What the configuration of a session says that recorded the tree of a row."""

    row: str
    """`ARM/STEP.PLACE`."""
    teacher_step: int = 0
    derived: bool = False
    """Whether the tree was built from the row afterwards, and not by the student at work."""


class Found(Struct, frozen=True):
    """Rows of one step that tell something."""

    run: int
    arm: str
    rows: StepRows
    places: tuple[int, ...]


def telling(rows: Rows, wanted: Collection[str], sessions: Iterable[int]) -> list[Found]:
    """The training rows that would tell what is taken away.

    Args:
        rows: The store.
        wanted: Texts that are taken away wherever they stand.
        sessions: From which something is taken away.
    """
    named = _named(rows, sessions)
    found: list[Found] = []
    for run, config in rows.rows(_RUNS):
        told = _about(config)
        alike = _alike(rows, run, named.get(run, set()))
        if told is None or not (wanted or alike):
            continue
        task, size = told
        written = _Written(task, size)
        for arm, step in _steps(rows, run):
            places = tuple(
                row.place
                for row in rows_of(step)
                if not row.redacted
                and ((row.seed, row.question) in alike or written.tells(row, wanted))
            )
            if places:
                found.append(Found(run, arm, step, places))
    return found


def take_away(writer: Writer, found: Iterable[Found]) -> int:
    """Empty rows, in the transaction that is open; how many."""
    emptied = 0
    for each in found:
        change(writer, each.run, each.arm, blanked(each.rows, each.places))
        emptied += len(each.places)
    return emptied


def _named(rows: Rows, sessions: Iterable[int]) -> Mapping[int, set[str]]:
    """By run the rows whose trees the sessions recorded."""
    named: dict[int, set[str]] = {}
    for session in sessions:
        for run, config in rows.rows(_SESSION, (session,)):
            try:
                told = json.decode(config or b"{}", type=RecordedRow)
            except DecodeError:
                continue
            named.setdefault(run, set()).add(told.row)
    return named


def _about(config: str) -> tuple[AnyTableTask, int] | None:
    """The task of a run's rows and the size of its contexts; None where it is not known here."""
    try:
        told = json.decode(config, type=Rested)
        task = task_named(told.task)
        return (task.reaching(told.reach), told.size) if isinstance(task, TableTask) else None
    except (DecodeError, BadTask):
        return None


def _alike(rows: Rows, run: int, named: Collection[str]) -> set[tuple[int, tuple[int, ...]]]:
    """Context and question of the rows that are named."""
    sql = "SELECT packed FROM trained WHERE run = ? AND arm = ? AND step = ?"
    alike: set[tuple[int, tuple[int, ...]]] = set()
    for name in filter(None, map(row_name, named)):
        for (small,) in rows.rows(sql, (run, name.arm, name.step)):
            alike |= {
                (row.seed, row.question)
                for row in rows_of(unpacked(small))
                if row.place == name.place and not row.redacted
            }
    return alike


def _steps(rows: Rows, run: int) -> Iterator[tuple[str, StepRows]]:
    last: tuple[Any, ...] = ("", -1)
    while page := rows.rows(_SCAN, (run, *last)):
        last = page[-1][:2]
        yield from ((arm, unpacked(small)) for arm, _, small in page)


class _Written:
    """Rows of one run as the texts that their trees are made of."""

    def __init__(self, task: AnyTableTask, size: int) -> None:
        self._task, self._size = task, size
        self._facts: tuple[int, Facts] = (0, NO_FACTS)

    def tells(self, row: Row, wanted: Collection[str]) -> bool:
        """Whether a text of the row holds one of those."""
        return bool(wanted) and any(
            needle in text for text in self._texts(row) for needle in wanted
        )

    def _texts(self, row: Row) -> Iterator[str]:
        task, facts = self._task, self._context(row.seed)
        question = task.table_question(row.question)
        yield from texts(Opened(task.root(question, facts), (1,)))
        yield task.write_root(question, facts)
        for each in (row.question, *row.subquestions):
            yield task.render(task.table_question(each))
        for answer in (row.label, *row.subanswers):
            if answer >= 0:
                yield task.table_written(answer)

    def _context(self, seed: int) -> Facts:
        if self._task.has_facts and self._facts[0] != seed:
            self._facts = (seed, self._task.make(self._size, seed))
        return self._facts[1]
