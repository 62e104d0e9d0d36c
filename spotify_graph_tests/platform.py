"""The platform as a user meets it: a home, a landing folder, the command, and the graph that it fills."""

import contextvars
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from neo4j import Driver, GraphDatabase

from spotify_graph.cli import main
from spotify_graph.definitions import build_defs
from spotify_graph.graph_model import FACTS
from spotify_graph.lake.versions import LakeTable
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests.emptied import empty


@dataclass(frozen=True)
class Platform:
    """One installation, with a graph of its own on the suite's server.

    Attributes:
        home: its SPOTIFY_GRAPH_HOME.
        landing: its landing folder.
        driver: a driver of its graph.
    """

    home: Path
    landing: Path
    driver: Driver

    def run(self, *arguments: str) -> Result:
        """Runs `spotify-graph` with these arguments, in this process: the suite's Spark session is used."""
        return CliRunner().invoke(main, list(arguments))

    def refresh(self) -> Result:
        """`materialize`, but for the models, which take longer than all the rest."""
        return self.run("materialize", "--select", "not (group:evaluation or group:recommendations)")

    def succeed(self, *arguments: str) -> str:
        """Runs the command, which must exit with 0, and returns what it printed on stdout."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    def land(self, name: str, *lines: str) -> None:
        """Puts a file into the landing folder."""
        self.landing.mkdir(parents=True, exist_ok=True)
        (self.landing / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def assets(self) -> dict[str, dict[str, Any]]:
        """What `status` says of each asset."""
        return {row["asset"]: row for row in json.loads(self.succeed("status", "--json"))["assets"]}

    def written(self) -> dict[str, tuple[int, int, int]]:
        """Rows inserted, changed and deleted by the latest run, for each asset of the graph that wrote something."""
        what = {name: (row["inserted"], row["changed"], row["deleted"]) for name, row in self.assets().items()}
        return {name: counts for name, counts in what.items() if counts[0] is not None and any(counts)}

    def facts_written(self) -> dict[str, tuple[int, int, int]]:
        """The same for what follows from the logs and the catalogue alone; a model is written anew as a whole."""
        facts = {table.asset for table in FACTS}
        return {name: counts for name, counts in self.written().items() if name in facts}

    def rows(self, asset: str) -> pa.Table:
        """What an asset holds, as its IO manager reads it.

        Dagster makes instances of its own for that. Where reading fails they end with the garbage, and then put an
        instance that is gone in the place of the current one: a context of its own keeps that apart.
        """
        found = contextvars.copy_context().run(build_defs().load_asset_value, asset)
        return found.read() if isinstance(found, LakeTable) else found

    def ask(self, cypher: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows that a query returns."""
        return [record.data() for record in self.driver.execute_query(cypher, parameters_=parameters).records]


@contextmanager
def without_a_graph(folder: Path, *, local: bool = False) -> Iterator[Platform]:
    """An installation in the folder whose server can't be reached: for what is done in the lake alone.

    Or it is the local one, which has not been started.
    """
    uri = "bolt://127.0.0.1:1"
    with pytest.MonkeyPatch.context() as patch, GraphDatabase.driver(uri) as driver:
        patch.setenv("SPOTIFY_GRAPH_HOME", str(folder))
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        if local:
            patch.delenv("NEO4J_URI", raising=False)
        else:
            patch.setenv("NEO4J_URI", uri)
        yield Platform(folder, folder / "landing", driver)


@contextmanager
def installed(
    folder: Path, server: LocalNeo4j, driver: Driver, *, recommender: Mapping[str, Any] | None = None, **gates: float
) -> Iterator[Platform]:
    """An installation in the folder, connected to the server, whose graph is empty.

    It has these parameters of its models, and these thresholds of its gates.
    """
    empty(driver)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOTIFY_GRAPH_HOME", str(folder))
        patch.setenv("SPOTIFY_GRAPH_GATES", json.dumps(gates))
        patch.setenv("SPOTIFY_GRAPH_RECOMMENDER", json.dumps(recommender or {}))
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        patch.setenv("NEO4J_URI", str(server.status().uri))
        patch.setenv("NEO4J_PASSWORD", server.password().get_secret_value())
        yield Platform(folder, folder / "landing", driver)
