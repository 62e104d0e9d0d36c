"""`spotify-graph reconcile`: what was done to the graph behind the platform's back is told by table, and mended."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from neo4j import Driver

from spotify_graph.graph_model import FACTS, RECOMMENDER, SIMILAR_TO
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import models
from spotify_graph.neo4j_io.rows import schema
from spotify_graph.neo4j_io.staging import stage
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.few_plays import PLAYS, plays, published
from spotify_graph_tests.people import as_parts, as_table
from spotify_graph_tests.platform import Platform


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[Platform]:
    with published(tmp_path_factory.mktemp("reconciled"), local_neo4j, neo4j_driver) as platform:
        yield platform


def reconciled(platform: Platform) -> dict[str, dict[str, Any]]:
    """What a reconciliation that succeeds says of each table."""
    return {table["table"]: table for table in json.loads(platform.succeed("reconcile", "--json"))}


def found(tables: dict[str, dict[str, Any]]) -> dict[str, tuple[int, int, int]]:
    """The rows that were missing, changed and foreign, of the tables that were not as published."""
    numbers = {name: (it["missing"], it["changed"], it["foreign"]) for name, it in tables.items()}
    return {name: counts for name, counts in numbers.items() if any(counts)}


def done(tables: dict[str, dict[str, Any]]) -> dict[str, tuple[int, int, int]]:
    numbers = {name: (it["inserted"], it["updated"], it["deleted"]) for name, it in tables.items()}
    return {name: counts for name, counts in numbers.items() if any(counts)}


def test_where_nothing_differs_every_table_is_read_back_and_nothing_is_written(platform: Platform) -> None:
    tables = reconciled(platform)
    assert list(tables) == [table.asset for table in FACTS]
    assert all(table["equal"] and table["before"] == "published" for table in tables.values())
    assert found(tables) == done(tables) == {}


def test_what_was_deleted_changed_and_added_by_hand_is_told_by_table_and_mended(platform: Platform) -> None:
    # As many plays as before: nothing shows until every row is looked at.
    platform.ask(
        "MATCH (u:User {user_id: 'u0'})-[p:PLAYED]->(:Track {track_id: 't0'}), (t:Track {track_id: 't1'})"
        " DELETE p CREATE (u)-[:PLAYED {count: 7}]->(t)"
    )
    platform.ask("MATCH (:User {user_id: 'u2'})-[p:PLAYED]->() SET p.count = 100")
    platform.ask("MATCH (t:Track {track_id: 't0'}) SET t.album = 'another'")
    platform.ask("CREATE (:Genre {name: 'polka'})")

    tables = reconciled(platform)
    expected = {"track_nodes": (0, 1, 0), "genre_nodes": (0, 0, 1), "played_edges": (1, 1, 1)}
    assert found(tables) == expected
    assert done(tables) == expected, "what is missing is inserted, what is changed updated, what is foreign deleted"
    assert all(table["equal"] for table in tables.values())
    assert plays(platform) == PLAYS
    assert platform.ask("MATCH (:User {user_id: 'u2'})-[p:PLAYED]->() RETURN p.count AS count") == [{"count": 1}]
    assert platform.ask("MATCH (t:Track {album: 'another'}) RETURN t") == []
    assert found(reconciled(platform)) == {}


def test_an_interrupted_publication_and_a_table_of_which_the_ledger_knows_nothing_are_published_anew(
    platform: Platform,
) -> None:
    platform.ask("MATCH (p:_Publication {asset: 'played_edges'}) SET p.status = 'publishing'")
    platform.ask("MATCH (p:_Publication {asset: 'liked_edges'}) DELETE p")
    platform.ask("MATCH ()-[r:PLAYED|LIKED]->() DELETE r")
    tables = reconciled(platform)
    assert (tables["played_edges"]["before"], tables["liked_edges"]["before"]) == ("publishing", None)
    assert done(tables) == {"played_edges": (len(PLAYS), 0, 0), "liked_edges": (3, 0, 0)}
    assert all(table["equal"] for table in tables.values())
    assert plays(platform) == PLAYS
    shown = platform.succeed("reconcile")
    assert "as published" in shown
    assert "no" not in shown.split()


def test_what_models_say_is_compared_and_mended_as_well(platform: Platform) -> None:
    rows = as_table([("t0", "t1", "m", 0.5, 1, 2), ("t1", "t2", "m", 0.4, 1, 2)], schema(SIMILAR_TO))
    snapshot = stage(as_parts(rows), SIMILAR_TO, platform.home / "lake" / "graph")
    models.load(platform.driver, DATABASE, SIMILAR_TO, snapshot, RECOMMENDER, "m")
    models.switch(platform.driver, DATABASE, RECOMMENDER, "m", [SIMILAR_TO], {})
    assert reconciled(platform)["similar_track_edges"]["equal"]

    # Neither their number shows it, nor do the nodes, of which one is mended after they were.
    platform.ask("MATCH (:Track {track_id: 't0'})-[r:SIMILAR_TO]->() SET r.score = 0.9")
    platform.ask("MATCH (u:User {user_id: 'u1'}) SET u.devices = ['another']")
    tables = reconciled(platform)
    assert found(tables) == done(tables) == {"user_nodes": (0, 1, 0), "similar_track_edges": (0, 1, 0)}
    assert all(table["equal"] for table in tables.values())
    scores = platform.ask("MATCH (a)-[r:SIMILAR_TO]->() RETURN r.score AS score ORDER BY a.track_id")
    assert [row["score"] for row in scores] == [0.5, 0.4]


def test_without_a_lake_there_is_nothing_to_compare_with(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("empty")
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(home))
    result = platform.run("reconcile")
    assert result.exit_code == 1
    told = f"spotify-graph: there is nothing in the lake at {home / 'lake'}: `spotify-graph materialize` first\n"
    assert result.stderr == told
