"""What the database itself holds of a table, as Parquet: the base of a difference if no snapshot can be trusted."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from neo4j import ManagedTransaction, Session

from spotify_graph.neo4j_io import cypher, transaction
from spotify_graph.neo4j_io.buckets import split
from spotify_graph.neo4j_io.rows import arrow_type
from spotify_graph.neo4j_io.vocabulary import GraphTable

_FETCH_ROWS = 100_000


def is_empty(session: Session, table: GraphTable) -> bool:
    """Whether the database certainly holds nothing of a table; takes no time, however large it is."""
    return transaction.read(session, lambda tx: tx.run(cypher.any_of(table)).single()) is None


def schema(table: GraphTable) -> pa.Schema:
    """The columns of an export: the table's, named c0, c1, ... in order, and `intact`.

    The last one says whether every property is absent or of the right type. A value of another type is null.
    """
    fields = [(f"c{i}", arrow_type(column.type)) for i, column in enumerate(table.columns)]
    return pa.schema([*fields, ("intact", pa.bool_())])


def export(session: Session, table: GraphTable, folder: Path, buckets: int) -> list[Path]:
    """Writes what the database holds of a table, in memory that does not grow with it.

    A relationship that exists twice is written twice.

    Args:
        session: a session of the database.
        table: the table.
        folder: where the files go.
        buckets: in how many buckets to divide the rows.

    Returns:
        A Parquet file for each bucket, with the columns of `schema`.
    """
    columns = schema(table)
    folder.mkdir()
    files = [folder / f"{bucket:05d}.parquet" for bucket in range(buckets)]

    def stream(tx: ManagedTransaction) -> None:
        rows = (row for record in tx.run(cypher.export(table)) for row in record["rows"])
        with ExitStack() as opened:
            writers = [opened.enter_context(pq.ParquetWriter(file, columns)) for file in files]
            for chunk in _chunks(rows):
                values = zip(*chunk, strict=True)
                arrays = [_array(each, field.type) for each, field in zip(values, columns, strict=True)]
                for bucket, some in split(pa.Table.from_arrays(arrays, schema=columns), buckets).items():
                    writers[bucket].write_table(some)

    transaction.read(session, stream)
    return files


def find(session: Session, table: GraphTable, keys: pa.RecordBatch) -> pa.Table:
    """The rows that the database holds under some keys.

    Args:
        session: a session of the database.
        table: the table.
        keys: the key columns, in order.

    Returns:
        The rows, with the columns of `schema`.
    """
    columns = schema(table)
    parameters = {f"c{i}": _sent(column) for i, column in enumerate(keys.columns)}
    rows = transaction.read(session, lambda tx: tx.run(cypher.find(table), parameters).single(strict=True)["rows"])
    if not rows:
        return columns.empty_table()
    arrays = [_array(values, each.type) for values, each in zip(zip(*rows, strict=True), columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=columns)


def _sent(column: pa.Array) -> list[Any]:
    values: list[Any] = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
    return values


def _chunks(rows: Iterable[list[Any]]) -> Iterator[list[list[Any]]]:
    rows = iter(rows)
    while chunk := list(islice(rows, _FETCH_ROWS)):
        yield chunk


def _array(values: Iterable[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(type_):
        return pa.array(values, pa.int64()).cast(type_)
    return pa.array(values, type_)
