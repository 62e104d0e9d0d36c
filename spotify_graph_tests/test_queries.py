"""The sample queries against a graph small enough to answer them by hand."""

import re
from collections.abc import Mapping
from typing import Any

import neo4j
import pytest
from neo4j.graph import Node, Relationship

from spotify_graph import queries
from spotify_graph.errors import UserError
from spotify_graph.graph_model import EVENT_TYPES, NODES, RECOMMENDATIONS, RELATIONSHIPS, TABLES
from spotify_graph.neo4j_io import models
from spotify_graph.queries import IntegerParameter, KeyParameter
from spotify_graph_tests.emptied import empty
from spotify_graph_tests.plans import operator_names, operators

DATABASE = "neo4j"
QUERIES = queries.load()
TEXTS = {name: query.text for name, query in QUERIES.items()} | queries.serving()
REGISTRY = {"name", "version", "until"}
"""What is read of (:_Model), which is no table of the graph model."""

TRACKS = [
    ("t1", "So What", "Miles", "jazz"),
    ("t2", "Blue in Green", "Miles", "jazz"),
    ("t3", "Sinnerman", "Nina", "jazz"),
    ("t4", "Air", "Bach", "baroque"),
    ("t6", "Silence", "Quiet", "ambient"),  # nobody met it
]
USERS = ["ann", "bob", "cat", "dan", "eve"]  # eve has no events
INTERACTIONS = {  # user, track, count, day of January 2026; t5 is in no catalogue
    "PLAYED": [
        ("ann", "t1", 5, 1),
        ("ann", "t2", 3, 1),
        ("ann", "t4", 1, 1),
        ("bob", "t1", 2, 1),
        ("bob", "t3", 4, 1),
        ("cat", "t1", 1, 1),
        ("cat", "t5", 2, 1),
        ("dan", "t4", 1, 1),
    ],
    "LIKED": [
        ("ann", "t1", 1, 2),
        ("ann", "t2", 2, 1),
        ("ann", "t3", 1, 3),
        ("ann", "t5", 1, 2),
        ("bob", "t1", 1, 1),
        ("bob", "t3", 1, 1),
        ("bob", "t4", 1, 1),
        ("cat", "t1", 1, 1),
        ("dan", "t2", 1, 1),
        ("dan", "t3", 1, 1),
    ],
    "SKIPPED": [("ann", "t4", 3, 1), ("bob", "t4", 1, 1), ("cat", "t3", 4, 1), ("dan", "t5", 1, 1)],
    "PAUSED": [("ann", "t5", 3, 1), ("bob", "t2", 2, 1), ("cat", "t1", 1, 1), ("dan", "t1", 1, 1)],
    "SEEKED": [("dan", "t4", 1, 1)],
}


@pytest.fixture(scope="module")
def music(neo4j_driver: neo4j.Driver) -> neo4j.Driver:
    """The graph of the tables above, and apart from it a hit that 1,000 users play, each beside the same ten tracks."""
    empty(neo4j_driver)
    # A plan that was made for an earlier test's graph would be used for this one's.
    neo4j_driver.execute_query("CALL db.clearQueryCaches()")
    for node in (*NODES, models.NODE):
        neo4j_driver.execute_query(
            f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{node.label}) REQUIRE n.{node.key.name} IS UNIQUE",
            database_=DATABASE,
        )
    neo4j_driver.execute_query(
        """
        UNWIND $users AS id CREATE (:User {user_id: id})
        WITH count(*) AS users
        CREATE (:Track {track_id: 't5', catalogued: false})
        WITH users
        UNWIND $tracks AS row
        MERGE (artist:Artist {name: row[2]}) MERGE (genre:Genre {name: row[3]})
        CREATE (track:Track {track_id: row[0], title: row[1], album: 'An album', duration_ms: 1000, catalogued: true})
        CREATE (track)-[:BY]->(artist) CREATE (track)-[:IN_GENRE]->(genre)
        """,
        users=USERS,
        tracks=TRACKS,
        database_=DATABASE,
    )
    for relationship, rows in INTERACTIONS.items():
        neo4j_driver.execute_query(
            f"""
            UNWIND $rows AS row
            MATCH (user:User {{user_id: row[0]}}), (track:Track {{track_id: row[1]}})
            WITH user, track, row, datetime({{year: 2026, month: 1, day: row[3]}}) AS ts
            CREATE (user)-[:{relationship} {{count: row[2], first_ts: ts, last_ts: ts}}]->(track)
            """,
            rows=rows,
            database_=DATABASE,
        )
    neo4j_driver.execute_query(
        """
        CREATE (hit:Track {track_id: 'hit'})
        WITH hit UNWIND range(1, 10) AS i CREATE (track:Track {track_id: 'beside ' + i})
        WITH hit, collect(track) AS tracks UNWIND range(1, 1000) AS i
        CREATE (user:User {user_id: 'fan ' + i})-[:PLAYED {count: 1}]->(hit)
        WITH user, tracks UNWIND tracks AS track CREATE (user)-[:PLAYED {count: 1}]->(track)
        """,
        database_=DATABASE,
    )
    # Plans and samples of the indexes are of the graph that an earlier test left.
    neo4j_driver.execute_query("CALL db.prepareForReplanning()", database_=DATABASE)
    return neo4j_driver


def ask(driver: neo4j.Driver, name: str, **raw: str) -> list[tuple[object, ...]]:
    query = queries.get(name)
    return queries.run(driver, DATABASE, query, query.bind(raw)).rows


def edges(driver: neo4j.Driver, name: str, **raw: str) -> list[tuple[object, ...]]:
    """The rows of a neighbourhood as (source, relationship, count or rank, target)."""
    query = queries.get(name)
    answer = queries.run(driver, DATABASE, query, query.bind(raw))
    assert answer.columns == ("source", "relationship", "target")
    drawn: list[list[Any]] = [list(row) for row in answer.rows]
    return [(key(source), edge["type"], edge.get("count", edge.get("rank")), key(end)) for source, edge, end in drawn]


def key(node: Mapping[str, Any]) -> str:
    """The key of a node in an answer."""
    return str(next(node[it.key.name] for it in NODES if it.label == node["label"]))


def bound(query: queries.Query, key: str = "nobody") -> dict[str, object]:
    return query.bind({parameter.name: key for parameter in query.parameters if isinstance(parameter, KeyParameter)})


def test_liked_tracks_are_ordered_by_likes_then_by_time_then_by_key(music: neo4j.Driver) -> None:
    query = QUERIES["top_liked_tracks"]
    answer = queries.run(music, DATABASE, query, query.bind({"user_id": "ann"}))
    assert answer.columns == ("track_id", "title", "artist", "likes", "last_liked")
    assert answer.rows == [
        ("t2", "Blue in Green", "Miles", 2, "2026-01-01T00:00:00Z"),
        ("t3", "Sinnerman", "Nina", 1, "2026-01-03T00:00:00Z"),
        ("t1", "So What", "Miles", 1, "2026-01-02T00:00:00Z"),
        ("t5", None, None, 1, "2026-01-02T00:00:00Z"),
    ]


def test_a_limit_cuts_the_answer_after_it_is_ordered(music: neo4j.Driver) -> None:
    assert [row[0] for row in ask(music, "top_liked_tracks", user_id="ann", limit="2")] == ["t2", "t3"]


def test_tracks_by_an_artist_carry_all_their_plays(music: neo4j.Driver) -> None:
    assert ask(music, "tracks_by_artist", artist="Miles") == [
        ("t1", "So What", "An album", 1000, 5 + 2 + 1, 3),
        ("t2", "Blue in Green", "An album", 1000, 3, 1),
    ]


def test_a_track_that_nobody_played_is_still_by_its_artist(music: neo4j.Driver) -> None:
    assert ask(music, "tracks_by_artist", artist="Quiet") == [("t6", "Silence", "An album", 1000, 0, 0)]


def test_most_paused_tracks_add_up_all_users(music: neo4j.Driver) -> None:
    assert ask(music, "most_paused_tracks") == [
        ("t5", None, None, 3, 1),
        ("t1", "So What", "Miles", 1 + 1, 2),
        ("t2", "Blue in Green", "Miles", 2, 1),
    ]


def test_most_skipped_tracks_stand_beside_their_plays(music: neo4j.Driver) -> None:
    assert ask(music, "most_skipped_tracks") == [
        ("t3", "Sinnerman", "Nina", 4, 1, 4),
        ("t4", "Air", "Bach", 3 + 1, 2, 1 + 1),
        ("t5", None, None, 1, 1, 2),
    ]


def test_users_who_share_likes_are_ordered_by_how_many(music: neo4j.Driver) -> None:
    assert ask(music, "users_sharing_likes", user_id="ann") == [("bob", 2, 3), ("dan", 2, 2), ("cat", 1, 1)]


def test_a_neighbourhood_is_of_nodes_and_relationships(music: neo4j.Driver) -> None:
    query = QUERIES["artist_neighbourhood"]
    answer = queries.run(music, DATABASE, query, query.bind({"artist": "Bach", "limit": "1"}))
    track: dict[str, object] = {"label": "Track", "track_id": "t4", "title": "Air"}
    track |= {"album": "An album", "duration_ms": 1000, "catalogued": True}
    time = "2026-01-01T00:00:00Z"
    assert answer.rows == [
        (track, {"type": "BY"}, {"label": "Artist", "name": "Bach"}),
        (track, {"type": "IN_GENRE"}, {"label": "Genre", "name": "baroque"}),
        (
            {"label": "User", "user_id": "ann"},
            {"type": "PLAYED", "count": 1, "first_ts": time, "last_ts": time},
            track,
        ),
    ]


@pytest.mark.parametrize("name", [name for name in QUERIES if name.endswith("_neighbourhood")])
def test_neo4j_browser_is_given_something_to_draw(music: neo4j.Driver, name: str) -> None:
    query = QUERIES[name]
    known = {"user_id": "ann", "track_id": "t1", "artist": "Miles", "genre": "jazz"}
    params = query.bind({it.name: known[it.name] for it in query.parameters if isinstance(it, KeyParameter)})
    record = music.execute_query(query.text, params, database_=DATABASE).records[0]
    for value, kind in zip(record.values(), (Node, Relationship, Node), strict=True):
        assert isinstance(value, kind)


def test_an_artists_neighbourhood_has_tracks_genres_and_listeners(music: neo4j.Driver) -> None:
    assert edges(music, "artist_neighbourhood", artist="Miles") == [
        ("t1", "BY", None, "Miles"),
        ("t2", "BY", None, "Miles"),
        ("t1", "IN_GENRE", None, "jazz"),
        ("t2", "IN_GENRE", None, "jazz"),
        ("ann", "PLAYED", 5, "t1"),
        ("ann", "PLAYED", 3, "t2"),
        ("bob", "PLAYED", 2, "t1"),
        ("cat", "PLAYED", 1, "t1"),
    ]


def test_a_neighbourhoods_limit_holds_for_tracks_and_for_users(music: neo4j.Driver) -> None:
    assert edges(music, "artist_neighbourhood", artist="Miles", limit="1") == [
        ("t1", "BY", None, "Miles"),
        ("t1", "IN_GENRE", None, "jazz"),
        ("ann", "PLAYED", 5, "t1"),
    ]


def test_an_artist_whom_nobody_plays_has_a_neighbourhood(music: neo4j.Driver) -> None:
    assert edges(music, "artist_neighbourhood", artist="Quiet") == [
        ("t6", "BY", None, "Quiet"),
        ("t6", "IN_GENRE", None, "ambient"),
    ]


def test_a_genres_neighbourhood_has_tracks_artists_and_listeners(music: neo4j.Driver) -> None:
    assert edges(music, "genre_neighbourhood", genre="jazz") == [
        ("t1", "BY", None, "Miles"),
        ("t2", "BY", None, "Miles"),
        ("t3", "BY", None, "Nina"),
        ("t1", "IN_GENRE", None, "jazz"),
        ("t2", "IN_GENRE", None, "jazz"),
        ("t3", "IN_GENRE", None, "jazz"),
        ("ann", "PLAYED", 5, "t1"),
        ("bob", "PLAYED", 4, "t3"),
        ("ann", "PLAYED", 3, "t2"),
        ("bob", "PLAYED", 2, "t1"),
        ("cat", "PLAYED", 1, "t1"),
    ]


def test_a_users_neighbourhood_has_the_tracks_with_most_events_of_any_type(music: neo4j.Driver) -> None:
    """Events of ann: t1 5 + 1, t2 3 + 2, t4 1 + 3, t5 1 + 3, t3 1."""
    assert edges(music, "user_neighbourhood", user_id="ann", limit="3") == [
        ("t1", "BY", None, "Miles"),
        ("t2", "BY", None, "Miles"),
        ("t4", "BY", None, "Bach"),
        ("t1", "IN_GENRE", None, "jazz"),
        ("t2", "IN_GENRE", None, "jazz"),
        ("t4", "IN_GENRE", None, "baroque"),
        ("ann", "LIKED", 2, "t2"),
        ("ann", "LIKED", 1, "t1"),
        ("ann", "PLAYED", 5, "t1"),
        ("ann", "PLAYED", 3, "t2"),
        ("ann", "PLAYED", 1, "t4"),
        ("ann", "SKIPPED", 3, "t4"),
    ]


def test_a_users_neighbourhood_draws_every_type_of_event(music: neo4j.Driver) -> None:
    drawn = {edge[1] for user in USERS[:4] for edge in edges(music, "user_neighbourhood", user_id=user)}
    assert drawn == {event.relationship.type for event in EVENT_TYPES} | {"BY", "IN_GENRE"}


def test_a_tracks_neighbourhood_has_its_listeners_and_what_the_active_model_finds_similar(music: neo4j.Driver) -> None:
    music.execute_query(
        """
        MERGE (model:_Model {name: 'recommendations'}) SET model.version = 'active'
        WITH * UNWIND [['t3', 2, 'active'], ['t2', 1, 'active'], ['t4', 1, 'another']] AS row
        MATCH (track:Track {track_id: 't1'}), (other:Track {track_id: row[0]})
        CREATE (track)-[:SIMILAR_TO {rank: row[1], score: 0.5, model: row[2]}]->(other)
        """,
        database_=DATABASE,
    )
    drawn = edges(music, "track_neighbourhood", track_id="t1", limit="2")
    music.execute_query("MATCH ()-[similar:SIMILAR_TO]->() DELETE similar", database_=DATABASE)
    music.execute_query("MATCH (model:_Model) DELETE model", database_=DATABASE)
    assert drawn == [
        ("t1", "BY", None, "Miles"),
        ("t1", "IN_GENRE", None, "jazz"),
        ("ann", "PLAYED", 5, "t1"),
        ("bob", "PLAYED", 2, "t1"),
        ("t1", "SIMILAR_TO", 1, "t2"),
        ("t1", "SIMILAR_TO", 2, "t3"),
    ]


def test_related_tracks_say_through_what_and_how_strongly(music: neo4j.Driver) -> None:
    """Asked are ann, bob and cat: each other track shares one of the three, and t4 has a second listener."""
    alone, with_another = 1 / (3 * 1) ** 0.5, 1 / (3 * 2) ** 0.5
    assert ask(music, "related_tracks", track_id="t1") == [
        (
            "t2",
            "Blue in Green",
            "Miles",
            pytest.approx(alone + 0.2 + 0.1),
            ["1 listener", "artist Miles", "genre jazz"],
        ),
        ("t3", "Sinnerman", "Nina", pytest.approx(alone + 0.1, abs=1e-6), ["1 listener", "genre jazz"]),
        ("t5", None, None, pytest.approx(alone, abs=1e-6), ["1 listener"]),
        ("t4", "Air", "Bach", pytest.approx(with_another, abs=1e-6), ["1 listener"]),
    ]


def test_tracks_that_share_several_genres_are_related_once_and_through_each(music: neo4j.Driver) -> None:
    music.execute_query(
        "MATCH (t1:Track {track_id: 't1'}), (t3:Track {track_id: 't3'}) CREATE (genre:Genre {name: 'bebop'})"
        " CREATE (t1)-[:IN_GENRE]->(genre), (t3)-[:IN_GENRE]->(genre)"
    )
    found = {row[0]: row[3:] for row in ask(music, "related_tracks", track_id="t1")}
    answers = [row[0] for row in ask(music, "related_tracks", track_id="t1")]
    music.execute_query("MATCH (genre:Genre {name: 'bebop'}) DETACH DELETE genre")
    assert answers == ["t2", "t3", "t5", "t4"]
    assert found["t3"] == (pytest.approx(1 / 3**0.5 + 0.1, abs=1e-6), ["1 listener", "genre bebop", "genre jazz"])


def test_related_tracks_ask_the_most_devoted_listeners_only(music: neo4j.Driver) -> None:
    assert ask(music, "related_tracks", track_id="t1", listeners="1") == [
        ("t2", "Blue in Green", "Miles", pytest.approx(1 + 0.2 + 0.1), ["1 listener", "artist Miles", "genre jazz"]),
        ("t4", "Air", "Bach", pytest.approx(1 / 2**0.5, abs=1e-6), ["1 listener"]),
        ("t3", "Sinnerman", "Nina", pytest.approx(0.1), ["genre jazz"]),
    ]


def test_a_track_outside_the_catalogue_is_related_through_listeners(music: neo4j.Driver) -> None:
    assert ask(music, "related_tracks", track_id="t5") == [
        ("t1", "So What", "Miles", pytest.approx(1 / 3**0.5, abs=1e-6), ["1 listener"])
    ]


def test_related_tracks_of_a_popular_track_do_not_grow_with_its_listeners_histories(music: neo4j.Driver) -> None:
    query = QUERIES["related_tracks"]
    summary = music.execute_query("PROFILE " + query.text, bound(query, "hit"), database_=DATABASE).summary
    assert summary.profile is not None
    most = max(operator["rows"] for operator in operators(summary.profile))
    assert most == 200 * (10 + 1), "of the hit's 1,000 listeners 200 are asked for their 11 tracks"


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_scans_nodes(music: neo4j.Driver, name: str) -> None:
    query = QUERIES[name]
    plan = music.execute_query("EXPLAIN " + query.text, bound(query), database_=DATABASE).summary.plan
    assert plan is not None
    used = set(operator_names(plan))
    keyed = any(isinstance(parameter, KeyParameter) for parameter in query.parameters)
    assert ("NodeUniqueIndexSeek" in used) is keyed
    assert {operator for operator in used if "Scan" in operator} == (
        set() if keyed else {"DirectedRelationshipTypeScan"}
    )
    assert ("// scans: " in query.text) is not keyed


@pytest.mark.parametrize("name", [name for name in QUERIES if "// key " in QUERIES[name].text])
def test_a_key_that_the_graph_lacks_is_named(music: neo4j.Driver, name: str) -> None:
    query = QUERIES[name]
    (node,) = (parameter.node for parameter in query.parameters if isinstance(parameter, KeyParameter))
    with pytest.raises(UserError, match=f"^the graph has no {node.label} with the {node.key.name} 'nobody'$"):
        queries.run(music, DATABASE, query, bound(query))


def test_a_name_in_another_case_is_found_and_an_id_is_suggested(music: neo4j.Driver) -> None:
    assert ask(music, "tracks_by_artist", artist="MILES") == ask(music, "tracks_by_artist", artist="Miles") != []
    with pytest.raises(UserError, match=r"^the graph has no User with the user_id 'ANN'; did you mean 'ann'\?$"):
        ask(music, "top_liked_tracks", user_id="ANN")


def test_a_graph_that_lacks_a_type_of_relationship_as_yet_is_no_cause_for_a_warning(
    music: neo4j.Driver, caplog: pytest.LogCaptureFixture
) -> None:
    early = queries.Query("early", "Asks early.", (), "MATCH ()-[:NOT_YET]->(n:Later) RETURN n.never AS never")
    assert queries.run(music, DATABASE, early, {}).rows == []
    assert caplog.records == []


def test_a_known_user_without_likes_has_an_empty_answer(music: neo4j.Driver) -> None:
    assert ask(music, "top_liked_tracks", user_id="eve") == []


def test_a_value_is_never_read_as_cypher(music: neo4j.Driver) -> None:
    with pytest.raises(UserError, match="the graph has no User"):
        ask(music, "top_liked_tracks", user_id="x'}) DETACH DELETE n //")
    assert len(ask(music, "top_liked_tracks", user_id="ann")) == 4


def test_a_query_cannot_write(music: neo4j.Driver) -> None:
    writing = queries.Query(
        "writing", "Writes.", (), "CREATE (n:User {user_id: 'mallory'}) RETURN n.user_id AS user_id"
    )
    with pytest.raises(neo4j.exceptions.ClientError, match=r"(?i)read access mode"):
        queries.run(music, DATABASE, writing, {})


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_header_declares_exactly_what_its_query_takes(query: queries.Query) -> None:
    declared = {parameter.name for parameter in query.parameters}
    assert declared == set(re.findall(r"\$(\w+)", query.text))
    assert len(declared) == len(query.parameters) == len(re.findall(r"^// (?:key|param)\b", query.text, re.MULTILINE))
    assert query.description == query.text.splitlines()[0].removeprefix("// ")
    assert query.description.endswith(".")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_query_uses_only_names_of_the_graph_model(text: str) -> None:
    cypher = "\n".join(line for line in text.splitlines() if not line.strip().startswith("//"))
    labels = {node.label for node in NODES} | {"_Model"}
    types = {relationship.type for relationship in (*RELATIONSHIPS, *RECOMMENDATIONS)}
    properties = {column.name for table in (*TABLES.values(), *RECOMMENDATIONS) for column in table.columns}
    its_own = set(re.findall(r"[{,]\s*([a-z_]+): ", cypher))
    assert set(re.findall(r"\(\w*:(\w+)", cypher)) <= labels
    assert {name for names in re.findall(r"\[\w*:([\w|]+)", cypher) for name in names.split("|")} <= types
    assert set(re.findall(r"(?<!\$)\b[a-z_]+\.([a-z_]+)", cypher)) <= properties | REGISTRY | its_own


@pytest.mark.parametrize("text", queries.serving().values(), ids=queries.serving())
def test_a_query_that_a_command_asks_says_what_each_parameter_is(text: str) -> None:
    header = [line for line in text.splitlines() if line.startswith("// $")]
    described = [name for line in header for name in re.findall(r"\$asked\.(\w+)", line.partition(":")[0])]
    assert sorted(described) == sorted(set(re.findall(r"\$asked\.(\w+)", text)))
    assert set(re.findall(r"\$(\w+)", text)) == {"asked"}
    assert text.splitlines()[0].startswith("// ")
    assert text.splitlines()[0].endswith(".")


def test_what_a_command_asks_is_no_sample_query() -> None:
    assert set(queries.serving()) == {
        *("recommend", "recommend_again", "recommend_unplayed", "similar", "similar_users")
    }
    assert not set(queries.serving()) & set(QUERIES)
    with pytest.raises(UserError, match="no query is called 'recommend'"):
        queries.get("recommend")


def test_bounds_allow_the_default() -> None:
    for query in QUERIES.values():
        for parameter in query.parameters:
            if isinstance(parameter, IntegerParameter):
                assert parameter.low <= parameter.default <= parameter.high


def test_text_is_bound_to_typed_values_and_defaults() -> None:
    assert QUERIES["related_tracks"].bind({"track_id": "7", "limit": "7"}) == {
        "track_id": "7",
        "limit": 7,
        "listeners": 200,
    }


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"user": "u"}, "top_liked_tracks has no parameter 'user'; it takes user_id, limit"),
        ({}, "top_liked_tracks needs user_id: the user_id of a User"),
        (
            {"user_id": "u", "limit": "ten"},
            "limit of top_liked_tracks is 'ten'; it must be a whole number from 1 to 1000",
        ),
        ({"user_id": "u", "limit": "0"}, "limit of top_liked_tracks is '0'; it must be a whole number from 1 to 1000"),
        (
            {"user_id": "u", "limit": "1001"},
            "limit of top_liked_tracks is '1001'; it must be a whole number from 1 to 1000",
        ),
        (
            {"user_id": "u", "limit": "1\n2"},
            r"limit of top_liked_tracks is '1\n2'; it must be a whole number from 1 to 1000",
        ),
    ],
)
def test_parameters_that_do_not_fit_are_named(raw: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as error:
        QUERIES["top_liked_tracks"].bind(raw)
    assert str(error.value) == message


def test_an_unknown_query_suggests_the_close_ones() -> None:
    with pytest.raises(UserError, match=r"^no query is called 'top_liked'; did you mean top_liked_tracks\?$"):
        queries.get("top_liked")


def test_an_unknown_query_that_is_close_to_none_lists_all() -> None:
    with pytest.raises(UserError) as error:
        queries.get("zzz")
    assert str(error.value) == f"no query is called 'zzz'; there are {', '.join(sorted(QUERIES))}"
