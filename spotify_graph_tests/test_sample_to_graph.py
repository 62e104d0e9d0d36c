"""Sample logs, from `generate` to the graph, against counts that DuckDB makes from the same CSVs."""

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import nbformat
import pytest
from nbclient import NotebookClient
from neo4j import Driver
from pyspark.sql import SparkSession

from spotify_graph.graph_model import EVENT_TYPES, NODES, RELATIONSHIPS, EventType
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import PROJECT_ROOT
from spotify_graph.transforms.recommendations.scores import MODELS
from spotify_graph_tests.platform import Platform, installed

NOTEBOOK = PROJECT_ROOT / "examples" / "explore.ipynb"
SAMPLE = ("--tracks", "600", "--users", "240", "--events", "48000", "--end", "2026-01-01")
"""As dense as the default sample, and an eighth of its size: large enough for lists of a hundred tracks to tell."""


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver, spark: SparkSession
) -> Iterator[Platform]:
    # The search has tests of its own; its result on the default sample is the default.
    untuned = {"tune": False, "served_users": 10_000}
    with installed(tmp_path_factory.mktemp("sample"), local_neo4j, neo4j_driver, recommender=untuned) as platform:
        platform.succeed("generate", *SAMPLE)
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
    rows = platform.ask(
        "MATCH (n) WHERE NOT (n:_Publication OR n:_Model) RETURN labels(n)[0] AS label, count(*) AS count"
    )
    assert {row["label"]: row["count"] for row in rows} == expected


def test_the_graph_holds_as_many_relationships_of_each_type_as_the_csvs_name(
    platform: Platform, logs: duckdb.DuckDBPyConnection
) -> None:
    expected = {edge.type: _one(logs, RELATIONSHIP_COUNTS[edge.type])[0] for edge in RELATIONSHIPS}
    rows = platform.ask("MATCH ()-[r]->() WHERE r.model IS NULL RETURN type(r) AS type, count(*) AS count")
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


def test_what_the_models_say_is_of_one_version_and_ranked_without_gaps(platform: Platform) -> None:
    version = platform.ask("MATCH (m:_Model {name: 'recommendations'}) RETURN m.version AS version")[0]["version"]
    for relationship in ("SIMILAR_TO", "SIMILAR_USER", "RECOMMENDED"):
        lists = platform.ask(
            f"MATCH (a)-[r:{relationship}]->(b) WITH a, r, a = b AS itself ORDER BY r.rank"
            " WITH a, collect(r.rank) AS ranks, collect(r.score) AS scores, collect(DISTINCT r.model) AS models,"
            " count(CASE WHEN itself THEN 1 END) AS itself RETURN ranks, scores, models, itself"
        )
        assert lists
        for row in lists:
            assert row["ranks"] == list(range(1, len(row["ranks"]) + 1))
            assert row["scores"] == sorted(row["scores"], reverse=True)
            assert (row["models"], row["itself"]) == ([version], 0)


def test_every_user_is_recommended_a_hundred_tracks_that_they_never_met(platform: Platform) -> None:
    [row] = platform.ask(
        "MATCH (u:User) WITH u, COUNT { (u)-[:RECOMMENDED]->() } AS tracks,"
        " COUNT { (u)-[:RECOMMENDED]->(t) WHERE EXISTS { (u)-[r]->(t) WHERE r.count > 0 } } AS met"
        " RETURN min(tracks) AS least, max(tracks) AS most, sum(met) AS met"
    )
    assert row == {"least": 100, "most": 100, "met": 0}


def test_the_evaluation_reaches_what_is_asked_of_it_on_planted_tastes(platform: Platform) -> None:
    found = json.loads(platform.succeed("evaluate", "--json"))["results"]
    new = {(row["ranked_by"], row["metric"], row["k"]): row for row in found if row["tracks"] == "never heard"}
    recall = {name: row["value"] for (name, metric, k), row in new.items() if (metric, k) == ("recall", 100)}
    assert recall["combination"] >= 0.85 * recall["oracle"]
    assert recall["combination"] - recall["popularity"] >= 0.65 * (recall["oracle"] - recall["popularity"])
    assert new["combination", "recall", 100]["high"] >= max(recall[name] for name in MODELS)
    assert new["combination", "recall", 100]["share_of_oracle"] == recall["combination"] / recall["oracle"]
    served, ranked = (new[name, "recall", 10] for name in ("served", "combination"))
    assert served["users"] == ranked["users"]
    assert served["low"] <= ranked["high"]
    assert ranked["low"] <= served["high"]
    # That no artist fills a list costs little, also where the list is long.
    assert recall["served"] >= 0.9 * recall["combination"]


def test_a_user_is_served_tracks_with_reasons(platform: Platform) -> None:
    [user] = platform.ask("MATCH (u:User) RETURN u.user_id AS id ORDER BY id LIMIT 1")
    lines = json.loads(platform.succeed("recommend", user["id"], "-k", "5", "--json"))["tracks"]
    assert len(lines) == 5
    assert all(line["because"] for line in lines)
    diverse = json.loads(platform.succeed("recommend", user["id"], "--per-artist", "1", "--json"))["tracks"]
    assert len({line["artist"] for line in diverse}) == len(diverse) == 10


def test_the_notebook_runs_and_shows_tables_a_neighbourhood_reasons_and_the_evaluation(platform: Platform) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in cells), "what it shows is its reader's, and not kept"
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in shown} == {"execute_result", "display_data"}, "no error, and no warning"
    pages = [output.data["text/html"] for output in shown if "text/html" in output.data]
    assert sum("dataframe" in page for page in pages) == 4
    assert sum("neo4j-viz" in page or "<iframe" in page for page in pages) == 1
    assert "because" in pages[-1]
    assert "image/png" in shown[-1].data


def test_demo_prints_the_counts_the_sample_queries_and_what_to_do_next(platform: Platform) -> None:
    printed = platform.succeed("demo")
    for expected in (
        "(:User)",
        "[:PLAYED]",
        "top_liked_tracks",
        "related_tracks",
        "$ ",
        "recommend",
        "spotify-graph up",
    ):
        assert expected in printed
