"""Recorded examples: the workspaces of recorded runs as questions with answers and weights.

A label of a line, or whether an answer was right, is never read: the answers are those that the
recorded deliberations came to themselves.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from decomposition.errors import BadTask
from decomposition.hypertext import write
from decomposition.message import Failure, Message
from decomposition.node import Node, Slot
from decomposition.tasks import TASKS
from decomposition.tasks.table import DONT_KNOW, AnyTableTask, TableTask
from decomposition.tree import Tree, fold
from distill.fit import Example
from traces.record import FINISHED, RunRecord, SessionRecord
from traces.store import Store
from workbench.exits import Exit, stop

_ANSWER_CHARACTERS = 10_000


class Gathered(Struct, frozen=True):
    """What runs hold for a student of one task."""

    examples: tuple[Example, ...]
    sessions: int
    left_out: dict[str, int]
    """Workspaces, by why they are no examples."""


def task_of_runs(store: Store, runs: Sequence[RunRecord], wanted: str) -> AnyTableTask:
    """The task that is named, or the one that the runs' questions are of.

    Raises:
        Complaint: It has no table form, or the runs hold questions of several tasks or of none.
    """
    if wanted:
        found = TASKS.get(wanted)
        if not isinstance(found, TableTask):
            known = ", ".join(name for name, each in TASKS.items() if isinstance(each, TableTask))
            stop(f"--task must be one of {known}, not {wanted[:40]!r}")
        return found
    named: Counter[str] = Counter()
    for run in runs:
        for session in store.register.sessions(run.number, FINISHED):
            named[_task_named(store, session)] += 1
    del named[""]
    if len(named) > 1:
        stop(f"the runs hold questions of several tasks: name one with --task: {', '.join(named)}")
    for name in named:
        return task_of_runs(store, runs, name)
    return stop(
        "nothing in these runs is a question of a task that a student can learn", Exit.BAD_DATA
    )


def _task_named(store: Store, session: SessionRecord) -> str:
    """The task of a session's root question; empty for none."""
    if not session.count:
        return ""
    tree = fold(store.entries(session.number, 1))
    written = write(tree.root.question, "$q")
    for name, task in TASKS.items():
        if isinstance(task, TableTask) and task.recognise(written) is not None:
            return name
    return ""


def gathered(store: Store, runs: Sequence[RunRecord], task: AnyTableTask) -> Gathered:
    """Every workspace of the runs that has a question of the task and an answer to trust."""
    examples: list[Example] = []
    left_out: Counter[str] = Counter()
    sessions = 0
    for run in runs:
        for session in store.register.sessions(run.number, FINISHED):
            sessions += 1
            for found in _of_session(store, session, task):
                if isinstance(found, Example):
                    examples.append(found)
                else:
                    left_out[found] += 1
    return Gathered(tuple(examples), sessions, dict(sorted(left_out.items())))


def _of_session(
    store: Store, session: SessionRecord, task: AnyTableTask
) -> Iterator[Example | str]:
    """The workspaces of a session, as examples or as why they are none."""
    records = list(store.records(session.number))
    tree = fold((record.path, record.event) for record in records)
    nodes = {id(node.slot): node for node in tree.nodes.values()}
    touched = any(record.redacted for record in records) or bool(store.stale(session.number))
    for slot in tree.slots.values():
        node = nodes.get(id(slot))
        if node is not None:
            yield "redacted or stale" if touched else _example(tree, slot, node, task)


def _example(tree: Tree, slot: Slot, node: Node, task: AnyTableTask) -> Example | str:
    outcome = slot.outcome
    if isinstance(outcome, Failure):
        return "abstained" if outcome.kind == "abstained" else "failed"
    if slot.tainted:
        return "tainted"
    if outcome is None or tree.pending_within(outcome) or tree.pending_within(slot.question):
        return "unfinished"
    contents = {name: seen for name, _, seen in tree.read_through(node) if isinstance(seen, str)}
    question = task.recognise(write(slot.question, "$q"))
    row = None if question is None else task.table_row(question, contents)
    if row is None:
        return "not of the task's table form"
    return _as_example(tree, slot, task, row, contents, outcome)


def _as_example(
    tree: Tree,
    slot: Slot,
    task: AnyTableTask,
    row: tuple[int, ...],
    contents: dict[str, str],
    outcome: Message,
) -> Example | str:
    text = task.normalise(tree.rendered(outcome, _ANSWER_CHARACTERS))
    answer = task.table_answer(text)
    if answer == DONT_KNOW:
        return "the answer is none of the task's"
    try:
        facts = task.facts_among(contents)
    except BadTask:
        return "the context is none of the task's"
    weight = 1.0 if slot.verdict is None else slot.verdict.agreement
    return Example(facts, row, answer, weight)
