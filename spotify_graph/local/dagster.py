"""Dagster's webserver and daemon as processes of this machine."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import psutil
import requests

from spotify_graph.errors import UserError
from spotify_graph.local.ports import free_or_other
from spotify_graph.settings import PROJECT_ROOT, Settings

_START_SECONDS = 180
_STOP_SECONDS = 30


def serve(settings: Settings, port: int, ready: Callable[[str], None]) -> None:
    """Runs the webserver and the daemon until Ctrl-C or SIGTERM, then stops them and all that they started.

    `DAGSTER_HOME` must be set, and hold a dagster.yaml.

    Args:
        settings: the installation's settings.
        port: the webserver's port; where it's taken, a free one is used.
        ready: told the UI's address once it answers.

    Raises:
        UserError: one of the two ended by itself, or the UI does not answer.
    """
    logs = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    port = free_or_other(port)
    workspace = ["-w", str(PROJECT_ROOT / "workspace.yaml")]
    url = f"http://127.0.0.1:{port}"
    previous = signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGTERM, previous)
        services = [
            stack.enter_context(_Service("daemon", ["-m", "dagster._daemon", "run", *workspace], logs)),
            stack.enter_context(
                _Service("webserver", ["-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *workspace], logs)
            ),
        ]
        try:
            _wait_until(lambda: _answers(f"{url}/server_info"), services)
            ready(url)
            while True:
                for service in services:
                    service.must_run()
                time.sleep(0.5)
        except KeyboardInterrupt:
            return


class _Service:
    """A Python process that logs to a file and is ended, with its children, when the block ends."""

    def __init__(self, name: str, arguments: list[str], logs: Path) -> None:
        self._name = name
        self._log = logs / f"{name}.log"
        self._arguments = arguments

    def __enter__(self) -> "_Service":
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches this process alone, which ends the service in order.
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=PROJECT_ROOT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            family = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _, orphans = psutil.wait_procs(family, timeout=5)
        for orphan in orphans:
            orphan.terminate()
        _, stubborn = psutil.wait_procs(orphans, timeout=_STOP_SECONDS)
        for orphan in stubborn:
            orphan.kill()

    def must_run(self) -> None:
        """Raises UserError if the process has ended."""
        if (code := self._process.poll()) is not None:
            raise UserError(f"Dagster's {self._name} ended with code {code}: see {self._log}")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_until(condition: Callable[[], bool], services: list[_Service]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        for service in services:
            service.must_run()
        if time.monotonic() > deadline:
            raise UserError(f"the Dagster UI did not answer within {_START_SECONDS} s: see the logs in home/logs")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
