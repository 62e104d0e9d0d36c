"""A Neo4j server of its own for each contestant, all with the same settings."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neo4j import Driver

from benchmarks.loading.measurement import say
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings

_ADDRESS = ("NEO4J_URI", "NEO4J_USERNAME", "NEO4J_PASSWORD", "NEO4J_DATABASE")


def local(home: Path) -> LocalNeo4j:
    """The server of a home, which the settings of this process and of those that it starts name from now on."""
    for name in _ADDRESS:
        os.environ.pop(name, None)
    os.environ |= {"SPOTIFY_GRAPH_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    return LocalNeo4j(Settings.load())


@contextmanager
def started(server: LocalNeo4j) -> Iterator[int]:
    """Starts a server, gives its process id, and stops it in the end, whatever happens."""
    try:
        status = server.start(say)
        assert status.pid is not None  # noqa: S101 it runs
        # Set even though the home says it as well: a `.env` file may name another server, which is nobody's to empty.
        address = (status.uri, status.username, server.password().get_secret_value(), "neo4j")
        os.environ |= dict(zip(_ADDRESS, address, strict=True))
        yield status.pid
    finally:
        server.stop()


@contextmanager
def connected() -> Iterator[Driver]:
    """A driver of the server that was started last."""
    with connect(Settings.load()) as driver:
        yield driver
