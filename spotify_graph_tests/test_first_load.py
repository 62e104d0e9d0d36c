"""The first load of a local database, as a user meets it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from neo4j import Driver

from spotify_graph import first_load, runs, sample_data
from spotify_graph.cli import main
from spotify_graph.definitions import build_defs
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import bulk
from spotify_graph.neo4j_io.publication import count
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings
from spotify_graph_tests.emptied import empty
from spotify_graph_tests.platform import Platform

DATABASE = "neo4j"
_BUILT = "Building the database from"
Counts = dict[str, int]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    sample_data.generate(folder, truth=tmp_path_factory.mktemp("truth"), tracks=60, users=20, events=1_500)
    return folder


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, logs: Path) -> Iterator[Platform]:
    """An installation with a local database of its own, never started, for which any load is a large one."""
    home = tmp_path_factory.mktemp("local")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOTIFY_GRAPH_HOME", str(home))
        patch.setenv("SPOTIFY_GRAPH_LANDING", str(logs))
        patch.setenv("DAGSTER_HOME", str(home / "dagster"))
        patch.setattr(first_load, "LARGE_BYTES", 0)
        patch.setattr(LocalNeo4j.__init__, "__kwdefaults__", {"heap": "512m"})
        yield Platform(home, logs, None)  # type: ignore[arg-type]  # its database is stopped now and then
        LocalNeo4j(Settings.load()).stop()


def in_graph(driver: Driver) -> Counts:
    return {table.asset: count(driver, DATABASE, table) for table in FACTS}


def test_an_empty_database_is_built_in_one_go_and_the_assets_say_so(local: Platform) -> None:
    result = local.refresh()
    assert result.exit_code == 0, result.output
    assert _BUILT in result.stderr
    with connect(Settings.load()) as driver:
        found = in_graph(driver)
    assert min(found.values()) > 0
    assert local.facts_written() == {asset: (rows, 0, 0) for asset, rows in found.items()}


def test_a_second_run_builds_and_writes_nothing(local: Platform) -> None:
    result = local.refresh()
    assert result.exit_code == 0, result.output
    assert _BUILT not in result.stderr
    assert local.facts_written() == {}


def test_a_rebuild_mends_what_was_done_and_destroys_what_others_have_added_only_if_it_is_asked_to(
    local: Platform,
) -> None:
    with connect(Settings.load()) as driver:
        before = in_graph(driver)
        driver.execute_query(
            "MATCH (t:Track) WITH t LIMIT 2 SET t.note = 'mine' MERGE (s:Stranger) CREATE (s)-[:KNOWS]->(t)"
        )
    rebuild = ("materialize", "--rebuild", "--select", "not (group:evaluation or group:recommendations)")
    result = local.run(*rebuild)
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("spotify-graph: ")]
    assert "others have added (1 (:Stranger), 2 [:KNOWS], 2 (:Track).note), which a rebuild does not carry over" in line
    assert "--discard-additions" in line
    job = build_defs().resolve_job_def("first_load")
    config = {"ops": {"build_database": {"config": {"rebuild": True}}}}
    with runs.instance(Settings.load()) as dagster, pytest.raises(UserError, match="others have added"):
        job.execute_in_process(instance=dagster, run_config=config)
    with connect(Settings.load()) as driver:
        there = driver.execute_query("MATCH (:Stranger)-[:KNOWS]->(t) RETURN t.note AS note").records
        assert [record["note"] for record in there] == ["mine", "mine"]
        driver.execute_query("MATCH (t:Track) WHERE t.note IS NULL DETACH DELETE t")

    result = local.run(*rebuild, "--discard-additions")
    assert result.exit_code == 0, result.output
    assert _BUILT in result.stderr
    with connect(Settings.load()) as driver:
        assert in_graph(driver) == before
        assert driver.execute_query("MATCH (s:Stranger) RETURN s").records == []
    assert local.run("materialize", "--discard-additions").exit_code == 2


def test_where_an_import_fails_the_tables_are_written_one_by_one(
    local: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bulk.write_input

    def and_a_file_that_is_not_there(tables: list[tuple[GraphTable, Snapshot]], folder: Path) -> list[str]:
        return [*whole(tables, folder), f"--nodes=Ghost={folder / 'gone.csv'}"]

    with connect(Settings.load()) as driver:
        before = in_graph(driver)
        empty(driver)
    monkeypatch.setattr(bulk, "write_input", and_a_file_that_is_not_there)
    result = local.refresh()
    assert result.exit_code == 0, result.output
    assert "neo4j-admin did not build the database" in result.stderr
    assert "the tables are written one by one instead" in result.stderr
    with connect(Settings.load()) as driver:
        assert in_graph(driver) == before


def test_the_job_that_the_ui_starts_leaves_a_database_alone_that_holds_something(local: Platform) -> None:
    job = build_defs().resolve_job_def("first_load")
    with runs.instance(Settings.load()) as dagster, pytest.raises(UserError, match="the database is not empty"):
        job.execute_in_process(instance=dagster)


def test_only_a_local_database_is_rebuilt_and_only_with_the_whole_graph(
    local: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert local.run("materialize", "--rebuild", "--select", "played_edges").exit_code == 2
    monkeypatch.setenv("NEO4J_URI", "bolt://127.0.0.1:1")
    result = local.run("materialize", "--rebuild")
    assert result.exit_code == 1
    assert "a rebuild is of the local database: unset NEO4J_URI" in result.stderr


def test_few_logs_and_servers_of_others_are_written_to_over_bolt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(_line: str) -> None:
        raise AssertionError("no server is started, and nothing is fetched, to find this out")

    few = Settings.load().model_copy(update={"home": tmp_path})
    assert not first_load.is_due(few, first_load.LARGE_BYTES - 1, told)
    other = few.model_copy(update={"neo4j_uri": "bolt://127.0.0.1:1"})
    assert not first_load.is_due(other, first_load.LARGE_BYTES, told)


def test_a_rebuild_is_held_to_the_gates_like_any_publication(local: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(Settings.load()) as driver:
        before = in_graph(driver)
        driver.execute_query("MATCH (p:_Publication {asset: 'track_nodes'}) SET p.rows = 1000000")
    # The same rows would be staged already, with the verdict on them.
    for staged in (local.home / "lake" / "graph" / "track_nodes").glob("*/_version.json"):
        staged.unlink()
    result = local.run("materialize", "--rebuild", "--select", "not (group:evaluation or group:recommendations)")
    assert result.exit_code == 1, result.output
    assert "track_nodes, check no_drop" in result.stderr
    assert _BUILT not in result.stderr
    with connect(Settings.load()) as driver:
        assert in_graph(driver) == before


def test_caches_are_made_for_the_jvm_of_the_environment_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_JAVA_HOME", str(tmp_path))
    result = CliRunner().invoke(main, ["warm-caches"])
    assert result.exit_code == 1
    assert "SPOTIFY_GRAPH_JAVA_HOME is set" in result.stderr
