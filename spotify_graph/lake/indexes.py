"""Indexes of the lake's files: what is looked up in a file that never changes, beside it, mapped into memory.

An index is a file of Arrow's own format in the order of a hash of some columns. It is made when it is first asked for,
and can be deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from spotify_graph import storage
from spotify_graph.neo4j_io.rows import in_files
from spotify_graph.storage import Address

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from spotify_graph.neo4j_io.hashing import Hashes

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

FOLDER = "_index"
"""Where the indexes of a folder's files are, within it."""
_HASH = "hash"
_ENDS = ("rows", "first", "last")


def find(file: str, keys: pa.Table) -> pa.Table:
    """The rows of a file whose keys have the hash of some that are looked for: those, and hardly any others.

    Args:
        file: a Parquet file.
        keys: some of its columns.
    """
    import numpy as np
    import pyarrow as pa

    from spotify_graph.neo4j_io import hashing

    indexed = _rows(storage.at(file), keys.column_names)
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

    hashes, known = hashing.of_table(rows), _hashes(_sorted_hashes(storage.at(file), rows.column_names))
    if not len(known):
        return np.zeros(len(hashes), bool)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, hashes), len(known) - 1)] == hashes
    return found


@dataclass(frozen=True)
class Ends:
    """How many rows there are of each of some keys, and when the first and the last of them is.

    They are found by hashes of the keys, so rows of another key may be counted too, but none is left out: where there
    are as many as a key is known to have, they are its own.

    Attributes:
        rows: how many there are.
        first: when the first one is, in microseconds since 1970; later than any time where there is none.
        last: when the last one is, likewise; earlier than any time where there is none.
    """

    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of_none(cls, keys: int) -> Self:
        """Those of keys that have no rows."""
        import numpy as np

        times = np.iinfo(np.int64)
        return cls(np.zeros(keys, np.int64), np.full(keys, times.max), np.full(keys, times.min))

    def with_those_of(self, other: Ends) -> Ends:
        """Those of both together, of the same keys."""
        import numpy as np

        return Ends(self.rows + other.rows, np.minimum(self.first, other.first), np.maximum(self.last, other.last))


def ends(file: str, keys: pa.Table, time: str) -> Ends:
    """How many rows a file has of each of some keys, and when the first and the last of them is.

    Args:
        file: a Parquet file.
        keys: some of its columns.
        time: the column of its times.
    """
    import numpy as np

    from spotify_graph.neo4j_io import hashing

    indexed, found = _sorted_ends(storage.at(file), keys.column_names, time), Ends.of_none(keys.num_rows)
    hashes, known = hashing.of_table(keys), _hashes(indexed)
    if len(known):
        places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        is_known = known[places] == hashes
        for name in _ENDS:
            getattr(found, name)[is_known] = indexed[name].chunk(0).to_numpy()[places[is_known]]
    return found


def _rows(file: Address, columns: Sequence[str]) -> pa.Table:
    """A file's rows, in the order of the hashes of some columns."""
    import numpy as np
    import pyarrow as pa

    from spotify_graph.neo4j_io import hashing

    index = _place(file, *columns)
    if not index.exists():
        rows = in_files([file]).to_table()
        hashes = hashing.of_table(rows.select(columns))
        order = np.argsort(hashes)
        rows = rows.take(pa.array(order)).append_column(_HASH, pa.array(hashes[order]))
        _write(rows.combine_chunks(), index)
    return storage.read_arrow(index)


def _sorted_hashes(file: Address, columns: Sequence[str]) -> pa.Table:
    """The hashes of some columns of a file, in order."""
    import numpy as np
    import pyarrow as pa

    index = _place(file, *columns)
    if not index.exists():
        hashes = np.concatenate([np.zeros(0, np.uint64), *(each for each, _ in _hashed(file, columns))])
        _write(pa.table([np.sort(hashes)], [_HASH]), index)
    return storage.read_arrow(index)


def _sorted_ends(file: Address, columns: Sequence[str], time: str) -> pa.Table:
    """The hashes of some columns of a file, in order and each once, with what `Ends` says of their rows."""
    import numpy as np
    import pyarrow as pa

    index = _place(file, *columns, time, "ends")
    if not index.exists():
        read = [(np.zeros(0, np.uint64), np.zeros(0, np.int64))]
        read += ((each, batch[time].cast(pa.int64()).to_numpy()) for each, batch in _hashed(file, columns, time))
        hashes, times = map(np.concatenate, zip(*read, strict=True))
        order = np.argsort(hashes)
        hashes, times = hashes[order], times[order]
        starts = np.flatnonzero(np.diff(hashes, prepend=~hashes[:1]))
        rows = np.diff(starts, append=len(hashes))
        reduced = (rows, np.minimum.reduceat(times, starts), np.maximum.reduceat(times, starts))
        _write(pa.table([hashes[starts], *reduced], [_HASH, *_ENDS]), index)
    return storage.read_arrow(index)


def _hashed(file: Address, columns: Sequence[str], *others: str) -> Iterator[tuple[Hashes, pa.RecordBatch]]:
    """The hashes of some columns of a file, with these and others, batch by batch: all of a large file is too much.

    Most strings are there many times: by dictionary, each is hashed once for a batch.
    """
    import pyarrow as pa

    from spotify_graph.neo4j_io import hashing

    schema = in_files([file]).schema
    strings = [name for name in columns if pa.types.is_string(schema.field(name).type)]
    for batch in in_files([file], encoded=strings).to_batches(columns=[*columns, *others]):
        yield hashing.of_rows(batch.columns[: len(columns)]), batch


def _place(file: Address, *names: str) -> Address:
    return file.parent / FOLDER / f"{file.stem}.{'.'.join(names)}.arrow"


def _write(rows: pa.Table, index: Address) -> None:
    with storage.arrow_writer(index, rows.schema) as written:
        written.write_table(rows)


def _hashes(indexed: pa.Table) -> Hashes:
    hashes: Hashes = indexed[_HASH].combine_chunks().to_numpy()
    return hashes
