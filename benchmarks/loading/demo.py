"""The contestant `demo`: `spotify-graph demo` in a new home, on its own sample, models and the questions included."""

import os
import sys
from pathlib import Path

from benchmarks.loading import process, server
from benchmarks.loading.measurement import Measurement


def measure(home: Path) -> Measurement:
    """Runs it as a newcomer does for the second time: the jars and caches are there."""
    local = server.local(home)
    del os.environ["SPOTIFY_GRAPH_LANDING"]
    try:
        command = [sys.executable, "-m", "spotify_graph.cli", "demo"]
        whole_s, peak_mb = process.run(command, "demo", java="spark", server=local.find, log=home.with_suffix(".log"))
        return Measurement(whole_s, {}, peak_mb)
    finally:
        local.stop()
