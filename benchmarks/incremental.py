"""What one more file costs, against a full rebuild: `make bench-incremental`.

One process, one local Neo4j in a temporary home, and no models. The first load warms both up and is not counted; then
one more file is taken in, and then everything is built from scratch in a new home and an empty database.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from spotify_graph import runs, sample_data
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings

NO_MODELS = "not (group:evaluation or group:recommendations)"


def main() -> None:
    """Runs the three loads and prints their times and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=20_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--more", type=int, default=10_000, help="events in the file that comes later")
    sizes = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("SPOTIFY_GRAPH_", "NEO4J_", "DAGSTER_"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="bench-incremental-") as folder:
        root = Path(folder)
        sample_data.generate(
            root / "first", truth=root / "truth", tracks=sizes.tracks, users=sizes.users, events=sizes.events, seed=1
        )
        sample_data.generate(
            root / "later", truth=root / "truth", tracks=sizes.tracks, users=sizes.users, events=sizes.more, seed=2
        )
        os.environ["SPOTIFY_GRAPH_HOME"] = str(root / "server")
        server = LocalNeo4j(Settings.load())
        server.start(_say)
        os.environ |= {"NEO4J_URI": str(server.status().uri), "NEO4J_PASSWORD": server.password().get_secret_value()}
        try:
            _land(root, "one", root / "first", "user_events_1.csv")
            warming, _ = _materialize(root / "one")
            _land(root, "one", root / "later", "user_events_2.csv")
            incremental, written = _materialize(root / "one")
            _empty_graph()
            _land(root, "two", root / "first", "user_events_1.csv")
            _land(root, "two", root / "later", "user_events_2.csv")
            full, rows = _materialize(root / "two")
        finally:
            server.stop()
    found = {
        "events": sizes.events,
        "more": sizes.more,
        "first_load_s": round(warming, 1),
        "incremental_s": round(incremental, 1),
        "full_rebuild_s": round(full, 1),
        "ratio": round(incremental / full, 3),
        "rows_written_incremental": written,
        "rows_written_full": rows,
    }
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _land(root: Path, home: str, source: Path, name: str) -> None:
    landing = root / home / "landing"
    landing.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "user_events.csv", landing / name)
    if not (landing / "tracks.csv").exists():
        shutil.copyfile(source / "tracks.csv", landing / "tracks.csv")


def _materialize(home: Path) -> tuple[float, int]:
    """Seconds, and how many rows were written to Neo4j."""
    os.environ |= {"SPOTIFY_GRAPH_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    started = time.monotonic()
    report = runs.materialize(Settings.load(), NO_MODELS, _say, lambda _what: None)
    if not report.complete:
        sys.exit("\n".join((*report.failures, *report.held_back)))
    return time.monotonic() - started, sum(sum(rows.values()) for rows in report.written.values())


def _empty_graph() -> None:
    with connect(Settings.load()) as driver:
        for pattern in ("()-[x]->()", "(x)"):
            driver.session().run(f"MATCH {pattern} CALL (x) {{ DELETE x }} IN TRANSACTIONS OF 20000 ROWS").consume()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
