"""The rows that the contestant `project` staged, for those that begin with prepared rows."""

from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from spotify_graph.errors import UserError
from spotify_graph.graph_model import GraphTable
from spotify_graph.neo4j_io.staging import Snapshot

# Spark writes times as INT96, and the model's have no more than microseconds.
_PARQUET = ds.ParquetFileFormat(coerce_int96_timestamp_unit="us")


def rows(home: Path, table: GraphTable) -> pa.Table:
    """A table's rows, with its columns in the model's order.

    Raises:
        UserError: there is not exactly one version.
    """
    versions = list((home / "lake" / "graph" / table.asset).glob("*/_snapshot.json"))
    if len(versions) != 1:
        raise UserError(f"{table.asset}: {len(versions)} staged versions in {home}, where there must be one")
    snapshot = Snapshot.load(versions[0].parent)
    files = [str(snapshot.path / name) for name in snapshot.files]
    return ds.dataset(files, format=_PARQUET).to_table(columns=[column.name for column in table.columns])
