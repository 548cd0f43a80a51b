"""ICE as a peer: Ought's trace recorder around a recursive async function.

Each workspace is one call of a traced function; ICE writes its arguments when it starts and its
result when it ends, flushed to the operating system but never synced to the disk.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from raw_sqlite import RecordIncomplete, Stopwatch, Timing, arguments, bytes_under, empty_folder
from tree import expected_answers, is_leaf, question

END_OF_BLOCK: Final = "end"
"""The last line of a full block file; all others are JSON."""

Answer = Callable[[int, str], Awaitable[int]]
Address = tuple[int, int]


def recorder_in(folder: Path) -> ModuleType:
    """ICE's module `trace`, with the folder as its home and without its server and browser.

    ICE reads these settings once, while it is imported: hence no import at the top.
    """
    os.environ |= {
        "OUGHT_ICE_DIR": str(folder),
        "OUGHT_ICE_AUTO_SERVER": "0",
        "OUGHT_ICE_AUTO_BROWSER": "0",
    }
    return import_module("ice.trace")


def traced_answer(recorder: ModuleType, workspaces: int) -> Answer:
    """The recursive function that answers a workspace, under ICE's recorder.

    One subquestion after the other: `asyncio.gather` costs more, with nothing to wait for.
    """

    async def answer(number: int, question_text: str) -> int:  # noqa: ARG001 (for the trace)
        if is_leaf(number, workspaces):
            return number
        left, right = 2 * number, 2 * number + 1
        return await traced(left, question(left)) + await traced(right, question(right))

    traced: Answer = recorder.trace(answer)
    return traced


async def record(recorder: ModuleType, workspaces: int) -> tuple[Stopwatch, Path]:
    """Answer the root with the recorder on; how long it took, and the trace's folder.

    Without `enable_trace` the decorator records nothing, silently.
    """
    with redirect_stdout(sys.stderr):  # ICE logs to stdout, which is for the result
        recorder.enable_trace()
    answer = traced_answer(recorder, workspaces)
    with Stopwatch() as took:
        await answer(1, question(1))
    return took, recorder.trace_var.get().dir


def recorded(folder: Path) -> dict[int, tuple[str, int]]:
    """Question and answer of every workspace, by number, read back from a trace's files."""
    values = values_by_address(folder)
    calls, results = calls_and_results((folder / "trace.jsonl").read_text().splitlines())
    answers: dict[int, tuple[str, int]] = {}
    for call in calls.keys() & results.keys():
        given = values[calls[call]]
        answers[given["number"]] = given["question_text"], values[results[call]]
    return answers


def values_by_address(folder: Path) -> dict[Address, Any]:
    """Every argument list and result of a trace, by number of the block file and of the line."""
    return {
        (block, line): json.loads(text)
        for block in range(len(list(folder.glob("block_*.jsonl"))))
        for line, text in enumerate((folder / f"block_{block}.jsonl").read_text().splitlines())
        if text != END_OF_BLOCK
    }


def calls_and_results(lines: Iterable[str]) -> tuple[dict[str, Address], dict[str, Address]]:
    """Addresses of the arguments and of the result, by id of the call."""
    calls: dict[str, Address] = {}
    results: dict[str, Address] = {}
    for event in map(json.loads, lines):
        for key, content in event.items():
            call, _, field = key.partition(".")
            if not field:
                calls[call] = tuple(content["args"])
            elif field == "result":
                results[call] = tuple(content)
    return calls, results


def check(folder: Path, workspaces: int) -> None:
    """Compare the trace's files with the tree.

    Raises:
        RecordIncomplete: A call's arguments or result are absent or wrong.
    """
    expected = {n: (question(n), answer) for n, answer in expected_answers(workspaces).items()}
    if recorded(folder) != expected:
        raise RecordIncomplete(f"the trace in {folder} is not the tree of {workspaces} workspaces")


def ice_recorder(workspaces: int, folder: Path) -> Timing:
    """Record the tree with ICE into the folder.

    Raises:
        FileExistsError: The folder is not empty.
        RecordIncomplete: The trace's files do not hold every call.
    """
    folder = empty_folder(folder)
    recorder = recorder_in(folder)
    took, trace_folder = asyncio.run(record(recorder, workspaces))
    check(trace_folder, workspaces)
    return Timing(
        peer="ice",
        version=version("ought-ice"),
        workspaces=workspaces,
        wall_s=took.wall_s,
        cpu_s=took.cpu_s,
        durable=False,
        bytes_on_disk=bytes_under(trace_folder),
    )


if __name__ == "__main__":
    print(ice_recorder(*arguments(__doc__)).line())
