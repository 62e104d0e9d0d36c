import dagster as dg
from pyspark.sql import SparkSession

from spotify_graph.resources.spark import SparkResource


def test_a_session_that_is_there_already_is_used_and_outlives_the_run(spark: SparkSession) -> None:
    used: list[SparkSession] = []

    @dg.asset
    def answer(spark: SparkResource) -> None:
        used.append(spark.spark_session)

    assert dg.materialize([answer], resources={"spark": SparkResource()}).success
    assert used == [spark]
    assert [row.n for row in spark.sql("SELECT 42 AS n").collect()] == [42]


def test_the_session_counts_time_in_utc_and_refuses_what_does_not_fit(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.ansi.enabled") == "true"
