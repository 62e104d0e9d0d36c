"""The Neo4j that `spotify-graph up` works with: how it ends with it, and how it's noticed to end before."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from spotify_graph.local.files import write_private
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.local.processes import is_alive
from spotify_graph.local.stopping import Stop
from spotify_graph.settings import Settings

_BOLT_PORT = 7687
_ANSWER_SECONDS = 2


@contextmanager
def ended(settings: Settings, stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """Starts the local server, and ends it with the block, unless somebody else has started it before.

    Args:
        settings: the installation's settings, of a local database.
        stop: what asks this process to end.
        say: told of progress.

    Raises:
        UserError: it does not start.
    """
    local = LocalNeo4j(settings)
    # Names the server that an `up` has started; it's still there where that was killed.
    note = settings.home / "neo4j" / "of_up"
    there = local.identity()
    if there and not (note.exists() and note.read_text() == there):
        yield
        return
    try:
        local.start(say)
        write_private(note, local.identity() or "")
        yield
    finally:
        stop.at_once, stop.awaiting = False, "Neo4j"
        with suppress(OSError):  # whoever reads this may have gone
            say("Stopping Neo4j")
        local.stop()
        note.unlink(missing_ok=True)


class ServerWatch:
    """Notices that the server has gone, and that it is back. It is there to begin with."""

    def __init__(self, settings: Settings) -> None:
        self._uri = settings.neo4j_uri
        self._local = LocalNeo4j(settings)
        self._process: str | None = None
        self._there = True

    def look(self) -> str | None:
        """What has changed since the last look, in a line; None where nothing has."""
        there = self._listens(self._uri) if self._uri else self._runs()
        if there == self._there:
            return None
        self._there = there
        if self._uri:
            return f"Neo4j at {self._uri} " + ("answers again" if there else "does not answer: runs fail until it does")
        if there:
            return f"Neo4j runs again, on {self._local.status().uri}"
        return "Neo4j has ended: `spotify-graph neo4j start` starts it again, and so does the next run"

    def _runs(self) -> bool:
        if self._process is None or not is_alive(self._process):
            self._process = self._local.identity()
        return self._process is not None

    @staticmethod
    def _listens(uri: str) -> bool:
        address = urlsplit(uri)
        try:
            socket.create_connection((address.hostname or "", address.port or _BOLT_PORT), _ANSWER_SECONDS).close()
        except OSError:
            return False
        return True
