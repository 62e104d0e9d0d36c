"""The difference of two sets of rows: what to delete, to insert and to change so that the one becomes the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from spotify_graph.graph_model import GraphTable

if TYPE_CHECKING:
    import pyarrow as pa

_KINDS = _DELETED, _INSERTED, _CHANGED, _DOUBLED, _FOREIGN = "deleted", "inserted", "changed", "doubled", "foreign"


@dataclass(frozen=True)
class Rows:
    """Rows in Parquet.

    Attributes:
        folder: where they are, or None where there are none.
        count: how many there are.
    """

    folder: Path | None = None
    count: int = 0


@dataclass(frozen=True)
class Difference:
    """What turns one set of rows into another.

    Attributes:
        deleted: the rows to delete; only their keys count.
        inserted: the rows to insert.
        changed: the rows to change, with all their new values.
        doubled: the rows that are there more than once: to delete whole, and to insert anew.
        foreign: rows to delete that no publication is known to have written; only their keys count.
    """

    deleted: Rows = Rows()
    inserted: Rows = Rows()
    changed: Rows = Rows()
    doubled: Rows = Rows()
    foreign: Rows = Rows()


def of_snapshot(rows: DataFrame) -> DataFrame:
    """A snapshot's rows as a base: its keys are unique and its values have their types."""
    return _numbered(rows).withColumns({"intact": F.lit(True), "copies": F.lit(1), "ours": F.lit(True)})


def of_export(rows: DataFrame, table: GraphTable, ours: Sequence[DataFrame]) -> DataFrame:
    """Exported rows as a base: one for each key, with how often it is there.

    Args:
        rows: what was exported.
        table: what they are rows of.
        ours: the snapshots, one at least, that tell which rows were published; others are foreign.
    """
    keys = [f"c{i}" for i in range(len(table.keys))]
    others = [f"c{i}" for i in range(len(table.keys), len(table.columns))]
    first = [F.first(name).alias(name) for name in others]
    grouped = rows.groupBy(*keys).agg(*first, F.bool_and("intact").alias("intact"), F.count(F.lit(1)).alias("copies"))
    known = reduce(DataFrame.union, (_numbered(each).select(*keys) for each in ours)).distinct()
    return grouped.join(known.withColumn("known", F.lit(True)), keys, "left").withColumn(
        "ours", F.col("known").isNotNull()
    )


def compare(base: DataFrame, staged: DataFrame, table: GraphTable, folder: Path) -> Difference:
    """Writes what turns the base into the staged rows, with the columns named c0, c1, ... in the table's order.

    Args:
        base: what there is, from `of_snapshot` or `of_export`.
        staged: what there should be, with the table's columns.
        table: what they are rows of.
        folder: where the difference goes.
    """
    old = base.withColumn("there", F.lit(True)).alias("old")
    new = _numbered(staged).withColumn("there", F.lit(True)).alias("new")
    names = [f"c{i}" for i in range(len(table.columns))]
    keys, others = names[: len(table.keys)], names[len(table.keys) :]
    same_key = [F.col(f"old.{name}") == F.col(f"new.{name}") for name in keys]
    differs = reduce(
        or_, (~F.col(f"old.{name}").eqNullSafe(F.col(f"new.{name}")) for name in others), ~F.col("old.intact")
    )
    change = (
        F.when(F.col("new.there").isNull() & F.col("old.ours"), _DELETED)
        .when(F.col("new.there").isNull(), _FOREIGN)
        .when(F.col("old.there").isNull(), _INSERTED)
        .when(F.col("old.copies") > 1, _DOUBLED)
        .when(differs, _CHANGED)
    )
    counts = Observation()
    (
        old.join(new, same_key, "full_outer")
        .select(
            *(F.coalesce(F.col(f"new.{name}"), F.col(f"old.{name}")).alias(name) for name in keys),
            *(F.col(f"new.{name}").alias(name) for name in others),
            change.alias("change"),
        )
        .where("change IS NOT NULL")
        .observe(counts, *(F.count_if(F.col("change") == kind).alias(kind) for kind in _KINDS))
        .write.partitionBy("change")
        .parquet(str(folder))
    )
    found = counts.get
    return Difference(**{kind: Rows(folder / f"change={kind}", rows) for kind, rows in found.items() if rows})


def compare_in_memory(old: pa.Table, new: pa.Table, table: GraphTable, folder: Path) -> Difference:
    """Does the work of `compare` for two snapshots that fit into memory, where starting Spark's jobs takes longest.

    Args:
        old: the rows that there are, with the table's columns in its order, whatever their names.
        new: the rows that there should be, likewise.
        table: what they are rows of.
        folder: where the difference goes.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [f"c{i}" for i in range(len(table.columns))]
    keys, others = names[: len(table.keys)], names[len(table.keys) :]
    old, new = old.rename_columns(names), new.rename_columns(names)
    there, wanted = (
        rows.select(keys).append_column(side, pa.array(np.arange(rows.num_rows)))
        for side, rows in (("old", old), ("new", new))
    )
    pairs = there.join(wanted, keys, join_type="full outer").sort_by("new")
    kept = pairs.filter(pc.field("old").is_valid() & pc.field("new").is_valid())
    before, after = old.take(kept["old"]), new.take(kept["new"])
    every = pa.array(np.ones(kept.num_rows, dtype=bool))
    same = reduce(pc.and_, (_same(before[name], after[name]) for name in others), every)
    found = {
        _DELETED: pairs.filter(pc.field("new").is_null()).select(keys),
        _INSERTED: new.take(pairs.filter(pc.field("old").is_null())["new"]),
        _CHANGED: after.filter(pc.invert(same)),
    }
    return Difference(**{kind: _written(rows, folder / f"change={kind}") for kind, rows in found.items()})


def _same(old: pa.ChunkedArray, new: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Which values are the same: two nulls are, and two NaNs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(old.type):  # Arrow has no comparison of lists
        return pa.array([a == b for a, b in zip(old.to_pylist(), new.to_pylist(), strict=True)], pa.bool_())
    same = pc.fill_null(pc.equal(old, new), False)
    return pc.or_(same, pc.and_(*(pc.is_null(values, nan_is_null=True) for values in (old, new))))


def _written(rows: pa.Table, folder: Path) -> Rows:
    import pyarrow.parquet as pq

    if not rows.num_rows:
        return Rows()
    folder.mkdir(parents=True)
    pq.write_table(rows, folder / "part.parquet")
    return Rows(folder, rows.num_rows)


def _numbered(rows: DataFrame) -> DataFrame:
    return rows.toDF(*(f"c{i}" for i in range(len(rows.columns))))
