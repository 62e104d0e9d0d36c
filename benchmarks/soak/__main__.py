"""A long run under everything that goes wrong: `make soak`.

`spotify-graph up` runs in a home of its own, with its own Neo4j. Files land every few seconds, one in ten of them bad;
some are replaced, one is forgotten. Readers ask over Bolt and over HTTP. Meanwhile one process after the other is
killed, the memory is less than is wanted, the disk is full, and the clock jumps. Where `up` ends by that, it is started
again, as a service manager does. In the end lake, graph and oracle are compared.

A small disk needs the right to mount one, a limit of memory a control group, and a clock that jumps a C compiler: what
is not to be had here is left out, and the figures say so.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from neo4j import GraphDatabase

from benchmarks.soak.faults import Faults
from benchmarks.soak.files import LogFiles
from benchmarks.soak.installation import Installation
from benchmarks.soak.machine import Clock, memory_group, small_disk
from benchmarks.soak.readers import Readers
from benchmarks.soak.waiting import say, until
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
from spotify_graph_tests import oracle
from spotify_graph_tests.promised import contents, is_promised

_NO_MODELS = "not (group:evaluation or group:recommendations)"


def main() -> None:
    """Runs it and prints the figures; the exit code says whether all agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long files land and things go wrong")
    parser.add_argument("--every", type=float, default=5, help="seconds between two files")
    parser.add_argument("--faults", default="", help="only those whose names match this pattern")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the folder in the end")
    asked = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("SPOTIFY_GRAPH_", "NEO4J_", "DAGSTER_"))]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    root = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        with ExitStack() as stack:
            soak = _Soak(root, asked, stack)
            # Whoever started it last, it is this home's.
            stack.callback(lambda: LocalNeo4j(Settings.load()).stop())
            figures = soak.run()
    finally:
        if not asked.keep:
            shutil.rmtree(root, ignore_errors=True)
    json.dump(figures, sys.stdout, indent=2)
    sys.stdout.write("\n")
    if figures["disagreements"]:
        sys.exit(1)


class _Soak:
    def __init__(self, root: Path, asked: argparse.Namespace, stack: ExitStack) -> None:
        self._asked = asked
        home = root / "home"
        home.mkdir()
        disk_is_small = stack.enter_context(small_disk(home))
        group = stack.enter_context(memory_group())
        clock = Clock.made(root)
        os.environ |= {
            "SPOTIFY_GRAPH_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            # Most files have few rows, so that any change is a large part of the graph.
            "SPOTIFY_GRAPH_GATES": json.dumps({"drop_error": 1.0, "duplicates_warn": 1.0, "stale_warn_hours": 1e9}),
        }
        (home / "landing").mkdir()
        chance = random.Random(asked.seed)  # noqa: S311 which events there are is no secret
        self._files = LogFiles(home / "landing", chance)
        self._installation = Installation(home, root / "up.log", clock, group)
        self._readers = Readers(self._installation, random.Random(asked.seed))  # noqa: S311 whom they ask neither
        self._faults = Faults(self._installation, clock, group, small_disk=disk_is_small)
        self._wrong: list[str] = []
        self._most_bytes = 0

    def run(self) -> dict[str, Any]:
        """All of it."""
        started = time.monotonic()
        try:
            self._files.land_some()
            first = self._installation.command("materialize")
            if first.returncode:
                sys.exit(first.stderr)
            say("the graph has models: `up` begins")
            self._installation.watch()
            until(self._installation.answers, 300)
            self._readers.start()
            seconds = self._asked.minutes * 60
            breaking = threading.Thread(target=self._faults.inflict, args=(seconds, self._asked.faults), daemon=True)
            breaking.start()
            self._land_files(seconds)
            breaking.join()
            drained = self._drain()
            self._readers.stop()
        finally:
            self._installation.end()
        settled = self._settle()
        return {
            "minutes": round((time.monotonic() - started) / 60, 1),
            "files": dict(self._files.landed),
            "good files in the end": len(self._files.good),
            "faults": self._faults.inflicted,
            "left out": self._faults.left_out,
            "starts of up": self._installation.starts,
            "Bolt": self._readers.bolt.figures(),
            "HTTP": self._readers.http.figures(),
            "most memory, MB": round(self._most_bytes / 1e6),
            "taken in by up after the last file, s": drained,
            **settled,
            "disagreements": [*self._faults.wrong, *self._readers.wrong, *self._wrong],
        }

    def _land_files(self, seconds: float) -> None:
        begun, number = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            number += 1
            self._installation.watch()
            self._most_bytes = max(self._most_bytes, self._installation.memory())
            self._files.land(number)
            time.sleep(self._asked.every)
        self._forget()

    def _forget(self) -> None:
        name = self._files.events()[0]
        done = self._installation.command("forget", name)
        if done.returncode == 0:
            self._files.forgotten(name)
        else:
            self._wrong.append(f"forget {name}: {done.stderr[-500:]}")

    def _drain(self) -> float | None:
        """How long `up` takes until every file that is there is known; None where it does not get there in time."""
        begun = time.monotonic()

        def drained() -> bool:
            self._installation.watch()
            done = self._installation.command("status", "--json")
            if done.returncode:
                return False
            states = Counter(file["state"] for file in json.loads(done.stdout)["landed"])
            return not states.keys() & {"new", "changed", "failed", "stale", "waiting", "being written"}

        there = until(drained, 120, often=2)
        return round(time.monotonic() - begun, 1) if there else None

    def _settle(self) -> dict[str, object]:
        """What the next run leaves, held against the oracle, the lake and the doctor."""
        started = time.monotonic()
        done = self._installation.command("materialize", "--select", _NO_MODELS, "--json")
        run = json.loads(done.stdout) if done.stdout else {"failures": [done.stderr[-2000:]], "held_back": []}
        self._wrong += [f"materialize: {line}" for line in run["failures"]]
        seconds = time.monotonic() - started
        local = LocalNeo4j(Settings.load())
        status = local.start()
        with GraphDatabase.driver(status.uri, auth=("neo4j", local.password().get_secret_value())) as driver:
            found = contents(driver)
        promised = oracle.expected(self._files.good, datetime.now(UTC))
        try:
            is_promised(found, promised)
        except AssertionError as error:
            self._wrong.append(f"the graph is not the oracle's: {str(error)[:2000]}")
        reconciled = self._installation.command("reconcile", "--json")
        tables = json.loads(reconciled.stdout) if reconciled.stdout else []
        if reconciled.returncode:
            self._wrong.append(f"reconcile: {reconciled.stderr[-2000:]}")
        doctor = self._installation.command("doctor", "--json")
        problems = [it for it in json.loads(doctor.stdout) if it["state"] == "problem"]
        self._wrong += [f"doctor: {it['what']}: {it['found']}" for it in problems]
        return {
            "the next run, s": round(seconds, 1),
            "held back by it": len(run["held_back"]),
            "nodes": len(found[0]),
            "relationships": len(found[1]),
            "tables reconciled": tables,
            "warnings of the doctor": [
                f"{it['what']}: {it['found']}" for it in json.loads(doctor.stdout) if it["state"] == "warning"
            ],
        }


if __name__ == "__main__":
    main()
