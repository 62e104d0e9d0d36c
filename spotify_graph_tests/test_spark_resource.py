import dagster as dg
import pytest
from pyspark.sql import SparkSession

from spotify_graph.errors import UserError
from spotify_graph.neo4j_io import buckets
from spotify_graph.resources.spark import SparkResource
from spotify_graph.resources.versions import Checked, Versions
from spotify_graph.settings import Settings


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


@pytest.mark.parametrize(
    "master", ["spark://host", "mesos://host:5050", "local[", "spark://me:word@host:7077", "yarn 1"]
)
def test_an_address_of_no_master_is_refused_before_anything_starts(
    master: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_MASTER", master)
    with pytest.raises(
        UserError, match=r"^SPARK_MASTER: .* is none of local\[\*\], spark://HOST:PORT, yarn and k8s://"
    ):
        Settings.load()


@pytest.mark.parametrize(
    "master",
    ["local", "local[2,4]", "spark://host:7077", "spark://one:7077,two:7077", "yarn", "k8s://https://host:6443"],
)
def test_an_address_of_each_kind_of_master_is_taken(master: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_MASTER", master)
    assert Settings.load().spark_master == master


def test_a_connect_server_takes_the_place_of_a_master_and_its_token_is_shown_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = "sc://host:15002/;token=s3cret"
    monkeypatch.setenv("SPARK_REMOTE", address)
    monkeypatch.setenv("SPARK_MASTER", "spark://host:7077")
    with pytest.raises(UserError, match=r"^SPARK_REMOTE: set as well as SPARK_MASTER: unset one of them$"):
        Settings.load()
    monkeypatch.delenv("SPARK_MASTER")
    assert "s3cret" not in repr(Settings.load())
    monkeypatch.setenv("SPARK_REMOTE", "s3cret@host")
    with pytest.raises(UserError) as refused:
        Settings.load()
    assert str(refused.value) == "SPARK_REMOTE: not an address of Spark Connect, such as sc://HOST:15002"


def twice(number: int) -> int:
    return 2 * number


def test_a_worker_of_other_versions_does_no_task() -> None:
    ours = Versions.here()
    assert Checked(twice, ours)(1) == 2
    with pytest.raises(UserError, match=r"has pyspark \S+, and this run 4\.0\.0: install the same environment on both"):
        Checked(twice, Versions(ours.python, "4.0.0", ours.pyarrow, ours.spotify_graph))(1)


def test_rows_are_divided_by_their_number_and_for_the_cores_that_there_are(spark: SparkSession) -> None:
    assert spark.sparkContext.defaultParallelism == 2
    rows = 2 * buckets.WORTH_ROWS
    assert SparkResource(in_process_rows=rows).buckets(rows) == 1
    assert SparkResource(in_process_rows=0).buckets(rows) == 2
    assert SparkResource(in_process_rows=0).buckets(rows // 2) == 1
    assert SparkResource(in_process_rows=0).buckets(5 * buckets.BUCKET_ROWS) == 8
