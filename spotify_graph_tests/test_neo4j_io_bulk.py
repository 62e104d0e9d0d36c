"""A database that an import builds, beside the same snapshots written over Bolt; and what a failed import leaves."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from neo4j import Driver, GraphDatabase

from spotify_graph.errors import UserError
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import bulk, ledger
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.publication import publish
from spotify_graph.neo4j_io.staging import Snapshot, stage
from spotify_graph.neo4j_io.verification import verify
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph.settings import Settings
from spotify_graph_tests.people import CITY, LIVES_IN, ODD, PERSON, SCHEMAS, as_parts, as_table

DATABASE = "neo4j"

EARLY = datetime(1, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
ROUND = datetime(2024, 2, 29, tzinfo=UTC)
NAMES = ['Ann "the, one"', "Bob\nor\r\nBo", "  Cid\t ", "Dún 🎵 \\n \\", "null", "'", "7", "-", "\x1f"]
PEOPLE = [
    (NAMES[0], EARLY, ["x", "y,\n", '"'], 2**31 - 1, 0.1, True),
    (NAMES[1], LAST, ["one"], -(2**31), -1e-300, False),
    (NAMES[2], ROUND, ["a\\b"], None, 0.0, True),
    (NAMES[3], None, ["  ", "7", "true"], 0, 1.7976931348623157e308, False),
    *((name, None, [name.replace("\x1f", "-")], 1, float(i), True) for i, name in enumerate(NAMES[4:])),
]
CITIES = [("Rome",), ("7",)]
HOMES = [
    (name, CITIES[i % 2][0], (-1) ** i * (2**63 - 1), (EARLY, LAST, ROUND, None)[i % 4]) for i, name in enumerate(NAMES)
]
ODDS = [(name, value) for name, value in zip(NAMES, ["", None, *NAMES], strict=False)]
ROWS: dict[GraphTable, list[tuple[Any, ...]]] = {PERSON: PEOPLE, CITY: CITIES, LIVES_IN: HOMES, ODD: ODDS}


def everything(driver: Driver) -> list[str]:
    """All nodes and relationships but for the ledger's, with the types of their values."""
    has = "[key IN keys({0}) | [key, valueType({0}[key]), {0}[key]]]"
    nodes = f"MATCH (n) WHERE NOT n:_Publication RETURN labels(n) AS kind, [] AS ends, {has.format('n')} AS has"
    ends = "[properties(a), properties(b)]"
    edges = f"MATCH (a)-[r]->(b) RETURN [type(r)] AS kind, {ends} AS ends, {has.format('r')} AS has"
    return sorted(
        repr([record["kind"], [sorted(end.items()) for end in record["ends"]], sorted(record["has"])])
        for query in (nodes, edges)
        for record in driver.execute_query(query).records
    )


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[GraphTable, Snapshot]]:
    root = tmp_path_factory.mktemp("graph")
    halves = [(rows[::2], rows[1::2]) for rows in ROWS.values()]
    return [
        (table, stage(as_parts(*(as_table(rows, SCHEMAS[table]) for rows in parts)), table, root, buckets=2))
        for table, parts in zip(ROWS, halves, strict=True)
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNeo4j]:
    """A server whose database was never started before it was imported."""
    local = LocalNeo4j(Settings(SPOTIFY_GRAPH_HOME=tmp_path_factory.mktemp("a home of its own")), heap="512m")
    yield local
    local.stop()


@pytest.fixture(scope="module")
def imported(
    server: LocalNeo4j, snapshots: list[tuple[GraphTable, Snapshot]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Driver]:
    assert not server.has_database()
    server.import_database(bulk.write_input(snapshots, tmp_path_factory.mktemp("input")), print)
    assert server.has_database()
    with driver_of(server) as driver:
        yield driver


def driver_of(server: LocalNeo4j) -> Driver:
    return GraphDatabase.driver(server.status().uri, auth=("neo4j", server.password().get_secret_value()))


def test_what_is_imported_is_what_bolt_writes_to_the_last_property(
    imported: Driver, snapshots: list[tuple[GraphTable, Snapshot]], clean_graph: Driver
) -> None:
    for table, snapshot in snapshots:
        publish(clean_graph, DATABASE, table, snapshot)
    assert everything(imported) == everything(clean_graph)


def test_the_ledger_of_an_import_says_what_is_published_and_verification_agrees(
    imported: Driver, snapshots: list[tuple[GraphTable, Snapshot]]
) -> None:
    entries = ledger.read(imported, DATABASE)
    assert {asset: (entry.status, entry.rows, entry.inserted) for asset, entry in entries.items()} == {
        table.asset: (ledger.Status.PUBLISHED, snapshot.rows, snapshot.rows) for table, snapshot in snapshots
    }
    for table, snapshot in snapshots:
        assert verify(imported, DATABASE, table, snapshot).differences == []
        assert publish(imported, DATABASE, table, snapshot).skipped
    constraints = imported.execute_query("SHOW CONSTRAINTS YIELD labelsOrTypes AS labels").records
    labels = {label for record in constraints for label in record["labels"]}
    assert labels == {CITY.label, ODD.label, PERSON.label, ledger.NODE.label}


def test_an_import_that_fails_leaves_the_database_as_it_was(
    server: LocalNeo4j, imported: Driver, tmp_path: Path
) -> None:
    before = everything(imported)
    (tmp_path / "broken.csv").write_text("name:ID(Person),visits:long\nAnn,1\nAnn,2\n")
    with pytest.raises(
        UserError, match=r"neo4j-admin did not build the database: .*'Ann' is defined more than once .*admin\.log"
    ):
        server.import_database([f"--nodes=Person={tmp_path / 'broken.csv'}"], print)
    server.start()
    with driver_of(server) as driver:
        assert everything(driver) == before


def test_an_import_takes_the_place_of_all_that_was_there(server: LocalNeo4j, imported: Driver, tmp_path: Path) -> None:
    assert everything(imported)
    (tmp_path / "one.csv").write_text("name:ID(Person)\nOnly\n")
    server.import_database([f"--nodes=Person={tmp_path / 'one.csv'}"], print)
    with driver_of(server) as driver:
        names = driver.execute_query("MATCH (n) RETURN labels(n) AS labels, n.name AS name").records
        assert [record.data() for record in names] == [{"labels": ["Person"], "name": "Only"}]


@pytest.mark.parametrize("tags", [[], ["x", ""], ["a\x1fb"]])
def test_a_list_that_a_file_cannot_tell_from_another_is_refused(tmp_path: Path, tags: list[str]) -> None:
    snapshot = stage(as_parts(as_table([("Ann", None, tags, 1, 0.5, True)], SCHEMAS[PERSON])), PERSON, tmp_path)
    (tmp_path / "input").mkdir()
    with pytest.raises(PublicationError, match="people: tags holds a list that an import can't take"):
        bulk.write_input([(PERSON, snapshot)], tmp_path / "input")
