"""The tables of the store: what stands in which column, on SQLite and PostgreSQL alike.

All content is covered: events by the chain of their session, the others by `seal`, a check over
their other columns. A session's number and its seed of salts are no content as long as no event
depends on them. Times are microseconds since 1970, UTC.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
)
from sqlmodel import Field, SQLModel

APPLICATION_ID: Final = 0x57424E43
"""Says in an SQLite file whose it is: `WBNC`."""

EVENT_BITS: Final = 32
"""An event's id is the number of its session, shifted by this, and its own number."""

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraints have names, so that a migration can speak of them."""

# SQLite counts rows by itself only in a column that is declared as INTEGER.
COUNTED: Final = BigInteger().with_variant(Integer(), "sqlite")

BY_BEGINNING: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Sorted by bytes, so that what begins alike stands together, as SQLite has it by itself."""

_Options = dict[str, Any]
_NEVER_AGAIN: Final[_Options] = {"sqlite_autoincrement": True}
"""The number of a row that was removed is not given again."""
_BY_KEY: Final[_Options] = {"sqlite_with_rowid": False}
"""Rows stand in the order of their keys, without a second tree."""


class Table(SQLModel):
    """Base of all tables of the store."""

    metadata = MetaData(naming_convention=NAMES)


class Run(Table, table=True):
    """Many sessions with one configuration."""

    __table_args__ = _NEVER_AGAIN

    id: int | None = Field(default=None, sa_type=COUNTED, primary_key=True)
    name: str = Field(sa_type=BY_BEGINNING, unique=True)  # type: ignore[call-overload]
    created_us: int = Field(sa_type=BigInteger)
    kind: str = Field(sa_type=Text)
    config: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    total: int = Field(sa_type=Integer)
    finished_us: int | None = Field(default=None, sa_type=BigInteger)
    seal: int = Field(sa_type=BigInteger)


class Line(Table, table=True):
    """A line of input of a run, without its label."""

    __table_args__ = _BY_KEY

    run: int = Field(sa_type=BigInteger, foreign_key="run.id", primary_key=True)
    idx: int = Field(sa_type=Integer, primary_key=True)
    external: str = Field(sa_type=Text)
    input: str = Field(sa_type=Text)
    seal: int = Field(sa_type=BigInteger)


class Expected(Table, table=True):
    """The label of a line, apart, so that nothing reads it by chance."""

    __table_args__ = _BY_KEY

    run: int = Field(sa_type=BigInteger, foreign_key="run.id", primary_key=True)
    idx: int = Field(sa_type=Integer, primary_key=True)
    text: str = Field(sa_type=Text)
    seal: int = Field(sa_type=BigInteger)


class Session(Table, table=True):
    """One root question: the end of its chain, and what its events came to."""

    __table_args__ = (Index(None, "run", "idx"), _NEVER_AGAIN)

    id: int | None = Field(default=None, sa_type=COUNTED, primary_key=True)
    trace: str = Field(sa_type=BY_BEGINNING, unique=True)  # type: ignore[call-overload]
    run: int | None = Field(default=None, sa_type=BigInteger, foreign_key="run.id")
    idx: int = Field(sa_type=Integer)
    opened_us: int = Field(sa_type=BigInteger)
    status: str = Field(sa_type=Text)
    seed: int = Field(sa_type=BigInteger)
    config: str = Field(sa_type=Text)
    answer: str = Field(sa_type=Text)
    digest: str = Field(sa_type=Text)
    workspaces: int = Field(sa_type=Integer)
    calls: int = Field(sa_type=Integer)
    lookups: int = Field(sa_type=Integer)
    memo_hits: int = Field(sa_type=Integer)
    joins: int = Field(sa_type=Integer)
    tokens: int = Field(sa_type=BigInteger)
    cost_usd: float
    seconds: float
    seal: int = Field(sa_type=BigInteger)
    """Over the columns above: those below change with every commit."""
    head: bytes = Field(sa_type=LargeBinary)
    count: int = Field(sa_type=BigInteger)
    salt_seed: bytes = Field(sa_type=LargeBinary)


class Answerer(Table, table=True):
    """An identity that events name by number; 0 is the engine and stands in no row."""

    __table_args__ = _NEVER_AGAIN

    id: int | None = Field(default=None, sa_type=COUNTED, primary_key=True)
    identity: str = Field(sa_type=Text, unique=True)
    seal: int = Field(sa_type=BigInteger)


class Event(Table, table=True):
    """What happened, as it enters the chain of its session."""

    id: int = Field(sa_type=COUNTED, primary_key=True, sa_column_kwargs={"autoincrement": False})
    path: str = Field(sa_type=Text)
    kind: int = Field(sa_type=SmallInteger)
    payload: bytes | None = Field(default=None, sa_type=LargeBinary)
    """None once it was redacted."""
    answerer: int = Field(sa_type=Integer)
    author: int = Field(sa_type=SmallInteger)
    wall_us: int = Field(sa_type=BigInteger)
    monotonic_us: int = Field(sa_type=BigInteger)
    duration_us: int = Field(sa_type=BigInteger)
    mark: int = Field(sa_type=Integer)
    """First four bytes of the link."""
    tokens_in: int | None = Field(default=None, sa_type=BigInteger)
    tokens_out: int | None = Field(default=None, sa_type=BigInteger)
    cost_usd: float | None = None
    origin: str | None = Field(default=None, sa_type=Text)
    salt: bytes | None = Field(default=None, sa_type=LargeBinary)
    """Stored once the session has a redaction; before it is drawn from the seed."""
    commitment: bytes | None = Field(default=None, sa_type=LargeBinary)
    """Stored in place of the payload."""


class Memo(Table, table=True):
    """Where a turn for a view key begins."""

    __table_args__ = _BY_KEY

    key: bytes = Field(sa_type=LargeBinary, primary_key=True)
    session: int = Field(sa_type=BigInteger, primary_key=True)
    number: int = Field(sa_type=BigInteger, primary_key=True)
    seal: int = Field(sa_type=BigInteger)


class Joinable(Table, table=True):
    """The first clean workspace that closed under a question key."""

    __table_args__ = _BY_KEY

    key: bytes = Field(sa_type=LargeBinary, primary_key=True)
    session: int = Field(sa_type=BigInteger)
    number: int = Field(sa_type=BigInteger)
    digest: bytes = Field(sa_type=LargeBinary)
    seal: int = Field(sa_type=BigInteger)


class Unindexed(Table, table=True):
    """Rows of `memo` and `joinable` as one commit made them, until they stand there."""

    __table_args__ = _NEVER_AGAIN

    id: int | None = Field(default=None, sa_type=COUNTED, primary_key=True)
    packed: bytes = Field(sa_type=LargeBinary)
    seal: int = Field(sa_type=BigInteger)


class Redacted(Table, table=True):
    """A payload that was taken away, and what is left of it: its form without its texts."""

    __table_args__ = _BY_KEY

    session: int = Field(sa_type=BigInteger, primary_key=True)
    number: int = Field(sa_type=BigInteger, primary_key=True)
    wall_us: int = Field(sa_type=BigInteger)
    reason: str = Field(sa_type=Text)
    husk: bytes = Field(sa_type=LargeBinary)
    seal: int = Field(sa_type=BigInteger)


class Stale(Table, table=True):
    """An event that depends on something redacted or retracted."""

    __table_args__ = _BY_KEY

    session: int = Field(sa_type=BigInteger, primary_key=True)
    number: int = Field(sa_type=BigInteger, primary_key=True)
    reason: str = Field(sa_type=Text)
    seal: int = Field(sa_type=BigInteger)


class Trained(Table, table=True):
    """The rows of one step of training: what the labels of a student rest on, packed."""

    __table_args__ = _BY_KEY

    run: int = Field(sa_type=BigInteger, foreign_key="run.id", primary_key=True)
    arm: str = Field(sa_type=Text, primary_key=True)
    step: int = Field(sa_type=BigInteger, primary_key=True)
    teacher_step: int = Field(sa_type=BigInteger)
    total: int = Field(sa_type=Integer)
    """Rows."""
    packed: bytes = Field(sa_type=LargeBinary)
    leaf: bytes = Field(sa_type=LargeBinary)
    """Hash of the rows as they were written."""
    digest: bytes = Field(sa_type=LargeBinary)
    """Running, over this leaf and all before it."""
    seal: int = Field(sa_type=BigInteger)


class Lease(Table, table=True):
    """Who may work on something now; the row stays, so that `fence` only grows."""

    __table_args__ = _BY_KEY

    resource: str = Field(sa_type=Text, primary_key=True)
    holder: str = Field(sa_type=Text)
    fence: int = Field(sa_type=BigInteger)
    expires_us: int = Field(sa_type=BigInteger)
    seal: int = Field(sa_type=BigInteger)


class Ledger(Table, table=True):
    """A line for each attempt of a paid call, and for each stretch of a person's time."""

    __table_args__ = (Index(None, "run", "standing"), Index(None, "session", "standing"))

    call: str = Field(sa_type=Text, primary_key=True)
    run: int | None = Field(default=None, sa_type=BigInteger)
    session: int = Field(sa_type=BigInteger)
    """Stays when the session is removed: what was paid stays in the account of its run."""
    path: str = Field(sa_type=Text)
    answerer: int = Field(sa_type=Integer)
    attempt: int = Field(sa_type=Integer)
    standing: str = Field(sa_type=Text)
    """Empty while the call is under way."""
    wall_us: int = Field(sa_type=BigInteger)
    """When the intent was made."""
    duration_us: int = Field(sa_type=BigInteger)
    reserved_in: int = Field(sa_type=BigInteger)
    reserved_out: int = Field(sa_type=BigInteger)
    reserved_usd: float | None = None
    tokens_in: int | None = Field(default=None, sa_type=BigInteger)
    """None where nobody knows; it then counts as its reserve. The same for the two below."""
    tokens_out: int | None = Field(default=None, sa_type=BigInteger)
    cost_usd: float | None = None
    human_s: float | None = None
    event: int | None = Field(default=None, sa_type=BigInteger)
    """Number of the first event of the turn that came of it."""
    fault: str = Field(sa_type=Text)
    finish: str = Field(sa_type=Text)
    model: str = Field(sa_type=Text)
    request: str = Field(sa_type=Text)
    reply: str = Field(sa_type=Text)
    holder: str = Field(sa_type=Text)
    """Process that made the call."""
    fence: int = Field(sa_type=BigInteger)
    """Of the lease under which it did; 0 for none."""
    seal: int = Field(sa_type=BigInteger)


class Spend(Table, table=True):
    """What a run, or a session, may spend and has spent or reserved: advanced with its ledger."""

    __table_args__ = _BY_KEY

    scope: str = Field(sa_type=Text, primary_key=True)
    """`run` or `session`."""
    number: int = Field(sa_type=BigInteger, primary_key=True)
    calls: int = Field(sa_type=BigInteger)
    tokens: int = Field(sa_type=BigInteger)
    nano_usd: int = Field(sa_type=BigInteger)
    """Billionths of a dollar: whole numbers add up to the same in any order."""
    unknown: int = Field(sa_type=BigInteger)
    """Calls that ended and stand here with their reserve, as nobody knows what they used."""
    worked_us: int = Field(sa_type=BigInteger)
    """Time on the clock during which somebody worked it."""
    until_us: int = Field(sa_type=BigInteger)
    """Up to when that was counted; 0 for never."""
    max_calls: int | None = Field(default=None, sa_type=BigInteger)
    max_tokens: int | None = Field(default=None, sa_type=BigInteger)
    max_nano_usd: int | None = Field(default=None, sa_type=BigInteger)
    max_us: int | None = Field(default=None, sa_type=BigInteger)
    seal: int = Field(sa_type=BigInteger)


class Halt(Table, table=True):
    """A run, a session or a subtree that somebody has halted."""

    __table_args__ = _BY_KEY

    run: int = Field(sa_type=BigInteger, primary_key=True)
    """0 for a session that belongs to none."""
    session: int = Field(sa_type=BigInteger, primary_key=True)
    """0 for the whole run."""
    path: str = Field(sa_type=Text, primary_key=True)
    """The workspace below which all is halted; empty for all of the session."""
    kind: str = Field(sa_type=Text)
    """`pause` or `cancel`."""
    asker: str = Field(sa_type=Text)
    """Who wants it."""
    wall_us: int = Field(sa_type=BigInteger)
    seal: int = Field(sa_type=BigInteger)
