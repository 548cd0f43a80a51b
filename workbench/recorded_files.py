"""Recorded files: the answers of earlier runs, found for the questions that are asked now.

`recorded:FILE:FIELD` answers a question with what FIELD says in the record that has its id, or its
text where one of the two has no id. Ids stand in no view: they are used up here, where a table from
questions to answers is made. So two lines whose questions look alike must have one answer.
"""

from collections.abc import Iterable, Sequence
from json import dumps
from pathlib import Path
from typing import cast

from msgspec import Struct

from decomposition.actions import Abstain
from decomposition.answerers.base import Answerer
from decomposition.answerers.recorded import Recorded
from decomposition.consensus import comparable
from decomposition.hypertext import Message, write
from workbench.exits import Exit, complain, stop
from workbench.field_paths import lookup, paths_of, unknown
from workbench.recorded_traces import Traces
from workbench.records import Row, rows
from workbench.specs import recorded_in, recorded_parts

Entry = str | Abstain
"""An answer, or why there is none."""


class Asking(Struct, frozen=True):
    """A question that is asked now."""

    id: str
    """Empty where it has none of its own."""
    question: str
    written: str
    """As whoever answers it sees it."""
    where: str = ""
    """`FILE:LINE`, for messages."""


def asking(root: Message, question: str = "", identifier: str = "", where: str = "") -> Asking:
    """A question as its root is posed.

    Args:
        root: What is asked.
        question: The text that was asked for it; empty for the beginning of the root.
        identifier: Its id, empty for none of its own.
        where: `FILE:LINE`.
    """
    if not question and root.parts and isinstance(root.parts[0], str):
        question = root.parts[0]
    return Asking(identifier, question, write(root, "$q"), where)


def recorded_answers(
    by: str, asked: Sequence[Asking], traces: Traces | None = None, *, quiet: bool = False
) -> dict[str, Answerer]:
    """The recorded answerers of a spec, by their own specs; each file is read once.

    Args:
        by: A spec with any number of `recorded:FILE:FIELD` and `recorded:TRACE` in it.
        asked: All questions of the run.
        traces: Where traces are found; None where there is no store.
        quiet: Say nothing of questions without a record: they were spoken of before.

    Raises:
        Complaint: A file does not hold together, lacks a field, or answers one question twice.
    """
    fields: dict[str, dict[str, str]] = {}
    found: dict[str, Answerer] = {}
    for spec in recorded_in(by):
        file, field = recorded_parts(spec)
        if field:
            fields.setdefault(file, {})[field] = spec
        elif traces is not None:
            found[spec] = traces(file)
        else:
            stop(f"there is no store to find {spec[:80]!r} in")
    for file, specs in fields.items():
        shelf = _Shelf(Path(file), list(specs), asked)
        for row in rows(Path(file)):
            shelf.take(row)
        shelf.check(quiet=quiet)
        found |= {spec: shelf.answerer(field) for field, spec in specs.items()}
    return found


def _inside(field: str, value: object) -> str:
    """Some paths below a field."""
    if not isinstance(value, dict):
        return f"{field}.0"
    return ", ".join(paths_of({field: cast("object", value)})[:8])


class _Shelf:
    """What one file holds for the questions that are asked."""

    def __init__(self, path: Path, fields: Sequence[str], asked: Sequence[Asking]) -> None:
        self._name = path.name
        self._fields = fields
        self._asked = asked
        self._by_id = {asking.id: place for place, asking in enumerate(asked) if asking.id}
        self._by_text: dict[str, list[int]] = {}
        for place, asking in enumerate(asked):
            self._by_text.setdefault(comparable(asking.question), []).append(place)
        self._entries: dict[int, tuple[Row, tuple[Entry, ...]]] = {}
        self._missing = set(fields)
        """Fields that no record has had so far."""
        self._known: list[str] = []
        self._other_text: list[str] = []
        """Ids whose record has another question."""

    def take(self, row: Row) -> None:
        """Take in a record.

        Raises:
            Complaint: It has no answer in it, or another one than an earlier record.
        """
        self._known = self._known or paths_of(row.fields)
        for field in self._missing.copy():
            if lookup(row.fields, field) is not None:
                self._missing.discard(field)
        entries: tuple[Entry, ...] | None = None
        for place in self._places(row):
            entries = entries or tuple(self._entry(row, field) for field in self._fields)
            first = self._entries.setdefault(place, (row, entries))
            if first[1] != entries:
                question = self._asked[place].question[:60]
                stop(
                    f"{row.where}: another answer to {question!r} than in line {first[0].number}",
                    Exit.BAD_DATA,
                )

    def _places(self, row: Row) -> Iterable[int]:
        """The questions that a record answers: by its id, by its text where there is no id."""
        identifier, text = row.fields.get("id"), row.fields.get("question")
        if isinstance(identifier, bool) or not isinstance(identifier, str | int | None):
            stop(f"{row.where}: id must be text or a whole number", Exit.BAD_DATA)
        alike = self._by_text.get(comparable(text), []) if isinstance(text, str) else []
        if identifier is None or (row.table and identifier == ""):
            return alike
        place = self._by_id.get(str(identifier))
        if place is None:
            return [each for each in alike if not self._asked[each].id]
        if isinstance(text, str) and place not in alike:
            self._other_text.append(str(identifier))
        return [place]

    def _entry(self, row: Row, field: str) -> Entry:
        found = lookup(row.fields, field)
        if found is None:
            return Abstain(f"the record of this question in {self._name} has no {field}")
        value = found.value
        if value is None:
            return Abstain(f"{field} is null in the record of this question in {self._name}")
        if isinstance(value, dict | list):
            stop(
                f"{row.where}: {field} is no answer but holds several\n"
                f"name one in it, such as {_inside(field, found.value)}",
                Exit.BAD_DATA,
            )
        text = value if isinstance(value, str) else dumps(value)
        if not text.strip():
            return Abstain(f"{field} is blank in the record of this question in {self._name}")
        return text

    def check(self, *, quiet: bool) -> None:
        """Nothing, if the file has every field somewhere; says which questions it has not.

        Raises:
            Complaint: The file holds no record, or no record has a field.
        """
        if not self._known:
            stop(f"{self._name} holds no record", Exit.BAD_DATA)
        for field in self._fields:
            if field in self._missing:
                stop(f"{self._name}: {unknown(field, self._known)}", Exit.BAD_DATA)
        if quiet:
            return
        left = [each for place, each in enumerate(self._asked) if place not in self._entries]
        if left:
            first = left[0].id or left[0].where or repr(left[0].question[:60])
            complain(
                f"warning: {self._name} has no record of {len(left)} of {len(self._asked)} "
                f"questions, first {first}; they are abstained from"
            )
        if self._other_text:
            complain(
                f"warning: records of {self._name} with another question under the same id: "
                f"{len(self._other_text)}, first {self._other_text[0]}"
            )

    def answerer(self, field: str) -> Recorded:
        """The answers of a field by question.

        Raises:
            Complaint: Two questions that look alike have different answers.
        """
        place_of_field = self._fields.index(field)
        table: dict[str, Entry] = {}
        first: dict[str, Asking] = {}
        for place, asking in enumerate(self._asked):
            entry: Entry = Abstain(f"{self._name} has no record of this question")
            if place in self._entries:
                entry = self._entries[place][1][place_of_field]
            before = first.setdefault(asking.written, asking)
            if table.setdefault(asking.written, entry) != entry:
                stop(
                    f"{asking.where or asking.id}: the same question as "
                    f"{before.where or before.id}, with another recorded answer in {field}\n"
                    "whoever answers sees the question and no id; work the two in separate files",
                    Exit.BAD_DATA,
                )
        return Recorded(f"{self._name}:{field}", table)
