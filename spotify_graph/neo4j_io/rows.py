"""Reads rows that Spark wrote, of snapshots and of differences, without Spark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

# PyArrow is imported where it is used: definitions, which need none, are loaded often.


def read(folder: Path, width: int, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Reads the first columns of all Parquet files of a folder, in memory that does not grow with them.

    Args:
        folder: the files.
        width: how many columns.
        batch_rows: how many rows a batch has at the most.
    """
    dataset = _dataset(folder)
    yield from dataset.to_batches(columns=dataset.schema.names[:width], batch_size=batch_rows, batch_readahead=2)


def read_whole(folder: Path) -> pa.Table:
    """Reads all Parquet files of a folder into memory."""
    return _dataset(folder).to_table()


def _dataset(folder: Path) -> ds.Dataset:
    import pyarrow.dataset as ds

    # Spark writes times as INT96 unless it is told otherwise; read as nanoseconds, they would end in the year 2262.
    parquet = ds.ParquetFileFormat(coerce_int96_timestamp_unit="us")
    return ds.dataset(folder, format=parquet, ignore_prefixes=["_", "."])
