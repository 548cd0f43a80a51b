"""Scrubbing: texts are taken out of the rows that hold some beside events.

Inputs, labels, answers, configurations and reasons keep everything else and get new seals.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from msgspec import DecodeError, json
from msgspec.structs import replace

from traces.database import Writer
from traces.digest import seal
from traces.husk import BLANK
from traces.record import RunRecord, SessionRecord
from traces.register import SESSION_COLUMNS, run_seal, session_seal

_SESSIONS: Final = f"SELECT {SESSION_COLUMNS} FROM session"  # noqa: S608 - names from our code
_LINES: Final = "SELECT run, idx, external, input FROM line"
_LABELS: Final = "SELECT run, idx, text FROM expected"
_RUNS: Final = "SELECT id, name, created_us, kind, config, status, total, finished_us FROM run"
_HUSKS: Final = "SELECT session, number, wall_us, reason, husk FROM redacted"
_STALE: Final = "SELECT session, number, reason FROM stale"
_LEASES: Final = "SELECT resource FROM lease"
_HALTS: Final = "SELECT run, session, path, kind, asker, wall_us FROM halt"


class Scrub:
    """Takes texts out of rows, inside of a transaction."""

    def __init__(self, writer: Writer, needles: Iterable[str]) -> None:
        self._writer = writer
        self._needles = sorted(needles, key=len, reverse=True)
        self._changed = 0

    def run(self, only: SessionRecord | None) -> int:
        """Scrub every row; returns how many were changed.

        Args:
            only: Of sessions and lines only this one and its own; None for all.
        """
        if self._needles:
            self._sessions(only)
            self._lines(only)
            self._labels(only)
            self._runs()
            self._marks()
            self._leases()
            self._halts()
        return self._changed

    def _sessions(self, only: SessionRecord | None) -> None:
        sql = "UPDATE session SET answer = ?, config = ?, seal = ? WHERE id = ?"
        for columns in self._of_session(only):
            row = SessionRecord(*columns)
            new = replace(row, answer=self.text(row.answer), config=self.json(row.config))
            if new != row:
                self._change(sql, (new.answer, new.config, session_seal(new), new.number))

    def _of_session(self, only: SessionRecord | None) -> list[tuple[Any, ...]]:
        if only is None:
            return self._writer.rows(_SESSIONS)
        return self._writer.rows(_SESSIONS + " WHERE id = ?", (only.number,))

    def _of_line(self, sql: str, only: SessionRecord | None) -> list[tuple[Any, ...]]:
        if only is None:
            return self._writer.rows(sql)
        return self._writer.rows(sql + " WHERE run = ? AND idx = ?", (only.run, only.idx))

    def _lines(self, only: SessionRecord | None) -> None:
        sql = "UPDATE line SET external = ?, input = ?, seal = ? WHERE run = ? AND idx = ?"
        for run, idx, external, given in self._of_line(_LINES, only):
            row = (run, idx, self.text(external), self.json(given))
            if row[2:] != (external, given):
                self._change(sql, (*row[2:], seal(*row), run, idx))

    def _labels(self, only: SessionRecord | None) -> None:
        sql = "UPDATE expected SET text = ?, seal = ? WHERE run = ? AND idx = ?"
        for run, idx, label in self._of_line(_LABELS, only):
            row = (run, idx, self.text(label))
            if row[2] != label:
                self._change(sql, (row[2], seal(*row), run, idx))

    def _runs(self) -> None:
        sql = "UPDATE run SET name = ?, config = ?, seal = ? WHERE id = ?"
        for columns in self._writer.rows(_RUNS):
            run = RunRecord(*columns)
            name = self.text(run.name)
            # Names are unique, and numbers are.
            name = name if name == run.name else f"{name} {run.number}"
            new = replace(run, name=name, config=self.json(run.config))
            if new != run:
                self._change(sql, (new.name, new.config, run_seal(new), run.number))

    def _marks(self) -> None:
        sql = "UPDATE redacted SET reason = ?, seal = ? WHERE session = ? AND number = ?"
        for session, number, wall_us, reason, husk in self._writer.rows(_HUSKS):
            row = (session, number, wall_us, self.text(reason), husk)
            if row[3] != reason:
                self._change(sql, (row[3], seal(*row), session, number))
        sql = "UPDATE stale SET reason = ?, seal = ? WHERE session = ? AND number = ?"
        for session, number, reason in self._writer.rows(_STALE):
            mark = (session, number, self.text(reason))
            if mark[2] != reason:
                self._change(sql, (mark[2], seal(*mark), session, number))

    def _leases(self) -> None:
        """Whoever holds one under a name that is taken away holds it no more."""
        for (resource,) in self._writer.rows(_LEASES):
            if self.text(resource) != resource:
                self._change("DELETE FROM lease WHERE resource = ?", (resource,))

    def _halts(self) -> None:
        sql = "UPDATE halt SET asker = ?, seal = ? WHERE run = ? AND session = ? AND path = ?"
        for *place, kind, asker, wall_us in self._writer.rows(_HALTS):
            new = self.text(asker)
            if new != asker:
                self._change(sql, (new, seal(*place, kind, new, wall_us), *place))

    def _change(self, sql: str, values: tuple[object, ...]) -> None:
        self._changed += self._writer.run(sql, values)

    # -- values --------------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """A text without what is looked for."""
        for needle in self._needles:
            text = text.replace(needle, BLANK)
        return text

    def json(self, text: str) -> str:
        """JSON without what is looked for; as plain text where it is no JSON."""
        try:
            value = json.decode(text)
        except DecodeError:
            return self.text(text)
        new = self._value(value)
        return text if new == value else json.encode(new).decode()

    def _value(self, value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(each) for each in _items(value)]
        if isinstance(value, dict):
            return {self.text(str(name)): self._value(each) for name, each in _pairs(value)}
        return value


def _items(value: Any) -> Iterable[Any]:  # noqa: ANN401 - as `_value`
    return value


def _pairs(value: Any) -> Iterable[tuple[Any, Any]]:  # noqa: ANN401 - as `_value`
    return value.items()


def without(text: str, gone: Iterable[str]) -> str:
    """A text in which whole words that are gone are blank."""
    words = sorted({re.escape(word) for word in gone if word}, key=len, reverse=True)
    return re.sub(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", BLANK, text) if words else text
