"""Indexes of the lake's files: what is looked up in a file that never changes, beside it, mapped into memory.

An index is a file of Arrow's own format with rows in the order of a hash of some columns. It is made when it is first
asked for, and can be deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spotify_graph import storage
from spotify_graph.neo4j_io.rows import in_files
from spotify_graph.storage import Address

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

FOLDER = "_index"
"""Where the indexes of a folder's files are, within it."""
_HASH = "hash"


def find(file: str, keys: pa.Table) -> pa.Table:
    """The rows of a file whose keys have the hash of some that are looked for: those, and hardly any others.

    Args:
        file: a Parquet file.
        keys: some of its columns.
    """
    import numpy as np
    import pyarrow as pa

    from spotify_graph.neo4j_io import hashing

    indexed = _indexed(storage.at(file), keys.column_names, whole=True)
    hashes, known = np.unique(hashing.of_table(keys)), _hashes(indexed)
    starts, ends = np.searchsorted(known, hashes, "left"), np.searchsorted(known, hashes, "right")
    lengths = ends - starts
    # The places from each start to its end, one after the other.
    places = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    return indexed.drop_columns([_HASH]).take(pa.array(places))


def may_hold(file: str, rows: pa.Table) -> NDArray[np.bool_]:
    """Which of some rows may be among those of a file; the others certainly are not.

    Args:
        file: a Parquet file.
        rows: rows with some of its columns.
    """
    import numpy as np

    from spotify_graph.neo4j_io import hashing

    hashes, known = hashing.of_table(rows), _hashes(_indexed(storage.at(file), rows.column_names, whole=False))
    if not len(known):
        return np.zeros(len(hashes), bool)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, hashes), len(known) - 1)] == hashes
    return found


def _indexed(file: Address, columns: Sequence[str], *, whole: bool) -> pa.Table:
    """A file's hashes of some columns, in order, with whole rows or without."""
    import numpy as np
    import pyarrow as pa

    from spotify_graph.neo4j_io import hashing

    index = file.parent / FOLDER / f"{file.stem}.{'.'.join(columns)}.arrow"
    if not index.exists():
        rows = in_files([file]).to_table(columns=None if whole else list(columns))
        hashes = hashing.of_table(rows.select(columns))
        order = np.argsort(hashes)
        rows = rows.take(pa.array(order)) if whole else rows.select([])
        rows = pa.table([*rows.columns, pa.array(hashes[order])], names=[*rows.column_names, _HASH]).combine_chunks()
        with storage.arrow_writer(index, rows.schema) as written:
            written.write_table(rows)
    return storage.read_arrow(index)


def _hashes(indexed: pa.Table) -> NDArray[np.uint64]:
    hashes: NDArray[np.uint64] = indexed[_HASH].combine_chunks().to_numpy()
    return hashes
