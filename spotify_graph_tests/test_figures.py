"""What a monitor reads: the platform's figures as JSON and for Prometheus, and what runs did as JSON lines."""

import json
import logging
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from neo4j import Driver
from prometheus_client.parser import text_string_to_metric_families

from spotify_graph import figures, logs
from spotify_graph.graph_model import FACTS
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
from spotify_graph_tests.few_plays import HEADER, TRACKS, event
from spotify_graph_tests.platform import Platform, installed, without_a_graph

REFUSED = "user_events_2.csv"


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[Platform]:
    """An installation with a file of each fate: taken in, refused, and landed since."""
    with (
        pytest.MonkeyPatch.context() as patch,
        installed(tmp_path_factory.mktemp("monitored"), local_neo4j, neo4j_driver, stale_warn_hours=1e9) as platform,
    ):
        patch.setenv("SPOTIFY_GRAPH_LOG_FORMAT", "json")
        platform.land("tracks.csv", *TRACKS)
        good = [
            event("u1", "t1", "play"),
            event("u1", "t1", "play"),
            *(event(f"u{n}", "t0", "like") for n in range(40)),
        ]
        platform.land("user_events_1.csv", HEADER, *good, "no event")
        platform.land(REFUSED, "no,header")
        assert platform.refresh().exit_code == 1, "a file is refused"
        platform.land("user_events_3.csv", HEADER, event("u3", "t1", "play"))
        yield platform


def samples(page: str) -> dict[str, float]:
    """The samples of a page, by name and labels."""
    return {
        f"{it.name}{list(it.labels.values()) or ''}": it.value
        for family in text_string_to_metric_families(page)
        for it in family.samples
    }


def test_the_figures_say_what_waits_what_is_refused_how_many_rows_and_what_is_published(platform: Platform) -> None:
    shown = json.loads(platform.succeed("status", "--json"))["figures"]
    assert (shown["files_waiting"], shown["files_refused"], shown["problems"]) == (1, 1, [])
    assert {state: count for state, count in shown["files"].items() if count} == {"new": 1, "passed": 2, "refused": 1}
    tracks = len(TRACKS) - 1
    events = {"rows_read": 43, "cleaned": 41, "duplicates": 1, "rejected": 1}
    assert shown["rows"] == {**events, "rows_read": 43 + tracks, "cleaned": 41 + tracks}
    assert shown["verified"] is True
    assert shown["model"] is None
    assert 0 <= shown["publication_age_seconds"] < 600
    assert {it["table"] for it in shown["tables"]} == {table.asset for table in FACTS}
    users = next(it for it in shown["tables"] if it["table"] == "user_nodes")
    assert (users["rows"], users["status"]) == (40, "published")
    assert users["published_at"] == max(it["published_at"] for it in shown["tables"] if it["table"] == "user_nodes")
    assert users["verified_at"] is not None


def test_the_page_for_prometheus_has_the_same(platform: Platform) -> None:
    found = samples(platform.succeed("status", "--prometheus"))
    expected = {
        "spotify_graph_files_waiting": 1,
        "spotify_graph_files_refused": 1,
        "spotify_graph_files['passed']": 2,
        "spotify_graph_file_rows['rejected']": 1,
        "spotify_graph_table_rows['user_nodes']": 40,
        "spotify_graph_table_in_sync['user_nodes']": 1,
        "spotify_graph_verified": 1,
        "spotify_graph_problems": 0,
    }
    assert {name: found[name] for name in expected} == expected
    published = found["spotify_graph_table_published_timestamp_seconds['user_nodes']"]
    assert 0 <= datetime.now(UTC).timestamp() - published < 600
    assert platform.run("status", "--prometheus", "--json").exit_code == 2


def test_what_can_not_be_asked_is_counted_and_the_rest_is_told(tmp_path: Path) -> None:
    with without_a_graph(tmp_path) as away:
        away.land("tracks.csv", *TRACKS)
        found = figures.now(Settings.load())
        page = samples(figures.prometheus(found))
    [problem] = found.problems
    assert "can't be reached" in problem
    assert page["spotify_graph_problems"] == 1
    assert page["spotify_graph_files_waiting"] == 1
    assert "spotify_graph_verified" not in page


def test_a_page_is_kept_for_whoever_asks_again(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    page = figures.kept(Settings.load())
    first = page()
    with monkeypatch.context() as patch:
        patch.setattr(figures, "now", lambda _settings: pytest.fail("it is asked again"))
        assert page() == first
    monkeypatch.setattr(figures, "KEPT_SECONDS", -1)
    assert samples(page())["spotify_graph_files_waiting"] == 1


def test_each_event_of_a_run_is_a_line_with_run_asset_and_partition(platform: Platform) -> None:
    file = platform.home / "logs" / "runs.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert all({"time", "level", "logger", "message", "run_id", "job"} <= line.keys() for line in lines)
    made = {(it["asset"], it.get("partition")) for it in lines if it.get("event") == "ASSET_MATERIALIZATION"}
    assert {("raw_user_events", "user_events_1.csv"), ("raw_tracks", "tracks.csv"), ("user_nodes", None)} <= made
    [failed] = [it for it in lines if it.get("event") == "STEP_FAILURE"]
    assert (failed["asset"], failed["partition"], failed["level"]) == ("raw_user_events", REFUSED, "ERROR")
    assert "its header is not" in failed["error"]
    starts = [it for it in lines if it.get("event") == "STEP_START"]
    assert starts
    assert all(it["asset"] for it in starts)


def test_what_python_logs_is_a_line_of_the_same_form() -> None:
    record = logging.LogRecord("uvicorn", logging.WARNING, "file", 1, "%s is\nodd", ("this",), None)
    record.created = 0.5
    line = logs.JsonFormatter().format(record)
    assert "\n" not in line
    told = {"time": "1970-01-01T00:00:00.500Z", "level": "WARNING", "logger": "uvicorn", "message": "this is\nodd"}
    assert json.loads(line) == told
