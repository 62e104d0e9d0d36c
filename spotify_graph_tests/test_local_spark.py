"""The JVM that one process keeps, and the sessions of others in it. Each is a process: a JVM is one process's."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from spotify_graph.local.processes import identity

_KEEPER = """
import sys
from spotify_graph.local.spark import Keeper
from spotify_graph.settings import Settings
with Keeper(Settings.load()) as keeper:
    keeper.lend()
    print("lent", flush=True)
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
assert it.sparkContext.parallelize(range(10), 2).sum() == 45
assert it.conf.get("spark.sql.shuffle.partitions") == sys.argv[1]
print(spark.jvm(settings).process, flush=True)
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
_JVM_ALONE = 'print(spark.jvm(settings, {"spark.driver.memory": sys.argv[1]}).process)'


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return os.environ | {"SPOTIFY_GRAPH_HOME": str(tmp_path_factory.mktemp("kept"))}


@pytest.fixture(scope="module")
def note(environment: dict[str, str]) -> Path:
    """Where a process that lends its JVM says so."""
    return Path(environment["SPOTIFY_GRAPH_HOME"]) / "spark" / "jvm.json"


@pytest.fixture
def keeper(environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that keeps a JVM, and lends it."""
    process = _start(environment, _KEEPER)
    assert process.stdout
    assert process.stdout.readline() == "lent\n"
    yield process
    process.kill()
    process.wait()


def test_one_session_after_another_works_in_the_jvm_that_is_kept(
    environment: dict[str, str], keeper: "subprocess.Popen[str]", note: Path
) -> None:
    kept = identity(_jvm(keeper).pid)
    assert _jvm(keeper).nice() == 10  # what it computes gives way to what somebody waits for
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert _told(environment, _WORK + _CRASH, "5") == kept
    # What a process that crashed has left there is in nobody's way.
    assert _told(environment, _WORK + _STOP, "3") == kept
    # While somebody works in it, and where it does not fit, a process starts its own.
    at_work = _start(environment, _PRELUDE + _WORK + _WAIT, "3")
    assert at_work.stdout
    assert at_work.stdout.readline().strip() == kept
    assert _told(environment, _JVM_ALONE, "4g") != kept
    at_work.communicate()
    assert _told(environment, _JVM_ALONE, "2g") != kept
    assert _told(environment, _JVM_ALONE, "4g") == kept


def test_it_ends_with_its_keeper(keeper: "subprocess.Popen[str]", note: Path) -> None:
    jvm = _jvm(keeper)
    keeper.communicate()
    assert not jvm.is_running()
    assert not note.exists()


def test_it_ends_with_a_keeper_that_is_killed_and_what_told_of_it_is_passed_over(
    environment: dict[str, str], keeper: "subprocess.Popen[str]", note: Path
) -> None:
    jvm = _jvm(keeper)
    kept = identity(jvm.pid)
    keeper.kill()
    assert psutil.wait_procs([jvm], timeout=30)[1] == []
    assert note.exists()
    assert _told(environment, _JVM_ALONE, "4g") != kept


def test_who_asks_again_for_a_jvm_that_cannot_be_started_meets_the_same_error(tmp_path: Path) -> None:
    environment = os.environ | {"SPOTIFY_GRAPH_HOME": str(tmp_path), "SPOTIFY_GRAPH_JAVA_HOME": "/nowhere"}
    told = _told(environment, _TRY_TWICE)
    assert told.splitlines() == ["SPOTIFY_GRAPH_JAVA_HOME: /nowhere has no bin/java that can be run"] * 2


def _start(environment: dict[str, str], script: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _told(environment: dict[str, str], script: str, *arguments: str) -> str:
    return _start(environment, _PRELUDE + script, *arguments).communicate()[0].strip()


def _jvm(keeper: "subprocess.Popen[str]") -> psutil.Process:
    [jvm] = psutil.Process(keeper.pid).children()
    return jvm
