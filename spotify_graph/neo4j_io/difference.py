"""The difference of two sets of rows: what to delete, to insert and to change so that the one becomes the other."""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from spotify_graph.graph_model import GraphTable

_DELETED, _INSERTED, _CHANGED = "deleted", "inserted", "changed"


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
    """What turns one set of rows into another. A row that is there more than once is both deleted and inserted.

    Attributes:
        deleted: the rows to delete; only their keys count.
        inserted: the rows to insert.
        changed: the rows to change, with all their new values.
    """

    deleted: Rows = Rows()
    inserted: Rows = Rows()
    changed: Rows = Rows()


def of_snapshot(rows: DataFrame) -> DataFrame:
    """A snapshot's rows as a base: its keys are unique and its values have their types."""
    return _numbered(rows).withColumns({"intact": F.lit(True), "copies": F.lit(1)})


def of_export(rows: DataFrame, table: GraphTable) -> DataFrame:
    """Exported rows as a base: one for each key, with how often it is there."""
    keys = [f"c{i}" for i in range(len(table.keys))]
    others = [f"c{i}" for i in range(len(table.keys), len(table.columns))]
    first = [F.first(name).alias(name) for name in others]
    return rows.groupBy(*keys).agg(*first, F.bool_and("intact").alias("intact"), F.count(F.lit(1)).alias("copies"))


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
    changes = (
        F.when(F.col("new.there").isNull(), _list(_DELETED))
        .when(F.col("old.there").isNull(), _list(_INSERTED))
        .when(F.col("old.copies") > 1, _list(_DELETED, _INSERTED))
        .when(differs, _list(_CHANGED))
    )
    counts = Observation()
    (
        old.join(new, same_key, "full_outer")
        .select(
            *(F.coalesce(F.col(f"new.{name}"), F.col(f"old.{name}")).alias(name) for name in keys),
            *(F.col(f"new.{name}").alias(name) for name in others),
            F.explode(changes).alias("change"),
        )
        .observe(
            counts, *(F.count_if(F.col("change") == change).alias(change) for change in (_DELETED, _INSERTED, _CHANGED))
        )
        .write.partitionBy("change")
        .parquet(str(folder))
    )
    found = counts.get
    return Difference(**{change: Rows(folder / f"change={change}", rows) for change, rows in found.items() if rows})


def _numbered(rows: DataFrame) -> DataFrame:
    return rows.toDF(*(f"c{i}" for i in range(len(rows.columns))))


def _list(*changes: str) -> Column:
    return F.array(*map(F.lit, changes))
