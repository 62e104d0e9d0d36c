"""The rows that the contestant `project` staged, for those that begin with prepared rows."""

from pathlib import Path

import pyarrow as pa

from spotify_graph.errors import UserError
from spotify_graph.neo4j_io.rows import read
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable

_BATCH_ROWS = 100_000


def snapshot(home: Path, table: GraphTable) -> Snapshot:
    """A table's snapshot.

    Raises:
        UserError: there is not exactly one version.
    """
    versions = list((home / "lake" / "graph" / table.asset).glob("*/_snapshot.json"))
    if len(versions) != 1:
        raise UserError(f"{table.asset}: {len(versions)} staged versions in {home}, where there must be one")
    return Snapshot.load(versions[0].parent)


def rows(home: Path, table: GraphTable) -> pa.Table:
    """A table's rows, with its columns in the model's order."""
    return pa.Table.from_batches(read(snapshot(home, table).paths(), len(table.columns), _BATCH_ROWS))
