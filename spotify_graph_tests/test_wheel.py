"""A wheel of this package, used where nothing is as usual: the user, their home, the locale, the folder."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests
from neo4j import GraphDatabase

from spotify_graph.local import jars
from spotify_graph.settings import PROJECT_ROOT
from spotify_graph_tests.test_homes import ALLOWED

STRANGER = 12_345
"""A user's id that the system has no name for."""

_MATERIALIZE = "from definitions import defs; defs.resolve_implicit_global_asset_job_def().execute_in_process()"
_ASSETS = "{ assetNodes { groupName } }"


def as_a_stranger() -> list[str]:
    """What runs a command as that user, who may read what we may: the interpreter may lie in our own home."""
    if os.geteuid():
        return ["unshare", "--user", f"--map-user={STRANGER}", f"--map-group={STRANGER}"]
    reads = "+dac_read_search"
    who = [f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    # access(2), by which Alembic looks for Dagster's migrations, leaves that out of account unless it is told not to.
    return ["setpriv", *who, f"--inh-caps={reads}", f"--ambient-caps={reads}", "--securebits=+no_setuid_fixup"]


@dataclass(frozen=True)
class Installation:
    """The command, as a stranger without a home has it in their current folder.

    Attributes:
        programs: where the programs are of a virtual environment that has the wheel.
        folder: the current folder; it has every character in its name that a home may have.
    """

    programs: Path
    folder: Path

    def start(
        self, *arguments: str, program: str = "spotify-graph", stderr: int = subprocess.PIPE, **variables: str
    ) -> "subprocess.Popen[str]":
        # Short-lived JVMs, as in all tests.
        environment = {"PATH": os.defpath, "LC_ALL": "C", "JAVA_TOOL_OPTIONS": os.environ["JAVA_TOOL_OPTIONS"]}
        return subprocess.Popen(
            [*as_a_stranger(), str(self.programs / program), *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=self.folder,
            env=environment | variables,
            encoding="utf-8",
        )

    def run(self, *arguments: str, **options: str) -> tuple[str, str]:
        """What the command says on stdout and on stderr when it ends, which must be well."""
        with self.start(*arguments, **options) as process:  # type: ignore[arg-type]  # none of them is `stderr`
            said, told = process.communicate()
        assert process.returncode == 0, said + told
        return said, told


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """The wheel alone in an environment that is else empty, but sees the packages that this one has."""
    with TemporaryDirectory() as folder:  # pytest's own are closed to others
        installation = install(Path(folder))
        yield installation
        installation.run("neo4j", "stop")


def install(root: Path) -> Installation:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(root)]
    subprocess.run(build, cwd=PROJECT_ROOT, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / "venv"], check=True)
    python = root / "venv" / "bin" / "python"
    [wheel] = root.glob("*.whl")
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--offline", "--no-deps", "--compile-bytecode"]
    subprocess.run([*uv, "--python", python, wheel], check=True, capture_output=True)
    # The packages, and not the checkout: what is named in one .pth file of theirs is not looked at from another.
    [packages] = (root / "venv" / "lib").glob("*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    folder = root / f"a {ALLOWED}"
    cache = folder / ".spotify_graph" / ".cache" / "spotify-graph" / "jars"
    jars.fetch(jars.NEO4J)
    shutil.copytree(jars.default_cache(), cache, copy_function=_link)
    # No days can be held out, so that the evaluation has nothing to do: here it would take longer than all the rest.
    (folder / ".env").write_text("""SPOTIFY_GRAPH_RECOMMENDER='{"window_days": 90, "rank": 4, "iterations": 2}'\n""")
    if not os.geteuid():
        for made in (root, folder, *(path for path in folder.rglob("*") if path.is_dir())):
            os.chown(made, STRANGER, STRANGER)
    return Installation(python.parent, folder)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)


def test_it_fills_a_graph_in_an_empty_folder_for_a_user_without_a_name_or_a_home_in_the_c_locale(
    installation: Installation,
) -> None:
    installation.run("generate", "--tracks", "60", "--users", "20", "--events", "1500")
    said, told = installation.run("demo")
    assert "(:User)" in said
    assert "recommend" in said
    home = installation.folder / ".spotify_graph"
    assert (home / "landing" / "tracks.csv").exists()
    assert {path.name for path in installation.folder.iterdir()} == {".env", ".spotify_graph"}, "caches are in the home"
    # Sample data is new, and linear algebra in Java.
    assert "warning" not in told
    assert "blas" not in told.lower()


def test_an_example_needs_nothing_but_the_wheel_and_a_server(installation: Installation) -> None:
    shutil.copytree(PROJECT_ROOT / "examples" / "people", installation.folder / "people")
    if not os.geteuid():
        os.chown(installation.folder / "people", STRANGER, STRANGER)
    server = json.loads(installation.run("neo4j", "status", "--json")[0])
    login = {"NEO4J_URI": server["uri"], "NEO4J_PASSWORD": Path(server["password_file"]).read_text().strip()}
    installation.run("-c", _MATERIALIZE, program="python", PYTHONPATH="people", **login)
    auth = (server["username"], login["NEO4J_PASSWORD"])
    with GraphDatabase.driver(server["uri"], auth=auth) as driver:
        found = driver.execute_query("MATCH (p:Person)-[:WORKS_AT]->(c:Company) RETURN p.name, c.name ORDER BY p.name")
    assert [tuple(record) for record in found.records] == [("Ada", "Acme"), ("Bo", "Birch"), ("Cleo", "Acme")]


def test_up_serves_the_definitions_and_keeps_dagster_s_settings_and_records_in_the_home(
    installation: Installation,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with installation.start("up", "--port", str(port), stderr=subprocess.STDOUT) as process:
        assert process.stdout
        said: list[str] = []
        while not any("Dagster UI" in line for line in said):
            said.append(process.stdout.readline())
            assert said[-1], "".join(said)
        assets = requests.post(f"http://127.0.0.1:{port}/graphql", json={"query": _ASSETS}, timeout=120).json()
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 0
    assert "recommendations" in {asset["groupName"] for asset in assets["data"]["assetNodes"]}
    kept = installation.folder / ".spotify_graph" / "dagster" / "dagster.yaml"
    assert kept.read_text() == (PROJECT_ROOT / "dagster.yaml").read_text()
