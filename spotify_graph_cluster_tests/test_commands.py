"""A command on a cluster, by a driver of its own and by Spark Connect, where the same work is done by data frames."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spotify_graph_cluster_tests.conftest import Cluster, free_port, until
from spotify_graph_tests import oracle
from spotify_graph_tests.emptied import empty
from spotify_graph_tests.promised import contents, is_promised

HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"


@pytest.fixture
def remote(cluster: Cluster) -> Iterator[str]:
    """The address of a Spark Connect server on the cluster."""
    port = free_port()
    conf = {"spark.connect.grpc.binding.port": port, "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1"}
    words = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    command = ["spark-submit", "--master", cluster.master, "--class", SERVER, *words, "spark-internal"]
    hidden, scratch = [cluster.driver_home.parent], "/tmp"  # noqa: S108 it is the container's own
    with cluster.host.started(
        "spark-worker", name="spark-connect", command=command, hidden=hidden, SPARK_LOCAL_DIRS=scratch
    ) as server:
        log = cluster.host.logs / "spark-connect.log"
        until(lambda: "started at" in log.read_text() or server.poll() is not None, f"see {log}")
        assert server.poll() is None, log.read_text()
        yield f"sc://127.0.0.1:{port}"


def test_a_command_on_the_cluster_ends_in_the_promised_graph(cluster: Cluster, tmp_path: Path) -> None:
    ends_in_the_promised_graph(cluster, tmp_path)
    assert (tmp_path / "home" / "java").exists()


def test_a_command_by_spark_connect_ends_in_the_promised_graph(cluster: Cluster, remote: str, tmp_path: Path) -> None:
    ends_in_the_promised_graph(cluster, tmp_path, SPARK_REMOTE=remote, SPARK_MASTER="")
    # This process has no JVM: all that Spark did, it did at the server.
    assert not (tmp_path / "home" / "java").exists()


def ends_in_the_promised_graph(cluster: Cluster, tmp_path: Path, **more: str) -> None:
    """Takes small logs in, has Spark do all that it can do, and looks at the graph."""
    empty(cluster.neo4j)
    landed = {
        "tracks.csv": "track_id,artist,album,duration_ms,genre\nt1,Ann,,180000,jazz\nt2,Bob,,,rock\n",
        "user_events.csv": "\n".join(
            [HEADER, *(f"u{n % 7},t{n % 3},play,2026-01-01T10:{n:02}:00Z,s,web" for n in range(60))]
        ),
    }
    (tmp_path / "landing").mkdir()
    for name, text in landed.items():
        (tmp_path / "landing" / name).write_text(text, encoding="utf-8")
    settings = {
        "SPOTIFY_GRAPH_HOME": str(tmp_path / "home"),
        "DAGSTER_HOME": str(tmp_path / "home" / "dagster"),
        "SPOTIFY_GRAPH_LANDING": str(tmp_path / "landing"),
        "SPOTIFY_GRAPH_LAKE": f"{cluster.lake}-of-{tmp_path.name}",
        "SPOTIFY_GRAPH_IN_PROCESS_ROWS": "0",
    }
    done = cluster.run("materialize", "--select", "not (group:evaluation or group:recommendations)", **settings, **more)
    assert done.returncode == 0, done.stderr
    expected = oracle.expected({name: text.encode() for name, text in landed.items()}, datetime.now(UTC))
    is_promised(contents(cluster.neo4j), expected)
