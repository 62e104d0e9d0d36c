"""The local Neo4j, as a real server: the suite's own, and another that is killed, hindered and stopped."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from click.testing import CliRunner
from neo4j import Driver, GraphDatabase
from neo4j.exceptions import AuthError

from spotify_graph.api import server as http
from spotify_graph.api.app import build
from spotify_graph.cli import main
from spotify_graph.errors import UserError
from spotify_graph.local import locks, neo4j_of_up
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.local.processes import identity
from spotify_graph.local.stopping import Stop
from spotify_graph.settings import Settings
from spotify_graph_tests.services import get, running, until

START = """
import json, sys
from pathlib import Path
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
status = LocalNeo4j(Settings(SPOTIFY_GRAPH_HOME=Path(sys.argv[1])), heap="512m").start()
print(json.dumps([status.pid, status.uri, status.browser]))
"""


@dataclass
class OwnServer:
    """A server that two processes started at the same moment, while somebody else held the usual ports.

    Attributes:
        server: the server.
        answers: what the two processes were told: pid, uri, browser.
        commands: every argument of every process that was seen on this machine meanwhile.
    """

    server: LocalNeo4j
    answers: list[list[str]]
    commands: set[str]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    home = tmp_path_factory.mktemp("a home with spaces") / "not there yet"
    server = LocalNeo4j(Settings(SPOTIFY_GRAPH_HOME=home), heap="512m")
    commands: set[str] = set()
    with ExitStack() as stack:
        for port in (7687, 7474):
            hold(port, stack)
        starters = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", START, home], stdout=subprocess.PIPE))
            for _ in range(2)
        ]
        done = threading.Event()
        watcher = threading.Thread(target=watch, args=(commands, done))
        watcher.start()
        # It returns only when nobody holds the pipes any more: the server does not.
        answers = [json.loads(starter.communicate(timeout=300)[0]) for starter in starters]
        done.set()
        watcher.join()
    yield OwnServer(server, answers, commands)
    server.stop()


def hold(port: int, stack: ExitStack) -> bool:
    """Listens on a port; False if somebody does already."""
    holder = stack.enter_context(socket.socket())
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(("127.0.0.1", port))
    except OSError:
        return False
    holder.listen()
    return True


def watch(commands: set[str], done: threading.Event) -> None:
    while not done.wait(0.2):
        for process in psutil.process_iter():
            try:
                commands.update(process.cmdline())
            except psutil.Error:
                continue


def driver(server: LocalNeo4j, password: str | None = None) -> Driver:
    return GraphDatabase.driver(server.status().uri, auth=("neo4j", password or server.password().get_secret_value()))


def port(uri: str) -> int:
    return int(uri.rpartition(":")[2].partition("/")[0])


def test_the_password_file_is_for_its_owner_only(local_neo4j: LocalNeo4j) -> None:
    assert local_neo4j.password_file.stat().st_mode & 0o777 == 0o600
    assert local_neo4j.password_file.parent.stat().st_mode & 0o077 == 0


def test_a_wrong_password_is_refused(local_neo4j: LocalNeo4j) -> None:
    with driver(local_neo4j, "wrong") as wrong, pytest.raises(AuthError):
        wrong.execute_query("RETURN 1")
    with driver(local_neo4j) as right:
        assert right.execute_query("RETURN 1 AS one").records[0]["one"] == 1


def test_it_listens_on_127_0_0_1_only(local_neo4j: LocalNeo4j) -> None:
    status = local_neo4j.status()
    assert status.browser is not None
    listening = [
        (each.laddr.ip.removeprefix("::ffff:"), each.laddr.port)
        for each in psutil.Process(status.pid).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    ]
    assert sorted(listening) == sorted([("127.0.0.1", port(status.uri)), ("127.0.0.1", port(status.browser))])


def test_neo4j_browser_is_served(local_neo4j: LocalNeo4j) -> None:
    address = local_neo4j.status().browser
    assert address is not None
    with urlopen(address) as answer:  # noqa: S310
        assert answer.status == 200
        assert b"<title>Neo4j Browser</title>" in answer.read()


def test_starting_a_server_that_runs_changes_nothing(local_neo4j: LocalNeo4j) -> None:
    before = local_neo4j.status()
    assert before.running
    assert local_neo4j.start() == before


def test_two_processes_that_start_it_at_once_get_one_server(own: OwnServer) -> None:
    status = own.server.status()
    assert status.running
    assert own.answers == [[status.pid, status.uri, status.browser]] * 2


def test_ports_that_are_taken_are_left_alone(own: OwnServer) -> None:
    _, uri, browser = own.answers[0]
    assert port(uri) != 7687
    assert port(browser) != 7474


def test_the_password_is_in_no_other_file_and_no_command_line(own: OwnServer) -> None:
    password = own.server.password().get_secret_value()
    assert len(password) >= 32
    assert any("set-initial-password" in argument for argument in own.commands)
    assert not [argument for argument in own.commands if password in argument]
    root = own.server.password_file.parent
    files = [path for path in root.rglob("*") if path.is_file() and path != own.server.password_file]
    assert root / "conf" / "neo4j.conf" in files
    assert root / "logs" / "neo4j.log" in files
    assert not [path for path in files if password.encode() in path.read_bytes()]


def test_a_killed_server_starts_again_with_its_data_and_replaces_ports_as_soon_as_they_are_taken(
    own: OwnServer,
) -> None:
    before = own.server.start()
    with driver(own.server) as bolt:
        bolt.execute_query("CREATE (:Survivor {name: 'me'})")
    psutil.Process(before.pid).kill()
    with ExitStack() as stack:
        deadline = time.monotonic() + 30
        while not hold(port(before.uri), stack):
            assert time.monotonic() < deadline
        assert not own.server.status().running
        said: list[str] = []

        def take_the_port_that_was_chosen(line: str) -> None:
            if not said:
                hold(port(line), stack)
            said.append(line)

        after = own.server.start(take_the_port_that_was_chosen)
    first, taken, second = said[:3]
    assert f"Port {port(first)} was taken" in taken
    assert port(after.uri) == port(second) != port(first)
    assert after.pid != before.pid
    assert after.uri != before.uri
    assert after.browser == before.browser
    assert own.server.status() == after
    with driver(own.server) as bolt:
        assert bolt.execute_query("MATCH (s:Survivor) RETURN s.name AS name").records[0]["name"] == "me"


def test_the_http_service_says_so_while_its_server_is_away_and_is_well_again_by_itself(own: OwnServer) -> None:
    status = own.server.start()
    auth = ("neo4j", own.server.password().get_secret_value())
    with (
        GraphDatabase.driver(status.uri, auth=auth, **http.driver_options(Settings())) as bolt,
        running(build(bolt, "neo4j", connections=2, limit=8, seconds=60)) as url,
    ):
        bolt.execute_query("CREATE (:_Model {name: 'recommendations', version: 'v1'})")
        assert get(f"{url}/ready").json() == {"status": "ready", "model": "v1"}
        psutil.Process(status.pid).kill()
        until(lambda: get(f"{url}/ready").status_code == 503)
        away = get(f"{url}/v1/popular-tracks")
        assert (away.status_code, away.headers["Retry-After"]) == (503, "5")
        assert away.json()["detail"] == "Neo4j can't be asked"
        assert away.json()["fix"] == "start it, or wait until it is up: the service needs no restart"
        assert get(f"{url}/health").status_code == 200
        assert own.server.start().uri == status.uri
        assert get(f"{url}/ready").json() == {"status": "ready", "model": "v1"}


def test_stop_leaves_no_process_and_says_whether_there_was_one(own: OwnServer) -> None:
    process = psutil.Process(own.server.start().pid)
    assert own.server.stop()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert (own.server.status().running, own.server.status().pid) == (False, None)
    assert not own.server.stop()


def test_the_server_of_an_up_that_was_killed_ends_with_the_next_one_and_another_stays(own: OwnServer) -> None:
    status = own.server.start()
    home = own.server.password_file.parent.parent
    settings = Settings(SPOTIFY_GRAPH_HOME=home)
    with Stop() as stop:
        with neo4j_of_up.ended(settings, stop, print):
            pass
        assert own.server.status() == status, "somebody else has started it"
        (home / "neo4j" / "of_up").write_text(identity(status.pid))
        with neo4j_of_up.ended(settings, stop, print):
            assert own.server.status() == status
    assert own.server.find() is None


def test_a_lost_password_file_is_named_before_anything_starts(own: OwnServer) -> None:
    own.server.stop()
    kept = own.server.password_file.rename(own.server.password_file.with_name("kept"))
    with pytest.raises(UserError, match=r"^.*/neo4j/password is missing: restore it"):
        own.server.start()
    kept.rename(own.server.password_file)
    assert own.server.status().pid is None


def test_a_server_that_does_not_start_says_why_and_where_its_log_is(tmp_path: Path) -> None:
    server = LocalNeo4j(Settings(SPOTIFY_GRAPH_HOME=tmp_path), heap="1m")
    with pytest.raises(
        UserError, match=r"^Neo4j ended while it started: [^\n]*heap[^\n]* \(see [^\n]*/logs/\w+.log\)$"
    ):
        server.start()
    assert server.status().pid is None


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server = LocalNeo4j(Settings(SPOTIFY_GRAPH_HOME=tmp_path / "file" / "home"))
    with pytest.raises(UserError, match=r"^.*file/home/neo4j cannot be written .*SPOTIFY_GRAPH_HOME"):
        server.start()
    assert not server.stop()


def test_a_database_that_another_process_holds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "neo4j" / "data" / "databases" / "store_lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    monkeypatch.setattr("spotify_graph.local.neo4j._STORE_S", 0.1)
    holding = "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holding, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(UserError, match=r"store_lock is held by a process"):
            LocalNeo4j(Settings(SPOTIFY_GRAPH_HOME=tmp_path)).start()
        holder.communicate("\n")


def test_a_server_can_be_stopped_whatever_signals_its_starter_ignores_and_an_up_that_uses_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path))
    settings = Settings.load()
    deaf = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{START}"
    try:
        subprocess.run([sys.executable, "-c", deaf, tmp_path], stdout=subprocess.DEVNULL, check=True)
        server = LocalNeo4j(settings, heap="512m")
        watch = neo4j_of_up.ServerWatch(settings)
        assert watch.look() is None
        with locks.up(settings):
            result = CliRunner().invoke(main, ["neo4j", "stop"])
        assert (result.exit_code, result.stdout) == (0, "Neo4j is stopped.\n")
        assert f"`spotify-graph up` (process {os.getpid()}" in result.stderr
        assert "spotify-graph neo4j start" in result.stderr
        assert not server.status().running
        assert str(watch.look()).startswith("Neo4j has ended: ")
        assert watch.look() is None
    finally:
        if pid := server.find():
            psutil.Process(pid).kill()


def test_a_server_that_was_killed_in_its_first_start_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed once it has begun to make its database of users, on which no server starts then."""
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path))
    server = LocalNeo4j(Settings.load(), heap="512m")
    made = tmp_path / "neo4j" / "data" / "databases" / "system" / "neostore.indexstats.db"

    def kill() -> None:
        until(made.exists)
        psutil.Process(server.find()).kill()

    killing = threading.Thread(target=kill, daemon=True)
    killing.start()
    try:
        with pytest.raises(UserError, match="ended while it started"):
            server.start()
        killing.join()
        password = server.password_file.read_text()
        assert server.start().running
        assert server.password_file.read_text() == password
        server.stop()
        assert server.start().running
    finally:
        server.stop()
