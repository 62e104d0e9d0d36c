"""`spotify-graph list`: users, tracks, artists and genres are found by a part of what they are called."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from neo4j import Driver

from spotify_graph.cli import main

GRAPH = """
CREATE (miles:Artist {name: 'Miles Davis'}), (nina:Artist {name: 'Nina Simone'})
CREATE (jazz:Genre {name: 'Jazz'}), (soul:Genre {name: 'Soul'})
CREATE (t1:Track {track_id: 'aaa', title: 'So What'})-[:BY]->(miles), (t1)-[:IN_GENRE]->(jazz)
CREATE (t2:Track {track_id: 'bbb', title: 'Freddie'})-[:BY]->(miles), (t2)-[:IN_GENRE]->(jazz)
CREATE (t3:Track {track_id: 'ccc', title: 'Sinnerman'})-[:BY]->(nina), (t3)-[:IN_GENRE]->(jazz)
CREATE (t3)-[:IN_GENRE]->(soul)
CREATE (t4:Track {track_id: 'What'})
CREATE (ann:User {user_id: 'Ann', last_seen: datetime('2026-01-02T03:04:05Z')}), (bob:User {user_id: 'bob'})
CREATE (ann)-[:PLAYED {count: 9}]->(t3), (bob)-[:PLAYED {count: 1}]->(t3), (bob)-[:PLAYED {count: 1}]->(t4)
CREATE (ann)-[:LIKED {count: 1}]->(t1)
"""


@pytest.fixture
def music(commands_graph: Driver) -> Driver:
    """The graph above, as the command's."""
    commands_graph.execute_query(GRAPH)
    return commands_graph


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["list", *arguments])


def listed(*arguments: str) -> list[dict[str, Any]]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_users_are_listed_with_what_they_played_and_liked(music: Driver) -> None:
    assert listed("users") == [
        {"user_id": "bob", "played": 2, "liked": 0, "last_seen": None},
        {"user_id": "Ann", "played": 1, "liked": 1, "last_seen": "2026-01-02T03:04:05Z"},
    ]


def test_tracks_are_listed_with_their_artist_and_how_many_listen(music: Driver) -> None:
    assert listed("tracks") == [
        {"track_id": "ccc", "title": "Sinnerman", "artist": "Nina Simone", "listeners": 2},
        {"track_id": "What", "title": None, "artist": None, "listeners": 1},
        {"track_id": "aaa", "title": "So What", "artist": "Miles Davis", "listeners": 0},
        {"track_id": "bbb", "title": "Freddie", "artist": "Miles Davis", "listeners": 0},
    ]


def test_artists_and_genres_are_listed_with_how_much_they_have(music: Driver) -> None:
    assert listed("artists") == [
        {"artist": "Miles Davis", "tracks": 2, "genres": ["Jazz"]},
        {"artist": "Nina Simone", "tracks": 1, "genres": ["Jazz", "Soul"]},
    ]
    assert listed("genres") == [
        {"genre": "Jazz", "tracks": 3, "artists": 2},
        {"genre": "Soul", "tracks": 1, "artists": 1},
    ]


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("users", "AN", ["Ann"]),
        ("tracks", "what", ["What", "aaa"]),
        ("tracks", "MILES", ["aaa", "bbb"]),
        ("artists", "simone", ["Nina Simone"]),
        ("genres", "o", ["Soul"]),
        ("users", "nobody", []),
        ("users", "' OR true //", []),
    ],
)
def test_a_part_of_the_id_or_the_name_finds_them_whatever_its_case(
    music: Driver, kind: str, text: str, found: list[str]
) -> None:
    assert [next(iter(row.values())) for row in listed(kind, "--like", text)] == found


def test_a_name_is_found_however_its_accent_is_typed(music: Driver) -> None:
    music.execute_query("CREATE (:Artist {name: $name})", name="Beyonc\u00e9")
    assert [row["artist"] for row in listed("artists", "--like", "beyonce\u0301")] == ["Beyonc\u00e9"]


def test_a_limit_that_leaves_some_out_is_said(music: Driver) -> None:
    result = run("tracks", "--limit", "2")
    assert len(result.stdout.splitlines()) == 1 + 2
    assert "--limit shows more" in result.stderr
    assert "--limit" not in run("tracks", "--limit", "4").stderr


def test_the_table_fits_80_columns_and_no_line_ends_in_blanks(music: Driver) -> None:
    music.execute_query(
        "CREATE (:Track {track_id: 'spotify:track:6rqhFgbbKwnb9MLmUQDhG6', title: $title})"
        "-[:BY]->(:Artist {name: 'The Orchestra of the Age of Enlightenment and Friends'})",
        title="A title of many words " * 6,
    )
    lines = run("tracks").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    assert any("spotify:track:6rqhFgbbKwnb9MLmUQDhG6" in line for line in lines)


def test_what_can_be_listed_is_said() -> None:
    result = run("albums")
    assert result.exit_code == 2
    assert "'users', 'tracks', 'artists', 'genres'" in result.stderr
