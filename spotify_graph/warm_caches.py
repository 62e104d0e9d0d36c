"""A training run of the platform's JVMs: small logs through the whole of it, so that they start faster from then on."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from spotify_graph import sample_data
from spotify_graph.errors import UserError
from spotify_graph.local import aot
from spotify_graph.settings import Settings

_NO_MODELS = "not (group:evaluation or group:recommendations)"
_SMALL = '{"window_days": 90, "rank": 4, "iterations": 2}'
"""Models that take seconds; no days can be held out, so that nothing is evaluated."""
_EVENTS = 20_000


def train(settings: Settings, say: Callable[[str], None]) -> list[Path]:
    """Builds a database from small logs, adds to it over Bolt, and keeps what the JVMs have learnt.

    Args:
        settings: the installation's settings, for the JVM that they name.
        say: told what is being done.

    Returns:
        The caches that are in use now.

    Raises:
        UserError: the settings name a JVM, for which there is none; or the run failed, and all is as it was.
    """
    if settings.java_home is not None:
        raise UserError("SPOTIFY_GRAPH_JAVA_HOME is set: caches are for the JVM of the Python environment only")
    settings.make_home()  # the caches may be kept there
    with TemporaryDirectory(prefix="spotify-graph-") as folder, aot.training() as environment:
        home = Path(folder)
        environment |= {"SPOTIFY_GRAPH_HOME": str(home), "SPOTIFY_GRAPH_LANDING": str(home / "landing")}
        environment |= {"DAGSTER_HOME": str(home / "dagster"), "NEO4J_URI": ""}
        environment |= {"SPOTIFY_GRAPH_RECOMMENDER": _SMALL}
        made = sample_data.generate(home / "landing", truth=home / "truth", tracks=500, users=200, events=_EVENTS)
        lines = made.user_events.read_text(encoding="utf-8").splitlines(keepends=True)
        half = len(lines) // 2
        made.user_events.write_text("".join(lines[:half]), encoding="utf-8")
        try:
            say("Building a database from sample logs (1 of 3)")
            _run(environment, "materialize", "--rebuild", "--select", _NO_MODELS)
            say("Adding to it, and training models (2 of 3)")
            rest = made.user_events.with_name("user_events_2.csv")
            rest.write_text("".join((lines[0], *lines[half:])), encoding="utf-8")
            _run(environment, "materialize")
        finally:
            say("Writing the caches (3 of 3)")
            _run(environment, "neo4j", "stop")
    return sorted(aot.default_cache().glob("*.aot"))


def _run(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "spotify_graph.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"`spotify-graph {' '.join(arguments)}` failed: {done.stderr.strip()[-300:]}")
