"""Rows in Parquet, of snapshots and of differences: their types, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from spotify_graph import storage
from spotify_graph.neo4j_io.vocabulary import GraphTable, PropertyType
from spotify_graph.storage import Address

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

# PyArrow is imported where it is used: definitions, which need none, are loaded often.


def arrow_type(type_: PropertyType) -> pa.DataType:
    """The type of a property's column."""
    import pyarrow as pa

    match type_:
        case PropertyType.STRING:
            return pa.string()
        case PropertyType.INTEGER:
            return pa.int64()
        case PropertyType.FLOAT:
            return pa.float64()
        case PropertyType.BOOLEAN:
            return pa.bool_()
        case PropertyType.ZONED_DATETIME:
            return pa.timestamp("us", tz="UTC")
        case PropertyType.STRING_LIST:
            return pa.list_(pa.string())


def schema(table: GraphTable) -> pa.Schema:
    """The columns of a table's rows."""
    import pyarrow as pa

    return pa.schema([(column.name, arrow_type(column.type)) for column in table.columns])


def read(files: Sequence[Address], width: int, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Reads the first columns of Parquet files, in memory that does not grow with them.

    Args:
        files: the files.
        width: how many columns.
        batch_rows: how many rows a batch has at most.
    """
    if files:
        dataset = in_files(files)
        yield from dataset.to_batches(columns=dataset.schema.names[:width], batch_size=batch_rows, batch_readahead=2)


def read_whole(files: Sequence[Address], columns: pa.Schema) -> pa.Table:
    """Reads columns of Parquet files into memory.

    Args:
        files: the files.
        columns: their names and types.
    """
    if not files:
        return columns.empty_table()
    return in_files(files).to_table(columns=columns.names).cast(columns)


def in_files(
    files: Sequence[Address | str], columns: pa.Schema | None = None, encoded: Sequence[str] = ()
) -> ds.Dataset:
    """The rows of Parquet files, whichever program wrote them.

    Args:
        files: the files, one at least.
        columns: their names and types; None asks the first file.
        encoded: columns of strings to be read by dictionary, where `columns` is None.
    """
    import pyarrow.dataset as ds

    # By default, Spark writes times as INT96; read as nanoseconds, they would end in the year 2262.
    parquet = ds.ParquetFileFormat(coerce_int96_timestamp_unit="us", dictionary_columns=encoded)
    return storage.dataset(files, columns, format=parquet)
