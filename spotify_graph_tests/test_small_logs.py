"""From landed files to the graph on logs that fit on a page, with what the design promises of awkward ones."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from neo4j import Driver
from pyspark.sql import SparkSession

from spotify_graph.assets import published_graph
from spotify_graph.automation import health, held_back
from spotify_graph.definitions import build_defs
from spotify_graph.graph_model import POPULARITY_HALF_LIFE_DAYS, POPULARITY_SINCE, TABLES
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import arrow_schema
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import PROJECT_ROOT
from spotify_graph_tests.platform import Platform, installed
from spotify_graph_tests.spelling import misspelt

LENIENT: dict[str, Any] = {"rejected_error": 0.5, "drop_error": 0.9}
"""Two of eight rows are bad, and one event more or less is a large part of them all."""
CHEAP = {"rank": 2, "iterations": 1}
"""Models of two users: what is in them does not matter here."""

TRACKS = (
    "track_id,title,artist,album,duration_ms,genre",
    "t1,One,Ann,First,180000,jazz",
    "t2,Two,Ann,First,,jazz",
    't3,"Three, or more",Bob,Second,210000,rock',
    "unplayed,Nobody's,,,200000,",
    "t1,One (remastered),Ann,First,181000,jazz",
)
EVENTS = (
    "user_id,track_id,event_type,event_ts,session_id,device",
    "u1,t1,play,2026-01-01T10:00:00Z,s1,mobile",
    "u1,t1,play,2026-01-01 10:00:00,s1,mobile",
    "u1,t1, PLAY ,2026-01-02T10:00:00.123456+01:00,s2,desktop",
    "u1,t2,like,2026-01-02T10:05:00Z,s2,desktop",
    "u2,t3,skip,2026-01-03T10:00:00Z,s3,web",
    "u2,uncatalogued,play,2026-01-03T11:00:00Z,s3,web",
    ",t1,play,2026-01-03T11:00:00Z,s3,web",
    "u2,t1,dance,not a time,s3,web",
)


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver, spark: SparkSession
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("small_logs")
    with installed(folder, local_neo4j, neo4j_driver, recommender=CHEAP, **LENIENT) as platform:
        platform.land("tracks.csv", *TRACKS)
        platform.land("user_events.csv", *EVENTS)
        platform.succeed("materialize")
        yield platform


def test_a_user_with_two_devices_is_one_node(platform: Platform) -> None:
    [user] = platform.ask("MATCH (u:User {user_id: 'u1'}) RETURN u.devices AS devices, u.first_seen AS first")
    assert user["devices"] == ["desktop", "mobile"]
    assert user["first"].to_native() == datetime(2026, 1, 1, 10, tzinfo=UTC)


def test_plays_of_a_track_are_one_relationship_with_their_count_and_times(platform: Platform) -> None:
    rows = platform.ask(
        "MATCH (:User {user_id: 'u1'})-[r:PLAYED]->(:Track {track_id: 't1'})"
        " RETURN r.count AS count, r.first_ts AS first, r.last_ts AS last"
    )
    assert [row["count"] for row in rows] == [2]
    assert rows[0]["first"].to_native() == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert rows[0]["last"].to_native() == datetime(2026, 1, 2, 9, 0, 0, 123456, tzinfo=UTC)


def test_the_newest_row_of_a_track_wins(platform: Platform) -> None:
    [track] = platform.ask("MATCH (t:Track {track_id: 't1'}) RETURN t.title AS title, t.duration_ms AS duration")
    assert track == {"title": "One (remastered)", "duration": 181000}


def test_a_track_that_nobody_played_has_a_node(platform: Platform) -> None:
    rows = platform.ask(
        "MATCH (t:Track {track_id: 'unplayed'})"
        " RETURN t.catalogued AS it, COUNT { (t)-[r]-() WHERE r.model IS NULL } AS degree"
    )
    assert rows == [{"it": True, "degree": 0}]


def test_a_track_without_a_catalogue_row_has_a_node_that_says_so(platform: Platform) -> None:
    [track] = platform.ask("MATCH (t:Track {track_id: 'uncatalogued'}) RETURN properties(t) AS it")
    popularity = track["it"].pop("popularity")
    assert track["it"] == {"track_id": "uncatalogued", "catalogued": False}
    played = datetime(2026, 1, 3, 11, tzinfo=UTC) - POPULARITY_SINCE
    assert popularity == pytest.approx(played.total_seconds() / 86_400 / POPULARITY_HALF_LIFE_DAYS, abs=1e-6)


def test_every_asset_of_the_lake_has_the_columns_that_it_declares(platform: Platform) -> None:
    lake = Lake(platform.home / "lake")
    for spec in build_defs().resolve_all_asset_specs():
        name = spec.key.to_user_string()
        if name not in {*TABLES, published_graph.NAME, held_back.ASSET, health.ASSET}:
            columns = spec.metadata["dagster/column_schema"].columns
            declared = arrow_schema(", ".join(f"{column.name} {column.type}" for column in columns))
            files = lake.files(name)
            version = lake.latest(f"{name}/{files[0]}" if files else name)
            there = version.table(name).schema if version.record.tables else pq.read_schema(version.files[0])
            assert there.equals(declared)


def test_any_engine_reads_the_lake_as_the_decision_on_it_says(platform: Platform) -> None:
    page = (PROJECT_ROOT / "docs" / "decisions" / "0001-lake.md").read_text(encoding="utf-8")
    [sql] = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    lake = platform.home / "lake"
    [*_, newest] = sorted((lake / "_manifests").glob("*.json"))
    version = json.loads(newest.read_text(encoding="utf-8"))["entries"]["interactions"]["active"]
    query = sql.replace(".spotify_graph/lake", str(lake)).replace("<version>", version)
    found = duckdb.connect().execute(query).fetchall()
    counted = platform.rows("interactions")["user_id"].value_counts().to_pylist()
    assert sorted(found) == sorted((it["values"], it["counts"]) for it in counted)


def test_an_asset_of_the_graph_can_be_read_as_it_was_published(platform: Platform) -> None:
    users = platform.rows("user_nodes").to_pylist()
    assert sorted((user["user_id"], user["devices"]) for user in users) == [
        ("u1", ["desktop", "mobile"]),
        ("u2", ["web"]),
    ]


def test_an_asset_whose_publication_was_interrupted_cannot_be_read(platform: Platform) -> None:
    platform.ask("MATCH (p:_Publication {asset: 'genre_nodes'}) SET p.status = 'publishing'")
    with pytest.raises(FileNotFoundError, match="no publication of genre_nodes is finished"):
        platform.rows("genre_nodes")
    # The database itself is compared, and found to be as it should.
    platform.succeed("materialize", "--select", "genre_nodes")
    assert platform.assets()["genre_nodes"]["inserted"] == 0
    platform.rows("genre_nodes")


def test_rejected_rows_are_counted_and_the_rest_goes_on(platform: Platform) -> None:
    assets = platform.assets()
    good_and_distinct = len(EVENTS) - 1 - 2 - 1
    assert assets["rejected_events"]["rows"] == 2
    assert assets["cleaned_events"]["rows"] == good_and_distinct
    assert platform.ask("MATCH (u:User) RETURN count(*) AS users") == [{"users": 2}]


def test_rejected_rows_are_shown_by_file_and_reason_with_their_text(platform: Platform) -> None:
    lines = {number: text for number, text in enumerate(EVENTS, 1) if text.startswith(",") or "dance" in text}
    rows = json.loads(platform.succeed("rejects", "--json"))
    assert {row["line"]: row["raw"] for row in rows} == lines
    assert [row["reasons"] for row in rows] == [["missing_user_id"], ["unknown_event_type", "bad_event_ts"]]
    only = json.loads(platform.succeed("rejects", "--file", "user_events.csv", "--reason", "bad_event_ts", "--json"))
    assert only == rows[1:]
    assert json.loads(platform.succeed("rejects", "--file", "tracks.csv", "--json")) == []
    bogus = platform.run("rejects", "--file", "bogus.csv")
    assert bogus.exit_code == 1
    assert bogus.stderr == "spotify-graph: no file bogus.csv was taken in; there are tracks.csv, user_events.csv\n"
    assert "1 of 2 rows" in platform.run("rejects", "--limit", "1").stderr


def test_json_has_one_spelling_of_keys_and_of_times(platform: Platform) -> None:
    commands = [
        ["status"],
        ["rejects"],
        ["query", "--list"],
        ["query", "top_liked_tracks", "-p", "user_id=u1"],
        ["recommend", "u1", "--heard"],
        ["similar", "t1"],
    ]
    for command in commands:
        fault = misspelt(json.loads(platform.succeed(*command, "--json")))
        assert fault is None, f"{command}: {fault}"
    [like] = json.loads(platform.succeed("query", "top_liked_tracks", "-p", "user_id=u1", "--json"))
    assert like["last_liked"] == "2026-01-02T10:05:00Z"


def test_assets_that_are_computed_together_are_selected_together(platform: Platform) -> None:
    before = platform.assets()
    platform.succeed("materialize", "--select", "cleaned_tracks")
    after = platform.assets()
    assert {name for name in after if after[name]["at"] != before[name]["at"]} == {"cleaned_tracks", "rejected_tracks"}


def test_a_deleted_row_disappears_from_the_graph_and_nothing_else_is_written(platform: Platform) -> None:
    platform.land("user_events.csv", *(line for line in EVENTS if ",skip," not in line))
    assert platform.refresh().exit_code == 0
    assert platform.ask("MATCH ()-[r:SKIPPED]->() RETURN count(r) AS skips") == [{"skips": 0}]
    # u2 was first seen in the row that went.
    assert platform.facts_written() == {"skipped_edges": (0, 0, 1), "user_nodes": (0, 1, 0)}


def test_a_file_that_cannot_be_read_is_held_back_alone_and_the_exit_code_says_so(platform: Platform) -> None:
    platform.land("user_events_2.csv", "who,what", "u9,t9")
    platform.land("user_events_3.csv", EVENTS[0], "u3,t1,play,2026-01-04T10:00:00Z,s9,tv")
    result = platform.refresh()
    assert result.exit_code == 1
    assert "user_events_2.csv" in result.stderr
    assert platform.ask("MATCH (u:User) RETURN u.user_id AS id ORDER BY id") == [
        {"id": "u1"},
        {"id": "u2"},
        {"id": "u3"},
    ]


def test_news_get_old_also_where_nothing_changes(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    warning = "warning: interactions, check freshness: the newest event is of 2026-01-04"
    for hours, warns in ((1e9, False), (1, True)):
        monkeypatch.setenv("SPOTIFY_GRAPH_GATES", json.dumps({**LENIENT, "stale_warn_hours": hours}))
        result = platform.run("materialize", "--select", "interactions")
        assert (result.exit_code, warning in result.stderr) == (0, warns)


def test_a_file_that_leaves_the_landing_folder_keeps_its_rows_in_the_graph(platform: Platform) -> None:
    for name in ("user_events_2.csv", "user_events_3.csv"):
        (platform.landing / name).unlink()
    assert platform.refresh().exit_code == 0
    assert platform.facts_written() == {}
    assert platform.ask("MATCH (u:User) RETURN count(*) AS users") == [{"users": 3}]


def test_everything_that_leaves_the_logs_leaves_the_graph(platform: Platform) -> None:
    platform.succeed("forget", "user_events_3.csv")
    platform.land("tracks.csv", *TRACKS[:2])
    platform.land("user_events.csv", EVENTS[0], EVENTS[1])
    platform.succeed("materialize")
    nodes = platform.ask(
        "MATCH (n) WHERE NOT (n:_Publication OR n:_Model) RETURN labels(n)[0] AS label, count(*) AS n ORDER BY label"
    )
    assert [(row["label"], row["n"]) for row in nodes] == [("Artist", 1), ("Genre", 1), ("Track", 1), ("User", 1)]
    edges = platform.ask("MATCH ()-[r]->() RETURN type(r) AS type ORDER BY type")
    assert [row["type"] for row in edges] == ["BY", "IN_GENRE", "PLAYED"]
