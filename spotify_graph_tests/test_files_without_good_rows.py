"""Files that give the graph nothing: a header alone, or no row that can be used. What is counted of them is safe."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from neo4j import Driver
from pyspark.sql import SparkSession

from spotify_graph.lake.lake import Lake
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests.platform import Platform, installed

EVENTS = "user_id,track_id,event_type,event_ts,session_id,device"
TRACKS = "track_id,artist,album,duration_ms,genre"
BAD = {
    "user_events_one.csv": ("1 of 1 rows", "missing_user_id", ",t1,play,2026-01-01T10:00:00Z,s,web"),
    "user_events_times.csv": ("2 of 2 rows", "bad_event_ts", "05 Apr 2024, 11:50"),
    "user_events_epoch.csv": ("2 of 2 rows", "bad_event_ts", "1712317800"),
    "user_events_types.csv": ("2 of 2 rows", "unknown_event_type", r"PLAYED\x1b"),
    "tracks_lengths.csv": ("2 of 2 rows", "bad_duration_ms", "3:20"),
}
"""What the message says of each file of bad rows: how many, the reason, and a value."""


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver, spark: SparkSession
) -> Iterator[Platform]:
    with installed(tmp_path_factory.mktemp("nothing"), local_neo4j, neo4j_driver) as platform:
        yield platform


@pytest.fixture(scope="module")
def said(platform: Platform) -> str:
    """What a run says that takes in nothing but such files, and computes the graph from them."""
    platform.land("user_events_header.csv", EVENTS)
    platform.land("tracks_header.csv", TRACKS)
    platform.land("user_events_one.csv", EVENTS, ",t1,play,2026-01-01T10:00:00Z,s,web")
    platform.land("user_events_times.csv", EVENTS, *(f'u{i},t1,play,"05 Apr 2024, 11:50",s,web' for i in range(2)))
    platform.land("user_events_epoch.csv", EVENTS, *(f"u{i},t1,play,1712317800,s,web" for i in range(2)))
    platform.land("user_events_types.csv", EVENTS, *(f"u{i},t1,PLAYED\x1b,2026-01-01,s,web" for i in range(2)))
    platform.land("tracks_lengths.csv", TRACKS, *(f"t{i},Ann,First,3:20,jazz" for i in range(2)))
    result = platform.refresh()
    assert result.exit_code == 1
    return result.stderr


def files(platform: Platform) -> dict[str, dict[str, Any]]:
    return {row["file"]: row for row in json.loads(platform.succeed("status", "--json"))["landed"]}


def test_a_header_alone_is_taken_in_as_no_rows_with_a_warning(platform: Platform, said: str) -> None:
    for name in ("user_events_header.csv", "tracks_header.csv"):
        [warning] = [line for line in said.splitlines() if line.startswith("warning: ") and name in line]
        assert "check has_rows" in warning
        assert "a header and no rows" in warning
        file = files(platform)[name]
        assert (file["state"], file["rows"], file["in_graph"]) == ("passed", 0, 0)


@pytest.mark.parametrize("name", BAD)
def test_a_file_of_bad_rows_is_refused_with_the_reason_that_they_share_and_an_example(
    platform: Platform, said: str, name: str
) -> None:
    [line] = [line for line in said.splitlines() if line.startswith("spotify-graph: ") and name in line]
    rows, reason, example = BAD[name]
    assert f"check rejected_share: {rows.replace(' rows', '')} rows rejected (100.00%)" in line
    assert f"all for {reason}, such as '{example}'" in line
    assert files(platform)[name]["state"] == "refused"
    browsed = json.loads(platform.succeed("rejects", "--file", name, "--json"))
    assert len(browsed) == files(platform)[name]["rows"]
    assert all(reason in row["reasons"] for row in browsed)


def test_the_graph_of_nothing_is_empty_and_every_asset_is_there(platform: Platform, said: str) -> None:
    lake = Lake(platform.home / "lake")
    for asset in ("cleaned_tracks", "interactions"):
        version = lake.latest(asset)
        assert version.rows == 0
        assert version.verdict is not None
        assert version.verdict.holds, version.verdict
    assert platform.ask("MATCH (n) WHERE NOT (n:_Publication OR n:_Model) RETURN count(n) AS nodes") == [{"nodes": 0}]


def test_models_of_nothing_say_why_and_crash_nowhere(platform: Platform, said: str) -> None:
    result = platform.run("materialize")
    assert result.exit_code == 1
    problems = [line for line in result.stderr.splitlines() if line.startswith("spotify-graph: ")]
    assert [line for line in problems if not any(name in line for name in BAD)] == []
