"""What the database itself holds of a table, as Parquet: the base of a difference where no snapshot can be trusted."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from neo4j import ManagedTransaction, Session

from spotify_graph.graph_model import GraphTable, PropertyType
from spotify_graph.neo4j_io import cypher, transaction

_FETCH_ROWS = 100_000

_ARROW_TYPES = {
    PropertyType.STRING: pa.string(),
    PropertyType.INTEGER: pa.int64(),
    PropertyType.FLOAT: pa.float64(),
    PropertyType.BOOLEAN: pa.bool_(),
    PropertyType.ZONED_DATETIME: pa.timestamp("us", tz="UTC"),
    PropertyType.STRING_LIST: pa.list_(pa.string()),
}


def is_empty(session: Session, table: GraphTable) -> bool:
    """Whether the database surely holds nothing of a table; takes no time, however large it is."""
    return transaction.read(session, lambda tx: tx.run(cypher.any_of(table)).single()) is None


def export(session: Session, table: GraphTable, file: Path) -> None:
    """Writes what the database holds of a table, in memory that does not grow with it.

    The Parquet file's columns are the table's, named c0, c1, ... in order, and `intact`: whether every property is
    absent or of the model's type. A value of another type is null. A relationship that exists twice is there twice.
    """
    fields = [(f"c{i}", _ARROW_TYPES[column.type]) for i, column in enumerate(table.columns)]
    schema = pa.schema([*fields, ("intact", pa.bool_())])

    def stream(tx: ManagedTransaction) -> None:
        rows = (row for record in tx.run(cypher.export(table)) for row in record["rows"])
        with pq.ParquetWriter(file, schema) as writer:
            for chunk in _chunks(rows):
                columns = zip(*chunk, strict=True)
                arrays = [_array(values, field.type) for values, field in zip(columns, schema, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    transaction.read(session, stream)


def _chunks(rows: Iterable[list[Any]]) -> Iterator[list[list[Any]]]:
    rows = iter(rows)
    while chunk := list(islice(rows, _FETCH_ROWS)):
        yield chunk


def _array(values: Iterable[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(type_):
        return pa.array(values, pa.int64()).cast(type_)
    return pa.array(values, type_)
