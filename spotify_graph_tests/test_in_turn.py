"""One run at a time works on a home, whoever starts it, and who waits says for whom."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from spotify_graph import runs
from spotify_graph.automation.executor import in_turn
from spotify_graph.definitions import build_defs
from spotify_graph.settings import Settings

_SECONDS = 60

_TURN = """
import sys
from spotify_graph.local import locks
from spotify_graph.settings import Settings
with locks.turn(Settings.load(), sys.argv[1], lambda line: print(line, flush=True)):
    print("working", flush=True)
    sys.stdin.read()
"""


@dg.op
def work() -> str:
    """Whose turn it is, as those who wait are told."""
    return str(json.loads((Settings.load().home / "runs.json").read_text())["who"])


@dg.job(executor_def=in_turn)
def daily() -> None:
    """A job as the platform's are."""
    work()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation of its own."""
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    return Settings.load()


@contextmanager
def at_work(who: str) -> Iterator["subprocess.Popen[str]"]:
    """A process whose turn it is, or that waits for it."""
    command = [sys.executable, "-c", _TURN, who]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def execute(instance: dg.DagsterInstance) -> dg.JobExecutionResult:
    return dg.execute_job(dg.reconstructable(daily), instance, raise_on_error=False)


def when_waiting(instance: dg.DagsterInstance, end: "subprocess.Popen[str] | None") -> list[str]:
    """What a run says when it waits. The other process is ended then, or else the run is terminated, as in the UI."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for run in instance.get_runs():
            lines = [entry.user_message for entry in instance.all_logs(run.run_id)]
            waiting = [line for line in lines if line.startswith("Waiting for ")]
            if waiting:
                if end:
                    end.kill()
                else:
                    instance.report_run_canceling(run)
                    os.kill(os.getpid(), signal.SIGINT)
                return waiting
        time.sleep(0.05)
    return []


def test_a_process_waits_for_the_one_at_work_says_for_whom_and_goes_on_when_that_is_killed(settings: Settings) -> None:
    with at_work("run 1 of retrain") as first:
        assert said(first) == "working"
        with at_work("`spotify-graph materialize`") as second:
            assert said(second).startswith(f"Waiting for run 1 of retrain (process {first.pid}, since 20")
            first.kill()
            assert said(second) == "working"
            assert second.stdin
            second.stdin.close()
            second.wait(_SECONDS)
    assert not (settings.home / "runs.json").exists()


def test_a_run_of_the_daemon_waits_for_the_command_and_its_log_says_so(settings: Settings) -> None:
    with runs.instance(settings) as instance, at_work("`spotify-graph materialize`") as command:
        assert said(command) == "working"
        lines: list[str] = []
        watcher = threading.Thread(target=lambda: lines.extend(when_waiting(instance, command)))
        watcher.start()
        with execute(instance) as result:
            assert result.output_for_node("work") == f"run {result.run_id[:8]} of job daily"
        watcher.join()
    [line] = lines
    assert line.startswith(f"Waiting for `spotify-graph materialize` (process {command.pid}, ")


def test_a_run_that_waits_can_be_terminated(settings: Settings) -> None:
    with runs.instance(settings) as instance, at_work("`spotify-graph materialize`") as command:
        assert said(command) == "working"
        watcher = threading.Thread(target=when_waiting, args=(instance, None))
        watcher.start()
        execute(instance)
        watcher.join()
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.CANCELED]
        assert command.poll() is None


def test_the_command_waits_for_a_run_of_the_daemon_and_says_so(settings: Settings) -> None:
    settings.landing.mkdir(parents=True)
    arguments = ["materialize", "--select", "raw_tracks"]
    with at_work("run 1b2c3d4e of job retrain") as run:
        assert said(run) == "working"
        command = [sys.executable, "-m", "spotify_graph.cli", *arguments]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            # Its JVM, which is started meanwhile, may have told something already.
            waits = f"Waiting for run 1b2c3d4e of job retrain (process {run.pid}, "
            assert any(line.startswith(waits) for line in process.stderr)
            run.kill()
            # What it does, it looks for when it's its turn.
            assert any("no tracks*.csv" in line for line in process.stderr)
            assert process.wait(_SECONDS) == 1


def test_every_job_of_the_platform_is_executed_in_turn() -> None:
    defs = build_defs()
    jobs = [*defs.resolve_all_job_defs(), defs.resolve_implicit_global_asset_job_def()]
    assert {job.executor_def.name for job in jobs} == {"in_turn"}
