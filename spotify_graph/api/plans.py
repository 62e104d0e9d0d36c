"""How the server goes about the queries, planned ahead: a request should not wait for that."""

import logging
import threading

from neo4j import Driver
from neo4j.exceptions import DriverError, Neo4jError

from spotify_graph import serving
from spotify_graph.serving import NoModelError

_LOOK_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Plans(threading.Thread):
    """Plans the queries, and again once another model is active or the server was away, which forgets them.

    Attributes:
        made: whether there are plans.
        made_for: the version of the model that was active when they were made, or None for none.

    Args:
        driver: a connection to the server.
        database: the database that holds the graph.
    """

    def __init__(self, driver: Driver, database: str) -> None:
        super().__init__(name="plans", daemon=True)
        self._driver, self._database = driver, database
        self._ended = threading.Event()
        self.made_for: str | None = None
        self.made = False

    def run(self) -> None:
        """Looks after the plans until `end`."""
        while not self._ended.is_set():
            self._attempt()
            self._ended.wait(_LOOK_SECONDS)

    def end(self) -> None:
        """Makes no more plans, and gives up those that are being made once the driver is closed."""
        self._ended.set()

    def _attempt(self) -> None:
        try:
            version = self._version()
            if not self.made or version != self.made_for:
                serving.prepare(self._driver, self._database)
                self.made, self.made_for = True, version
        except (DriverError, Neo4jError, OSError) as error:
            if self.made and not self._ended.is_set():
                _log.warning("Neo4j can't be asked: %s", next(iter(str(error).splitlines()), type(error).__name__))
            self.made = False

    def _version(self) -> str | None:
        try:
            return serving.require_model(self._driver, self._database)
        except NoModelError:
            # Popular tracks are served without one.
            return None
