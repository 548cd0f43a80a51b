"""The ledger: a line for each paid call, what runs may spend and have spent, and halts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    _ledger()
    _spend()
    _halts()


def _ledger() -> None:
    op.create_table(
        "ledger",
        _column("call", sa.Text()),
        _column("run", sa.BigInteger(), nullable=True),
        _column("session", sa.BigInteger()),
        _column("path", sa.Text()),
        _column("answerer", sa.Integer()),
        _column("attempt", sa.Integer()),
        _column("standing", sa.Text()),
        _column("wall_us", sa.BigInteger()),
        _column("duration_us", sa.BigInteger()),
        _column("reserved_in", sa.BigInteger()),
        _column("reserved_out", sa.BigInteger()),
        _column("reserved_usd", sa.Float(), nullable=True),
        _column("tokens_in", sa.BigInteger(), nullable=True),
        _column("tokens_out", sa.BigInteger(), nullable=True),
        _column("cost_usd", sa.Float(), nullable=True),
        _column("human_s", sa.Float(), nullable=True),
        _column("event", sa.BigInteger(), nullable=True),
        *(_column(name, sa.Text()) for name in ("fault", "finish", "model", "request", "reply")),
        _column("holder", sa.Text()),
        _column("fence", sa.BigInteger()),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("call", name="pk_ledger"),
    )
    for name in ("run", "session"):
        op.create_index(f"ix_ledger_{name}_standing", "ledger", [name, "standing"])


def _spend() -> None:
    counts = ("calls", "tokens", "nano_usd", "unknown", "worked_us", "until_us")
    caps = ("max_calls", "max_tokens", "max_nano_usd", "max_us")
    op.create_table(
        "spend",
        _column("scope", sa.Text()),
        _column("number", sa.BigInteger()),
        *(_column(name, sa.BigInteger()) for name in counts),
        *(_column(name, sa.BigInteger(), nullable=True) for name in caps),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("scope", "number", name="pk_spend"),
        sqlite_with_rowid=False,
    )


def _halts() -> None:
    op.create_table(
        "halt",
        _column("run", sa.BigInteger()),
        _column("session", sa.BigInteger()),
        _column("path", sa.Text()),
        _column("kind", sa.Text()),
        _column("asker", sa.Text()),
        _column("wall_us", sa.BigInteger()),
        _column("seal", sa.BigInteger()),
        sa.PrimaryKeyConstraint("run", "session", "path", name="pk_halt"),
        sqlite_with_rowid=False,
    )


def _column(
    name: str, kind: sa.types.TypeEngine[Any], *, nullable: bool = False
) -> "sa.Column[Any]":
    return sa.Column(name, kind, nullable=nullable, autoincrement=False)


def downgrade() -> None:
    """Go back to the one before."""
    for table in ("halt", "spend", "ledger"):
        op.drop_table(table)
