"""Writes rows over Bolt: Parquet in, one managed transaction for each batch, in bounded memory.

Every batch is idempotent, because a transaction whose answer is lost is repeated: MERGE on keys, absolute
values, deletes of what may be gone; or a number that the ledger keeps, where rows are only created. Each checks the
claim, at its end, because that locks the ledger's entry: so transactions of two sessions do their work side by side and
commit one after the other.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack
from typing import Any

import pyarrow as pa
from neo4j import Driver, ManagedTransaction, Session
from neo4j.exceptions import ConstraintError

from spotify_graph.neo4j_io import cypher, ledger, transaction
from spotify_graph.neo4j_io.errors import EXAMPLES, EndsMissingError
from spotify_graph.neo4j_io.rows import read
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, RelationshipType
from spotify_graph.storage import Address

Columns = dict[str, list[Any]]
"""A batch: the values of each column, named c0, c1, ... in the table's order."""

BATCH_BYTES = 8_000_000
"""How many bytes of Arrow's memory the rows of one transaction may take."""


def upsert(
    session: Session, table: GraphTable, mine: ledger.Claim, files: Sequence[Address], batch_rows: int
) -> Iterator[int]:
    """Inserts rows, or sets all their properties if they exist. Other properties stay.

    Args:
        session: a session of the database.
        table: what they are rows of.
        mine: the publication's claim.
        files: Parquet files with the table's columns, in order, whatever their names.
        batch_rows: how many rows a transaction writes.

    Yields:
        How many rows each batch had, after it is committed.

    Raises:
        PublicationError: an end of a relationship does not exist, or another publication took over.
    """
    write = _upserting(table, mine)
    for batch in _batches(files, len(table.columns), batch_rows):
        transaction.write(session, write, batch)
        yield len(batch["c0"])


def _upserting(table: GraphTable, mine: ledger.Claim) -> Callable[[ManagedTransaction, Columns], None]:
    statement = cypher.upsert(table)

    def write(tx: ManagedTransaction, batch: Columns) -> None:
        found = tx.run(statement, batch).single(strict=True)["found"]
        if isinstance(table, RelationshipType) and found < len(batch["c0"]):
            raise _ends_missing(tx, table, batch)
        mine.check(tx)

    return write


def create(
    driver: Driver,
    database: str,
    table: GraphTable,
    mine: ledger.Claim,
    files: Sequence[Address],
    batch_rows: int,
    sessions: int,
) -> Generator[int]:
    """Inserts rows that are known to be new, each batch once, over several sessions.

    They don't deadlock: what a created relationship touches is locked at the commit, and the commits come one after the
    other, because each transaction ends by locking the ledger's entry. A node that somebody else creates meanwhile is
    set as by `upsert`; a relationship then exists twice, which a verification finds.

    Must be closed unless it is exhausted: closing waits for the batches that are being written.

    Args:
        driver: a driver of the server.
        database: the database.
        table: what they are rows of.
        mine: the publication's claim, under which nothing was created yet: the ledger numbers its batches.
        files: Parquet files with the table's columns, in order, whatever their names.
        batch_rows: how many rows a transaction writes.
        sessions: how many sessions write side by side.

    Yields:
        How many rows each batch had, after it is committed.

    Raises:
        PublicationError: an end of a relationship does not exist, or another publication took over.
    """
    statement, set_instead = cypher.create(table), _upserting(table, mine)

    def write(tx: ManagedTransaction, lane: int, number: int, batch: Columns) -> None:
        found = tx.run(statement, batch).single(strict=True)["found"]
        if isinstance(table, RelationshipType) and found < len(batch["c0"]):
            raise _ends_missing(tx, table, batch)
        if not mine.count_batch(tx, lane, number):
            raise _WrittenBeforeError

    def send(session: Session, lane: int, number: int, batch: Columns) -> int:
        try:
            transaction.write(session, write, lane, number, batch)
        except _WrittenBeforeError:
            pass
        except ConstraintError:
            transaction.write(session, set_instead, batch)
        return len(batch["c0"])

    with ExitStack() as opened, ThreadPoolExecutor(sessions) as threads:
        lanes = [opened.enter_context(driver.session(database=database)) for _ in range(sessions)]
        free, sent = list(range(sessions)), dict[Future[int], int]()
        for number, batch in enumerate(_batches(files, len(table.columns), batch_rows), 1):
            # The next batch is read while the ones before it are written.
            if not free:
                for future in wait(sent, return_when=FIRST_COMPLETED).done:
                    free.append(sent.pop(future))
                    yield future.result()
            lane = free.pop()
            sent[threads.submit(send, lanes[lane], lane, number, batch)] = lane
        for future in as_completed(sent):
            yield future.result()


class _WrittenBeforeError(Exception):
    """Rolls back a batch that is written already: the answer to its commit was lost."""


def delete(
    session: Session,
    table: GraphTable,
    mine: ledger.Claim,
    files: Sequence[Address],
    batch_rows: int,
    relationships: Counter[str] | None = None,
) -> Iterator[int]:
    """Deletes rows by their keys; for nodes, first the relationships that they still have.

    The publications of those relationships are recorded as out of sync in the same transaction.

    Args:
        session: a session of the database.
        table: what they are rows of.
        mine: the publication's claim.
        files: Parquet files whose first columns are the table's keys.
        batch_rows: how many rows, and how many relationships of theirs, a transaction deletes.
        relationships: given for nodes that no publication wrote: what is deleted along with them is added here, by
            type. No publication is out of sync then, and relationships only have to be verified again.

    Yields:
        How many rows each batch had, after it is committed.

    Raises:
        PublicationError: another publication took over.
    """
    statement = cypher.delete(table)

    def write(tx: ManagedTransaction, batch: Columns) -> Counter[str]:
        gone = Counter[str]()
        if isinstance(table, NodeType):
            gone = _delete_relationships(tx, cypher.delete_relationships_of(table), batch, batch_rows)
            if gone and relationships is None:
                ledger.put_out_of_sync(tx, gone)
            elif gone:
                ledger.unverify_relationships(tx)
        if gone.total() < batch_rows:
            tx.run(statement, batch).consume()
        mine.check(tx)
        return gone

    for batch in _batches(files, len(table.keys), batch_rows):
        while gone := transaction.write(session, write, batch):
            if relationships is not None:
                relationships.update(gone)
            if gone.total() < batch_rows:
                break
        yield len(batch["c0"])


def delete_without_key(
    session: Session, node: NodeType, mine: ledger.Claim, limit: int, relationships: Counter[str]
) -> int:
    """Deletes nodes whose key is missing or of another type: no publication wrote them, and no row can name them.

    Args:
        session: a session of the database.
        node: their label.
        mine: the publication's claim.
        limit: how many of them, or of their relationships, a transaction deletes.
        relationships: what is deleted along with the nodes is added here, by type. Relationships have to be verified
            again then, because a node may have had its key before.

    Returns:
        How many nodes it deleted.

    Raises:
        PublicationError: another publication took over.
    """

    def delete_relationships(tx: ManagedTransaction) -> Counter[str]:
        gone = _delete_relationships(tx, cypher.delete_relationships_without_key(node), {}, limit)
        if gone:
            ledger.unverify_relationships(tx)
        mine.check(tx)
        return gone

    def delete_nodes(tx: ManagedTransaction) -> int:
        count = tx.run(cypher.delete_without_key(node), limit=limit).single(strict=True)["count"]
        mine.check(tx)
        return int(count)

    while gone := transaction.write(session, delete_relationships):
        relationships.update(gone)
    deleted = 0
    while count := transaction.write(session, delete_nodes):
        deleted += count
    return deleted


def _delete_relationships(tx: ManagedTransaction, statement: str, parameters: Columns, limit: int) -> Counter[str]:
    """Deletes some relationships of nodes; returns how many of each type.

    A node with very many of them would exceed the server's memory if all went in one transaction.
    """
    found = tx.run(statement, parameters, limit=limit)
    return Counter({record["type"]: record["count"] for record in found})


def _ends_missing(tx: ManagedTransaction, table: RelationshipType, batch: Columns) -> EndsMissingError:
    rows = tx.run(cypher.rows_without_ends(table), c0=batch["c0"], c1=batch["c1"]).value("i")
    examples = [(batch["c0"][i], batch["c1"][i]) for i in rows[:EXAMPLES]]
    what = f"{len(rows):,} {table.type} of a batch lack their {table.start.node.label} or {table.end.node.label}"
    advice = f"publish {' and '.join(dict.fromkeys((table.start.node.asset, table.end.node.asset)))} first"
    return EndsMissingError(table.asset, what, examples, advice)


def _batches(files: Sequence[Address], width: int, rows: int) -> Iterator[Columns]:
    """Reads the first columns of files; batches are full, however small the files are."""
    pending: list[pa.RecordBatch] = []
    waiting = 0
    for batch in read(files, width, rows):
        pending.append(batch)
        waiting += batch.num_rows
        while waiting >= rows:
            table = pa.Table.from_batches(pending)
            yield from _of_a_size(table.slice(0, rows))
            pending = table.slice(rows).to_batches()
            waiting -= rows
    if waiting:
        yield from _of_a_size(pa.Table.from_batches(pending))


def _of_a_size(table: pa.Table) -> Iterator[Columns]:
    """The rows in parts of at most `BATCH_BYTES`, or of one row."""
    if table.nbytes <= BATCH_BYTES or table.num_rows == 1:
        yield _columns(table)
        return
    half = table.num_rows // 2
    yield from _of_a_size(table.slice(0, half))
    yield from _of_a_size(table.slice(half))


def _columns(table: pa.Table) -> Columns:
    return {f"c{i}": _values(column) for i, column in enumerate(table.columns)}


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    return list(column.to_pylist())
