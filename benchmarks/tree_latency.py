"""A tree of slow calls at a cap: ours, peers and the bare client beside the greedy schedule.

    python -m benchmarks.tree_latency [--runs 5] [--height 9] [--latency 0.1] [--cap 64]

The tree of height 9 is 1,023 calls; each call of an inner question opens two. The greedy schedule
keeps as many calls under way as are ready, up to the cap; it is computed from the graph of the
calls that were made, as the ledger has it. Walls are printed as ratios to it, with the CPU that
the client took for each call. The arms take turns in every run, after a small tree for each to
warm up on; what is printed are medians. Over HTTP all arms send the same messages and tools to one
provider on loopback, which runs in a process of its own.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any, Final

from msgspec import Struct

from decomposition.answerers.base import Answerer
from decomposition.answerers.chat_settings import ChatSettings, standard
from decomposition.answerers.chat_tools import TOOLS
from traces.store import Store, now_us
from workbench.account import Account
from workbench.deliberate import Deliberation, Outcome, Task
from workbench.testing.paid import PaidDouble, tree
from workbench.testing.provider import Provider
from workbench.wiring import Options, pose, setting_of

WARM: Final = 3
"""Height of the tree to warm up on."""
KEY: Final = "sk-nobody"
MODEL: Final = "tree"
FUEL: Final = 10**6

Graph = dict[str, str]
"""For each call the call that had to be answered first; empty for none."""


class Row(Struct, frozen=True):
    """One measurement."""

    wall_s: float
    cpu_s: float
    calls: int
    greedy_s: float
    """Of the graph of its calls."""


class Tree(Struct, frozen=True):
    """What is worked."""

    height: int
    cap: int
    latency_s: float

    @property
    def root(self) -> str:
        """The question at its root."""
        return f"{self.height} 1"

    @property
    def calls(self) -> int:
        """How many calls it is, if each question is called once."""
        return 2 ** (self.height + 1) - 1

    @property
    def graph(self) -> Graph:
        """Its calls, by number."""
        return {str(n): str(n // 2) if n > 1 else "" for n in range(1, self.calls + 1)}


def greedy_s(graph: Graph, cap: int, latency_s: float) -> float:
    """How long calls of one latency take, if as many are under way as are ready, up to a cap."""
    after: dict[str, list[str]] = {}
    for call, first in graph.items():
        after.setdefault(first, []).append(call)
    ready = deque(after.get("", ()))
    steps = 0
    while ready:
        steps += 1
        done = [ready.popleft() for _ in range(min(cap, len(ready)))]
        for call in done:
            ready.extend(after.get(call, ()))
    return steps * latency_s


async def measured(work: Awaitable[Graph], cap: int, latency_s: float) -> Row:
    """What it takes to do some work, which says what calls it made."""
    wall, cpu = time.perf_counter(), time.process_time()
    graph = await work
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Row(wall, cpu, len(graph), greedy_s(graph, cap, latency_s))


# -- ours ------------------------------------------------------------------------------------


async def ours(worked: Tree, by: Answerer) -> Graph:
    """The tree through the engine, recorded and with its ledger, every commit synced."""
    options = Options(fuel=FUEL)
    setting, cast = setting_of(options, None, by)
    ends: list[Outcome] = []
    with (
        tempfile.TemporaryDirectory(prefix="tree-") as folder,
        Store.open(Path(folder) / "tree.db") as store,
    ):
        row = store.register.open_session(now_us=now_us(), seed=0, config="{}")
        deliberation = Deliberation(store, Account(), on_end=ends.append)
        task = Task(row, pose(worked.root, options), setting, cast)
        await deliberation.work(iter([task]), at_once=1, concurrency=worked.cap)
        rows = store.database.rows("SELECT path, call FROM ledger ORDER BY wall_us, call")
    leaves = [str(n) for n in range(2**worked.height, 2 ** (worked.height + 1))]
    if ends[0].ending.answer.split() != leaves:
        raise ValueError(f"the tree came to {ends[0].ending.answer[:80]!r}")
    return _graph(rows)


def _graph(rows: list[tuple[Any, ...]]) -> Graph:
    """The graph of calls from the paths of their workspaces: an asker's last call comes first."""
    last: dict[str, str] = {}
    graph: Graph = {}
    for path, call in rows:
        above = path.rpartition(".")[0]
        graph[call] = last.get(path) or last.get(above, "")
        last[path] = call
    return graph


def chat(url: str) -> Answerer:
    """The chat model of the provider, as the command line has it."""
    model = import_module("decomposition.answerers.chat_model").ChatModel
    return model(ChatSettings(MODEL, base_url=url), KEY)


# -- peers -----------------------------------------------------------------------------------


def messages(question: str, instructions: str) -> list[dict[str, str]]:
    """What every arm sends: instructions and a view."""
    view = f"Question: {question}\n"
    return [{"role": "system", "content": instructions}, {"role": "user", "content": view}]


def below(calls: list[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The subquestions of a reply."""
    return [each for name, arguments in calls if name == "ask" for each in arguments["questions"]]


Called = Callable[[str], Awaitable[list[str]]]
"""From a question to its subquestions: one call."""


async def gathered(worked: Tree, called: Called) -> None:
    """The tree with `asyncio.gather` and a semaphore."""
    limit = asyncio.Semaphore(worked.cap)
    count = 0

    async def work(question: str) -> None:
        nonlocal count
        async with limit:
            questions = await called(question)
        count += 1
        await asyncio.gather(*map(work, questions))

    await work(worked.root)
    if count != worked.calls:
        raise ValueError(f"{count} calls, not {worked.calls}")


def chat_openai(url: str, instructions: str) -> Called:
    """ChatOpenAI as its documentation shows it."""
    llm = import_module("langchain_openai").ChatOpenAI(
        model=MODEL, base_url=url, api_key=KEY, max_retries=0, timeout=60
    )
    bound = llm.bind_tools(list(TOOLS))

    async def called(question: str) -> list[str]:
        reply = await bound.ainvoke(messages(question, instructions))
        return below([(each["name"], each["args"]) for each in reply.tool_calls])

    return called


async def langgraph(worked: Tree, called: Called) -> None:
    """The tree as a graph of LangGraph: a node that sends each subquestion to itself."""
    graph = import_module("langgraph.graph")
    types = import_module("langgraph.types")
    count = 0

    async def work(state: dict[str, str]) -> Any:  # noqa: ANN401 - of LangGraph
        nonlocal count
        count += 1
        questions = await called(state["question"])
        return types.Command(goto=[types.Send("work", {"question": each}) for each in questions])

    builder = graph.StateGraph(dict)
    builder.add_node("work", work, destinations=("work",))
    builder.add_edge(graph.START, "work")
    compiled = builder.compile()

    config = {"max_concurrency": worked.cap, "recursion_limit": 10_000}
    await compiled.ainvoke({"question": worked.root}, config)
    if count != worked.calls:
        raise ValueError(f"{count} calls, not {worked.calls}")


async def bare_openai(worked: Tree, url: str, instructions: str) -> None:
    """The openai client alone."""
    client = import_module("openai").AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0)
    async with client:

        async def called(question: str) -> list[str]:
            reply = await client.chat.completions.create(
                model=MODEL, messages=messages(question, instructions), tools=list(TOOLS)
            )
            calls = [each.function for each in reply.choices[0].message.tool_calls]
            return below([(each.name, json.loads(each.arguments)) for each in calls])

        await gathered(worked, called)


async def bare_aiohttp(worked: Tree, url: str, instructions: str) -> None:
    """Requests by aiohttp and nothing else: the limit."""
    aiohttp = import_module("aiohttp")
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as client:

        async def called(question: str) -> list[str]:
            asking = {"model": MODEL, "messages": messages(question, instructions)}
            body = json.dumps({**asking, "tools": TOOLS}).encode()
            headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            async with client.post(f"{url}/chat/completions", data=body, headers=headers) as got:
                reply = await got.json()
            calls = [each["function"] for each in reply["choices"][0]["message"]["tool_calls"]]
            return below([(each["name"], json.loads(each["arguments"])) for each in calls])

        await gathered(worked, called)


# -- arms ------------------------------------------------------------------------------------

Arm = Callable[[Tree], Awaitable[Graph]]


def arms(url: str, latency_s: float) -> dict[str, Arm]:
    """Everything that is measured, by name."""
    told = standard("tools").text

    def peer(run: Callable[[Tree], Awaitable[None]]) -> Arm:
        async def worked(each: Tree) -> Graph:
            await run(each)
            return each.graph

        return worked

    return {
        "ours, double in process": lambda t: ours(t, PaidDouble(tree, latency=latency_s)),
        "ours, chat model over HTTP": lambda t: ours(t, chat(url)),
        "ChatOpenAI with gather": peer(lambda t: gathered(t, chat_openai(url, told))),
        "LangGraph with ChatOpenAI": peer(lambda t: langgraph(t, chat_openai(url, told))),
        "openai client, bare": peer(lambda t: bare_openai(t, url, told)),
        "aiohttp, bare": peer(lambda t: bare_aiohttp(t, url, told)),
    }


async def interleaved(chosen: dict[str, Arm], worked: Tree, runs: int) -> dict[str, list[Row]]:
    """Measurements of all arms in turn, after a small tree for each."""
    found: dict[str, list[Row]] = {name: [] for name in chosen}
    for arm in chosen.values():
        await arm(Tree(WARM, worked.cap, worked.latency_s))
    for _ in range(runs):
        for name, arm in chosen.items():
            found[name].append(await measured(arm(worked), worked.cap, worked.latency_s))
    return found


def report(name: str, rows: list[Row]) -> str:
    """Medians of an arm in one line."""
    ratio = median(row.wall_s / row.greedy_s for row in rows)
    worst = max(row.wall_s / row.greedy_s for row in rows)
    cpu = median(row.cpu_s / row.calls for row in rows)
    wall = median(row.wall_s for row in rows)
    return (
        f"{name:<28} {ratio:5.2f} x greedy (worst {worst:4.2f})  {wall:6.2f} s  "
        f"{cpu * 1000:5.2f} ms CPU a call  {rows[0].calls} calls"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--height", type=int, default=9)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--cap", type=int, default=64)
    parser.add_argument("--only", default="", help="arms whose names hold this")
    options = parser.parse_args()
    worked = Tree(options.height, options.cap, options.latency)
    os.environ["LANGSMITH_TRACING"] = os.environ["LANGCHAIN_TRACING_V2"] = "false"
    with Provider.start(MODEL, latency=options.latency) as provider:
        every = arms(provider.url, options.latency)
        chosen = {name: arm for name, arm in every.items() if options.only in name}
        found = asyncio.run(interleaved(chosen, worked, options.runs))
    greedy = greedy_s(worked.graph, worked.cap, worked.latency_s)
    print(f"{worked.calls} calls of {worked.latency_s} s at {worked.cap}: greedy {greedy:.2f} s")
    for name, rows in found.items():
        print(report(name, rows))


if __name__ == "__main__":
    main()
