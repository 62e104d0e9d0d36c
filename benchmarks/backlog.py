"""How long a backlog takes to be in the graph, and one file after it: `make bench-backlog`.

`spotify-graph up` runs in a home of its own, on a graph that has its models. Then many files of events land together,
one of them bad. The clock stops when Neo4j counts as many events as the oracle does; nodes and relationships are then
compared one by one. After that files land one at a time.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import dagster as dg
from neo4j import Driver

from spotify_graph import runs, sample_data
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings
from spotify_graph_tests import oracle
from spotify_graph_tests.promised import contents, is_promised

_FIRST = 20_000
"""How many events the graph has before."""
_BAD = "user_events_bad.csv"
_NO_MODELS = "not (group:evaluation or group:recommendations)"
_COUNT = "MATCH ()-[r:PLAYED|LIKED|SKIPPED|PAUSED|SEEKED]->() RETURN sum(r.count) AS events"
_UNDER_WAY = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
_PATIENCE_S = 1_800


def main() -> None:
    """Runs it and prints the figures; the exit code says whether the graph is what the oracle says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--events", type=int, default=2_000, help="in each file")
    parser.add_argument("--users", type=int, default=1_500)
    parser.add_argument("--tracks", type=int, default=3_000)
    parser.add_argument("--singles", type=int, default=5, help="files that land one at a time afterwards")
    parser.add_argument("--no-models", action="store_true", help="don't wait for models to be trained before")
    asked = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("SPOTIFY_GRAPH_", "NEO4J_", "DAGSTER_"))]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # in order: with what it has started
    with tempfile.TemporaryDirectory(prefix="bench-backlog-") as folder:
        home = Path(folder) / "home"
        os.environ |= {"SPOTIFY_GRAPH_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
        try:
            figures = _measured(home, _Logs(Path(folder), asked), asked)
        finally:
            LocalNeo4j(Settings.load()).stop()
    json.dump(figures, sys.stdout, indent=2)
    sys.stdout.write("\n")


class _Logs:
    """One sample, divided among files."""

    def __init__(self, folder: Path, asked: argparse.Namespace) -> None:
        backlog, self._each = asked.files - 1, asked.events
        self._landing = folder / "home" / "landing"
        self._landing.mkdir(parents=True)
        made = sample_data.generate(
            folder / "sample",
            truth=folder / "truth",
            tracks=asked.tracks,
            users=asked.users,
            events=_FIRST + (backlog + asked.singles + 1) * asked.events,
            seed=1,
        )
        self._header, *self._lines = made.user_events.read_bytes().splitlines(keepends=True)
        self.catalogue = made.tracks.read_bytes()
        self.landed: dict[str, bytes] = {}

    def land(self, name: str, count: int = 0) -> None:
        """Lands the next events in a file, under a name that is seen once all are there."""
        rows, self._lines = self._lines[: count or self._each], self._lines[count or self._each :]
        self.put(name, b"".join([self._header, *rows]))

    def put(self, name: str, content: bytes, *, good: bool = True) -> None:
        """Lands a file."""
        whole = self._landing / f".{name}"
        whole.write_bytes(content)
        whole.replace(self._landing / name)
        if good:
            self.landed[name] = content

    def promised(self) -> oracle.Expected:
        """What the graph has to be."""
        return oracle.expected(self.landed, datetime.now(UTC))


def _measured(home: Path, logs: _Logs, asked: argparse.Namespace) -> dict[str, object]:
    logs.put("tracks.csv", logs.catalogue)
    logs.land("user_events_first.csv", _FIRST)
    subprocess.run([*_COMMAND, "materialize", "--select", _NO_MODELS], check=True, stdout=subprocess.DEVNULL)
    with _up(home), connect(Settings.load()) as driver, runs.instance(Settings.load()) as dagster:
        if not asked.no_models:
            logs.land("user_events_before.csv")
            _wait(lambda: _last(dagster) is not None and not _busy(dagster), "models are trained")
        before = time.time()
        for number in range(asked.files - 1):
            logs.land(f"user_events_backlog_{number:04}.csv")
            if number == asked.files // 2:
                logs.put(_BAD, b"who,what\nu1,t1\n", good=False)
        promised = logs.promised()
        events = sum(edge["count"] for edge in promised.events.values())
        landed = time.time()
        _wait(lambda: _events(driver) == events, "the backlog is in the graph")
        seconds = time.time() - landed
        _wait(lambda: not _busy(dagster), "nothing is under way")
        is_promised(contents(driver), promised)
        of_backlog = [it for it in dagster.get_run_records() if it.create_timestamp.timestamp() > before]
        figures: dict[str, object] = {
            "files": asked.files,
            "events in each": asked.events,
            "landed within_s": round(landed - before, 1),
            "landed to graph_minutes": round(seconds / 60, 2),
            "runs": dict(Counter(it.dagster_run.job_name for it in of_backlog)),
            "bad file": [it for it in _states() if it["file"] == _BAD],
        }
        each = [_single(logs, number, driver, dagster) for number in range(asked.singles)]
        figures["one file, s"] = {name: round(median(it[name] for it in each), 1) for name in each[0]}
        figures["one file, each, s"] = [round(it["landed to graph"], 1) for it in each]
        is_promised(contents(driver), logs.promised())
    return figures


_COMMAND = [sys.executable, "-m", "spotify_graph.cli"]


@contextmanager
def _up(home: Path) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = home / "up.log"
    with log.open("w") as output:
        up = subprocess.Popen([*_COMMAND, "up", "--port", str(port)], stdout=output, stderr=output)
    try:
        _wait(lambda: "Ctrl-C" in log.read_text(), "`up` answers")
        yield
    finally:
        up.terminate()
        up.wait()


def _single(logs: _Logs, number: int, driver: Driver, dagster: dg.DagsterInstance) -> dict[str, float]:
    """How long one file takes that lands alone, and where that time goes."""
    time.sleep(3.7 * number % 5)  # at another moment between two looks each time
    logs.land(f"user_events_single_{number}.csv")
    landed = time.time()
    events = sum(edge["count"] for edge in logs.promised().events.values())
    _wait(lambda: _events(driver) == events, "the file is in the graph")
    seconds = time.time() - landed
    _wait(lambda: not _busy(dagster), "nothing is under way")
    refresh, ingest = dagster.get_run_records(limit=2)
    times = [landed, *(float(at or 0) for it in (ingest, refresh) for at in _times(it))]
    stages = (
        *("until it is asked for", "until its run begins", "its run"),
        *("until the refresh is asked for", "until that begins", "the refresh"),
    )
    shares = {stage: after - at for stage, at, after in zip(stages, times, times[1:], strict=False)}
    return {"landed to graph": seconds, **shares}


def _times(record: dg.RunRecord) -> tuple[float, float | None, float | None]:
    return record.create_timestamp.timestamp(), record.start_time, record.end_time


def _events(driver: Driver) -> int:
    return int(driver.execute_query(_COUNT).records[0]["events"])


def _states() -> list[dict[str, object]]:
    done = subprocess.run([*_COMMAND, "status", "--json"], check=True, capture_output=True)
    found: list[dict[str, object]] = json.loads(done.stdout)["landed"]
    return [{name: it[name] for name in ("file", "state", "note")} for it in found]


def _last(dagster: dg.DagsterInstance) -> object | None:
    return dagster.get_latest_materialization_event(dg.AssetKey("recommended_edges"))


def _busy(dagster: dg.DagsterInstance) -> bool:
    return bool(dagster.get_runs(dg.RunsFilter(statuses=_UNDER_WAY), limit=1))


def _wait(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {_PATIENCE_S} s")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
