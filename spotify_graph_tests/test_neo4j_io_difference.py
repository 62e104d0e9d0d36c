"""What differs between two snapshots, found in memory and by Spark."""

import math
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from spotify_graph.graph_model import GraphTable
from spotify_graph.neo4j_io.difference import Difference, Rows, compare, compare_in_memory, of_snapshot
from spotify_graph.neo4j_io.rows import read_whole
from spotify_graph_tests.people import EARLY, LAST, LIVES_IN, PERSON, SCHEMAS, SOON, Row, person

VALUES: dict[str, list[Any]] = {
    "born": [None, EARLY, LAST],
    "tags": [[], ["x"], ["x", "y"], ["y", "x"]],
    "visits": [None, 0, 1],
    "score": [0.0, -0.0, 0.1, math.nan, math.inf],
    "active": [True, False],
}


def every_change() -> tuple[list[Row], list[Row]]:
    """People before and after: for each two values of a property, one whose value changes from the one to the other."""
    names = [column.name for column in PERSON.columns]
    before, after = [person("gone")], [person("new", tags=("x",))]
    for place, name in enumerate(names[1:], 1):
        for old, new in product(VALUES[name], repeat=2):
            for rows, value in ((before, old), (after, new)):
                row = list(person(f"{name} {old} {new}"))
                row[place] = value
                rows.append(tuple(row))
    return before, list(reversed(after))


def contents(found: Difference, table: GraphTable) -> dict[str, list[tuple[str, ...]]]:
    """The rows of each kind, as far as a publication reads them."""

    def rows(of: Rows, width: int) -> list[tuple[str, ...]]:
        if of.folder is None:
            return []
        columns = read_whole(of.folder).columns[:width]
        return sorted(zip(*([str(value) for value in column.to_pylist()] for column in columns), strict=True))

    return {
        "deleted": rows(found.deleted, len(table.keys)),
        "inserted": rows(found.inserted, len(table.columns)),
        "changed": rows(found.changed, len(table.columns)),
    }


def both_ways(old: DataFrame, new: DataFrame, table: GraphTable, folder: Path) -> tuple[Difference, Difference]:
    by_spark = compare(of_snapshot(old), new, table, folder / "spark")
    for name, rows in (("old", old), ("new", new)):
        rows.write.parquet(str(folder / name))
    there, wanted = (read_whole(folder / name) for name in ("old", "new"))
    return by_spark, compare_in_memory(there, wanted, table, folder / "memory")


def test_every_change_of_a_value_is_found_in_memory_as_spark_finds_it(spark: SparkSession, tmp_path: Path) -> None:
    before, after = every_change()
    old, new = (spark.createDataFrame(rows, SCHEMAS[PERSON]) for rows in (before, after))
    by_spark, in_memory = both_ways(old, new, PERSON, tmp_path)
    assert contents(in_memory, PERSON) == contents(by_spark, PERSON)
    assert in_memory.deleted.count == in_memory.inserted.count == 1
    same = sum(len(values) for values in VALUES.values()) + 2
    assert in_memory.changed.count == len(before) - 1 - same, "the two zeros are one value, in both ways"


@pytest.mark.parametrize(("old", "new"), [([], []), ([], [("a", "b")]), ([("a", "b"), ("b", "a")], [("b", "a")])])
def test_a_difference_may_be_empty_and_both_ends_of_a_relationship_are_its_key(
    spark: SparkSession, tmp_path: Path, old: list[tuple[str, str]], new: list[tuple[str, str]]
) -> None:
    there, wanted = (
        spark.createDataFrame([(*ends, 1, SOON) for ends in rows], SCHEMAS[LIVES_IN]) for rows in (old, new)
    )
    by_spark, in_memory = both_ways(there, wanted, LIVES_IN, tmp_path)
    assert contents(in_memory, LIVES_IN) == contents(by_spark, LIVES_IN)
    assert in_memory.deleted.count == len(set(old) - set(new))
    assert in_memory.inserted.count == len(set(new) - set(old))
    assert in_memory.changed == Rows()
