"""The test kit of the record: sessions with events, without an engine."""

from collections.abc import Sequence
from itertools import cycle, islice

from decomposition.events import Asked, Entry, Event, Noted, Opened, Replied, Unlocked
from decomposition.message import Message
from decomposition.ports import Authorship, Reusable, Written
from traces.record import SessionRecord
from traces.store import NOTHING_REUSABLE, Store

ENGINE = Authorship("", "engine", 1_763_933_333_000_000, 1_000_000)
EXPERT = Authorship("expert:sum@1", "scripted", 1_763_933_333_000_100, 1_000_100, 150)
MODEL = Authorship("chat:m@1", "model", 1_763_933_334_000_000, 2_000_000, 9_000, 120, 14, 0.0025)

SOME: tuple[Event, ...] = (
    Asked(("How much is 3 + 5?", "Ünd das $q.1?"), (7, 7)),
    Unlocked(("$a1", "$a2")),
    Noted("the first is 8"),
    Replied("The sum is 8", 0.75),
)


def deliberation(count: int, first: int = 0) -> list[Entry]:
    """Events `first` to before `count` of a session, such as trees have; they do not fold."""
    opened: list[Entry] = [("0", Opened(Message.of("How much is 1 + 2?"), (20,)))]
    later = [
        (f"0.{place // 3 + 1}.2", event) for place, event in enumerate(islice(cycle(SOME), count))
    ]
    return (opened + later)[first:count]


def written(
    session: int, first: int, entries: Sequence[Entry], by: Authorship = EXPERT
) -> list[Written]:
    """What one commit appends to one session."""
    return [Written(session, first, [(path, event, by) for path, event in entries])]


def append(
    store: Store,
    session: SessionRecord,
    entries: Sequence[Entry],
    by: Authorship = EXPERT,
    reusable: Reusable = NOTHING_REUSABLE,
) -> None:
    """Append to a session, wherever it stands."""
    first = store.register.session(session.number).count
    store.commit_now(written(session.number, first, entries, by), reusable)


def recorded(store: Store, count: int = 10, by: Authorship = EXPERT) -> SessionRecord:
    """A new session with so many events."""
    session = store.register.open_session(now_us=1_763_933_333_000_000, seed=7, config="{}")
    append(store, session, deliberation(count), by)
    return store.register.session(session.number)
