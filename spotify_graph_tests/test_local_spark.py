"""The JVM that one process keeps, and the sessions of others in it. Each is a process: a JVM is one process's."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

_KEEPER = """
from spotify_graph.resources.session import kept_warm
from spotify_graph.settings import Settings
import sys
with kept_warm(Settings.load(), print):
    sys.stdin.read()
"""

_PRELUDE = """
import os, sys
from spotify_graph.errors import UserError
from spotify_graph.local import spark
from spotify_graph.resources import session
from spotify_graph.settings import Settings
settings = Settings.load()
"""
_WORK = """
it = session.build(settings, {"spark.master": "local[2]", "spark.sql.shuffle.partitions": sys.argv[1]})
assert it.range(10).groupBy().sum("id").first()[0] == 45
assert it.conf.get("spark.sql.shuffle.partitions") == sys.argv[1]
print(spark.start(settings).result().pid, flush=True)
"""
_STOP = "it.stop()"
_CRASH = "os._exit(1)"
_WAIT = "sys.stdin.read()"
_TRY_TWICE = """
for _ in range(2):
    try:
        session.build(settings, {"spark.master": "local[2]"})
    except UserError as error:
        print(error)
"""
_JVM_ALONE = 'print(spark.start(settings, {"spark.driver.memory": sys.argv[1]}).result().pid)'


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return os.environ | {"SPOTIFY_GRAPH_HOME": str(tmp_path_factory.mktemp("kept"))}


@pytest.fixture(scope="module")
def note(environment: dict[str, str]) -> Path:
    """Where a process that lends its JVM says so."""
    return Path(environment["SPOTIFY_GRAPH_HOME"]) / "spark" / "jvm.json"


@pytest.fixture(scope="module")
def keeper(environment: dict[str, str], note: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that keeps a JVM, and lends it by now."""
    process = _start(environment, _KEEPER)
    try:
        _wait_until(lambda: note.exists() or process.poll() is not None)
        assert note.exists()
        yield process
    finally:
        process.kill()
        process.wait()


def test_one_session_after_another_works_in_the_jvm_that_is_kept(
    environment: dict[str, str], keeper: "subprocess.Popen[str]", note: Path
) -> None:
    kept = _jvm(keeper).pid
    assert _pid(environment, _WORK + _STOP, "3") == kept
    assert _pid(environment, _WORK + _CRASH, "5") == kept
    # What a process that crashed has left there is in nobody's way.
    assert _pid(environment, _WORK + _STOP, "3") == kept


def test_only_its_owner_can_read_how_to_reach_it(keeper: "subprocess.Popen[str]", note: Path) -> None:
    assert stat.S_IMODE(note.stat().st_mode) == 0o600


def test_while_somebody_works_in_it_or_where_it_does_not_fit_a_process_starts_its_own(
    environment: dict[str, str], keeper: "subprocess.Popen[str]"
) -> None:
    kept = _jvm(keeper).pid
    at_work = _start(environment, _PRELUDE + _WORK + _WAIT, "3")
    assert at_work.stdout
    assert int(at_work.stdout.readline()) == kept
    assert _pid(environment, _JVM_ALONE, "4g") != kept
    at_work.communicate()
    assert _pid(environment, _JVM_ALONE, "2g") != kept
    assert _pid(environment, _JVM_ALONE, "4g") == kept


def test_it_ends_with_its_keeper_and_one_that_was_killed_is_passed_over(
    environment: dict[str, str], keeper: "subprocess.Popen[str]", note: Path
) -> None:
    jvm = _jvm(keeper)
    left = note.read_text()
    keeper.communicate()
    assert not jvm.is_running()
    assert not note.exists()
    note.write_text(left)
    assert _pid(environment, _WORK + _STOP, "3") != jvm.pid


def test_a_process_that_is_killed_while_its_jvm_starts_leaves_none(tmp_path: Path) -> None:
    process = _start(os.environ | {"SPOTIFY_GRAPH_HOME": str(tmp_path)}, _KEEPER)
    _wait_until(lambda: bool(psutil.Process(process.pid).children()))
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not psutil.wait_procs(family, timeout=30)[1]


def test_who_asks_again_for_a_jvm_that_cannot_be_started_meets_the_same_error(tmp_path: Path) -> None:
    environment = os.environ | {"SPOTIFY_GRAPH_HOME": str(tmp_path), "SPOTIFY_GRAPH_JAVA_HOME": "/nowhere"}
    told = _start(environment, _PRELUDE + _TRY_TWICE).communicate()[0]
    assert told == "SPOTIFY_GRAPH_JAVA_HOME: /nowhere has no bin/java that can be run\n" * 2


def _start(environment: dict[str, str], script: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _pid(environment: dict[str, str], script: str, *arguments: str) -> int:
    return int(_start(environment, _PRELUDE + script, *arguments).communicate()[0])


def _jvm(keeper: "subprocess.Popen[str]") -> psutil.Process:
    [jvm] = psutil.Process(keeper.pid).children()
    return jvm


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
