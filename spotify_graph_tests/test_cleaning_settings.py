"""What the settings say about values: placeholders and genres, from the landed file to the graph and the warnings."""

import json
from collections.abc import Iterator

import pytest
from neo4j import Driver

from spotify_graph.errors import UserError
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import PLACEHOLDERS, Settings
from spotify_graph_tests.platform import Platform, installed

LONGEST_NAME = "é" * 2048  # 4,096 bytes
TRACKS = (
    "Track_ID ,artist,album,duration_ms,genre,label\x1b",
    f"t1,{LONGEST_NAME},First,1000,rock;pop,x",
    f"t2,None,{LONGEST_NAME},nan,rock,x",
    "t3,Ann,First,1000,N/A,x",
)
EVENTS = (
    "user_id,track_id,event_type,event_ts,session_id,device",
    "u1,t1,play,2026-01-01T00:00:00Z,s,web",
    "u1,t2,play,2026-01-01T00:00:00Z,NULL,web",
)
NAMES = "group:raw or group:cleaned or group:nodes or key:by_edges or key:in_genre_edges"


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[Platform]:
    with installed(tmp_path_factory.mktemp("cleaning"), local_neo4j, neo4j_driver) as platform:
        yield platform


def edges(platform: Platform, kind: str) -> list[tuple[str, str]]:
    rows = platform.ask(
        f"MATCH (t:Track)-[:{kind}]->(n) RETURN t.track_id AS track, n.name AS name ORDER BY track, name"
    )
    return [(row["track"], row["name"]) for row in rows]


def test_names_of_4096_bytes_are_in_the_graph_and_placeholders_are_not_but_warned_of(platform: Platform) -> None:
    platform.land("tracks.csv", *TRACKS)
    platform.land("user_events.csv", *EVENTS)
    result = platform.run("materialize", "--select", NAMES)
    assert result.exit_code == 0, result.stderr
    assert edges(platform, "BY") == [("t1", LONGEST_NAME), ("t3", "Ann")]
    assert edges(platform, "IN_GENRE") == [("t1", "rock;pop"), ("t2", "rock")]
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    for words in (
        r"check columns_known: tracks.csv: columns that are not known are left aside: 'label\x1b'",
        "check placeholders: tracks.csv: 2 of 3 rows have a placeholder for a value",
        "check placeholders: user_events.csv: 1 of 2 rows have a placeholder for a value",
    ):
        assert any(words in line for line in warnings), (words, warnings)


def test_a_changed_setting_has_all_files_taken_in_anew_by_the_next_run(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_GENRE_SEPARATOR", ";")
    monkeypatch.setenv("SPOTIFY_GRAPH_PLACEHOLDERS", '["nan", "N/A"]')
    result = platform.run("materialize", "--select", NAMES)
    assert result.exit_code == 0, result.stderr
    assert "cleaned_events user_events.csv" in result.stderr
    assert edges(platform, "BY") == [("t1", LONGEST_NAME), ("t2", "None"), ("t3", "Ann")]
    assert edges(platform, "IN_GENRE") == [("t1", "pop"), ("t1", "rock"), ("t2", "rock")]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SPOTIFY_GRAPH_PLACEHOLDERS", "NULL", "not a JSON list"),
        ("SPOTIFY_GRAPH_PLACEHOLDERS", "[1]", "valid string"),
        ("SPOTIFY_GRAPH_GENRE_SEPARATOR", " ", "nothing but white space"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError) as caught:
        Settings.load()
    assert variable in str(caught.value)
    assert words in str(caught.value)


def test_the_placeholders_are_those_of_the_list_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().placeholders == PLACEHOLDERS
    for words in (["-", "Null"], []):
        monkeypatch.setenv("SPOTIFY_GRAPH_PLACEHOLDERS", json.dumps(words))
        assert list(Settings.load().placeholders) == words
