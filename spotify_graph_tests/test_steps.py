"""A table of the graph is staged by one step of a run and published by the next: which of them failed can be told."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster import DagsterEventType
from neo4j import Driver

from spotify_graph import runs
from spotify_graph.definitions import build_defs
from spotify_graph.graph_model import FACTS
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
from spotify_graph_tests.platform import Platform, installed

HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
USERS = 10


@pytest.fixture
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[Platform]:
    """The graph of a few plays, one for each user."""
    with installed(tmp_path_factory.mktemp("steps"), local_neo4j, neo4j_driver) as platform:
        platform.land("tracks.csv", "track_id,artist,album,duration_ms,genre", "t0,Ann,,,jazz")
        platform.land("user_events.csv", HEADER, *(play(f"u{i}", i) for i in range(USERS)))
        assert platform.refresh().exit_code == 0
        yield platform


def play(user: str, minute: int) -> str:
    return f"{user},t0,play,2026-01-01T10:{minute:02}:00Z,s,web"


def latest_events() -> list[dg.DagsterEvent]:
    """What happened in the latest run."""
    with runs.instance(Settings.load()) as instance:
        [run] = instance.get_runs(limit=1)
        return [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]


def steps(events: list[dg.DagsterEvent], what: DagsterEventType) -> list[str]:
    """The steps of which something happened, in their order."""
    return [str(it.step_key) for it in events if it.event_type == what]


def snapshots(platform: Platform, asset: str) -> set[str]:
    return {path.name for path in (platform.home / "lake" / "graph" / asset).iterdir() if path.is_dir()}


def refresh_graph() -> dg.JobDefinition:
    """The job, for who executes it as the UI does."""
    return build_defs().resolve_job_def("refresh_graph")


def test_a_run_shows_of_each_table_how_it_is_staged_and_then_published(platform: Platform) -> None:
    events = latest_events()
    ended = steps(events, DagsterEventType.STEP_SUCCESS)
    for table in FACTS:
        assert ended.index(f"{table.asset}.stage") < ended.index(f"{table.asset}.publish")
    checked = {
        (it.step_key, it.asset_check_evaluation_data.check_name)
        for it in events
        if it.event_type == DagsterEventType.ASSET_CHECK_EVALUATION
    }
    assert {it for it in checked if str(it[0]).startswith("user_nodes.")} == {
        ("user_nodes.stage", "keys_unique"),
        ("user_nodes.stage", "no_drop"),
        ("user_nodes.publish", "equals_snapshot"),
        ("user_nodes.publish", "untouched"),
    }


def test_a_publication_that_failed_is_executed_again_without_staging_anything(platform: Platform) -> None:
    platform.land("user_events_more.csv", HEADER, play("u0", 30))
    platform.succeed("materialize", "--select", "group:raw or group:cleaned or group:nodes")
    of_users = "MATCH (p:_Publication {asset: 'user_nodes'})"
    [verified] = platform.ask(f"{of_users} RETURN p.verified_at AS at")
    platform.ask(f"{of_users} REMOVE p.verified_at")

    job = dg.reconstructable(refresh_graph)
    played = [dg.AssetKey("played_edges")]
    with runs.instance(Settings.load()) as instance, dg.execute_job(job, instance, asset_selection=played) as failed:
        assert not failed.success
        run_id = failed.run_id
    assert steps(latest_events(), DagsterEventType.STEP_SUCCESS) == ["played_edges.stage"]
    assert steps(latest_events(), DagsterEventType.STEP_FAILURE) == ["played_edges.publish"]
    staged = snapshots(platform, "played_edges")
    times = "MATCH (:User {user_id: 'u0'})-[r:PLAYED]->() RETURN r.count AS count"
    assert platform.ask(times) == [{"count": 1}]

    platform.ask(f"{of_users} SET p.verified_at = $at", **verified)
    with runs.instance(Settings.load()) as instance:
        from_failure = dg.ReexecutionOptions.from_failure(run_id, instance)
        with dg.execute_job(job, instance, reexecution_options=from_failure) as again:
            assert again.success
    assert steps(latest_events(), DagsterEventType.STEP_START) == ["played_edges.publish"]
    assert snapshots(platform, "played_edges") == staged
    assert platform.ask(times) == [{"count": 2}]


def test_what_a_gate_refuses_is_not_published_and_what_others_changed_is_mended_all_the_same(
    platform: Platform,
) -> None:
    # As many events, of far fewer users.
    platform.land("user_events.csv", HEADER, *(play("u0", i) for i in range(USERS)))
    platform.ask("MATCH (u:User {user_id: 'u5'}) DETACH DELETE u")
    result = platform.refresh()
    assert result.exit_code == 1
    assert "user_nodes, check no_drop: 1 User nodes, 10 at the last publication" in result.stderr
    assert "warning: user_nodes, check untouched: the graph was changed by someone else: 1 User node" in result.stderr
    events = latest_events()
    assert "user_nodes.stage" in steps(events, DagsterEventType.STEP_FAILURE)
    assert "user_nodes.publish" not in steps(events, DagsterEventType.STEP_START)
    assert platform.ask("MATCH (u:User) RETURN count(u) AS users") == [{"users": USERS}]
