from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spotify_graph.io_managers.lake import GROUP_BYTES, Lake


def _values(spark: SparkSession, lake: Lake) -> list[int]:
    return sorted(row.n for row in lake.current("numbers").read(spark, "n long").collect())


def test_what_was_written_last_is_what_is_read(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.write("numbers", spark.createDataFrame([(1,)], "n long")).rows == 1
    assert lake.write("numbers", spark.createDataFrame([(2,), (3,)], "n long")).rows == 2
    assert _values(spark, lake) == [2, 3]


def test_a_version_can_be_computed_from_the_one_before(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("numbers", spark.createDataFrame([(1,)], "n long"))
    lake.write("numbers", lake.current("numbers").read(spark, "n long").withColumn("n", F.col("n") + 1))
    assert _values(spark, lake) == [2]


def test_a_write_that_fails_leaves_the_last_good_version_and_no_debris(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    good = lake.write("numbers", spark.createDataFrame([(1,)], "n long"))
    failing = spark.createDataFrame([("1",), ("not a number",)], "s string").select(F.col("s").cast("long").alias("n"))
    with pytest.raises(PySparkException, match="CAST_INVALID_INPUT"):
        lake.write("numbers", failing)
    assert _values(spark, lake) == [1]
    assert {entry.name for entry in (tmp_path / "numbers").iterdir()} == {"CURRENT", good.path.name}


def test_no_rows_are_a_version_too(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.write("numbers", spark.createDataFrame([], "n long")).rows == 0
    assert _values(spark, lake) == []


def test_an_asset_that_was_never_written_is_named(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="numbers is not in the lake"):
        Lake(tmp_path).current("numbers")


def test_a_stream_is_written_as_it_comes_in_groups_that_tasks_can_share(spark: SparkSession, tmp_path: Path) -> None:
    batch = pa.record_batch({"n": pa.array([7] * (GROUP_BYTES // 8), pa.int64())})
    lake = Lake(tmp_path)
    written = lake.write_stream("numbers", pa.RecordBatchReader.from_batches(batch.schema, iter([batch, batch])))
    assert written.rows == 2 * len(batch)
    assert lake.current("numbers").read(spark, "n long").agg(F.sum("n")).first() == (14 * len(batch),)
    (file,) = written.path.glob("*.parquet")
    assert pq.ParquetFile(file).num_row_groups == 2
    nothing = lake.write_stream("numbers", pa.RecordBatchReader.from_batches(batch.schema, iter([])))
    assert nothing.rows == 0
    assert _values(spark, lake) == []


def test_a_stream_that_breaks_off_leaves_the_last_good_version_and_no_debris(
    spark: SparkSession, tmp_path: Path
) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"n": pa.array([2])})
        raise OSError("the disk is gone")

    lake = Lake(tmp_path)
    good = lake.write("numbers", spark.createDataFrame([(1,)], "n long"))
    with pytest.raises(OSError, match="the disk is gone"):
        lake.write_stream("numbers", pa.RecordBatchReader.from_batches(pa.schema({"n": pa.int64()}), breaking()))
    assert _values(spark, lake) == [1]
    assert {entry.name for entry in (tmp_path / "numbers").iterdir()} == {"CURRENT", good.path.name}
