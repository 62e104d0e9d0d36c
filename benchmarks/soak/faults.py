"""What goes wrong, one thing after the other."""

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from benchmarks.soak.installation import Installation
from benchmarks.soak.machine import Clock, MemoryGroup
from benchmarks.soak.waiting import say, until

_MISSING_BYTES = 2 << 30
_FAULT_S = 30
"""How long the disk is full, memory is short, and the clock is an hour ahead."""
_JUMP_S = 3600
_PATIENCE_S = 60
"""How long a person waits until they start Neo4j by hand."""
_NOTICED_S = 5
"""After so long it shows that a process has ended."""


class Faults:
    """Inflicts them on an installation.

    Attributes:
        inflicted: what was, and how long it took until everything answered again.
        wrong: what was not to be, or did not pass.
    """

    def __init__(
        self, installation: Installation, clock: Clock | None, group: MemoryGroup | None, *, small_disk: bool
    ) -> None:
        self._installation, self._clock, self._group, self._small_disk = installation, clock, group, small_disk
        self.inflicted: list[dict[str, object]] = []
        self.wrong: list[str] = []

    def inflict(self, seconds: float, pattern: str) -> None:
        """Inflicts all whose names match a pattern, evenly over so many seconds."""
        faults: dict[str, Callable[[], str | None]] = {
            "run worker killed": self._kill_run,
            "code server killed": lambda: self._killed(r"-m spotify_graph.code_server"),
            "Neo4j killed": lambda: self._killed("Neo4jCommunity"),
            "webserver killed": lambda: self._killed(r"dagster_process dagster_webserver"),
            "Spark JVM killed": self._kill_spark,
            "disk full": self._fill_disk,
            "daemon killed": lambda: self._killed(r"dagster_process dagster._daemon"),
            "clock an hour ahead": self._jump,
            "HTTP service killed": lambda: self._killed(r"spotify_graph.cli serve"),
            "2 GiB of memory less": self._squeeze,
            "`up` killed": self._kill_up,
        }
        faults = {name: inflict for name, inflict in faults.items() if re.search(pattern, name)}
        begun, share = time.monotonic(), seconds / (len(faults) + 1)
        for number, (name, inflict) in enumerate(faults.items(), 1):
            time.sleep(max(0.0, begun + number * share - time.monotonic()))
            started = time.monotonic()
            say(f"{name}: now")
            try:
                found = inflict()
            except Exception as error:  # noqa: BLE001 the rest goes on
                found = f"could not be inflicted: {type(error).__name__}: {error}"
                self.wrong.append(f"{name} {found}")
            inflicted = time.monotonic()
            time.sleep(_NOTICED_S)
            back = until(self._installation.answers, _PATIENCE_S)
            by_hand = not back
            if by_hand:
                # As `up` advises: else the next run does it that needs Neo4j, and none begins while files keep coming.
                self._installation.command("neo4j", "start")
                back = until(self._installation.answers, 300)
            self.inflicted.append(
                {
                    "fault": name,
                    "what": found,
                    "lasted_s": round(inflicted - started, 1),
                    "all answers again after_s": round(time.monotonic() - inflicted, 1) if back else None,
                    "by hand": by_hand,
                }
            )
            if not back:
                self.wrong.append(f"after {name}, not everything answers")
            say(f"{name}: {self.inflicted[-1]}")

    @property
    def left_out(self) -> list[str]:
        """The faults that this machine does not have."""
        return [str(it["fault"]) for it in self.inflicted if re.search("left out|none was", str(it["what"]))]

    def _killed(self, pattern: str) -> str:
        """Kills the first process of a kind, which is waited for, with what it has started left to itself."""
        found: list[psutil.Process] = []

        def there() -> bool:
            # A guard names the command of what it guards, and is not meant.
            found[:] = [
                it for it in self._installation.processes(pattern) if "local.guard" not in " ".join(it.cmdline())
            ]
            return bool(found)

        if not until(there, 60, often=0.05):
            return "none was seen for a minute"
        found[0].kill()
        return f"process {found[0].pid}"

    def _kill_run(self) -> str:
        """Kills the process whose turn it is to work on lake and graph."""
        note, found = self._installation.home / "runs.json", dict[str, Any]()

        def there() -> bool:
            with suppress(OSError, ValueError):
                found.update(json.loads(note.read_text()))
            return bool(found)

        if not until(there, 60, often=0.02):
            return "none was seen for a minute"
        psutil.Process(found["pid"]).kill()
        return f"{found['who']}, process {found['pid']}"

    def _kill_spark(self) -> str:
        note = self._installation.home / "spark" / "jvm.json"
        if not until(note.exists, 60):
            return "none was kept for a minute"
        pid = int(json.loads(note.read_text())["process"].split(":")[0])
        psutil.Process(pid).kill()
        return f"process {pid}"

    def _kill_up(self) -> str:
        return f"process {self._installation.kill()}"

    def _fill_disk(self) -> str:
        if not self._small_disk:
            return "left out: no small disk could be mounted"
        filler = self._installation.home / "filler"
        written = 0
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                written += file.write(bytes(1 << 20))
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                written += file.write(bytes(512))
        time.sleep(_FAULT_S)
        filler.unlink()
        return f"{written / 1e6:,.0f} MB of filler"

    def _jump(self) -> str:
        if not self._clock:
            return "left out: no C compiler"
        self._clock.jump(_JUMP_S)
        time.sleep(_FAULT_S)
        self._clock.jump(0)
        return "and back"

    def _squeeze(self) -> str:
        if not self._group:
            return "left out: no control group could be made"
        wants = self._installation.memory()
        allowed = max(wants - _MISSING_BYTES, 1 << 30)
        # Memory that is in use can't be taken away: `up` begins anew with less.
        with self._installation.held():
            self._group.leave(allowed)
        time.sleep(_PATIENCE_S + _FAULT_S)
        self._group.leave_all()
        return f"{allowed / 1e6:,.0f} MB for processes that had {wants / 1e6:,.0f} MB"
