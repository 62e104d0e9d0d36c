"""One run at a time works on a home, whoever starts it, and who waits says for whom."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import pytest

from spotify_graph import runs
from spotify_graph.automation.executor import in_turn
from spotify_graph.definitions import build_defs
from spotify_graph.settings import PACKAGE, Settings

_SECONDS = 60

# Another user may not be able to read where Python and the code are: what is needed of them is read before, by the same
# command in a home of its own.
_AS_ANOTHER = """
import os, sys
from spotify_graph.local import checkout, locks
checkout.code()
if sys.argv[2:]:
    from contextlib import suppress
    from tempfile import TemporaryDirectory
    from spotify_graph.cli import main
    theirs, stderr = dict(os.environ), os.dup(2)
    with TemporaryDirectory() as mine, open(os.devnull, "w") as nothing, suppress(SystemExit):
        os.environ |= {"SPOTIFY_GRAPH_HOME": mine, "DAGSTER_HOME": f"{mine}/dagster"}
        os.dup2(nothing.fileno(), 2)
        main([*sys.argv[2:], "--select", "group:raw"])
    os.dup2(stderr, 2)
    os.environ |= theirs
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
if sys.argv[2:]:
    main(sys.argv[2:])
"""
_UP = """
import sys
from spotify_graph.local import locks
from spotify_graph.settings import Settings
with locks.up(Settings.load()):
    print("up", flush=True)
    sys.stdin.read()
"""
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
def at_work(who: str, program: str = _TURN, **how: Any) -> Iterator["subprocess.Popen[str]"]:
    """A process whose turn it is, or that waits for it."""
    command = [sys.executable, "-c", program, who]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **how) as process:
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


def test_of_several_who_wait_each_works_alone_and_who_still_waits_says_for_whom_now(settings: Settings) -> None:
    with at_work("`spotify-graph materialize`") as first, at_work("run 1 of job nightly_retrain") as second:
        at_first = {process: said(process) for process in (first, second)}
        [worker] = [process for process, line in at_first.items() if line == "working"]
        [waiter] = at_first.keys() - {worker}
        with at_work("run 2 of job refresh_graph") as third:
            assert said(third).startswith("Waiting for ")
            assert worker.stdin
            worker.stdin.close()
            after = [until_at_work_or_waiting_for_another(it, worker) for it in (waiter, third)]
            assert sorted(after) == ["waiting", "working"]


def until_at_work_or_waiting_for_another(process: "subprocess.Popen[str]", former: "subprocess.Popen[str]") -> str:
    while (line := said(process)) != "working":
        if line.startswith("Waiting for ") and "(process " in line and f"(process {former.pid}, " not in line:
            return "waiting"
    return "working"


ANOTHER = 65534
"""The user nobody."""


@contextmanager
def home_of(uid: int) -> Iterator[Path]:
    """A home that everybody may look into, and one user may write to."""
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        for path in (Path(folder), home):
            os.chown(path, uid, uid)
            path.chmod(0o755)
        yield home


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "SPOTIFY_GRAPH_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}


def refused_to_another(home: Path, *arguments: str) -> str:
    """What the command says to another user, in one line, who has somebody else's folder and HOME, as after `sudo`."""
    command = [sys.executable, "-c", _AS_ANOTHER, "", *arguments]
    with TemporaryDirectory() as folder:
        others = environment(home) | {"HOME": str(Path(folder) / "home")}
        done = subprocess.run(command, cwd=folder, env=others, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_s_home_and_files_are_one_clear_line_and_whoever_may_wait_says_for_whose_process() -> None:
    with home_of(0) as home, at_work("`spotify-graph materialize`", env=environment(home)) as owner:
        assert said(owner) == "working"
        line = refused_to_another(home, "materialize")
        assert "belongs to root, and you are nobody: run it as root, or set SPOTIFY_GRAPH_HOME" in line
    with home_of(ANOTHER) as home:
        with at_work("run 1 of retrain", _AS_ANOTHER + _TURN, env=environment(home)) as another:
            assert said(another) == "working"
            with at_work("`spotify-graph materialize`", env=environment(home)) as root:
                assert said(root).startswith(f"Waiting for run 1 of retrain (process {another.pid} of nobody, since 20")
        # What root has left there, as by sudo.
        (home / "runs.lock").chmod(0o600)
        os.chown(home / "runs.lock", 0, 0)
        line = refused_to_another(home, "materialize")
        assert line.endswith(f"`sudo chown -R nobody {home}` gives it back to you")


def test_two_checkouts_with_different_code_on_one_home_are_named_in_a_warning(
    settings: Settings, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(PACKAGE, other / "spotify_graph", ignore=shutil.ignore_patterns("__pycache__"))
    (other / "spotify_graph" / "times.py").open("a").write("# changed\n")
    from_other: dict[str, Any] = {"env": {**os.environ, "PYTHONPATH": str(other)}, "cwd": other}
    with at_work("here") as here:
        assert said(here) == "working"
    with at_work("there", **from_other) as there:
        line = said(there)
        assert line.startswith(
            f"warning: {settings.home} was used from {PACKAGE.parent} before, with other code than {other}"
        )
        assert said(there) == "working"
        with at_work("here") as here:
            assert said(here).endswith(f", from {other})")
    with at_work("up", _UP, **from_other) as up:
        assert said(up) == "up"
        with at_work("here") as here:
            assert said(here).startswith(f"warning: `spotify-graph up` runs from {other} with other code than ")
            assert said(here) == "working"
