"""A contestant's process: how long it takes, and how much memory it and its server hold.

Memory is resident memory: pages that several processes share, as Python's workers do, count for each of them.
"""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.loading.measurement import say
from spotify_graph.errors import UserError
from spotify_graph.settings import PROJECT_ROOT

_SAMPLE_S = 0.25
_STOP_S = 30


@dataclass
class Peaks:
    """The largest resident memory so far, in bytes: of each kind of process, and of all together."""

    of_kind: Counter[str] = field(default_factory=Counter)
    total: int = 0

    def take(self, now: Counter[str]) -> None:
        """Takes note of one moment."""
        self.of_kind |= now
        self.total = max(self.total, now.total())

    def as_mb(self) -> dict[str, int]:
        """In MB, by kind; and `all`."""
        return {**{kind: round(size / 1e6) for kind, size in self.of_kind.items()}, "all": round(self.total / 1e6)}


def run_module(name: str, *arguments: str, server: Callable[[], int | None]) -> tuple[float, dict[str, int]]:
    """Runs a module of this package as a program, to its end. Gives what `run` gives."""
    return run([sys.executable, "-m", f"benchmarks.loading.{name}", *arguments], name, java="spark", server=server)


def run(
    command: list[str],
    name: str,
    *,
    java: str,
    server: Callable[[], int | None] = lambda: None,
    environment: dict[str, str] | None = None,
    log: Path | None = None,
) -> tuple[float, dict[str, int]]:
    """Runs a command to its end.

    Args:
        command: the command.
        name: whose it is.
        java: what its Java processes are.
        server: gives the id of the Neo4j server's process, whose memory counts as well, or None while there is none.
        environment: the environment, where it is not this process's own.
        log: a file for its standard output, which goes to stderr where there is none, and where it fails.

    Returns:
        Seconds from its start to its end, and the peaks of memory in MB.

    Raises:
        UserError: it fails.
    """
    peaks, ended = Peaks(), threading.Event()
    with log.open("wb") if log else nullcontext(sys.stderr) as output:
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, cwd=PROJECT_ROOT, env=environment)
        sampler = threading.Thread(target=_sample, args=(process.pid, java, server, peaks, ended), daemon=True)
        sampler.start()
        try:
            code = process.wait()
            seconds = time.monotonic() - began
        finally:
            ended.set()
            sampler.join()
            _end(process)
    if code:
        if log:
            say(log.read_text(errors="replace"))
        raise UserError(f"{name} ended with code {code}: what it said is above")
    return seconds, peaks.as_mb()


def _sample(pid: int, java: str, server: Callable[[], int | None], peaks: Peaks, ended: threading.Event) -> None:
    while not ended.wait(_SAMPLE_S):
        now: Counter[str] = Counter()
        try:
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            family = []
        for each in family:
            try:
                kind = java if each.name() == "java" else "python"
                now[kind] += each.memory_info().rss
            except psutil.Error:
                continue
        if (neo4j := server()) is not None:
            with suppress(psutil.NoSuchProcess):
                now["neo4j"] = psutil.Process(neo4j).memory_info().rss
        peaks.take(now)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that this one gives up, with its children."""
    if process.poll() is not None:
        return
    family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, stubborn = psutil.wait_procs(family, timeout=_STOP_S)
    for orphan in stubborn:
        orphan.kill()
