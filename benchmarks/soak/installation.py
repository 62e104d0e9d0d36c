"""A home with `spotify-graph up`, which a service manager starts again where it ends."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import requests

from benchmarks.soak.machine import Clock, MemoryGroup


class Installation:
    """A home and its processes.

    Attributes:
        home: the home.
        starts: how often `up` was started.
    """

    def __init__(self, home: Path, log: Path, clock: Clock | None, group: MemoryGroup | None) -> None:
        self.home = home
        self.starts = 0
        self._log, self._clock, self._group = log, clock, group
        self._up: psutil.Popen | None = None
        self._held = False

    def watch(self) -> None:
        """Starts `up` where it does not run."""
        if self._held or (self._up is not None and self._up.poll() is None):
            return
        with self._log.open("ab") as log:
            environment = os.environ | (self._clock.environment if self._clock else {})
            self._up = psutil.Popen(
                [sys.executable, "-m", "spotify_graph.cli", "up"], stdout=log, stderr=log, env=environment
            )
        self.starts += 1
        if self._group:
            self._group.take_in(self._up.pid)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Ends `up`, which is not started within the block."""
        self._held = True
        try:
            self.end()
            yield
        finally:
            self._held = False

    def kill(self) -> int:
        """Kills `up`; which process that was."""
        assert self._up  # noqa: S101 it was started
        self._up.kill()
        self._up.wait()
        return int(self._up.pid)

    def end(self) -> None:
        """Ends `up`, if it runs."""
        if self._up is not None:
            with suppress(psutil.NoSuchProcess):
                self._up.terminate()
            self._up.wait()

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command in this home."""
        return subprocess.run(
            [sys.executable, "-m", "spotify_graph.cli", *arguments], capture_output=True, text=True, check=False
        )

    def processes(self, pattern: str) -> list[psutil.Process]:
        """The processes of this home that have such a command line."""
        found = []
        known = {it.pid for it in self._family()}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if re.search(pattern, line) and (process.pid in known or str(self.home) in line):
                    found.append(process)
        return found

    def _family(self) -> list[psutil.Process]:
        try:
            return self._up.children(recursive=True) if self._up else []
        except psutil.NoSuchProcess:
            return []

    def memory(self) -> int:
        """How many bytes of memory they have together."""
        total = 0
        for process in {*self._family(), *self.processes("Neo4jCommunity")}:
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def answers(self) -> bool:
        """Whether `up` is all there."""
        self.watch()
        with suppress(requests.RequestException, IndexError, OSError):
            paths = [f"{self.url('Dagster UI')}/server_info", f"{self.url('HTTP API')}/ready"]
            return all(requests.get(path, timeout=5).ok for path in paths)
        return False

    def url(self, what: str) -> str:
        """The newest address that `up` said of a service.

        Raises:
            IndexError: it has not said any yet.
        """
        return str(re.findall(rf"{what} +(\S+)", self._log.read_text())[-1])
