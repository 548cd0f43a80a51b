"""A server: what a store on PostgreSQL promises beside what every store does.

The other tests of the record run on a server too, wherever they take `store` or `site`.
"""

import asyncio
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from decomposition.events import Noted, Opened
from decomposition.message import Message
from tests.postgres import made, on, plain
from tests.traces.kit import append, deliberation, recorded, written
from traces.errors import (
    Conflict,
    ForeignStore,
    Held,
    NameTaken,
    NewerStore,
    NotAStore,
    StoreBusy,
    StoreFailed,
    TraceError,
    Unstorable,
)
from traces.leases import acquire
from traces.record import Ending, NewLine
from traces.redact import redact
from traces.store import Store
from traces.verify import verify


@pytest.fixture
def first(url: str) -> Iterator[Store]:
    """A new store on the server."""
    with Store.open(url) as store:
        yield store


def rival(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    """Somebody else's transaction that writes alone."""
    connection = psycopg.connect(plain(url), autocommit=True)
    connection.execute("BEGIN; SELECT pg_advisory_xact_lock(1463963204)")
    return connection


def test_events_come_back_through_the_loops_commit(first: Store, url: str) -> None:
    """Other processes see them, and the server keeps its promise whatever its default is."""
    session = recorded(first, 30)
    asyncio.run(first.commit(written(session.number, 30, deliberation(45, 30))))
    with Store.open(url, readonly=True) as reader:
        assert reader.entries(session.number) == deliberation(45)
        assert verify(reader, refold=False).ok
        assert reader.database.rows("SHOW default_transaction_read_only") == [("on",)]
    assert first.database.rows("SHOW synchronous_commit") == [("on",)]


def test_commits_run_beside_each_other(first: Store, url: str) -> None:
    """Writers of different sessions do not wait for each other."""
    one, two = recorded(first, 3), recorded(first, 3)
    with (
        Store.open(url, patience_s=0.1) as other,
        first.database.writing(beside=True) as writer,
    ):
        writer.run("UPDATE session SET seed = seed WHERE id = ?", (one.number,))
        append(other, two, deliberation(5, 3))
    assert verify(first).ok


def test_what_reads_before_it_writes_is_alone(first: Store, url: str) -> None:
    """A lease, a redaction or a new run waits for others, and gives up as on a file."""
    session = recorded(first, 3)
    with Store.open(url, patience_s=0.1) as other:
        lease = acquire(other.database, "run:mine")
        elsewhere = rival(url)
        with pytest.raises(StoreBusy, match="locked by another process"):
            acquire(other.database, "run:first")
        with pytest.raises(StoreBusy):
            other.register.create_run("first", "amplify", "{}", [], now_us=5)
        with pytest.raises(StoreBusy):
            redact(other, session.trace, 1, reason="asked for")
        with pytest.raises(StoreBusy):
            other.commit_now(written(session.number, 3, deliberation(5, 3)))
        elsewhere.close()
        assert acquire(other.database, "run:mine").fence == lease.fence + 1
        append(other, session, deliberation(5, 3))
        assert verify(other).ok


def test_a_lease_that_two_ask_for_at_once_is_given_to_one(url: str) -> None:
    """Whoever waited for the other sees what the other did."""
    got: list[str] = []

    def ask(name: str) -> None:
        with Store.open(url) as store:
            ready.append(name)
            while len(ready) < len(names):
                time.sleep(0.001)
            for number in range(20):
                try:
                    acquire(store.database, f"run:{number}", f"elsewhere:{name}:1")
                except Held:
                    continue
                got.append(f"run:{number}")

    Store.open(url).close()
    ready: list[str] = []
    names = [str(number) for number in range(3)]
    threads = [Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(f"run:{number}" for number in range(20))


def test_a_name_is_given_once_on_a_server(first: Store) -> None:
    """And a run that cannot be stored leaves nothing of itself."""
    lines = [NewLine(str(each), '{"a": "ü"}', "x", each) for each in range(1_000)]
    run = first.register.create_run("first", "amplify", "{}", lines, now_us=5)
    with pytest.raises(NameTaken):
        first.register.create_run("first", "amplify", "{}", [], now_us=5)
    with pytest.raises(Unstorable):
        first.register.create_run("second", "amplify", "{}", [NewLine("\0", "{}")], now_us=5)
    assert [each.name for each in first.register.runs()] == ["first"]
    assert first.register.progress(run.number) == {"waiting": 1_000}
    assert verify(first).ok


def test_beginnings_are_found_whatever_the_order_of_the_server(first: Store, url: str) -> None:
    """A dictionary's order puts `a-b` after `aa`; ids stand in the order of their bytes."""
    for name in ("run-1", "run1", "RUN-2", "run_3", "rün"):
        first.register.create_run(name, "amplify", "{}", [], now_us=5)
    assert first.register.find_run("run-").name == "run-1"
    assert first.register.find_run("RUN").name == "RUN-2"
    assert first.register.find_run("rü").name == "rün"
    with psycopg.connect(plain(url)) as connection:
        rows = connection.execute(
            "SELECT table_name, collation_name FROM information_schema.columns "
            "WHERE collation_name IS NOT NULL AND table_schema = 'public' ORDER BY 1"
        ).fetchall()
    assert rows == [("run", "C"), ("session", "C")]


def test_an_answer_with_a_nul_stops_nothing(store: Store) -> None:
    """The event has it; the row, which is for showing, has another sign in its place."""
    session = recorded(store, 3)
    append(store, session, [("0", Noted("a\0b"))])
    store.register.finish(session.number, Ending("answered", "a\0b"))
    append(store, session, [("0", Noted("c"))])
    assert store.register.session(session.number).answer == "a\ufffdb"
    assert store.entries(session.number)[3] == ("0", Noted("a\0b"))
    assert verify(store).ok


def left(url: str, text: str) -> list[str]:
    """In which files of the server a text is left, beside those of its own log."""
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    folder = Path(parse_qs(urlsplit(plain(url)).query)["host"][0]) / "data"
    return [
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and file.parent.name != "pg_wal" and text.encode() in file.read_bytes()
    ]


def test_no_byte_is_left_in_the_tables_of_a_server(first: Store, url: str) -> None:
    """Redacted texts are in no table, index or free page; what else may hold them is named."""
    told = "the tiger has a long secret"
    config = f'{{"about": "{told}"}}'
    line = NewLine(f"id {told}", config, f"label {told}")
    run = first.register.create_run("first", "amplify", config, [line], now_us=5)
    (waiting,) = first.register.sessions(run.number)
    append(first, waiting, [("0", Opened(Message((f"ask {told}",)), (5,)))])
    first.register.finish(waiting.number, Ending("answered", f"so {told}", "b2:1"))
    session = recorded(first, 5)
    append(first, session, [("0", Noted(f"and {told}"))])
    first.mark_stale(session.number, {1: f"because of {told}"})
    assert left(url, told)
    report = redact(first, waiting.trace, 0, reason=f"because of {told}", also=[told])
    assert report.purged
    assert "pg_wal" in str(report)
    assert left(url, told) == []
    assert verify(first).ok


def _make(url: str) -> None:
    with Store.open(url) as store:
        store.register.open_session(now_us=1)


def test_two_that_make_a_store_at_once_get_the_same_one_on_a_server(url: str) -> None:
    """Whoever comes second opens what the first made."""
    context = get_context("spawn")
    workers = [context.Process(target=_make, args=(url,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 3
    with Store.open(url, readonly=True) as store:
        assert len(store.register.sessions()) == 3
        assert verify(store).ok


def test_a_server_that_goes_away_stops_the_run(first: Store, url: str, server: str) -> None:
    """What was committed is there when it is back."""
    session = recorded(first, 3)
    made(
        server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'empty'",
    )
    with pytest.raises(StoreFailed, match="cannot be used now"):
        first.commit_now(written(session.number, 3, deliberation(5, 3)))
    with Store.open(url) as again:
        assert again.entries(session.number) == deliberation(3)
        append(again, session, deliberation(5, 3))
        with pytest.raises(Conflict):
            again.commit_now(written(session.number, 3, deliberation(5, 3)))


def test_a_foreign_or_newer_database_is_refused(url: str) -> None:
    """And stays as it is."""
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute("CREATE TABLE session (id int)")
        with pytest.raises(ForeignStore):
            Store.open(url)
        connection.execute("DROP TABLE session")
        with pytest.raises(NotAStore, match="no store"):
            Store.open(url, readonly=True)
        Store.open(url).close()
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(NewerStore, match="9999"):
            Store.open(url)


def test_a_database_that_cannot_hold_every_text_is_refused(server: str) -> None:
    """The message says how it should have been made."""
    made(
        server,
        "DROP DATABASE IF EXISTS latin",
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    )
    with pytest.raises(NotAStore, match=r"LATIN1.*UTF8"):
        Store.open(on(server, "latin"))


def test_no_error_tells_a_password(server: str) -> None:
    """The place in a message has none."""
    wrong = on(server, "none").replace("postgres@", "nobody:secret@")
    with pytest.raises(TraceError, match="none") as caught:
        Store.open(wrong)
    assert "secret" not in str(caught.value)
