"""The contestants `project` and `project-bolt`: raw, cleaned, nodes and edges with their gates, from CSV to the graph.

The first has a local database that was never started, and builds it; its server's start counts into the whole. The
second is given the address of a server that runs, as an existing one would be, and writes over Bolt.
"""

import json
import sys
import time
from pathlib import Path

import dagster as dg

from benchmarks.loading import graph, process, server
from benchmarks.loading.measurement import Measurement, say
from spotify_graph import runs
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS
from spotify_graph.settings import Settings

SELECTION = "not (group:evaluation or group:recommendations)"
_TOLD = "told.json"
_BUILDING, _STARTING = "Building the database from", "Starting Neo4j on"


def build(home: Path) -> Measurement:
    """Materializes the assets in a new home, whose database is built.

    Raises:
        UserError: a `.env` file names a server, or the logs are too few for a database to be built.
    """
    local = server.local(home)
    if Settings.load().neo4j_uri is not None:
        raise UserError("project: a .env file sets NEO4J_URI, and the local database is to be measured: move it away")
    try:
        whole_s, peak_mb = process.run_module("project", server=local.find)
        told = json.loads((home / _TOLD).read_text())
        if _BUILDING not in told:
            raise UserError("project: too few events for the database to be built: --events 200000, or leave it out")
        with server.started(local) as _, server.connected() as driver:
            build_s = told[_STARTING] - told[_BUILDING]
            return Measurement(whole_s, {"import": build_s}, peak_mb, graph.contents(driver), {})
    finally:
        local.stop()


def publish(home: Path) -> Measurement:
    """Materializes the assets in a new home, on a server that runs."""
    with server.started(server.local(home)) as pid:
        whole_s, peak_mb = process.run_module("project", server=lambda: pid)
        write_s, staging_s = _seconds()
        with server.connected() as driver:
            return Measurement(whole_s, write_s, peak_mb, graph.contents(driver), {"staging_s": round(staging_s, 1)})


def main() -> None:
    """Materializes the assets of the settings' home; writes there when what was told."""
    settings = Settings.load()
    told: dict[str, float] = {}

    def hear(line: str) -> None:
        say(line)
        for beginning in (_BUILDING, _STARTING):
            if line.startswith(beginning):
                told[beginning] = time.monotonic()

    try:
        report = runs.materialize(settings, SELECTION, hear, lambda _what: None)
    except UserError as error:
        sys.exit(f"project: {error}")
    if not report.complete:
        sys.exit("\n".join((*report.failures, *report.held_back)))
    (settings.home / _TOLD).write_text(json.dumps(told))


def _seconds() -> tuple[dict[str, float], float]:
    """Seconds of each asset's publication, and of staging all of them, as Dagster recorded them."""
    published, staged = {}, 0.0
    with runs.instance(Settings.load()) as dagster:
        for table in FACTS:
            event = dagster.get_latest_materialization_event(dg.AssetKey(table.asset))
            if event is None or event.asset_materialization is None:
                raise UserError(f"project: no materialization of {table.asset} is recorded")
            metadata = event.asset_materialization.metadata
            seconds, staging_s = (float(str(metadata[name].value)) for name in ("seconds", "staging_seconds"))
            published[table.asset] = seconds - staging_s
            staged += staging_s
    return published, staged


if __name__ == "__main__":
    main()
