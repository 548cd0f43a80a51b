"""Withdrawing: a person takes back a turn of which nothing was made, in any session.

The record keeps the turn; from now on nothing counts it, and neither a memo nor a join uses it.
"""

from collections.abc import Sequence

from decomposition.errors import NotWithdrawable
from decomposition.events import Withdrawn
from decomposition.ports import Authorship
from decomposition.session import Session
from decomposition.withdrawal import Signed, Withdrawal, withdrawal
from traces.dependants import users
from traces.store import Store


def withdraw(store: Store, trace: str, number: int, by: Authorship) -> Withdrawal:
    """Take back a turn of a session that this process does not step.

    Args:
        number: Of the turn's first event.
        by: Who takes it back.

    Raises:
        UnknownId: There is no such session.
        NotWithdrawable: Something was made of the turn, here or in another session.
        Conflict: Somebody appended meanwhile; nothing changed.
        StoreStopped: The store does not take it.
    """
    row = store.register.find_session(trace)
    taken = withdrawal(_signed(store, row.number), number, by)
    _check_unused(store, row.number, row.trace, taken)
    store.append(row, [(taken.path, Withdrawn(number), by)])
    _drop(store, row.number, taken)
    return taken


def take_back(store: Store, session: Session, number: int, by: Authorship) -> Withdrawal:
    """Take back a turn of a session under way; the loop's next commit has it.

    Args:
        number: Of the turn's first event.
        by: Who takes it back.

    Raises:
        NotWithdrawable: Something was made of the turn, or events wait for their commit.
        StoreStopped: The store does not take it.
    """
    entries = _signed(store, session.number)
    taken = withdrawal(entries, number, by)
    _check_unused(store, session.number, store.register.session(session.number).trace, taken)
    session.withdraw(number, entries, by)
    _drop(store, session.number, taken)
    return taken


def _signed(store: Store, session: int) -> Sequence[Signed]:
    return [(each.path, each.event, each.authorship) for each in store.records(session)]


def _check_unused(store: Store, session: int, trace: str, taken: Withdrawal) -> None:
    """See that no memo, join or audit took the turn or an answer that it is part of.

    Raises:
        NotWithdrawable: One did.
    """
    for each, number in users(store.database, session, trace, taken.first, taken.path):
        where = store.register.session(each).trace
        raise NotWithdrawable(f"it was used again by event {number} of {where}")


def _drop(store: Store, session: int, taken: Withdrawal) -> None:
    with store.database.writing() as writer:
        store.reuse.drop(writer, [(session, number) for number in taken.unusable])
    store.forget([session])
