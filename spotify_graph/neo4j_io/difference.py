"""The difference of two sets of rows: what to delete, to insert and to change so that the one becomes the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from spotify_graph.graph_model import GraphTable

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


def _numbered(rows: DataFrame) -> DataFrame:
    return rows.toDF(*(f"c{i}" for i in range(len(rows.columns))))
