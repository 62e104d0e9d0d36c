"""What the gates keep out of the graph, in the run that finds it and in every later one, and how a person goes on."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from neo4j import Driver

from spotify_graph import runs
from spotify_graph.definitions import build_defs
from spotify_graph.lake.lake import Lake
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
from spotify_graph_tests.platform import Platform, installed

TRACKS = ("track_id,artist,album,duration_ms,genre", *(f"t{i},Ann,First,180000,jazz" for i in range(10)))
HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
BAD_LINE = ",t1,dance,never,s,web"


def plays(user: str, count: int) -> list[str]:
    """So many plays of a user, each of another track or at another time."""
    return [f"{user},t{i % 10},play,2026-01-01T{i // 60:02}:{i % 60:02}:00Z,s,web" for i in range(count)]


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[Platform]:
    with installed(tmp_path_factory.mktemp("gates"), local_neo4j, neo4j_driver) as platform:
        platform.land("tracks.csv", *TRACKS)
        platform.land("user_events_1.csv", HEADER, *plays("u1", 40))
        platform.land("user_events_2.csv", HEADER, *plays("u2", 30))
        platform.land("user_events_3.csv", HEADER, *plays("u3", 30))
        yield platform


def users(platform: Platform) -> list[str]:
    return [row["id"] for row in platform.ask("MATCH (u:User) RETURN u.user_id AS id ORDER BY id")]


def plays_in_graph(platform: Platform) -> int:
    [row] = platform.ask("MATCH ()-[r:PLAYED]->() RETURN coalesce(sum(r.count), 0) AS plays")
    return int(row["plays"])


def files(platform: Platform) -> dict[str, dict[str, Any]]:
    return {row["file"]: row for row in json.loads(platform.succeed("status", "--json"))["landed"]}


def run_job(job: str) -> dg.ExecuteInProcessResult:
    with runs.instance(Settings.load()) as instance:
        return build_defs().resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)


def test_a_file_that_a_gate_refuses_stays_out_says_so_and_holds_up_no_other(platform: Platform) -> None:
    platform.land("user_events_bad_header.csv", "who,what", "u8,t8")
    platform.land("user_events_dirty.csv", HEADER, *plays("u9", 9), BAD_LINE)
    platform.land("user_events 4.csv", HEADER, *plays("u4", 1))
    platform.land("User_Events.csv", HEADER, *plays("u4", 1))
    platform.land("user_events_5.csv.part", HEADER, *plays("u5", 1))
    result = platform.refresh()
    assert result.exit_code == 1
    assert users(platform) == ["u1", "u2", "u3"]
    assert plays_in_graph(platform) == 100
    for file, words in {
        "user_events_bad_header.csv": ["file_readable", "missing: user_id"],
        "user_events_dirty.csv": ["rejected_share", "1 of 10 rows rejected (10.00%)", "5.00%"],
        "user_events 4.csv": ["rename it"],
    }.items():
        [line] = [line for line in result.stderr.splitlines() if file in line and line.startswith("spotify-graph: ")]
        assert all(word in line for word in words), line
    assert "User_Events.csv is not taken in: rename it: what is taken in is tracks*.csv and " in result.stderr
    states = {file: row["state"] for file, row in files(platform).items()}
    assert states == {
        "tracks.csv": "passed",
        **dict.fromkeys(("user_events_1.csv", "user_events_2.csv", "user_events_3.csv"), "passed"),
        "user_events_bad_header.csv": "refused",
        "user_events_dirty.csv": "refused",
        "user_events 4.csv": "invalid name",
        "User_Events.csv": "unmatched",
    }


def test_what_is_held_back_is_said_again_by_the_next_run_and_not_taken_in_again(platform: Platform) -> None:
    result = platform.refresh()
    assert result.exit_code == 1
    assert "user_events_dirty.csv" in result.stderr
    assert "raw_user_events" not in result.stderr
    assert platform.written() == {}


def test_a_refused_files_rejected_rows_are_shown_and_a_corrected_one_clears_them(platform: Platform) -> None:
    shown = json.loads(platform.succeed("rejects", "--json"))
    assert [(row["file"], row["line"], row["raw"]) for row in shown] == [("user_events_dirty.csv", 11, BAD_LINE)]
    platform.land("user_events_dirty.csv", HEADER, *plays("u9", 9))
    for name in ("user_events_bad_header.csv", "user_events 4.csv"):
        (platform.landing / name).unlink()
    assert platform.refresh().exit_code == 0
    assert json.loads(platform.succeed("rejects", "--json")) == []
    assert users(platform) == ["u1", "u2", "u3", "u9"]
    assert files(platform)["user_events_dirty.csv"]["state"] == "passed"


def test_a_refused_replacement_leaves_the_last_good_content_in_the_graph(platform: Platform) -> None:
    platform.land("user_events_dirty.csv", HEADER, *plays("u9", 5), BAD_LINE)
    assert platform.refresh().exit_code == 1
    assert "u9" in users(platform)
    file = files(platform)["user_events_dirty.csv"]
    assert (file["state"], file["in_graph"]) == ("refused", 9)
    version = Lake(platform.home / "lake").latest("cleaned_events/user_events_dirty.csv")
    platform.succeed("accept", version.name, "--because", "the partner confirmed it")
    assert plays_in_graph(platform) == 105
    assert files(platform)["user_events_dirty.csv"]["state"] == "accepted"


def test_a_sudden_drop_stops_before_the_graph_whoever_asks_until_it_is_accepted(platform: Platform) -> None:
    before = plays_in_graph(platform)
    platform.land("user_events_1.csv", HEADER, *plays("u1", 4))
    result = platform.refresh()
    assert result.exit_code == 1
    assert "check no_drop: 69 events, 105 at the last publication" in result.stderr
    assert plays_in_graph(platform) == before

    alone = platform.run("materialize", "--select", "played_edges")
    assert alone.exit_code == 1
    [line] = [line for line in alone.stderr.splitlines() if line.startswith("spotify-graph: played_edges")]
    version = Lake(platform.home / "lake").latest("interactions").name
    assert all(word in line for word in ("interactions", version, "check no_drop", "checks of interactions"))
    assert not run_job("retrain").success, "a full recomputation finds the same"
    assert plays_in_graph(platform) == before

    assert platform.run("accept", "no-such-version", "--because", "why not").exit_code == 1
    version = Lake(platform.home / "lake").latest("interactions").name
    platform.succeed("accept", version, "--because", "u1 asked for it")
    assert plays_in_graph(platform) == 69
    verdict = Lake(platform.home / "lake").latest("interactions").verdict
    assert verdict is not None
    assert verdict.accepted is not None
    assert verdict.accepted.because == "u1 asked for it"


def test_what_the_gates_were_not_run_on_to_the_end_is_seen_by_nobody(platform: Platform) -> None:
    lake = Lake(platform.home / "lake")
    before = lake.latest("interactions")
    # As a run leaves it that is killed between its rows and its gates.
    lake.write_table("interactions", before.part.read().slice(1))
    assert lake.latest("interactions") == before
    platform.succeed("materialize", "--select", "played_edges")
    assert plays_in_graph(platform) == 69


def test_relationships_are_not_published_on_nodes_that_were_not_verified(platform: Platform) -> None:
    platform.ask("MATCH (p:_Publication {asset: 'user_nodes'}) REMOVE p.verified_at")
    result = platform.run("materialize", "--select", "played_edges")
    assert result.exit_code == 1
    assert "played_edges needs user_nodes, whose check equals_snapshot has not passed" in result.stderr
    assert platform.refresh().exit_code == 0


def test_reconciliation_finds_what_was_changed_by_hand_and_repairs_it(platform: Platform) -> None:
    platform.ask("MATCH (:User {user_id: 'u1'})-[r:PLAYED]->() WITH r LIMIT 1 SET r.count = 1000")
    platform.ask("MATCH (:User {user_id: 'u2'})-[r:PLAYED]->() WITH r LIMIT 1 DELETE r")
    assert plays_in_graph(platform) > 1000
    assert run_job("reconcile").success
    assert plays_in_graph(platform) == 69


def test_what_forget_takes_out_is_no_alarm_and_stays_out_while_it_lies_there(platform: Platform) -> None:
    said = platform.succeed("forget", "user_events_2.csv")
    assert "30 good rows" in said
    assert "user_nodes: 1 deleted" in said
    assert plays_in_graph(platform) == 39
    assert "u2" not in users(platform)
    assert files(platform)["user_events_2.csv"]["state"] == "forgotten"
    result = platform.refresh()
    assert (result.exit_code, plays_in_graph(platform)) == (0, 39)
    assert "user_events_2.csv: it was forgotten on purpose" in result.stderr
    assert platform.run("forget", "user_events_2.csv").exit_code == 1

    (platform.landing / "user_events_2.csv").unlink()
    assert platform.refresh().exit_code == 0
    platform.land("user_events_2.csv", HEADER, *plays("u2", 30))
    assert platform.refresh().exit_code == 0
    assert plays_in_graph(platform) == 69


def test_where_nothing_lies_that_can_be_taken_in_the_exit_code_says_so_and_the_rest_is_named(
    platform: Platform,
) -> None:
    for file in list(platform.landing.iterdir()):
        file.rename(platform.home / file.name)
    assert platform.run("materialize", "--select", "raw_user_events").exit_code == 0
    (platform.landing / "2024").mkdir()
    platform.land("2024/events_6.csv", HEADER, *plays("u6", 1))
    platform.land("events.csv", HEADER, *plays("u6", 1))
    result = platform.run("materialize", "--select", "raw_user_events")
    assert result.exit_code == 1
    assert "spotify-graph: events.csv is not taken in: rename it: what is taken in is tracks*.csv" in result.stderr
    assert "spotify-graph: 2024/ is not taken in: rename what is to be taken in (events_6.csv)" in result.stderr
    states = {file: row["state"] for file, row in files(platform).items()}
    assert (states["events.csv"], states["2024/"]) == ("unmatched", "unmatched")
    platform.land("user_events_6.csv", HEADER, *plays("u6", 1))
    assert platform.run("materialize", "--select", "raw_user_events").exit_code == 0
