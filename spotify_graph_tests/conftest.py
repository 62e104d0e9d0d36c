"""One Spark session and one Neo4j for all tests of a process, in a home of its own.

The whole suite is run by two processes, which take one file after the other; where files are named, by one.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from neo4j import Driver, GraphDatabase
from pyspark.sql import SparkSession
from sqlalchemy import Engine, event

from spotify_graph import history
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.resources.spark import SparkResource
from spotify_graph.settings import Settings
from spotify_graph_tests import java
from spotify_graph_tests.emptied import empty
from spotify_graph_tests.graphs import Graph

_WORKERS = 2
"""As many as a small machine carries: each may have a Spark and a Neo4j, which are 5 GB and as busy as a core."""
_LONGEST = (
    "test_killed",
    "test_real_tastes",
    "test_sample_to_graph",
    "test_recommendations",
    "test_forget_user",
    "test_outages",
    "test_security",
    "test_first_load",
    "test_backup",
    "test_wheel",
    "test_local_neo4j",
    "test_any_order",
    "test_up",
    "test_neo4j_io_bulk",
    "test_gates_hold",
    "test_killed_parts",
    "test_neo4j_io_models",
    "test_neo4j_io_transaction",
    "test_automation_conditions",
    "test_local_spark",
    "test_changed_by_hand",
    "test_small_logs",
)
"""The files that take more than 15 s are begun with, the longest first: nobody waits for one of them alone at the end.

The second needs no server: on a new machine it runs while the first fetches one. Those that start several come when
`.ci/run` has made the caches, with which they start faster.
"""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    # A core for each: the threads of two linear algebras would wait for each other.
    os.environ["OPENBLAS_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // _WORKERS))
    return _WORKERS if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The suite's SPOTIFY_GRAPH_HOME; what the person who runs the tests has set plays no part."""
    folder = tmp_path_factory.mktemp("home")
    ours = ("SPOTIFY_GRAPH_", "NEO4J_", "SPARK_", "DAGSTER_")
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(ours)]:
        del os.environ[name]
    os.environ |= {"SPOTIFY_GRAPH_HOME": str(folder), "SPARK_MASTER": "local[2]", "JAVA_TOOL_OPTIONS": java.OPTIONS}
    # No history of a test has to outlive a power cut.
    event.listen(Engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
    yield folder
    os.environ.clear()
    os.environ |= before


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The suite's Spark session."""
    session = SparkResource(master="local[2]", driver_memory="2g").spark_session
    yield session
    session.stop()


@pytest.fixture(scope="session")
def local_neo4j() -> Iterator[LocalNeo4j]:
    """The suite's Neo4j server, up."""
    server = LocalNeo4j(Settings.load())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def neo4j_driver(local_neo4j: LocalNeo4j) -> Iterator[Driver]:
    """A driver of the suite's server."""
    uri = local_neo4j.status().uri
    assert uri
    with GraphDatabase.driver(uri, auth=("neo4j", local_neo4j.password().get_secret_value())) as driver:
        yield driver


@pytest.fixture
def clean_graph(neo4j_driver: Driver) -> Driver:
    """A driver of a database without nodes, and without indexes of their own.

    Constraints stay, which every publication makes where they are missing: with each that is made or dropped the server
    forgets its plans for all queries, and to make those again takes longer than most tests.
    """
    empty(neo4j_driver)
    # Every database has the lookup indexes of its labels and types, and they stay.
    own = "SHOW INDEXES YIELD name, type, owningConstraint WHERE type <> 'LOOKUP' AND owningConstraint IS NULL"
    for record in neo4j_driver.execute_query(own).records:
        neo4j_driver.execute_query(f"DROP INDEX `{record['name']}`")
    return neo4j_driver


@pytest.fixture
def bare_graph(clean_graph: Driver) -> Driver:
    """A driver of a database that has no constraints either, and of a server without plans: for what is about those."""
    for record in clean_graph.execute_query("SHOW CONSTRAINTS YIELD name").records:
        clean_graph.execute_query(f"DROP CONSTRAINT `{record['name']}`")
    # A plan that was made for an earlier test's graph would be used for this one's.
    clean_graph.execute_query("CALL db.clearQueryCaches()")
    return clean_graph


@pytest.fixture
def commands_graph(clean_graph: Driver, local_neo4j: LocalNeo4j, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A driver of an empty database that the command asks, too."""
    monkeypatch.setenv("NEO4J_URI", str(local_neo4j.status().uri))
    monkeypatch.setenv("NEO4J_PASSWORD", local_neo4j.password().get_secret_value())
    return clean_graph


@pytest.fixture
def new_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that nothing was written to yet."""
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    return tmp_path / "home"


@pytest.fixture
def graph(clean_graph: Driver, tmp_path: Path) -> Graph:
    """The suite's graph, empty, and a lake that it is published from."""
    return Graph(clean_graph, tmp_path / "lake")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An empty Dagster instance, stored in files as the platform's own is."""
    with dg.instance_for_test({"instance_class": {"module": history.__name__, "class": "Instance"}}) as instance:
        yield instance
