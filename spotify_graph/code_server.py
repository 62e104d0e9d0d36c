"""Dagster's code server, whose runs have the code from their first moment: `python -m spotify_graph.code_server`.

Its arguments are those of `dagster api grpc`. Dagster starts a new Python for each run, which imports Dagster, Arrow,
Spark's client and this project before it does anything: two to five seconds, for which whoever landed a file waits
twice. Here a process that has imported all that, and has done nothing else, is forked for each run.
"""

import sys
from multiprocessing import forkserver, get_context
from typing import Any

from dagster._cli.api import api_cli
from dagster._grpc import server

from spotify_graph import history
from spotify_graph.local.garbage import spare_what_is_loaded

_IMPORTED = [
    "dagster._grpc.impl",
    "neo4j",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "spotify_graph.definitions",
    "spotify_graph.neo4j_io.publication",
    "spotify_graph.neo4j_io.revision",
    "spotify_graph.tasks.events",
    "spotify_graph.tasks.interactions",
]
"""What a run needs. None of it starts a thread or opens a file when it is imported."""

_LOOK_SECONDS = 2
"""How often it looks whether a run's process has died, and whether it is to end: a signal ends it at once."""


class _Server(server.DagsterApiServer):
    """The server that forks its runs."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._mp_ctx: Any = get_context("forkserver")


def main() -> None:
    """Serves until it is ended."""
    get_context("forkserver").set_forkserver_preload(_IMPORTED)
    forkserver.ensure_running()  # before the first run wants it
    server.DagsterApiServer = _Server  # type: ignore[misc]
    server.CLEANUP_TICK = _LOOK_SECONDS
    server.grpc._common.MAXIMUM_WAIT_TIMEOUT = _LOOK_SECONDS  # type: ignore[attr-defined]
    history.keep_open()
    spare_what_is_loaded()
    api_cli(["grpc", *sys.argv[1:]])


if __name__ == "__main__":
    main()
