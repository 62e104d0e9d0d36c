"""Runs the contestants: `python -m benchmarks.loading`."""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import benchmarks.loading
from benchmarks.loading import bolt, bulk, connector, graph, machine, project, report
from benchmarks.loading.measurement import Measurement, say
from spotify_graph import sample_data
from spotify_graph.errors import UserError

_CONTESTANTS = ("project", "project-bolt", "connector", "bolt", "bulk")
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
    parser.add_argument("--json", type=Path, default=Path("build/bench-loading.json"), help="where the figures go")
    asked = parser.parse_args()
    if (dependent := _NEED_PROJECT.intersection(asked.only)) and "project" not in asked.only:
        parser.error(f"--only: {' and '.join(sorted(dependent))} loads what project staged: name project as well")
    for name in [name for name in os.environ if name.startswith(("SPOTIFY_GRAPH_", "NEO4J_", "DAGSTER_", "SPARK_"))]:
        del os.environ[name]
    # Ended like this too, it stops its servers.
    signal.signal(signal.SIGTERM, _end)
    sizes = {"tracks": asked.tracks, "users": asked.users, "events": asked.events, "seed": asked.seed}
    found = {"sizes": sizes, "machine": machine.describe()}
    try:
        with tempfile.TemporaryDirectory(prefix="bench-loading-") as folder:
            measured = _measure(Path(folder), asked.only, sizes)
    except UserError as error:
        sys.exit(f"bench: {error}")
    found |= {
        "contestants": {name: each.as_record() for name, each in measured.items()},
        "ratios": report.ratios(measured),
    }
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(report.text(found, measured))
    say(f"The figures are in {asked.json}")


def _measure(root: Path, chosen: list[str], sizes: dict[str, int]) -> dict[str, Measurement]:
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
    os.environ["SPOTIFY_GRAPH_LANDING"] = str(landing)
    first = root / "project"
    contestants: dict[str, Callable[[], Measurement]] = {
        "project": lambda: project.build(first),
        "project-bolt": lambda: project.publish(root / "project-bolt"),
        "connector": lambda: connector.measure(root / "connector"),
        "bolt": lambda: bolt.measure(root / "bolt", first),
        "bulk": lambda: bulk.measure(root / "bulk", first),
    }
    measured: dict[str, Measurement] = {}
    for name in _CONTESTANTS:
        if name in chosen:
            say(f"== {name}")
            measured[name] = contestants[name]()
            graph.must_agree({each: of.contents for each, of in measured.items()})
    return measured


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit("bench: ended from outside")


if __name__ == "__main__":
    main()
