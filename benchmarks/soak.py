"""A long run under everything that goes wrong: `make soak`.

`spotify-graph up` runs in a home of its own, with its own Neo4j. Files land every few seconds, one in ten of them bad;
some are replaced, one is forgotten. Readers ask over Bolt and over HTTP. Meanwhile one process after the other is
killed, the memory is less than is wanted, the disk is full, and the clock jumps. Where `up` ends by that, it is started
again, as a service manager does. In the end lake, graph and oracle are compared.

A small disk needs the right to mount one, a limit of memory a control group, and a clock that jumps a C compiler: what
is not to be had here is left out, and the figures say so.
"""

import argparse
import ctypes
import json
import mmap
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import requests
from neo4j import GraphDatabase
from neo4j.exceptions import DriverError, Neo4jError

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
from spotify_graph_tests import oracle
from spotify_graph_tests.promised import contents, is_promised

_HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
_USERS, _TRACKS, _ROWS = 60, 120, 40
_DISK_BYTES = 3 << 30
_MISSING_BYTES = 2 << 30
_FAULT_S = 30
"""How long the disk is full, memory is short, and the clock is an hour ahead."""
_JUMP_S = 3600
_AWAY = 503
"""What the HTTP service answers while Neo4j is away."""
_PATIENCE_S = 60
"""How long a person waits until they start Neo4j by hand."""
_NOTICED_S = 5
"""After so long it shows that a process has ended."""
_NO_MODELS = "not (group:evaluation or group:recommendations)"
_QUIET: dict[str, Any] = {"notifications_min_severity": "OFF"}
_GROUPS = Path("/sys/fs/cgroup/memory")


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


@dataclass
class _Asked:
    """What readers of one kind have met."""

    answers: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    longest_away_s: float = 0.0
    last: float = field(default_factory=time.monotonic)

    def answered(self, seconds: float) -> None:
        now = time.monotonic()
        self.longest_away_s = max(self.longest_away_s, now - self.last)
        self.answers += 1
        self.slowest_s = max(self.slowest_s, seconds)
        self.last = now

    def figures(self) -> dict[str, object]:
        return {
            "answers": self.answers,
            "refused or away": dict(self.refusals),
            "slowest_s": round(self.slowest_s, 2),
            "longest_away_s": round(self.longest_away_s, 1),
        }


class _Soak:
    def __init__(self, root: Path, asked: argparse.Namespace, stack: ExitStack) -> None:
        self._root, self._asked = root, asked
        self._chance = random.Random(asked.seed)  # noqa: S311 which events there are is no secret
        self._home = root / "home"
        self._home.mkdir()
        self._small_disk = stack.enter_context(_small_disk(self._home))
        self._group = stack.enter_context(_memory_group())
        self._clock = _Clock.made(root)
        os.environ |= {
            "SPOTIFY_GRAPH_HOME": str(self._home),
            "DAGSTER_HOME": str(self._home / "dagster"),
            # Most files have few rows, so that any change is a large part of the graph.
            "SPOTIFY_GRAPH_GATES": json.dumps({"drop_error": 1.0, "duplicates_warn": 1.0, "stale_warn_hours": 1e9}),
        }
        self._landing = self._home / "landing"
        self._landing.mkdir()
        self._good: dict[str, bytes] = {}
        self._landed = Counter[str]()
        self._faults: list[dict[str, object]] = []
        self._wrong: list[str] = []
        self._up: psutil.Popen | None = None
        self._starts = 0
        self._held = False
        self._over = threading.Event()
        self._bolt, self._http = _Asked(), _Asked()
        self._most_bytes = 0

    def run(self) -> dict[str, Any]:
        """All of it."""
        started = time.monotonic()
        try:
            self._land_catalogue(0)
            for number in range(5):
                self._land_events(f"user_events_before_{number}.csv", "before")
            first = self._command("materialize")
            if first.returncode:
                sys.exit(first.stderr)
            _say("the graph has models: `up` begins")
            self._watch_up()
            _until(self._answers, 300)
            readers = [threading.Thread(target=it, daemon=True) for it in (self._read_bolt, self._read_http)]
            for reader in readers:
                reader.start()
            self._bolt.last = self._http.last = time.monotonic()
            breaking = threading.Thread(target=self._break_things, daemon=True)
            breaking.start()
            self._land_files(self._asked.minutes * 60)
            breaking.join()
            drained = self._drain()
            self._over.set()
            for reader in readers:
                reader.join()
        finally:
            self._over.set()
            self._end_up()
        settle = self._settle()
        return {
            "minutes": round((time.monotonic() - started) / 60, 1),
            "files": dict(self._landed),
            "good files in the end": len(self._good),
            "faults": self._faults,
            "left out": self._left_out(),
            "starts of up": self._starts,
            "Bolt": self._bolt.figures(),
            "HTTP": self._http.figures(),
            "most memory, MB": round(self._most_bytes / 1e6),
            "taken in by up after the last file, s": drained,
            **settle,
            "disagreements": self._wrong,
        }

    # Files

    def _land_files(self, seconds: float) -> None:
        begun, number = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            number += 1
            self._watch_up()
            self._most_bytes = max(self._most_bytes, self._memory())
            try:
                if number % 10 == 0:
                    self._land_bad(number)
                elif number % 17 == 0:
                    self._land_catalogue(number)
                elif number % 7 == 0 and self._events():
                    self._land_events(self._chance.choice(self._events()), "replaced")
                else:
                    self._land_events(f"user_events_{number:04}.csv", "new")
            except OSError:  # the disk is full: whoever wants to land something tries again
                self._landed["the disk was full"] += 1
            time.sleep(self._asked.every)
        self._forget()

    def _events(self) -> list[str]:
        return sorted(name for name in self._good if name.startswith("user_events"))

    def _land_catalogue(self, number: int) -> None:
        rows = [f"t{i},Artist {i % 20},Album {number},{1000 + i + number},Genre {i % 7}" for i in range(_TRACKS)]
        self._land("tracks.csv", ["track_id,artist,album,duration_ms,genre", *rows], "catalogue")

    def _land_events(self, name: str, kind: str) -> None:
        rows = [self._event() for _ in range(_ROWS)]
        bad = ["no event"] if self._chance.choice([True, False]) else []
        self._land(name, [_HEADER, *rows, *bad], kind)

    def _land_bad(self, number: int) -> None:
        name = f"user_events_bad_{number:04}.csv"
        if number % 20:
            self._land(name, ["who,what", "u1,t1"], "bad", good=False)
        else:
            self._land(name, [_HEADER, self._event(), "no event", "nor this"], "bad", good=False)

    def _event(self) -> str:
        kind = self._chance.choice(["play"] * 5 + ["like", "skip", "pause", "seek"])
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=self._chance.randrange(100_000))
        user, track = self._chance.randrange(_USERS), self._chance.randrange(_TRACKS + 5)
        return f"u{user},t{track},{kind},{at:%Y-%m-%dT%H:%M:%SZ},s{user},{self._chance.choice(['web', 'tv'])}"

    def _land(self, name: str, lines: list[str], kind: str, *, good: bool = True) -> None:
        content = ("\n".join(lines) + "\n").encode()
        whole = self._landing / f".{name}"
        try:
            whole.write_bytes(content)
            whole.replace(self._landing / name)
        except OSError:
            whole.unlink(missing_ok=True)
            raise
        self._landed[kind] += 1
        if good:
            self._good[name] = content

    def _forget(self) -> None:
        name = self._events()[0]
        done = self._command("forget", name)
        if done.returncode == 0:
            del self._good[name]
            self._landed["forgotten"] += 1
        else:
            self._wrong.append(f"forget {name}: {done.stderr[-500:]}")

    # Processes

    def _watch_up(self) -> None:
        """Starts `up` where it does not run."""
        if self._over.is_set() or self._held or (self._up is not None and self._up.poll() is None):
            return
        with (self._root / "up.log").open("ab") as log:
            environment = os.environ | (self._clock.environment if self._clock else {})
            self._up = psutil.Popen(
                [sys.executable, "-m", "spotify_graph.cli", "up"], stdout=log, stderr=log, env=environment
            )
        self._starts += 1
        if self._group:
            (self._group / "cgroup.procs").write_text(str(self._up.pid))

    def _end_up(self) -> None:
        if self._up is not None:
            with suppress(psutil.NoSuchProcess):
                self._up.terminate()
            self._up.wait()

    def _command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "spotify_graph.cli", *arguments], capture_output=True, text=True, check=False
        )

    def _processes(self, pattern: str) -> list[psutil.Process]:
        """The processes of this home that have such a command line."""
        found = []
        known = {it.pid for it in self._family()}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if re.search(pattern, line) and (process.pid in known or str(self._home) in line):
                    found.append(process)
        return found

    def _family(self) -> list[psutil.Process]:
        try:
            return self._up.children(recursive=True) if self._up else []
        except psutil.NoSuchProcess:
            return []

    def _memory(self) -> int:
        total = 0
        for process in {*self._family(), *self._processes("Neo4jCommunity")}:
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    # Readers

    def _read_bolt(self) -> None:
        local = LocalNeo4j(Settings.load())
        while not self._over.wait(0.5):
            started = time.monotonic()
            try:
                auth = ("neo4j", local.password().get_secret_value())
                with GraphDatabase.driver(local.status().uri, auth=auth, connection_timeout=5, **_QUIET) as driver:
                    twice = driver.session().run(
                        "MATCH (u:User)-[r]->(t:Track) WHERE r.model IS NULL WITH u, t, type(r) AS type, count(*) AS n"
                        " WHERE n > 1 RETURN count(*) AS n"
                    )
                    if count := twice.single(strict=True)["n"]:
                        self._wrong.append(f"{count} relationships exist twice")
            except (DriverError, Neo4jError, OSError) as error:
                self._bolt.refusals[type(error).__name__] += 1
                continue
            self._bolt.answered(time.monotonic() - started)

    def _read_http(self) -> None:
        while not self._over.wait(0.3):
            started = time.monotonic()
            try:
                url = re.findall(r"HTTP API +(\S+)", (self._root / "up.log").read_text())[-1]
                user = f"u{self._chance.randrange(_USERS)}"
                answer = requests.get(f"{url}/v1/recommendations", params={"user_id": user}, timeout=30)
            except (requests.RequestException, IndexError) as error:
                self._http.refusals[type(error).__name__] += 1
                continue
            if answer.status_code in {200, 404}:
                self._http.answered(time.monotonic() - started)
            else:
                self._http.refusals[str(answer.status_code)] += 1
                if answer.status_code != _AWAY:
                    self._wrong.append(f"HTTP {answer.status_code}: {answer.text[:300]}")

    def _answers(self) -> bool:
        """Whether `up` is all there."""
        self._watch_up()
        with suppress(requests.RequestException, IndexError, OSError):
            text = (self._root / "up.log").read_text()
            urls = [re.findall(rf"{what} +(\S+)", text)[-1] for what in ("Dagster UI", "HTTP API")]
            paths = [f"{urls[0]}/server_info", f"{urls[1]}/ready"]
            return all(requests.get(path, timeout=5).ok for path in paths)
        return False

    # Faults

    def _break_things(self) -> None:
        faults: dict[str, Callable[[], str | None]] = {
            "run worker killed": self._kill_run,
            "code server killed": lambda: self._killed(r"-m spotify_graph.code_server"),
            "Neo4j killed": lambda: self._killed("Neo4jCommunity"),
            "webserver killed": lambda: self._killed(r"-m dagster_webserver"),
            "Spark JVM killed": self._kill_spark,
            "disk full": self._fill_disk,
            "daemon killed": lambda: self._killed(r"-m dagster._daemon"),
            "clock an hour ahead": self._jump,
            "HTTP service killed": lambda: self._killed(r"spotify_graph.cli serve"),
            "2 GiB of memory less": self._squeeze,
            "`up` killed": self._kill_up,
        }
        faults = {name: inflict for name, inflict in faults.items() if re.search(self._asked.faults, name)}
        begun, share = time.monotonic(), self._asked.minutes * 60 / (len(faults) + 1)
        for number, (name, inflict) in enumerate(faults.items(), 1):
            self._over.wait(max(0.0, begun + number * share - time.monotonic()))
            started = time.monotonic()
            _say(f"{name}: now")
            try:
                found = inflict()
            except Exception as error:  # noqa: BLE001 the rest goes on
                found = f"could not be inflicted: {type(error).__name__}: {error}"
                self._wrong.append(f"{name} {found}")
            inflicted = time.monotonic()
            self._over.wait(_NOTICED_S)
            back = _until(self._answers, _PATIENCE_S)
            by_hand = not back
            if by_hand:
                # As `up` advises: else the next run does it that needs Neo4j, and none begins while files keep coming.
                self._command("neo4j", "start")
                back = _until(self._answers, 300)
            self._faults.append(
                {
                    "fault": name,
                    "what": found,
                    "lasted_s": round(inflicted - started, 1),
                    "all answers again after_s": round(time.monotonic() - inflicted, 1) if back else None,
                    "by hand": by_hand,
                }
            )
            if not back:
                self._wrong.append(f"after {name}, not everything answers")
            _say(f"{name}: {self._faults[-1]}")

    def _killed(self, pattern: str) -> str:
        """Kills the first process of a kind, which is waited for, with what it has started left to itself."""
        found: list[psutil.Process] = []

        def there() -> bool:
            # A guard names the command of what it guards, and is not meant.
            found[:] = [it for it in self._processes(pattern) if "local.guard" not in " ".join(it.cmdline())]
            return bool(found)

        if not _until(there, 60, often=0.05):
            return "none was seen for a minute"
        found[0].kill()
        return f"process {found[0].pid}"

    def _kill_run(self) -> str:
        """Kills the process whose turn it is to work on lake and graph."""
        note, found = self._home / "runs.json", dict[str, Any]()

        def there() -> bool:
            with suppress(OSError, ValueError):
                found.update(json.loads(note.read_text()))
            return bool(found)

        if not _until(there, 60, often=0.02):
            return "none was seen for a minute"
        psutil.Process(found["pid"]).kill()
        return f"{found['who']}, process {found['pid']}"

    def _kill_spark(self) -> str:
        note = self._home / "spark" / "jvm.json"
        if not _until(note.exists, 60):
            return "none was kept for a minute"
        pid = int(json.loads(note.read_text())["process"].split(":")[0])
        psutil.Process(pid).kill()
        return f"process {pid}"

    def _kill_up(self) -> str:
        assert self._up  # noqa: S101 it was started
        self._up.kill()
        self._up.wait()
        return f"process {self._up.pid}"

    def _fill_disk(self) -> str:
        if not self._small_disk:
            return "left out: no small disk could be mounted"
        filler = self._home / "filler"
        written = 0
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                written += file.write(bytes(1 << 20))
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                written += file.write(bytes(512))
        self._over.wait(_FAULT_S)
        filler.unlink()
        return f"{written / 1e6:,.0f} MB of filler"

    def _jump(self) -> str:
        if not self._clock:
            return "left out: no C compiler"
        self._clock.jump(_JUMP_S)
        self._over.wait(_FAULT_S)
        self._clock.jump(0)
        return "and back"

    def _squeeze(self) -> str:
        if not self._group:
            return "left out: no control group could be made"
        limit, wants = self._group / "memory.limit_in_bytes", self._memory()
        allowed = max(wants - _MISSING_BYTES, 1 << 30)
        # Memory that is in use can't be taken away: `up` begins anew with less.
        self._held = True
        try:
            self._end_up()
            limit.write_text(str(allowed))
        finally:
            self._held = False
        self._over.wait(_PATIENCE_S + _FAULT_S)
        limit.write_text("-1")
        return f"{allowed / 1e6:,.0f} MB for processes that had {wants / 1e6:,.0f} MB"

    def _left_out(self) -> list[str]:
        return [str(it["fault"]) for it in self._faults if "left out" in str(it["what"]) or "none" in str(it["what"])]

    # The end

    def _drain(self) -> float | None:
        """How long `up` takes until every file that is there is known; None where it does not get there in time."""
        begun = time.monotonic()

        def drained() -> bool:
            self._watch_up()
            done = self._command("status", "--json")
            if done.returncode:
                return False
            states = Counter(file["state"] for file in json.loads(done.stdout)["landed"])
            return not states.keys() & {"new", "changed", "failed", "stale", "waiting", "being written"}

        there = _until(drained, 120, often=2)
        return round(time.monotonic() - begun, 1) if there else None

    def _settle(self) -> dict[str, object]:
        """What the next run leaves, held against the oracle, the lake and the doctor."""
        started = time.monotonic()
        done = self._command("materialize", "--select", _NO_MODELS, "--json")
        run = json.loads(done.stdout) if done.stdout else {"failures": [done.stderr[-2000:]], "held_back": []}
        self._wrong += [f"materialize: {line}" for line in run["failures"]]
        seconds = time.monotonic() - started
        local = LocalNeo4j(Settings.load())
        status = local.start()
        with GraphDatabase.driver(status.uri, auth=("neo4j", local.password().get_secret_value())) as driver:
            found = contents(driver)
        promised = oracle.expected(self._good, datetime.now(UTC))
        try:
            is_promised(found, promised)
        except AssertionError as error:
            self._wrong.append(f"the graph is not the oracle's: {str(error)[:2000]}")
        reconciled = self._command("reconcile", "--json")
        tables = json.loads(reconciled.stdout) if reconciled.stdout else []
        if reconciled.returncode:
            self._wrong.append(f"reconcile: {reconciled.stderr[-2000:]}")
        doctor = self._command("doctor", "--json")
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


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A small file system on the folder, where that is allowed."""
    options = ["-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "soak", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(["mount", *options], check=False).returncode == 0  # noqa: S607
    try:
        yield bool(mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)  # noqa: S607


@contextmanager
def _memory_group() -> Iterator[Path | None]:
    """A control group whose memory can be limited, where that is allowed."""
    group = _GROUPS / f"soak-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        with suppress(OSError):
            group.rmdir()


class _Clock:
    """The time as processes see it that have `environment`: it jumps."""

    def __init__(self, library: Path, offset: Path) -> None:
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}
        with offset.open("r+b") as file:
            self._seconds = ctypes.c_int64.from_buffer(mmap.mmap(file.fileno(), 8))

    @classmethod
    def made(cls, root: Path) -> "_Clock | None":
        """The clock, where there is a C compiler."""
        library, offset = root / "clock.so", root / "clock"
        offset.write_bytes(bytes(8))
        compiler = shutil.which("cc")
        command = [
            str(compiler),
            "-shared",
            "-fPIC",
            "-O1",
            "-o",
            str(library),
            str(Path(__file__).with_name("clock.c")),
        ]
        if not compiler or subprocess.run([*command, "-ldl"], check=False).returncode:
            return None
        return cls(library, offset)

    def jump(self, seconds: int) -> None:
        """It is so many seconds ahead from now on."""
        self._seconds.value = seconds


def _until(condition: Callable[[], bool], seconds: float, *, often: float = 0.5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(often)
    return True


def _say(line: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")


if __name__ == "__main__":
    main()
