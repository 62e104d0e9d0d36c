"""A cluster that is not there, or is of other versions: one clear line within a minute, and nothing half-written."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spotify_graph import storage
from spotify_graph.settings import PACKAGE
from spotify_graph_cluster_tests.conftest import Cluster, free_port
from spotify_graph_tests.emptied import empty

EVENTS = "user_id,track_id,event_type,event_ts,session_id,device\nu1,t1,play,2026-01-01T10:00:00Z,s,web\n"
OURS = f"{sys.version_info[0]}.{sys.version_info[1]}"
MINUTE = 60

Refused = Callable[..., str]


@pytest.fixture
def refused(cluster: Cluster, tmp_path: Path) -> Refused:
    """Has an event file taken in by Spark, and gives the line that is said, once all else is as it should be."""
    empty(cluster.neo4j)
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "user_events.csv").write_text(EVENTS, encoding="utf-8")

    def materialize(name: str, **settings: str) -> str:
        address, home = f"{cluster.lake}-{tmp_path.name}-{name}", tmp_path / name
        settings |= {
            "SPOTIFY_GRAPH_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            "SPOTIFY_GRAPH_LANDING": str(tmp_path / "landing"),
            "SPOTIFY_GRAPH_LAKE": address,
            "SPOTIFY_GRAPH_IN_PROCESS_ROWS": "0",
        }
        started = time.monotonic()
        done = cluster.run("materialize", "--select", "group:raw or group:cleaned", **settings)
        assert time.monotonic() - started < MINUTE
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        lake = storage.at(address)
        left = {storage.relative(file, lake).split("/")[0] for file in storage.files_in(lake)}
        assert not left & {"cleaned_events", "rejected_events", "_spool"}
        said = [line for line in done.stderr.splitlines() if "Spark" in line or "SPARK" in line]
        assert said, done.stderr
        return said[-1]

    return materialize


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"spark://127.0.0.1:{server.getsockname()[1]}"


def test_a_master_that_is_not_there_is_named(refused: Refused) -> None:
    nowhere = f"spark://127.0.0.1:{free_port()}"
    assert f"SPARK_MASTER: nobody answers at {nowhere} (Connection refused)" in refused("none", SPARK_MASTER=nowhere)


def test_a_master_that_does_not_answer_is_named(refused: Refused, silent: str) -> None:
    assert f"SPARK_MASTER: {silent} does not answer as a master of Spark" in refused("mute", SPARK_MASTER=silent)


def test_workers_with_another_python_are_named(refused: Refused, cluster: Cluster) -> None:
    """The stand-in is this Python, which gives itself out for an older one."""
    other = stand_in(
        cluster.folder / "python",
        "import collections, sys\n"
        "Info = collections.namedtuple('Info', 'major minor micro releaselevel serial')\n"
        "sys.version_info = Info(3, 9, *sys.version_info[2:])\n",
    )
    assert f"Spark's worker has Python 3.9, and this run Python {OURS}" in refused("other", PYSPARK_PYTHON=other)


_WAIT = """
from spotify_graph.errors import UserError
from spotify_graph.resources import session
from spotify_graph.settings import Settings
session._EXECUTOR_SECONDS = 5
try:
    session.build(Settings.load())
except UserError as error:
    print(error)
"""

_TELL = """
import sys
from spotify_graph.errors import UserError
from spotify_graph.resources import jobs, session
from spotify_graph.settings import Settings
spark = session.build(Settings.load())
assert jobs.run(spark, abs, [-1, -2]) == [1, 2]
for python in sys.argv[1:]:
    spark.sparkContext.pythonExec = python
    try:
        jobs.run(spark, abs, [-1])
    except UserError as error:
        print(error)
"""


def test_workers_with_another_spark_or_other_code_or_without_this_environment_are_named(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The stand-ins are this Python with another version of PySpark, with another checkout, and none at all."""
    checkout = cluster.folder / "checkout"
    shutil.copytree(PACKAGE, checkout / "spotify_graph", ignore=shutil.ignore_patterns("__pycache__"))
    with (checkout / "spotify_graph" / "errors.py").open("a", encoding="utf-8") as file:
        file.write("# This checkout differs.\n")
    pythons = [
        stand_in(cluster.folder / "spark", "import pyspark\npyspark.__version__ = '4.0.0'\n"),
        stand_in(cluster.folder / "code", f"import sys\nsys.path.insert(0, {str(checkout)!r})\n"),
        str(cluster.folder / "nowhere" / "python"),
    ]
    command = [sys.executable, "-c", _TELL, *pythons]
    environment = cluster.environment | {"SPOTIFY_GRAPH_HOME": str(tmp_path)}
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(told) == len(pythons)
    assert "has pyspark 4.0.0, and this run " in told[0]
    assert "has spotify_graph " in told[1]
    assert told[2] == f"Spark's worker can't run {pythons[2]}: name the Python that it has with PYSPARK_PYTHON"


def test_a_master_that_has_no_worker_to_spare_is_named(cluster: Cluster, tmp_path: Path) -> None:
    # More than any worker has.
    (tmp_path / "spark-defaults.conf").write_text("spark.executor.memory 100g\n", encoding="utf-8")
    environment = cluster.environment | {"SPOTIFY_GRAPH_HOME": str(tmp_path), "SPARK_CONF_DIR": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", _WAIT], env=environment, check=True, capture_output=True, text=True)
    assert told.stdout.startswith(
        f"SPARK_MASTER: {cluster.master} gives no executor: start a worker, or end other applications"
    )


def stand_in(folder: Path, first: str) -> str:
    """A Python that runs a few lines before it does anything."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(first, encoding="utf-8")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}:$PYTHONPATH" exec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return str(python)
