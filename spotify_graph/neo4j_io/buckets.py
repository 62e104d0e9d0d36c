"""Buckets: a table's rows divided by a hash of their first key, so that work on a large table fits into memory.

Their number is a power of two. Bucket i of 2n lies within bucket i % n of n: tables in different numbers of buckets can
be compared in the smaller number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

BUCKET_ROWS = 1_000_000
"""How many rows a bucket has at most, on average."""
WORTH_ROWS = 250_000
"""How many rows a bucket has at least, on average, where there are more of them only for cores to have work."""


def count_for(rows: int) -> int:
    """How many buckets to divide a number of rows into."""
    return _power_of_two(-(-rows // BUCKET_ROWS))


def count_for_cores(rows: int, cores: int) -> int:
    """How many buckets give work to a number of cores at once: one for each, where there are rows enough for that."""
    return _power_of_two(min(cores, rows // WORTH_ROWS))


def _power_of_two(at_least: int) -> int:
    return 1 << max(0, at_least - 1).bit_length()


def number(keys: pa.Array | pa.ChunkedArray, buckets: int) -> NDArray[np.int64]:
    """The bucket of each key: always the same, in every process.

    Args:
        keys: of the table's first key column.
        buckets: how many buckets there are.

    Raises:
        ValueError: that is not a power of two.
    """
    import numpy as np
    import pyarrow as pa

    from spotify_graph.neo4j_io import hashing

    check(buckets)
    if buckets == 1:
        return np.zeros(len(keys), np.int64)
    chunks = keys.chunks if isinstance(keys, pa.ChunkedArray) else [keys]
    hashes = np.concatenate([np.zeros(0, np.uint64), *map(hashing.of_values, chunks)])
    return (hashes & np.uint64(buckets - 1)).astype(np.int64)


def split(rows: pa.Table, buckets: int, key: int | str = 0) -> dict[int, pa.Table]:
    """Divides rows by a column, the first one unless another is named; buckets without rows are left out."""
    import numpy as np
    import pyarrow as pa

    if buckets == 1:
        return {0: rows} if rows.num_rows else {}
    numbers = number(rows[key], buckets)
    rows = rows.take(pa.array(np.argsort(numbers, kind="stable")))
    counts = np.bincount(numbers)
    starts = np.cumsum(counts) - counts
    return {bucket: rows.slice(starts[bucket], counts[bucket]) for bucket in np.flatnonzero(counts).tolist()}


def check(buckets: int) -> None:
    """Makes sure that a number of buckets is a power of two.

    Raises:
        ValueError: it is not.
    """
    if buckets < 1 or buckets & (buckets - 1):
        raise ValueError(f"{buckets} buckets: the number must be a power of two")
