"""Secrets stay where they belong, services listen on this machine alone, and connections over TLS work through.

All of it on one local server with an unusual password, which takes connections with TLS and without.
"""

import json
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import psutil
import pytest
import requests
import trustme
from dagster._core.remote_representation.external_data import RepositorySnap

from spotify_graph import runs
from spotify_graph.definitions import build_defs
from spotify_graph.graph_model import TABLES
from spotify_graph.local.files import write_private
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings
from spotify_graph_tests.few_plays import HEADER, PLAYS, TRACKS, event
from spotify_graph_tests.platform import Platform
from spotify_graph_tests.services import until

PASSWORD = "tr0ub4dor&3~horse(battery)%staple=+"  # noqa: S105 of this test
WRONG = "a-wr0ng~one(of)%ours=+"
TOKEN = "t0ken~of(the)%service=+"  # noqa: S105 of this test
SECRETS = (PASSWORD, WRONG, TOKEN)
GONE = "zoë-4uLU6hMCjMI75M1A2tKUQC-0VjIjW4GlUZAMYd2vXMi3b-7qiZfU4dY1lWllzX7mPBI3"
"""Longer than what Neo4j keeps in other bytes than these."""
QUERY = ("query", "most_skipped_tracks", "--json")

_TLS = """
dbms.ssl.policy.bolt.enabled=true
dbms.ssl.policy.bolt.base_directory={folder}
dbms.ssl.policy.bolt.private_key=private.key
dbms.ssl.policy.bolt.public_certificate=public.crt
dbms.ssl.policy.bolt.client_auth=NONE
server.bolt.tls_level=OPTIONAL
"""


def spelled(secrets: tuple[str, ...]) -> list[bytes]:
    """Secrets as they are, as JSON and as addresses spell them."""
    return [text.encode() for secret in secrets for text in {secret, json.dumps(secret)[1:-1], quote(secret, safe="")}]


class Commands:
    """The command lines of all processes of this machine while it is looked at them."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Commands":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(file.read_bytes())
                except OSError:
                    continue


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.RSA)


@pytest.fixture(scope="module")
def told() -> list[str]:
    """All that was printed."""
    return []


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    with Commands() as seen:
        yield seen


@pytest.fixture(scope="module")
def local(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA, commands: Commands, told: list[str]
) -> Iterator[Platform]:
    """An installation with a local database of its own."""
    home = tmp_path_factory.mktemp("secure") / "home"
    configure = LocalNeo4j._configure

    def with_tls(server: LocalNeo4j, ports: object) -> None:
        configure(server, ports)  # type: ignore[arg-type]
        folder = home.parent / "certificates"
        folder.mkdir(exist_ok=True)
        certificate = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
        certificate.private_key_pem.write_to_path(folder / "private.key")
        certificate.cert_chain_pems[0].write_to_path(folder / "public.crt")
        with (home / "neo4j" / "conf" / "neo4j.conf").open("a") as file:
            file.write(_TLS.format(folder=folder))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOTIFY_GRAPH_HOME", str(home))
        patch.setenv("DAGSTER_HOME", str(home / "dagster"))
        patch.setenv("SPOTIFY_GRAPH_GATES", json.dumps({"stale_warn_hours": 1e9, "rejected_error": 1.0}))
        # As who shares a server sets it, which has a database of another name.
        patch.setenv("NEO4J_DATABASE", "listening")
        patch.setenv("SPOTIFY_GRAPH_NEO4J_SESSIONS", "1")
        patch.setenv("SPOTIFY_GRAPH_NEO4J_BATCH_ROWS", "3")
        patch.setenv("SPOTIFY_GRAPH_LOG_FORMAT", "json")
        patch.setattr(LocalNeo4j.__init__, "__kwdefaults__", {"heap": "512m"})
        patch.setattr(LocalNeo4j, "_configure", with_tls)
        (home / "neo4j").mkdir(parents=True)
        (home / "neo4j" / "password").write_text(PASSWORD)
        (home / "neo4j" / "password").chmod(0o600)
        platform = Platform(home, home / "landing", None)  # type: ignore[arg-type]  # it is restarted
        platform.land("tracks.csv", *TRACKS)
        platform.land("user_events_1.csv", HEADER, *(event(*pair, "play") for pair in PLAYS), event(GONE, "t1", "like"))
        platform.land("user_events_2.csv", HEADER, f"{GONE},t1,hum,yesterday,s,web", event("u1", "t1", "play"))
        result = platform.refresh()
        told.append(result.output)
        assert result.exit_code == 0, result.output
        yield platform
        LocalNeo4j(Settings.load()).stop()


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@contextmanager
def served(platform: Platform, output: Path, *arguments: str) -> Iterator[tuple[str, int]]:
    """The HTTP service in a process of its own: its address, and its process."""
    with output.open("w") as file:
        command = [sys.executable, "-m", "spotify_graph.cli", "serve", *arguments]
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        until(lambda: re.search(r"http://\S+", output.read_text()) or process.poll() is not None)
        found = re.search(r"http://\S+", output.read_text())
        assert found, output.read_text()
        yield found[0], process.pid
    finally:
        process.terminate()
        process.wait(60)


def listens_on(pid: int) -> set[str]:
    """The addresses that a process, or one that it has started, listens on."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    sockets = [it for process in family for it in process.net_connections("inet")]
    # A JVM says so of IPv4 in IPv6.
    return {it.laddr.ip.removeprefix("::ffff:") for it in sockets if it.status == psutil.CONN_LISTEN}


def test_a_publication_and_the_queries_work_over_tls_and_a_wrong_certificate_is_one_clear_line(
    local: Platform, authority: trustme.CA, tmp_path: Path
) -> None:
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    address = LocalNeo4j(Settings.load()).status().uri.partition("://")[2]
    local.land("user_events_3.csv", HEADER, event("u7", "t0", "play"), event("u8", "t0", "play"))
    with environment(NEO4J_PASSWORD=PASSWORD, SSL_CERT_FILE=str(trusted)):
        with environment(NEO4J_URI=f"neo4j+s://{address}"):
            result = local.refresh()
            assert result.exit_code == 0, result.output
        for scheme in ("neo4j+s", "bolt+s", "bolt+ssc", "neo4j+ssc"):
            with environment(NEO4J_URI=f"{scheme}://{address}"), connect(Settings.load()) as driver:
                assert driver.encrypted
                [row] = driver.execute_query(
                    "MATCH (u:User {user_id: 'u7'})-[r:PLAYED]->() RETURN r.count AS n"
                ).records
                assert row["n"] == 1
                local.succeed(*QUERY)
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with environment(NEO4J_PASSWORD=PASSWORD, SSL_CERT_FILE=str(other)):
        for scheme in ("neo4j+s", "bolt+s"):
            with environment(NEO4J_URI=f"{scheme}://{address}"):
                refused = local.run(*QUERY)
                assert refused.exit_code == 1
                [line] = refused.stderr.splitlines()
                assert f"Neo4j at {scheme}://{address} has a certificate that is not trusted" in line
                assert "SSL_CERT_FILE" in line
    plain = LocalNeo4j(Settings.load()).ports()[1]  # of Neo4j Browser
    with environment(NEO4J_PASSWORD=PASSWORD, NEO4J_URI=f"bolt+s://127.0.0.1:{plain}"):
        [line] = local.run(*QUERY).stderr.splitlines()
        assert "takes no connection with TLS" in line


def test_the_files_of_a_local_database_hold_no_byte_of_somebody_who_was_forgotten(local: Platform) -> None:
    data = local.home / "neo4j" / "data"

    def traced() -> list[Path]:
        return [path for path in data.rglob("*") if path.is_file() and GONE.encode() in path.read_bytes()]

    assert traced()
    told = json.loads(local.succeed("forget", "--user", GONE, "--json"))
    assert (told["complete"], told["rebuilt"], told["left"]) == (True, True, [])
    assert traced() == []
    with connect(Settings.load()) as driver:
        users = {row["id"] for row in driver.execute_query("MATCH (u:User) RETURN u.user_id AS id").records}
    assert users == {"u0", "u1", "u2", "u7", "u8"}


def test_a_password_and_a_token_are_in_their_own_files_alone_and_services_listen_on_this_machine_alone(
    local: Platform, commands: Commands, told: list[str], tmp_path: Path
) -> None:
    server = LocalNeo4j(Settings.load())
    pid = server.find()
    assert pid
    assert listens_on(pid) == {"127.0.0.1"}

    file, output = tmp_path / "token", tmp_path / "output"
    file.write_text(TOKEN)
    file.chmod(0o600)
    with served(local, output, "--token-file", str(file)) as (url, process):
        assert listens_on(process) == {"127.0.0.1"}
        asked = [
            requests.get(f"{url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=60)
            for path in ("/", "/openapi.json", "/metrics", "/v1/similar-users?user_id=u0", "/nowhere")
            for token in (TOKEN, WRONG)
        ]
        assert {answer.status_code for answer in asked} >= {200, 401, 404}
        told += [f"{answer.text} {answer.headers}" for answer in asked]
        page = requests.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60).text
        assert {"spotify_graph_files_waiting 0.0", "spotify_graph_problems 0.0"} <= set(page.splitlines())
        assert "spotify_graph_requests_total" in page
    told.append(output.read_text())
    assert (local.home / "logs" / "runs.jsonl").is_file()

    # A server that refuses the password, as the command says it and as a run of Dagster's records it.
    uri = server.status().uri
    with environment(NEO4J_URI=uri, NEO4J_PASSWORD=WRONG):
        refused = local.run(*QUERY)
        told.append(refused.output)
        assert refused.exit_code == 1
        assert (
            refused.stderr
            == f"spotify-graph: Neo4j at {uri} refuses user 'neo4j': check NEO4J_USERNAME and NEO4J_PASSWORD\n"
        )
        told.append(local.run(*QUERY, "--debug").output)
        with runs.instance(Settings.load()) as instance:
            job = build_defs().resolve_implicit_global_asset_job_def()
            asset = [dg.AssetKey("genre_nodes")]
            done = job.execute_in_process(instance=instance, asset_selection=asset, raise_on_error=False)
            assert not done.success
            told += [str(entry) for entry in instance.all_logs(done.run_id)]
        # What the UI is told of the code, its resources and their configuration.
        told.append(dg.serialize_value(RepositorySnap.from_def(build_defs().get_repository_def())))
    with environment(NEO4J_URI=f"bolt://neo4j:{WRONG}@127.0.0.1"):
        told.append(local.run(*QUERY).output)
        assert "use NEO4J_USERNAME and NEO4J_PASSWORD" in told[-1]
    told.append(local.succeed("doctor", "--json") if local.run("doctor").exit_code == 0 else local.run("doctor").output)

    assert len(TABLES) < len([path for path in local.home.rglob("*") if path.is_file()])
    secrets = spelled(SECRETS)
    held = [path for path in local.home.rglob("*") if path.is_file() and _holds(path.read_bytes(), secrets)]
    assert held == [server.password_file]
    assert stat.S_IMODE(server.password_file.stat().st_mode) == 0o600
    assert [text for text in told if _holds(text.encode(), secrets)] == []
    lines = b"\n".join(commands.seen)
    assert b"set-initial-password" in lines
    assert str(file).encode() in lines
    assert not _holds(lines, secrets)


def test_a_password_is_rotated_and_the_new_one_is_in_its_file_alone(local: Platform, commands: Commands) -> None:
    lets_in_again(local)
    server = LocalNeo4j(Settings.load())
    said = local.succeed("neo4j", "rotate-password")
    new = server.password().get_secret_value()
    assert new != PASSWORD
    assert new not in said
    local.succeed(*QUERY)
    assert "problem" not in local.run("doctor").stdout
    uri = server.status().uri
    with environment(NEO4J_URI=uri, NEO4J_PASSWORD=PASSWORD):
        assert "refuses user 'neo4j'" in local.run(*QUERY).stderr
    # Interrupted behind the server's answer, before the file has it.
    following = server.password_file.with_name("password.next")
    write_private(following, new)
    server.password_file.write_text(PASSWORD)
    local.succeed(*QUERY)
    assert not following.exists()
    assert server.password().get_secret_value() == new
    held = [path for path in local.home.rglob("*") if path.is_file() and new.encode() in path.read_bytes()]
    assert held == [server.password_file]
    assert stat.S_IMODE(server.password_file.stat().st_mode) == 0o600
    assert not _holds(b"\n".join(commands.seen), [new.encode()])


def test_the_password_of_a_server_of_one_s_own_is_rotated_as_the_runbook_says(local: Platform) -> None:
    lets_in_again(local)
    server = LocalNeo4j(Settings.load())
    old, uri = server.password().get_secret_value(), server.status().uri
    with environment(NEO4J_URI=uri, NEO4J_PASSWORD=old):
        local.succeed(*QUERY)
        with connect(Settings.load()) as driver:
            rotation = "ALTER CURRENT USER SET PASSWORD FROM $old TO $new"
            driver.execute_query(rotation, old=old, new=WRONG, database_="system")
        assert "refuses user 'neo4j'" in local.run(*QUERY).stderr
    with environment(NEO4J_URI=uri, NEO4J_PASSWORD=WRONG):
        local.succeed(*QUERY)
        assert "problem" not in local.run("doctor").stdout
        with connect(Settings.load()) as driver:
            driver.execute_query(rotation, old=WRONG, new=old, database_="system")


def lets_in_again(local: Platform) -> None:
    """Waits until the server takes passwords: after a few wrong ones, it takes none for some seconds."""
    until(lambda: local.run(*QUERY).exit_code == 0)


def _holds(content: bytes, words: list[bytes]) -> bool:
    return any(word in content for word in words)
