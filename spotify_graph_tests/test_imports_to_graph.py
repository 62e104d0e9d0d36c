"""One person's own history, dropped into the folder for it, through to what is recommended to a single listener."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from neo4j import Driver
from pyspark.sql import SparkSession

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests.histories import PRIVATE, endsong, library, stream, uri, zipped
from spotify_graph_tests.platform import Platform, installed

CHEAP = {"rank": 2, "iterations": 1}
"""Models of one user: there is nobody to compare them with."""
CATALOGUE = (
    "track_id,title,artist,album,duration_ms,genre",
    f"{uri(1)},Song 1,Band 1,Album 1,200000,folk",
    "unplayed,Nobody's song,Band 1,Album 1,180000,folk",
    "foreign,Another song,Nobody,,180000,pop",
)


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver, spark: SparkSession
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("history")
    with installed(folder, local_neo4j, neo4j_driver, recommender=CHEAP) as platform:
        platform.land("tracks.csv", *CATALOGUE)
        old = [endsong(f"2024-03-0{day}T12:00:00Z") for day in range(1, 7)]
        new = [
            *[stream(f"2024-03-0{day}T13:00:00Z", track=2) for day in range(6, 9)],
            stream("2024-03-09T13:00:00Z", 5_000, 3, skipped=True, reason_end="fwdbtn"),
            stream("2024-03-09T14:00:00Z", 60_000, 4, reason_end="endplay"),
        ]
        files = {"MyData/endsong_0.json": old, "Streaming_History_Audio_2024_1.json": new}
        zipped(folder / "exports" / "ann" / "my_spotify_data.zip", files | {"MyData/YourLibrary.json": library(2)})
        result = platform.run("materialize")
        assert result.exit_code == 0, result.output
        assert "ann: 12 events are taken of an export, 0 rows set aside" in result.stderr
        yield platform


def test_the_graph_has_what_the_person_listened_to(platform: Platform) -> None:
    found = platform.ask(
        "MATCH (:User {user_id: 'ann'})-[edge:PLAYED|LIKED|SKIPPED|PAUSED]->(track:Track)"
        " RETURN type(edge) AS type, track.title AS title, edge.count AS count ORDER BY type, title"
    )
    assert [tuple(row.values()) for row in found] == [
        ("LIKED", "Song 2", 1),
        ("PAUSED", "Song 4", 1),
        ("PLAYED", "Song 1", 6),
        ("PLAYED", "Song 2", 3),
        ("SKIPPED", "Song 3", 1),
    ]


def test_a_genre_comes_from_the_catalogue_that_lies_there(platform: Platform) -> None:
    found = platform.ask("MATCH (t:Track)-[:IN_GENRE]->(g:Genre) RETURN t.track_id AS id, g.name AS genre ORDER BY id")
    assert [tuple(row.values()) for row in found] == [("foreign", "pop"), (uri(1), "folk"), ("unplayed", "folk")]


def test_a_single_listener_is_recommended_what_nobody_has_played_by_their_artists_and_then_their_own_tracks(
    platform: Platform,
) -> None:
    answer: dict[str, Any] = json.loads(platform.succeed("recommend", "ann", "--json"))
    assert [(track["title"], track["because"]) for track in answer["tracks"]] == [
        ("Nobody's song", "same artist as Song 1"),
        ("Song 1", "you played it 6 times, last on 2024-03-06"),
        ("Song 2", "you played it 3 times and liked it, last on 2024-03-08"),
    ]
    assert answer["note"].startswith("nobody else's listening recommends anything to user 'ann'")


def test_nothing_private_is_anywhere_in_the_home(platform: Platform) -> None:
    written = [path for path in platform.home.rglob("*") if path.is_file() and "exports" not in path.parts]
    assert len(written) > 50
    for path in written:
        content = path.read_bytes()
        assert not [it for it in PRIVATE if it.encode() in content], path
