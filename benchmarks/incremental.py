"""What one more file costs, against a full rebuild: `make bench-incremental`.

One process, one local Neo4j in a temporary home, and no models. The first load warms both up and is not counted. Then
files are taken in, one after the other: of the newest two days, and of all days; those of all days are replaced, and
those of the newest days are forgotten. Then, with --up, files land under `spotify-graph up`, which has done nothing for
a minute before. In the end everything is built from scratch in a new home and an empty database.
"""

import argparse
import json
import os
import random
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import mean, median

import dagster as dg
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from neo4j import Driver

from spotify_graph import runs, sample_data
from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.lake import cleaning
from spotify_graph.lake.lake import Lake
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import ledger
from spotify_graph.resources.neo4j import connect
from spotify_graph.run_report import RunReport
from spotify_graph.settings import Settings

NO_MODELS = "not (group:evaluation or group:recommendations)"
TIMES = 3
"""How many files of a kind are taken in."""
UNDER_UP = 3
"""How many files land under `up`."""
_SETTLED_SECONDS = 120
_IDLE_SECONDS = 300
"""What `up` does every few minutes is in its share of a core, and what it does once at its start is not."""
_UNDER_WAY = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def main() -> None:
    """Runs the loads and prints their times and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=20_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--more", type=int, default=10_000, help="events in each file that comes later")
    parser.add_argument("--many", type=int, default=0, help="how many files more, one after the other")
    parser.add_argument("--up", action="store_true", help="let files land under `spotify-graph up`, too")
    parser.add_argument("--no-rebuild", action="store_true")
    sizes = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("SPOTIFY_GRAPH_", "NEO4J_", "DAGSTER_"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="bench-incremental-") as folder:
        root = Path(folder)
        os.environ["SPOTIFY_GRAPH_HOME"] = str(root / "server")
        server = LocalNeo4j(Settings.load())
        server.start(_say)
        os.environ |= {"NEO4J_URI": str(server.status().uri), "NEO4J_PASSWORD": server.password().get_secret_value()}
        try:
            found = _measured(root, sizes)
        finally:
            server.stop()
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _measured(root: Path, sizes: argparse.Namespace) -> dict[str, object]:
    logs = _Logs(root, sizes)
    home, landing = root / "one", root / "one" / "landing"
    landing.mkdir(parents=True)
    shutil.copyfile(root / "sample" / "tracks.csv", landing / "tracks.csv")
    logs.write(landing / "user_events_0.csv", logs.history)
    found: dict[str, object] = {"events": sizes.events, "more": sizes.more}
    found["first_load_s"] = _seconds(home, _materialize)
    for kind, rows in (("newest", logs.newest), ("spread", logs.spread)):
        seconds = []
        for number, some in enumerate(rows):
            logs.write(landing / f"user_events_{kind}_{number}.csv", some)
            seconds.append(_seconds(home, _materialize))
        found |= {f"{kind}_s": median(seconds), f"{kind}_each_s": seconds}
    seconds = []
    for number, some in enumerate(logs.others):
        logs.write(landing / f"user_events_spread_{number}.csv", some)
        seconds.append(_seconds(home, _materialize))
    found |= {"replaced_s": median(seconds), "replaced_each_s": seconds}
    seconds = [_seconds(home, partial(_forget, f"user_events_newest_{number}.csv")) for number in range(TIMES)]
    found |= {"forgotten_s": median(seconds), "forgotten_each_s": seconds}
    if sizes.many:
        each = []
        for number, some in enumerate(logs.many):
            logs.write(landing / f"user_events_many_{number:03}.csv", some)
            each.append(_seconds(home, _materialize))
        tenth = max(1, sizes.many // 10)
        found |= {"many_first_s": round(mean(each[:tenth]), 2), "many_last_s": round(mean(each[-tenth:]), 2)}
        found["many_longest_s"] = max(each)
        found["lake_files"] = _count_of_files(home / "lake")
        settings = Settings.load()
        with connect(settings) as driver:
            published = [it.version for it in ledger.read(driver, settings.neo4j_database).values()]
        cleaning.clean(Lake(settings.lake), datetime.now(UTC) + timedelta(days=2), published)
        found["lake_files_after_cleaning"] = _count_of_files(home / "lake")
    if sizes.up:
        found |= _under_up(home, logs)
    if sizes.no_rebuild:
        return found
    with connect(Settings.load()) as driver:
        for pattern in ("()-[x]->()", "(x)"):
            driver.session().run(f"MATCH {pattern} CALL (x) {{ DELETE x }} IN TRANSACTIONS OF 20000 ROWS").consume()
    shutil.copytree(landing, root / "two" / "landing")
    rebuild = _seconds(root / "two", _materialize)
    ratios = {
        f"{kind}_ratio": round(found[f"{kind}_s"] / rebuild, 3)  # type: ignore[operator]
        for kind in ("newest", "spread", "replaced", "forgotten")
    }
    return {**found, "full_rebuild_s": rebuild, **ratios}


def _count_of_files(folder: Path) -> int:
    return sum(1 for file in folder.rglob("*") if file.is_file())


def _under_up(home: Path, logs: "_Logs") -> dict[str, object]:
    """What `up` costs while nothing lands, and how long a file takes from its landing to the verified graph."""
    os.environ |= {"SPOTIFY_GRAPH_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (home / "up.log").open("w") as log:
        up = psutil.Popen(
            [sys.executable, "-m", "spotify_graph.cli", "up", "--port", str(port)], stdout=log, stderr=log
        )
    try:
        _wait(lambda: "Dagster UI" in (home / "up.log").read_text())
        time.sleep(_SETTLED_SECONDS)
        before, started = _cpu(up), time.monotonic()
        time.sleep(_IDLE_SECONDS)
        idle = (_cpu(up) - before) / (time.monotonic() - started)
        seconds = []
        for number, events in enumerate(logs.under_up):
            landed, started = datetime.now(UTC), time.monotonic()
            logs.write(home / "landing" / f"user_events_up_{number}.csv", events)
            with connect(Settings.load()) as driver, runs.instance(Settings.load()) as dagster:
                _wait(partial(_is_in_graph, driver, landed))
                seconds.append(round(time.monotonic() - started, 1))
                # The first refresh has the models trained for the first time.
                _wait(partial(_is_idle, dagster))
    finally:
        up.terminate()
        up.wait()
    return {"up_idle_share_of_a_core": round(idle, 4), "up_landed_to_graph_s": seconds}


def _forget(file: str) -> RunReport:
    return runs.forget(Settings.load(), file, _say, lambda _what: None)[1]


def _is_in_graph(driver: Driver, landed: datetime) -> bool:
    """Whether all relationships of events were published since a file landed, and verified."""
    entries = ledger.read(driver, Settings.load().neo4j_database)
    found = [entries[event.relationship.asset] for event in EVENT_TYPES]
    return all(it.finished_at and it.finished_at > landed and it.verified_at for it in found)


def _is_idle(dagster: dg.DagsterInstance) -> bool:
    """Whether no run is queued or under way."""
    return not dagster.get_runs(dg.RunsFilter(statuses=_UNDER_WAY))


def _cpu(process: psutil.Process) -> float:
    """Seconds of CPU that a process took with all that it started."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += sum(each.cpu_times()[:4])  # its own, and those of its children that ended
    return total


def _wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 900
    while not holds():
        if time.monotonic() > deadline:
            sys.exit("`up` did not do it within 900 s")
        time.sleep(0.2)


class _Logs:
    """The events of one sample, divided among files."""

    def __init__(self, root: Path, sizes: argparse.Namespace) -> None:
        count = 3 * TIMES + sizes.many + UNDER_UP
        sample_data.generate(
            root / "sample",
            truth=root / "truth",
            tracks=sizes.tracks,
            users=sizes.users,
            events=sizes.events + count * sizes.more,
            seed=1,
        )
        as_text = pa_csv.ConvertOptions(column_types=dict.fromkeys(("event_ts", "session_id"), pa.string()))
        events = pa_csv.read_csv(root / "sample" / "user_events.csv", convert_options=as_text)
        events = events.take(pc.sort_indices(events["event_ts"]))
        chance = random.Random(1)  # noqa: S311 which events go together is no secret
        newest = sizes.more * TIMES
        parts = list(range(len(events) - newest))
        chance.shuffle(parts)
        of_all_days = [sorted(parts[at * sizes.more : (at + 1) * sizes.more]) for at in range(count - TIMES)]
        rest = sorted(parts[(count - TIMES) * sizes.more :])
        self.history = events.take(rest)
        last = list(range(len(events) - newest, len(events)))
        chance.shuffle(last)
        self.newest = [events.take(sorted(last[at::TIMES])) for at in range(TIMES)]
        self.spread = [events.take(rows) for rows in of_all_days[:TIMES]]
        self.others = [events.take(rows) for rows in of_all_days[TIMES:][:TIMES]]
        self.under_up = [events.take(rows) for rows in of_all_days[2 * TIMES :][:UNDER_UP]]
        self.many = [events.take(rows) for rows in of_all_days[2 * TIMES + UNDER_UP :]]

    @staticmethod
    def write(file: Path, events: pa.Table) -> None:
        """Lands events, under a name that is seen once all are there."""
        whole = file.with_name(f".{file.name}")
        pa_csv.write_csv(events, whole)
        whole.replace(file)


def _seconds(home: Path, do: Callable[[], RunReport]) -> float:
    """How long it takes, in a home."""
    os.environ |= {"SPOTIFY_GRAPH_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    started = time.monotonic()
    report = do()
    if not report.complete:
        sys.exit("\n".join((*report.failures, *report.held_back)))
    return round(time.monotonic() - started, 2)


def _materialize() -> RunReport:
    return runs.materialize(Settings.load(), NO_MODELS, _say, lambda _what: None)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
