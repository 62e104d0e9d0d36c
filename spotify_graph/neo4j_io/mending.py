"""Mends what somebody else changed in a published table.

A verification finds that a table is not what was published. A comparison of all its rows then finds out how: rows that
are missing, rows that were changed, and foreign rows, which no publication has written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spotify_graph.neo4j_io import constraints, ledger, transaction, verification
from spotify_graph.neo4j_io.alignment import Alignment, Foreign, Found, left_over, work_folder
from spotify_graph.neo4j_io.errors import EXAMPLES, EndsMissingError, PublicationError
from spotify_graph.neo4j_io.publication import BATCH_ROWS, SESSIONS
from spotify_graph.neo4j_io.staging import Snapshot, pattern
from spotify_graph.neo4j_io.verification import Verification
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, RelationshipType
from spotify_graph.storage import Address

if TYPE_CHECKING:
    from neo4j import Driver, ManagedTransaction, Session


@dataclass(frozen=True)
class Changes:
    """What somebody else changed in a table since it was published.

    Attributes:
        table: the table.
        missing: the rows that were deleted, which are restored.
        changed: the rows with other values, or with several copies, which are as published again.
        foreign: the rows that somebody else made, and what became of them.
    """

    table: GraphTable
    missing: Found
    changed: Found
    foreign: Foreign

    def __bool__(self) -> bool:
        """Whether anything was changed."""
        return bool(self.missing.rows or self.changed.rows or self.foreign.found.rows)


@dataclass(frozen=True)
class Mending:
    """What was found and mended.

    Attributes:
        changes: what somebody else had changed, by table; for relationships, in their ends as well.
        verification: how the table compares now.
    """

    changes: Sequence[Changes]
    verification: Verification


def may_differ(
    session: Session,
    table: GraphTable,
    entry: ledger.Publication | None,
    root: Address,
    *,
    keep: bool = False,
    thorough: bool = False,
) -> bool:
    """Whether a table may differ from what was published last, and can be mended.

    It can't be mended if the published snapshot is lost, or if the table's description has changed since: the next
    publication compares the database itself.

    Args:
        session: a session of the database.
        table: the table.
        entry: its ledger entry.
        root: the folder of all snapshots.
        keep: whether foreign rows may be there.
        thorough: assume so even if its number of rows is right.
    """
    if entry is None or entry.status is not ledger.Status.PUBLISHED:
        return False
    try:
        if Snapshot.load(root / table.asset / entry.version).pattern != pattern(table):
            return False
    except FileNotFoundError:
        return False
    if thorough or entry.verified_at is None or (entry.kept and not keep):
        return True
    return verification.quick_count(session, table) != entry.rows + entry.kept_rows


def mend(
    driver: Driver,
    database: str,
    table: GraphTable,
    root: Address,
    *,
    keep: bool = False,
    batch_rows: int = BATCH_ROWS,
    sessions: int = SESSIONS,
) -> Mending:
    """Verifies what is published of a table, and restores what somebody else changed.

    Other labels and properties stay, and so do relationships of other types between published nodes. Constraints that
    were dropped are created again. For relationships, missing ends are mended as well; after nodes were mended,
    relationships have to be verified again.

    Args:
        driver: a driver of the server.
        database: the database.
        table: the table.
        root: the folder of all snapshots.
        keep: leave foreign rows, except in a model's table, which is replaced as a whole now and then. Otherwise they
            are removed, nodes with all their relationships.
        batch_rows: how many rows one transaction writes.
        sessions: how many sessions create rows side by side.

    Raises:
        PublicationError: no publication is finished, the table's description has changed since, keys in the database
            are not unique, or another publication began meanwhile.
        FileNotFoundError: the published snapshot is lost.
        neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError: as the driver raises them.
    """
    pace = (batch_rows, sessions)
    with driver.session(database=database) as session:
        constraints.ensure(session, table, ledger.NODE)
        entry = ledger.find(session, table.asset)
        verified = verification.verify_published(driver, database, table, root)
        if entry is None or (verified.holds and (keep or not entry.kept)):
            return Mending([], verified)
        snapshot = Snapshot.load(root / table.asset / entry.version)
        changes: list[Changes] = []
        try:
            _restore(driver, database, session, table, snapshot, entry, changes, *pace, keep=keep)
        except EndsMissingError:
            ends = mend_ends(driver, database, table, root, keep=keep, batch_rows=batch_rows, sessions=sessions)
            if not ends:
                raise
            begun = ledger.find(session, table.asset)
            entry = replace(entry, started_at=begun.started_at if begun else entry.started_at)
            _restore(driver, database, session, table, snapshot, entry, [], *pace, keep=keep)
            changes = [*ends, *changes]
    return Mending([it for it in changes if it], verification.verify_published(driver, database, table, root))


def mend_ends(
    driver: Driver,
    database: str,
    table: GraphTable,
    root: Address,
    *,
    keep: bool = False,
    batch_rows: int = BATCH_ROWS,
    sessions: int = SESSIONS,
) -> list[Changes]:
    """Mends the nodes that relationships need, as `mend` does; returns what somebody else had changed in them."""
    nodes = () if isinstance(table, NodeType) else (table.start.node, table.end.node)
    mended = [
        mend(driver, database, node, root, keep=keep, batch_rows=batch_rows, sessions=sessions)
        for node in dict.fromkeys(nodes)
    ]
    return [changes for each in mended for changes in each.changes]


def _restore(
    driver: Driver,
    database: str,
    session: Session,
    table: GraphTable,
    snapshot: Snapshot,
    entry: ledger.Publication,
    changes: list[Changes],
    batch_rows: int,
    sessions: int,
    *,
    keep: bool,
) -> None:
    """Restores what was published; adds what that changes to `changes`, before it is written."""
    is_model_s = isinstance(table, RelationshipType) and table.model_version is not None

    def claim(tx: ManagedTransaction) -> ledger.Claim:
        now = ledger.lock(tx, [table.asset]).get(table.asset)
        if now is None or now.started_at != entry.started_at:
            raise PublicationError(table.asset, "another publication began", advice="mend it when that has ended")
        return ledger.take(tx, table, snapshot, entry.model_version)[0]

    mine = transaction.write(session, claim)
    with work_folder(snapshot) as folder:
        alignment = Alignment(driver, database, session, table, snapshot, mine, folder, batch_rows, sessions)
        todo, foreign = alignment.with_database(left_over(snapshot, entry), keep=keep and not is_model_s)
        changed, duplicated = alignment.found(todo.changed), alignment.found(todo.duplicated)
        both = Found(changed.rows + duplicated.rows, (*changed.examples, *duplicated.examples)[:EXAMPLES])
        changes.append(Changes(table, alignment.found(todo.inserted), both, foreign))
        alignment.write(todo, foreign.relationships)
    inserted = todo.inserted.count + todo.duplicated.count
    deleted = todo.deleted.count + todo.duplicated.count + (0 if foreign.kept else foreign.found.rows)
    ledger.finish(
        session, mine, inserted, todo.changed.count, deleted, kept=foreign.kept, finished_at=entry.finished_at
    )
