"""What analysts add to the graph: it outlives every refresh, and `spotify-graph status` says what it is."""

import json
from collections.abc import Iterator

import pytest
from neo4j import Driver

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests.few_plays import HEADER, PLAYS, TRACKS, event
from spotify_graph_tests.platform import Platform, installed, without_a_graph

THEIRS = (
    "MATCH (u:User {user_id: 'u0'}), (v:User {user_id: 'u1'}), (t:Track {track_id: 't2'})"
    " SET u:Vip, u.note = 'mine', t.note = 'theirs', t.mood = date('2026-01-01')"
    " CREATE (u)-[:KNOWS {since: 1999}]->(v), (v)-[:TAGGED {by: 'me'}]->(t),"
    " (:Playlist {title: 'Sunday'})-[:HOLDS]->(t), (u)-[:KNOWS]->(:Friend:Person {track_id: 'x'})"
)
SEEN = (
    "MATCH (n)-[r:KNOWS|TAGGED|HOLDS]->(m)"
    " RETURN labels(n) AS start, n.note AS note, n.title AS title, type(r) AS type, properties(r) AS properties,"
    " labels(m) AS end, m.note AS end_note, m.mood AS mood ORDER BY type, end, start"
)
ADDED = {
    "(:Friend)": ("label", 1),
    "(:Person)": ("label", 1),
    "(:Playlist)": ("label", 1),
    "(:Vip)": ("label", 1),
    "[:HOLDS]": ("relationship type", 1),
    "[:KNOWS]": ("relationship type", 2),
    "[:TAGGED]": ("relationship type", 1),
    "(:Track).mood": ("property", 1),
    "(:Track).note": ("property", 1),
    "(:User).note": ("property", 1),
    "[:KNOWS].since": ("property", 1),
    "[:TAGGED].by": ("property", 1),
}


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("added_to")
    with installed(folder, local_neo4j, neo4j_driver, stale_warn_hours=1e9) as platform:
        platform.land("tracks.csv", *TRACKS)
        platform.land("user_events_1.csv", HEADER, *(event(*pair, "play") for pair in PLAYS))
        result = platform.refresh()
        assert result.exit_code == 0, result.output
        yield platform


def added(platform: Platform) -> dict[str, tuple[str, int]]:
    """What `status` says that others have added."""
    rows = json.loads(platform.succeed("status", "--json"))["added_by_others"]
    return {row["name"]: (row["kind"], row["count"]) for row in rows}


def test_a_graph_that_nobody_else_has_touched_has_nothing_of_others(platform: Platform) -> None:
    assert added(platform) == {}


def test_labels_relationships_and_properties_of_others_outlive_every_refresh_and_the_rebuild_of_a_table(
    platform: Platform,
) -> None:
    platform.ask(THEIRS)
    before = platform.ask(SEEN)
    assert len(before) == 4
    assert added(platform) == ADDED

    # New rows, and other values for the very nodes that the additions are on.
    platform.land("tracks_2.csv", TRACKS[0], "t2,Bea,Second,200000,rock")
    platform.land("user_events_2.csv", HEADER, event("u0", "t2", "like"), event("u1", "t9", "play"))
    result = platform.refresh()
    assert result.exit_code == 0, result.output
    assert platform.ask(SEEN) == before
    # The ledger forgets tables, and each is compared with all that the database holds.
    platform.ask("MATCH (p:_Publication) WHERE p.asset IN ['track_nodes', 'user_nodes', 'liked_edges'] DELETE p")
    platform.ask("MATCH (t:Track) SET t.album = 'wrong'")
    result = platform.refresh()
    assert result.exit_code == 0, result.output
    assert platform.ask("MATCH (t:Track {track_id: 't2'}) RETURN t.album AS album") == [{"album": "Second"}]
    assert platform.ask(SEEN) == before
    platform.ask("MATCH ()-[r:PLAYED]->() DELETE r")
    platform.succeed("reconcile")
    assert platform.ask(SEEN) == before
    assert added(platform) == ADDED


def test_rows_of_others_that_are_kept_are_told_apart_from_what_is_published(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_FOREIGN", "keep")
    platform.ask("MATCH (t:Track {track_id: 't0'}) CREATE (:User {user_id: 'guest'})-[:PLAYED {count: 1}]->(t)")
    result = platform.refresh()
    assert result.exit_code == 0, result.output
    platform.succeed("reconcile")
    kept = {name: it for name, it in added(platform).items() if it[0] == "rows"}
    assert kept == {"(:User)": ("rows", 1), "[:PLAYED]": ("rows", 1)}
    shown = platform.succeed("status").partition("Added to the graph by others")[2]
    assert "(:Vip)" in shown


def test_status_answers_without_neo4j_and_says_what_it_does_not_know(tmp_path_factory: pytest.TempPathFactory) -> None:
    with without_a_graph(tmp_path_factory.mktemp("alone")) as platform:
        platform.landing.mkdir()
        result = platform.run("status")
        assert result.exit_code == 0
        assert "can't be reached" in result.stderr
        assert json.loads(platform.succeed("status", "--json"))["added_by_others"] is None
