"""What the platform needs and loses while it works: Neo4j, room on the disk, Spark's JVM. The next run completes it."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from neo4j import Driver, GraphDatabase
from neo4j.exceptions import DriverError

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import ledger
from spotify_graph.neo4j_io.publication import publish
from spotify_graph.neo4j_io.verification import verify_published
from spotify_graph.settings import Settings
from spotify_graph_tests import killed_parts, killing, outages
from spotify_graph_tests.disturbed import Installation, before_the_day, materialize
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.graphs import Graph, as_properties
from spotify_graph_tests.people import PERSON, person

PEOPLE = [person(f"p{i:03}", tags=("x",), score=float(i)) for i in range(40)]
CHANGED = [person(f"p{i:03}", tags=("x",), score=float(i) + 1) for i in range(0, 40, 3)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNeo4j]:
    """A server that goes down."""
    local = LocalNeo4j(Settings(SPOTIFY_GRAPH_HOME=tmp_path_factory.mktemp("a home of its own")), heap="512m")
    local.start()
    yield local
    local.stop()


@contextlib.contextmanager
def driver_of(server: LocalNeo4j, **options: Any) -> Iterator[Driver]:
    auth = ("neo4j", server.password().get_secret_value())
    with GraphDatabase.driver(server.status().uri, auth=auth, **options) as driver:
        yield driver


def kill(server: LocalNeo4j) -> None:
    """Kills the server, and waits until its process is gone."""
    pid = server.find()
    assert pid
    process = psutil.Process(pid)
    process.kill()
    while server.find():
        time.sleep(0.05)


def test_a_publication_in_whose_middle_neo4j_is_killed_and_started_again_is_complete_and_exact(
    server: LocalNeo4j, tmp_path: Path
) -> None:
    with driver_of(server) as driver:
        graph = Graph(driver, tmp_path)
        graph.publish(PERSON, *PEOPLE)
        started: list[threading.Thread] = []

        def kill_once(_done: int, _total: int) -> None:
            if not started:
                kill(server)
                started.append(threading.Thread(target=server.start))
                started[0].start()

        graph.publish(PERSON, *CHANGED, batch_rows=2, progress=kill_once)
        started[0].join()
        assert graph.people() == as_properties(*CHANGED)
        assert graph.entry(PERSON).status is ledger.Status.PUBLISHED


def test_neo4j_that_is_away_for_longer_than_the_retries_fails_the_publication_and_the_next_one_completes_it(
    server: LocalNeo4j, tmp_path: Path
) -> None:
    # As much as the driver's retries are for a server that is away half a minute.
    with driver_of(server, max_transaction_retry_time=1.0) as driver:
        graph = Graph(driver, tmp_path)
        graph.publish(PERSON, *PEOPLE)
        staged = graph.stage(PERSON, *CHANGED)

        def stop_once(done: int, _total: int) -> None:
            if done == 2:
                kill(server)

        with pytest.raises(DriverError):
            publish(driver, DATABASE, PERSON, staged, batch_rows=2, progress=stop_once)
    server.start()
    with driver_of(server) as driver:
        graph = Graph(driver, tmp_path)
        assert graph.entry(PERSON).status is ledger.Status.PUBLISHING
        assert len(graph.people()) not in {0, len(CHANGED)}, "a part was written"
        graph.publish_snapshot(PERSON, staged)
        assert graph.people() == as_properties(*CHANGED)
        assert verify_published(driver, DATABASE, PERSON, tmp_path).holds


def test_an_import_whose_process_is_killed_in_its_middle_leaves_the_database_and_the_next_one_builds_it(
    server: LocalNeo4j, tmp_path: Path
) -> None:
    with driver_of(server) as driver:
        graph = Graph(driver, tmp_path)
        graph.publish(PERSON, *PEOPLE)
        staged = graph.stage(PERSON, *CHANGED)
    home = str(server.password_file.parent.parent)
    work = partial(outages.build_database, PERSON, staged.path)
    child = killing.begun(partial(work, die=True), {"SPOTIFY_GRAPH_HOME": home})
    child.join()
    assert child.exitcode == -signal.SIGKILL
    server.start()
    with driver_of(server) as driver:
        assert Graph(driver, tmp_path).people() == as_properties(*PEOPLE)
    killing.done(work, {"SPOTIFY_GRAPH_HOME": home})
    with driver_of(server) as driver:
        assert Graph(driver, tmp_path).people() == as_properties(*CHANGED)
    assert not list((server.password_file.parent).glob("import-*"))


def test_two_publications_of_an_asset_at_once_by_two_processes_do_no_damage(
    graph: Graph, local_neo4j: LocalNeo4j, tmp_path: Path
) -> None:
    environment = {
        "NEO4J_URI": str(local_neo4j.status().uri),
        "NEO4J_PASSWORD": local_neo4j.password().get_secret_value(),
    }
    graph.publish(PERSON, *PEOPLE[:20])
    staged = [graph.stage(PERSON, *CHANGED), graph.stage(PERSON, *PEOPLE)]
    works = [partial(killed_parts.publish, PERSON, each.path) for each in staged]
    children = [killing.begun(work, environment) for work in works]
    for child in children:
        child.join()
    # One may have been cut off by the other, which then holds; never both.
    assert 0 in [child.exitcode for child in children]
    entry = graph.entry(PERSON)
    assert entry.status is ledger.Status.PUBLISHED
    content = {staged[0].fingerprint: CHANGED, staged[1].fingerprint: PEOPLE}[entry.fingerprint]
    assert graph.people() == as_properties(*content)


@pytest.fixture(scope="module")
def day(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[tuple[Installation, Any]]:
    """An installation whose day is to come, and what it comes to."""
    with before_the_day(tmp_path_factory.mktemp("day"), local_neo4j, neo4j_driver) as installation:
        killing.done(materialize, installation.environment)
        outcome = installation.outcome()
        installation.put_back()
        yield installation, outcome


def test_two_runs_at_once_take_turns_and_the_second_finds_nothing_to_do(day: tuple[Installation, Any]) -> None:
    installation, outcome = day
    installation.put_back()
    children = [killing.begun(materialize, installation.environment) for _ in range(2)]
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert installation.outcome() == outcome


def test_a_full_disk_fails_the_run_with_its_name_and_the_next_one_completes_it(day: tuple[Installation, Any]) -> None:
    installation, outcome = day
    for room in (0, 40_000, 160_000):
        installation.put_back()
        with outages.little_room(installation.platform.home / "lake", room):
            child = killing.begun(outages.materialize_where_there_is_no_room, installation.environment)
            child.join()
            assert child.exitcode == 0
        killing.done(materialize, installation.environment)
        assert installation.outcome() == outcome


def test_a_kept_jvm_that_dies_while_it_is_lent_fails_the_run_and_the_next_one_completes_it(
    day: tuple[Installation, Any],
) -> None:
    installation, outcome = day
    installation.put_back()
    environment = installation.environment | {"SPOTIFY_GRAPH_IN_PROCESS_ROWS": "0"}
    with outages.kept_jvm(environment) as jvm:
        child = killing.begun(partial(outages.materialize_and_kill, jvm), environment)
        child.join()
        assert child.exitcode == 0
        assert not psutil.pid_exists(jvm) or psutil.Process(jvm).status() == psutil.STATUS_ZOMBIE
        killing.done(materialize, installation.environment)
    assert installation.outcome() == outcome
