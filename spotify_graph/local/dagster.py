"""Dagster's code server, webserver and daemon, and what runs beside them, as processes of this machine."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from filelock import FileLock, Timeout

from spotify_graph.errors import UserError
from spotify_graph.local import guard
from spotify_graph.local.ports import chosen
from spotify_graph.local.stopping import Stop
from spotify_graph.settings import Settings

PORT = 3000
"""The UI's usual port."""
_START_SECONDS = 180
_WATCH_SECONDS = 2
_CODE = "code"
_SERVICES = {
    _CODE: "Dagster's code server",
    "daemon": "Dagster's daemon",
    "webserver": "Dagster's webserver",
    "serve": "the HTTP service",
}
"""Names for files, and for people."""
_BESIDE = ("-m", "spotify_graph.dagster_process")
_DEFINITIONS, _LOCATION = "spotify_graph.definitions", "spotify_graph"


def ui_port(asked: int | None, say: Callable[[str], None]) -> int:
    """The UI's port: the one that was asked for, or else the usual one or, where that is taken, another.

    Args:
        asked: the port that somebody asked for.
        say: told why it is another.

    Raises:
        UserError: the port that was asked for is taken.
    """
    return chosen(asked, PORT, "the UI", say)


def wait_for_former(settings: Settings, say: Callable[[str], None]) -> None:
    """Waits for what is left of the services of an `up` that was killed: their guards end them."""
    for name, title in _SERVICES.items():
        lock = _lock(settings, name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"Waiting for {title} of an `up` that was killed to end")
            lock.acquire()
        lock.release()


def serve(
    settings: Settings,
    port: int,
    beside: Sequence[str],
    beside_url: str,
    stop: Stop,
    ready: Callable[[str], None],
    watch: Callable[[], None],
) -> None:
    """Runs the services until somebody asks to stop, then ends all that they started.

    The webserver and the daemon ask one code server, which loads the definitions once: a daemon that starts a server of
    its own has the code loaded anew each minute.

    `DAGSTER_HOME` must be set, and hold a dagster.yaml.

    Args:
        settings: the installation's settings.
        port: the webserver's port.
        beside: the arguments with which Python runs the HTTP service.
        beside_url: an address that answers once that service does.
        stop: says when to stop.
        ready: told the UI's address once it answers.
        watch: called every few seconds from then on.

    Raises:
        UserError: one of them ended by itself, or does not answer.
    """
    logs = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{port}"
    # A process that starts must not be lost between its start and the line that notes it.
    stop.at_once = False
    with ExitStack() as stack:
        # Nobody else can reach a socket there; in the home, its path might be longer than a socket's may be.
        private = Path(stack.enter_context(TemporaryDirectory(prefix="spotify-graph-")))
        code, workspace = private / "code", private / "workspace.yaml"
        # JSON is YAML, too.
        workspace.write_text(
            json.dumps({"load_from": [{"grpc_server": {"socket": str(code), "location_name": _LOCATION}}]})
        )
        # Not `dagster code-server`, which stays when the process dies that has the code, and starts no other.
        server = ["-m", "spotify_graph.code_server", "-s", str(code), "-m", _DEFINITIONS]
        commands = {
            _CODE: [*server, "--location-name", _LOCATION, "--use-python-environment-entry-point"],
            "serve": list(beside),
            "daemon": [*_BESIDE, "dagster._daemon", "run", "-w", str(workspace)],
            "webserver": [*_BESIDE, "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(workspace)],
        }
        if settings.log_format == "json":
            for name in (_CODE, "daemon", "webserver"):
                commands[name] += ["--log-format", "json"]
        services: list[_Service] = []

        def start(name: str) -> None:
            services.append(stack.enter_context(_Service(name, commands[name], settings, stop)))

        start(_CODE)
        start("serve")
        _wait_until(lambda: stop.asked or _listens(code), services, _SERVICES[_CODE])
        if not stop.asked:
            start("daemon")
            start("webserver")
        addresses = {"the Dagster UI": f"{url}/server_info", "the HTTP service": beside_url}
        _wait_until(lambda: stop.asked or all(map(_answers, addresses.values())), services, " or ".join(addresses))
        if not stop.asked:
            ready(url)
        while not stop.asked:
            for service in services:
                service.must_run()
            watch()
            stop.wait(_WATCH_SECONDS)


class _Service:
    """A Python process that logs to a file, and ends with the block or with this process, with all that it started."""

    def __init__(self, name: str, arguments: list[str], settings: Settings, stop: Stop) -> None:
        self._name = name
        self._log = settings.home / "logs" / f"{name}.log"
        self._lock = _lock(settings, name)
        self._arguments = arguments
        self._stop = stop

    def __enter__(self) -> "_Service":
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches this process alone, which ends the service in order.
            self._guard = subprocess.Popen(
                [*(sys.executable, "-m", guard.__name__, self._lock.lock_file), sys.executable, *self._arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # What lies in the current folder is no part of the program.
                env=os.environ | {"PYTHONSAFEPATH": "1"},
                start_new_session=True,
            )
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.awaiting = _SERVICES[self._name]
        assert self._guard.stdin  # noqa: S101 it is a pipe
        self._guard.stdin.close()
        self._guard.wait()

    def must_run(self) -> None:
        """Raises UserError if the process has ended."""
        if (code := self._guard.poll()) is not None:
            raise UserError(f"{_SERVICES[self._name]} ended with code {code}: see {self._log}")


def _lock(settings: Settings, service: str) -> FileLock:
    """What a service's guard holds."""
    return FileLock(settings.home / f"{service}.lock")


def _wait_until(condition: Callable[[], bool], services: list[_Service], what: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        for service in services:
            service.must_run()
        if time.monotonic() > deadline:
            raise UserError(f"{what} did not answer within {_START_SECONDS} s: see the logs in home/logs")
        time.sleep(0.2)


def _listens(path: Path) -> bool:
    """Whether a server listens at a socket: the code server does once it has loaded the code."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
