"""The protocol: make a table in the database equal to a staged snapshot, by writing only what differs.

1. The ledger says that the same content is published: nothing is written at all.
2. The asset is claimed: its entry says `publishing`, and an older publication still under way is cut off.
3. The base is what the database holds: the snapshot that was published last, or an export of the database itself if
   that is not known, as after an interrupted publication. Rows of the export that no publication is known to have
   written are foreign, and the result says what became of them.
4. The difference is written, deletions first: both copies of a relationship that exists twice are deleted, and one is
   inserted.
5. The entry says `published`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spotify_graph import storage
from spotify_graph.neo4j_io import constraints, cypher, ledger, transaction
from spotify_graph.neo4j_io.alignment import Alignment, Foreign, Progress, left_over, work_folder
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable, RelationshipType
from spotify_graph.storage import Address

if TYPE_CHECKING:
    from neo4j import Driver

BATCH_ROWS = 20_000
"""How many rows one transaction writes."""
SESSIONS = 2
"""How many sessions create rows side by side: a single one keeps the server waiting for rows."""


@dataclass(frozen=True)
class PublicationResult:
    """What a publication, or the load of a model version, did.

    Attributes:
        version: the snapshot's version that is published now, or loaded.
        rows: how many rows it has.
        inserted: how many rows were inserted.
        changed: how many rows were changed.
        deleted: how many rows were deleted.
        seconds: how long it took.
        skipped: whether the same content was published already, and nothing was written.
        foreign: what somebody else had made under the table's label or type, if the database itself was compared.
    """

    version: str
    rows: int
    inserted: int
    changed: int
    deleted: int
    seconds: float
    skipped: bool
    foreign: Foreign = field(default_factory=Foreign)


def count(driver: Driver, database: str, table: GraphTable) -> int:
    """Counts the nodes of a label, or the relationships of a type between its labels.

    Args:
        driver: a driver of the server.
        database: the database.
        table: what to count.
    """
    with driver.session(database=database) as session:
        return int(transaction.read(session, lambda tx: tx.run(cypher.count(table)).single(strict=True)["count"]))


def publish(
    driver: Driver,
    database: str,
    table: GraphTable,
    snapshot: Snapshot,
    *,
    progress: Progress | None = None,
    batch_rows: int = BATCH_ROWS,
    sessions: int = SESSIONS,
    keep: bool = False,
) -> PublicationResult:
    """Makes a table in the database equal to a snapshot.

    The base is looked for beside the snapshot, among the versions of the same asset. A snapshot whose content is
    published already is removed, and the published version stays.

    Args:
        driver: a driver of the server.
        database: the database.
        table: the table, of which the snapshot was staged.
        snapshot: what the table should hold.
        progress: called after each batch with how many rows are written, and how many there are to write.
        batch_rows: how many rows one transaction writes.
        sessions: how many sessions create rows side by side.
        keep: leave foreign rows if the database itself is compared. Otherwise they are removed.

    Raises:
        PublicationError: the table is a model's, the snapshot belongs to another table, keys in the database are not
            unique, an end of a relationship does not exist, or another publication of the asset took over.
        neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError: as the driver raises them.
    """
    started = time.monotonic()
    if isinstance(table, RelationshipType) and table.model_version:
        problem = f"its {table.type} belong to model versions, and are not made equal to a snapshot in place"
        raise PublicationError(table.asset, problem, advice="load a version beside the active one, then switch to it")
    snapshot.check(table)
    with driver.session(database=database) as session:
        constraints.ensure(session, table, ledger.NODE)
        entry = ledger.find(session, table.asset)
        if entry is not None and entry.holds(snapshot) and (keep or not entry.kept):
            _keep_one(snapshot, entry.version)
            return PublicationResult(entry.version, snapshot.rows, 0, 0, 0, time.monotonic() - started, skipped=True)
        mine, previous = ledger.claim(session, table, snapshot)
        with work_folder(snapshot) as folder:
            alignment = Alignment(
                driver, database, session, table, snapshot, mine, folder, batch_rows, sessions, progress
            )
            published = previous and _published(snapshot, previous)
            if previous and published and (keep or not previous.kept):
                todo, foreign = alignment.with_snapshot(published), Foreign(kept=previous.kept)
            else:
                todo, foreign = alignment.with_database(left_over(snapshot, previous), keep=keep)
            alignment.write(todo, foreign.relationships)
        inserted, copies = todo.inserted.count + todo.duplicated.count, todo.duplicated.count
        deleted = todo.deleted.count + copies + (0 if foreign.kept else foreign.found.rows)
        revises = published and previous and previous.verified_at and snapshot.base == published.version
        ledger.finish(
            session,
            mine,
            inserted,
            todo.changed.count,
            deleted,
            kept=foreign.kept,
            revises=snapshot.base if revises else None,
        )
    return PublicationResult(
        version=snapshot.version,
        rows=snapshot.rows,
        inserted=inserted,
        changed=todo.changed.count,
        deleted=deleted,
        seconds=time.monotonic() - started,
        skipped=False,
        foreign=foreign,
    )


def _published(snapshot: Snapshot, previous: ledger.Publication) -> Snapshot | None:
    """The snapshot that the database is known to hold, if there is one to compare with."""
    if previous.status is not ledger.Status.PUBLISHED:
        return None
    published = _load(snapshot.sibling(previous.version), previous.fingerprint)
    return published if published is not None and published.pattern == snapshot.pattern else None


def _load(path: Address, fingerprint: str) -> Snapshot | None:
    """The snapshot in a folder, if it is complete and has that content."""
    try:
        snapshot = Snapshot.load(path)
    except FileNotFoundError:
        return None
    return snapshot if snapshot.fingerprint == fingerprint else None


def _keep_one(snapshot: Snapshot, version: str) -> None:
    """Keeps the content once, as the version that the ledger names."""
    published = snapshot.sibling(version)
    if published == snapshot.path:
        return
    if _load(published, snapshot.fingerprint) is None:
        storage.remove(published)
        storage.rename(snapshot.path, published)
    else:
        storage.remove(snapshot.path)
