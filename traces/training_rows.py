"""Training rows: what every label of a student rests on, packed a training step at a time.

A row is numbers alone: the seed of its context, its question, what the overseer asked, the answers
that its label used, and how far it is trusted. Its tree is not stored, it follows from the row. A
digest runs over the steps of an arm; the student that was trained on them names it.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from traces.database import Database, Writer
from traces.digest import HASH_BYTES, seal
from traces.errors import StoreDamaged

NOT_ASKED: Final = -2
"""Stands in a column of answers where a question has fewer subquestions than there is room for."""
AUDITED, KEPT, REDACTED = 1, 2, 4
"""Bits of a row's flags."""
BEGINNING: Final = blake2b(b"workbench training rows 1\0", digest_size=HASH_BYTES).digest()
"""Stands before the digest of an arm's first step."""

_HEAD: Final = struct.Struct("<BqqIHH")
_FORMAT: Final = 1
_MOST_BYTES: Final = 1 << 28
"""Of the rows of one step, unpacked."""
_QUICK: Final = 1
"""Level of the compression: rows shrink to a third, and a higher one would gain little more."""
_BYTES: Final = 8
"""Of a number."""
_PAGE: Final = 200
_COLUMNS: Final = "step, teacher_step, total, packed, leaf, digest, seal"
_INTO: Final = f"trained (run, arm, {_COLUMNS})"


class StepRows(Struct, frozen=True):
    """The rows of one training step, column after column."""

    step: int
    """Number of the step, from 1."""
    teacher_step: int
    """Steps after which the averaged student stood as it answered here."""
    count: int
    fields: int
    """Numbers in a question."""
    room: int
    """Subquestions that a row has room for."""
    numbers: bytes
    """int64, the lowest byte first: seed, fields, label, answers, subquestions field by field."""
    confidence: bytes
    """float32, the lowest byte first."""
    flags: bytes
    """A byte each, of `AUDITED`, `KEPT` and `REDACTED`."""


class Row(Struct, frozen=True):
    """One label and what it rests on."""

    step: int
    place: int
    """In its step's batch, from 0."""
    teacher_step: int
    seed: int
    """Of its context; 0 where the task has none."""
    question: tuple[int, ...]
    subquestions: tuple[tuple[int, ...], ...]
    """In the order in which they were asked."""
    subanswers: tuple[int, ...]
    """Below 0 for "don't know"."""
    label: int
    """Below 0 where the overseer abstained."""
    confidence: float
    """The product of the student's confidence in its answers."""
    audited: bool
    kept: bool
    """Whether the label was trusted, and so trained on."""
    redacted: bool
    """Its numbers were taken away; zeros stand in their place."""


class Packed(Struct, frozen=True):
    """The rows of a step as the table holds them."""

    step: int
    teacher_step: int
    total: int
    packed: bytes
    leaf: bytes
    """Hash of the rows as they were written."""
    digest: bytes
    """Running, over this leaf and all before it."""


def packed(rows: StepRows, before: bytes = BEGINNING) -> Packed:
    """A step's rows, with the digest that follows the one before."""
    raw = _raw(rows)
    leaf = blake2b(raw, digest_size=HASH_BYTES).digest()
    small = _squeezed(raw)
    after = advanced(before, leaf)
    return Packed(rows.step, rows.teacher_step, rows.count, small, leaf, after)


def advanced(before: bytes, leaf: bytes) -> bytes:
    """The running digest after one more step."""
    return blake2b(before + leaf, digest_size=HASH_BYTES).digest()


def shown_digest(digest: bytes) -> str:
    """A digest as a student's record and a checkpoint name it."""
    return f"b2:{digest.hex()}"


def _raw(rows: StepRows) -> bytes:
    head = _HEAD.pack(_FORMAT, rows.step, rows.teacher_step, rows.count, rows.fields, rows.room)
    return head + rows.numbers + rows.confidence + rows.flags


def unpacked(small: bytes) -> StepRows:
    """What `packed` packed.

    Raises:
        StoreDamaged: It is nothing of the kind.
    """
    try:
        raw = _restored(zlib.decompressobj().decompress(small, _MOST_BYTES))
        version, step, teacher_step, count, fields, room = _HEAD.unpack_from(raw)
    except (zlib.error, struct.error) as error:
        raise StoreDamaged(f"training rows cannot be read: {error}") from error
    wide = 8 * count * _width(fields, room)
    at = [_HEAD.size, _HEAD.size + wide, _HEAD.size + wide + 4 * count]
    if version != _FORMAT or len(raw) != at[2] + count:
        raise StoreDamaged("training rows cannot be read: their columns have other lengths")
    numbers, confidence, flags = raw[at[0] : at[1]], raw[at[1] : at[2]], raw[at[2] :]
    return StepRows(step, teacher_step, count, fields, room, numbers, confidence, flags)


def _squeezed(raw: bytes) -> bytes:
    """Compressed; first all lowest bytes of the numbers, then all second ones, and so on.

    Numbers are small, so most of that are zeros, which takes half of the time and of the space.
    """
    return zlib.compress(b"".join(raw[place::_BYTES] for place in range(_BYTES)), _QUICK)


def _restored(sorted_: bytes) -> bytes:
    """The bytes in the order that they had."""
    raw, start = bytearray(len(sorted_)), 0
    for place in range(_BYTES):
        end = start + len(range(place, len(sorted_), _BYTES))
        raw[place::_BYTES] = sorted_[start:end]
        start = end
    return bytes(raw)


def _width(fields: int, room: int) -> int:
    """Columns of numbers."""
    return 2 + fields + room + room * fields


def rows_of(rows: StepRows) -> list[Row]:
    """The rows of a step one by one."""
    count, fields, room = rows.count, rows.fields, rows.room
    numbers = struct.unpack(f"<{count * _width(fields, room)}q", rows.numbers)
    sure = struct.unpack(f"<{count}f", rows.confidence)
    columns = [numbers[start : start + count] for start in range(0, len(numbers), count or 1)]
    return [
        _row(rows, place, [column[place] for column in columns], sure[place])
        for place in range(count)
    ]


def _row(rows: StepRows, place: int, told: list[int], sure: float) -> Row:
    fields, room = rows.fields, rows.room
    first = 2 + fields
    answers = [each for each in told[first : first + room] if each != NOT_ASKED]
    begins = range(first + room, first + room + len(answers) * fields, fields)
    flags = rows.flags[place]
    return Row(
        rows.step,
        place,
        rows.teacher_step,
        told[0],
        tuple(told[1 : 1 + fields]),
        tuple(tuple(told[begin : begin + fields]) for begin in begins),
        tuple(answers),
        told[1 + fields],
        sure,
        audited=bool(flags & AUDITED),
        kept=bool(flags & KEPT),
        redacted=bool(flags & REDACTED),
    )


def blanked(rows: StepRows, places: Iterable[int]) -> StepRows:
    """The same rows, some of them with zeros in place of all their numbers."""
    numbers, sure, flags = (
        bytearray(rows.numbers),
        bytearray(rows.confidence),
        bytearray(rows.flags),
    )
    for place in places:
        for column in range(_width(rows.fields, rows.room)):
            at = 8 * (column * rows.count + place)
            numbers[at : at + 8] = bytes(8)
        sure[4 * place : 4 * place + 4] = bytes(4)
        flags[place] = REDACTED
    return replace(rows, numbers=bytes(numbers), confidence=bytes(sure), flags=bytes(flags))


class RowName(Struct, frozen=True):
    """Which row of a run: `ARM/STEP.PLACE`, as people write it."""

    arm: str
    step: int
    place: int

    def __str__(self) -> str:
        return f"{self.arm}/{self.step}.{self.place}"


_NAME: Final = re.compile(r"(?:([a-z_]{1,40})/)?([0-9]{1,12})\.([0-9]{1,9})")
OWN_ARM: Final = "amplified"
"""The arm whose students are kept."""


def row_name(text: str) -> RowName | None:
    """The row that a text names; without an arm one of the amplified arm."""
    found = _NAME.fullmatch(text)
    if found is None:
        return None
    arm, step, place = found.groups()
    return RowName(arm or OWN_ARM, int(step), int(place))


class TrainingRows:
    """The training rows of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, run: int, arm: str, steps: Sequence[Packed]) -> None:
        """Keep the rows of some steps, all of them or none.

        Raises:
            StoreStopped: The store does not take them.
        """
        flat: list[object] = []
        for each in steps:
            row = (run, arm, each.step, each.teacher_step, each.total)
            sealed = seal(*row, each.packed, each.leaf, each.digest)
            flat += (*row, bytearray(each.packed), bytearray(each.leaf), bytearray(each.digest))
            flat.append(sealed)
        with self._database.writing() as writer:
            writer.insert(_INTO, 9, flat)

    def forget(self, run: int, arm: str, after: int) -> int:
        """Remove the rows of all steps after one; how many steps had some.

        Raises:
            StoreStopped: The store does not take it.
        """
        with self._database.writing() as writer:
            sql = "DELETE FROM trained WHERE run = ? AND arm = ? AND step > ?"
            return writer.run(sql, (run, arm, after))

    def digest_at(self, run: int, arm: str, step: int) -> bytes:
        """The running digest after a step; that of the beginning where there are no rows."""
        sql = (
            "SELECT digest FROM trained WHERE run = ? AND arm = ? AND step <= ? "
            "ORDER BY step DESC LIMIT 1"
        )
        found = self._database.rows(sql, (run, arm, step))
        return bytes(found[0][0]) if found else BEGINNING

    def arms(self, run: int) -> dict[str, tuple[int, int]]:
        """Steps and rows of each arm of a run."""
        sql = (
            "SELECT arm, COUNT(*), SUM(total) FROM trained WHERE run = ? GROUP BY arm ORDER BY arm"
        )
        return {arm: (steps, int(rows)) for arm, steps, rows in self._database.rows(sql, (run,))}

    def runs(self) -> list[int]:
        """Numbers of the runs that have rows."""
        return [run for (run,) in self._database.rows("SELECT DISTINCT run FROM trained")]

    def step(self, run: int, arm: str, step: int) -> list[Row]:
        """The rows of one step; empty where there is none.

        Raises:
            StoreDamaged: They cannot be read.
        """
        sql = "SELECT packed FROM trained WHERE run = ? AND arm = ? AND step = ?"
        return [
            row
            for (small,) in self._database.rows(sql, (run, arm, step))
            for row in rows_of(unpacked(small))
        ]

    def scan(self, run: int, arm: str, until: int | None = None) -> Iterator[StepRows]:
        """All rows of an arm, step after step.

        Args:
            until: The last step; None for all.

        Raises:
            StoreDamaged: Some cannot be read.
        """
        sql = (
            "SELECT step, packed FROM trained WHERE run = ? AND arm = ? AND step > ? "
            "ORDER BY step LIMIT ?"
        )
        after = -1
        while found := self._database.rows(sql, (run, arm, after, _PAGE)):
            for after, small in found:
                if until is not None and after > until:
                    return
                yield unpacked(small)


def change(writer: Writer, run: int, arm: str, rows: StepRows) -> None:
    """Put changed rows in the place of a step's; leaf and digest stay those that they had."""
    sql = f"SELECT {_COLUMNS} FROM trained WHERE run = ? AND arm = ? AND step = ?"  # noqa: S608
    ((step, teacher_step, total, _, leaf, digest, _),) = writer.rows(sql, (run, arm, rows.step))
    small = _squeezed(_raw(rows))
    sealed = seal(run, arm, step, teacher_step, total, small, bytes(leaf), bytes(digest))
    sql = "UPDATE trained SET packed = ?, seal = ? WHERE run = ? AND arm = ? AND step = ?"
    writer.run(sql, (small, sealed, run, arm, step))


def broken(row: tuple[Any, ...], before: bytes) -> str:
    """What does not hold of a row of the table, after the digest before; empty if all does.

    Args:
        row: The columns of `trained` in their order.
        before: The running digest of the step before.
    """
    *columns, sealed = row
    _, _, step, teacher_step, total, small, leaf, digest = columns
    if sealed != seal(*columns):
        return "was changed"
    try:
        rows = unpacked(small)
    except StoreDamaged as error:
        return f"is damaged: {error}"
    if (rows.step, rows.teacher_step, rows.count) != (step, teacher_step, total):
        return "holds the rows of another step"
    gone = any(flags & REDACTED for flags in rows.flags)
    if not gone and blake2b(_raw(rows), digest_size=HASH_BYTES).digest() != leaf:
        return "was changed: its hash is another one"
    if digest != advanced(before, leaf):
        return "does not follow the steps before it"
    return ""
