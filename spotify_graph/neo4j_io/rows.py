"""Reads rows that Spark wrote, of snapshots and of differences, without Spark."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

# Spark writes times as INT96 unless it is told otherwise; read as nanoseconds, they would end in the year 2262.
_PARQUET = ds.ParquetFileFormat(coerce_int96_timestamp_unit="us")


def read(folder: Path, width: int, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Reads the first columns of all Parquet files of a folder, in memory that does not grow with them.

    Args:
        folder: the files.
        width: how many columns.
        batch_rows: how many rows a batch has at the most.
    """
    dataset = ds.dataset(folder, format=_PARQUET, ignore_prefixes=["_", "."])
    yield from dataset.to_batches(columns=dataset.schema.names[:width], batch_size=batch_rows, batch_readahead=2)
