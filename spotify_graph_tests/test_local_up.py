"""How `up` ends, with small processes in the place of the large ones: in order, and with all that it started."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from filelock import FileLock, Timeout

from spotify_graph.errors import UserError
from spotify_graph.local import dagster, guard, neo4j_of_up
from spotify_graph.settings import Settings

_SECONDS = 30

# It starts two others, one of which is an orphan at once, and tells who they are.
_FAMILY = """
import subprocess, sys, time
sleep = "import time; time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", sleep])
orphaned = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=2).pid)"
orphan = subprocess.run([sys.executable, "-c", orphaned, sleep], stdout=subprocess.PIPE, text=True).stdout.strip()
with open(sys.argv[1], "w") as told:
    print(child.pid, orphan, file=told)
time.sleep(600)
"""
_LONG_WAIT = """
from spotify_graph.local.stopping import Stop
with Stop() as stop:
    stop.at_once = False
    stop.wait(0.01)
    print(stop.asked, flush=True)
    stop.wait(600)
    print(stop.asked, flush=True)
"""
_STARTER = """
import subprocess, sys, time
subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)
time.sleep(600)
"""
_UNTIL_TOLD = """
import sys, time
from pathlib import Path
from spotify_graph.local.stopping import Stop
done = Path(sys.argv[1])
with Stop() as stop:
    stop.at_once, stop.awaiting = False, "a friend"
    print("ready", flush=True)
    while not stop.asked:
        time.sleep(0.05)
    print("stopping")
    while not done.with_name("go").exists():
        time.sleep(0.05)
    print("ending", file=sys.stderr, flush=True)
    print("in order", flush=True)
done.touch()
"""


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def family(tmp_path: Path, *before: str) -> Iterator[tuple["subprocess.Popen[bytes]", list[psutil.Process]]]:
    """A guard of some processes, or who started it, and they."""
    told = tmp_path / "told"
    command = [sys.executable, "-m", guard.__name__, str(tmp_path / "lock"), sys.executable, "-c", _FAMILY, str(told)]
    process = subprocess.Popen([*before, *command], stdin=subprocess.PIPE, start_new_session=True)
    until(lambda: told.exists() and told.read_text().endswith("\n"))
    relatives = [psutil.Process(int(pid)) for pid in told.read_text().split()]
    relatives.append(psutil.Process(relatives[0].ppid()))
    try:
        yield process, relatives
    finally:
        process.kill()
        process.wait()
        for relative in relatives:
            if relative.is_running():
                relative.kill()


def run_still(processes: list[psutil.Process]) -> bool:
    return any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_a_guard_ends_a_process_and_all_that_it_started_and_no_signal_keeps_it_from_that(tmp_path: Path) -> None:
    with family(tmp_path) as (process, relatives):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)
        assert process.poll() is None
        with pytest.raises(Timeout):
            FileLock(tmp_path / "lock").acquire(timeout=0)
        assert process.stdin
        process.stdin.close()
        process.wait(_SECONDS)
        assert not run_still(relatives)
        FileLock(tmp_path / "lock").acquire(timeout=0)


def test_it_does_so_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    with family(tmp_path, sys.executable, "-c", _STARTER) as (starter, relatives):
        starter.kill()
        until(lambda: not run_still(relatives))
        # Who comes next can wait for that.
        with FileLock(tmp_path / "lock", timeout=_SECONDS):
            pass


def test_a_guard_ends_with_what_it_guards_and_has_its_exit_code(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        guard.__name__,
        str(tmp_path / "lock"),
        sys.executable,
        "-c",
        "raise SystemExit(3)",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        assert process.wait(_SECONDS) == 3


def test_the_first_signal_is_obeyed_and_the_others_are_told_what_is_awaited(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _UNTIL_TOLD, str(tmp_path / "done")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stderr.readline() == "Stopping\n"
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)
            assert process.stderr.readline() == "Still stopping, in order: waiting for a friend\n"
        (tmp_path / "go").touch()
        assert process.wait(_SECONDS) == 0
    assert (tmp_path / "done").exists()


def test_a_signal_ends_a_wait(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _LONG_WAIT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline() == "False\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "True\n"
        assert process.wait(_SECONDS) == 0


def test_a_terminal_that_closes_breaks_nothing_off(tmp_path: Path) -> None:
    ours, terminal = os.openpty()
    command = [sys.executable, "-c", _UNTIL_TOLD, str(tmp_path / "done")]
    with subprocess.Popen(command, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        assert os.read(ours, 5) == b"ready"
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        (tmp_path / "go").touch()
        assert process.wait(_SECONDS) == 0
    assert (tmp_path / "done").exists()


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_that_names_who_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            UserError, match=rf"^port {port} is taken by .*process {os.getpid()}\): give --port another"
        ):
            dagster.ui_port(port, print)
    assert dagster.ui_port(port, print) == port


def test_the_usual_port_gives_way_to_another_with_a_line_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        usual = taken.getsockname()[1]
        monkeypatch.setattr("spotify_graph.local.dagster.PORT", usual)
        port = dagster.ui_port(None, said.append)
    [line] = said
    assert line.startswith(f"Port {usual} is taken by ")
    assert line.endswith(f"(process {os.getpid()}): the UI gets {port}")


def test_a_server_of_somebody_else_is_said_to_have_gone_and_to_be_back(monkeypatch: pytest.MonkeyPatch) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    uri = f"bolt://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("NEO4J_URI", uri)
    watch = neo4j_of_up.ServerWatch(Settings.load())
    assert watch.look() is None
    server.close()
    assert watch.look() == f"Neo4j at {uri} does not answer: runs fail until it does"
    assert watch.look() is None
    with socket.create_server(("127.0.0.1", int(uri.rpartition(":")[2]))):
        assert watch.look() == f"Neo4j at {uri} answers again"
