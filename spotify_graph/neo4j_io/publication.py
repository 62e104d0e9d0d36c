"""The protocol: make a table in the database equal to a staged snapshot, by writing only what differs.

1. The ledger says that the same content is published: nothing is written at all.
2. The asset is claimed: its entry says `publishing`, and an older publication still under way is cut off.
3. The base is what the database holds: the snapshot that was published last, or an export of the database itself where
   the ledger or the lake can't tell, as after an interrupted publication.
4. What differs is written, deletions first: a relationship that exists twice is deleted whole and inserted anew.
5. The entry says `published`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, SparkSession

from spotify_graph.graph_model import GraphTable, NodeType, RelationshipType
from spotify_graph.neo4j_io import constraints, cypher, ledger, transaction
from spotify_graph.neo4j_io.difference import Difference, Rows, compare, of_export, of_snapshot
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.staging import IN_MEMORY_ROWS, Snapshot

if TYPE_CHECKING:
    from neo4j import Driver, Session

BATCH_ROWS = 20_000
"""How many rows one transaction writes."""


@dataclass(frozen=True)
class PublicationResult:
    """What a publication, or the load of a model's version, did.

    Attributes:
        version: the snapshot's version that is published now, or loaded.
        rows: how many rows it has.
        inserted: how many rows were inserted.
        changed: how many rows were changed.
        deleted: how many rows were deleted.
        seconds: how long it took.
        skipped: whether the same content was published already, and nothing was written.
    """

    version: str
    rows: int
    inserted: int
    changed: int
    deleted: int
    seconds: float
    skipped: bool


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
    spark: SparkSession,
    *,
    progress: Callable[[int, int], None] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> PublicationResult:
    """Makes a table in the database equal to a snapshot.

    The base is looked for beside the snapshot, among the versions of the same asset. A snapshot whose content is
    published already is removed, and the published version stays.

    Args:
        driver: a driver of the server.
        database: the database.
        table: the table, of which the snapshot was staged.
        snapshot: what the table should hold.
        spark: computes the difference.
        progress: is told after each batch how many rows are written, and how many there are to write.
        batch_rows: how many rows one transaction writes.

    Raises:
        PublicationError: the table is versioned, the snapshot is another table's, keys in the database are not unique,
            an end of a relationship does not exist, or another publication of the asset took over.
        neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError: as the driver raises them.
    """
    from spotify_graph.neo4j_io import loader

    started = time.monotonic()
    if isinstance(table, RelationshipType) and table.version:
        problem = f"its {table.type} belong to versions of a model, and are not made equal to a snapshot in place"
        raise PublicationError(table.asset, problem, advice="load a version beside the one in force, then switch to it")
    snapshot.check(table)
    with driver.session(database=database) as session:
        constraints.ensure(session, table, ledger.NODE)
        entry = ledger.find(session, table.asset)
        if entry is not None and entry.holds(snapshot):
            _keep_one(snapshot, entry.version)
            return PublicationResult(entry.version, snapshot.rows, 0, 0, 0, time.monotonic() - started, skipped=True)
        mine, previous = ledger.claim(session, table, snapshot)
        with _work_folder(snapshot) as folder:
            base = _base(session, table, snapshot, mine, previous, spark, folder)
            if base is None:
                todo = Difference(inserted=Rows(snapshot.path, snapshot.rows))
            else:
                todo = compare(base, snapshot.read(spark), table, folder / "difference")
            total, done = todo.deleted.count + todo.inserted.count + todo.changed.count, 0
            with closing(loader.create(driver, database, table, mine, todo.inserted.folder, batch_rows)) as created:
                for rows in chain(
                    loader.delete(session, table, mine, todo.deleted.folder, batch_rows),
                    created,
                    loader.upsert(session, table, mine, todo.changed.folder, batch_rows),
                ):
                    done += rows
                    if progress:
                        progress(done, total)
        ledger.finish(session, mine, todo.inserted.count, todo.changed.count, todo.deleted.count)
    return PublicationResult(
        version=snapshot.version,
        rows=snapshot.rows,
        inserted=todo.inserted.count,
        changed=todo.changed.count,
        deleted=todo.deleted.count,
        seconds=time.monotonic() - started,
        skipped=False,
    )


def _base(
    session: Session,
    table: GraphTable,
    snapshot: Snapshot,
    mine: ledger.Claim,
    previous: ledger.Publication | None,
    spark: SparkSession,
    folder: Path,
) -> DataFrame | None:
    """What the database holds; None where that is nothing. Where no snapshot tells, nodes without a key go first."""
    from spotify_graph.neo4j_io import contents, loader

    if previous is not None and previous.status is ledger.Status.PUBLISHED:
        published = _load(snapshot.sibling(previous.version), previous.fingerprint)
        if published is not None and published.pattern == snapshot.pattern:
            if not published.rows:
                return None
            rows = of_snapshot(published.read(spark))
            # Keys are unique, so the parts of a shuffle are even: a small base is hashed in memory and not sorted.
            return rows.hint("shuffle_hash") if published.rows <= IN_MEMORY_ROWS else rows
    if isinstance(table, NodeType):
        loader.delete_without_key(session, table, mine, BATCH_ROWS)
    if contents.is_empty(session, table):
        return None
    exported = folder / "exported.parquet"
    contents.export(session, table, exported)
    return of_export(spark.read.parquet(str(exported)), table)


def _load(path: Path, fingerprint: str) -> Snapshot | None:
    """The snapshot in a folder, if it is whole and has that content."""
    try:
        snapshot = Snapshot.load(path)
    except FileNotFoundError:
        return None
    return snapshot if snapshot.fingerprint == fingerprint else None


def _keep_one(snapshot: Snapshot, version: str) -> None:
    """Leaves the content in the lake once, as the version that the ledger names."""
    published = snapshot.sibling(version)
    if published == snapshot.path:
        return
    if _load(published, snapshot.fingerprint) is None:
        shutil.rmtree(published, ignore_errors=True)
        snapshot.path.rename(published)
    else:
        shutil.rmtree(snapshot.path)


@contextmanager
def _work_folder(snapshot: Snapshot) -> Iterator[Path]:
    """An empty folder below the snapshot's, which readers of Parquet pass over, and which goes in the end."""
    folder = snapshot.path / "_publication"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
