"""Reads rows that Spark wrote, of snapshots and of differences, without Spark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: definitions, which need none, are loaded often.


def read(folder: Path, width: int, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Reads the first columns of all Parquet files of a folder, in memory that does not grow with them.

    Args:
        folder: the files.
        width: how many columns.
        batch_rows: how many rows a batch has at the most.
    """
    import pyarrow.dataset as ds

    # Spark writes times as INT96 unless it is told otherwise; read as nanoseconds, they would end in the year 2262.
    parquet = ds.ParquetFileFormat(coerce_int96_timestamp_unit="us")
    dataset = ds.dataset(folder, format=parquet, ignore_prefixes=["_", "."])
    yield from dataset.to_batches(columns=dataset.schema.names[:width], batch_size=batch_rows, batch_readahead=2)
