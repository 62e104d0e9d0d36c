"""`spotify-graph up` in a home of its own, on sample logs, and a browser that looks at it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect, sync_playwright

from spotify_graph_tests import java

SECONDS = 300
"""Long, because a machine may have other things to do: nothing waits for it in vain."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_HOSTILE = "![x](http://127.0.0.1/x) <img src=x onerror=alert(1)> **bold**"
_WIDTH, _HEIGHT = 1400, 900


@dataclass(frozen=True)
class Platform:
    """The running platform.

    Attributes:
        home: its home.
        ui: the address of the Dagster UI.
        api: the address of the HTTP service.
    """

    home: Path
    ui: str
    api: str

    def ask(self, query: str) -> Any:
        return requests.post(f"{self.ui}/graphql", json={"query": query}, timeout=60).json()["data"]

    def is_materialized(self, asset: str) -> bool:
        found = self.ask(f'{{ assetNodeOrError(assetKey: {{path: ["{asset}"]}}) {{ ... on AssetNode {_LATEST} }} }}')
        return bool(found["assetNodeOrError"]["assetMaterializations"])

    def runs(self) -> dict[str, set[str]]:
        """The latest runs, and the assets that each is of."""
        of_run = "{ runId assetSelection { path } assets { key { path } } }"
        query = f"{{ runsOrError(limit: 20) {{ ... on Runs {{ results {of_run} }} }} }}"
        return {
            run["runId"]: {key["path"][0] for key in run["assetSelection"] or [it["key"] for it in run["assets"]]}
            for run in self.ask(query)["runsOrError"]["results"]
        }

    def is_idle(self) -> bool:
        found = self.ask("{ runsOrError(filter: {statuses: [QUEUED, STARTING, STARTED]}) { ... on Runs { count } } }")
        return not found["runsOrError"]["count"]


_LATEST = "{ assetMaterializations(limit: 1) { runId } }"


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform, with a graph and models of its sample logs, none of which anybody has clicked for."""
    home = tmp_path_factory.mktemp("ui") / "home"
    ours = ("SPOTIFY_GRAPH_", "NEO4J_", "SPARK_", "DAGSTER_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"SPOTIFY_GRAPH_HOME": str(home), "SPOTIFY_GRAPH_RECOMMENDER": '{"tune": false}'}
    environment |= {"JAVA_TOOL_OPTIONS": java.OPTIONS}
    command = [sys.executable, "-m", "spotify_graph.cli"]
    sizes = ("--users", "150", "--tracks", "400", "--events", "20000")
    subprocess.run([*command, "generate", *sizes], env=environment, check=True, capture_output=True)
    more = f'"hostile","{_HOSTILE}","{_HOSTILE}",1000,"Rock","{_HOSTILE}"\n'
    header = "track_id,artist,album,duration_ms,genre,title\n"
    (home / "landing" / "tracks_hostile.csv").write_text(header + more, encoding="utf-8")
    # One process does what sensors would have several runs do.
    subprocess.run([*command, "materialize"], env=environment, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = home.parent / "told"
    with told.open("w") as file:
        process = subprocess.Popen([*command, "up", "--port", str(port)], env=environment, stdout=file, stderr=file)
    try:
        until(lambda: "Ctrl-C stops" in told.read_text() or process.poll() is not None, told.read_text())
        assert process.poll() is None, told.read_text()
        api = re.search(r"^HTTP API +(\S+)$", told.read_text(), re.MULTILINE)
        assert api
        found = Platform(home, f"http://127.0.0.1:{port}", api[1])
        until(lambda: found.is_materialized("recommended_edges"), "no models were made")
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        subprocess.run([*command, "neo4j", "stop"], env=environment, check=True, capture_output=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of the system: playwright's own is not fetched from a package registry."""
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    assert executable, f"none of {', '.join(_BROWSERS)} is installed: `apt-get install chromium`, or set CHROMIUM"
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root, nor in most containers; it meets nothing here but our own pages.
        yield playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    found = browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT}, timezone_id="UTC")
    found.set_default_timeout(90_000)
    expect.set_options(timeout=90_000)
    yield found
    found.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A new page, on which no script of a hostile name runs."""
    found = context.new_page()
    alerts: list[str] = []

    def note(dialog: Dialog) -> None:
        alerts.append(dialog.message)
        dialog.dismiss()

    found.on("dialog", note)
    yield found
    found.close()
    assert not alerts


def picture(page: Page, name: str, height: int = _HEIGHT) -> None:
    """Takes a picture for the documents, where those are asked for: `make pictures`."""
    page.set_viewport_size({"width": _WIDTH, "height": max(height, _HEIGHT)})
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": _WIDTH, "height": height}, animations="disabled")
    if folder := os.environ.get("SPOTIFY_GRAPH_PICTURES"):
        with Image.open(BytesIO(shot)) as image:
            small = image.convert("RGB").resize((1120, height * 1120 // _WIDTH), Image.Resampling.LANCZOS)
            small.quantize(128).save(Path(folder) / f"{name}.png", optimize=True)
