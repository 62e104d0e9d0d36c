"""The local Neo4j: a real server process in the platform's home, started on demand, that outlives who started it.

The running server is recognised by its command line, which names its home, and never by a number in a file: so a crash
leaves nothing stale, and no other process can be taken for it.
"""

import fcntl
import json
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import neo4j
import psutil
from filelock import FileLock
from neo4j.exceptions import AuthError, DriverError, Neo4jError
from pydantic import SecretStr

from spotify_graph import stylesheet
from spotify_graph.errors import UserError
from spotify_graph.local import aot, neo4j_java, store, users
from spotify_graph.local.admin import Admin, reason
from spotify_graph.local.files import write_private
from spotify_graph.local.ports import HOST, answers, free_or_other, is_free, listens
from spotify_graph.local.processes import identity
from spotify_graph.settings import Settings

USERNAME = "neo4j"
"""The server's one user."""

_ROTATION = "ALTER CURRENT USER SET PASSWORD FROM $old TO $new"
_SERVER = "org.neo4j.server.Neo4jCommunity"
_START_S = 240
_STOP_S = 120
_STORE_S = 30
_PORTS_S = 3
_POLL_S = 0.2
_PORT_CHOICES = 3
_MESSAGE_EVERY_S = 5.0
_PAGE_CACHE = "512m"

# It ends at once and leaves the server to init: nobody's child, and nobody's zombie either. In a job in the background,
# Dagster makes this process deaf to SIGTERM, which the server would inherit; it could not be stopped any more.
_STARTER = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_DFL)
with open(sys.argv[1], "wb") as log:
    print(subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log).pid)
"""


@dataclass(frozen=True)
class ServerStatus:
    """The local server at one moment.

    Attributes:
        running: whether it answers an authenticated query.
        uri: its Bolt address; of a server that is not running, the one that it had last.
        browser: the address of Neo4j Browser, or None where it is not running.
        username: its user.
        password_file: the file that holds the password, readable by its owner only.
        pid: its process, or None.
    """

    running: bool
    uri: str
    browser: str | None
    username: str
    password_file: Path
    pid: int | None


@dataclass(frozen=True)
class _Ports:
    bolt: int = 7687
    http: int = 7474

    def are_free(self) -> bool:
        return is_free(self.bolt) and is_free(self.http)


class LocalNeo4j:
    """The Neo4j server of one platform home.

    Args:
        settings: the installation's settings; `home` says where the server's data, logs and password are.
        heap: the Java heap, in the JVM's notation.

    Attributes:
        admin: what works on the server's files while it does not run.
        password_file: the file that holds the password, readable by its owner only.
        store_lock: the file that whoever has the database's files in use holds a lock of.
    """

    def __init__(self, settings: Settings, *, heap: str = "2g") -> None:
        self._settings = settings
        self._heap = heap
        self._root = (settings.home / "neo4j").resolve()
        self._ports_file = self._root / "ports.json"
        self._log = self._root / "logs" / "neo4j.log"
        self._store = self._root / "data" / "databases"
        self._console = self._root / "logs" / "console.log"
        self._next_password_file = self._root / "password.next"
        self._first_start = self._root / "first-start"
        self.admin = Admin(settings, self._root, heap)
        self.password_file = self._root / "password"
        self.store_lock = self._store / "store_lock"

    def start(self, say: Callable[[str], None] | None = None) -> ServerStatus:
        """Starts the server unless it runs, and waits until it answers.

        However many processes ask at once, one starts it and the others wait for the same server. It is bound to
        127.0.0.1, on 7687 and 7474 or, where those are taken, on free ports that are remembered.

        Args:
            say: told of the progress of a long start.

        Raises:
            UserError: it does not start, its jars cannot be fetched, or the home cannot be written.
        """
        status = self.status()
        if status.running:
            return status
        say = say or (lambda _: None)
        with self._alone():
            process = self._process()
            if process is None or not self._await(process.pid, say):
                self._launch(say)
        return self.status()

    def stop(self) -> bool:
        """Stops the server, and waits until its process is gone.

        Returns:
            Whether there was one to stop.

        Raises:
            UserError: it does not end in time.
        """
        if self._process() is None:
            return False
        with self._alone():
            return self._end()

    def has_database(self) -> bool:
        """Whether there is a database at all; none is made before the first start."""
        return (self._store / self._settings.neo4j_database).exists()

    def import_database(self, arguments: Sequence[str], say: Callable[[str], None]) -> None:
        """Builds the database anew with `neo4j-admin database import full`, and starts the server on it.

        The server stops first, if it runs. A crash anywhere leaves the database from before, or the new one, whole.

        Args:
            arguments: the import's arguments, which name its files.
            say: told of progress.

        Raises:
            UserError: the import failed, and the database is the one from before; or the server does not start.
        """
        with self._alone():
            self._end()
            store.finish(self._root)
            with store.new_folder(self._root) as folder, ThreadPoolExecutor(1) as beside:
                # A JVM that starts leaves a part of a machine idle.
                self._configure(self._ports())
                set_up = beside.submit(self._set_initial_password, say)
                self.admin.import_full(arguments, folder, say)
                set_up.result()
                store.install(self._root, folder, self._settings.neo4j_database)
            self._launch(say)

    @contextmanager
    def stopped(self, say: Callable[[str], None]) -> Iterator[bool]:
        """Within the block the server does not run, and nobody starts it; gives whether it ran before.

        Raises:
            UserError: it does not end in time.
        """
        with self._alone():
            is_running = self._process() is not None
            if is_running:
                say("Stopping Neo4j")
            yield self._end()

    def store_parts(self) -> list[str]:
        """What of a home is the database's own: the paths within it."""
        return [f"neo4j/data/{part}/{self._settings.neo4j_database}" for part in store.PARTS]

    def _end(self) -> bool:
        """Ends the server's process, if there is one."""
        process = self._process()
        if process is None:
            return False
        process.terminate()
        if not _until(lambda: not _alive(process), _STOP_S):
            raise UserError(f"Neo4j (process {process.pid}) does not stop: see {self._log}, or end it with kill -9")
        return True

    def status(self) -> ServerStatus:
        """Says whether the server runs, and where."""
        process = self._process()
        ports = self._ports()
        running = process is not None and self._answers(process, ports)
        return ServerStatus(
            running=running,
            uri=f"bolt://{HOST}:{ports.bolt}",
            browser=f"http://{HOST}:{ports.http}/browser/" if running else None,
            username=USERNAME,
            password_file=self.password_file,
            pid=process.pid if process else None,
        )

    def password(self) -> SecretStr:
        """Reads the password.

        Raises:
            UserError: the server was never started, or the file is not readable.
        """
        try:
            return SecretStr(self.password_file.read_text().strip())
        except PermissionError:
            raise users.denied(self.password_file, self._settings.home) from None
        except OSError as error:
            raise UserError(
                f"{self.password_file} cannot be read ({error.strerror}): start the local Neo4j first"
            ) from None

    def rotate_password(self) -> None:
        """Gives the user a new password; the server must run. Whoever is connected stays so.

        Where this is interrupted, the next start finds which of both passwords the server takes.

        Raises:
            UserError: the server does not run, or refuses.
        """
        if not self.status().running:
            raise UserError(
                "the local Neo4j does not let anybody in yet: try again in some seconds"
                if self.find()
                else "the local Neo4j does not run: spotify-graph neo4j start"
            )
        with self._alone():
            # It is kept before the server has it: else a crash in between would lose it.
            new = secrets.token_hex(24)
            write_private(self._next_password_file, new)
            auth = (USERNAME, self.password().get_secret_value())
            try:
                with (
                    neo4j.GraphDatabase.driver(f"bolt://{HOST}:{self._ports().bolt}", auth=auth) as driver,
                    driver.session(database="system") as session,
                ):
                    session.run(_ROTATION, old=auth[1], new=new).consume()
            except (DriverError, Neo4jError) as error:
                raise UserError(f"Neo4j does not take another password: {error}") from None
            self._next_password_file.replace(self.password_file)

    def _launch(self, say: Callable[[str], None]) -> None:
        # A killed server's last threads keep its store, and then its ports, for a moment.
        if not _until(lambda: not self.is_held(), _STORE_S):
            raise UserError(
                f"{self.store_lock} is held by a process that is not this home's server: end it and start again"
            )
        store.finish(self._root)
        if self._ports_file.exists():
            _until(lambda: self._ports().are_free(), _PORTS_S)
        for _ in range(_PORT_CHOICES):
            ports = self._choose_ports()
            self._configure(ports)
            self._set_initial_password(say)
            say(f"Starting Neo4j on {HOST}:{ports.bolt}")
            if self._await(self._spawn(say), say):
                return
            # Somebody else may have taken a port since it was found free.
            taken = [str(port) for port in (ports.bolt, ports.http) if not is_free(port)]
            if not taken:
                break
            say(f"Port {' and '.join(taken)} was taken by another process: Neo4j starts again on another one")
        raise UserError(f"Neo4j ended while it started: {self._last_error()}")

    def _spawn(self, say: Callable[[str], None]) -> int:
        """Starts the server's process and gives its id."""
        command = neo4j_java.command(
            self._settings,
            _SERVER,
            f"--home-dir={self._root}",
            f"--config-dir={self._root / 'conf'}",
            # A heap that starts small is collected every few dozen requests, which shows in the slowest of a hundred.
            jvm=(f"-Xms{self._heap}", f"-Xmx{self._heap}", f"-Djava.io.tmpdir={self._root / 'tmp'}"),
            cache=aot.SERVER,
            say=say,
        )
        self._log.unlink(missing_ok=True)
        started = subprocess.run(
            [sys.executable, "-ISc", _STARTER, str(self._console), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=self._root,
            start_new_session=True,
            check=True,
        )
        return int(started.stdout)

    def _await(self, pid: int, say: Callable[[str], None]) -> bool:
        """Waits until the server answers; False if it ended before, or somebody else has a port of its own.

        It would notice that itself, but late, and then take half a minute to end.
        """
        try:
            process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            return False
        ports = self._ports()
        started = said = time.monotonic()
        while _alive(process):
            if self._answers(process, ports) and listens(process, ports.http):
                self._first_start.unlink(missing_ok=True)
                return True
            if any(answers(port) and not listens(process, port) for port in (ports.bolt, ports.http)):
                process.kill()
                _until(lambda: not _alive(process), _STOP_S)
                return False
            now = time.monotonic()
            if now - started > _START_S:
                raise UserError(
                    f"Neo4j (process {process.pid}) does not answer on port {ports.bolt} after {_START_S} s: "
                    f"{self._last_error()}"
                )
            if now - said > _MESSAGE_EVERY_S:
                said = now
                say(f"Waiting for Neo4j ({now - started:.0f} s)")
            time.sleep(_POLL_S)
        return False

    def _answers(self, process: psutil.Process, ports: _Ports) -> bool:
        if not listens(process, ports.bolt):
            return False
        try:
            return self._takes(self.password().get_secret_value(), ports)
        except AuthError:
            if not self._next_password_file.exists():
                raise UserError(
                    f"the local Neo4j does not take the password in {self.password_file}: restore the file"
                ) from None
        # Its rotation was interrupted behind the server's answer.
        try:
            answers_ = self._takes(self._next_password_file.read_text(), ports)
        except AuthError:
            raise UserError(
                f"the local Neo4j takes neither the password in {self.password_file} nor the one beside it: restore it"
            ) from None
        if answers_:
            self._next_password_file.replace(self.password_file)
        return answers_

    def _takes(self, password: str, ports: _Ports) -> bool:
        """Whether the server answers.

        Raises:
            AuthError: it does, and refuses the password.
        """
        auth = (USERNAME, password)
        try:
            with (
                neo4j.GraphDatabase.driver(f"bolt://{HOST}:{ports.bolt}", auth=auth, connection_timeout=5) as driver,
                driver.session() as session,
            ):
                session.run("RETURN 1").consume()
        except AuthError:
            raise
        except (DriverError, Neo4jError):
            return False
        return True

    def find(self) -> int | None:
        """The id of the server's process, whether it answers yet or not; None where there is none."""
        process = self._process()
        return process.pid if process else None

    def ports(self) -> tuple[int, int]:
        """The ports that it has, had last or would get if they are free: Bolt's and the browser's."""
        ports = self._ports()
        return ports.bolt, ports.http

    def is_held(self) -> bool:
        """Whether a process has the database's files in use, the server or any other."""
        return _is_locked(self.store_lock)

    def identity(self) -> str | None:
        """Which process the server is, for good, as `local.processes` names it; None where there is none."""
        process = self._process()
        try:
            return identity(process.pid) if process else None
        except psutil.NoSuchProcess:
            return None

    def _process(self) -> psutil.Process | None:
        """The server's process, found by its command line."""
        home = f"--home-dir={self._root}"
        for process in psutil.process_iter():
            try:
                command = process.cmdline()
            except psutil.Error:
                continue
            if _SERVER in command and home in command and _alive(process):
                return process
        return None

    def _ports(self) -> _Ports:
        try:
            return _Ports(**json.loads(self._ports_file.read_text()))
        except (OSError, ValueError, TypeError):
            return _Ports()

    def _choose_ports(self) -> _Ports:
        last = self._ports()
        bolt = free_or_other(last.bolt)
        http = free_or_other(last.http)
        write_private(self._ports_file, json.dumps({"bolt": bolt, "http": http}))
        return _Ports(bolt, http)

    def _configure(self, ports: _Ports) -> None:
        shutil.rmtree(self._root / "tmp", ignore_errors=True)
        for folder in ("conf", "import", "logs", "plugins", "tmp"):
            (self._root / folder).mkdir(exist_ok=True)
        configuration = {
            "server.default_listen_address": HOST,
            "server.default_advertised_address": HOST,
            "server.bolt.listen_address": f"{HOST}:{ports.bolt}",
            "server.bolt.advertised_address": f"{HOST}:{ports.bolt}",
            "server.http.listen_address": f"{HOST}:{ports.http}",
            "server.http.advertised_address": f"{HOST}:{ports.http}",
            "server.http.x_forward.enabled": "false",
            "server.https.enabled": "false",
            "dbms.security.auth_enabled": "true",
            "initial.dbms.default_database": self._settings.neo4j_database,
            "server.memory.pagecache.size": _PAGE_CACHE,
            "db.tx_log.preallocate": "false",
            "db.logs.query.enabled": "OFF",
            # Bolt would wait 10 s for stragglers at every stop.
            "internal.dbms.bolt.netty_server_shutdown_quiet_period_duration": "0s",
            # Nothing is sent to anybody.
            "dbms.usage_report.enabled": "false",
            "dbms.fleet_manager.enabled": "false",
            "server.fleet_discovery.enabled": "false",
            "client.allow_telemetry": "false",
            # Whoever connects with Neo4j Browser sees names for captions.
            "browser.post_connect_cmd": stylesheet.command(),
        }
        text = "# Written by spotify-graph at every start.\n"
        write_private(
            self._root / "conf" / "neo4j.conf", text + "".join(f"{k}={v}\n" for k, v in configuration.items())
        )

    def _set_initial_password(self, say: Callable[[str], None]) -> None:
        parts = [self._root / "data" / part / "system" for part in store.PARTS]
        if self._first_start.exists() and not all(map(_holds_files, parts)):
            # What ended the server while it made its database of users has left one that no server starts on.
            for part in parts:
                shutil.rmtree(part, ignore_errors=True)
        if (self._store / "system").exists():
            # The database keeps its password from its first start on, and gives it to nobody.
            if not self.password_file.exists():
                raise UserError(
                    f"{self.password_file} is missing: restore it, or remove {self._root} to start with nothing"
                )
            return
        if not self.password_file.exists():
            write_private(self.password_file, secrets.token_hex(24))
        self._first_start.touch()
        self.admin.set_initial_password(self.password_file, say)

    def _last_error(self) -> str:
        """Why the server ended, and the log that says more."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        for mark in ("Caused by: ", " ERROR "):
            errors = [line.partition(mark)[2] for line in lines if mark in line]
            if errors:
                return f"{errors[-1]} (see {self._log})"
        return f"{reason(self._console.read_text(errors='replace'))} (see {self._console})"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps every other start and stop of this home waiting."""
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self._root / "lock"):
                yield
        except PermissionError:
            raise users.denied(self._root / "lock", self._settings.home) from None
        except OSError as error:
            raise UserError(
                f"{self._root} cannot be written ({error.strerror}): set SPOTIFY_GRAPH_HOME to a folder of yours"
            ) from error


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _alive(process: psutil.Process) -> bool:
    """Whether a process, or a thread that it left behind, runs; a zombie does not."""
    try:
        return process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.Error:
        return False


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Waits for a condition; False if it does not come about in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except (BlockingIOError, PermissionError):
        return True
    return False
