"""Managed transactions, repeated also where the answer to their commit is lost.

The driver repeats a managed transaction, with growing pauses, after errors that pass: a lost connection, a server that
restarts, a deadlock. Where the connection is lost while a commit's answer is awaited it gives up, because the work may
be done. All work of this package may be done twice, so it is simply run again.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from neo4j import Session
from neo4j.exceptions import IncompleteCommit

_LOST_ANSWERS = 5

_T = TypeVar("_T")


def read(session: Session, work: Callable[..., _T], *args: Any) -> _T:
    """Runs work in a read transaction.

    Args:
        session: a session of the database.
        work: is given the transaction and the arguments; it may run more than once.
        args: the work's further arguments.

    Returns:
        What the work returns.

    Raises:
        neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError: as the driver raises them, when it has given up.
    """
    return _repeated(lambda: session.execute_read(work, *args))


def write(session: Session, work: Callable[..., _T], *args: Any) -> _T:
    """Runs work in a write transaction; otherwise like `read`."""
    return _repeated(lambda: session.execute_write(work, *args))


def _repeated(run: Callable[[], _T]) -> _T:
    for _ in range(_LOST_ANSWERS):
        try:
            return run()
        except IncompleteCommit:
            continue
    return run()
