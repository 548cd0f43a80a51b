"""Long documents: everything about them is answered from views of a capped size."""

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from langchain_core.runnables import RunnableLambda

from decomposition.advance import show
from decomposition.answerers.chat_model import ChatModel
from decomposition.caps import Caps
from decomposition.events import Refused, Replied, Unlocked
from decomposition.rendering import sight, view
from decomposition.workspace import Workspace
from tests.decomposition.kit import Options as Deliberating
from tests.decomposition.kit import Watching, answer, deliberate
from tests.workbench.conftest import Run
from tests.workbench.test_examples import own
from workbench.options import Options
from workbench.testing.completion import Asked, Completion, ToolCall
from workbench.testing.provider import Provider
from workbench.wiring import pose

ITEMS = 2_000
CAP = 4_096
NAMES = ["apple", "pear", "plum", "quince", "cherry", "melon", "hammer", "saw", "drill", "lamp"]
QUESTION = "How many items are a fruit that costs more than 5?"


def item(number: int) -> str:
    """One line of the list."""
    return f"- {NAMES[number * 7 % 10]} {number} costs {number * 37 % 11}\n"


WHOLE = "".join(map(item, range(ITEMS)))
HITS = sum(number * 7 % 10 < 6 and number * 37 % 11 > 5 for number in range(ITEMS))


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """The list of 2,000 items as a file."""
    path = tmp_path / "list.md"
    path.write_text(WHOLE)
    return path


class Reader:
    """A stand-in for a chat model: it gets messages and gives text, and knows its last message.

    What it says depends on that text alone: it unlocks what it is given, asks about each part
    of an outline, adds up answers, and counts items and quotes them.
    """

    def __init__(self) -> None:
        self.longest = 0
        """Bytes of the longest view that it was shown."""

    def __call__(self, messages: list[Any]) -> str:
        """The turn for a view, as JSON."""
        return json.dumps({"actions": self._turn(cast("str", messages[-1].content))})

    def serve(self, request: Asked) -> Completion:
        """The turn for a request, as calls of the tools that it offers."""
        actions = self._turn(request.view)
        calls = [ToolCall(str(each.pop("action")), json.dumps(each)) for each in actions]
        return Completion(calls=tuple(calls), finish="tool_calls")

    def _turn(self, text: str) -> list[dict[str, Any]]:
        self.longest = max(self.longest, len(text.encode()))
        return self._actions(text)

    def _actions(self, text: str) -> list[dict[str, Any]]:
        answers = re.findall(r"(?m)^Answer \$a\d+: = (\d+)$", text)
        if answers:
            return [{"action": "reply", "message": str(sum(map(int, answers)))}]
        shown = re.search(r"(?ms)^\$q\.1: = (.*?)\n(?=\S|\Z)", text)
        if shown is None:
            return [{"action": "unlock", "pointers": ["$q.1"]}]
        content = shown[1].replace("\n  ", "\n")
        parts = re.findall(r"\$q\.1\.\d+", content)
        if parts:
            asks = [f"{QUESTION}\n\nContext: {part}" for part in parts]
            names = [f"$a{number}" for number in range(1, len(parts) + 1)]
            return [
                {"action": "ask", "questions": asks},
                {"action": "unlock", "pointers": names},
            ]
        found = [line for line in content.splitlines() if self._counts(line)]
        quotes = [{"pointer": "$q.1", "text": line} for line in found]
        return [{"action": "reply", "message": str(len(found)), "quotes": quotes}]

    def _counts(self, line: str) -> bool:
        found = re.match(r"- (\w+) \d+ costs (\d+)", line)
        return found is not None and found[1] in NAMES[:6] and int(found[2]) > 5


def test_a_chat_model_counts_in_2000_items_from_views_of_4_kib(listed: Path) -> None:
    """No worker sees more than 4,096 bytes; the count is right, and every hit is quoted once."""
    reader = Reader()
    model = ChatModel.of_runnable(RunnableLambda(reader), "reader", mode="json")
    posed = pose(QUESTION, Options(max_view=CAP, by="looping"), listed)
    told: Deliberating = {"caps": Caps(view_bytes=CAP), "fuel": posed.fuel, "concurrency": 16}
    session, entries = deliberate(posed.message, model, **told)
    assert answer(session) == str(HITS)
    assert 0 < reader.longest <= CAP
    assert not [event for _, event in entries if isinstance(event, Refused)]
    quoted = [len(event.quotes) for _, event in entries if isinstance(event, Replied)]
    assert sum(quoted) == HITS
    assert all(event.wait == "fits" for _, event in entries if isinstance(event, Unlocked))


def test_a_batch_over_http_counts_from_views_of_4_kib(run: Run, listed: Path) -> None:
    """Every request that reaches the provider holds a view of 4 KiB at most, and is in the ledger.

    The line is stopped by a cap on calls, and goes on over the same pieces.
    """
    reader = Reader()
    row = {"question": QUESTION, "context": str(listed), "expected": str(HITS)}
    Path("in.jsonl").write_text(json.dumps(row))
    with Provider.here(reader.serve) as provider:
        Path("c.toml").write_text(f'[chat]\nbase_url = "{provider.url}"\nkey_env = ""\n')
        by = ("--by", "chat:openai:reader", "--config", "c.toml", "--max-view", str(CAP))
        ran = run(
            "amplify", "in.jsonl", *by, "--max-calls", "40", "--out", "out.jsonl", "--run", "r"
        )
        assert ran.code == 4, ran.err
        ran = run("amplify", "--resume", "r", "--max-calls", "500", "--out", "out.jsonl")
        assert ran.code == 0, ran.err
        requests = len(provider.requests())
    (result,) = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert (result["answer"], result["correct"]) == (str(HITS), True)
    assert requests == result["calls"]
    trace = json.loads(run("trace", "show", "last", "--json").out)
    assert trace["largest_view"] == reader.longest <= CAP
    assert sum(len(each["quotes"]) for each in trace["workspaces"]) == HITS


def test_the_documentation_shows_the_view_of_an_outline(listed: Path) -> None:
    """The view in docs/long-documents.md is what an answerer of the example sees."""
    posed = pose(QUESTION, Options(max_view=CAP, by="looping"), listed)
    (document,) = posed.message.pointers()
    assert document.message is not None
    shown = (show("$q.1", document.message),)
    seen = view(Workspace("0", posed.message, (), 9, shown=shown), sight("", "")).text
    page = (Path(__file__).parents[2] / "docs" / "long-documents.md").read_text()
    block = page.partition("## What an answerer sees\n\n")[2].partition("\nIt can ask")[0]
    assert [line.strip() for line in block.splitlines()] == [
        line.strip() for line in seen.splitlines()
    ]


def test_without_a_cap_the_same_list_is_one_section(listed: Path) -> None:
    """The cap is what cuts it: without one a reader of the only section is shown all of it."""
    reader = Reader()
    model = Watching(ChatModel.of_runnable(RunnableLambda(reader), "reader", mode="json"))
    posed = pose(QUESTION, Options(by="looping"), listed)
    session, _ = deliberate(posed.message, model, fuel=posed.fuel)
    assert answer(session) == str(HITS)
    assert reader.longest > len(WHOLE)


def asked(run: Run, tmp_path: Path, *more: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer of the example over the list, and its trace."""
    by = f"{own(tmp_path, 'long_list.py')}:count"
    ran = run("ask", QUESTION, "--context", "list.md", "--by", by, "--json", *more)
    assert ran.code == 0, ran.err
    shown = run("trace", "show", "last", "--json")
    return json.loads(ran.out), json.loads(shown.out)


@pytest.mark.usefixtures("listed")
def test_ask_under_a_cap_reports_its_largest_view(run: Run, tmp_path: Path) -> None:
    """The recorded views are measured again from the events alone, and none is over the cap."""
    answered, trace = asked(run, tmp_path, "--max-view", str(CAP))
    assert answered["answer"] == str(HITS)
    assert 1_000 < trace["largest_view"] <= CAP
    assert f"largest view {trace['largest_view']} bytes" in run("trace", "show", "last").out
    by = f"{own(tmp_path, 'long_list.py')}:count"
    ran = run("ask", QUESTION, "--context", "list.md", "--by", by, "--max-view", str(CAP))
    assert f"largest view {trace['largest_view']} bytes\n" in ran.err
    sound = run("trace", "verify")
    assert sound.code == 0, sound.out


def test_a_list_ten_times_as_long_has_fuel_for_all_of_it(run: Run, tmp_path: Path) -> None:
    """Without --fuel a document in hundreds of pieces is read to its end."""
    numbers = range(10 * ITEMS)
    Path("list.md").write_text("".join(map(item, numbers)))
    answered, trace = asked(run, tmp_path, "--max-view", "2048")
    assert answered["answer"] == str(sum(n * 7 % 10 < 6 and n * 37 % 11 > 5 for n in numbers))
    assert answered["workspaces"] > 600
    assert trace["largest_view"] <= 2048


@pytest.mark.usefixtures("listed")
def test_trace_show_names_what_a_reply_quotes(run: Run, tmp_path: Path) -> None:
    """A quotation stands with its source's name and title, its place and its words."""
    _, trace = asked(run, tmp_path, "--max-view", str(CAP))
    quotes = {each["path"]: each["quotes"] for each in trace["workspaces"]}
    assert sum(map(len, quotes.values())) == HITS
    first = quotes["0.1.1"][0]
    assert first["title"].startswith("items 1 to ")
    assert first["text"] == item(2).strip()
    shown = run("trace", "show", "last", "--path", "0.1.1").out
    place = f"{first['start']} to {first['end']}"
    assert f'quotes $q.1 ({first["title"]}), {place}: "{first["text"]}"' in shown


@pytest.mark.usefixtures("listed")
def test_a_question_that_no_view_has_room_for_is_refused_at_once(run: Run) -> None:
    """The message says how large a view would have to be; nothing is asked."""
    ran = run("ask", "why? " * 300, "--context", "list.md", "--by", "looping", "--max-view", "1024")
    assert ran.code == 2
    assert "the question needs a view of 1" in ran.err
    assert "more than --max-view 1024" in ran.err
    assert not Path("workbench.db").exists()


@pytest.mark.usefixtures("listed")
def test_a_batch_under_a_cap_resumes_with_the_same_pieces(run: Run, tmp_path: Path) -> None:
    """What a cap on calls stopped goes on over the same document, cut as it was accepted."""
    lines = [{"question": QUESTION, "context": "list.md", "expected": str(HITS)}] * 2
    rows = [json.dumps({**line, "id": str(n)}) for n, line in enumerate(lines)]
    Path("in.jsonl").write_text("\n".join(rows))
    by = f"{own(tmp_path, 'long_list.py')}:count"
    ran = run(
        "amplify", "in.jsonl", "--by", by, "--max-view", str(CAP), "--max-calls", "90",
        "--concurrency", "1", "--out", "out.jsonl", "--run", "long",
    )  # fmt: skip
    assert ran.code == 4, ran.err
    ran = run("amplify", "--resume", "long", "--max-calls", "1000", "--out", "out.jsonl")
    assert ran.code == 0, ran.err
    results = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [each["correct"] for each in results] == [True, True]
    pieces: list[set[str]] = []
    for each in results:
        trace = json.loads(run("trace", "show", each["trace"], "--json").out)
        assert trace["largest_view"] <= CAP
        titles = [quote["title"] for at in trace["workspaces"] for quote in at["quotes"]]
        pieces.append(set(titles))
    assert pieces[0] == pieces[1]


@pytest.mark.usefixtures("listed")
def test_a_changed_document_is_named_when_a_batch_resumes(run: Run, tmp_path: Path) -> None:
    """The document is read again by its hash; another one is refused."""
    Path("in.jsonl").write_text(json.dumps({"question": QUESTION, "context": "list.md"}))
    by = f"{own(tmp_path, 'long_list.py')}:count"
    ran = run(
        "amplify", "in.jsonl", "--by", by, "--max-view", str(CAP), "--max-calls", "5",
        "--out", "out.jsonl", "--run", "long",
    )  # fmt: skip
    assert ran.code == 4, ran.err
    Path("list.md").write_text(WHOLE + item(7))
    ran = run("amplify", "--resume", "long", "--max-calls", "1000", "--out", "out.jsonl")
    assert ran.code == 3
    assert "has changed since this was accepted" in ran.err
