"""What `materialize` says and needs while it takes files in: raw and cleaned assets alone, on a small log."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from neo4j import Driver

from spotify_graph import runs
from spotify_graph.automation.tags import CODE_TAG, DIGEST_TAG, FILE_TAG
from spotify_graph.definitions import build_defs
from spotify_graph.lake.intake import judging_code
from spotify_graph.lake.lake import Lake
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.resources import neo4j as resource
from spotify_graph.resources.neo4j import PlatformNeo4j
from spotify_graph.settings import Settings
from spotify_graph.transforms.landed_files import TRACKS as LANDED_TRACKS
from spotify_graph.transforms.landed_files import USER_EVENTS
from spotify_graph.transforms.landing import digest
from spotify_graph_tests.edited import an_edit  # noqa: F401 the fixture `edit`
from spotify_graph_tests.platform import Platform, without_a_graph

FILES = ("materialize", "--select", "group:raw or group:cleaned")
TRACKS = "track_id,artist,album,duration_ms,genre"
PLAYS = [f"u1,t1,play,2026-01-01T10:00:{second:02}Z,s,web" for second in range(30)]
"""So many that one bad row among them is tolerable."""
HEADER = "user_id,track_id,event_type,event_ts,session_id,device"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A log with a catalogue and a file that can't be read."""
    with without_a_graph(tmp_path_factory.mktemp("taking_in")) as platform:
        platform.land("tracks.csv", TRACKS, "t1,Ann,,,jazz")
        platform.land("user_events.csv", HEADER, "u1,t1,play,2026-01-01T10:00:00Z,s,web")
        platform.land("user_events_bad.csv", "no,header")
        yield platform


def test_the_count_of_what_is_done_reaches_its_total_where_a_file_is_refused_and_no_server_is_asked_for(
    platform: Platform,
) -> None:
    result = platform.run(*FILES)
    assert result.exit_code == 1
    assert "user_events_bad.csv: check file_readable" in result.stderr
    counts = [line[1:6].split("/") for line in result.stderr.splitlines() if line.startswith("[")]
    # One catalogue file, two of events with three assets each, and three assets of all files.
    assert counts[-1] == ["10", "10"]
    assert {total for _, total in counts} == {"10"}


def test_a_run_of_the_command_says_which_content_of_which_file_it_takes_in(platform: Platform) -> None:
    with runs.instance(Settings.load()) as instance:
        found = {run.tags.get(FILE_TAG): run.tags for run in instance.get_runs()}
    assert set(found) == {None, "tracks.csv", "user_events.csv", "user_events_bad.csv"}
    for table, file in {USER_EVENTS: "user_events.csv", LANDED_TRACKS: "tracks.csv"}.items():
        assert found[file][DIGEST_TAG] == digest(platform.landing / file)
        assert found[file][CODE_TAG] == judging_code(table, Settings.load())


def test_an_asset_of_the_graph_asks_for_the_server_before_anything_is_taken_in(platform: Platform) -> None:
    result = platform.run("materialize", "--select", "genre_nodes")
    assert result.exit_code == 1
    assert "Neo4j at bolt://127.0.0.1:1 can't be reached" in result.stderr


def test_a_file_that_was_taken_in_before_a_reason_was_known_counts_none_of_it(platform: Platform) -> None:
    version = Lake(platform.home / "lake").latest("raw_tracks/tracks.csv")
    counts = {name: count for name, count in version.record.counts.items() if name != "bad_duration_ms"}
    version.but(counts=counts)
    platform.land("tracks_2.csv", TRACKS, "t2,Bob,,,rock", "t3,Bob,,much,rock")
    assert platform.run("materialize", "--select", "key:raw_tracks or key:cleaned_tracks").exit_code == 1
    platform.land("tracks_2.csv", TRACKS, "t2,Bob,,,rock")
    platform.succeed("materialize", "--select", "key:raw_tracks or key:cleaned_tracks")
    assert platform.assets()["cleaned_tracks"]["rows"] == 2


def test_a_changed_rule_makes_files_stale_and_has_them_taken_in_again_also_one_that_has_left_the_folder(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, edit: Callable[[str], None]
) -> None:
    platform.land("user_events_left.csv", HEADER, "u2,t1,play,2020-01-01T10:00:00Z,s,web", *PLAYS)
    platform.land("tracks_left.csv", TRACKS, "t9,Eve,,,pop")
    platform.run(*FILES)
    for name in ("user_events_left.csv", "tracks_left.csv"):
        (platform.landing / name).unlink()
    before = states(platform)
    assert set(before.values()) == {("passed", 0), ("refused", None)}
    platform.run(*FILES)
    assert states(platform) == before

    edit("spotify_graph.transforms.cleaning")
    monkeypatch.setattr("spotify_graph.transforms.cleaning._EARLIEST", "2026-01-01 00:00:00")
    assert {state for state, _ in states(platform).values()} == {"stale"}
    platform.run(*FILES)
    after = states(platform)
    assert after == before | {"user_events_left.csv": ("passed", 1)}
    assert "u2" not in platform.rows("interactions")["user_id"].to_pylist()
    platform.run(*FILES)
    assert states(platform) == after


def states(platform: Platform) -> dict[str, tuple[str, int | None]]:
    """The state of each file, and how many of its rows are rejected."""
    landed = json.loads(platform.succeed("status", "--json"))["landed"]
    return {file["file"]: (file["state"], file["rejected"]) for file in landed}


def test_a_run_connects_to_neo4j_once(
    platform: Platform, local_neo4j: LocalNeo4j, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEO4J_URI", str(local_neo4j.status().uri))
    monkeypatch.setenv("NEO4J_PASSWORD", local_neo4j.password().get_secret_value())
    connected = []
    connect = resource.connect

    @contextmanager
    def counted(settings: Settings, *more: object) -> Iterator[Driver]:
        connected.append(settings.neo4j_uri)
        with connect(settings) as driver:
            yield driver

    monkeypatch.setattr(resource, "connect", counted)

    @dg.asset(name="genre_nodes", io_manager_key="neo4j_io_manager", output_required=False)
    def asset(neo4j: PlatformNeo4j) -> Iterator[dg.Output[None]]:
        neo4j.driver.verify_connectivity()
        yield from ()

    assert dg.materialize([asset], resources=build_defs().resources).success
    assert len(connected) == 1
