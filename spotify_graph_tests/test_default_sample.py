"""The default sample, from `generate` to the graph, against counts that DuckDB makes from the same CSVs."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from neo4j import Driver
from pyspark.sql import SparkSession

from spotify_graph.graph_model import EVENT_TYPES, NODES, RELATIONSHIPS, EventType
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests.platform import Platform, installed


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver, spark: SparkSession
) -> Iterator[Platform]:
    with installed(tmp_path_factory.mktemp("default_sample"), local_neo4j, neo4j_driver) as platform:
        platform.succeed("generate")
        platform.succeed("materialize")
        yield platform


@pytest.fixture(scope="module")
def logs(platform: Platform) -> duckdb.DuckDBPyConnection:
    """The landed CSVs as the tables tracks and events, read without the project's code."""
    connection = duckdb.connect()
    for table, file in (("tracks", "tracks.csv"), ("events", "user_events.csv")):
        path = platform.landing / file
        connection.execute(f"CREATE TABLE {table} AS FROM read_csv('{path}', all_varchar = true, header = true)")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _one(logs: duckdb.DuckDBPyConnection, sql: str, *parameters: object) -> tuple[Any, ...]:
    row = logs.execute(sql, parameters).fetchone()
    assert row is not None
    return row


NODE_COUNTS = {
    "Track": "SELECT count(*) FROM (SELECT track_id FROM tracks UNION SELECT track_id FROM events)",
    "User": "SELECT count(DISTINCT user_id) FROM events",
    "Artist": "SELECT count(DISTINCT artist) FROM tracks WHERE artist <> ''",
    "Genre": "SELECT count(DISTINCT genre) FROM tracks WHERE genre <> ''",
}

_INTERACTIONS = "SELECT count(*) FROM (SELECT DISTINCT user_id, track_id FROM events WHERE event_type = '{}')"

RELATIONSHIP_COUNTS = {
    "PLAYED": _INTERACTIONS.format("play"),
    "LIKED": _INTERACTIONS.format("like"),
    "SKIPPED": _INTERACTIONS.format("skip"),
    "PAUSED": _INTERACTIONS.format("pause"),
    "SEEKED": _INTERACTIONS.format("seek"),
    "BY": "SELECT count(*) FROM tracks WHERE artist <> ''",
    "IN_GENRE": "SELECT count(*) FROM tracks WHERE genre <> ''",
}


def test_the_graph_holds_as_many_nodes_of_each_label_as_the_csvs_name(
    platform: Platform, logs: duckdb.DuckDBPyConnection
) -> None:
    expected = {node.label: _one(logs, NODE_COUNTS[node.label])[0] for node in NODES}
    rows = platform.ask("MATCH (n) WHERE NOT n:_Publication RETURN labels(n)[0] AS label, count(*) AS count")
    assert {row["label"]: row["count"] for row in rows} == expected


def test_the_graph_holds_as_many_relationships_of_each_type_as_the_csvs_name(
    platform: Platform, logs: duckdb.DuckDBPyConnection
) -> None:
    expected = {edge.type: _one(logs, RELATIONSHIP_COUNTS[edge.type])[0] for edge in RELATIONSHIPS}
    rows = platform.ask("MATCH ()-[r]->() RETURN type(r) AS type, count(*) AS count")
    assert {row["type"]: row["count"] for row in rows} == expected


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.name)
def test_counts_and_times_on_relationships_are_those_of_the_events(
    platform: Platform, logs: duckdb.DuckDBPyConnection, event_type: EventType
) -> None:
    query = f"""
        MATCH (u:User)-[r:{event_type.relationship.type}]->(t:Track)
        RETURN u.user_id AS user, t.track_id AS track, r.count AS count,
               r.first_ts.epochMillis AS first, r.last_ts.epochMillis AS last
        ORDER BY user, track LIMIT 2000"""
    expected = logs.execute(
        """
        SELECT user_id, track_id, count(*), epoch_ms(min(event_ts::TIMESTAMPTZ)), epoch_ms(max(event_ts::TIMESTAMPTZ))
        FROM (SELECT DISTINCT * FROM events) WHERE event_type = ? GROUP BY ALL ORDER BY user_id, track_id LIMIT 2000""",
        [event_type.name],
    ).fetchall()
    assert [tuple(row.values()) for row in platform.ask(query)] == expected
    total = f"MATCH ()-[r:{event_type.relationship.type}]->() RETURN sum(r.count) AS events"
    events = "SELECT count(*) FROM (SELECT DISTINCT * FROM events) WHERE event_type = ?"
    assert platform.ask(total)[0]["events"] == _one(logs, events, event_type.name)[0]


def test_a_second_run_on_the_same_files_writes_nothing(platform: Platform) -> None:
    before = platform.ask("MATCH (p:_Publication) RETURN properties(p) AS ledger ORDER BY p.asset")
    platform.succeed("materialize")
    assert platform.written() == {}
    assert platform.ask("MATCH (p:_Publication) RETURN properties(p) AS ledger ORDER BY p.asset") == before


def test_demo_prints_the_counts_the_sample_queries_and_what_to_do_next(platform: Platform) -> None:
    printed = platform.succeed("demo")
    for expected in ("(:User)", "[:PLAYED]", "top_liked_tracks", "related_tracks", "spotify-graph up"):
        assert expected in printed
