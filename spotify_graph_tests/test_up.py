"""`spotify-graph up` as a real process: what the UI answers, and that nothing is left of it when it is told to end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from spotify_graph.graph_model import TABLES
from spotify_graph.local.neo4j import LocalNeo4j

_START_S = 180

_ASSETS = (
    "{ assetNodes { assetKey { path } groupName isMaterializable kinds owners { ... on TeamAssetOwner { team } } } }"
)


@pytest.fixture
def up(tmp_path: Path, local_neo4j: LocalNeo4j) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and its UI's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "SPOTIFY_GRAPH_HOME": str(tmp_path / "home"),
        "NEO4J_URI": local_neo4j.status().uri,
        "NEO4J_PASSWORD": local_neo4j.password().get_secret_value(),
    }
    with (tmp_path / "output").open("w") as output:
        command = [sys.executable, "-m", "spotify_graph.cli", "up", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, text=True)
    try:
        deadline = time.monotonic() + _START_S
        while f"http://127.0.0.1:{port}" not in (tmp_path / "output").read_text():
            assert process.poll() is None, (tmp_path / "output").read_text()
            assert time.monotonic() < deadline, (tmp_path / "output").read_text()
            time.sleep(0.1)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def ask(url: str, query: str) -> Any:
    return requests.post(f"{url}/graphql", json={"query": query}, timeout=60).json()["data"]


def test_the_ui_shows_the_asset_graph_and_one_signal_after_the_other_leaves_no_process(
    up: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, url = up
    nodes = {node["assetKey"]["path"][0]: node for node in ask(url, _ASSETS)["assetNodes"]}
    assert {node["groupName"] for node in nodes.values()} == {
        *("raw", "cleaned", "nodes", "edges", "recommendations", "evaluation")
    }
    for name in TABLES:
        assert nodes[name]["isMaterializable"]
        assert "neo4j" in nodes[name]["kinds"]
        assert nodes[name]["owners"] == [{"team": "data-platform"}]
    note = tmp_path / "home" / "spark" / "jvm.json"
    deadline = time.monotonic() + _START_S
    while not note.exists():
        assert time.monotonic() < deadline, (tmp_path / "output").read_text()
        time.sleep(0.1)
    # A JVM for Spark is lent by now.
    family = psutil.Process(process.pid).children(recursive=True)
    assert {relative.pid for relative in family} >= {int(json.loads(note.read_text())["process"].split(":")[0])}
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
        time.sleep(0.3)
    assert process.wait(60) == 0
    assert [relative for relative in family if _runs(relative)] == []
    assert not note.exists()


def _runs(process: psutil.Process) -> bool:
    # What has ended, and waits for the system to take note, runs no more: such as the shell that a JVM was started by.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
