"""The doctor: it names what is wrong and what to do, and changes nothing."""

import json
from pathlib import Path

import pytest

from tests.workbench.conftest import Run
from traces.leases import acquire
from traces.store import Store
from workbench.doctor import EXTRAS, TRACING, extras, numbers, origin, packages, sqlite, tracing
from workbench.doctor_config import said_of_keys
from workbench.doctor_store import (
    NETWORK,
    file_system,
    journal,
    pages,
    permission,
    room,
    structure,
    writers,
)

MOUNTS = """\
/dev/sda / ext4 rw 0 0
proc /proc proc rw 0 0
nas:/vol /data nfs4 rw 0 0
/dev/sdb /data/fast xfs rw 0 0
//host/share /my\\040share cifs rw 0 0
overlay /box overlay rw 0 0
short
"""
GIB = 1 << 30


def findings(run: Run, *arguments: str) -> tuple[int, dict[str, tuple[bool, str]]]:
    """The exit code, and for each thing that was looked at whether it is fine and what is said."""
    ran = run("doctor", "--json", *arguments)
    return ran.code, {each["what"]: (each["fine"], each["said"]) for each in json.loads(ran.out)}


def test_a_sound_machine_is_fine(run: Run) -> None:
    """Python, SQLite, packages with bad versions, extras and who is imported are named."""
    code, found = findings(run)
    assert code == 0
    always = ("python", "sqlite", "extras", "traces package", "tui package", "engine", "tracing")
    assert set(always) <= found.keys()
    assert all(fine for fine, _ in found.values())
    assert "postgres" in found["extras"][1]
    assert found["traces package"][1].endswith("traces/__init__.py")


def test_a_sound_store_is_fine(run: Run) -> None:
    """Its file, the room beside it, its journal, its structure and every hash are looked at."""
    assert run("ask", "1 + 2").code == 0
    before = Path("workbench.db").read_bytes()
    code, found = findings(run, "--store", "workbench.db")
    assert code == 0, found
    assert found["store"] == (True, "1 session, 2 events")
    assert found["journal mode"] == (True, "wal")
    assert found["structure"][0]
    assert {"file system", "permission", "disk", "pages", "writers"} <= found.keys()
    assert Path("workbench.db").read_bytes() == before


def test_what_a_killed_process_left_beside_a_store_is_named(run: Run) -> None:
    """With what to do about it; the files stay."""
    assert run("ask", "1 + 2").code == 0
    left = Path(".workbench.db.0123abcd.new-journal")
    left.write_bytes(b"half")
    code, found = findings(run, "--store", "workbench.db")
    assert code == 5
    assert found["store"][0]
    assert left.name in found["left behind"][1]
    assert left.exists()
    left.unlink()
    assert findings(run, "--store", "workbench.db")[0] == 0


def test_a_run_that_a_cap_stopped_is_named(run: Run) -> None:
    """It is no fault, and the command that goes on stands beside it."""
    Path("q.jsonl").write_text('{"question": "487 + 1956"}\n')
    assert run("amplify", "q.jsonl", "--run", "cap", "--max-calls", "3").code == 4
    code, found = findings(run, "--store", "workbench.db")
    assert code == 0
    assert "cap (stopped)" in found["store"][1]
    assert "amplify --resume" in found["store"][1]


def test_a_server_that_does_not_answer_is_named(run: Run) -> None:
    """As a store that cannot be used, in one line."""
    code, found = findings(run, "--store", "postgresql://nobody@127.0.0.1:1/none")
    assert code == 5
    assert not found["store"][0]
    assert "127.0.0.1" in found["store"][1]


def test_a_store_that_is_not_there_is_named(run: Run) -> None:
    """And none is made."""
    code, found = findings(run, "--store", "none.db")
    assert code == 5
    assert "no store is here" in found["store"][1]
    assert not Path("none.db").exists()


def test_writers_of_a_store_are_counted(run: Run) -> None:
    """Holders of leases that are alive, or on another machine, write it."""
    assert run("ask", "1 + 2").code == 0
    with Store.open("workbench.db") as store:
        acquire(store.database, "session:a", "elsewhere:1:1")
        acquire(store.database, "session:b", "elsewhere:2:1")
        acquire(store.database, "session:c")
        assert findings(run, "--store", "workbench.db")[1]["writers"][1].startswith("3 now")


# -- what is said of fabricated machines -------------------------------------------------------


def test_several_writers_need_a_recent_sqlite() -> None:
    """One writer never does."""
    assert writers(1, (3, 40, 1)).fine
    assert writers(4, (3, 51, 3)).fine
    bad = writers(2, (3, 51, 2))
    assert not bad.fine
    assert "3.51.3" in bad.said
    assert "postgresql" in bad.said
    assert "3.51.3" in sqlite((3, 40, 1)).said
    assert sqlite((3, 52, 0)).said == "3.52.0"


@pytest.mark.parametrize(
    ("name", "found", "fine"),
    [
        ("langchain-core", "1.2.4", False),
        ("langchain-core", "1.2.5", True),
        ("langchain-core", "0.3.81", False),
        ("langchain-core", "2.0.0rc1", True),
        ("torch", "2.9.1+cu128", False),
        ("torch", "2.10.0", True),
        ("torch", "2.13.0+cpu", True),
        ("textual", "8.2.8", True),
        ("textual", "8.2.9", False),
    ],
)
def test_versions_that_are_known_to_be_bad_are_named(name: str, found: str, fine: bool) -> None:  # noqa: FBT001 - a column
    """With the version to take instead."""
    (finding,) = packages({name: found})
    assert finding.fine == fine
    assert finding.said.startswith(found)
    assert fine or len(finding.said) > len(found) + 10


def test_a_version_is_read_up_to_its_letters() -> None:
    """Builds and release candidates are compared by their numbers."""
    assert numbers("2.13.0+cpu") == (2, 13, 0)
    assert numbers("1.2.5rc1") == (1, 2, 5)
    assert numbers("dev") == ()


def test_absent_extras_are_named_with_how_to_get_them() -> None:
    """And nothing is said where all are here."""
    assert "not here: chat, tui, postgres" in extras(["distill"]).said
    assert "pip install" in extras([]).said
    assert "not here" not in extras(list(EXTRAS)).said


def test_another_package_of_the_same_name_is_named(tmp_path: Path) -> None:
    """`traces` and `tui` are common names; the file that is imported is always said."""
    ours, others = tmp_path / "ours", tmp_path / "others"
    for folder in (ours, others):
        (folder / "traces").mkdir(parents=True)
    (ours / "traces" / "digest.py").touch()
    file = str(ours / "traces" / "__init__.py")
    assert origin("traces", file, ours) == origin("traces", file, ours)
    assert origin("traces", file, ours).fine
    other = origin("traces", str(others / "traces" / "__init__.py"), ours)
    assert not other.fine
    assert str(others) in other.said
    assert not origin("tui", None, ours).fine


def test_stray_tracing_variables_are_named() -> None:
    """With what the workbench does about them; their values are not shown."""
    assert "no variable" in tracing({}).said
    for name in TRACING:
        found = tracing({name: "secret-value"})
        assert name in found.said
        assert "tracing = true" in found.said
        assert "secret-value" not in found.said


@pytest.mark.parametrize(
    ("path", "kind", "fine"),
    [
        ("/var/me/w.db", "ext4", True),
        ("/data/w.db", "nfs4", False),
        ("/data/fast/w.db", "xfs", True),
        ("/datafast/w.db", "ext4", True),
        ("/my share/w.db", "cifs", False),
        ("/box/w.db", "overlay", True),
    ],
)
def test_the_file_system_below_a_store_is_named(path: str, kind: str, fine: bool) -> None:  # noqa: FBT001 - a column
    """The innermost mount counts; on a network's, locks do not hold."""
    found = file_system(Path(path), MOUNTS)
    assert found.fine == fine
    assert found.said.startswith(kind)
    assert fine or "--store postgresql://" in found.said


@pytest.mark.parametrize("kind", NETWORK)
def test_no_network_file_system_is_fine(kind: str) -> None:
    """Whatever it is called."""
    assert not file_system(Path("/w.db"), f"x / {kind} rw 0 0").fine


def test_who_may_change_a_record_is_said() -> None:
    """Anybody: BAD; readers are named; nobody else: nothing more."""
    assert permission(0o100600, "w.db").said == "0600"
    assert "chmod go-r w.db" in permission(0o100644, "w.db").said
    assert permission(0o100660, "w.db").fine
    assert not permission(0o100666, "w.db").fine


def test_room_is_needed_for_writing_a_store_anew() -> None:
    """A gibibyte, or twice the store."""
    assert room(2 * GIB, 0).fine
    assert not room(GIB - 1, 0).fine
    assert not room(3 * GIB, 2 * GIB).fine
    assert "make room" in room(0, 0).said


def test_what_sqlite_says_is_handed_on() -> None:
    """Another journal, broken pages, and pages that nothing uses."""
    assert journal("wal").fine
    assert not journal("delete").fine
    assert structure(["ok"]).fine
    broken = structure(["Page 5: never used", "row 7 missing"])
    assert not broken.fine
    assert "salvage" in broken.said
    assert pages(0, 23).said == "0 of 23 pages are free"
    assert "used again" in pages(6000, 9000).said


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"chat": {"api_key": "hunter2hunter2"}}, "chat.api_key"),
        ({"chat": {"base_url": "x", "note": "sk-abcdefghijkl"}}, "chat.note"),
        ({"headers": [{"Authorization": "x"}]}, "headers.Authorization"),
        ({"LANGSMITH": {"deep": {"token": "t"}}}, "LANGSMITH.deep.token"),
    ],
)
def test_a_key_in_a_configuration_is_named(content: dict[str, object], where: str) -> None:
    """By its place; the key itself is not repeated."""
    found = said_of_keys("c.toml", content)
    assert not found.fine
    assert where in found.said
    assert "environment" in found.said
    assert "hunter2" not in found.said
    assert "sk-abc" not in found.said


def test_a_configuration_without_keys_is_fine() -> None:
    """Numbers of tokens are no tokens, and a variable's name is no key."""
    sound: dict[str, object] = {
        "max_tokens": 3,
        "chat": {"api_key": "OPENAI_API_KEY", "model": "m"},
    }
    assert said_of_keys("c.toml", sound).fine


def test_the_doctor_reads_a_configuration(run: Run) -> None:
    """A key in it is BAD; a file that is no TOML is refused."""
    Path("c.toml").write_text('[chat]\napi_key = "sk-aaaaaaaaaaaaaaaa"\n')
    ran = run("doctor", "--config", "c.toml")
    assert ran.code == 1
    assert "BAD keys: c.toml holds what looks like a key at chat.api_key" in ran.out
    assert "sk-aaaa" not in ran.out
    Path("c.toml").write_text("= 1")
    ran = run("doctor", "--config", "c.toml")
    assert ran.code == 3, ran.err
    assert "c.toml" in ran.err
