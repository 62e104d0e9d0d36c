import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from spotify_graph import runs
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings

_START_S = 120


def test_what_the_ui_left_under_way_is_recorded_as_failed_and_what_waits_goes_on_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    with runs.instance(Settings.load()) as instance:
        orphan = instance.add_run(dg.DagsterRun("job", status=dg.DagsterRunStatus.STARTED))
        waiting = instance.add_run(dg.DagsterRun("job", status=dg.DagsterRunStatus.NOT_STARTED))
        runs.end_orphans(instance)
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses == {
        orphan.run_id: dg.DagsterRunStatus.FAILURE,
        waiting.run_id: dg.DagsterRunStatus.NOT_STARTED,
    }


def test_a_run_whose_process_was_killed_is_recorded_as_failed(
    tmp_path: Path, local_neo4j: LocalNeo4j, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    monkeypatch.setenv("NEO4J_URI", str(local_neo4j.status().uri))
    monkeypatch.setenv("NEO4J_PASSWORD", local_neo4j.password().get_secret_value())
    settings = Settings.load()
    settings.landing.mkdir(parents=True)
    (settings.landing / "tracks.csv").write_text("track_id,artist,album,duration_ms,genre\nt1,Ann,First,1,jazz\n")
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    with runs.instance(settings) as instance:
        command = [sys.executable, "-m", "spotify_graph.cli", "materialize", "--select", "raw_tracks"]
        process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_S
        while not instance.get_runs(started):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with runs.instance(settings) as other:
            assert len(other.get_runs(started)) == 1, "a run under way is left alone"
        process.kill()
        process.wait()
        with runs.instance(settings) as other:
            assert [run.status for run in other.get_runs()] == [dg.DagsterRunStatus.FAILURE]
