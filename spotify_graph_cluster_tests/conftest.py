"""The full profile of docker/compose.yaml, as processes, with a lake in an object store.

Neo4j, PostgreSQL, Spark's master, two workers and history server, and Dagster's code location, webserver and daemon.
The driver, which is the code location's child, and the workers have one thing in common: the lake's address.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import requests
from neo4j import Driver, GraphDatabase

from spotify_graph.local.java import java_home
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
from spotify_graph_cluster_tests import postgres
from spotify_graph_cluster_tests.containers import ROOT, Host, own
from spotify_graph_tests import java, object_store

SECONDS = 600
"""Long, because a machine may have other things to do: nothing waits for it in vain."""
OURS = ("SPOTIFY_GRAPH_", "NEO4J_", "SPARK_", "DAGSTER_", "PYSPARK_", "AWS_")


def until(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


@dataclass
class Cluster:
    """A Spark cluster of two workers, a store, and a database.

    Attributes:
        host: the machine that its services run on.
        folder: where all of them have their files.
        driver_home: what the platform writes, which no worker sees.
        master: the address of Spark's master.
        history: the address of its history server.
        lake: the address of the lake.
        neo4j: the driver of the graph.
        environment: the settings of a command that works on the cluster.
        workers: its workers' processes.
    """

    host: Host
    folder: Path
    driver_home: Path
    master: str
    history: str
    lake: str
    neo4j: Driver
    environment: dict[str, str]
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def landing(self) -> Path:
        """The landing folder."""
        return self.driver_home.parent / "landing"

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Runs `spotify-graph`, by this process's user, as a process of its own."""
        command = [sys.executable, "-m", "spotify_graph.cli", *arguments]
        environment = self.environment | variables
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """The folder of all services, which all their users are let into, and none but its owner into what is in it."""
    found = Path(mkdtemp(prefix="spotify-graph-cluster-", dir="/var/tmp"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def environment(folder: Path) -> Iterator[None]:
    """What the person who runs the tests has set plays no part."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    os.environ |= {"SPOTIFY_GRAPH_HOME": str(folder / "tests"), "JAVA_TOOL_OPTIONS": java.OPTIONS}
    yield
    os.environ.clear()
    os.environ |= before


@pytest.fixture(scope="session")
def neo4j() -> Iterator[tuple[str, str, Driver]]:
    """The address of a server, its password, and a driver."""
    server = LocalNeo4j(Settings.load(), heap="1g")
    server.start()
    uri, password = str(server.status().uri), server.password().get_secret_value()
    with GraphDatabase.driver(uri, auth=("neo4j", password)) as driver:
        yield uri, password, driver
    server.stop()


@pytest.fixture(scope="session")
def cluster(
    folder: Path, neo4j: tuple[str, str, Driver], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The cluster, with an empty store and an empty graph."""
    uri, password, driver = neo4j
    with ExitStack() as stack:
        bucket = stack.enter_context(object_store.running())
        in_secrets = own(folder / "secrets")
        postgres_password = secrets.token_urlsafe(16)
        for name, text in {"neo4j_auth": f"neo4j/{password}", "postgres_password": postgres_password}.items():
            (in_secrets / name).write_text(f"{text}\n", encoding="utf-8")
            (in_secrets / name).chmod(0o444)
        database = stack.enter_context(postgres.running(folder / "postgres", postgres_password))
        driver_side = folder / "driver"
        driver_side.mkdir(mode=0o755)
        home = own(driver_side / "home")
        own(driver_side / "landing")
        own(home / "dagster")
        own(home / "spark")
        events = own(home / "spark" / "events")
        for number in (1, 2):
            own(folder / f"worker-{number}")
        logs = tmp_path_factory.mktemp("logs")
        java_folder = java_home(Settings.load().model_copy(update={"home": folder / "image"}))
        ports = {name: free_port() for name in ("7077", "8080", "8081", "18080", "4000", "3000")}
        host = Host(
            names={
                "bolt://neo4j:7687": uri,
                "/app/docker/full": str(ROOT / "docker"),
                "/app/docker": str(ROOT / "docker"),
                "/app/.venv": sys.prefix,
                "/opt/java": str(java_folder),
                "/data": str(home),
                "/landing": str(driver_side / "landing"),
                "/lake": f"s3://{bucket}/lake",
                "spark-master": "127.0.0.1",
                "code-location": "127.0.0.1",
                "0.0.0.0": "127.0.0.1",  # noqa: S104 it is none here
                **{name: str(port) for name, port in ports.items()},
            },
            more={
                "JAVA_TOOL_OPTIONS": java.OPTIONS,
                "PYTHONPATH": str(ROOT),
                "SECRETS": str(in_secrets),
                "SPARK_LOCAL_IP": "127.0.0.1",
                "DAGSTER_POSTGRES_HOST": "127.0.0.1",
                "DAGSTER_POSTGRES_PORT": str(database),
                # Small logs are large ones here.
                "SPOTIFY_GRAPH_IN_PROCESS_ROWS": "1000",
                "SPOTIFY_GRAPH_RECOMMENDER": '{"tune": false}',
            },
            logs=logs,
        )
        master, history = f"spark://127.0.0.1:{ports['7077']}", f"http://127.0.0.1:{ports['18080']}"
        pages = f"http://127.0.0.1:{ports['8080']}/json/"
        of_code = host.environment("code-location")
        wanted = ("SPARK_", "SPOTIFY_GRAPH_", "NEO4J_", "PYSPARK_", "AWS_")
        found = Cluster(
            host,
            folder,
            home,
            master,
            history,
            f"s3://{bucket}/lake",
            driver,
            {
                **os.environ,
                **{name: value for name, value in of_code.items() if name.startswith(wanted)},
                "NEO4J_PASSWORD": password,
                "PYTHONPATH": str(ROOT),
                # What lies in the current folder is no part of the program.
                "PYTHONSAFEPATH": "1",
                "DAGSTER_HOME": str(folder / "command" / "dagster"),
                "SPOTIFY_GRAPH_HOME": str(folder / "command"),
            },
        )
        stack.enter_context(host.started("spark-master"))
        stack.enter_context(host.started("spark-history", writable=[events]))
        until(lambda: answers(pages), f"no master: see {logs}")
        for number in (1, 2):
            scratch = folder / f"worker-{number}"
            worker = host.started(
                "spark-worker",
                name=f"spark-worker-{number}",
                writable=[scratch],
                hidden=[driver_side],
                SPARK_WORKER_DIR=str(scratch / "work"),
                SPARK_LOCAL_DIRS=str(scratch / "local"),
            )
            found.workers.append(stack.enter_context(worker))
        until(lambda: requests.get(pages, timeout=5).json()["aliveworkers"] == len(found.workers), f"see {logs}")
        yield found


@dataclass
class Platform:
    """Dagster's processes on the cluster.

    Attributes:
        cluster: the cluster.
        ui: the webserver's address.
        containers: the process of each service.
        stack: what ends them.
    """

    cluster: Cluster
    ui: str
    containers: dict[str, "subprocess.Popen[bytes]"]
    stack: ExitStack

    def start(self, service: str) -> None:
        """Starts a container of a service, and waits until it is healthy."""
        cluster = self.cluster
        volumes: dict[str, dict[str, Any]] = {
            "code-location": {"writable": [cluster.driver_home], "readable": [cluster.landing]},
            "dagster-webserver": {"readable": [cluster.driver_home]},
            "dagster-daemon": {"readable": [cluster.driver_home]},
        }
        process = self.stack.enter_context(cluster.host.started(service, **volumes[service]))
        until(
            lambda: process.poll() is not None or cluster.host.is_healthy(service),
            f"{service}: see {cluster.host.logs}",
        )
        assert process.poll() is None, f"{service}: see {cluster.host.logs}"
        self.containers[service] = process

    def kill(self, service: str) -> None:
        """Ends a service's container and all that runs in it at once."""
        process = self.containers.pop(service)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def ask(self, query: str, **variables: Any) -> Any:
        answer = requests.post(f"{self.ui}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def launch(self, job: str) -> str:
        """Has a run of a job queued, as the UI does; its id."""
        launched = self.ask(
            """mutation ($selector: JobOrPipelineSelector!) {
              launchRun(executionParams: {selector: $selector, mode: "default"}) {
                __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
            selector={
                "repositoryLocationName": "spotify_graph",
                "repositoryName": "__repository__",
                "pipelineName": job,
            },
        )["launchRun"]
        return str(launched["run"]["runId"])

    def run(self, run_id: str) -> dict[str, Any]:
        """A run, with its tags."""
        return next(it for it in self.runs() if it["runId"] == run_id)

    def messages(self, run_id: str) -> list[str]:
        """What the events of a run say."""
        query = (
            "query ($run: ID!) { runOrError(runId: $run) { ... on Run { eventConnection { events {"
            " ... on MessageEvent { message } } } } } }"
        )
        return [it["message"] for it in self.ask(query, run=run_id)["runOrError"]["eventConnection"]["events"]]

    def runs(self) -> list[dict[str, Any]]:
        """The runs, the latest first, with their tags."""
        found = self.ask(
            "{ runsOrError(limit: 50) { ... on Runs { results { runId jobName status tags { key value } } } } }"
        )
        return [
            {**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}}
            for run in found["runsOrError"]["results"]
        ]

    def failures(self) -> list[str]:
        """What the runs that failed say of it, by job and step."""
        failure = "... on ExecutionStepFailureEvent { stepKey error { message causes { message } } }"
        unstarted = "... on RunFailureEvent { message error { message causes { message } } }"
        query = (
            "query ($run: ID!) { runOrError(runId: $run) { ... on Run { eventConnection { events {"
            f" __typename {failure} {unstarted} }} }} }} }}"
        )
        return [
            f"{run['jobName']}: {event}"
            for run in self.runs()
            if run["status"] == "FAILURE"
            for event in self.ask(query, run=run["runId"])["runOrError"]["eventConnection"]["events"]
            if len(event) > 1
        ]

    def metadata(self, asset: str) -> dict[str, Any]:
        """What the page of an asset shows of its latest materialization; empty without one."""
        latest = (
            "assetMaterializations(limit: 1) { runId metadataEntries { label ... on MarkdownMetadataEntry { mdStr } } }"
        )
        found = self.ask(
            f'{{ assetNodeOrError(assetKey: {{path: ["{asset}"]}}) {{ ... on AssetNode {{ {latest} }} }} }}'
        )["assetNodeOrError"]["assetMaterializations"]
        return {entry["label"]: entry.get("mdStr") for entry in found[0]["metadataEntries"]} if found else {}

    def is_idle(self) -> bool:
        return all(run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} for run in self.runs())


@pytest.fixture(scope="session")
def platform(cluster: Cluster) -> Iterator[Platform]:
    """The platform, with nothing landed yet."""
    command = cluster.host.command("dagster-webserver")
    with ExitStack() as stack:
        found = Platform(cluster, f"http://127.0.0.1:{command[command.index('-p') + 1]}", {}, stack)
        for service in ("code-location", "dagster-webserver", "dagster-daemon"):
            found.start(service)
        yield found
