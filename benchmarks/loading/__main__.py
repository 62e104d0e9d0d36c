"""Runs the contestants: `python -m benchmarks.loading`."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

import benchmarks.loading
from benchmarks.loading import bolt, bulk, connector, demo, graph, machine, project, report, yardstick
from benchmarks.loading.measurement import Measurement, say
from spotify_graph import sample_data
from spotify_graph.errors import UserError

_CONTESTANTS = ("project", "project-bolt", "connector", "bolt", "bulk", "pyarrow", "duckdb", "demo")
_NEED_PROJECT = {"bolt", "bulk"}


def main() -> None:
    """Measures, compares and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.loading",
        description=benchmarks.loading.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tracks", type=int, default=20_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=_CONTESTANTS, default=list(_CONTESTANTS), help="who takes part")
    parser.add_argument("--runs", type=int, default=3, help="how often all take part, in turn")
    parser.add_argument("--page", type=Path, help="a page that the report goes into, such as docs/performance.md")
    parser.add_argument("--json", type=Path, default=Path("build/bench-loading.json"), help="where the figures go")
    asked = parser.parse_args()
    if (dependent := _NEED_PROJECT.intersection(asked.only)) and "project" not in asked.only:
        parser.error(f"--only: {' and '.join(sorted(dependent))} loads what project staged: name project as well")
    for name in [name for name in os.environ if name.startswith(("SPOTIFY_GRAPH_", "NEO4J_", "DAGSTER_", "SPARK_"))]:
        del os.environ[name]
    # Ended like this too, it stops its servers.
    signal.signal(signal.SIGTERM, _end)
    sizes = {"tracks": asked.tracks, "users": asked.users, "events": asked.events, "seed": asked.seed}
    found = {"sizes": sizes, "machine": machine.describe(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    try:
        with tempfile.TemporaryDirectory(prefix="bench-loading-") as folder:
            measured = _measure(Path(folder), asked.only, sizes, asked.runs)
        found |= {
            "contestants": {name: [each.as_record() for each in runs] for name, runs in measured.items()},
            "ratios": report.ratios(measured),
        }
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(found, indent=2) + "\n")
        text = report.text(found, measured)
        sys.stdout.write(text)
        say(f"The figures are in {asked.json}")
        if asked.page:
            report.put(text, asked.events, asked.page)
    except UserError as error:
        sys.exit(f"bench: {error}")


def _measure(root: Path, chosen: list[str], sizes: dict[str, int], runs: int) -> report.Runs:
    landing = root / "landing"
    say("Generating the logs")
    sample_data.generate(
        landing,
        truth=root / "truth",
        tracks=sizes["tracks"],
        users=sizes["users"],
        events=sizes["events"],
        seed=sizes["seed"],
    )
    measured = defaultdict[str, list[Measurement]](list)
    for run in range(runs):
        folder = root / f"run{run}"
        first = folder / "project"
        contestants: dict[str, Callable[[Path], Measurement]] = {
            "project": project.build,
            "project-bolt": project.publish,
            "connector": connector.measure,
            "bolt": partial(bolt.measure, project=first),
            "bulk": partial(bulk.measure, project=first),
            "pyarrow": partial(yardstick.measure, engine="pyarrow"),
            "duckdb": partial(yardstick.measure, engine="duckdb"),
            "demo": demo.measure,
        }
        for name in (name for name in _CONTESTANTS if name in chosen):
            say(f"== {name}, {run + 1} of {runs}")
            os.environ["SPOTIFY_GRAPH_LANDING"] = str(landing)
            measured[name].append(contestants[name](folder / name))
            graphs = {each: of[-1].contents for each, of in measured.items() if of[-1].contents}
            graph.must_agree(graphs)
        shutil.rmtree(folder)
    return measured


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit("bench: ended from outside")


if __name__ == "__main__":
    main()
