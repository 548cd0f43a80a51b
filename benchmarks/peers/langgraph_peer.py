"""LangGraph as a peer: a graph that works one workspace a super-step, checkpointed into SQLite.

The state stays small: the workspaces that wait for an answer (at most the tree's height) and what
this step recorded. The history of checkpoints is the trace. One channel and `Command` are the
cheapest form found; several channels, a conditional edge, a fan-out with `Send` and tasks of the
functional API all cost more.
"""

# LangGraph is run in an environment of its own, out of the type checker's sight; where chat models
# are installed it sees a part of another version.
# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false, reportMissingTypeArgument=false, reportArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command
from raw_sqlite import (
    RecordIncomplete,
    Stopwatch,
    Timing,
    arguments,
    bytes_under,
    empty_folder,
    is_durable,
)
from tree import expected_answers, is_leaf, question

CONFIG: Final = {"configurable": {"thread_id": "tree"}}

SPARE_STEPS: Final = 10
"""LangGraph stops at its limit of super-steps, which must exceed the number of workspaces."""


class Walk(TypedDict):
    """Where a walk through the tree, depth first, is and what its last step recorded."""

    number: int
    """The workspace to work next; 0 when the root is answered."""
    waiting: list[list[int]]
    """Workspaces from the root down that have asked: number, then the answer that came first."""
    asked: dict[str, str]
    """Questions of this step, by number of the workspace."""
    replied: dict[str, int]
    """Answers of this step, by number of the workspace: a leaf's, and its parents' as they fall."""


class State(TypedDict):
    """The graph's state: one channel, so a step writes one value."""

    walk: Walk


START_OF_WALK: Final = State(walk=Walk(number=1, waiting=[], asked={}, replied={}))


def asked(walk: Walk) -> Walk:
    """The walk after its workspace has asked two subquestions and waits."""
    number = walk["number"]
    return Walk(
        number=2 * number,
        waiting=[*walk["waiting"], [number]],
        asked={str(number): question(number)},
        replied={},
    )


def replied(walk: Walk) -> Walk:
    """The walk after its leaf has answered, with every parent that this completes."""
    number = answer = walk["number"]
    waiting = list(walk["waiting"])
    answers = {str(number): answer}
    while waiting and len(waiting[-1]) > 1:
        parent, first = waiting.pop()
        answer += first
        answers[str(parent)] = answer
    following = 0
    if waiting:
        (parent,) = waiting.pop()
        waiting.append([parent, answer])
        following = 2 * parent + 1
    return Walk(
        number=following,
        waiting=waiting,
        asked={str(number): question(number)},
        replied=answers,
    )


def step(walk: Walk, workspaces: int) -> Walk:
    """The walk after one more workspace of a tree of this size."""
    return replied(walk) if is_leaf(walk["number"], workspaces) else asked(walk)


def compiled(workspaces: int, saver: SqliteSaver) -> CompiledStateGraph:
    """A graph of one node that runs until the root is answered."""

    def work(state: State) -> Command:
        walk = step(state["walk"], workspaces)
        return Command(update={"walk": walk}, goto="work" if walk["number"] else END)

    graph = StateGraph(State)
    graph.add_node("work", work, destinations=("work", END))
    graph.add_edge(START, "work")
    return graph.compile(checkpointer=saver)


def recorded(checkpoints: Iterable[Any]) -> dict[int, tuple[str, int]]:
    """Question and answer of every workspace, by number, read back from the checkpoints."""
    questions: dict[str, str] = {}
    answers: dict[str, int] = {}
    for checkpoint in checkpoints:
        if walk := checkpoint.checkpoint["channel_values"].get("walk"):
            questions |= walk["asked"]
            answers |= walk["replied"]
    answered = questions.keys() & answers.keys()
    return {int(number): (questions[number], answers[number]) for number in answered}


def check(saver: SqliteSaver, workspaces: int) -> None:
    """Compare the history of checkpoints with the tree.

    Raises:
        RecordIncomplete: A question or an answer is absent or wrong.
    """
    expected = {n: (question(n), answer) for n, answer in expected_answers(workspaces).items()}
    if recorded(saver.list(CONFIG)) != expected:
        raise RecordIncomplete(f"the checkpoints are not the tree of {workspaces} workspaces")


def langgraph_recorder(workspaces: int, folder: Path) -> Timing:
    """Record the tree with LangGraph into a database in the folder.

    Raises:
        FileExistsError: The folder is not empty.
        RecordIncomplete: The checkpoints do not hold every workspace.
    """
    os.environ["LANGSMITH_TRACING_V2"] = "false"  # it would send the tree to a service
    folder = empty_folder(folder)
    with SqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
        saver.setup()
        graph = compiled(workspaces, saver)
        limit = CONFIG | {"recursion_limit": workspaces + SPARE_STEPS}
        with Stopwatch() as took:
            graph.invoke(START_OF_WALK, limit, durability="sync")
        durable = is_durable(saver.conn)
        check(saver, workspaces)
    return Timing(
        peer="langgraph",
        version=version("langgraph"),
        workspaces=workspaces,
        wall_s=took.wall_s,
        cpu_s=took.cpu_s,
        durable=durable,
        bytes_on_disk=bytes_under(folder),
    )


if __name__ == "__main__":
    print(langgraph_recorder(*arguments(__doc__)).line())
