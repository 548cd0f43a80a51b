"""Laziness: only what is demanded is worked, and all of that is finished."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from decomposition.actions import Ask, Given, Note, Reply, Unlock
from decomposition.advance import resolve
from decomposition.answerers.scripted import Scripted
from decomposition.events import Asked, Entry, Opened, Unlocked
from decomposition.hypertext import addresses
from decomposition.message import Message
from decomposition.tree import fold
from decomposition.view import View
from decomposition.workspace import Workspace
from tests.decomposition.kit import Watching, answer, deliberate, worked
from tests.decomposition.programs import Program, question, seeds

CASES = 60


def only_root(turn: Given) -> Scripted:
    """The root gives one turn, every other question is a leaf."""
    return Scripted("only-root", lambda view: turn if view.question == "root" else "leaf")


def test_what_nobody_demands_is_never_worked() -> None:
    """A subquestion that is asked, noted and forgotten costs no turn."""
    actor = Watching(only_root((Ask(("a", "b")), Note("see $a1"), Reply("x"))))
    _, entries = deliberate("root", actor)
    assert worked(entries) == {"0"}
    assert len(actor.views) == 1


def test_an_unlock_demands_what_it_names_and_nothing_else() -> None:
    """Of three subquestions the one that is looked at is worked."""

    def script(view: View) -> Given | str:
        if view.question != "root":
            return "leaf"
        return "x" if view.asked else (Ask(("a", "b", "c")), Unlock(("$a2",)))

    _, entries = deliberate("root", script)
    assert worked(entries) == {"0", "0.2"}


def test_the_roots_reply_demands_what_it_points_to() -> None:
    """A pointer that is pending in the root's reply is worked, in brackets too."""
    actor = only_root((Ask(("a", "b", "c")), Reply("it is $a3 [or $a1]")))
    session, entries = deliberate("root", actor)
    assert worked(entries) == {"0", "0.1", "0.3"}
    assert answer(session) == "it is leaf or leaf"


def test_demand_flows_through_every_reply_below_the_root() -> None:
    """The root is rendered deep: pending pointers of pending answers are worked in turn."""

    def script(view: View) -> Given | str:
        deep = int(view.question)
        return (Ask((str(deep - 1), "0")), Reply("<$a1>")) if deep else "x"

    session, entries = deliberate("20", script)
    assert answer(session) == "<" * 20 + "x" + ">" * 20
    assert len(worked(entries)) == 21


def test_looking_at_an_answer_does_not_demand_what_is_inside() -> None:
    """An unlocked answer may hold a pointer that stays locked and pending for ever."""

    def script(view: View) -> Given | str:
        if view.question == "root":
            return "x" if view.shown else (Ask(("a",)), Unlock(("$a1",)))
        return (Ask(("below",)), Reply("see $a1"))

    session, entries = deliberate("root", script)
    assert worked(entries) == {"0", "0.1"}
    assert session.outlook().status == "answered"


def test_a_pending_pointer_is_worked_when_it_is_unlocked_elsewhere() -> None:
    """The asker of a question need not be the one who demands its answer."""

    def script(view: View) -> Given | str:
        match view.question.split()[0]:
            case "root":
                if "$a1.1" in view.shown:
                    return "saw $a1.1"
                return (Unlock(("$a1.1",)),) if view.shown else (Ask(("a",)), Unlock(("$a1",)))
            case "a":
                return (Ask(("below",)), Reply("see $a1"))
            case _:
                return "the content"

    session, entries = deliberate("root", script)
    assert answer(session) == "saw the content"
    assert worked(entries) == {"0", "0.1", "0.1.1"}


def test_an_eager_subquestion_starts_at_once_and_is_finished() -> None:
    """Eager questions are worked in the next batch, and to their end, whoever looks or not."""

    def script(view: View) -> Given | str:
        match view.question:
            case "root":
                return (
                    "x"
                    if view.asked
                    else (
                        Ask(("a", "b"), eager=True, fuel=50),
                        Note("n"),
                        Unlock(("$q",)),
                    )
                )
            case "a":
                return "y" if view.shown else (Ask(("below",), eager=True), Unlock(("$a1",)))
            case _:
                return "leaf"

    actor = Watching(Scripted("eager", script))
    session, entries = deliberate("root", actor)
    assert [view.question for view in actor.batches[1]] == ["root", "a", "b"]
    assert worked(entries) == {"0", "0.1", "0.2", "0.1.1"}
    assert answer(session) == "x"
    assert session.finished


def test_demanding_twice_works_once() -> None:
    """Two askers, an eager start and a rendering share one workspace."""

    def script(view: View) -> Given | str:
        match view.question.split()[0]:
            case "root":
                return (Ask(("a", "b $a1", "c $a1"), eager=True), Reply("$a1 $a2 $a3"))
            case "a":
                return "1"
            case _:
                return (view.shown and "saw $q.1") or (Unlock(("$q.1",)),)  # type: ignore[return-value]

    actor = Watching(Scripted("shared", script))
    session, _ = deliberate("root", actor)
    assert answer(session) == "1 saw 1 saw 1"
    assert sum(view.question == "a" for view in actor.views) == 1


# -- over random trees -----------------------------------------------------------------------


class Demand:
    """What must be worked, found again from a finished session's events alone."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.state = dict(fold(entries).state())
        self.sampled: dict[str, int] = {}
        self.eager: set[str] = set()
        self.looked: set[str] = set()
        numbers: dict[str, int] = {}
        for path, event in entries:
            if isinstance(event, Opened):
                self.sampled["0"] = len(event.fuel)
            elif isinstance(event, Asked):
                for _ in event.questions:
                    numbers[path] = numbers.get(path, 0) + 1
                    address = f"{path}.{numbers[path]}"
                    self.sampled[address] = event.samples
                    self.eager |= {address} if event.eager else set()
            elif isinstance(event, Unlocked):
                workspace = self.state[path]
                assert isinstance(workspace, Workspace)
                self.looked |= {resolve(workspace, name).answer for name in event.pointers}
        self.looked.discard("")

    def addresses(self) -> set[str]:
        """Everything demanded: by an unlock, eagerly, by rendering the root, for comparing."""
        demanded = {"0"} | self.eager | self.looked
        while True:
            more = self._read_deep(self._rendered(demanded)) | demanded
            if more == demanded:
                return demanded
            demanded = more

    def _rendered(self, demanded: set[str]) -> set[str]:
        """Addresses that answers lead to which are rendered: the root's, and compared ones."""
        found = set(self._pointed(self.state["$0"]))
        for address in demanded:
            if self.sampled[address] > 1:
                for sample in range(self.sampled[address]):
                    workspace = self.state.get(f"{address}:{sample}")
                    if isinstance(workspace, Workspace):
                        found |= set(self._pointed(workspace.outcome))
        return found

    def _read_deep(self, start: set[str]) -> set[str]:
        found: set[str] = set()
        todo = list(start)
        while todo:
            address = todo.pop()
            if address not in found:
                found.add(address)
                todo += self._pointed(self.state.get(f"${address}"))
        return found

    @staticmethod
    def _pointed(outcome: object) -> list[str]:
        return list(addresses(outcome)) if isinstance(outcome, Message) else []


@settings(max_examples=CASES)
@given(seeds, st.sampled_from([1, 1024]))
def test_exactly_what_is_demanded_is_worked(seed: int, width: int) -> None:
    """The worked questions are those that a demand leads to, and all are answered (60 trees)."""
    session, entries = deliberate(question(), Program(seed), width=width)
    demand = Demand(entries)
    demanded = demand.addresses()
    opened = {name for name, each in demand.state.items() if isinstance(each, Workspace)}
    places = {
        path.rpartition(":")[0] if ":" in path.rpartition(".")[2] else path for path in opened
    }
    assert places == demanded
    assert all(demand.state[f"${address}"] is not None for address in demanded)
    assert all(each.closed for each in demand.state.values() if isinstance(each, Workspace))
    assert session.outlook().workspaces == len(opened)
    assert worked(entries) <= opened
