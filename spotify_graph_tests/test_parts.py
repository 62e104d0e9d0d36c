"""Parts of tables: whatever a table is divided into, it is the same table, worked on in this process or in Spark's."""

from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spotify_graph import parts
from spotify_graph.neo4j_io.running import in_process
from spotify_graph.parts import Part, divided, shuffle
from spotify_graph.resources.spark import SparkResource

SCHEMA = pa.schema({"name": pa.string(), "n": pa.int64()})


def table(*numbers: int) -> pa.Table:
    return pa.table({"name": [f"name {number % 7}" for number in numbers], "n": numbers}, SCHEMA)


def numbers(rows: pa.Table) -> list[int]:
    return sorted(rows["n"].to_pylist())


@pytest.fixture
def whole(tmp_path: Path) -> Part:
    """Forty rows, in a file of many row groups and in small ones."""
    pq.write_table(table(*range(20)), tmp_path / "large.parquet", row_group_size=4)
    for number in range(4):
        pq.write_table(table(*range(20 + 5 * number, 25 + 5 * number)), tmp_path / f"small {number}.parquet")
    return Part(tuple(map(str, sorted(tmp_path.glob("*.parquet")))))


def test_small_files_are_one_part_and_a_large_one_is_several_by_its_row_groups(
    whole: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 8)
    found = divided(whole)
    assert [part.rows for part in found] == [8, 8, 4, 10, 10]
    assert numbers(pa.concat_tables(part.read(SCHEMA) for part in found)) == list(range(40))
    assert numbers(found[1].read(SCHEMA)) == list(range(8, 16))


def test_no_files_are_a_part_without_rows() -> None:
    assert [part.read(SCHEMA).num_rows for part in divided(Part(()))] == [0]
    assert Part(()).read(SCHEMA, ["n"]).column_names == ["n"]


@pytest.mark.parametrize("where", ["in this process", "in Spark's tasks"])
def test_rows_of_a_key_are_in_one_bucket_whichever_part_they_come_from(
    whole: Part, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 8)
    run = in_process
    if where != "in this process":
        request.getfixturevalue("spark")
        run = SparkResource(in_process_rows=39).over(40)
    found = shuffle(whole, partial(Part.read, schema=SCHEMA), "name", 4, tmp_path / "buckets", run)
    rows = [part.read(SCHEMA) for part in found]
    assert numbers(pa.concat_tables(rows)) == list(range(40))
    names = [set(of_bucket["name"].to_pylist()) for of_bucket in rows]
    assert sum(map(len, names)) == len(set().union(*names)) == 7
    assert max(map(len, names)) < 7


def test_up_to_a_number_of_rows_no_spark_is_started(spark: SparkSession) -> None:
    resource = SparkResource(in_process_rows=40)
    assert resource.over(40) is in_process
    assert SparkResource(in_process_rows=0).over(1)(len, ["ab", "c"]) == [2, 1]
