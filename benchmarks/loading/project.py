"""The contestants `project` and `project-bolt`: raw, cleaned, nodes and edges with their gates, from CSV to the graph.

The first has a local database that was never started, and builds it; its server's start counts into the whole. The
second is given the address of a server that runs, as an existing one would be, and writes over Bolt.
"""

import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import dagster as dg
import psutil

from benchmarks.loading import graph, process, server
from benchmarks.loading.measurement import Measurement, say
from spotify_graph import runs
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS
from spotify_graph.parts import SPOOL
from spotify_graph.settings import Settings

SELECTION = "not (group:evaluation or group:recommendations)"
_TOLD = "told.json"
_WATCH_S = 0.5
_COUNTED, _BUILDING, _STARTING = " interactions ", "Building the database from", "Starting Neo4j on"
_ENDS = (
    ("imports, Dagster's new database, the catalogue taken in", "raw_tracks tracks.csv"),
    ("the events taken in", "raw_user_events user_events.csv"),
    ("the events judged and cleaned", "cleaned_events user_events.csv"),
    ("the catalogue combined, interactions", _COUNTED),
    ("staging 11 tables", _BUILDING),
    ("the import's files, the import, the first password", _STARTING),
    ("the server's start", "Verifying what"),
    ("constraints, verifying 11 tables, the job's end", " artist_nodes "),
    ("Dagster's run of what is published", " published_graph "),
)
"""The parts of the way, with what the line says that ends each. What comes after is the end of the process."""


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
        at = _when(told["lines"])
        if _BUILDING not in at:
            raise UserError("project: too few events for the database to be built: --events 200000, or leave it out")
        with server.started(local) as _, server.connected() as driver:
            writing = {"import": at[_STARTING] - at[_BUILDING]}
            return Measurement(
                whole_s,
                writing,
                peak_mb,
                graph.contents(driver),
                {**_sizes(home), "most_shuffled_mb": told["most_shuffled_mb"]},
                parts=_parts(at, whole_s),
                counted_s=at[_COUNTED],
            )
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
    began, lines = psutil.Process().create_time(), list[tuple[float, str]]()

    def hear(line: str) -> None:
        say(line)
        lines.append((time.time() - began, line))

    ended, shuffled = threading.Event(), [0]
    watching = threading.Thread(target=_watch, args=(settings.home / "lake" / SPOOL, shuffled, ended))
    watching.start()
    try:
        report = runs.materialize(settings, SELECTION, hear, lambda _what: None)
    except UserError as error:
        sys.exit(f"project: {error}")
    finally:
        ended.set()
        watching.join()
    if not report.complete:
        sys.exit("\n".join((*report.failures, *report.held_back)))
    told = {"lines": lines, "most_shuffled_mb": round(max(shuffled) / 1e6)}
    (settings.home / _TOLD).write_text(json.dumps(told))


def _watch(spool: Path, sizes: list[int], ended: threading.Event) -> None:
    """Takes note of how large the files are that tasks hand on to others."""
    while not ended.wait(_WATCH_S):
        with suppress(OSError):  # they come and go
            sizes.append(sum(file.stat().st_size for file in spool.rglob("*") if file.is_file()))


def _sizes(home: Path) -> dict[str, int]:
    """What is on disk in the end: of the lake its files and their size, and the size of the database."""
    lake = [file.stat().st_size for file in (home / "lake").rglob("*") if file.is_file()]
    store = [file.stat().st_size for file in (home / "neo4j" / "data").rglob("*") if file.is_file()]
    return {"lake_files": len(lake), "lake_mb": round(sum(lake) / 1e6), "database_mb": round(sum(store) / 1e6)}


def _when(told: Sequence[tuple[float, str]]) -> dict[str, float]:
    """After how many seconds each part ended, by what ends it; without what never came."""
    found, lines = dict[str, float](), iter(told)
    for _, ending in _ENDS:
        for seconds, line in lines:
            if ending in line:
                found[ending] = seconds
                break
    return found


def _parts(at: Mapping[str, float], whole_s: float) -> dict[str, float]:
    """Seconds of each part."""
    ends = [0.0, *(at[ending] for _, ending in _ENDS), whole_s]
    names = [*(name for name, _ in _ENDS), "the end of the process"]
    return {name: end - start for name, (start, end) in zip(names, pairwise(ends), strict=True)}


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
