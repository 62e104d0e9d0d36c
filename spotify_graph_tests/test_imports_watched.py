"""Exports that are dropped into a folder: the sensor and the job that import them, and what is said of the others."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spotify_graph.automation.exports import import_listening_histories, new_exports, take_lying
from spotify_graph.automation.landed import listed
from spotify_graph.automation.sensors import new_log_files
from spotify_graph.settings import Settings
from spotify_graph_tests.histories import ACCOUNT, PRIVATE, endsong, lines, listen, minute, write, zipped


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "home"))
    found = Settings.load()
    found.landing.mkdir(parents=True)
    return found


def tick(instance: dg.DagsterInstance, cursor: str | None) -> Any:
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    return new_exports(context)


def imported(settings: Settings) -> set[str]:
    return {path.name for path in settings.landing.glob("user_events-imported-*")}


def test_an_export_is_imported_once_it_is_complete_and_again_once_it_changes(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    write(settings.exports / "ann", {"endsong_0.json": [endsong("2024-03-01T12:00:00Z")]})
    zipped(settings.exports / "bob.zip", {"MyData/StreamingHistory0.json": [minute("2024-03-01 12:00")]})
    first = tick(instance, None)
    assert not first.run_requests
    assert "2 waiting to become stable" in first.skip_reason.skip_message
    second = tick(instance, first.cursor)
    requests = second.run_requests
    assert [it.run_config["ops"]["import_history"]["config"]["user"] for it in requests] == ["ann", "bob"]
    for request in requests:
        assert import_listening_histories.execute_in_process(run_config=request.run_config, instance=instance).success
    assert imported(settings) == {"user_events-imported-ann.csv", "user_events-imported-bob.csv"}
    third = tick(instance, second.cursor)
    assert not third.run_requests
    write(settings.exports / "ann", {"endsong_1.json": [endsong("2024-03-02T12:00:00Z")]})
    fourth = tick(instance, third.cursor)
    [again] = tick(instance, fourth.cursor).run_requests
    assert again.run_key not in {it.run_key for it in requests}


def test_the_job_says_what_was_taken_and_fails_where_a_file_is_refused_after_the_others(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    folder = write(
        settings.exports / "ann",
        {"endsong_0.json": [endsong("2024-03-01T12:00:00Z")], "endsong_1.json": '[{"ts": 1'},
    )
    config = {"ops": {"import_history": {"config": {"path": str(folder), "user": "ann"}}}}
    result = import_listening_histories.execute_in_process(run_config=config, instance=instance, raise_on_error=False)
    assert not result.success
    [failure] = result.get_step_failure_events()
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert data.description == "ann: endsong_1.json: broken JSON, or cut off"
    assert data.metadata["events"].value == 1
    assert imported(settings) == {"user_events-imported-ann.csv"}


def test_nothing_private_is_in_what_dagster_keeps_of_a_run(instance: dg.DagsterInstance, settings: Settings) -> None:
    folder = zipped(
        settings.exports / "ann" / f"listenbrainz_{ACCOUNT}_1713000000.zip",
        {"user.json": lines([{"username": ACCOUNT}]), "listens/2024/4.jsonl": lines([listen(1_713_000_000)])},
    ).parent
    write(folder, {"endsong_0.json": [endsong("2024-03-01T12:00:00Z")], "bad.json": f'[{{"username": "{ACCOUNT}"'})
    config = {"ops": {"import_history": {"config": {"path": str(folder), "user": "ann"}}}}
    import_listening_histories.execute_in_process(run_config=config, instance=instance, raise_on_error=False)
    stored = [path for path in Path(instance.storage_directory()).parent.rglob("*") if path.is_file()]
    assert any(b"listenbrainz_*_1713000000.zip" in path.read_bytes() for path in stored)
    for path in [
        *stored,
        *(it for it in settings.home.rglob("*") if it.is_file() and settings.exports not in it.parents),
    ]:
        assert not [it for it in PRIVATE if it.encode() in path.read_bytes()], path


def test_an_export_in_the_landing_folder_is_imported_or_named_with_the_command_that_does(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    landing = Path(settings.landing_address)
    zipped(landing / "ann.zip", {"MyData/endsong_0.json": [endsong("2024-03-01T12:00:00Z")]})
    write(landing / "bob", {"StreamingHistory0.json": [minute("2024-03-01 12:00")]})
    zipped(landing / f"listenbrainz_{ACCOUNT}_17.zip", {"listens/2024/4.jsonl": lines([listen(1_713_000_000)])})
    write(landing, {"notes.txt": "hello", "old/events.csv": "x"})

    def said() -> dict[str, str]:
        return {it.file: it.reason for it in listed(settings).others}

    assert "`spotify-graph materialize` imports it" in said()["ann.zip"]
    assert take_lying(settings, lambda _line: None) == []
    assert imported(settings) == {"user_events-imported-ann.csv", "user_events-imported-bob.csv"}
    found = said()
    assert found.keys() == {"listenbrainz_*_17.zip", "notes.txt", "old/"}
    assert (
        f"`spotify-graph import {settings.landing}/listenbrainz_*_17.zip --user NAME`" in found["listenbrainz_*_17.zip"]
    )
    context = dg.build_sensor_context(instance=instance, instance_ref=instance.get_ref())
    reported = str(new_log_files(context))
    assert "notes.txt" in reported
    assert not [name for name in ("ann.zip", " bob", ACCOUNT) if name in reported]


def test_an_export_that_is_refused_is_named_by_materialize_and_not_read_again_until_it_changes(
    settings: Settings,
) -> None:
    folder = write(
        settings.exports / "ann",
        {"endsong_0.json": [endsong("2024-03-01T12:00:00Z")], "endsong_1.json": '[{"ts": 1'},
    )
    [line] = take_lying(settings, lambda _line: None)
    assert line == "ann: endsong_1.json: broken JSON, or cut off"
    assert take_lying(settings, lambda _line: None) == []
    write(folder, {"endsong_1.json": [endsong("2024-03-02T12:00:00Z")]})
    os.utime(folder / "endsong_1.json", ns=(1, 1))
    said: list[str] = []
    assert take_lying(settings, said.append) == []
    assert said[0] == "ann: 2 events are taken of an export, 0 rows set aside"
