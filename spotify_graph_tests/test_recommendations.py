"""When models are trained, published and kept, the whole way from landed files to what is served."""

import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest
from click.testing import Result
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from neo4j import Driver
from pyspark.sql import SparkSession

from spotify_graph import runs
from spotify_graph.definitions import build_defs
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
from spotify_graph.training import evaluate
from spotify_graph_tests.platform import Platform, installed
from spotify_graph_tests.spelling import misspelt

QUICK: dict[str, Any] = {"tune": False, "served_users": 10, "recommended": 20}
"""Short lists: each is loaded and removed several times."""
GOOD: dict[str, Any] = {**QUICK, "rank": 8, "iterations": 4, "neighbours": 20, "similar_users": 10}
WORSE: dict[str, Any] = {
    **QUICK,
    "rank": 1,
    "iterations": 1,
    "neighbours": 1,
    "history_cap": 2,
    "similar_users": 1,
    "prior": 1e9,
    "popularity_half_life_days": 1,
}
"""Nothing but who is popular today."""


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver, spark: SparkSession
) -> Iterator[Platform]:
    """Small sample data, with its models trained."""
    with installed(tmp_path_factory.mktemp("recommendations"), local_neo4j, neo4j_driver, recommender=GOOD) as platform:
        sample = ["--tracks", "300", "--users", "150", "--events", "20000", "--seed", "4", "--end", "2026-01-01"]
        platform.succeed("generate", *sample)
        platform.succeed("materialize")
        yield platform


def version(platform: Platform) -> str:
    [row] = platform.ask("MATCH (m:_Model {name: 'recommendations'}) RETURN m.version AS version")
    return str(row["version"])


def versions_in_graph(platform: Platform) -> set[str]:
    return {row["model"] for row in platform.ask("MATCH ()-[r]->() RETURN DISTINCT r.model AS model") if row["model"]}


def publish_worse() -> dg.ExecuteInProcessResult:
    keys = [dg.AssetKey(name) for name in ("similar_track_edges", "similar_user_edges", "recommended_edges")]
    with runs.instance(Settings.load()) as instance:
        return (
            build_defs()
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=instance,
                asset_selection=keys,
                run_config={"ops": {"recommender_model": {"config": {"publish_worse": True}}}},
            )
        )


def test_a_model_is_published_whole_and_alone(platform: Platform) -> None:
    assert versions_in_graph(platform) == {version(platform)}
    assets = platform.assets()
    for name in ("similar_track_edges", "similar_user_edges", "recommended_edges"):
        assert assets[name]["rows"] == assets[name]["inserted"] > 0


OF_THE_RUN = {"inserted", "changed", "deleted", "seconds"}
"""What a page says of the latest run, and not of what there is."""


def test_a_second_run_trains_nothing_and_every_page_shows_what_it_did_and_since_when(platform: Platform) -> None:
    before, pages, began = version(platform), shown(platform), time.time()
    assert {"picture", "report"} <= set(pages["recommendation_evaluation"])
    assert out_of_sync() == {}
    platform.succeed("materialize")
    assert version(platform) == before
    assert platform.written() == {}
    for asset, page in shown(platform).items():
        since = page.pop("unchanged since")
        assert since.value < began, asset
        was = {name: value for name, value in pages[asset].items() if name not in OF_THE_RUN}
        assert {name: value for name, value in page.items() if name not in OF_THE_RUN} == was
    assert out_of_sync() == {}


def shown(platform: Platform) -> dict[str, dict[str, Any]]:
    """What the page of each asset of all files shows that a run computes."""
    pages = {}
    with runs.instance(Settings.load()) as instance:
        for key in build_defs().resolve_asset_graph().materializable_asset_keys:
            event = instance.get_latest_materialization_event(key)
            assert event is not None
            assert event.asset_materialization is not None
            if not event.asset_materialization.partition:
                pages[key.to_user_string()] = dict(event.asset_materialization.metadata)
    return pages


def out_of_sync() -> dict[str, list[str]]:
    """The assets that Dagster takes for stale, by file where they are by file, and why."""
    graph, found = build_defs().resolve_asset_graph(), {}
    with runs.instance(Settings.load()) as instance:
        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        for key in graph.get_all_asset_keys():
            asset = graph.get(key)
            files = asset.partitions_def
            for partition in files.get_partition_keys(dynamic_partitions_store=instance) if files else [None]:
                if resolver.get_status(key, partition) != StaleStatus.FRESH:
                    causes = resolver.get_stale_causes(key, partition)
                    found[f"{key.to_user_string()} {partition}"] = [cause.reason for cause in causes]
    return found


def test_evaluate_shows_the_table_of_what_was_measured(platform: Platform) -> None:
    result = platform.run("evaluate")
    assert result.exit_code == 0
    assert "Held out: " in result.stderr
    for ranker in ("combination", "factors", "oracle", "served", "own history", "random"):
        assert ranker in result.stdout


def warnings(result: Result) -> list[str]:
    """What a run that succeeded warns of."""
    assert result.exit_code == 0, result.output
    return [line for line in result.stderr.splitlines() if line.startswith("warning: ")]


def test_what_somebody_deletes_of_a_model_is_restored_without_training(platform: Platform) -> None:
    before = version(platform)
    relationships = "MATCH (t:Track {track_id: $track})-[r:SIMILAR_TO|RECOMMENDED]-() RETURN count(r) AS number"
    [track] = platform.ask("MATCH (t:Track)<-[r:RECOMMENDED]-() RETURN t.track_id AS track LIMIT 1")
    [there] = platform.ask(relationships, **track)
    platform.ask("MATCH (t:Track {track_id: $track}) DETACH DELETE t", **track)
    # What was deleted with a node comes back with it, also where no model is asked for.
    [warning] = warnings(platform.run("materialize", "--select", "track_nodes"))
    assert warning.startswith("warning: track_nodes, check untouched: the graph was changed by someone else: 1 Track ")
    assert " SIMILAR_TO relationships deleted, e.g. " in warning
    assert " RECOMMENDED relationship" in warning
    assert platform.ask(relationships, **track) == [there]

    platform.ask("MATCH ()-[r:SIMILAR_USER]->() WITH r LIMIT 3 DELETE r")
    told = "similar_user_edges, check untouched: the graph was changed by someone else: 3 SIMILAR_USER "
    assert any(line.startswith(f"warning: {told}") for line in warnings(platform.run("materialize")))
    assert version(platform) == before
    assert platform.assets()["similar_user_edges"]["inserted"] == 3


def test_a_table_of_a_model_that_lost_relationships_with_their_nodes_is_written_anew(platform: Platform) -> None:
    before = version(platform)
    platform.ask("MATCH ()-[r:SIMILAR_USER]->() WITH r LIMIT 3 DELETE r")
    platform.ask("MATCH (p:_Publication {asset: 'similar_user_edges'}) SET p.status = 'disturbed'")
    platform.succeed("materialize")
    assert version(platform) != before
    assert versions_in_graph(platform) == {version(platform)}


def test_models_whose_publication_failed_are_published_by_the_next_run_without_being_trained_again(
    platform: Platform,
) -> None:
    before = version(platform)
    of_users = "MATCH (p:_Publication {asset: 'user_nodes'})"
    [verified] = platform.ask(f"{of_users} RETURN p.verified_at AS at")
    platform.ask("MATCH (p:_Publication {asset: 'similar_user_edges'}) SET p.status = 'disturbed'")
    platform.ask(f"{of_users} REMOVE p.verified_at")
    recommend = ("materialize", "--select", "group:recommendations")
    failed = platform.run(*recommend)
    assert failed.exit_code == 1
    assert "recommender_model.publish: similar_user_edges needs user_nodes" in failed.stderr
    assert version(platform) == before
    staged = set((platform.home / "lake" / "graph" / "similar_user_edges").iterdir())

    platform.ask(f"{of_users} SET p.verified_at = $at", **verified)
    platform.succeed(*recommend)
    assert version(platform) != before
    assert versions_in_graph(platform) == {version(platform)}
    assert set((platform.home / "lake" / "graph" / "similar_user_edges").iterdir()) == staged


def test_a_loaded_table_that_is_not_active_cannot_be_read(platform: Platform) -> None:
    assert platform.rows("similar_user_edges").num_rows > 0
    ledger = "MATCH (p:_Publication {asset: 'similar_user_edges'})"
    platform.ask(f"{ledger} SET p.status = 'loaded'")
    with pytest.raises(FileNotFoundError, match="no publication of similar_user_edges is finished"):
        platform.rows("similar_user_edges")
    platform.ask(f"{ledger} SET p.status = 'published'")


def test_a_model_that_is_worse_than_the_published_one_is_not_published_unless_asked_for(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = version(platform)
    monkeypatch.setenv("SPOTIFY_GRAPH_RECOMMENDER", json.dumps(WORSE))
    result = platform.run("materialize")
    assert result.exit_code == 0
    assert "recommendation_evaluation, check not_worse: NDCG@100" in result.stderr
    assert "the published model is kept" in result.stderr
    assert version(platform) == before
    assert versions_in_graph(platform) == {before}
    # Asking again changes nothing.
    platform.succeed("materialize")
    assert version(platform) == before

    assert publish_worse().success
    assert version(platform) != before
    assert versions_in_graph(platform) == {version(platform)}

    # What is better than the published one takes its place.
    monkeypatch.setenv("SPOTIFY_GRAPH_RECOMMENDER", json.dumps(GOOD))
    worse = version(platform)
    platform.succeed("materialize")
    assert version(platform) != worse


def test_parameters_that_a_search_found_are_kept_for_a_week_of_new_events(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_RECOMMENDER", json.dumps({"served_users": 1, "rank": 8, "iterations": 2}))
    # That the search finds what is best has tests of its own.
    monkeypatch.setattr(evaluate, "STEPS", [("factors", "rank", (4, 8))])

    def found() -> tuple[str, dict[str, Any]]:
        platform.succeed("materialize", "--select", "group:raw or group:cleaned")
        result = platform.run("evaluate", "--json")
        assert result.exit_code == 0
        assert misspelt(json.loads(result.stdout)) is None
        return result.stderr, json.loads(result.stdout)["about"]

    _, first = found()
    assert any(trial["parameter"] for trial in first["trials"])
    day = date.fromisoformat(first["searched_before"])
    platform.land("user_events_later.csv", HEADER, f"u,t,play,{day + timedelta(days=5)}T10:00:00Z,s,web")
    said, second = found()
    assert f"parameters as found on the events before {day}" in said
    assert second["parameters"] == first["parameters"]
    assert second["searched_before"] == str(day)
    assert not any(trial["parameter"] for trial in second["trials"])


HEADER = "user_id,track_id,event_type,event_ts,session_id,device"


@pytest.fixture(scope="module")
def one_day(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver, spark: SparkSession
) -> Iterator[Platform]:
    """Logs of one day, with models trained on them. It takes the graph over."""
    cheap = {"rank": 2, "iterations": 1}
    with installed(tmp_path_factory.mktemp("one_day"), local_neo4j, neo4j_driver, recommender=cheap) as platform:
        platform.land("tracks.csv", "track_id,artist,album,duration_ms,genre", *(f"t{i},Ann,,,jazz" for i in range(6)))
        plays = (f"u{i % 4},t{i % 5},play,2026-01-01T10:{i:02}:00Z,s,web" for i in range(19))
        platform.land("user_events.csv", HEADER, *plays)
        platform.succeed("materialize")
        yield platform


def test_logs_of_too_few_days_to_hold_any_out_get_models_and_no_evaluation(one_day: Platform) -> None:
    assert len(one_day.ask("MATCH (:User)-[r:RECOMMENDED]->() RETURN r")) > 0
    result = one_day.run("evaluate")
    assert result.exit_code == 1
    assert "too few" in result.stderr


def test_what_the_models_say_of_a_forgotten_file_goes_with_it(one_day: Platform) -> None:
    plays = (f"newcomer,t{i},play,2026-01-01T11:{i:02}:00Z,s,web" for i in range(3))
    one_day.land("user_events_more.csv", HEADER, *plays)
    one_day.succeed("materialize")
    told = "MATCH (:User {user_id: 'newcomer'})-[r]->() WHERE r.model IS NOT NULL RETURN count(r) > 0 AS it"
    assert one_day.ask(told) == [{"it": True}]
    before = version(one_day)
    one_day.succeed("forget", "user_events_more.csv")
    assert one_day.ask("MATCH (n:User {user_id: 'newcomer'}) RETURN n") == []
    assert version(one_day) != before
    assert versions_in_graph(one_day) == {version(one_day)}
