"""The contestant `project`: raw, cleaned, nodes and edges with their gates, from CSV files to the graph."""

import sys
from pathlib import Path

import dagster as dg

from benchmarks.loading import graph, process, server
from benchmarks.loading.measurement import Measurement, say
from spotify_graph import runs
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS
from spotify_graph.settings import Settings

SELECTION = "not (group:evaluation or group:recommendations)"


def measure(home: Path) -> Measurement:
    """Materializes the assets in a new home."""
    with server.started(server.local(home)) as pid:
        whole_s, peak_mb = process.run_module("project", server=pid)
        write_s, staging_s = _seconds()
        with server.connected() as driver:
            return Measurement(whole_s, write_s, peak_mb, graph.contents(driver), {"staging_s": round(staging_s, 1)})


def main() -> None:
    """Materializes the assets of the settings' home."""
    try:
        report = runs.materialize(Settings.load(), SELECTION, say, lambda _what: None)
    except UserError as error:
        sys.exit(f"project: {error}")
    if not report.complete:
        sys.exit("\n".join((*report.failures, *report.held_back)))


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
