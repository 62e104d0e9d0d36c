"""Writes rows over Bolt: Parquet in, one managed transaction for each batch, in bounded memory.

Every batch is idempotent, because a transaction whose answer is lost is repeated: MERGE on keys, absolute
values, deletes of what may be gone; or a number that the ledger keeps, where rows are only created. Each checks the
claim.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from neo4j import ManagedTransaction, Session

from spotify_graph.graph_model import GraphTable, NodeType, RelationshipType
from spotify_graph.neo4j_io import cypher, ledger, transaction
from spotify_graph.neo4j_io.errors import EXAMPLES, PublicationError

Columns = dict[str, list[Any]]
"""A batch: the values of each column, named c0, c1, ... in the table's order."""

# Spark writes times as INT96 unless it is told otherwise; read as nanoseconds, they would end in the year 2262.
_PARQUET = ds.ParquetFileFormat(coerce_int96_timestamp_unit="us")


def upsert(
    session: Session, table: GraphTable, mine: ledger.Claim, folder: Path | None, batch_rows: int
) -> Iterator[int]:
    """Inserts rows, or sets all their properties where they exist. Properties that the model lacks stay.

    Args:
        session: a session of the database.
        table: what they are rows of.
        mine: the publication's claim.
        folder: Parquet files with the table's columns, in order, whatever their names; None is no rows.
        batch_rows: how many rows a transaction writes.

    Yields:
        How many rows each batch had, after it is committed.

    Raises:
        PublicationError: an end of a relationship does not exist, or another publication took over.
    """
    statement = cypher.upsert(table)

    def write(tx: ManagedTransaction, batch: Columns) -> None:
        found = tx.run(statement, batch).single(strict=True)["found"]
        if isinstance(table, RelationshipType) and found < len(batch["c0"]):
            raise _ends_missing(tx, table, batch)
        mine.check(tx)

    for batch in _batches(folder, len(table.columns), batch_rows):
        transaction.write(session, write, batch)
        yield len(batch["c0"])


def create(
    session: Session, table: RelationshipType, mine: ledger.Claim, folder: Path, batch_rows: int
) -> Iterator[int]:
    """Inserts rows that are known to be new, each batch once.

    Args:
        session: a session of the database.
        table: what they are rows of.
        mine: the publication's claim, new: the ledger numbers its batches.
        folder: Parquet files with the table's columns, in order, whatever their names.
        batch_rows: how many rows a transaction writes.

    Yields:
        How many rows each batch had, after it is committed.

    Raises:
        PublicationError: an end of a relationship does not exist, or another publication took over.
    """
    statement = cypher.create(table)

    def write(tx: ManagedTransaction, number: int, batch: Columns) -> None:
        if not mine.begin(tx, number):
            return
        if tx.run(statement, batch).single(strict=True)["found"] < len(batch["c0"]):
            raise _ends_missing(tx, table, batch)

    for number, batch in enumerate(_batches(folder, len(table.columns), batch_rows), 1):
        transaction.write(session, write, number, batch)
        yield len(batch["c0"])


def delete(
    session: Session, table: GraphTable, mine: ledger.Claim, folder: Path | None, batch_rows: int
) -> Iterator[int]:
    """Deletes rows by their keys; of nodes, first the relationships that they still have.

    Publications of those relationships are marked as disturbed in the same transaction.

    Args:
        session: a session of the database.
        table: what they are rows of.
        mine: the publication's claim.
        folder: Parquet files whose first columns are the table's keys; None is no rows.
        batch_rows: how many rows, and how many relationships of theirs, a transaction deletes.

    Yields:
        How many rows each batch had, after it is committed.

    Raises:
        PublicationError: another publication took over.
    """
    statement = cypher.delete(table)

    def write(tx: ManagedTransaction, batch: Columns) -> bool:
        if isinstance(table, NodeType) and _delete_relationships(tx, table, batch, batch_rows):
            mine.check(tx)
            return False
        tx.run(statement, batch).consume()
        mine.check(tx)
        return True

    for batch in _batches(folder, len(table.keys), batch_rows):
        while not transaction.write(session, write, batch):
            pass
        yield len(batch["c0"])


def delete_without_key(session: Session, node: NodeType, mine: ledger.Claim, limit: int) -> None:
    """Deletes nodes whose key is missing or of another type: no publication wrote them so, and no row can name them.

    Args:
        session: a session of the database.
        node: their label.
        mine: the publication's claim.
        limit: how many a transaction deletes.

    Raises:
        PublicationError: another publication took over.
    """

    def delete_some(tx: ManagedTransaction) -> bool:
        gone = tx.run(cypher.delete_without_key(node), limit=limit).single(strict=True)
        if gone["types"]:
            ledger.disturb(tx, gone["types"])
        mine.check(tx)
        return bool(gone["count"] == limit)

    while transaction.write(session, delete_some):
        pass


def _delete_relationships(tx: ManagedTransaction, table: NodeType, batch: Columns, limit: int) -> bool:
    """Deletes some relationships of the nodes; whether there may be more.

    A node with very many of them would exceed the server's memory if all went in one transaction.
    """
    gone = tx.run(cypher.delete_relationships_of(table), batch, limit=limit).single(strict=True)
    if gone["types"]:
        ledger.disturb(tx, gone["types"])
    return bool(gone["count"] == limit)


def _ends_missing(tx: ManagedTransaction, table: RelationshipType, batch: Columns) -> PublicationError:
    rows = tx.run(cypher.rows_without_ends(table), c0=batch["c0"], c1=batch["c1"]).value("i")
    examples = [(batch["c0"][i], batch["c1"][i]) for i in rows[:EXAMPLES]]
    what = f"{len(rows):,} {table.type} of a batch lack their {table.start.node.label} or {table.end.node.label}"
    advice = f"publish {' and '.join(dict.fromkeys((table.start.node.asset, table.end.node.asset)))} first"
    return PublicationError(table.asset, what, examples, advice)


def _batches(folder: Path | None, width: int, rows: int) -> Iterator[Columns]:
    """Reads the first columns of all files of a folder; batches are full, however small the files are."""
    if folder is None:
        return
    dataset = ds.dataset(folder, format=_PARQUET, ignore_prefixes=["_", "."])
    pending: list[pa.RecordBatch] = []
    waiting = 0
    for batch in dataset.to_batches(columns=dataset.schema.names[:width], batch_size=rows, batch_readahead=2):
        pending.append(batch)
        waiting += batch.num_rows
        while waiting >= rows:
            table = pa.Table.from_batches(pending)
            yield _columns(table.slice(0, rows))
            pending = table.slice(rows).to_batches()
            waiting -= rows
    if waiting:
        yield _columns(pa.Table.from_batches(pending))


def _columns(table: pa.Table) -> Columns:
    return {f"c{i}": _values(column) for i, column in enumerate(table.columns)}


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    return list(column.to_pylist())
