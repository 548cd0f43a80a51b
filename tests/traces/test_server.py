"""A server: the same store on PostgreSQL, where one can be started."""

import asyncio
import subprocess
from collections.abc import Iterator

import pytest

from decomposition.events import Noted, Replied
from decomposition.ports import Reusable
from tests.traces.engine import deliberated
from tests.traces.kit import MODEL, append, deliberation, recorded, written
from traces.errors import Conflict, ForeignStore, Held, NameTaken, NewerStore, StillNeeded
from traces.gc import remove
from traces.leases import acquire, release
from traces.record import Ending, NewLine
from traces.redact import redact
from traces.store import Store
from traces.verify import verify

psycopg = pytest.importorskip("psycopg")
pgserver = pytest.importorskip("pgserver")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        try:
            server = pgserver.get_server(tmp_path_factory.mktemp("server"))
        except subprocess.SubprocessError as error:
            pytest.skip(f"no server starts here: {error}")
        yield str(server.get_uri())
        server.cleanup()


@pytest.fixture
def url(address: str) -> str:
    """An empty database on it."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS workbench WITH (FORCE)")
        connection.execute("CREATE DATABASE workbench")
        connection.execute("ALTER DATABASE workbench SET timezone = 'UTC'")
    return address.replace("/postgres?", "/workbench?")


@pytest.fixture
def server(url: str) -> Iterator[Store]:
    """A new store on it."""
    with Store.open(url) as store:
        yield store


def test_events_come_back_from_a_server(server: Store, url: str) -> None:
    """With authorship, in order, seen by others; the chain holds."""
    session = recorded(server, 30)
    append(server, session, deliberation(40, 30), MODEL)
    asyncio.run(server.commit(written(session.number, 40, deliberation(45, 40))))
    with Store.open(url, readonly=True) as reader:
        assert reader.entries(session.number) == deliberation(45)
        records = list(reader.records(session.number, 29, 31))
        assert [record.authorship.author for record in records] == ["scripted", "model"]
        assert verify(reader, refold=False).findings == ()


def test_who_comes_second_gets_a_conflict_on_a_server(server: Store, url: str) -> None:
    """The end of the chain is compared in the database."""
    session = recorded(server, 3)
    with Store.open(url) as other:
        append(other, session, deliberation(4, 3))
    with pytest.raises(Conflict):
        server.commit_now(written(session.number, 3, deliberation(5, 3)))
    append(server, session, deliberation(6, 4))
    assert verify(server).ok


def test_runs_are_kept_on_a_server(server: Store) -> None:
    """Lines, labels, endings."""
    lines = [NewLine(str(each), '{"a": "ü"}', "x", each) for each in range(1_000)]
    run = server.register.create_run("first", "amplify", "{}", lines, now_us=5)
    for session in server.register.sessions(run.number):
        server.register.begin(session.number, 6)
        server.register.finish(session.number, Ending("answered", "é", cost_usd=0.1, seconds=2.5))
    server.register.change_run(run.number, "finished", 7)
    with pytest.raises(NameTaken):
        server.register.create_run("first", "amplify", "{}", [], now_us=5)
    assert server.register.progress(run.number) == {"answered": 1_000}
    assert server.register.find_run("fir").total == 1_000
    assert verify(server).findings == ()


def test_turns_and_answers_are_used_again_on_a_server(url: str) -> None:
    """From the window and from the tables."""
    for opened in range(2):
        with Store.open(url) as store:
            _, row = deliberated(store, "Go", lambda _: "42", memo=True)
            assert row.memo_hits == opened
            _, row = deliberated(store, "Come", lambda _: "43", joins="shared")
            assert row.joins == opened
            assert store.memo_behind() == []
            assert verify(store, refold=True).findings == ()


def test_redaction_and_removal_on_a_server(server: Store) -> None:
    """The chain holds after both."""
    first = recorded(server, 3)
    reusable = Reusable([(b"k" * 20, first.number, 3)])
    append(server, first, [("0", Noted("a long secret")), ("0", Replied("x"))], reusable=reusable)
    second = recorded(server, 3)
    append(server, second, [("0", Noted("so a long secret"))])
    report = redact(server, first.trace, 3, reason="asked for")
    assert report.events == ((first.trace, 3), (second.trace, 3))
    assert report.purged
    assert server.turns([b"k" * 20]) == [[]]
    assert verify(server).findings == ()
    assert remove(server, traces=[second.trace]).events == 4
    traces = [deliberated(server, "Go", lambda _: "42", memo=True)[1].trace for _ in range(2)]
    with pytest.raises(StillNeeded):
        remove(server, traces=traces[:1])
    assert verify(server).findings == ()


def test_leases_on_a_server(server: Store) -> None:
    """One holder at a time."""
    lease = acquire(server.database, "run:first", "elsewhere:1:1")
    with pytest.raises(Held):
        acquire(server.database, "run:first")
    release(server.database, lease)
    assert acquire(server.database, "run:first").fence == 2


def test_a_foreign_or_newer_database_is_refused(url: str) -> None:
    """And stays as it is."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE session (id int)")
        with pytest.raises(ForeignStore):
            Store.open(url)
        connection.execute("DROP TABLE session")
        Store.open(url).close()
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(NewerStore, match="9999"):
            Store.open(url)


def test_no_error_tells_a_password(address: str) -> None:
    """The place in a message has none."""
    wrong = address.replace("postgres:@", "nobody:secret@").replace("postgres?", "none?")
    with pytest.raises(Exception, match="none") as caught:
        Store.open(wrong)
    assert "secret" not in str(caught.value)
