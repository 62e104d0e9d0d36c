"""The difference of two sets of rows: what to delete, to insert and to change so that the one becomes the other.

It is found bucket by bucket: what is held in memory does not grow with the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spotify_graph import storage
from spotify_graph.neo4j_io import checksum
from spotify_graph.neo4j_io.rows import read_whole, schema
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph.storage import Address

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from spotify_graph.neo4j_io.staging import Snapshot

    Places = NDArray[np.int64]
    Which = NDArray[np.bool_]

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

_DELETED, _INSERTED, _CHANGED, _DUPLICATED, _FOREIGN = "deleted", "inserted", "changed", "duplicated", "foreign"

_PLACE = "place"


@dataclass(frozen=True)
class Rows:
    """Rows in Parquet.

    Attributes:
        files: where they are.
        count: how many there are.
    """

    files: tuple[Address, ...] = ()
    count: int = 0


@dataclass(frozen=True)
class Difference:
    """What turns one set of rows into another.

    Attributes:
        deleted: the rows to delete; only their keys count.
        inserted: the rows to insert.
        changed: the rows to change, with all their new values.
        duplicated: the rows that exist more than once: all copies are deleted, and one is inserted.
        foreign: rows to delete that no publication is known to have written; only their keys count.
    """

    deleted: Rows = Rows()
    inserted: Rows = Rows()
    changed: Rows = Rows()
    duplicated: Rows = Rows()
    foreign: Rows = Rows()


def from_snapshot(old: Snapshot, new: Snapshot, table: GraphTable, folder: Address) -> Difference:
    """Writes what turns the rows of one snapshot into those of another, with the columns named c0, c1, ... in order.

    Args:
        old: the rows that there are.
        new: the rows that there should be.
        table: what they are rows of.
        folder: where the difference goes.
    """
    buckets = min(old.buckets, new.buckets)
    written = _Writer(folder)
    for bucket in range(buckets):
        written.add(compare(Base(old.read(bucket, buckets)), new.read(bucket, buckets), table))
    return written.difference()


def from_export(
    exported: Sequence[Address], new: Snapshot, ours: Sequence[Snapshot], table: GraphTable, folder: Address
) -> tuple[Difference, dict[str, int]]:
    """Does the work of `from_snapshot` for what was exported from the database.

    Args:
        exported: a file for each bucket, of not more buckets than any of the snapshots has, with the columns of
            `contents.schema`.
        new: the rows that there should be.
        ours: further snapshots of rows that were published; others are foreign.
        table: what they are rows of.
        folder: where the difference goes.

    Returns:
        The difference, and the checksum of the foreign rows.
    """
    from spotify_graph.neo4j_io import contents

    written, foreign = _Writer(folder), Counter(checksum.of_rows(table, schema(table).empty_table()))
    for bucket, file in enumerate(exported):
        there, staged = read_whole([file], contents.schema(table)), new.read(bucket, len(exported))
        found = compare(_one_of_each_key(there, table), staged, table)
        unknown = found[_DELETED]
        if unknown.num_rows:
            keys = unknown.column_names
            for snapshot in ours:
                known = snapshot.read(bucket, len(exported), len(keys)).rename_columns(keys)
                unknown = unknown.join(known, keys, join_type="left anti")
            found |= {
                _DELETED: found[_DELETED].join(unknown, keys, join_type="left anti"),
                _FOREIGN: unknown,
            }
            places = _numbered(there.select(keys)).join(unknown, keys, join_type="left semi")[_PLACE]
            foreign.update(checksum.of_rows(table, there.take(places).drop_columns("intact")))
        written.add(found)
    return written.difference(), dict(foreign)


@dataclass(frozen=True)
class Base:
    """Rows that there are, one for each key.

    Attributes:
        rows: the rows, with the table's columns in its order, whatever their names.
        intact: which of them have the right types, or None for all.
        duplicated: which of them exist more than once, or None for none.
    """

    rows: pa.Table
    intact: Which | None = None
    duplicated: Which | None = None


def compare(base: Base, staged: pa.Table, table: GraphTable) -> dict[str, pa.Table]:
    """Finds what turns the base into the staged rows, in memory.

    Args:
        base: what there is.
        staged: what there should be, with the table's columns in its order, whatever their names.
        table: what they are rows of.

    Returns:
        The rows of each kind of change that there is, with the columns named c0, c1, ... in order.
    """
    import numpy as np

    names = [f"c{i}" for i in range(len(table.columns))]
    keys, others = names[: len(table.keys)], names[len(table.keys) :]
    old, new = base.rows.rename_columns(names), staged.rename_columns(names)
    before, after = same_keys(old.select(keys), new.select(keys))
    gone, added = np.ones(old.num_rows, bool), np.ones(new.num_rows, bool)
    gone[before] = added[after] = False
    same = np.ones(len(before), bool) if base.intact is None else base.intact[before]
    for name in others:
        same &= _same(old[name].take(before), new[name].take(after))
    duplicated = np.zeros(len(before), bool) if base.duplicated is None else base.duplicated[before]
    return {
        _DELETED: old.select(keys).filter(gone),
        _INSERTED: new.filter(added),
        _CHANGED: new.take(np.sort(after[~same & ~duplicated])),
        _DUPLICATED: new.take(np.sort(after[duplicated])),
    }


def write(found: Mapping[str, pa.Table], folder: Address) -> Difference:
    """Writes changes that `compare` found.

    Args:
        found: the rows of each kind.
        folder: where they go.
    """
    written = _Writer(folder)
    written.add(found)
    return written.difference()


@dataclass
class _Writer:
    """Writes changes, and knows where they are."""

    folder: Address
    written: dict[str, Rows] = field(default_factory=dict)

    def add(self, found: Mapping[str, pa.Table]) -> None:
        for kind, rows in found.items():
            if not rows.num_rows:
                continue
            before = self.written.get(kind, Rows())
            file = self.folder / f"change={kind}" / f"{len(before.files):05d}.parquet"
            storage.make_folder(file.parent)
            storage.write(rows, file)
            self.written[kind] = Rows((*before.files, file), before.count + rows.num_rows)

    def difference(self) -> Difference:
        return Difference(**self.written)


def _one_of_each_key(exported: pa.Table, table: GraphTable) -> Base:
    keys = exported.column_names[: len(table.keys)]
    grouped = _numbered(exported).group_by(keys).aggregate([(_PLACE, "min"), ("intact", "all"), ([], "count_all")])
    return Base(
        exported.take(grouped[f"{_PLACE}_min"]).drop_columns("intact"),
        grouped["intact_all"].to_numpy(),
        grouped["count_all"].to_numpy() > 1,
    )


def same_keys(old: pa.Table, new: pa.Table) -> tuple[Places, Places]:
    """The places of the keys that are on both sides, in the one and in the other; neither has one twice."""
    joined = _numbered(old).join(_numbered(new), old.column_names, join_type="inner", right_suffix=" after")
    return joined[_PLACE].to_numpy(), joined[f"{_PLACE} after"].to_numpy()


def _numbered(rows: pa.Table) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    return rows.append_column(_PLACE, pa.array(np.arange(rows.num_rows)))


def _same(old: pa.ChunkedArray, new: pa.ChunkedArray) -> Which:
    """Which values are the same: two nulls are, and two NaNs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(old.type):
        return _same_lists(old.combine_chunks(), new.combine_chunks())
    same = _which(pc.fill_null(pc.equal(old, new), False)) | _which(pc.and_(pc.is_null(old), pc.is_null(new)))
    if pa.types.is_floating(old.type):
        same |= _which(pc.fill_null(pc.and_(pc.is_nan(old), pc.is_nan(new)), False))
    return same


def _same_lists(old: pa.Array, new: pa.Array) -> Which:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = (pc.list_value_length(each) for each in (old, new))
    same = _same(*map(pa.chunked_array, ([each] for each in lengths)))
    if same.any():
        # Where lists are equally long, their elements are side by side.
        places = np.flatnonzero(same)
        sides = [each.take(places) for each in (old, new)]
        counts = pc.fill_null(pc.list_value_length(sides[0]), 0).to_numpy(zero_copy_only=False)
        equal = _same(*(pa.chunked_array([each.flatten()]) for each in sides))
        same[np.repeat(places, counts)[~equal]] = False
    return same


def _which(values: pa.ChunkedArray) -> Which:
    which: Which = values.to_numpy(zero_copy_only=False)
    return which
