"""What is served to a user, against a graph small enough to answer by hand."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import neo4j
import pytest
from click.testing import CliRunner, Result

import spotify_graph
from spotify_graph import queries, serving, showcase
from spotify_graph.cli import main
from spotify_graph.errors import UserError
from spotify_graph.graph_model import NODES
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.serving import Recommendations, Seed, SimilarTracks
from spotify_graph_tests.emptied import empty
from spotify_graph_tests.plans import operator_name, operator_names, operators

DATABASE = "neo4j"
UNTIL = datetime(2026, 1, 31, tzinfo=UTC)
ACTIVE, BEFORE, LOADING = "v2", "v1", "v3"
FANS = 1_000
FILLERS = 500


def popularity(listeners: float | None) -> float | None:
    """The property of a track that so many users played last at UNTIL, 2,222 days after 1 January 2020."""
    return None if listeners is None else math.log2(listeners) + 2222 / 30


TRACKS: list[tuple[str, str | None, str | None, str | None, float | None]] = [  # with the listeners at UNTIL
    ("s1", "So What", "Miles", "jazz", 41),
    ("s2", "Sinnerman", "Nina", "jazz", 30),
    ("s3", "Air", "Bach", "baroque", 20),
    ("d1", "Noise", "Boris", "rock", 60),
    ("r1", "Blue in Green", "Miles", "jazz", 10),
    ("r2", "Milestones", "Miles", "jazz", 9),
    ("r3", "Nardis", "Miles", "jazz", 11),
    ("r4", "Goldberg", "Bach", "baroque", 8),
    ("r5", None, None, None, 7),  # the catalogue lacks it
    ("r6", "Solo", "Solo", "jazz", 4.2),
    ("r7", "Polka", "Band", "polka", 1.2),
    ("r8", "Heard since", "Someone", "rock", 6),
    ("r9", "Skipped since", "Someone", "rock", 6),
    ("r10", "Unplayed", "Nobody", "ambient", None),
    ("m4", "Tutu", "Miles", "fusion", 3),
    ("j1", "Take Five", "Dave", "jazz", 12),
    ("j2", "Forgotten", "Old", "jazz", 0.2),
    ("p1", "Hit", "Star", "pop", 100),
    ("p2", "Hit again", "Star", "pop", 90),
    ("p3", "Third hit", "Star", "pop", 80),
    ("p4", "Paused hit", "Else", "pop", 50),
    ("old", "Recommended before", "Else", "pop", 2),
    ("new", "Recommended next", "Else", "pop", 2),
]
USERS = ["ann", "ben", "peer1", "peer2", "peer3"]
INTERACTIONS = [  # user, type, track, count, day of January 2026
    ("ann", "LIKED", "s1", 1, 2),
    ("ann", "PLAYED", "s1", 9, 2),
    ("ann", "LIKED", "s2", 1, 2),
    ("ann", "PLAYED", "s3", 5, 2),
    ("ann", "SKIPPED", "s3", 5, 2),  # as often as played
    ("ann", "PLAYED", "d1", 1, 2),
    ("ann", "LIKED", "d1", 1, 2),
    ("ann", "SKIPPED", "d1", 3, 2),
    ("ann", "PLAYED", "r8", 1, 20),
    ("ann", "SKIPPED", "r9", 2, 20),
    ("ann", "PAUSED", "p4", 1, 2),
    ("ben", "PLAYED", "p1", 1, 2),
    ("ben", "SKIPPED", "p2", 1, 2),
    ("peer1", "LIKED", "r4", 1, 2),
    ("peer2", "LIKED", "r4", 1, 2),
    ("peer2", "LIKED", "r5", 1, 2),
    ("peer3", "LIKED", "r6", 1, 2),
]
RECOMMENDED = [
    *(("ann", f"r{rank}", 1 - rank / 20, rank, ACTIVE) for rank in range(1, 11)),
    ("ann", "old", 1.0, 1, BEFORE),
    ("ann", "new", 1.0, 1, LOADING),
    ("ben", "old", 1.0, 1, BEFORE),
]
SIMILAR_TO = [  # score, rank, listeners
    ("r1", "s3", 0.9, 1, 60, ACTIVE),
    ("r1", "s1", 0.8, 2, 41, ACTIVE),
    ("r1", "s2", 0.7, 3, 1700, ACTIVE),
    ("r1", "d1", 0.6, 4, 5, ACTIVE),
    ("r2", "s1", 0.6, 1, 1, ACTIVE),
    ("r2", "s3", 0.5, 2, 5, ACTIVE),
    ("r4", "d1", 0.6, 1, 5, ACTIVE),
    ("r6", "s1", 0.5, 1, 5, LOADING),
    ("r7", "s1", 0.5, 1, 5, BEFORE),
    ("s1", "r1", 0.9, 1, 41, ACTIVE),
    ("s1", "r2", 0.8, 2, 1, ACTIVE),
    ("s1", "r3", 0.7, 3, 7, ACTIVE),
    ("s1", "j1", 0.6, 4, 12, ACTIVE),
    ("s1", "p1", 0.5, 5, 2, ACTIVE),
    ("s1", "old", 0.9, 1, 9, BEFORE),
]
SIMILAR_USER = [
    ("ann", "peer1", 0.9, 1, ACTIVE),
    ("ann", "peer2", 0.8, 2, ACTIVE),
    ("ann", "peer3", 0.7, 1, BEFORE),
]


@pytest.fixture(scope="module")
def graph(neo4j_driver: neo4j.Driver) -> Iterator[neo4j.Driver]:
    """The graph of the tables above, 1,000 fans of s1 and r1, and 500 more tracks, that hardly anybody plays."""

    def run(query: str, **parameters: Any) -> None:
        neo4j_driver.execute_query(query, parameters_=parameters, database_=DATABASE)

    empty(neo4j_driver)
    # A plan that was made for an earlier test's graph would be used for this one's.
    neo4j_driver.execute_query("CALL db.clearQueryCaches()")
    for label, key in [*((node.label, node.key.name) for node in NODES), ("_Model", "name")]:
        run(f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{label}) REQUIRE n.{key} IS UNIQUE")
    run("CREATE INDEX track_popularity IF NOT EXISTS FOR (t:Track) ON (t.popularity)")
    run("CALL db.awaitIndexes()")
    run(
        "CREATE (:_Model {name: 'recommendations', version: $version, until: $until, switched_at: $until})",
        version=ACTIVE,
        until=UNTIL,
    )
    run("UNWIND $users AS id CREATE (:User {user_id: id})", users=USERS)
    run(
        """
        UNWIND $tracks AS row
        CREATE (track:Track {track_id: row[0], title: row[1], popularity: row[4]})
        FOREACH (name IN CASE WHEN row[2] IS NULL THEN [] ELSE [row[2]] END |
          MERGE (artist:Artist {name: name}) CREATE (track)-[:BY]->(artist))
        FOREACH (name IN CASE WHEN row[3] IS NULL THEN [] ELSE [row[3]] END |
          MERGE (genre:Genre {name: name}) CREATE (track)-[:IN_GENRE]->(genre))
        """,
        tracks=[(*rest, popularity(listeners)) for *rest, listeners in TRACKS],
    )
    for kind in {row[1] for row in INTERACTIONS}:
        run(
            f"""
            UNWIND $rows AS row
            MATCH (user:User {{user_id: row[0]}}), (track:Track {{track_id: row[2]}})
            WITH user, track, row, datetime({{year: 2026, month: 1, day: row[4]}}) AS ts
            CREATE (user)-[:{kind} {{count: row[3], first_ts: ts, last_ts: ts}}]->(track)
            """,
            rows=[row for row in INTERACTIONS if row[1] == kind],
        )
    run(
        """
        UNWIND $rows AS row MATCH (user:User {user_id: row[0]}), (track:Track {track_id: row[1]})
        CREATE (user)-[:RECOMMENDED {score: row[2], rank: row[3], model: row[4]}]->(track)
        """,
        rows=RECOMMENDED,
    )
    run(
        """
        UNWIND $rows AS row MATCH (track:Track {track_id: row[0]}), (other:Track {track_id: row[1]})
        CREATE (track)-[:SIMILAR_TO {score: row[2], rank: row[3], listeners: row[4], model: row[5]}]->(other)
        """,
        rows=SIMILAR_TO,
    )
    run(
        """
        UNWIND $rows AS row MATCH (user:User {user_id: row[0]}), (other:User {user_id: row[1]})
        CREATE (user)-[:SIMILAR_USER {score: row[2], rank: row[3], model: row[4]}]->(other)
        """,
        rows=SIMILAR_USER,
    )
    run(
        """
        MATCH (s1:Track {track_id: 's1'}), (r1:Track {track_id: 'r1'})
        UNWIND range(1, $fans) AS i
        CREATE (fan:User {user_id: 'fan ' + i}) CREATE (fan)-[:PLAYED {count: 1}]->(s1)
        CREATE (fan)-[:PLAYED {count: 1}]->(r1) CREATE (fan)-[:LIKED {count: 1}]->(r1)
        """,
        fans=FANS,
    )
    run(
        "UNWIND range(1, $fillers) AS i CREATE (:Track {track_id: 'filler ' + i, popularity: i / 100.0})",
        fillers=FILLERS,
    )
    # Plans and samples of the indexes are of the graph that an earlier test left.
    run("CALL db.prepareForReplanning()")
    run("CALL db.clearQueryCaches()")
    yield neo4j_driver
    run("DROP INDEX track_popularity IF EXISTS")


@pytest.fixture
def without_model(graph: neo4j.Driver) -> Iterator[neo4j.Driver]:
    """The same graph before a version of the model is active."""
    graph.execute_query("MATCH (model:_Model) REMOVE model.version, model.until")
    yield graph
    graph.execute_query("MATCH (model:_Model) SET model.version = $v, model.until = $u", v=ACTIVE, u=UNTIL)


@pytest.fixture
def installation(
    graph: neo4j.Driver, local_neo4j: LocalNeo4j, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> neo4j.Driver:
    """An installation that serves from the graph."""
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path))
    monkeypatch.setenv("NEO4J_URI", str(local_neo4j.status().uri))
    monkeypatch.setenv("NEO4J_PASSWORD", local_neo4j.password().get_secret_value())
    return graph


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def recommend(driver: neo4j.Driver, user_id: str, **asked: Any) -> Recommendations:
    return serving.recommend(driver, DATABASE, user_id, **asked)


def ids(answer: Recommendations) -> list[str]:
    """The tracks, without those that hardly anybody plays."""
    return [track.track_id for track in answer.tracks if not track.track_id.startswith("filler")]


def because(answer: Recommendations) -> dict[str, str]:
    return {track.track_id: track.because for track in answer.tracks}


def test_a_track_of_several_genres_is_served_once_with_all_of_them(graph: neo4j.Driver) -> None:
    graph.execute_query(
        "MATCH (s1:Track {track_id: 's1'}), (r1:Track {track_id: 'r1'}) CREATE (genre:Genre {name: 'modal'})"
        " CREATE (s1)-[:IN_GENRE]->(genre), (r1)-[:IN_GENRE]->(genre)"
    )
    recommended = recommend(graph, "ann").tracks
    in_genre = recommend(graph, "ann", genre="modal")
    similar = serving.similar(graph, DATABASE, "s1").tracks
    graph.execute_query("MATCH (genre:Genre {name: 'modal'}) DETACH DELETE genre")
    assert len({track.track_id for track in recommended}) == len(recommended)
    assert [track.genre for track in recommended if track.track_id == "r1"] == ["jazz, modal"]
    assert ids(in_genre) == ["r1"]
    assert [(track.genre, track.same_genre) for track in similar if track.track_id == "r1"] == [("jazz, modal", True)]
    assert [track.because for track in similar if track.track_id == "r1"] == [
        "41 listeners of both; same artist; both in jazz, modal"
    ]


def test_a_users_recommendations_come_in_the_models_order_with_what_is_known_of_them(graph: neo4j.Driver) -> None:
    answer = recommend(graph, "ann", k=2)
    assert [(t.rank, t.track_id, t.title, t.artist, t.genre, t.score) for t in answer.tracks] == [
        (1, "r1", "Blue in Green", "Miles", "jazz", 0.95),
        (2, "r2", "Milestones", "Miles", "jazz", 0.9),
    ]
    assert (answer.user_id, answer.known, answer.model, answer.until) == ("ann", True, ACTIVE, UNTIL)
    assert answer.note is None


def test_no_artist_has_more_than_two_tracks_and_heard_and_disliked_ones_are_left_out(graph: neo4j.Driver) -> None:
    """Miles has r1 and r2 already; r8 was played and r9 skipped since the model was trained."""
    assert ids(recommend(graph, "ann", k=7)) == ["r1", "r2", "r4", "r5", "r6", "r7", "r10"]


def test_how_many_tracks_of_an_artist_is_as_asked(graph: neo4j.Driver) -> None:
    assert ids(recommend(graph, "ann", k=3, per_artist=1)) == ["r1", "r4", "r5"]
    assert ids(recommend(graph, "ann", k=3, per_artist=3)) == ["r1", "r2", "r3"]


@pytest.mark.parametrize(("k", "most"), [(1, 2), (10, 2), (11, 3), (50, 10), (100, 20)])
def test_the_longer_an_answer_the_more_tracks_of_an_artist_it_may_hold(k: int, most: int) -> None:
    assert serving.per_artist_of(k) == most


def test_heard_tracks_stay_in_where_asked(graph: neo4j.Driver) -> None:
    assert ids(recommend(graph, "ann", k=8, heard=True)) == ["r1", "r2", "r4", "r5", "r6", "r7", "r8", "r10"]


def test_disliked_tracks_stay_in_where_asked(graph: neo4j.Driver) -> None:
    assert ids(recommend(graph, "ann", k=8, disliked=True)) == ["r1", "r2", "r4", "r5", "r6", "r7", "r9", "r10"]


def test_a_track_that_is_heard_and_disliked_stays_in_where_both_are_asked_for(graph: neo4j.Driver) -> None:
    """In rock, r8 was heard, r9 is disliked, d1 is both."""
    rock = {(heard, disliked): recommend(graph, "ann", genre="rock", heard=heard, disliked=disliked)
            for heard in (False, True) for disliked in (False, True)}  # fmt: skip
    assert {asked: ids(answer) for asked, answer in rock.items()} == {
        (False, False): [],
        (True, False): ["r8"],
        (False, True): ["r9"],
        (True, True): ["r8", "r9", "d1"],
    }


def test_relationships_of_another_version_of_the_model_are_never_seen(graph: neo4j.Driver) -> None:
    """Another version recommends old and new, has r6 and r7 similar to s1, and peer3, who likes r6, similar to ann."""
    answer = recommend(graph, "ann", k=7)
    assert not {"old", "new"} & set(ids(answer))
    assert {track.track_id: (track.evidence.seeds, track.evidence.peers) for track in answer.tracks[4:6]} == {
        "r6": ((), 0),
        "r7": ((), 0),
    }
    assert "old" not in [track.track_id for track in serving.similar(graph, DATABASE, "s1").tracks]


def test_similar_tracks_that_the_user_likes_are_the_first_reason(graph: neo4j.Driver) -> None:
    """s3 is more similar, but only played; d1 is liked, but skipped more often than played."""
    first = recommend(graph, "ann").tracks[0]
    assert first.because == (
        "because you like So What (41 listeners of both) and Sinnerman (1,700); same artist as So What"
    )
    assert first.evidence.seeds == (Seed("s1", "So What", True, 41), Seed("s2", "Sinnerman", True, 1700))
    assert (first.evidence.same_artist, first.evidence.same_artist_title) == ("s1", "So What")


def test_a_track_that_the_user_only_plays_is_not_said_to_be_liked(graph: neo4j.Driver) -> None:
    assert because(recommend(graph, "ann"))["r2"] == (
        "because you like So What (1 listener of both) and play Air (5); same artist as So What"
    )


def test_the_same_artist_and_the_likes_of_similar_users_are_reasons(graph: neo4j.Driver) -> None:
    """What is similar to r4 is d1, and that is disliked."""
    said = because(recommend(graph, "ann"))
    assert said["r4"] == "same artist as Air; liked by 2 users with a taste like yours"
    assert said["r5"] == "liked by 1 user with a taste like yours"


def test_the_genre_and_the_listeners_this_month_are_the_last_reasons(graph: neo4j.Driver) -> None:
    said = because(recommend(graph, "ann"))
    assert said["r6"] == "in jazz, which you listen to; about 4 listeners this month"
    assert said["r7"] == "about 1 listener this month"
    assert said["r10"] == "the model expects that you like it"


def test_listeners_are_those_of_the_month_before_the_models_newest_event(graph: neo4j.Driver) -> None:
    listeners = {track.track_id: track.evidence.listeners for track in recommend(graph, "ann").tracks}
    assert listeners["r6"] == pytest.approx(4.2)
    assert listeners["r10"] is None


def test_a_genre_is_filled_up_with_its_popular_tracks_that_the_user_has_not_met(graph: neo4j.Driver) -> None:
    """s1 and s2 are heard; r3 is a third track of Miles, counted over recommended and popular ones."""
    answer = recommend(graph, "ann", genre="jazz")
    assert ids(answer) == ["r1", "r2", "r6", "j1", "j2"]
    assert because(answer)["j1"] == "popular in jazz this month (about 12 listeners)"
    assert because(answer)["j2"] == "popular in jazz"
    assert [track.score for track in answer.tracks[3:]] == [None, None]
    assert answer.note is None


def test_an_artist_who_is_asked_for_may_have_more_tracks(graph: neo4j.Driver) -> None:
    answer = recommend(graph, "ann", artist="Miles")
    assert ids(answer) == ["r1", "r2", "r3", "m4"]
    assert because(answer)["m4"] == "popular among the tracks by Miles this month (about 3 listeners)"


def test_a_genre_and_an_artist_hold_both(graph: neo4j.Driver) -> None:
    assert ids(recommend(graph, "ann", genre="fusion", artist="Miles")) == ["m4"]
    assert ids(recommend(graph, "ann", genre="jazz", artist="Dave")) == ["j1"]
    assert ids(recommend(graph, "ann", genre="pop", artist="Dave")) == []


def test_popular_tracks_follow_where_the_recommended_ones_are_too_few(graph: neo4j.Driver) -> None:
    """p3 is a third track of Star, p4 was paused, and of Miles there are two already."""
    answer = recommend(graph, "ann", k=12, per_artist=2)
    assert ids(answer) == ["r1", "r2", "r4", "r5", "r6", "r7", "r10", "p1", "p2", "j1", "new", "old"]


def test_an_unknown_user_gets_the_most_popular_tracks_and_is_told_so(graph: neo4j.Driver) -> None:
    answer = recommend(graph, "nobody", k=5)
    assert [(t.track_id, t.because) for t in answer.tracks] == [
        ("p1", "popular this month (about 100 listeners)"),
        ("p2", "popular this month (about 90 listeners)"),
        ("d1", "popular this month (about 60 listeners)"),
        ("p4", "popular this month (about 50 listeners)"),
        ("s1", "popular this month (about 41 listeners)"),
    ]
    assert not answer.known
    assert answer.note == "the graph has no user 'nobody': these are the most popular tracks"


def test_an_unknown_user_gets_the_popular_tracks_of_a_genre(graph: neo4j.Driver) -> None:
    """By listeners: s1 41, s2 30, j1 12, r3 11; s1 and r3 are by Miles, whose further tracks are too many."""
    answer = recommend(graph, "nobody", genre="jazz")
    assert ids(answer) == ["s1", "s2", "j1", "r3", "r6", "j2"]
    assert answer.note == "the graph has no user 'nobody': these are the most popular tracks in jazz"


def test_a_user_who_is_new_to_the_model_gets_popular_tracks_that_they_have_not_met(graph: neo4j.Driver) -> None:
    answer = recommend(graph, "ben", k=3)
    assert ids(answer) == ["p3", "d1", "p4"]
    assert answer.known
    assert answer.note == "nothing is recommended to user 'ben' yet: these are the most popular tracks"


def test_a_note_says_that_nothing_popular_is_left(graph: neo4j.Driver) -> None:
    answer = recommend(graph, "nobody", genre="ambient")
    assert answer.tracks == ()
    assert answer.note == "the graph has no user 'nobody', and no track in ambient that anybody plays is left to serve"


def test_candidates_stand_in_for_what_the_graph_recommends(graph: neo4j.Driver) -> None:
    """s1 is heard, and the graph has no track x."""
    candidates = [("p3", 0.9), ("s1", 0.8), ("x", 0.7), ("p1", 0.6)]
    answer = recommend(graph, "ann", k=2, candidates=candidates)
    assert [(track.track_id, track.score) for track in answer.tracks] == [("p3", 0.9), ("p1", 0.6)]


def test_a_model_can_be_evaluated_before_any_is_published(without_model: neo4j.Driver) -> None:
    answer = recommend(without_model, "ann", candidates=[("p3", 0.9)], as_of=UNTIL)
    assert ids(answer) == ["p3"]
    assert answer.model is None


def test_what_happened_later_is_left_out_of_account_and_nothing_is_filled_up(graph: neo4j.Driver) -> None:
    """On the 20th, r8 was played and r9 skipped; on the 2nd, s1 was played and d1 skipped."""
    candidates = [("r8", 0.9), ("s1", 0.8), ("r9", 0.7), ("d1", 0.6)]
    times = {day: datetime(2026, 1, day, tzinfo=UTC) for day in (2, 3, 20, 21)}
    served = {day: ids(recommend(graph, "ann", candidates=candidates, as_of=time)) for day, time in times.items()}
    assert served == {2: ["r8", "s1", "r9", "d1"], 3: ["r8", "r9"], 20: ["r8", "r9"], 21: []}


def test_a_time_without_a_zone_is_refused(graph: neo4j.Driver) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        recommend(graph, "ann", as_of=UNTIL.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"k": 0}, "k is 0; it must be a whole number from 1 to 100"),
        ({"k": 101}, "k is 101; it must be a whole number from 1 to 100"),
        ({"per_artist": 0}, "per_artist is 0; it must be a whole number of at least 1"),
        ({"genre": "zydeco"}, "the graph has no Genre with the name 'zydeco'"),
        ({"genre": "jaz"}, "the graph has no Genre with the name 'jaz'; did you mean 'jazz'?"),
        ({"artist": "mile"}, "the graph has no Artist with the name 'mile'; did you mean 'Miles'?"),
        ({"artist": "x'}) //"}, 'the graph has no Artist with the name "x\'}) //"'),
    ],
)
def test_what_does_not_fit_is_named(graph: neo4j.Driver, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        recommend(graph, "ann", **asked)
    assert str(error.value) == message


def test_a_name_is_found_whatever_its_case_and_its_spaces(graph: neo4j.Driver) -> None:
    assert recommend(graph, "ann", genre="JAZZ") == recommend(graph, "ann", genre="jazz")
    assert recommend(graph, "ann", artist=" miles ") == recommend(graph, "ann", artist="Miles")


def test_a_name_that_differs_from_two_in_case_alone_is_not_guessed(graph: neo4j.Driver) -> None:
    graph.execute_query("CREATE (:Genre {name: 'Jazz'})", database_=DATABASE)
    try:
        assert recommend(graph, "ann", genre="jazz").tracks
        with pytest.raises(UserError, match=r"'JAZZ'; did you mean 'Jazz' or 'jazz'\?$"):
            recommend(graph, "ann", genre="JAZZ")
    finally:
        graph.execute_query("MATCH (genre:Genre {name: 'Jazz'}) DELETE genre", database_=DATABASE)


def test_an_id_is_only_ever_itself_and_one_that_differs_in_case_is_named(graph: neo4j.Driver) -> None:
    with pytest.raises(UserError, match=r"^the graph has no Track with the track_id 'S1'; did you mean 's1'\?$"):
        serving.similar(graph, DATABASE, "S1")


def test_similar_tracks_say_what_they_share(graph: neo4j.Driver) -> None:
    """r3 is a third track of Miles."""
    answer = serving.similar(graph, DATABASE, "s1")
    assert [(t.rank, t.track_id, t.score, t.because) for t in answer.tracks] == [
        (1, "r1", 0.9, "41 listeners of both; same artist; both in jazz"),
        (2, "r2", 0.8, "1 listener of both; same artist; both in jazz"),
        (3, "j1", 0.6, "12 listeners of both; both in jazz"),
        (4, "p1", 0.5, "2 listeners of both"),
    ]
    assert (answer.title, answer.model, answer.until, answer.note) == ("So What", ACTIVE, UNTIL, None)
    first = answer.tracks[0]
    assert (first.listeners, first.same_artist, first.same_genre) == (41, True, True)


def test_similar_tracks_are_cut_after_they_are_ordered(graph: neo4j.Driver) -> None:
    assert [t.track_id for t in serving.similar(graph, DATABASE, "s1", k=2, per_artist=1).tracks] == ["r1", "j1"]


def test_a_track_without_similar_ones_is_said_to_have_none(graph: neo4j.Driver) -> None:
    answer = serving.similar(graph, DATABASE, "r10")
    assert answer.tracks == ()
    assert answer.note == "the model finds no track similar to 'r10': too few listen to it"


def test_an_unknown_track_is_named(graph: neo4j.Driver) -> None:
    with pytest.raises(UserError, match=r"^the graph has no Track with the track_id 'nothing'$"):
        serving.similar(graph, DATABASE, "nothing")


def parameters(**given: object) -> dict[str, object]:
    base = {"user_id": "ann", "track_id": "s1", "k": 5, "heard": False, "disliked": False, "per_artist": 2}
    return {"asked": base | {"genre": None, "artist": None, "candidates": None, "as_of": None} | given}


REQUESTS = {
    "of a user": ("recommend", parameters()),
    "of a user in a genre": ("recommend", parameters(genre="jazz")),
    "of a user by an artist": ("recommend", parameters(artist="Miles")),
    "of a candidate": ("recommend", parameters(candidates=[["p1", 1.0]], as_of=UNTIL)),
    "of nobody": ("recommend", parameters(user_id="nobody")),
    "of what nobody has played": ("recommend_unplayed", parameters()),
    "of what to hear again": ("recommend_again", parameters()),
    "of a track": ("similar", parameters()),
    "of a user's peers": ("similar_users", parameters()),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_request_finds_its_nodes_by_index(graph: neo4j.Driver, request_: tuple[str, dict[str, object]]) -> None:
    name, asked = request_
    plan = graph.execute_query("EXPLAIN " + queries.serving()[name], asked, database_=DATABASE).summary.plan
    scans = [operator for operator in operators(plan) if "Scan" in operator_name(operator)]
    assert {operator_name(scan) for scan in scans} == ({"NodeIndexScan"} if name == "recommend" else set())
    assert all("RANGE INDEX track:Track(popularity)" in scan["args"]["Details"] for scan in scans)
    assert "NodeUniqueIndexSeek" in operator_names(plan)


def profile(driver: neo4j.Driver, **asked: object) -> list[dict[str, Any]]:
    query = "PROFILE " + queries.serving()["recommend"]
    summary = driver.execute_query(query, parameters(**asked), database_=DATABASE).summary
    return list(operators(summary.profile))


def test_the_most_popular_tracks_are_read_in_the_indexs_order_and_no_further(graph: neo4j.Driver) -> None:
    """20 times k is 100 tracks; the order among equals is settled by reading one more."""
    steps = profile(graph, user_id="nobody", k=5)
    (scan,) = [step for step in steps if operator_name(step) == "NodeIndexScan"]
    assert 100 <= scan["rows"] <= 102
    assert FILLERS > 102


def test_popular_tracks_are_not_looked_for_where_the_recommended_ones_are_enough(graph: neo4j.Driver) -> None:
    (scan,) = [step for step in profile(graph) if operator_name(step) == "NodeIndexScan"]
    assert scan["rows"] == 0


def test_a_popular_tracks_listeners_are_not_walked(graph: neo4j.Driver) -> None:
    """s1, which ann likes, and r1, which is recommended to her, have 1,000 listeners each."""
    steps = profile(graph)
    assert max(step["rows"] for step in steps) < 100
    assert sum(step["dbHits"] for step in steps) < FANS


def test_the_table_shows_a_row_for_each_track_and_under_it_why(installation: neo4j.Driver) -> None:
    result = run("recommend", "ann", "-k", "2")
    assert result.exit_code == 0, result.output
    header, because, first, *reason = result.stdout.splitlines()
    assert [*header.split(), because.strip()] == ["rank", *serving.COLUMNS[1:]]
    assert first.split()[:2] == ["1", "r1"]
    assert " ".join(line.strip() for line in reason[:2]) == (
        "because you like So What (41 listeners of both) and Sinnerman (1,700); same artist as So What"
    )
    assert result.stderr == ""


def test_the_commands_options_are_those_of_the_request(installation: neo4j.Driver) -> None:
    result = run("recommend", "ann", "--genre", "rock", "--heard", "--disliked", "--json")
    assert [track["track_id"] for track in json.loads(result.stdout)["tracks"]] == ["r8", "r9", "d1"]
    result = run("recommend", "ann", "--artist", "Miles", "-k", "3", "--json")
    assert [track["track_id"] for track in json.loads(result.stdout)["tracks"]] == ["r1", "r2", "r3"]


def test_json_is_the_whole_answer(installation: neo4j.Driver) -> None:
    result = run("recommend", "ann", "-k", "1", "--json")
    assert json.loads(result.stdout) == as_json(recommend(installation, "ann", k=1))
    result = run("similar", "s1", "--json")
    assert json.loads(result.stdout) == as_json(serving.similar(installation, DATABASE, "s1"))


def as_json(answer: Recommendations | SimilarTracks) -> Any:
    until = answer.until
    assert until
    return json.loads(json.dumps({**asdict(answer), "until": f"{until:%Y-%m-%dT%H:%M:%SZ}"}))


def test_an_unknown_user_gets_the_tracks_on_stdout_the_note_on_stderr_and_exit_code_1(
    installation: neo4j.Driver,
) -> None:
    result = run("recommend", "nobody", "-k", "1")
    assert result.exit_code == 1
    assert "p1" in result.stdout
    assert result.stderr == "spotify-graph: the graph has no user 'nobody': these are the most popular tracks\n"


def test_a_new_user_is_told_the_same_and_that_is_no_failure(installation: neo4j.Driver) -> None:
    result = run("recommend", "ben", "-k", "1")
    assert result.exit_code == 0
    assert result.stderr == (
        "spotify-graph: nothing is recommended to user 'ben' yet: these are the most popular tracks\n"
    )


def test_python_serves_what_the_command_serves(installation: neo4j.Driver) -> None:
    assert spotify_graph.recommend("ann", 3, genre="jazz") == recommend(installation, "ann", k=3, genre="jazz")
    assert spotify_graph.similar("s1", 2) == serving.similar(installation, DATABASE, "s1", k=2)


def test_importing_the_package_loads_none_of_what_it_needs() -> None:
    heavy = "{'neo4j', 'dagster', 'pyspark', 'pydantic'}"
    code = f"import sys, spotify_graph; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def shown(driver: neo4j.Driver) -> dict[str, queries.Rows]:
    return dict(showcase.sample_answers(driver, DATABASE))


def test_the_demo_shows_what_is_recommended_after_the_sample_queries(graph: neo4j.Driver) -> None:
    """The user with most likes is ann; she likes d1, s1 and s2 once each, and d1 is the first of them."""
    answers = shown(graph)
    assert list(answers)[-2:] == ["recommend ann", "similar d1"]
    assert answers["recommend ann"].columns == serving.COLUMNS
    assert answers["recommend ann"].rows[0][:2] == (1, "r1")


def test_the_demo_of_a_graph_without_a_model_leaves_that_out(without_model: neo4j.Driver) -> None:
    assert not {"recommend", "similar"} & {command.split()[0] for command in shown(without_model)}
