"""The first schema: runs, sessions, events, what can be used again, and rows of training."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts rows by itself only in a column that is declared as INTEGER.
COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Sorted by bytes on a server too, so that what begins alike stands together.
BY_BEGINNING = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Go to this revision."""
    _runs()
    _sessions()
    _events()
    _reuse()
    _marks()
    _training()


def _runs() -> None:
    op.create_table(
        "run",
        _column("id", COUNTED),
        _column("name", BY_BEGINNING),
        _column("created_us", sa.BigInteger()),
        _column("kind", sa.Text()),
        _column("config", sa.Text()),
        _column("status", sa.Text()),
        _column("total", sa.Integer()),
        _column("finished_us", sa.BigInteger(), nullable=True),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.UniqueConstraint("name", name="uq_run_name"),
        sqlite_autoincrement=True,
    )
    for table, texts in (("line", ("external", "input")), ("expected", ("text",))):
        op.create_table(
            table,
            _column("run", sa.BigInteger()),
            _column("idx", sa.Integer()),
            *(_column(name, sa.Text()) for name in texts),
            _column("seal", sa.BigInteger()),
            sa.PrimaryKeyConstraint("run", "idx", name=f"pk_{table}"),
            sa.ForeignKeyConstraint(["run"], ["run.id"], name=f"fk_{table}_run"),
            sqlite_with_rowid=False,
        )


def _sessions() -> None:
    op.create_table(
        "session",
        _column("id", COUNTED),
        _column("trace", BY_BEGINNING),
        _column("run", sa.BigInteger(), nullable=True),
        _column("idx", sa.Integer()),
        _column("opened_us", sa.BigInteger()),
        _column("status", sa.Text()),
        _column("seed", sa.BigInteger()),
        _column("config", sa.Text()),
        _column("answer", sa.Text()),
        _column("digest", sa.Text()),
        _column("workspaces", sa.Integer()),
        _column("calls", sa.Integer()),
        _column("lookups", sa.Integer()),
        _column("memo_hits", sa.Integer()),
        _column("joins", sa.Integer()),
        _column("tokens", sa.BigInteger()),
        _column("cost_usd", sa.Float()),
        _column("seconds", sa.Float()),
        _column("seal", sa.BigInteger()),
        _column("head", sa.LargeBinary()),
        _column("count", sa.BigInteger()),
        _column("salt_seed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.UniqueConstraint("trace", name="uq_session_trace"),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_session_run"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_session_run_idx", "session", ["run", "idx"])


def _events() -> None:
    op.create_table(
        "answerer",
        _column("id", COUNTED),
        _column("identity", sa.Text()),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_answerer"),
        sa.UniqueConstraint("identity", name="uq_answerer_identity"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "event",
        _column("id", COUNTED, autoincrement=False),
        _column("path", sa.Text()),
        _column("kind", sa.SmallInteger()),
        _column("payload", sa.LargeBinary(), nullable=True),
        _column("answerer", sa.Integer()),
        _column("author", sa.SmallInteger()),
        _column("wall_us", sa.BigInteger()),
        _column("monotonic_us", sa.BigInteger()),
        _column("duration_us", sa.BigInteger()),
        _column("mark", sa.Integer()),
        _column("tokens_in", sa.BigInteger(), nullable=True),
        _column("tokens_out", sa.BigInteger(), nullable=True),
        _column("cost_usd", sa.Float(), nullable=True),
        _column("origin", sa.Text(), nullable=True),
        _column("salt", sa.LargeBinary(), nullable=True),
        _column("commitment", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )


def _reuse() -> None:
    op.create_table(
        "memo",
        _column("key", sa.LargeBinary()),
        _column("session", sa.BigInteger()),
        _column("number", sa.BigInteger()),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("key", "session", "number", name="pk_memo"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "joinable",
        _column("key", sa.LargeBinary()),
        _column("session", sa.BigInteger()),
        _column("number", sa.BigInteger()),
        _column("digest", sa.LargeBinary()),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("key", name="pk_joinable"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "unindexed",
        _column("id", COUNTED),
        _column("packed", sa.LargeBinary()),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_unindexed"),
        sqlite_autoincrement=True,
    )


def _marks() -> None:
    op.create_table(
        "redacted",
        _column("session", sa.BigInteger()),
        _column("number", sa.BigInteger()),
        _column("wall_us", sa.BigInteger()),
        _column("reason", sa.Text()),
        _column("husk", sa.LargeBinary()),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("session", "number", name="pk_redacted"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stale",
        _column("session", sa.BigInteger()),
        _column("number", sa.BigInteger()),
        _column("reason", sa.Text()),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("session", "number", name="pk_stale"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lease",
        _column("resource", sa.Text()),
        _column("holder", sa.Text()),
        _column("fence", sa.BigInteger()),
        _column("expires_us", sa.BigInteger()),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("resource", name="pk_lease"),
        sqlite_with_rowid=False,
    )


def _training() -> None:
    op.create_table(
        "trained",
        _column("run", sa.BigInteger()),
        _column("arm", sa.Text()),
        _column("step", sa.BigInteger()),
        _column("teacher_step", sa.BigInteger()),
        _column("total", sa.Integer()),
        _column("packed", sa.LargeBinary()),
        _column("leaf", sa.LargeBinary()),
        _column("digest", sa.LargeBinary()),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("run", "arm", "step", name="pk_trained"),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_trained_run"),
        sqlite_with_rowid=False,
    )


def _column(
    name: str,
    kind: sa.types.TypeEngine[Any],
    *,
    nullable: bool = False,
    autoincrement: Literal["auto"] | bool = "auto",
) -> "sa.Column[Any]":
    return sa.Column(name, kind, nullable=nullable, autoincrement=autoincrement)


def downgrade() -> None:
    """Go back to the one before: there is none."""
    for table in (
        "trained",
        "lease",
        "stale",
        "redacted",
        "unindexed",
        "joinable",
        "memo",
        "event",
        "answerer",
    ):
        op.drop_table(table)
    for table in ("session", "expected", "line", "run"):
        op.drop_table(table)
