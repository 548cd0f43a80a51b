"""The test kit: whole deliberations in memory, without a database, a clock or a network.

`deliberate` is the door; `MemoryStore` stands in for the trace store, `FakeClock` for time,
`Watching` and `Shuffled` wrap an answerer to see its views or to have it take its time.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from random import Random
from typing import TypedDict, Unpack, cast

from decomposition.actions import Given
from decomposition.answerers.base import Answerer
from decomposition.answerers.scripted import Scripted
from decomposition.caps import Caps
from decomposition.errors import IllegalAction, RunStopped
from decomposition.events import (
    Abstained,
    Asked,
    Deferred,
    Entry,
    Event,
    Failed,
    Joined,
    Noted,
    Refused,
    Replied,
    Unlocked,
)
from decomposition.hypertext import parse
from decomposition.loop import Loop
from decomposition.memo import Choice
from decomposition.message import Failure, Message, Outcome, Pointer
from decomposition.ports import (
    ALL_GRANTED,
    GO,
    Account,
    Authorship,
    Closed,
    MemoTurn,
    Permit,
    Reusable,
    Ungranted,
    Written,
)
from decomposition.routing import Policy
from decomposition.session import Session
from decomposition.setting import Environs, Setting
from decomposition.spend import NO_DUES, Dues, Estimate, Intent, Receipt, Usage
from decomposition.tree import Tree
from decomposition.view import View

ENGINE = Authorship("", "engine", 0, 0)
RECURSE = Policy("recurse")
PLENTY = 10_000_000
"""Fuel that no test deliberation uses up."""

ACTIONS = (Asked, Unlocked, Noted, Replied, Abstained, Refused, Deferred)
"""Events that cost one fuel each."""

CLOSING = (Replied, Abstained, Failed, Joined)
"""Events that end a workspace."""


class FakeClock:
    """A clock that goes on by a millisecond a look, and sleeps without waiting."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        """Seconds of every sleep, in order."""
        self._looks = 0

    def wall_us(self) -> int:
        """Some moment in 2096, so that no view can hold it by chance."""
        return 3_999_999_999_000_000 + self.monotonic_us()

    def monotonic_us(self) -> int:
        """One millisecond more than at the last look."""
        self._looks += 1
        return self._looks * 1000

    async def sleep(self, seconds: float) -> None:
        """Return at once."""
        self.slept.append(seconds)


class MemoryStore:
    """Event sink, memo store and join store in one, as a trace store is.

    Args:
        fail_at: The commit, counted from 1, from which on nothing is taken; 0 for never.
    """

    def __init__(self, fail_at: int = 0) -> None:
        self.sessions: dict[int, list[tuple[str, Event, Authorship]]] = {}
        self.ends: dict[int, list[int]] = {}
        """How many events each session had after each of its commits."""
        self.intents: list[Intent] = []
        self.receipts: list[Receipt] = []
        self.full: set[int] = set()
        """Sessions whose caps have no room for a call."""
        self._fail_at = fail_at
        self._tries = 0
        self._turns: dict[bytes, list[tuple[int, int]]] = {}
        self._closed: dict[bytes, Closed] = {}

    @property
    def commits(self) -> list[int]:
        """How many events session 1 had after each of its commits."""
        return self.ends.get(1, [])

    def entries(self, session: int = 1) -> list[Entry]:
        """What was committed of a session."""
        return [(path, event) for path, event, _ in self.sessions.get(session, [])]

    def authors(self, session: int = 1) -> list[Authorship]:
        """Who gave each event of a session."""
        return [authorship for _, _, authorship in self.sessions.get(session, [])]

    def acts(self, session: int = 1) -> int:
        """How many turns were taken: workspaces with an answerer's events, commit by commit."""
        rows = self.sessions[session]
        ends = [0, *self.ends[session]]
        return sum(
            len({path for path, _, by in rows[first:last] if by.answerer})
            for first, last in pairwise(ends)
        )

    async def commit(
        self, written: Sequence[Written], reusable: Reusable, dues: Dues = NO_DUES
    ) -> Ungranted:
        """Take all or nothing."""
        self._tries += 1
        if self._fail_at and self._tries >= self._fail_at:
            raise RunStopped(f"commit {self._tries} fails, as it was told to")
        for each in written:
            known = self.sessions.setdefault(each.session, [])
            assert each.first == len(known), "events are numbered without a gap"
            known.extend(each.entries)
            self.ends.setdefault(each.session, []).append(len(known))
        for key, session, first in reusable.memo:
            self._turns.setdefault(key, []).append((session, first))
        for key, session, number, digest in reusable.joins:
            path, event, _ = self.sessions[session][number]
            message, failure = _came_to(event)
            origin = f"{session}/{path}"
            self._closed.setdefault(key, Closed(origin, digest.hex(), message, failure))
        return self._taken(dues)

    def _taken(self, dues: Dues) -> Ungranted:
        """Keep receipts, and the intents for which there is room."""
        known = {intent.call for intent in self.intents} - {each.call for each in self.receipts}
        assert all(each.call in known for each in dues.receipts), "a receipt follows its intent"
        self.receipts += dues.receipts
        self.intents += [each for each in dues.intents if each.session not in self.full]
        if not self.full:
            return ALL_GRANTED
        return {each.call: "session" for each in dues.intents if each.session in self.full}

    def turns(self, keys: Sequence[bytes]) -> list[list[MemoTurn]]:
        """The turns kept for each key, in the order of their commit."""
        return [[self._turn(*place) for place in self._turns.get(key, [])] for key in keys]

    @property
    def kept(self) -> int:
        """How many turns the memo holds."""
        return sum(map(len, self._turns.values()))

    def closed(self, key: bytes) -> Closed | None:
        """The first workspace that was closed under a key."""
        return self._closed.get(key)

    def _turn(self, session: int, first: int) -> MemoTurn:
        rows = self.sessions[session]
        path, _, authorship = rows[first]
        end = next(end for end in self.ends[session] if end > first)
        entries: list[Entry] = []
        for at, event, by in rows[first:end]:
            if at != path or not by.answerer or not isinstance(event, ACTIONS):
                break
            entries.append((at, event))
        return MemoTurn(f"{session}#{first}", authorship.author, tuple(entries))


class Budget:
    """An account from which so many calls may be made."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def allow(self, calls: int) -> int:
        """As many as are left."""
        allowed = min(calls, self.left)
        self.left -= allowed
        return allowed

    def reserve(self, session: int, provider: str, estimate: Estimate) -> Permit:  # noqa: ARG002
        """Whether one more may be made."""
        return GO if self.allow(1) else Permit("run")

    def settle(self, session: int, estimate: Estimate, usage: Usage | None) -> None:
        """Give back a call that did not leave."""
        del session, estimate
        self.left += usage is None


class _Wrapped(Answerer):
    """Another answerer, to the engine the same one."""

    def __init__(self, inner: Answerer) -> None:
        self.identity = inner.identity
        self.instructions = inner.instructions
        self.sees_fuel = inner.sees_fuel
        self.reads_through = inner.reads_through
        self.reads_symbols = inner.reads_symbols
        self.instant = inner.instant
        self.file = inner.file
        self._inner = inner


class Watching(_Wrapped):
    """Keeps every view that the inner answerer was shown, batch by batch."""

    def __init__(self, inner: Answerer, look: Callable[[View], None] | None = None) -> None:
        super().__init__(inner)
        self.batches: list[list[View]] = []
        self._look = look

    @property
    def views(self) -> list[View]:
        """All views, in the order in which they were shown."""
        return [view for batch in self.batches for view in batch]

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """What the inner answerer gives."""
        self.batches.append(list(views))
        if self._look is not None:
            for view in views:
                self._look(view)
        return await self._inner.act(views)


class Shuffled(_Wrapped):
    """Takes its time over each call, so that calls come back in an order drawn from a seed."""

    def __init__(self, inner: Answerer, seed: int) -> None:
        super().__init__(inner)
        self.instant = False
        self._random = Random(seed)  # noqa: S311 - shuffles a test, guards nothing

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """What the inner answerer gives, some rounds of the event loop later."""
        for _ in range(self._random.randrange(9)):
            await asyncio.sleep(0)
        return await self._inner.act(views)


class Raw(Answerer):
    """Gives the same value for every view, whatever it is."""

    def __init__(self, value: object) -> None:
        self.identity = "raw"
        self._value = value

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """The value, once for each view."""
        return cast("Sequence[Given]", [self._value] * len(views))


class Options(TypedDict, total=False):
    """What `deliberate` takes: the fields of `Setting`, and how the loop runs."""

    policy: Policy
    ensemble: tuple[Answerer, ...]
    student: Answerer
    environs: Environs
    caps: Caps
    seed: int
    normalise: Callable[[str], str]
    memo: bool
    memo_choice: Choice
    audit: float
    joins: str
    node_samples: int
    node_rule: str
    share: str
    timeout_s: float
    fuel: int
    samples: int
    rule: str
    number: int
    """The store's number of the session; 1 where nothing is said."""
    store: MemoryStore
    clock: FakeClock
    account: Account
    width: int
    concurrency: int
    resume: Sequence[Entry]
    """Events after which the session goes on, instead of beginning."""
    keep: bool
    """Keep settled workspaces in the live tree."""
    tree: Tree
    """The live tree to begin with."""
    on_commit: Callable[[Sequence[Session]], None]


_SETTING = frozenset(Setting.__struct_fields__)


def begun(question: str | Message, answerer: Answerer, **options: Unpack[Options]) -> Session:
    """A session with its root staged, or folded from what is to be resumed."""
    fields = {name: value for name, value in options.items() if name in _SETTING}
    overseer = options.get("ensemble", (answerer,))
    setting = Setting(**{"policy": RECURSE, "overseer": overseer, **fields})  # type: ignore[arg-type]
    session = Session(options.get("number", 1), setting, ENGINE, options.get("store"))
    if "resume" in options:
        session.resume(options["resume"])
    else:
        session.tree = options.get("tree", session.tree)
        session.tree.collect = session.setting.joins != "none"
        session.tree.keep = options.get("keep", session.tree.keep)
        message = question if isinstance(question, Message) else Message.of(question)
        fuel, samples = options.get("fuel", PLENTY), options.get("samples", 1)
        session.begin(message, fuel, samples, options.get("rule", "majority"))
    return session


def deliberate(
    question: str | Message,
    answerer: Answerer | Callable[[View], Given | str],
    **options: Unpack[Options],
) -> tuple[Session, list[Entry]]:
    """The finished session of a question, and all of its committed events.

    Raises:
        RunStopped: The store or the answerer stopped the run; what was committed is in `store`.
    """
    actor = answerer if isinstance(answerer, Answerer) else Scripted("test", answerer)
    store = options.setdefault("store", MemoryStore())
    number = options.get("number", 1)
    if "resume" in options:
        rows = [(path, event, ENGINE) for path, event in options["resume"]]
        store.sessions.setdefault(number, rows)
    session = begun(question, actor, **options)
    asyncio.run(_worked(iter([session]), store, options))
    return session, store.entries(number)


async def _worked(sessions: Iterator[Session], store: MemoryStore, options: Options) -> None:
    loop = Loop(
        store,
        options.get("clock", FakeClock()),
        account=options.get("account"),
        memo=store,
        width=options.get("width", 1024),
        concurrency=options.get("concurrency", 8),
        on_commit=options.get("on_commit"),
    )
    await loop.run(sessions)


def answer(session: Session) -> str:
    """The root's answer as it is rendered."""
    return session.outlook().answer


def digest(session: Session) -> str:
    """The digest of the whole deliberation."""
    return session.outlook().digest


def events_at(entries: Sequence[Entry], path: str) -> list[Event]:
    """What happened in one workspace, in order."""
    return [event for at, event in entries if at == path]


def kinds(entries: Sequence[Entry]) -> list[str]:
    """Where and what, short: `0 Asked`."""
    return [f"{path} {type(event).__name__}" for path, event in entries]


def worked(entries: Sequence[Entry]) -> set[str]:
    """The paths at which somebody acted."""
    return {path for path, event in entries if isinstance(event, ACTIONS)}


def failures(entries: Sequence[Entry]) -> dict[str, str]:
    """The kind of failure by path."""
    return {path: event.failure.kind for path, event in entries if isinstance(event, Failed)}


def refusals(entries: Sequence[Entry]) -> list[str]:
    """The reasons of all refusals, in order."""
    return [event.reason for _, event in entries if isinstance(event, Refused)]


def written(text: str) -> Message:
    """The message of a written form that names no pointers: brackets make nested messages."""
    return parse(text, _nothing_visible)


def _nothing_visible(name: str) -> Pointer:
    raise IllegalAction(f"no pointer {name} is visible here")


def _came_to(event: Event) -> tuple[Message | None, Failure | None]:
    """The answer with which an event closes a workspace; exactly one of the two is set."""
    outcome: Outcome | None
    match event:
        case Replied(message):
            outcome = written(message)
        case Abstained(reason):
            outcome = Failure("abstained", reason)
        case Failed(failure):
            outcome = failure
        case Joined():
            outcome = event.message or event.failure
        case _:
            outcome = None
    assert outcome is not None, "an answer to join comes from an event that closes"
    return (outcome, None) if isinstance(outcome, Message) else (None, outcome)
