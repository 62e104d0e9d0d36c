"""`spotify-graph up` as a real process: what the UI answers, and that nothing is left of it when it is told to end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from spotify_graph.graph_model import TABLES
from spotify_graph.local import guard
from spotify_graph.local.neo4j import LocalNeo4j

_START_S = 180

_ASSETS = (
    "{ assetNodes { assetKey { path } groupName isMaterializable kinds owners { ... on TeamAssetOwner { team } } } }"
)


@pytest.fixture
def up(tmp_path: Path, local_neo4j: LocalNeo4j) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command, with a file in its landing folder that can't be read, and its UI's address."""
    landing = tmp_path / "home" / "landing"
    landing.mkdir(parents=True)
    (landing / "user_events_bad.csv").write_text("who,what\n", encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "SPOTIFY_GRAPH_HOME": str(tmp_path / "home"),
        "NEO4J_URI": local_neo4j.status().uri,
        "NEO4J_PASSWORD": local_neo4j.password().get_secret_value(),
    }
    with (tmp_path / "output").open("w") as file:
        command = [sys.executable, "-m", "spotify_graph.cli", "up", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file, text=True)
    try:
        output = tmp_path / "output"
        wait_until(lambda: f"http://127.0.0.1:{port}" in output.read_text() or process.poll() is not None, output)
        assert process.poll() is None, output.read_text()
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def ask(url: str, query: str) -> Any:
    return requests.post(f"{url}/graphql", json={"query": query}, timeout=60).json()["data"]


def wait_until(done: Callable[[], bool], output: Path) -> None:
    deadline = time.monotonic() + _START_S
    while not done():
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.1)


def test_the_ui_shows_the_asset_graph_the_terminal_a_refused_file_and_signals_leave_no_process(
    up: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, url = up
    output = tmp_path / "output"
    nodes = {node["assetKey"]["path"][0]: node for node in ask(url, _ASSETS)["assetNodes"]}
    assert {node["groupName"] for node in nodes.values()} == {
        *("raw", "cleaned", "nodes", "edges", "graph", "health", "recommendations", "evaluation")
    }
    for name in TABLES:
        assert nodes[name]["isMaterializable"]
        assert "neo4j" in nodes[name]["kinds"]
        assert nodes[name]["owners"] == [{"team": "data-platform"}]
    api = re.search(r"^HTTP API +(http://127\.0\.0\.1:\d+)$", output.read_text(), re.MULTILINE)
    assert api
    assert requests.get(f"{api[1]}/health", timeout=60).json() == {"status": "ok"}
    note = tmp_path / "home" / "spark" / "jvm.json"
    wait_until(note.exists, output)
    # A JVM for Spark is lent by now.
    family = psutil.Process(process.pid).children(recursive=True)
    assert {relative.pid for relative in family} >= {int(json.loads(note.read_text())["process"].split(":")[0])}
    # What it started listens on this machine alone: UI, daemon, code server, HTTP service, Spark.
    listening = [it for member in family if _runs(member) for it in member.net_connections("inet")]
    addresses = {it.laddr.ip.removeprefix("::ffff:") for it in listening if it.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}
    refused = "failed: user_events_bad.csv: check file_readable: "
    wait_until(lambda: refused in output.read_text(), output)
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
        time.sleep(0.3)
    assert process.wait(60) == 0
    assert [relative for relative in family if _runs(relative)] == []
    assert not note.exists()


def test_it_ends_and_says_why_where_the_process_is_killed_that_has_the_code(
    up: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, _ = up
    family = psutil.Process(process.pid).children(recursive=True)
    # What has ended meanwhile has no command any more.
    commands = {it: it.cmdline() for it in family if _runs(it)}
    [server] = [
        it
        for it, command in commands.items()
        if "spotify_graph.code_server" in command and guard.__name__ not in command
    ]
    server.kill()
    assert process.wait(60) == 1
    assert "Dagster's code server ended with code" in (tmp_path / "output").read_text()
    assert [relative for relative in family if _runs(relative)] == []


def _runs(process: psutil.Process) -> bool:
    # What has ended, and waits for the system to take note, runs no more: such as the shell that a JVM was started by.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
