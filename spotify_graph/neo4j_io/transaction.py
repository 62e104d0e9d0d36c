"""Managed transactions, repeated even if the answer to their commit is lost.

The driver repeats a managed transaction, with growing pauses, after transient errors: a lost connection, a server that
restarts, a deadlock. Where the connection is lost while a commit's answer is awaited it gives up, because the work may
be done. All work of this package may be done twice, so it is simply run again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from neo4j import Session

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


def commit_apart(work: Callable[[], _T]) -> _T:
    """Runs work with a statement that commits by itself, as CALL { } IN TRANSACTIONS does, again if it is lost.

    Args:
        work: may run more than once, and while the server still executes the statement of a run before: it cuts that
            off. It begins with a transaction of `read` or `write`, whose pauses wait until the server is back.

    Returns:
        What the work returns.

    Raises:
        neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError: as the driver raises them, when it has given up.
    """
    from neo4j.exceptions import DriverError, IncompleteCommit, Neo4jError

    for _ in range(_LOST_ANSWERS):
        try:
            return work()
        except IncompleteCommit:
            continue
        except (DriverError, Neo4jError) as error:
            if not error.is_retryable():
                raise
    return work()


def _repeated(run: Callable[[], _T]) -> _T:
    from neo4j.exceptions import IncompleteCommit

    for _ in range(_LOST_ANSWERS):
        try:
            return run()
        except IncompleteCommit:
            continue
        except OSError as error:
            # If a connection breaks while it is opened, the driver passes the system's own error on.
            if error.errno != errno.ENOTCONN:
                raise
    return run()
