"""The graph under other people's hands, as whoever runs the command meets it: mended in the run that finds it."""

from collections.abc import Iterator

import pytest
from click.testing import Result
from neo4j import Driver

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests.few_plays import HEADER, PLAYS, event, plays, published
from spotify_graph_tests.platform import Platform

BY_HAND = "the graph was changed by someone else: "


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[Platform]:
    with published(tmp_path_factory.mktemp("by_hand"), local_neo4j, neo4j_driver) as platform:
        yield platform


def changes(result: Result) -> dict[str, str]:
    """What a run that succeeded says of changes by someone else, by asset; it warns of nothing else."""
    assert result.exit_code == 0, result.output
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert all(f", check untouched: {BY_HAND}" in line for line in warnings), warnings
    return {line.removeprefix("warning: ").split(",")[0]: line.split(BY_HAND)[1] for line in warnings}


def test_a_deleted_track_and_a_strange_user_are_mended_by_the_run_that_finds_them_which_goes_on(
    platform: Platform,
) -> None:
    platform.ask("MATCH (t:Track {track_id: 't1'}) DETACH DELETE t")
    platform.ask("CREATE (:User {name: 'x'})-[:KNOWS]->(:Friend)")
    platform.ask("MATCH (u:User {user_id: 'u0'}), (f:Friend) SET u:Vip, u.note = 'mine' CREATE (u)-[:KNOWS]->(f)")
    constraint = "SHOW CONSTRAINTS YIELD name, labelsOrTypes AS labels WHERE 'Track' IN labels RETURN name"
    [dropped] = platform.ask(constraint)
    platform.ask(f"DROP CONSTRAINT `{dropped['name']}`")
    platform.land("user_events_3.csv", HEADER, event("u3", "t1", "skip"))

    assert changes(platform.refresh()) == {
        "track_nodes": "1 Track node deleted, e.g. 't1': restored",
        "user_nodes": "1 User node added, e.g. {'name': 'x'}: removed with their relationships (1 KNOWS);"
        " SPOTIFY_GRAPH_FOREIGN=keep keeps what others add",
        "played_edges": "1 PLAYED relationship deleted, e.g. 'u1'-'t1': restored",
        "liked_edges": "1 LIKED relationship deleted, e.g. 'u1'-'t1': restored",
        "by_edges": "1 BY relationship deleted, e.g. 't1'-'Ann': restored",
        "in_genre_edges": "1 IN_GENRE relationship deleted, e.g. 't1'-'jazz': restored",
    }
    assert plays(platform) == PLAYS
    assert platform.ask("MATCH (u)-[:SKIPPED]->(t) RETURN u.user_id + t.track_id AS it") == [{"it": "u3t1"}]
    assert platform.ask("MATCH (u:User) WHERE u.user_id IS NULL RETURN u") == []
    assert platform.ask("MATCH (u:Vip)-[:KNOWS]->(:Friend) RETURN u.note AS note") == [{"note": "mine"}]
    assert len(platform.ask(constraint)) == 1

    assert changes(platform.refresh()) == {}
    assert platform.written() == {}


def test_relationships_to_a_node_that_is_gone_unnoticed_are_written_when_it_is_mended(platform: Platform) -> None:
    # As many nodes as before, and a file that changes nothing about tracks.
    platform.ask("MATCH (t:Track {track_id: 't2'}) DETACH DELETE t CREATE (:Track {track_id: 'zz'})")
    platform.land("user_events_4.csv", HEADER, event("u3", "t2", "skip"))
    platform.succeed("materialize", "--select", "group:raw or group:cleaned")
    told = changes(platform.run("materialize", "--select", "skipped_edges"))
    restored = "1 Track node deleted, e.g. 't2': restored; 1 Track node added, e.g. 'zz': removed; "
    assert told["skipped_edges"].startswith(restored)
    assert platform.ask("MATCH (u)-[:SKIPPED]->(t {track_id: 't2'}) RETURN u.user_id AS it") == [{"it": "u3"}]
    assert platform.refresh().exit_code == 0
    assert plays(platform) == PLAYS


def test_what_others_add_is_kept_where_a_setting_says_so_and_every_check_passes(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.ask("MATCH (t:Track {track_id: 't0'}) CREATE (:User {user_id: 'guest', mood: 'fine'})-[:LIKED]->(t)")
    guest, kept = "MATCH (u:User {user_id: 'guest'}) RETURN u.mood AS mood", "kept, as SPOTIFY_GRAPH_FOREIGN=keep says"
    with monkeypatch.context() as patch:
        patch.setenv("SPOTIFY_GRAPH_FOREIGN", "keep")
        assert changes(platform.refresh()) == {
            "user_nodes": f"1 User node added, e.g. 'guest': {kept}",
            "liked_edges": f"1 LIKED relationship added, e.g. 'guest'-'t0': {kept}",
        }
        platform.land("user_events_5.csv", HEADER, event("u4", "t0", "like"))
        assert changes(platform.refresh()) == {}
    assert platform.ask(guest) == [{"mood": "fine"}]
    assert changes(platform.refresh()).keys() == {"user_nodes"}
    assert platform.ask(guest) == []
    assert changes(platform.refresh()) == {}
